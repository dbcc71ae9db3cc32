/* SPDX-License-Identifier: Apache-2.0 */
/* support/test_ops.c -- operators, a source and a sink for tests of the runtime (see test_ops.h). */
#include "support/test_ops.h"

#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t test_delay_us;

/* --- schemas and batches --- */

static wr_schema *
schema_of(wr_arena *arena, const char *const *names, const wr_type_id *types, uint32_t count)
{
    wr_schema *s = wr_schema_create(arena, count);
    for (uint32_t i = 0; i < count; i++) {
        s->fields[i].name = names[i];
        s->fields[i].type = WR_TYPE(types[i]);
        s->fields[i].watermark_offset = WR_NO_WATERMARK;
    }
    return s;
}

wr_schema *
test_event_schema(wr_arena *arena)
{
    wr_schema *s = schema_of(arena, (const char *const[]){ "k", "v", "ts", "w" },
                             (const wr_type_id[]){ WR_INT8, WR_INT8, WR_TIMESTAMPTZ, WR_TIMESTAMPTZ },
                             4);
    s->time_column = 2;
    s->fields[2].watermark_offset = 0;
    return s;
}

wr_schema *
test_window_schema(wr_arena *arena)
{
    return schema_of(arena, (const char *const[]){ "e", "k", "n", "s" },
                     (const wr_type_id[]){ WR_TIMESTAMPTZ, WR_INT8, WR_INT8, WR_INT8 }, 4);
}

static wr_batch *
longs_batch(wr_budget *budget, const wr_type_id *types, uint32_t columns, uint32_t rows)
{
    wr_batch *b = wr_batch_create(budget, columns);
    if (b == NULL)
        return NULL;
    for (uint32_t c = 0; c < columns; c++)
        if ((b->columns[c] = wr_column_create(budget, WR_TYPE(types[c]), rows)) == NULL) {
            wr_batch_release(b);
            return NULL;
        }
    b->row_count = b->physical_count = rows;
    return b;
}

static int64_t *
longs(wr_batch *b, uint32_t column)
{
    return b->columns[column]->data;
}

wr_batch *
test_event_batch(wr_budget *budget, const test_event *events, uint32_t count)
{
    static const wr_type_id types[] = { WR_INT8, WR_INT8, WR_TIMESTAMPTZ, WR_TIMESTAMPTZ };
    wr_batch               *b = longs_batch(budget, types, 4, count);
    for (uint32_t i = 0; i < count; i++) {
        longs(b, 0)[i] = events[i].k;
        longs(b, 1)[i] = events[i].v;
        longs(b, 2)[i] = events[i].ts;
        longs(b, 3)[i] = events[i].ts != INT64_MIN ? events[i].ts - test_delay_us : 0;
        if (events[i].ts == INT64_MIN && (wr_column_set_null(b->columns[2], i) != WEIR_OK ||
                                          wr_column_set_null(b->columns[3], i) != WEIR_OK))
            abort();
    }
    return b;
}

/* --- pass, union, limit, fail --- */

static weir_status
plain_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    (void) ctx;
    (void) err;
    *(const void **) self = config;
    return WEIR_OK;
}

static wr_flow
pass_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    (void) self;
    (void) port;
    if (!wr_ctx_has_room(ctx, WR_PORT_MAIN))
        return WR_FLOW_AGAIN;
    wr_ctx_emit(ctx, WR_PORT_MAIN, wr_batch_retain((wr_batch *) (uintptr_t) in));
    return WR_FLOW_NEXT;
}

const wr_operator_ops test_pass_ops = {
    .name = "test_pass", .self_size = sizeof(void *), .traits = WR_OP_STATELESS | WR_OP_KEEPS_ORDER,
    .open = plain_open, .process = pass_process,
};
const wr_operator_ops test_union_ops = {
    .name = "test_union", .self_size = sizeof(void *), .traits = WR_OP_STATELESS | WR_OP_KEEPS_ORDER,
    .open = plain_open, .process = pass_process,
};

typedef struct limit {
    const uint64_t *rows;
    uint64_t        seen;
} limit;

static wr_flow
limit_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    limit *l = self;
    (void) port;
    if (!wr_ctx_has_room(ctx, WR_PORT_MAIN))
        return WR_FLOW_AGAIN;
    uint32_t count = (uint32_t) WR_MIN((uint64_t) in->row_count, *l->rows - l->seen);
    wr_ctx_emit(ctx, WR_PORT_MAIN, wr_batch_slice(ctx->flow, in, 0, count));
    l->seen += count;
    return l->seen == *l->rows ? WR_FLOW_DONE : WR_FLOW_NEXT;
}

