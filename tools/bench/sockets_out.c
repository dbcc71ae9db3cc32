/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench/sockets_out.c -- one view to many subscribers.
 *
 * Processes besides ours: Weir; one that sends rows to its TCP source, at most WINDOW rows ahead
 * of the slowest subscriber (a subscriber holds nothing back, so the feeder has to); one that holds
 * all the subscribers, reads what comes and counts the rows, by epoll.  A row is about 200 bytes on
 * the wire and has exactly one '+'.
 * Turn about with it a bare loop sends the same bytes from one buffer to as many sockets.
 */
#include "sockets.h"

#include <errno.h>
#include <immintrin.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

enum {
    READERS_MAX = 1000,
    PAYLOAD = 178,
    CHUNK = 500, /* rows in one send */
    READ_BYTES = 256 << 10,
    WARM_US = 500000,
    LIMIT_ROWS = 1000,
};

/* Between the processes. */
typedef struct shared {
    _Atomic uint64_t least, sum; /* rows: of the slowest reader, of all */
    _Atomic uint64_t bytes, reads;
    _Atomic int subscribed, stop, broken;
} shared;

/* How often the byte stands there. */
static __attribute__((target("avx2"))) uint64_t
byte_count(const char *bytes, size_t length, char byte)
{
    const __m256i wanted = _mm256_set1_epi8(byte);
    __m256i all = _mm256_setzero_si256();
    uint64_t n[4], rest = 0;
    size_t at = 0;
    while (length - at >= 32) {
        __m256i part = _mm256_setzero_si256(); /* 255 a lane at most */
        for (int i = 0; i < 255 && length - at >= 32; i++, at += 32)
            part = _mm256_sub_epi8(
                part, _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(bytes + at)), wanted));
        all = _mm256_add_epi64(all, _mm256_sad_epu8(part, _mm256_setzero_si256()));
    }
    for (; at < length; at++)
        rest += bytes[at] == byte;
    _mm256_storeu_si256((__m256i *)n, all);
    return n[0] + n[1] + n[2] + n[3] + rest;
}

static void
readers_main(int port, int count, shared *sh)
{
    static char buffer[READ_BYTES], schema[4096];
    static uint64_t rows[READERS_MAX];
    static int fds[READERS_MAX];
    struct epoll_event events[256];
    static const char sub[] = "{\"op\":\"sub\",\"id\":1,\"view\":\"v\"}\n";
    int epoll = epoll_create1(0);
    for (int i = 0; i < count; i++) {
        fds[i] = port_connect(port);
        send_all(fds[i], sub, sizeof sub - 1);
        if (recv(fds[i], schema, sizeof schema, 0) <= 0 || strstr(schema, "\"schema\"") == NULL)
            exit(1);
        struct epoll_event e = { .events = EPOLLIN, .data.u32 = (uint32_t)i };
        epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &e);
    }
    atomic_store(&sh->subscribed, 1);
    while (!atomic_load(&sh->stop)) {
        int n = epoll_wait(epoll, events, 256, 100);
        for (int k = 0; k < n; k++) {
            uint32_t i = events[k].data.u32;
            ssize_t got = recv(fds[i], buffer, sizeof buffer, MSG_DONTWAIT);
            if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
                atomic_store(&sh->broken, 1);
                exit(1);
            }
            if (got <= 0)
                continue;
            uint64_t more = byte_count(buffer, (size_t)got, '+');
            rows[i] += more;
            atomic_fetch_add(&sh->sum, more);
            atomic_fetch_add(&sh->bytes, (uint64_t)got);
            atomic_fetch_add(&sh->reads, 1);
        }
        uint64_t least = UINT64_MAX;
        for (int i = 0; i < count; i++)
            least = rows[i] < least ? rows[i] : least;
        atomic_store(&sh->least, least);
    }
    exit(0);
}

static void
feeder_main(int port, uint64_t window, shared *sh)
{
    static char line[PAYLOAD + 64], chunk[CHUNK * sizeof line];
    char payload[PAYLOAD + 1];
    uint64_t sent = 0;
    int fd = port_connect(port);
    for (int i = 0; i < PAYLOAD; i++)
        payload[i] = (char)('a' + i % 26);
    payload[PAYLOAD] = '\0';
    while (!atomic_load(&sh->subscribed))
        usleep(1000);
    while (!atomic_load(&sh->stop)) {
        if (sent + CHUNK > atomic_load(&sh->least) + window) {
            usleep(50);
            continue;
        }
        size_t length = 0;
        for (int i = 0; i < CHUNK; i++)
            length += (size_t)snprintf(chunk + length, sizeof line,
                                       "{\"id\":%" PRIu64 ",\"payload\":\"%s\"}\n",
                                       100000000 + sent++, payload);
        send_all(fd, chunk, length);
    }
    exit(0);
}

