/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench/bench.c -- Nexmark queries, in records per second of CPU time of the whole process.
 *
 *   bench [--events N] [--rate R] [--seed S] [--disorder G] [--runs K] [--workers W] [--query q5] [--way json]
 *
 * Ways in: `batches` made before the clock starts, `generator` included, `json` lines in memory.  Each run is a
 * whole pipeline on the threads executor read by a counting reader; the figure is records read by the sources over user + system
 * time of the process, median of the runs with the spread beside it.  The digest of the answer comes from a run
 * of its own that is not timed: the same for every way in, or the answer is wrong.  `in` are the records read: of q3 auctions and
 * people alone; `ev` counts every event of the suite, read or not.  `out` are the rows that remain when changes are folded.
 */
#include "connector/nexmark_gen.h"
#include "engine/engine_impl.h"

#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

enum { RUNS_MAX = 31, SOURCES_MAX = 3, FEED_BYTES = 256 * 1024 };

typedef enum way { WAY_BATCHES, WAY_GENERATOR, WAY_JSON, WAYS } way;
static const char *const way_names[] = { "batches", "generator", "json" };

typedef struct query {
    const char *name;
    const char *kinds[SOURCES_MAX]; /* relations of the generator that it reads */
    const char *sql;                /* of view q; a view h stands before it where `helper` says */
    const char *helper;
    bool keeps; /* its state grows with the keys: emit: changes, state: unbounded */
} query;

/* Columns of q15 to q17: how often each price band is bid. */
#define BANDS(call)                                                                                \
    call " FILTER (WHERE price < 10000), " call                                                    \
         " FILTER (WHERE price >= 10000 AND price < 1000000), " call                               \
         " FILTER (WHERE price >= 1000000)"
#define WINNING                                                                                    \
    "FROM auction a JOIN bid b ON a.id = b.auction AND b.datetime BETWEEN a.datetime AND "         \
    "a.expires"