const wr_operator_ops test_limit_ops = {
    .name = "test_limit", .self_size = sizeof(limit), .traits = WR_OP_STATELESS | WR_OP_KEEPS_ORDER,
    .open = plain_open, .process = limit_process,
};

static wr_flow
fail_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    const int64_t *bad = *(const int64_t **) self;
    for (uint32_t i = 0; i < in->row_count; i++)
        if (((const int64_t *) in->columns[1]->data)[wr_batch_row(in, i)] == *bad)
            return wr_ctx_fail(ctx, WEIR_ROW_OVERFLOW, "v is %" PRId64, *bad);
    return pass_process(self, ctx, port, in);
}

const wr_operator_ops test_fail_ops = {
    .name = "test_fail", .self_size = sizeof(void *), .traits = WR_OP_STATELESS | WR_OP_KEEPS_ORDER,
    .open = plain_open, .process = fail_process,
};

/* --- windows: a plain array of groups; slow and obvious --- */

typedef struct group {
    wr_time  end;
    int64_t  k, n, s;
    uint32_t key_group;
} group;

typedef struct window {
    const int64_t *size; /* first: plain_open */
    wr_budget     *budget;
    group         *groups;
    uint32_t       count, capacity;
} window;

struct wr_frozen {
    uint32_t count;
    group    groups[];
};

static uint32_t
group_of_key(int64_t k)
{
    wr_text  text;
    wr_value v = { .type = WR_TYPE(WR_INT8), .integer = k };
    wr_text_init(&text, NULL);
    if (wr_key_encode_value(&v, &text) != WEIR_OK)
        abort();
    uint32_t g = wr_key_group(wr_hash_stable(text.data, text.length));
    wr_text_fini(&text);
    return g;
}

static group *
window_group(window *w, wr_time end, int64_t k)
{
    for (uint32_t i = 0; i < w->count; i++)
        if (w->groups[i].end == end && w->groups[i].k == k)
            return &w->groups[i];
    if (w->count == w->capacity) {
        w->capacity = WR_MAX(w->capacity * 2, 16u);
        group *grown = wr_realloc(w->budget, w->groups, w->capacity * sizeof *grown);
        if (grown == NULL)
            abort();
        w->groups = grown;
    }
    w->groups[w->count] = (group){ end, k, 0, 0, group_of_key(k) };
    return &w->groups[w->count++];
}

static weir_status
window_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    ((window *) self)->budget = ctx->state;
    return plain_open(self, ctx, config, err);
}

static wr_flow
window_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    window  *w = self;
    uint16_t late[WR_BATCH_ROWS_MAX];
    uint32_t late_count = 0;
    (void) port;
    for (uint32_t i = 0; i < in->row_count; i++) {
        uint32_t row = wr_batch_row(in, i);
        if (wr_column_is_null(in->columns[2], row)) {
            atomic_fetch_add(&ctx->counters.rows_null_time, 1);
            continue;
        }
        wr_time ts = ((const int64_t *) in->columns[2]->data)[row];
        wr_time end = (ts / *w->size + 1) * *w->size;
        wr_assert(wr_batch_row_watermark(in, row) >= ctx->watermark);
        if (end <= wr_batch_row_watermark(in, row)) {
            late[late_count++] = (uint16_t) row;
            continue;
        }
        group *g = window_group(w, end, ((const int64_t *) in->columns[0]->data)[row]);
        g->n++;
        g->s += ((const int64_t *) in->columns[1]->data)[row];
    }
    if (late_count > 0 && ctx->late_wanted)
        wr_ctx_emit(ctx, WR_PORT_LATE, wr_batch_select(ctx->flow, in, late, late_count));
    atomic_fetch_add(&ctx->counters.rows_late, late_count);
    return WR_FLOW_NEXT;
}

/* One group a batch, so that a small outbox is felt. */
static wr_flow
window_advance(void *self, wr_ctx *ctx, wr_time watermark)
{
    window *w = self;
    for (uint32_t i = 0; i < w->count;) {
        group *g = &w->groups[i];
        if (g->end > watermark) {
            i++;
            continue;
        }
        if (!wr_ctx_has_room(ctx, WR_PORT_MAIN))
            return WR_FLOW_AGAIN;
        static const wr_type_id types[] = { WR_TIMESTAMPTZ, WR_INT8, WR_INT8, WR_INT8 };
        wr_batch               *out = longs_batch(ctx->flow, types, 4, 1);
        if (out == NULL)
            return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for a window");
        longs(out, 0)[0] = g->end;
        longs(out, 1)[0] = g->k;
        longs(out, 2)[0] = g->n;
        longs(out, 3)[0] = g->s;
        wr_ctx_emit(ctx, WR_PORT_MAIN, out);
        *g = w->groups[--w->count];
    }
    return WR_FLOW_NEXT;
}

