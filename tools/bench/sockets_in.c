/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench/sockets_in.c -- Nexmark queries over JSON lines from one TCP connection.
 *
 * Each run sends the same lines over loopback from a process of its own, turn about to
 *   - the limit: read() into a large buffer, find the last newline, decode with the loop of
 *     json_limit.c, which knows one schema and no mistakes; nothing is computed, nothing kept;
 *   - `weir run --once`, from the first byte to the exit, for each query.
 * The figure is records per second of CPU time of that process, and Weir's over the limit's.
 */
#include "connector/nexmark_gen.h"

#include "json_limit.h"
#include "sockets.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct query {
    const char *name, *helper, *sql, *sink;
} query;

static const query queries[] = {
    { "q0", NULL, "SELECT auction, bidder, price, channel, url, datetime, extra FROM bid", NULL },
    { "q0 out", NULL, "SELECT auction, bidder, price, channel, url, datetime, extra FROM bid",
      "/dev/null" },
    { "q2", NULL, "SELECT auction, price FROM bid WHERE mod(auction, 123) = 0", "/dev/null" },
    { "q5",
      "SELECT auction, count(*) AS num, window_start, window_end FROM hop(bid, datetime, interval "
      "'2 seconds', interval '10 seconds') GROUP BY auction, window_start, window_end",
      "SELECT a.auction, a.num FROM h a JOIN (SELECT window_start, window_end, max(num) AS m FROM "
      "h "
      "GROUP BY window_start, window_end) b ON a.window_start = b.window_start AND a.window_end = "
      "b.window_end AND a.num = b.m",
      "/dev/null" },
    { "q7 max", NULL,
      "SELECT window_start, window_end, max(price) AS m FROM tumble(bid, datetime, interval '10 "
      "seconds') "
      "GROUP BY window_start, window_end",
      "/dev/null" },
    { "q7",
      "SELECT window_start, window_end, max(price) AS m FROM tumble(bid, datetime, interval '10 "
      "seconds') "
      "GROUP BY window_start, window_end",
      "SELECT b.auction, b.price, b.bidder, b.datetime, b.extra FROM tumble(bid, datetime, "
      "interval "
      "'10 seconds') b JOIN h ON b.window_start = h.window_start AND b.window_end = h.window_end "
      "AND "
      "b.price = h.m",
      "/dev/null" },
};
enum { QUERIES = sizeof queries / sizeof *queries, RUNS_MAX = 31 };

static char *
lines_make(const settings *s, size_t *length, uint64_t *count)
{
    wr_nexmark_config c;
    wr_nexmark_event e;
    wr_text t;
    wr_nexmark_config_init(&c);
    c.seed = s->seed;
    c.rate = s->rate;
    c.max_events = s->events;
    c.out_of_order_group = (uint32_t)s->disorder;
    wr_nexmark *g = wr_nexmark_create(NULL, &c);
    wr_text_init(&t, NULL);
    *count = 0;
    for (uint64_t n = 0; n < s->events; n++) {
        wr_nexmark_get(g, n, &e);
        if (e.kind != WR_NEXMARK_BID)
            continue;
        wr_text_printf(&t,
                       "{\"auction\":%" PRId64 ",\"bidder\":%" PRId64 ",\"price\":%" PRId64
                       ",\"channel\":\"%.*s\"",
                       e.bid.auction, e.bid.bidder, e.bid.price, (int)e.bid.channel.length,
                       wr_string_data(&e.bid.channel));
        wr_text_printf(&t, ",\"url\":\"%.*s\",\"dateTime\":%" PRId64 ",\"extra\":\"%.*s\"}\n",
                       (int)e.bid.url.length, wr_string_data(&e.bid.url), e.time / 1000,
                       (int)e.bid.extra.length, wr_string_data(&e.bid.extra));
        ++*count;
    }
    wr_nexmark_destroy(g);
    return wr_text_take(&t, length);
}

/* A process that sends it all over the connection and ends. */
static pid_t
sender_start(int fd, const char *lines, size_t length)
{
    pid_t pid = fork();
    if (pid == 0) {
        send_all(fd, lines, length);
        shutdown(fd, SHUT_WR);
        _exit(0);
    }
    close(fd);
    return pid;
}