static const query queries[] = {
    { "q0", { "bid" }, "SELECT auction, bidder, price, datetime, extra FROM bid", NULL },
    { "q1",
      { "bid" },
      "SELECT auction, bidder, 0.908 * price AS price, datetime, extra FROM bid",
      NULL },
    { "q2", { "bid" }, "SELECT auction, price FROM bid WHERE mod(auction, 123) = 0", NULL },
    { "q3",
      { "auction", "person" },
      "SELECT p.name, p.city, p.state, a.id FROM auction a JOIN person p ON a.seller = p.id "
      "WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA')",
      NULL,
      true },
    { "q4",
      { "auction", "bid" },
      "SELECT category, avg(final) FROM (SELECT a.id, a.category, max(b.price) AS "
      "final " WINNING " GROUP BY a.id, a.category) w GROUP BY category",
      NULL,
      true },
    { "q5",
      { "bid" },
      "SELECT a.auction, a.num FROM h a JOIN (SELECT window_start, window_end, max(num) AS m "
      "FROM "
      "h GROUP BY window_start, window_end) b"
      " ON a.window_start = b.window_start AND a.window_end = b.window_end AND a.num = b.m",
      "SELECT auction, count(*) AS num, window_start, window_end FROM hop(bid, datetime, "
      "interval "
      "'2 seconds', interval '10 seconds')"
      " GROUP BY auction, window_start, window_end" },
    { "q7",
      { "bid" },
      "SELECT b.auction, b.price, b.bidder, b.datetime, b.extra FROM tumble(bid, datetime, "
      "interval '10 seconds') b"
      " JOIN h ON b.window_start = h.window_start AND b.window_end = h.window_end AND b.price "
      "= "
      "h.m",
      "SELECT window_start, window_end, max(price) AS m FROM tumble(bid, datetime, interval "
      "'10 "
      "seconds') GROUP BY window_start, window_end" },
    { "q8",
      { "person", "auction" },
      "SELECT p.id, p.name, p.window_start FROM (SELECT id, name, window_start, window_end "
      "FROM "
      "tumble(person, datetime, interval '10 seconds')"
      " GROUP BY id, name, window_start, window_end) p JOIN (SELECT seller, window_start, "
      "window_end FROM tumble(auction, datetime, interval '10 seconds')"
      " GROUP BY seller, window_start, window_end) a ON p.id = a.seller AND p.window_start = "
      "a.window_start AND p.window_end = a.window_end",
      NULL },
    { "q9",
      { "auction", "bid" },
      "SELECT id, itemname, description, initialbid, reserve, datetime, expires, seller, "
      "category, "
      "extra, auction, bidder, price, at, more FROM (SELECT a.*, b.auction, b.bidder, b.price, "
      "b.datetime AS at, b.extra AS more, row_number() OVER (PARTITION BY a.id ORDER BY "
      "b.price "
      "DESC, b.datetime, b.bidder) AS n " WINNING ") w WHERE n <= 1",
      NULL,
      true },
    { "q12",
      { "bid" },
      "SELECT bidder, count(*) AS n, window_start, window_end FROM tumble(bid, datetime, "
      "interval "
      "'10 seconds') GROUP BY bidder, window_start, window_end",
      NULL },
    { "q13",
      { "bid" },
      "SELECT b.auction, b.bidder, b.price, b.datetime, s.value FROM bid b JOIN (SELECT g AS "
      "key, "
      "g AS value FROM generate_series(0, 9999) AS g) s ON mod(b.auction, 10000) = s.key",
      NULL,
      true },
    { "q14",
      { "bid" },
      "SELECT auction, bidder, 0.908 * price AS price, CASE WHEN extract(hour FROM datetime) "
      "BETWEEN 8 AND 18 THEN 'dayTime'"
      " WHEN extract(hour FROM datetime) <= 6 OR extract(hour FROM datetime) >= 20 THEN "
      "'nightTime' ELSE 'otherTime' END AS bidtimetype,"
      " datetime, extra FROM bid WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000",
      NULL },
    { "q15",
      { "bid" },
      "SELECT to_char(datetime, 'YYYY-MM-DD') AS day, count(*), " BANDS(
          "count(*)") ", "
                      "count(DISTINCT bidder), " BANDS(
                          "count(DISTINCT bidder)") ", count(DISTINCT "
                                                    "auction), " BANDS("count("
                                                                       "DISTINCT "
                                                                       "auction)") " "
                                                                                   "F"
                                                                                   "R"
                                                                                   "O"
                                                                                   "M"
                                                                                   " "
                                                                                   "b"
                                                                                   "i"
                                                                                   "d"
                                                                                   " "
                                                                                   "G"
                                                                                   "R"
                                                                                   "O"
                                                                                   "U"
                                                                                   "P"
                                                                                   " "
                                                                                   "B"
                                                                                   "Y"
                                                                                   " "
                                                                                   "t"
                                                                                   "o"
                                                                                   "_"
                                                                                   "c"
                                                                                   "h"
                                                                                   "a"
                                                                                   "r"
                                                                                   "("
                                                                                   "d"
                                                                                   "a"
                                                                                   "t"
                                                                                   "e"
                                                                                   "t"
                                                                                   "i"
                                                                                   "m"
                                                                                   "e"
                                                                                   ","
                                                                                   " "
                                                                                   "'"
                                                                                   "Y"
                                                                                   "Y"
                                                                                   "Y"
                                                                                   "Y"
                                                                                   "-"
                                                                                   "M"
                                                                                   "M"
                                                                                   "-"
                                                                                   "D"
                                                                                   "D"
                                                                                   "'"
                                                                                   ")",
      NULL,
      true },
    { "q16",
      { "bid" },
      "SELECT channel, to_char(datetime, 'YYYY-MM-DD') AS day, max(to_char(datetime, "
      "'HH24:MI')), "
      "count(*), " BANDS("count(*)") ", count(DISTINCT bidder), " BANDS(
          "count(DISTINCT bidder)") ", count(DISTINCT auction), " BANDS("count(DISTINCT "
                                                                        "auction)") " FROM bid "
                                                                                    "GROUP BY "
                                                                                    "channel, "
                                                                                    "to_char("
                                                                                    "datetime, "
                                                                                    "'YYYY-MM-"
                                                                                    "DD')",
      NULL,
      true },
    { "q17",
      { "bid" },
      "SELECT auction, to_char(datetime, 'YYYY-MM-DD') AS day, count(*), " BANDS(
          "count(*)") ", min(price), max(price), avg(price), sum(price) FROM bid "
                      "GROUP BY auction, to_char(datetime, 'YYYY-MM-DD')",
      NULL,
      true },
    { "q18",
      { "bid" },
      "SELECT auction, bidder, price, channel, url, datetime, extra FROM (SELECT *, "
      "row_number() "
      "OVER (PARTITION BY bidder, auction ORDER BY datetime DESC, price, url, extra) AS n FROM "
      "bid) w WHERE n <= 1",
      NULL,
      true },
    { "q19",
      { "bid" },
      "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC, "
      "datetime, bidder, extra) AS rank_number FROM bid) w WHERE rank_number <= 10",
      NULL,
      true },
    { "q20",
      { "bid", "auction" },
      "SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.datetime, b.extra, a.itemname, "
      "a.description, a.initialbid, a.reserve, a.datetime AS adatetime, a.expires, a.seller, "
      "a.category, a.extra AS aextra "
      "FROM bid b JOIN auction a ON b.auction = a.id WHERE a.category = 10",
      NULL,
      true },
    { "q21",
      { "bid" },
      "SELECT auction, bidder, price, channel, CASE lower(channel) WHEN 'apple' THEN '0' WHEN "
      "'google' THEN '1' WHEN 'facebook' THEN '2'"
      " WHEN 'baidu' THEN '3' ELSE substring(url from '(?:&|^)channel_id=([^&]*)') END AS "
      "channel_id FROM bid"
      " WHERE substring(url from '(?:&|^)channel_id=([^&]*)') IS NOT NULL OR lower(channel) IN "
      "('apple', 'google', 'facebook', 'baidu')",
      NULL },
    { "q22",
      { "bid" },
      "SELECT auction, bidder, price, channel, split_part(url, '/', 4) AS dir1, "
      "split_part(url, "
      "'/', 5) AS dir2, split_part(url, '/', 6) AS dir3 FROM bid",
      NULL },
    { "q23",
      { "bid", "person", "auction" },
      "SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.datetime, b.extra, p.id, "
      "p.name, "
      "p.emailaddress, p.creditcard, p.city, p.state, p.datetime AS pdatetime, p.extra AS "
      "pextra, "
      "a.id AS aid, a.itemname, "
      "a.description, a.initialbid, a.reserve, a.datetime AS adatetime, a.expires, a.seller, "
      "a.category, a.extra AS aextra "
      "FROM bid b JOIN person p ON p.id = b.bidder JOIN auction a ON a.seller = b.bidder",
      NULL,
      true },
};