static weir_status
window_freeze(void *self, wr_epoch epoch, wr_frozen **out)
{
    window *w = self;
    (void) epoch;
    *out = wr_alloc(NULL, sizeof **out + w->count * sizeof(group));
    if (*out == NULL)
        return WEIR_MEMORY;
    (*out)->count = w->count;
    if (w->count > 0)
        memcpy((*out)->groups, w->groups, w->count * sizeof(group));
    return WEIR_OK;
}

static weir_status
window_write(const wr_frozen *f, wr_snapshot_writer *to)
{
    for (uint32_t i = 0; i < f->count; i++) {
        const group *g = &f->groups[i];
        wr_snapshot_begin(to, g->key_group);
        wr_snapshot_put_i64(to, g->end);
        wr_snapshot_put_i64(to, g->k);
        wr_snapshot_put_i64(to, g->n);
        wr_snapshot_put_i64(to, g->s);
        wr_snapshot_end(to);
    }
    return wr_snapshot_finish(to);
}

static void
window_thaw(wr_frozen *f)
{
    wr_free(f);
}

static weir_status
window_restore(void *self, wr_ctx *ctx, wr_snapshot_reader *from)
{
    window *w = self;
    (void) ctx;
    while (wr_snapshot_next(from)) {
        wr_time end = wr_snapshot_get_i64(from);
        int64_t k = wr_snapshot_get_i64(from);
        group  *g = window_group(w, end, k);
        g->n += wr_snapshot_get_i64(from);
        g->s += wr_snapshot_get_i64(from);
    }
    return wr_snapshot_reader_status(from);
}

static void
window_close(void *self)
{
    wr_free(((window *) self)->groups);
}

static wr_watermark_need
window_need(const void *config)
{
    return (wr_watermark_need){ .every_us = *(const int64_t *) config };
}

const wr_operator_ops test_window_ops = {
    .name = "test_window", .self_size = sizeof(window), .open = window_open,
    .process = window_process, .advance = window_advance, .freeze = window_freeze,
    .write = window_write, .thaw = window_thaw, .restore = window_restore, .close = window_close,
    .need = window_need,
};

const wr_operator_ops test_window_each_ops = {
    .name = "test_window_each", .self_size = sizeof(window), .open = window_open,
    .process = window_process, .advance = window_advance, .freeze = window_freeze,
    .write = window_write, .thaw = window_thaw, .restore = window_restore, .close = window_close,
};

/* --- the source --- */

enum { PARTITIONS_MAX = 64 };

typedef struct vector_source {
    const test_source_config *config;
    wr_source_ctx            *ctx;
    uint64_t                  at[PARTITIONS_MAX];
    uint32_t                  next;
} vector_source;

static weir_status
vector_open(void *self, wr_source_ctx *ctx, const void *config, void *shared, weir_error *err)
{
    vector_source *s = self;
    (void) shared;
    (void) err;
    s->config = config;
    s->ctx = ctx;
    return WEIR_OK;
}

static bool
vector_covers(const vector_source *s, uint32_t p)
{
    return p % s->ctx->shard_count == s->ctx->shard;
}

static uint64_t
vector_end(const vector_source *s, uint32_t p)
{
    uint64_t count = s->config->partitions[p].count;
    return s->config->limit != NULL ? WR_MIN(count, atomic_load(s->config->limit)) : count;
}

/* As text, through feed. */
static bool
vector_feed(vector_source *s, wr_lane *lane, uint32_t p, uint64_t count)
{
    const test_event *e = &s->config->partitions[p].events[s->at[p]];
    for (uint64_t i = 0; i < count; i++, e++) {
        char           line[80];
        size_t         used;
        wr_record_meta meta = { .offset = (int64_t) s->at[p], .timestamp = WR_TIME_START };
        int n = e->v == -1 ? snprintf(line, sizeof line, "garbage")
                           : snprintf(line, sizeof line, "%" PRId64 ",%" PRId64 ",%" PRId64, e->k,
                                      e->v, e->ts);
        if (s->ctx->feed(s->ctx, lane, line, (size_t) n, true, &meta, &used) != WEIR_OK)
            return false;
        if (used < (size_t) n)
            return true; /* no room: the same record again */
        s->at[p]++;
    }
    return true;
}

