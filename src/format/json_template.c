/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/json_template.c -- learned shapes: records of one producer look alike.
 *
 * A shape is the exact bytes between the values of a record that the parser has accepted:
 *     {"auction":1007,"price":5.25}   ->   `{"auction":` int8 `,"price":` numeric `}`
 * Reading by a shape is comparing those bytes and reading the values.  A few shapes are kept; the
 * one that has fitted most often of late is tried first.  A record that fits none goes to the parser, and mostly
 * becomes a shape of its own.
 */
#include "format/json_impl.h"

/* Of records that fit no shape, one in this many is learned once all places are taken. */
enum { LEARN_EVERY = 16, HITS_MAX = 4096 };

void
wr_json_shapes_init(json_decoder *d)
{
    d->kernel = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")
                    ? wr_json_kernel_avx2
                    : wr_json_kernel_sse;
}

/* --- heaps --- */

static wr_buffer no_heap;

void
wr_json_heaps_open(json_decoder *d)
{
    for (uint32_t i = 0; i < d->text_count; i++) {
        uint32_t         field = d->text_fields[i];
        const wr_column *c = d->columns[field];
        wr_buffer       *heap = c->heap_count > 0 ? c->heaps[c->heap_count - 1] : &no_heap;
        bool             ours = heap->kind == WR_BUFFER_HEAP &&
                    atomic_load_explicit(&heap->refs, memory_order_acquire) == 1;
        d->open_heaps[field] = ours ? heap : &no_heap;
    }
}

const char *
wr_json_text_keep(json_decoder *d, wr_column *c, uint32_t field, const char *s, size_t n)
{
    char *to = wr_column_heap_alloc(c, n);
    if (to == NULL)
        return NULL;
    memcpy(to, s, n);
    d->open_heaps[field] = c->heaps[c->heap_count - 1];
    return to;
}

static void
shape_free(json_shape *shape)
{
    wr_free(shape->steps);
    wr_free(shape->literals);
    wr_free(shape->missing);
    memset(shape, 0, sizeof *shape);
}

void
wr_json_shapes_fini(json_decoder *d)
{
    for (uint32_t i = 0; i < d->shape_count; i++)
        shape_free(&d->shapes[i]);
    wr_free(d->learned);
    wr_free(d->padded);
}

/* --- reading --- */

/* Shape `at` fitted a run of records. */
static inline void
shape_count(json_decoder *d, uint32_t at, uint32_t records)
{
    uint32_t hits = d->shapes[at].hits += records;
    if (at != d->shape_first && hits > d->shapes[d->shape_first].hits)
        d->shape_first = at;
    if (WR_UNLIKELY(hits > HITS_MAX)) /* what was long ago counts less */
        for (uint32_t i = 0; i < d->shape_count; i++)
            d->shapes[i].hits /= 2;
}

static const char *
shapes_try(json_decoder *d, const char *p, const char *end)
{
    uint32_t at = d->shape_first, row = d->row;
    for (uint32_t i = 0; i < d->shape_count; i++) {
        const char *q = d->kernel(d, &d->shapes[at], p, end);
        if (q != NULL) {
            shape_count(d, at, d->row + 1 - row);
            return q;
        }
        if (d->near_end)
            return NULL;
        d->bad_code = WEIR_OK;
        d->fault = JSON_FINE;
        at = at + 1 == d->shape_count ? 0 : at + 1;
    }
    return NULL;
}

/* A copy of n bytes with zeros behind it, as many as the longest literal wants. */
static const char *
tail_copy(json_decoder *d, const char *p, size_t n)
{
    if (d->padded_capacity < n + d->pad) {
        size_t capacity = WR_MAX(d->padded_capacity * 2, n + d->pad);
        char  *grown = wr_realloc(d->budget, d->padded, capacity);
        if (grown == NULL)
            return NULL;
        d->padded = grown;
        d->padded_capacity = capacity;
    }
    memcpy(d->padded, p, n);
    memset(d->padded + n, 0, d->pad);
    return d->padded;
}

const char *
wr_json_shapes_read(json_decoder *d, const char *p, const char *end)
{
    const char *q = NULL;
    size_t      n = (size_t) (end - p);
    if (d->shape_count == 0)
        return NULL;
    d->near_end = n < d->last_bytes + JSON_AHEAD; /* the record will not end before `end` is near */
    d->bad_code = WEIR_OK;
    d->fault = JSON_FINE;
    if (d->scratch.arena.bytes > 0)
        wr_arena_reset(&d->scratch.arena);
    if (!d->near_end)
        q = shapes_try(d, p, end);
    if (q == NULL && d->near_end && n <= JSON_TAIL_MAX) {
        d->near_end = false;
        const char *copy = tail_copy(d, p, n);
        if (copy == NULL)
            return NULL;
        q = shapes_try(d, copy, copy + n + d->pad);
        if (q != NULL)
            q = p + (q - copy);
    }
    return q;
}