typedef struct settings {
    uint64_t events, rate, seed, disorder;
    int runs;
    uint32_t workers;
    bool once; /* bounded runs of queries that change their answers, too */
    const char *query, *way;
} settings;

/* --- sources that replay --- */

typedef struct tape {
    wr_batch **batches; /* WAY_BATCHES */
    size_t count;
    char *bytes; /* WAY_JSON */
    size_t length;
    uint64_t records;
} tape;

typedef struct replay {
    const tape *tape;
    size_t at;
    wr_lane *lane;
} replay;

static weir_status
replay_open(void *self, wr_source_ctx *ctx, const void *config, void *shared, weir_error *err)
{
    (void)shared;
    (void)err;
    ((replay *)self)->tape = ctx->shard == 0 ? config : NULL; /* one lane, one shard */
    return WEIR_OK;
}

static wr_flow
replay_end(replay *r, wr_source_ctx *ctx)
{
    if (r->lane != NULL)
        ctx->lane_end(ctx, r->lane);
    return WR_FLOW_DONE;
}

/* The reader subscribes after the start: no source begins before it, for rows that nobody reads are not kept. */
static atomic_bool reader_is_there;

static void
reader_wait(void)
{
    while (!atomic_load_explicit(&reader_is_there, memory_order_acquire))
        sched_yield();
}

static wr_flow (*generator_poll)(void *self, wr_source_ctx *ctx);

static wr_flow
held_poll(void *self, wr_source_ctx *ctx)
{
    reader_wait();
    return generator_poll(self, ctx);
}

