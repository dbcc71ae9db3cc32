/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/nexmark.c -- the Nexmark generator as a source.
 *
 * Place       generator g is lane g and belongs to shard g mod shard_count; rows come ready made.
 * State       of each generator, the number of the next event: events are functions of their
 *             number, so a restart goes on exactly there.
 * Pace        with `pace` the events of a generator become due as real time passes, from where it
 *             stood at the first poll; without it, as fast as there is room.
 */
#include "connector/nexmark.h"

#include "connector/nexmark_gen.h"
#include "data/datetime.h"

#include <inttypes.h>
#include <string.h>

enum { GENERATORS_MAX = 1024, PACE_WAIT_MIN_US = 1000, EVENTS_A_BATCH = WR_BATCH_ROWS_MAX };

typedef struct generator {
    uint32_t    index; /* and its lane's partition */
    wr_nexmark *nexmark;
    wr_lane    *lane;
    uint64_t    next, begun_at; /* events; where the pace began to count */
    _Atomic uint64_t shown;     /* next, as of a moment ago, for whoever looks */
    _Atomic uint64_t whole;     /* events it makes; 0: not begun */
    bool        ended;
} generator;

typedef struct nexmark_source {
    const wr_nexmark_source_config *config;
    wr_source_ctx                  *ctx;
    generator                      *generators;
    uint32_t                        count, turn;
    wr_time                         base_time;
    int64_t                         begun; /* monotonic, of the first poll; 0: not yet */
} nexmark_source;

/* --- configuration --- */

static wr_nexmark_kind
relation_of(const wr_nexmark_source_config *c)
{
    static const wr_nexmark_kind kinds[] = { WR_NEXMARK_ALL, WR_NEXMARK_BID, WR_NEXMARK_AUCTION,
                                             WR_NEXMARK_PERSON };
    return kinds[c->relation];
}

static bool
nexmark_bounded(const void *config)
{
    return ((const wr_nexmark_source_config *) config)->events > 0;
}