/* --- learning --- */

void
wr_json_step_learn(json_decoder *d, const char *begin, const char *after, uint32_t node)
{
    if (d->learned_count == d->learned_capacity) {
        uint32_t      capacity = WR_MAX(d->learned_capacity * 2, 32u);
        json_learned *grown = capacity > JSON_STEPS_MAX
                                  ? NULL
                                  : wr_realloc(d->budget, d->learned, capacity * sizeof *grown);
        if (grown == NULL) {
            d->learning = false;
            return;
        }
        d->learned = grown;
        d->learned_capacity = capacity;
    }
    json_learned *l = &d->learned[d->learned_count++];
    int32_t       field = node != WR_PATH_NONE ? d->paths.nodes[node].field : -1;
    *l = (json_learned){ .begin = begin, .after = after, .kind = WR_CELL_SKIP };
    if (field >= 0) {
        l->field = (uint16_t) field;
        l->kind = d->paths.field_next[field] >= 0 ? WR_CELL_OTHER : d->cells[field].kind;
    }
}

static inline size_t
literal_room(size_t length)
{
    return (length + 31) / 32 * 32;
}

/* Bytes for all literals, or 0 when one is too long. */
static size_t
literals_room(const json_decoder *d, const char *after)
{
    size_t      room = 0;
    const char *at = d->begin;
    for (uint32_t i = 0; i <= d->learned_count; i++) {
        const char *to = i < d->learned_count ? d->learned[i].begin : after;
        if (to - at > JSON_LITERAL_MAX)
            return 0;
        room += WR_MAX(literal_room((size_t) (to - at)), (size_t) 32);
        if (i < d->learned_count)
            at = d->learned[i].after;
    }
    return room;
}

static bool
shape_make(json_decoder *d, const char *after, json_shape *shape)
{
    size_t room = literals_room(d, after);
    if (room == 0)
        return false;
    shape->step_count = d->learned_count;
    shape->steps = wr_calloc(d->budget, d->learned_count + 1, sizeof *shape->steps);
    shape->literals = wr_calloc(d->budget, 1, room);
    shape->missing = wr_calloc(d->budget, d->schema->field_count + 1, sizeof *shape->missing);
    if (shape->steps == NULL || shape->literals == NULL || shape->missing == NULL)
        return false;
    uint32_t    offset = 0;
    const char *at = d->begin;
    for (uint32_t i = 0; i < d->learned_count; i++) {
        const json_learned *l = &d->learned[i];
        json_step          *s = &shape->steps[i];
        size_t              length = (size_t) (l->begin - at);
        s->literal = offset;
        s->literal_length = (uint16_t) length;
        s->literal_mask = length >= 32 ? UINT32_MAX : (1u << length) - 1;
        s->field = l->field;
        s->kind = l->kind;
        memcpy(shape->literals + offset, at, length);
        d->pad = WR_MAX(d->pad, JSON_AHEAD + length);
        offset += (uint32_t) WR_MAX(literal_room(length), (size_t) 32);
        at = l->after;
    }
    shape->tail = offset;
    shape->tail_length = (uint32_t) (after - at);
    memcpy(shape->literals + offset, at, shape->tail_length);
    d->pad = WR_MAX(d->pad, JSON_AHEAD + (size_t) shape->tail_length);
    for (uint32_t f = 0; f < d->schema->field_count; f++)
        if (d->paths.wanted[f] && d->seen[f] != d->record)
            shape->missing[shape->missing_count++] = (uint16_t) f;
    return true;
}

void
wr_json_shapes_learn(json_decoder *d, const char *after)
{
    json_shape shape = { 0 };
    if (!shape_make(d, after, &shape)) {
        shape_free(&shape);
        return;
    }
    uint32_t at = d->shape_count;
    if (at < JSON_SHAPES_MAX) {
        d->shape_count++;
    } else {
        at = d->shape_victim;
        d->shape_victim = (d->shape_victim + 1) % JSON_SHAPES_MAX;
        shape_free(&d->shapes[at]);
    }
    d->shapes[at] = shape;
}

bool
wr_json_shapes_want(json_decoder *d)
{
    return d->shape_count < JSON_SHAPES_MAX || ++d->misses % LEARN_EVERY == 0;
}