static wr_flow
batches_poll(void *self, wr_source_ctx *ctx)
{
    replay *r = self;
    reader_wait();
    if (r->tape == NULL || r->at == r->tape->count)
        return replay_end(r, ctx);
    if (!ctx->has_room(ctx))
        return WR_FLOW_WAIT;
    r->lane = ctx->lane(ctx, 0);
    return ctx->push(ctx, r->lane, wr_batch_retain(r->tape->batches[r->at++])) == WEIR_OK
               ? WR_FLOW_NEXT
               : WR_FLOW_FAIL;
}

static wr_flow
json_poll(void *self, wr_source_ctx *ctx)
{
    replay *r = self;
    reader_wait();
    if (r->tape == NULL || r->at == r->tape->length)
        return replay_end(r, ctx);
    if (!ctx->has_room(ctx))
        return WR_FLOW_WAIT;
    r->lane = ctx->lane(ctx, 0);
    size_t left = r->tape->length - r->at, consumed = 0, n = left < FEED_BYTES ? left : FEED_BYTES;
    if (ctx->feed(ctx, r->lane, r->tape->bytes + r->at, n, n == left, NULL, &consumed) != WEIR_OK)
        return WR_FLOW_FAIL;
    r->at += consumed;
    return WR_FLOW_NEXT;
}

static void
replay_close(void *self)
{
    (void)self;
}

static weir_status
replay_freeze(void *self, wr_snapshot_writer *to)
{
    wr_snapshot_put_u64(to, ((replay *)self)->at);
    return WEIR_OK;
}

static const wr_source_ops batches_ops = { .name = "replay",
                                           .self_bytes = sizeof(replay),
                                           .open = replay_open,
                                           .poll = batches_poll,
                                           .freeze = replay_freeze,
                                           .close = replay_close };
static const wr_source_ops json_ops = { .name = "replay",
                                        .self_bytes = sizeof(replay),
                                        .open = replay_open,
                                        .poll = json_poll,
                                        .freeze = replay_freeze,
                                        .close = replay_close };

static wr_nexmark_kind
kind_of(const char *name)
{
    return strcmp(name, "bid") == 0       ? WR_NEXMARK_BID
           : strcmp(name, "auction") == 0 ? WR_NEXMARK_AUCTION
                                          : WR_NEXMARK_PERSON;
}

static wr_nexmark *
generator_make(const settings *s)
{
    wr_nexmark_config c;
    wr_nexmark_config_init(&c);
    c.seed = s->seed;
    c.rate = s->rate;
    c.max_events = s->events;
    c.out_of_order_group = (uint32_t)s->disorder;
    return wr_nexmark_create(NULL, &c);
}

static void
tape_batches(tape *t, const settings *s, const char *kind, uint64_t needed)
{
    wr_nexmark *g = generator_make(s);
    t->batches = calloc(s->events / 1000 + 16, sizeof *t->batches);
    for (uint64_t at = 0, taken; at < s->events; at += taken) {
        wr_batch *b;
        uint64_t left = s->events - at, count = kind_of(kind) == WR_NEXMARK_BID ? 4096 : 40960;
        if (wr_nexmark_fill(g, NULL, kind_of(kind), needed, at, left < count ? left : count, &b,
                            &taken) != WEIR_OK)
            abort();
        t->records += b->row_count;
        t->batches[t->count++] = b;
    }
    wr_nexmark_destroy(g);
}

static void
tape_json(tape *t, const settings *s, const char *kind)
{
    wr_nexmark *g = generator_make(s);
    wr_text text;
    wr_nexmark_event e;
    wr_text_init(&text, NULL);
    for (uint64_t n = 0; n < s->events; n++) {
        wr_nexmark_get(g, n, &e);
        if (e.kind != kind_of(kind))
            continue;
        wr_nexmark_print_json_plain(&e, &text);
        wr_text_putc(&text, '\n');
        t->records++;
    }
    t->bytes = wr_text_take(&text, &t->length);
    wr_nexmark_destroy(g);
}