static bool
vector_give(vector_source *s, wr_lane *lane, uint32_t p, uint64_t count)
{
    if (s->config->text)
        return vector_feed(s, lane, p, count);
    wr_batch *b = test_event_batch(s->ctx->flow, s->config->partitions[p].events + s->at[p],
                                   (uint32_t) count);
    s->at[p] += count;
    return s->ctx->push(s->ctx, lane, b) == WEIR_OK;
}

static wr_flow
vector_poll(void *self, wr_source_ctx *ctx)
{
    vector_source *s = self;
    uint32_t       count = s->config->partition_count, open = 0, busy = 0;
    for (uint32_t p = 0; p < count; p++) /* all lanes exist before the first row */
        if (vector_covers(s, p) && ctx->lane(ctx, (int32_t) p) == NULL)
            return WR_FLOW_FAIL;
    for (uint32_t n = 0; n < count; n++) {
        uint32_t p = s->next++ % count;
        if (!vector_covers(s, p))
            continue;
        wr_lane *lane = ctx->lane(ctx, (int32_t) p);
        uint64_t left = vector_end(s, p) - s->at[p];
        _Atomic uint64_t *silent = s->config->partitions[p].limit;
        bool     over = s->at[p] == s->config->partitions[p].count && !s->config->follow;
        open += !over;
        if (left == 0) {
            if (over)
                ctx->lane_end(ctx, lane);
            else
                ctx->caught_up(ctx, lane, true);
            continue;
        }
        if (silent != NULL)
            left = WR_MIN(left, atomic_load(silent) - s->at[p]);
        if (left == 0 || (s->config->ask && !ctx->may_read(ctx, lane)))
            continue;
        busy++;
        if (!ctx->has_room(ctx))
            return WR_FLOW_WAIT;
        uint32_t most = s->config->rows_a_poll > 0 ? s->config->rows_a_poll : 100;
        if (!vector_give(s, lane, p, WR_MIN(left, (uint64_t) most)))
            return WR_FLOW_FAIL;
    }
    return busy > 0 ? WR_FLOW_NEXT : open > 0 ? WR_FLOW_WAIT : WR_FLOW_DONE;
}

static weir_status
vector_freeze(void *self, wr_snapshot_writer *to)
{
    vector_source *s = self;
    for (uint32_t p = 0; p < s->config->partition_count; p++)
        wr_snapshot_put_u64(to, vector_covers(s, p) ? s->at[p] : 0);
    return WEIR_OK;
}

static weir_status
vector_restore(void *self, wr_snapshot_reader *from)
{
    vector_source *s = self;
    for (uint32_t p = 0; p < s->config->partition_count; p++) {
        uint64_t at = wr_snapshot_get_u64(from);
        s->at[p] = WR_MAX(s->at[p], at);
    }
    return wr_snapshot_reader_status(from);
}

static void
vector_committed(void *self, wr_epoch epoch)
{
    vector_source *s = self;
    if (s->config->committed != NULL)
        atomic_store(s->config->committed, epoch);
}

const wr_source_ops test_source_ops = {
    .name = "test", .doc = "arrays of events", .self_bytes = sizeof(vector_source),
    .open = vector_open, .poll = vector_poll, .freeze = vector_freeze, .restore = vector_restore,
    .committed = vector_committed,
};

/* --- the decoder --- */

typedef struct line_decoder {
    wr_decoder decoder;
} line_decoder;

static weir_status
line_create(const void *config, const wr_schema *schema, const uint64_t *needed, wr_budget *budget,
            wr_decoder **out, weir_error *err)
{
    line_decoder *d = wr_calloc(budget, 1, sizeof *d);
    (void) config;
    (void) schema;
    (void) needed;
    (void) err;
    if (d == NULL)
        return WEIR_MEMORY;
    d->decoder.ops = &test_decoder_ops;
    *out = &d->decoder;
    return WEIR_OK;
}

static weir_status
line_decode(wr_decoder *self, const char *bytes, size_t length, bool last, wr_decode_to *to,
            size_t *consumed)
{
    char    line[80];
    int64_t v[4];
    (void) self;
    *consumed = 0;
    if (!last || to->count == to->capacity)
        return WEIR_OK;
    *consumed = length;
    snprintf(line, sizeof line, "%.*s", (int) length, bytes);
    if (sscanf(line, "%" SCNd64 ",%" SCNd64 ",%" SCNd64, &v[0], &v[1], &v[2]) != 3) {
        to->bad(to->user, WEIR_ROW_DECODE, "not three numbers", bytes, length);
        return WEIR_OK;
    }
    v[3] = v[2] - test_delay_us;
    for (int c = 0; c < 4; c++)
        if (to->columns[c] != NULL)
            ((int64_t *) to->columns[c]->data)[to->count] = v[c];
    to->count++;
    return WEIR_OK;
}