static weir_status
nexmark_columns(const void *config, wr_arena *arena, wr_schema **schema, weir_error *err)
{
    *schema = wr_nexmark_schema(arena, relation_of(config));
    if (*schema == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for the columns");
    return WEIR_OK;
}

static weir_status
base_time_read(const wr_nexmark_source_config *c, wr_clock *clock, wr_time *base, weir_error *err)
{
    const char *text = c->base_time != NULL ? c->base_time : "2026-01-01";
    if (strcmp(text, "now") != 0) {
        WR_TRY(wr_timestamp_parse(text, strlen(text), true, base, err));
        if (*base < 0 || *base > 253402300800 * WR_US_PER_SECOND)
            return wr_error_set(err, WEIR_CONFIG_VALUE, "base_time: between 1970 and 9999");
    } else {
        *base = clock != NULL ? wr_clock_now(clock) : 0;
    }
    *base -= *base % 1000;
    return WEIR_OK;
}

static weir_status
nexmark_check(const void *config, weir_error *err)
{
    wr_time base;
    return base_time_read(config, NULL, &base, err);
}

/* --- life --- */

static weir_status
nexmark_open(void *self, wr_source_ctx *ctx, const void *config, void *shared, weir_error *err)
{
    nexmark_source                 *s = self;
    const wr_nexmark_source_config *c = config;
    uint32_t                        all = (uint32_t) c->generators;
    s->config = c;
    s->ctx = ctx;
    WR_TRY(base_time_read(c, ctx->clock, &s->base_time, err));
    s->generators = wr_calloc(ctx->flow, all / ctx->shard_count + 1, sizeof *s->generators);
    if (s->generators == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for generators");
    for (uint32_t g = ctx->shard; g < all; g += ctx->shard_count)
        s->generators[s->count++].index = g;
    return WEIR_OK;
}

static void
nexmark_close(void *self)
{
    nexmark_source *s = self;
    for (uint32_t i = 0; i < s->count; i++)
        wr_nexmark_destroy(s->generators[i].nexmark);
    wr_free(s->generators);
}

/* The generators themselves, once the base time is known for sure. */
static bool
nexmark_begin(nexmark_source *s)
{
    const wr_nexmark_source_config *c = s->config;
    wr_nexmark_config               whole, part;
    wr_nexmark_config_init(&whole);
    whole.seed = (uint64_t) c->seed;
    whole.rate = (uint64_t) WR_MAX(c->rate, 1.0);
    whole.max_events = (uint64_t) c->events;
    whole.base_time = s->base_time;
    whole.out_of_order_group = (uint32_t) c->out_of_order;
    for (uint32_t i = 0; i < s->count; i++) {
        generator *g = &s->generators[i];
        wr_nexmark_config_split(&whole, g->index, (uint32_t) c->generators, &part);
        g->lane = s->ctx->lane(s->ctx, (int32_t) g->index);
        if (g->nexmark == NULL)
            g->nexmark = wr_nexmark_create(s->ctx->flow, &part);
        if (g->lane == NULL || g->nexmark == NULL)
            return false;
        g->begun_at = g->next;
        atomic_store_explicit(&g->shown, g->next, memory_order_relaxed);
        atomic_store_explicit(&g->whole, wr_nexmark_count(g->nexmark), memory_order_relaxed);
        /* fewer events than generators: a split of 0 means "without end" */
        if (c->events > 0 && (uint64_t) c->events / (uint64_t) c->generators == 0 &&
            g->index + 1 < (uint32_t) c->generators)
            g->next = wr_nexmark_count(g->nexmark);
    }
    s->begun = WR_MAX(wr_clock_monotonic(s->ctx->clock), 1);
    return true;
}

/* --- position --- */

static weir_status
nexmark_freeze(void *self, wr_snapshot_writer *to)
{
    nexmark_source *s = self;
    wr_snapshot_put_i64(to, s->config->seed);
    wr_snapshot_put_i64(to, s->config->generators);
    wr_snapshot_put_i64(to, s->base_time);
    wr_snapshot_put_u64(to, s->count);
    for (uint32_t i = 0; i < s->count; i++) {
        wr_snapshot_put_u64(to, s->generators[i].index);
        wr_snapshot_put_u64(to, s->generators[i].next);
    }
    return WEIR_OK;
}

static weir_status
nexmark_restore(void *self, wr_snapshot_reader *from)
{
    nexmark_source *s = self;
    int64_t         seed = wr_snapshot_get_i64(from), all = wr_snapshot_get_i64(from);
    wr_time         base = wr_snapshot_get_i64(from);
    uint64_t        count = wr_snapshot_get_u64(from);
    WR_TRY(wr_snapshot_reader_status(from));
    if (seed != s->config->seed || all != s->config->generators)
        return WEIR_CHECKPOINT_MISMATCH;
    s->base_time = base;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t index = wr_snapshot_get_u64(from), next = wr_snapshot_get_u64(from);
        WR_TRY(wr_snapshot_reader_status(from));
        if (next > WR_NEXMARK_EVENTS_MAX)
            return WEIR_CHECKPOINT_CORRUPT;
        for (uint32_t k = 0; k < s->count; k++)
            if (s->generators[k].index == index)
                s->generators[k].next = next;
    }
    return WEIR_OK;
}

/* --- events --- */

/* Events of g that may be made now. */
static uint64_t
due(const nexmark_source *s, const generator *g, int64_t now)
{
    uint64_t left = wr_nexmark_count(g->nexmark) - WR_MIN(g->next, wr_nexmark_count(g->nexmark));
    if (s->config->pace > 0) {
        double   each = s->config->pace / (double) s->config->generators;
        double   passed = (double) (now - s->begun) / 1e6 * each;
        uint64_t reached = g->begun_at + (uint64_t) passed;
        left = WR_MIN(left, reached > g->next ? reached - g->next : 0);
    }
    return WR_MIN(left, (uint64_t) EVENTS_A_BATCH);
}

static weir_status
generator_step(nexmark_source *s, generator *g, uint64_t count)
{
    wr_batch *batch;
    uint64_t  taken;
    WR_TRY(wr_nexmark_fill(g->nexmark, s->ctx->flow, relation_of(s->config), s->ctx->needed[0],
                           g->next, count, &batch, &taken));
    g->next += taken;
    atomic_store_explicit(&g->shown, g->next, memory_order_relaxed);
    if (batch->row_count > 0)
        return s->ctx->push(s->ctx, g->lane, batch);
    wr_batch_release(batch);
    return WEIR_OK;
}

static void
generator_end(nexmark_source *s, generator *g)
{
    g->ended = true;
    s->ctx->caught_up(s->ctx, g->lane, true);
    s->ctx->lane_end(s->ctx, g->lane);
}

/* Microseconds until some generator has an event due. */
static int64_t
pace_wait(const nexmark_source *s)
{
    double each = s->config->pace / (double) s->config->generators;
    return WR_MAX((int64_t) (1e6 / each), (int64_t) PACE_WAIT_MIN_US);
}

static wr_flow
nexmark_fail(nexmark_source *s, weir_status status)
{
    wr_error_set(&s->ctx->error, status, "%s", weir_status_text(status));
    return WR_FLOW_FAIL;
}

/* A batch of each generator in turn, while there is room. */
static wr_flow
nexmark_poll(void *self, wr_source_ctx *ctx)
{
    nexmark_source *s = self;
    uint32_t        live = 0, made = 0;
    if (s->begun == 0 && !nexmark_begin(s))
        return nexmark_fail(s, WEIR_MEMORY);
    int64_t now = s->config->pace > 0 ? wr_clock_monotonic(ctx->clock) : 0;
    for (uint32_t i = 0; i < s->count; i++) {
        generator *g = &s->generators[s->turn];
        if (!g->ended && g->next >= wr_nexmark_count(g->nexmark))
            generator_end(s, g);
        live += !g->ended;
        uint64_t count = g->ended ? 0 : due(s, g, now);
        if (count > 0) {
            if (!ctx->has_room(ctx))
                return WR_FLOW_WAIT;
            ctx->caught_up(ctx, g->lane, false);
            weir_status status = generator_step(s, g, count);
            if (status != WEIR_OK)
                return nexmark_fail(s, status);
            made++;
        } else if (!g->ended) {
            ctx->caught_up(ctx, g->lane, true);
        }
        s->turn = s->turn + 1 == s->count ? 0 : s->turn + 1;
    }
    if (live == 0)
        return WR_FLOW_DONE;
    if (made > 0)
        return WR_FLOW_NEXT;
    ctx->wake_after(ctx, pace_wait(s));
    return WR_FLOW_WAIT;
}

static void
nexmark_describe(void *self, wr_text *to)
{
    nexmark_source *s = self;
    for (uint32_t i = 0; i < s->count; i++) {
        const generator *g = &s->generators[i];
        wr_text_printf(to, "generator %u: at event %" PRIu64 "\n", g->index,
                       atomic_load_explicit(&g->shown, memory_order_relaxed));
    }
}

static bool
nexmark_extent(void *self, wr_source_extent *extent)
{
    nexmark_source *s = self;
    if (s->config->events <= 0)
        return false;
    bool known = true;
    for (uint32_t i = 0; i < s->count; i++) {
        uint64_t whole = atomic_load_explicit(&s->generators[i].whole, memory_order_relaxed);
        extent->read += atomic_load_explicit(&s->generators[i].shown, memory_order_relaxed);
        extent->whole += whole;
        known = known && whole > 0;
    }
    return known;
}

static const wr_option nexmark_options[] = {
    { .name = "events",
      .type = WR_OPT_INTEGER,
      .offset = offsetof(wr_nexmark_source_config, events),
      .fallback = "0",
      .low = 0,
      .high = 281474976710656.0,
      .doc = "How many events, of all kinds together; 0: without end." },
    { .name = "rate",
      .type = WR_OPT_RATE,
      .offset = offsetof(wr_nexmark_source_config, rate),
      .fallback = "10000/s",
      .low = 1,
      .high = 1e9,
      .doc = "Events a second of event time." },
    { .name = "pace",
      .type = WR_OPT_RATE,
      .offset = offsetof(wr_nexmark_source_config, pace),
      .fallback = "0/s",
      .doc = "Events a second of real time; 0: as fast as they are taken." },
    { .name = "seed",
      .type = WR_OPT_INTEGER,
      .offset = offsetof(wr_nexmark_source_config, seed),
      .fallback = "42",
      .doc = "The same seed gives the same events." },
    { .name = "relation",
      .type = WR_OPT_ENUM,
      .offset = offsetof(wr_nexmark_source_config, relation),
      .fallback = "combined",
      .choices = "combined|bid|auction|person",
      .doc = "Events of one kind, or all in one table (event_type 0 person, 1 auction, 2 bid)." },
    { .name = "generators",
      .type = WR_OPT_INTEGER,
      .offset = offsetof(wr_nexmark_source_config, generators),
      .fallback = "1",
      .low = 1,
      .high = GENERATORS_MAX,
      .doc = "Partitions that are made in parallel and share the rate." },
    { .name = "out_of_order",
      .type = WR_OPT_INTEGER,
      .offset = offsetof(wr_nexmark_source_config, out_of_order),
      .fallback = "1",
      .low = 1,
      .high = 1e6,
      .doc = "Events are shuffled within groups of this many; 1: in order." },
    { .name = "base_time",
      .type = WR_OPT_STRING,
      .offset = offsetof(wr_nexmark_source_config, base_time),
      .fallback = "2026-01-01",
      .doc = "Time of the first event, or now." },
    { 0 },
};

const wr_source_ops wr_nexmark_source_ops = {
    .name = "nexmark",
    .doc = "People, auctions and bids of the Nexmark benchmark, made from a seed.",
    .options = nexmark_options,
    .config_bytes = sizeof(wr_nexmark_source_config),
    .self_bytes = sizeof(nexmark_source),
    .bounded = nexmark_bounded,
    .columns = nexmark_columns,
    .check = nexmark_check,
    .open = nexmark_open,
    .poll = nexmark_poll,
    .freeze = nexmark_freeze,
    .restore = nexmark_restore,
    .close = nexmark_close,
    .describe = nexmark_describe,
    .extent = nexmark_extent,
};
