/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench/sockets_latency.c -- from the time a row is due to the socket of a subscriber.
 *
 * Rows come by TCP in bursts, one each TICK_US, at half of the rate that went through at full speed just
 * before.  Each burst is due at a fixed time, which is the event time of its rows: if the sender, or Weir
 * behind it, falls behind, the rows are late by that much, and so is what comes of them (nothing is omitted).
 *   filter   the last row of each burst passes a filter: received - due;
 *   window   tumbling windows of 10 ms: received - due of the first burst at or after the window's end, which
 *            is what closes it (the watermark is the event time).
 * Sender and subscriber are processes of their own.  Before and after, a spinning thread finds out how long anything that
 * is due waits for a processor here: where a twentieth of the time is lost, or one moment in a hundred (or one burst in a
 * hundred that the sender has due) waits longer than a fifth of the goal, the 99th percentile says more of the machine than of
 * Weir and is not judged.  --fifo 1 lets the processes of the measurement go before other work of the machine (SCHED_FIFO, root).
 */
#include "sockets.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EPOCH_US 1000000000000000 /* event time is the monotonic clock, and this: 16 digits */

enum {
    TICK_US = 500,
    WINDOW_US = 10000,
    ROW_BYTES = 128,
    SAMPLES_MAX = 1 << 17,
    WARM_US = 1000000,
    GOAL_P50_US = 1000,
    GOAL_P99_US = 5000,
};

typedef struct samples {
    _Atomic uint32_t count;
    float us[SAMPLES_MAX];
} samples;

typedef struct shared {
    _Atomic int subscribed, stop;
    _Atomic int64_t start;   /* when the first burst is due */
    _Atomic int64_t measure; /* what is due from then on counts */
    _Atomic uint64_t sent;
    samples filter, window, sender,
        blocked; /* the last two: how late it sends, how long that takes */
} shared;

static int64_t
now_us(void)
{
    return (int64_t)(now_seconds() * 1e6);
}

static void
sample_add(samples *s, int64_t us)
{
    uint32_t n = atomic_load(&s->count);
    if (n == SAMPLES_MAX)
        return;
    s->us[n] = (float)us;
    atomic_store(&s->count, n + 1);
}

/* --- the sender --- */

/* `count` rows of ROW_BYTES each, into which rows_date writes when they are due. */
static char *
rows_make(uint64_t count)
{
    char *rows = malloc(count * ROW_BYTES + 1), row[ROW_BYTES + 64];
    for (uint64_t i = 0; i < count; i++) {
        int n =
            snprintf(row, sizeof row,
                     "{\"id\":%09" PRIu64 ",\"due\":%016d,\"ts\":%016d,\"pick\":%d,\"extra\":\"",
                     100000000 + i, 0, 0, i + 1 == count);
        memset(row + n, 'x', ROW_BYTES - 3 - (size_t)n);
        memcpy(row + ROW_BYTES - 3, "\"}\n", 3);
        memcpy(rows + i * ROW_BYTES, row, ROW_BYTES);
    }
    return rows;
}

static void
rows_date(char *rows, uint64_t count, int64_t due)
{
    enum { DUE_AT = 6 + 9 + 7, TS_AT = DUE_AT + 16 + 6 };
    char digits[24];
    snprintf(digits, sizeof digits, "%016" PRId64, EPOCH_US + due);
    for (uint64_t i = 0; i < count; i++) {
        memcpy(rows + i * ROW_BYTES + DUE_AT, digits, 16);
        memcpy(rows + i * ROW_BYTES + TS_AT, digits, 16);
    }
}

/* As fast as it goes. */
static void
flood_main(int port, shared *sh)
{
    enum { ROWS = 1000 };
    char *rows = rows_make(ROWS);
    int fd = port_connect(port);
    rows_date(rows, ROWS, 0);
    while (!atomic_load(&sh->stop)) {
        send_all(fd, rows, ROWS * ROW_BYTES);
        atomic_fetch_add(&sh->sent, ROWS);
    }
    exit(0);
}