/* The records spell the fields as the original does, and SQL's names are in lower case. */
static void
spell_fields(const wr_schema *schema)
{
    static const char *const paths[] = { "$.dateTime",     "$.itemName",   "$.initialBid",
                                         "$.emailAddress", "$.creditCard" };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        for (uint32_t f = 0; f < schema->field_count; f++)
            if (strcasecmp(schema->fields[f].name, paths[i] + 2) == 0)
                schema->fields[f].path = paths[i];
}

/* --- one run --- */

typedef struct reader_wake {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool ready;
} reader_wake;

static void
wake(void *user)
{
    reader_wake *w = user;
    pthread_mutex_lock(&w->mutex);
    w->ready = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->mutex);
}

typedef struct outcome {
    uint64_t rows, changes, digest; /* rows: that remain when changes are folded */
    uint64_t state;                 /* bytes, at their most */
    double cpu, wall;
} outcome;

static double
cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* The order of rows does not count, nor does how they were cut. */
static void
digest_rows(weir_rows *rows, outcome *o)
{
    const char *bytes;
    size_t length;
    if (weir_rows_encode(rows, WEIR_JSON, true, &bytes, &length) != WEIR_OK)
        abort();
    uint32_t i = 0;
    for (const char *at = bytes, *end = bytes + length; at < end; i++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const char *row = at + (memcmp(at, "{\"_op\":\"", 8) == 0 ? 11 : 1);
        o->digest +=
            wr_hash_stable(row, (size_t)(stop - row)) * (uint64_t)(int64_t)weir_rows_diff(rows, i);
        at = stop + 1;
    }
}

static weir_status
read_all(weir_pipeline *p, outcome *o, bool digest, weir_error *err)
{
    reader_wake w = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false };
    weir_subscribe_options so = { .snapshot = true, .required = true, .wake = wake, .user = &w };
    weir_subscription *sub;
    weir_message m;
    weir_status st = weir_subscribe(p, "q", &so, &sub, err);
    atomic_store(&reader_is_there, true);
    WR_TRY(st);
    while (st == WEIR_OK) {
        st = weir_subscription_next(sub, &m, err);
        if (st != WEIR_OK || m.event == WEIR_END)
            break;
        if (m.event == WEIR_ROWS) {
            uint32_t count = weir_rows_count(m.rows);
            o->changes += count;
            for (uint32_t i = 0; i < count; i++)
                o->rows += (uint64_t)(int64_t)weir_rows_diff(m.rows, i);
            o->state = WR_MAX(o->state, wr_budget_used(p->state));
            if (digest)
                digest_rows(m.rows, o);
            weir_rows_release(m.rows);
        } else if (m.event == WEIR_NOTHING) {
            pthread_mutex_lock(&w.mutex);
            struct timespec until;
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_sec++;
            while (!w.ready && pthread_cond_timedwait(&w.cond, &w.mutex, &until) == 0)
                ;
            w.ready = false;
            pthread_mutex_unlock(&w.mutex);
            o->state = WR_MAX(o->state, wr_budget_used(p->state));
            if (weir_pipeline_state(p, err) == WEIR_FAILED)
                st = WEIR_INTERNAL;
        }
    }
    weir_unsubscribe(sub);
    return st;
}

/* A source that is known to end is planned as one that may be waited for: where the tape ends, the plan must not know. */
static void
pipeline_text(const query *q, const settings *s, way how, wr_text *to)
{
    wr_text_puts(to, "name: bench\nsources:\n");
    for (int k = 0; k < SOURCES_MAX && q->kinds[k] != NULL; k++)
        wr_text_printf(to,
                       "  %s:\n    nexmark: { relation: %s, events: %" PRIu64 ", rate: %" PRIu64
                       "/s, seed: %" PRIu64 ", out_of_order: %" PRIu64
                       " }\n    watermark: datetime - interval '4 seconds'\n    future_limit: 0\n",
                       q->kinds[k], q->kinds[k],
                       q->keeps && !s->once && how != WAY_GENERATOR ? 0 : s->events, s->rate,
                       s->seed, s->disorder);
    wr_text_puts(to, "views:\n");
    if (q->helper != NULL)
        wr_text_printf(to, "  h:\n    retain: 0\n    sql: |\n      %s\n", q->helper);
    wr_text_printf(to, "  q:\n%s    sql: |\n      %s\n",
                   q->keeps ? "    state: { unbounded: true }\n    limits: { memory: 16GB }\n"
                            : "    retain: 0\n", /* else the first rows wait for the reader */
                   q->sql);
}

