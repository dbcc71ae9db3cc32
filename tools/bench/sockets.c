/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench/sockets.c -- rows in over TCP, rows out to many, and how long a row takes.
 *
 *   sockets WEIR [--part in|out|latency] [--query q5] [--events N] [--rate R] [--seed S] [--disorder G]
 *                [--runs K] [--workers W] [--seconds T]
 *
 * `weir run` is a process of its own, and so are those who send to it and read from it: the CPU time
 * is that of the Weir process alone, user and system, all its threads.
 */
#include "sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void
go_first(void)
{
    struct sched_param one = { .sched_priority = 1 };
    if (sched_setscheduler(0, SCHED_FIFO, &one) != 0) {
        perror("sockets: --fifo");
        _exit(1);
    }
}

/* --- the Weir process --- */

static void
die(const char *what)
{
    fprintf(stderr, "sockets: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void
log_show(const process *p)
{
    char line[512];
    FILE *f = fopen(p->log, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        fputs(line, stderr);
    if (f != NULL)
        fclose(f);
}

void
process_start(process *p, const settings *s, const char *pipeline, bool once)
{
    char workers[16];
    snprintf(p->file, sizeof p->file, "/tmp/weir-sockets-%d.yaml", (int)getpid());
    snprintf(p->log, sizeof p->log, "/tmp/weir-sockets-%d.log", (int)getpid());
    snprintf(workers, sizeof workers, "%u", s->workers);
    FILE *f = fopen(p->file, "w");
    if (f == NULL || fputs(pipeline, f) < 0 || fclose(f) != 0)
        die(p->file);
    p->pid = fork();
    if (p->pid < 0)
        die("fork");
    if (p->pid > 0)
        return;
    if (s->fifo)
        go_first();
    if (freopen(p->log, "w", stderr) == NULL || freopen("/dev/null", "w", stdout) == NULL)
        _exit(126);
    execl(s->weir, s->weir, "run", "--quiet", "--workers", workers, p->file, once ? "--once" : NULL,
          NULL);
    _exit(127);
}

double
process_cpu(const process *p)
{
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(p->pid, &clock) != 0 || clock_gettime(clock, &t) != 0) {
        log_show(p);
        die("the Weir process");
    }
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void
kill_wait(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

double
process_wait(process *p)
{
    struct rusage u;
    int status;
    if (wait4(p->pid, &status, 0, &u) != p->pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        log_show(p);
        fprintf(stderr, "sockets: weir has failed\n");
        exit(1);
    }
    unlink(p->file);
    unlink(p->log);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

void
process_stop(process *p)
{
    kill(p->pid, SIGTERM);
    (void)process_wait(p);
}

/* --- sockets --- */

int
port_free(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &n) != 0)
        die("a free port");
    close(fd);
    return ntohs(a.sin_port);
}

int
port_listen(int *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &n) != 0)
        die("a socket");
    *port = ntohs(a.sin_port);
    return fd;
}

int
port_connect(int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port) };
    for (int i = 0; i < 2000; i++) {
        int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            die("socket");
        if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0) {
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            return fd;
        }
        close(fd);
        usleep(5000);
    }
    die("nobody listens");
    return -1;
}

void
send_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            die("send");
        bytes += n > 0 ? n : 0;
        length -= n > 0 ? (size_t)n : 0;
    }
}

/* --- figures --- */

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double
median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[count / 2];
}

double
now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

enum { GAPS_MAX = 1 << 20 };

/* The share of all moments that would wait longer than x. */
static double
share_beyond(const double *gap, int count, double x, double whole)
{
    double beyond = 0;
    for (int i = 0; i < count; i++)
        beyond += gap[i] > x ? gap[i] - x : 0;
    return beyond / whole;
}

gaps
gaps_measure(double seconds)
{
    static double gap[GAPS_MAX];
    gaps g = { 0 };
    int count = 0;
    double from = now_seconds(), last = from, lost = 0;
    while (last - from < seconds && count < GAPS_MAX) {
        double now = now_seconds();
        if (now - last > 10e-6) {
            gap[count++] = now - last;
            lost += now - last;
            g.max_us = now - last > g.max_us / 1e6 ? (now - last) * 1e6 : g.max_us;
        }
        last = now;
    }
    double whole = last - from, low = 0, high = g.max_us / 1e6;
    for (int i = 0; i < 40; i++) {
        double middle = (low + high) / 2;
        if (share_beyond(gap, count, middle, whole) > 0.01)
            low = middle;
        else
            high = middle;
    }
    g.p99_us = high * 1e6;
    g.lost = lost / whole;
    return g;
}

/* --- what to do --- */

static void
usage(const char *what)
{
    fprintf(stderr,
            "sockets: %s\nusage: sockets WEIR [--part in|out|latency] [--query Q] [--events N] "
            "[--rate R] "
            "[--seed S] [--disorder G] [--runs K] [--workers W] [--seconds T]\n",
            what);
    exit(2);
}

int
main(int argc, char **argv)
{
    settings s = { .events = 1000000,
                   .rate = 100000,
                   .seed = 42,
                   .disorder = 50,
                   .runs = 5,
                   .workers = 1,
                   .seconds = 10 };
    struct {
        const char *name;
        uint64_t *number;
    } numbers[] = { { "--events", &s.events },
                    { "--rate", &s.rate },
                    { "--seed", &s.seed },
                    { "--disorder", &s.disorder } };
    if (argc < 2)
        usage("which program?");
    s.weir = argv[1];
    for (int i = 2; i < argc; i += 2) {
        const char *v = argv[i + 1];
        bool known = false;
        if (i + 1 == argc)
            usage("an option without its value");
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
            if (strcmp(argv[i], numbers[k].name) == 0) {
                *numbers[k].number = strtoull(v, NULL, 10);
                known = true;
            }
        if (strcmp(argv[i], "--part") == 0)
            s.part = v;
        else if (strcmp(argv[i], "--query") == 0)
            s.query = v;
        else if (strcmp(argv[i], "--runs") == 0)
            s.runs = atoi(v) < 1 ? 1 : atoi(v) > 31 ? 31 : atoi(v);
        else if (strcmp(argv[i], "--workers") == 0)
            s.workers = (unsigned)atoi(v);
        else if (strcmp(argv[i], "--fifo") == 0)
            s.fifo = atoi(v) != 0;
        else if (strcmp(argv[i], "--rate-in") == 0)
            s.rate_in = atof(v);
        else if (strcmp(argv[i], "--seconds") == 0)
            s.seconds = atof(v);
        else if (!known && strcmp(argv[i], "--way") != 0 && strcmp(argv[i], "--once") != 0)
            usage(argv[i]);
    }
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (s.part == NULL || strcmp(s.part, "in") == 0)
        in_run(&s);
    if (s.part == NULL || strcmp(s.part, "out") == 0)
        out_run(&s);
    if (s.part == NULL || strcmp(s.part, "latency") == 0)
        latency_run(&s);
    return 0;
}