/* What no server can be faster than: the same bytes from one buffer to whoever can take some. */
static void
limit_main(int listener, int count, shared *sh)
{
    static char frame[LIMIT_ROWS * (PAYLOAD + 40)];
    static size_t at[READERS_MAX];
    static int fds[READERS_MAX];
    struct epoll_event events[256];
    char payload[PAYLOAD + 1];
    size_t length = 0;
    int epoll = epoll_create1(0);
    memset(payload, 'x', PAYLOAD);
    payload[PAYLOAD] = '\0';
    for (int i = 0; i < LIMIT_ROWS; i++)
        length += (size_t)snprintf(frame + length, sizeof frame - length, "[\"+\",[%d,\"%s\"]],",
                                   100000000 + i, payload);
    for (int i = 0; i < count; i++) {
        fds[i] = accept(listener, NULL, NULL);
        send_all(fds[i], "{\"op\":\"schema\"}\n", 18);
        struct epoll_event e = { .events = EPOLLOUT, .data.u32 = (uint32_t)i };
        epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &e);
    }
    while (!atomic_load(&sh->stop)) {
        int n = epoll_wait(epoll, events, 256, 100);
        for (int k = 0; k < n; k++) {
            uint32_t i = events[k].data.u32;
            ssize_t put = send(fds[i], frame + at[i], length - at[i], MSG_DONTWAIT | MSG_NOSIGNAL);
            at[i] = put > 0 ? (at[i] + (size_t)put) % length : at[i];
        }
    }
    exit(0);
}

typedef struct figures {
    double rows_cpu, rows_wall, bytes_cpu, read_bytes;
} figures;

/* What came while we slept, over the CPU time of p. */
static figures
watch(const settings *s, const process *p, shared *sh)
{
    usleep(WARM_US);
    uint64_t rows = atomic_load(&sh->sum), bytes = atomic_load(&sh->bytes),
             reads = atomic_load(&sh->reads);
    double cpu = process_cpu(p), wall = now_seconds();
    usleep((useconds_t)(s->seconds * 1e6));
    rows = atomic_load(&sh->sum) - rows;
    bytes = atomic_load(&sh->bytes) - bytes;
    reads = atomic_load(&sh->reads) - reads;
    cpu = process_cpu(p) - cpu;
    wall = now_seconds() - wall;
    if (atomic_load(&sh->broken) || reads == 0) {
        fprintf(stderr, "sockets: a subscriber was disconnected, or nothing came\n");
        exit(1);
    }
    return (figures){ (double)rows / cpu, (double)rows / wall, (double)bytes / cpu,
                      (double)bytes / (double)reads };
}

static pid_t
readers_start(int port, int readers, shared *sh)
{
    pid_t reader = fork();
    if (reader == 0)
        readers_main(port, readers, sh);
    while (!atomic_load(&sh->subscribed) && waitpid(reader, NULL, WNOHANG) == 0)
        usleep(1000);
    return reader;
}

static figures
limit_once(const settings *s, int readers)
{
    process p = { 0 };
    int port, listener = port_listen(&port);
    shared *sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    p.pid = fork();
    if (p.pid == 0)
        limit_main(listener, readers, sh);
    close(listener);
    pid_t reader = readers_start(port, readers, sh);
    figures f = watch(s, &p, sh);
    atomic_store(&sh->stop, 1);
    waitpid(reader, NULL, 0);
    waitpid(p.pid, NULL, 0);
    munmap(sh, sizeof *sh);
    return f;
}

static figures
out_once(const settings *s, int readers, uint64_t window)
{
    char text[1024];
    process p;
    int in = port_free(), out = port_free();
    shared *sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    snprintf(text, sizeof text,
             "name: bench\nsources:\n  s:\n    tcp: { listen: \"127.0.0.1:%d\" }\n    columns: "
             "\"id bigint, payload text\"\n"
             "views:\n  v: { sql: \"SELECT id, payload FROM s\", retain: 0, buffer: 64MB }\n"
             "serve: { tcp: \"127.0.0.1:%d\" }\n",
             in, out);
    process_start(&p, s, text, false);
    pid_t reader = readers_start(out, readers, sh), feeder = fork();
    if (feeder == 0)
        feeder_main(in, window, sh);
    figures f = watch(s, &p, sh);
    atomic_store(&sh->stop, 1);
    waitpid(feeder, NULL, 0);
    waitpid(reader, NULL, 0);
    process_stop(&p);
    munmap(sh, sizeof *sh);
    return f;
}

static void
case_run(const settings *s, int readers, uint64_t window)
{
    double cpu[31], wall[31], bytes[31], each[31], bare[31];
    for (int r = 0; r < s->runs; r++) {
        figures f = out_once(s, readers, window), limit = limit_once(s, readers);
        cpu[r] = f.rows_cpu;
        wall[r] = f.rows_wall;
        bytes[r] = f.bytes_cpu;
        each[r] = f.read_bytes;
        bare[r] = limit.bytes_cpu;
    }
    double m = median(cpu, s->runs), gb = median(bytes, s->runs);
    printf("%4d subscribers, %5" PRIu64
           " rows ahead  %7.2f M/CPU-s  (%.2f to %.2f)  %6.2f M/s wall  %.2f GB/CPU-s  "
           "%.2f of bare send()  %.0f KB a read\n",
           readers, window, m / 1e6, cpu[0] / 1e6, cpu[s->runs - 1] / 1e6,
           median(wall, s->runs) / 1e6, gb / 1e9, gb / median(bare, s->runs),
           median(each, s->runs) / 1e3);
}

void
out_run(const settings *s)
{
    printf("# out: one view of 200 B rows to subscribers in another process; M rows delivered per "
           "CPU-second of Weir, and per "
           "second; median of %d runs of %.0f s\n",
           s->runs, s->seconds);
    case_run(s, 1, 32000);
    case_run(s, 100, 32000);
    case_run(s, 1000, 32000);
    case_run(s, 1000, 500);
}