static void
line_destroy(wr_decoder *self)
{
    wr_free(self);
}

const wr_decoder_ops test_decoder_ops = {
    .name = "test", .create = line_create, .decode = line_decode, .destroy = line_destroy,
};

/* --- the sink --- */

void
test_collector_init(test_collector *c)
{
    memset(c, 0, sizeof *c);
    wr_mutex_init(&c->lock);
}

void
test_collector_clear(test_collector *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        free(c->rows[i]);
    c->count = 0;
}

void
test_collector_fini(test_collector *c)
{
    test_collector_clear(c);
    free(c->rows);
    wr_mutex_fini(&c->lock);
}

void
test_collector_resume(test_collector *c)
{
    atomic_store(&c->stalled, false);
    if (c->ctx != NULL)
        c->ctx->wake(c->ctx);
}

static int
by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

char *
test_collector_text(test_collector *c, bool distinct)
{
    wr_mutex_lock(&c->lock);
    char **rows = malloc((c->count + 1) * sizeof *rows);
    size_t length = 1;
    memcpy(rows, c->rows != NULL ? c->rows : rows, c->count * sizeof *rows);
    qsort(rows, c->count, sizeof *rows, by_text);
    for (uint32_t i = 0; i < c->count; i++)
        length += strlen(rows[i]) + 1;
    char *text = malloc(length), *at = text;
    *at = '\0';
    for (uint32_t i = 0; i < c->count; i++)
        if (!distinct || i == 0 || strcmp(rows[i], rows[i - 1]) != 0)
            at += sprintf(at, "%s\n", rows[i]);
    free(rows);
    wr_mutex_unlock(&c->lock);
    return text;
}

typedef struct collector_sink {
    test_collector *c;
} collector_sink;

static weir_status
collector_open(void *self, wr_sink_ctx *ctx, const void *config, weir_error *err)
{
    collector_sink *s = self;
    (void) err;
    s->c = (test_collector *) (uintptr_t) config;
    s->c->ctx = ctx;
    return WEIR_OK;
}

static void
collector_add(test_collector *c, const wr_batch *b, uint32_t row)
{
    wr_text text;
    wr_text_init(&text, NULL);
    for (uint32_t i = 0; i < b->column_count; i++) {
        const wr_column *column = b->columns[i];
        wr_value         v;
        if (i > 0)
            wr_text_putc(&text, '|');
        if (column == NULL || wr_column_get_value(column, row, NULL, &v) != WEIR_OK)
            abort();
        if (v.is_null)
            wr_text_puts(&text, "null");
        else if (wr_type_is_string(v.type))
            wr_text_append(&text, wr_string_data(&v.string), v.string.length);
        else
            wr_text_put_int(&text, v.integer);
    }
    if (c->count == c->capacity) {
        c->capacity = WR_MAX(c->capacity * 2, 64u);
        c->rows = realloc(c->rows, c->capacity * sizeof *c->rows);
    }
    c->rows[c->count++] = strdup(wr_text_string(&text));
    wr_text_fini(&text);
}

static wr_flow
collector_write(void *self, wr_sink_ctx *ctx, const wr_batch *batch)
{
    collector_sink *s = self;
    if (atomic_load(&s->c->refuse)) {
        (void) wr_error_set(&ctx->error, WEIR_WRITE, "refused");
        wr_error_hint(&ctx->error, "try again");
        return WR_FLOW_FAIL;
    }
    if (atomic_load(&s->c->stalled))
        return WR_FLOW_AGAIN;
    wr_mutex_lock(&s->c->lock);
    for (uint32_t i = 0; i < batch->row_count; i++)
        collector_add(s->c, batch, wr_batch_row(batch, i));
    s->c->batches++;
    wr_mutex_unlock(&s->c->lock);
    atomic_fetch_add(&ctx->rows, batch->row_count);
    return WR_FLOW_NEXT;
}

static wr_flow
collector_flush(void *self, wr_sink_ctx *ctx)
{
    collector_sink *s = self;
    (void) ctx;
    if (atomic_load(&s->c->stalled))
        return WR_FLOW_WAIT;
    atomic_fetch_add(&s->c->flushes, 1);
    return WR_FLOW_NEXT;
}

static void
collector_close(void *self)
{
    ((collector_sink *) self)->c->ctx = NULL;
}

const wr_sink_ops test_sink_ops = {
    .name = "test", .doc = "collects rows", .self_bytes = sizeof(collector_sink),
    .takes_changes = true, .open = collector_open, .write = collector_write,
    .flush = collector_flush, .close = collector_close,
};
