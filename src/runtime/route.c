/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/route.c -- the publisher's side of routed readers: whose are which rows of a batch, and who has to hear of
 * its watermark (route_impl.h; the readers' side is route_read.c).
 */
#include "runtime/route_impl.h"

#include "base/names.h"

#include <string.h>

enum { SWEEP_US = 100 * 1000, BATCHES_A_WAKE = 32 };

/* --- needs --- */

static int64_t
gcd(int64_t a, int64_t b)
{
    a = a < 0 ? -a : a;
    b = b < 0 ? -b : b;
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

wr_watermark_need
wr_need_both(wr_watermark_need a, wr_watermark_need b)
{
    if (a.every_us == WR_NEED_NONE || b.every_us == WR_NEED_EACH)
        return b;
    if (b.every_us == WR_NEED_NONE || a.every_us == WR_NEED_EACH)
        return a;
    int64_t every = gcd(a.every_us, b.every_us);
    every = gcd(every, a.phase_us % every - b.phase_us % every);
    return (wr_watermark_need){ every, a.phase_us % every };
}

wr_time
wr_need_next(wr_watermark_need need, wr_time w)
{
    if (need.every_us == WR_NEED_NONE || w >= WR_TIME_POSINF)
        return WR_TIME_END;
    if (need.every_us == WR_NEED_EACH || w <= WR_TIME_NEGINF)
        return w + 1;
    int64_t into = (w % need.every_us - need.phase_us % need.every_us) % need.every_us;
    int64_t left = need.every_us - (into < 0 ? into + need.every_us : into);
    return w > WR_TIME_POSINF - left ? WR_TIME_POSINF : w + left;
}

/* --- making --- */

static weir_status
make_classes(struct stream_router *r, const route_config *config, wr_watermark_need *needs)
{
    wr_text  text;
    wr_arena arena;
    wr_names names;
    wr_text_init(&text, NULL);
    wr_arena_init(&arena, NULL);
    wr_names_init(&names, &arena);
    weir_status status = WEIR_OK;
    for (uint32_t i = 0; i < config->count && status == WEIR_OK; i++) {
        wr_watermark_need n = config->needs[i];
        wr_text_clear(&text);
        wr_text_printf(&text, "%lld %lld", (long long) n.every_us, (long long) n.phase_us);
        char *name = wr_arena_strdup(&arena, wr_text_string(&text));
        if (name == NULL || !wr_text_ok(&text))
            status = WEIR_MEMORY;
        else if (!wr_names_find(&names, name, &r->class_of[i])) {
            needs[r->class_count] = n;
            r->class_of[i] = r->class_count;
            status = wr_names_add(&names, name, r->class_count++);
        }
    }
    wr_arena_fini(&arena);
    wr_text_fini(&text);
    return status;
}

static weir_status
open_shard(wr_stream *stream, router_shard *s, const wr_watermark_need *needs)
{
    struct stream_router *r = stream->router;
    s->readers = wr_calloc(stream->budget, r->count + 1, sizeof(routed *));
    s->classes = wr_calloc(stream->budget, r->class_count + 1, sizeof *s->classes);
    s->watermark = s->shown = WR_TIME_START;
    s->due = WR_TIME_NEGINF;
    if (s->readers == NULL || s->classes == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < r->class_count; i++)
        s->classes[i] = (route_class){ .need = needs[i], .due = wr_need_next(needs[i], WR_TIME_START) };
    return wr_selector_matcher_create(stream->budget, r->index, &s->matcher);
}

weir_status
wr_route_open(wr_stream *stream, const route_config *config)
{
    struct stream_router *r = wr_calloc(stream->budget, 1, sizeof *r);
    wr_watermark_need    *needs = wr_alloc(stream->budget, (config->count + 1) * sizeof *needs);
    weir_status           status = WEIR_MEMORY;
    stream->router = r;
    if (r != NULL)
        wr_mutex_init(&r->sweep_lock);
    if (r == NULL || needs == NULL)
        goto done;
    r->count = config->count;
    r->stream = config->stream;
    r->watch = config->watch;
    r->user = config->user;
    r->class_of = wr_calloc(stream->budget, r->count + 1, sizeof *r->class_of);
    r->wanted = wr_calloc(stream->budget, r->count + 1, 1);
    r->shards = wr_calloc(stream->budget, stream->config.shard_count, sizeof *r->shards);
    if (r->class_of == NULL || r->wanted == NULL || r->shards == NULL)
        goto done;
    WR_TRY_GOTO(wr_selector_index_create(stream->budget, config->selectors, r->count, &r->index));
    WR_TRY_GOTO(make_classes(r, config, needs));
    for (uint32_t i = 0; i < stream->config.shard_count; i++)
        WR_TRY_GOTO(open_shard(stream, &r->shards[i], needs));
done:
    wr_free(needs);
    return status;
}

void
wr_route_close(wr_stream *stream)
{
    struct stream_router *r = stream->router;
    if (r == NULL)
        return;
    for (uint32_t i = 0; r->shards != NULL && i < stream->config.shard_count; i++) {
        wr_selector_matcher_destroy(r->shards[i].matcher);
        wr_free(r->shards[i].readers);
        wr_free(r->shards[i].classes);
    }
    wr_free(r->shards);
    wr_free(r->class_of);
    wr_free(r->wanted);
    wr_selector_index_destroy(r->index);
    wr_mutex_fini(&r->sweep_lock);
    wr_free(r);
    stream->router = NULL;
}

/* --- routing a batch --- */

static void
add_entry(wr_routes *routes, routed *reader, const wr_selected *rows, wr_time watermark)
{
    reader->told = WR_MAX(reader->told, watermark);
    routes->entries[routes->count++] = (routed_entry){ .reader = reader, .rows = rows };
}

/* Those whose next watermark is not above this one. */
static void
add_due(const struct stream_router *r, router_shard *s, wr_time watermark, wr_routes *routes)
{
    s->due = WR_TIME_END;
    for (uint32_t c = 0; c < r->class_count; c++) {
        route_class *class = &s->classes[c];
        bool         due = class->due <= watermark;
        for (routed *reader = due ? class->first : NULL; reader != NULL; reader = reader->next_in_class)
            if (reader->told < watermark)
                add_entry(routes, reader, NULL, watermark);
        class->due = due ? wr_need_next(class->need, watermark) : class->due;
        s->due = WR_MIN(s->due, class->due);
    }
}

/* Somebody follows, and the last look was a while ago. */
static bool
sweep_is_due(const wr_stream *stream, const router_shard *s, wr_time watermark, int64_t now)
{
    return stream->config.followers != NULL && s->shown < watermark &&
           atomic_load_explicit(stream->config.followers, memory_order_relaxed) > 0 &&
           (s->shown == WR_TIME_START || now - s->swept_at >= SWEEP_US || now < s->swept_at);
}

/* Z2: those behind which somebody follows. */
static void
add_followed(struct stream_router *r, router_shard *s, wr_time watermark, int64_t now,
             wr_routes *routes)
{
    wr_mutex_lock(&r->sweep_lock);
    memset(r->wanted, 0, r->count);
    r->watch(r->user, r->stream, r->wanted);
    for (uint32_t i = 0; i < r->count; i++)
        if (r->wanted[i] && s->readers[i] != NULL && s->readers[i]->told < watermark)
            add_entry(routes, s->readers[i], NULL, watermark);
    wr_mutex_unlock(&r->sweep_lock);
    s->shown = watermark;
    s->swept_at = now;
}

weir_status
wr_stream_route(wr_stream *stream, uint32_t shard, const wr_batch *batch, wr_routes **out)
{
    struct stream_router *r = stream->router;
    wr_selection         *selection = NULL;
    *out = NULL;
    if (r == NULL)
        return WEIR_OK;
    router_shard *s = &r->shards[shard];
    wr_time       after = batch->watermark_after;
    bool          mark = batch->mark != WR_MARK_NONE, due = !mark && after >= s->due;
    bool          sweep = !mark && sweep_is_due(stream, s, after, batch->arrived);
    if (batch->row_count > 0)
        WR_TRY(wr_selector_match(r->index, s->matcher, stream->budget, batch, &selection));
    atomic_fetch_add_explicit(&s->rows, batch->row_count, memory_order_relaxed);
    uint32_t   most = mark || due || sweep ? r->count : selection != NULL ? selection->count : 0;
    wr_routes *routes = wr_alloc(stream->budget, sizeof *routes + most * sizeof routes->entries[0]);
    if (routes == NULL) {
        wr_free(selection);
        return WEIR_MEMORY;
    }
    *routes = (wr_routes){ .selection = selection };
    for (uint32_t i = 0; selection != NULL && i < selection->count; i++) {
        const wr_selected *rows = &selection->list[i];
        routed            *reader = s->readers[rows->selector];
        if (reader != NULL)
            add_entry(routes, reader, rows, after);
    }
    for (uint32_t i = 0; mark && i < r->count; i++)
        if (s->readers[i] != NULL)
            add_entry(routes, s->readers[i], NULL, batch->watermark_before);
    if (due)
        add_due(r, s, after, routes);
    if (sweep)
        add_followed(r, s, after, batch->arrived, routes);
    s->watermark = mark ? batch->watermark_before : after;
    s->shown = mark ? s->watermark : s->shown;
    *out = routes;
    return WEIR_OK;
}

int64_t
wr_stream_route_rest(wr_stream *stream, uint32_t shard, int64_t now)
{
    if (stream == NULL || stream->router == NULL)
        return -1;
    const router_shard *s = &stream->router->shards[shard];
    if (s->shown >= s->watermark || stream->config.followers == NULL ||
        atomic_load_explicit(stream->config.followers, memory_order_relaxed) == 0)
        return -1;
    return sweep_is_due(stream, s, s->watermark, now) ? 0 : s->swept_at + SWEEP_US - now;
}

void
wr_routes_release(wr_routes *routes)
{
    if (routes == NULL)
        return;
    wr_free(routes->selection);
    wr_free(routes);
}

size_t
wr_routes_bytes(const wr_routes *routes)
{
    return routes != NULL ? sizeof *routes + routes->count * sizeof routes->entries[0] : 0;
}

static void
wake_all(router_shard *s)
{
    while (s->to_wake != NULL) {
        routed *reader = s->to_wake;
        s->to_wake = reader->next_to_wake;
        wr_task_wake(reader->task);
    }
    s->batches = 0;
}

void
wr_stream_route_wake(wr_stream *stream, uint32_t shard)
{
    if (stream != NULL && stream->router != NULL)
        wake_all(&stream->router->shards[shard]);
}

void
wr_routes_enter(wr_stream *stream, uint32_t shard, uint64_t sequence)
{
    router_shard *s = stream->router != NULL ? &stream->router->shards[shard] : NULL;
    stream_slot  *slot = shard_slot(&stream->shards[shard], sequence);
    wr_routes    *routes = slot->routes;
    for (uint32_t i = 0; routes != NULL && i < routes->count; i++) {
        routed_entry *e = &routes->entries[i];
        routed       *reader = e->reader;
        e->sequence = sequence;
        e->batch = slot->batch;
        e->next = NULL;
        if (reader->first == NULL)
            reader->first = e;
        else
            reader->last->next = e;
        reader->last = e;
        if (e->rows != NULL && e->rows->rows != NULL)
            atomic_fetch_add_explicit(&reader->rows, e->rows->count, memory_order_relaxed);
        if (atomic_exchange_explicit(&reader->armed, 0, memory_order_relaxed) != 0) {
            reader->next_to_wake = s->to_wake;
            s->to_wake = reader;
        }
    }
    if (s != NULL && (++s->batches >= BATCHES_A_WAKE || slot->batch->mark != WR_MARK_NONE))
        wake_all(s); /* Z5 */
    slot->unread += routes != NULL ? routes->count : 0;
    slot->required += routes != NULL ? routes->count : 0; /* Z3 */
}