static void
print_report(weir_report *report)
{
    char *text = weir_report_print(report, false);
    fputs(text, stderr);
    weir_free(text);
}

static bool
run_once(const query *q, const settings *s, way how, tape *tapes, bool digest, outcome *o,
         uint64_t *records)
{
    weir_options wo = { .workers = s->workers, .once = s->once || !q->keeps, .seed = 1 };
    weir *engine;
    weir_pipeline *p = NULL;
    weir_report *report = weir_report_open();
    weir_error err = { 0 };
    wr_text text;
    if (weir_open(&wo, &engine, &err) != WEIR_OK)
        return false;
    wr_text_init(&text, NULL);
    pipeline_text(q, s, how, &text);
    weir_status st =
        weir_pipeline_load(engine, "bench.yaml", wr_text_string(&text), NULL, NULL, report, &p);
    if (st != WEIR_OK)
        print_report(report);
    void *configs[SOURCES_MAX] = { NULL };
    wr_source_ops held_ops;
    *records = 0;
    atomic_store(&reader_is_there, false);
    for (uint32_t i = 0; st == WEIR_OK && i < p->source_count; i++) {
        wr_source_binding *b = &p->sources[i];
        if (how == WAY_BATCHES && tapes[i].batches == NULL)
            tape_batches(&tapes[i], s, b->name, b->needed[0]);
        if (how == WAY_JSON && tapes[i].bytes == NULL)
            tape_json(&tapes[i], s, b->name);
        *records += tapes[i].records;
        if (how == WAY_GENERATOR) {
            held_ops = *b->ops;
            generator_poll = b->ops->poll;
            held_ops.poll = held_poll;
            b->ops = &held_ops;
            continue;
        }
        b->ops = how == WAY_JSON ? &json_ops : &batches_ops;
        b->config = &tapes[i];
        if (how == WAY_JSON) {
            wr_node at = { .kind = WR_NODE_MAP, .file = "" };
            b->decoder = wr_decoder_find("json");
            configs[i] = calloc(1, b->decoder->config_bytes + 1);
            st = wr_options_read(b->decoder->options, NULL, &at, NULL, configs[i],
                                 b->decoder->config_bytes, &p->arena, &report->report);
            b->decoder_config = configs[i];
            spell_fields(b->schema);
        }
    }
    double cpu = cpu_seconds();
    int64_t wall = wr_clock_monotonic(wr_clock_system());
    if (st == WEIR_OK)
        st = weir_pipeline_start(p, &err);
    if (st == WEIR_OK)
        st = read_all(p, o, digest, &err);
    o->cpu = cpu_seconds() - cpu;
    o->wall = (double)(wr_clock_monotonic(wr_clock_system()) - wall) / 1e6;
    if (st != WEIR_OK)
        fprintf(stderr, "%s: %s\n", q->name, err.text);
    for (uint32_t i = 0; st == WEIR_OK && how == WAY_GENERATOR && i < p->source_count; i++) {
        wr_source_view v;
        wr_runtime_source_view(p->runtime, i, &v);
        *records += v.rows;
    }
    weir_close(engine);
    weir_report_close(report);
    wr_text_fini(&text);
    for (int i = 0; i < SOURCES_MAX; i++)
        free(configs[i]);
    return st == WEIR_OK;
}

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The answer of a query, by whatever way it was asked first: all others must give the same. */
typedef struct answer {
    bool known;
    uint64_t rows, digest;
} answer;

static bool
answer_is(answer *a, const query *q, way how, uint64_t rows, uint64_t digest)
{
    if (!a->known)
        *a = (answer){ true, rows, digest };
    if (a->rows == rows && a->digest == digest)
        return true;
    fprintf(stderr, "%s: %" PRIu64 " rows by %s, %" PRIu64 " before, or others\n", q->name, rows,
            way_names[how], a->rows);
    return false;
}