static double
own_cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

enum { LIMIT_BUFFER = 256 << 10 };

/* What no engine can be faster than. */
static double
limit_once(const char *lines, size_t length, uint64_t count)
{
    static char buffer[LIMIT_BUFFER + JSON_LIMIT_AHEAD];
    int port, listener = port_listen(&port);
    size_t held = 0;
    uint64_t rows = 0;
    int to = port_connect(port), fd = accept(listener, NULL, NULL);
    pid_t sender = sender_start(to, lines, length);
    double from = own_cpu();
    for (ssize_t n; (n = read(fd, buffer + held, LIMIT_BUFFER - held)) > 0;) {
        held += (size_t)n;
        const char *newline = memrchr(buffer, '\n', held);
        if (newline == NULL)
            continue;
        rows += json_limit_lines(buffer, newline + 1);
        held = (size_t)(buffer + held - newline - 1);
        memmove(buffer, newline + 1, held);
    }
    double used = own_cpu() - from;
    close(fd);
    close(listener);
    waitpid(sender, NULL, 0);
    if (rows != count) {
        fprintf(stderr, "sockets: the limit's loop has read %" PRIu64 " of %" PRIu64 " records\n",
                rows, count);
        exit(1);
    }
    return (double)count / used;
}

static double
weir_once(const settings *s, const query *q, const char *lines, size_t length, uint64_t count)
{
    wr_text t;
    process p;
    int port = port_free();
    wr_text_init(&t, NULL);
    wr_text_printf(
        &t,
        "name: bench\nsources:\n  bid:\n    tcp: { listen: \"127.0.0.1:%d\" }\n"
        "    format: { json: { time_unit: ms } }\n"
        "    columns: \"auction bigint, bidder bigint, price bigint, channel text, url text, "
        "datetime timestamp(3) OPTIONS (path '$.dateTime'), extra text\"\n"
        "    watermark: datetime - interval '4 seconds'\n    future_limit: 0\nviews:\n",
        port);
    if (q->helper != NULL)
        wr_text_printf(&t, "  h:\n    retain: 0\n    sql: |\n      %s\n", q->helper);
    wr_text_printf(&t, "  q:\n    retain: 0\n    sql: |\n      %s\n", q->sql);
    if (q->sink != NULL)
        wr_text_printf(&t, "sinks:\n  out: { from: q, file: { path: %s } }\n", q->sink);
    process_start(&p, s, wr_text_string(&t), true);
    int to = port_connect(port);
    double before = process_cpu(&p); /* without the start */
    pid_t sender = sender_start(to, lines, length);
    double used = process_wait(&p) - before;
    waitpid(sender, NULL, 0);
    wr_text_fini(&t);
    return (double)count / used;
}

void
in_run(const settings *s)
{
    size_t length;
    uint64_t count;
    double rates[QUERIES][RUNS_MAX], limits[RUNS_MAX];
    char *lines = lines_make(s, &length, &count);
    for (int r = 0; r < s->runs; r++) {
        limits[r] = limit_once(lines, length, count);
        for (int q = 0; q < QUERIES; q++)
            if (s->query == NULL || strcmp(s->query, queries[q].name) == 0)
                rates[q][r] = weir_once(s, &queries[q], lines, length, count);
    }
    double limit = median(limits, s->runs);
    printf("# in: %" PRIu64
           " bids as JSON lines of %zu bytes over one TCP connection, %u worker(s), median of %d "
           "runs; M records per CPU-second of the process\n",
           count, length / count, s->workers, s->runs);
    printf("%-8s %7.2f  (%.2f to %.2f)\n", "limit", limit / 1e6, limits[0] / 1e6,
           limits[s->runs - 1] / 1e6);
    for (int q = 0; q < QUERIES; q++) {
        if (s->query != NULL && strcmp(s->query, queries[q].name) != 0)
            continue;
        double m = median(rates[q], s->runs);
        printf("%-8s %7.2f  (%.2f to %.2f)  %.2f of the limit\n", queries[q].name, m / 1e6,
               rates[q][0] / 1e6, rates[q][s->runs - 1] / 1e6, m / limit);
    }
    wr_free(lines);
}