static void
sender_main(int port, double rate, shared *sh)
{
    uint64_t count = (uint64_t)(rate * TICK_US / 1e6);
    count = count < 1 ? 1 : count;
    char *rows = rows_make(count);
    int fd = port_connect(port);
    (void)prctl(PR_SET_TIMERSLACK, 1000);
    for (int64_t due = atomic_load(&sh->start); !atomic_load(&sh->stop); due += TICK_US) {
        rows_date(rows, count, due); /* before that, unless we are late */
        struct timespec until = { due / 1000000, due % 1000000 * 1000 };
        while (now_us() < due)
            (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        int64_t from = now_us();
        send_all(fd, rows, count * ROW_BYTES);
        if (due >= atomic_load(&sh->measure)) {
            sample_add(&sh->sender, from - due);
            sample_add(&sh->blocked, now_us() - from);
        }
    }
    exit(0);
}

/* --- the subscriber --- */

typedef struct wire {
    int fd;
    size_t held;
    char bytes[1 << 20];
} wire;

/* Each `["+",[N` in the whole lines that came: N. */
static void
wire_read(wire *w, shared *sh, bool window)
{
    static const char mark[] = "[\"+\",[";
    ssize_t n = recv(w->fd, w->bytes + w->held, sizeof w->bytes - w->held - 1, MSG_DONTWAIT);
    int64_t now = now_us(), start = atomic_load(&sh->start), from = atomic_load(&sh->measure);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        exit(1);
    if (n < 0)
        return;
    w->held += (size_t)n;
    w->bytes[w->held] = '\0';
    char *at = w->bytes, *line;
    for (; (line = memchr(at, '\n', w->held - (size_t)(at - w->bytes))) != NULL; at = line + 1)
        for (char *p = at; (p = memmem(p, (size_t)(line - p), mark, sizeof mark - 1)) != NULL;) {
            int64_t due = strtoll(p += sizeof mark - 1, NULL, 10) - EPOCH_US;
            if (window) /* closed by the first burst at or after its end */
                due = start + (due - start + TICK_US - 1) / TICK_US * TICK_US;
            if (due >= from && from > 0)
                sample_add(window ? &sh->window : &sh->filter, now - due);
        }
    w->held -= (size_t)(at - w->bytes);
    memmove(w->bytes, at, w->held);
}

static void
reader_main(int port, shared *sh)
{
    static wire wires[2];
    static const char *const views[2] = { "f", "w" };
    struct pollfd polls[2];
    char text[4096];
    for (int i = 0; i < 2; i++) {
        int n =
            snprintf(text, sizeof text, "{\"op\":\"sub\",\"id\":1,\"view\":\"%s\"}\n", views[i]);
        wires[i].fd = port_connect(port);
        send_all(wires[i].fd, text, (size_t)n);
        if (recv(wires[i].fd, text, sizeof text, 0) <= 0)
            exit(1);
        polls[i] = (struct pollfd){ .fd = wires[i].fd, .events = POLLIN };
    }
    atomic_store(&sh->subscribed, 1);
    while (!atomic_load(&sh->stop)) {
        poll(polls, 2, 100);
        for (int i = 0; i < 2; i++)
            if (polls[i].revents != 0)
                wire_read(&wires[i], sh, i == 1);
    }
    exit(0);
}

/* --- one run --- */

static void
weir_start(process *p, const settings *s, int in, int out)
{
    char text[2048];
    snprintf(text, sizeof text,
             "name: bench\nsources:\n  s:\n    tcp: { listen: \"127.0.0.1:%d\" }\n"
             "    format: { json: { time_unit: us } }\n"
             "    columns: \"id bigint, due bigint, ts timestamptz, pick int, extra text\"\n"
             "    watermark: ts\n    future_limit: 0\n"
             "views:\n"
             "  f: { sql: \"SELECT due, id, extra FROM s WHERE pick = 1\", retain: 0 }\n"
             "  w:\n    retain: 0\n    sql: |\n"
             "      SELECT (extract(epoch FROM window_end) * 1000000)::bigint AS due, count(*) AS "
             "n, max(id) AS last\n"
             "      FROM tumble(s, ts, interval '%d milliseconds') GROUP BY window_end\n"
             "serve: { tcp: \"127.0.0.1:%d\" }\n",
             in, WINDOW_US / 1000, out);
    process_start(p, s, text, false);
}

static shared *
shared_make(void)
{
    return mmap(NULL, sizeof(shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static pid_t
reader_start(const settings *s, int port, shared *sh)
{
    pid_t reader = fork();
    if (reader == 0) {
        if (s->fifo)
            go_first();
        reader_main(port, sh);
    }
    while (!atomic_load(&sh->subscribed) && waitpid(reader, NULL, WNOHANG) == 0)
        usleep(1000);
    return reader;
}

static double
rate_most(const settings *s)
{
    process p;
    int in = port_free(), out = port_free();
    shared *sh = shared_make();
    weir_start(&p, s, in, out);
    pid_t reader = reader_start(s, out, sh), sender = fork();
    if (sender == 0)
        flood_main(in, sh);
    usleep(WARM_US);
    uint64_t sent = atomic_load(&sh->sent);
    double from = now_seconds();
    usleep(2000000);
    double rate = (double)(atomic_load(&sh->sent) - sent) / (now_seconds() - from);
    atomic_store(&sh->stop, 1);
    process_stop(&p);
    kill_wait(sender);
    kill_wait(reader);
    munmap(sh, sizeof *sh);
    return rate;
}

static int
by_us(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double
percentile(const samples *s, double share)
{
    uint32_t n = atomic_load(&s->count);
    return n > 0 ? s->us[(uint32_t)((double)(n - 1) * share)] : -1;
}

static void
samples_print(const char *name, samples *s)
{
    qsort(s->us, atomic_load(&s->count), sizeof s->us[0], by_us);
    printf("%-8s p50 %7.0f us  p90 %7.0f us  p99 %7.0f us  p99.9 %7.0f us  most %7.0f us  (%u "
           "samples)\n",
           name, percentile(s, 0.5), percentile(s, 0.9), percentile(s, 0.99), percentile(s, 0.999),
           percentile(s, 1), atomic_load(&s->count));
}

static bool
is_quiet(const gaps *g)
{
    return g->p99_us < GOAL_P99_US / 5 && g->lost < 0.05;
}

static void
judge(const samples *s, const samples *sender, const gaps *before, const gaps *after)
{
    double p50 = percentile(s, 0.5), p99 = percentile(s, 0.99);
    bool quiet = is_quiet(before) && is_quiet(after) && percentile(sender, 0.99) < GOAL_P99_US / 5;
    printf("window close to socket: p50 %s 1 ms; p99 %s\n",
           p50 < GOAL_P50_US ? "below" : "NOT below",
           !quiet              ? "not judged: the machine is not quiet"
           : p99 < GOAL_P99_US ? "below 5 ms"
                               : "NOT below 5 ms");
}

/* Measured by a process that is scheduled as those of the measurement are. */
static gaps
gaps_of(const settings *s)
{
    gaps *g = mmap(NULL, sizeof *g, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
         found;
    pid_t pid = fork();
    if (pid == 0) {
        if (s->fifo)
            go_first();
        *g = gaps_measure(1);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    found = *g;
    munmap(g, sizeof *g);
    return found;
}

void
latency_run(const settings *s)
{
    gaps before = gaps_of(s);
    double most = s->rate_in > 0 ? 2 * s->rate_in : rate_most(s),
           rate = s->rate_in > 0 ? s->rate_in : most / 2;
    process p;
    int in = port_free(), out = port_free();
    shared *sh = shared_make();
    weir_start(&p, s, in, out);
    pid_t reader = reader_start(s, out, sh);
    int64_t start = now_us() + 100000;
    atomic_store(&sh->start, start);
    atomic_store(&sh->measure, start + WARM_US);
    pid_t sender = fork();
    if (sender == 0) {
        if (s->fifo)
            go_first();
        sender_main(in, rate, sh);
    }
    usleep(100000 + WARM_US);
    double cpu = process_cpu(&p);
    usleep((useconds_t)(s->seconds * 1e6));
    cpu = (process_cpu(&p) - cpu) / s->seconds;
    atomic_store(&sh->stop, 1);
    process_stop(&p);
    kill_wait(sender);
    kill_wait(reader);
    gaps after = gaps_of(s);
    printf("# latency: rows of 128 B over TCP at %.2f M/s (the most was %.2f M/s), a burst each %d "
           "us, %.0f s; Weir takes %.2f "
           "of a core\n",
           rate / 1e6, most / 1e6, TICK_US, s->seconds, cpu);
    samples_print("filter", &sh->filter);
    samples_print("window", &sh->window);
    samples_print("sender", &sh->sender);
    samples_print("send()", &sh->blocked);
    printf("machine: a spinning thread lost %.1f %% before, %.1f %% after; one moment in a hundred "
           "waits %.0f us, %.0f us; the longest "
           "gap %.1f ms, %.1f ms\n",
           before.lost * 100, after.lost * 100, before.p99_us, after.p99_us, before.max_us / 1e3,
           after.max_us / 1e3);
    judge(&sh->window, &sh->sender, &before, &after);
    munmap(sh, sizeof *sh);
}