static bool
measure(const query *q, const settings *s, way how, answer *a)
{
    tape tapes[SOURCES_MAX] = { { 0 } };
    outcome o = { 0 };
    uint64_t records = 0;
    double rates[RUNS_MAX], walls = 0;
    bool ok = run_once(q, s, how, tapes, true, &o, &records); /* warms up, gives the digest */
    uint64_t digest = o.digest, rows = o.rows;
    ok = ok && answer_is(a, q, how, rows, digest);
    for (int r = 0; ok && r < s->runs; r++) {
        o = (outcome){ 0 };
        ok = run_once(q, s, how, tapes, false, &o, &records);
        rates[r] = (double)records / o.cpu;
        walls += (double)records / o.wall / s->runs;
        if (ok && o.rows != rows) {
            fprintf(stderr, "%s: %" PRIu64 " rows, then %" PRIu64 "\n", q->name, rows, o.rows);
            ok = false;
        }
    }
    if (ok) {
        struct rusage u;
        getrusage(RUSAGE_SELF, &u);
        qsort(rates, (size_t)s->runs, sizeof rates[0], by_value);
        printf(
            "%-4s %-10s %8.2f M/CPU-s  (%.2f to %.2f)  %7.2f M/s wall  %8.2f M ev/CPU-s  %9" PRIu64
            " in %9" PRIu64 " out  digest %016" PRIx64 "  peak %ld MB",
            q->name, way_names[how], rates[s->runs / 2] / 1e6, rates[0] / 1e6,
            rates[s->runs - 1] / 1e6, walls / 1e6,
            rates[s->runs / 2] / 1e6 * (double)s->events / (double)records, records, rows, digest,
            u.ru_maxrss / 1024);
        if (q->keeps)
            printf("  %" PRIu64 " changes  state %" PRIu64 " MB, %.0f B a row in, %.0f B a row out",
                   o.changes, o.state >> 20, (double)o.state / (double)records,
                   (double)o.state / (double)WR_MAX(rows, 1u));
        putchar('\n');
        fflush(stdout);
    }
    for (int i = 0; i < SOURCES_MAX; i++) {
        for (size_t b = 0; b < tapes[i].count; b++)
            wr_batch_release(tapes[i].batches[b]);
        free(tapes[i].batches);
        wr_free(tapes[i].bytes);
    }
    return ok;
}

int
main(int argc, char **argv)
{
    settings s = {
        .events = 2000000, .rate = 100000, .seed = 42, .disorder = 1, .runs = 5, .workers = 1
    };
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *v = argv[i + 1];
        uint64_t n = strtoull(v, NULL, 10);
        if (strcmp(argv[i], "--events") == 0)
            s.events = n;
        else if (strcmp(argv[i], "--rate") == 0)
            s.rate = n;
        else if (strcmp(argv[i], "--seed") == 0)
            s.seed = n;
        else if (strcmp(argv[i], "--disorder") == 0)
            s.disorder = n;
        else if (strcmp(argv[i], "--runs") == 0)
            s.runs = (int)(n < 1 ? 1 : n > RUNS_MAX ? RUNS_MAX : n);
        else if (strcmp(argv[i], "--workers") == 0)
            s.workers = (uint32_t)n;
        else if (strcmp(argv[i], "--once") == 0)
            s.once = n != 0;
        else if (strcmp(argv[i], "--query") == 0)
            s.query = v;
        else if (strcmp(argv[i], "--way") == 0)
            s.way = v;
        else {
            fprintf(stderr, "bench: unknown option %s\n", argv[i]);
            return 2;
        }
    }
    printf("# %" PRIu64 " events at %" PRIu64 "/s of event time, seed %" PRIu64
           ", disorder group %" PRIu64 ", %u worker(s), median of %d runs\n",
           s.events, s.rate, s.seed, s.disorder, s.workers, s.runs);
    bool ok = true;
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        answer a = { false };
        for (int w = 0; w < WAYS; w++)
            if ((s.query == NULL || strcmp(s.query, queries[i].name) == 0) &&
                (s.way == NULL || strcmp(s.way, way_names[w]) == 0))
                ok = measure(&queries[i], &s, (way)w, &a) && ok;
    }
    return ok ? 0 : 1;
}
