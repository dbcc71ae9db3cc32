/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/shape.c -- shapes learned, tried in turn, and forgotten (see shape_impl.h).
 */
#include "format/format.h"
#include "format/shape_impl.h"

/* Of records that fit no shape, one in LEARN_EVERY is learned once all places are taken. */
enum { LEARN_EVERY = 16, HITS_MAX = 4096 };

weir_status
wr_shapes_init(wr_shapes *s, wr_budget *budget, wr_arena *arena, const wr_schema *schema,
               const wr_cell *cells, const bool *wanted)
{
    uint32_t n = schema->field_count + 1;
    s->budget = budget;
    s->schema = schema;
    s->wanted = wanted;
    s->open_heaps = wr_arena_calloc(arena, n, sizeof *s->open_heaps);
    s->text_fields = wr_arena_calloc(arena, n, sizeof *s->text_fields);
    if (s->open_heaps == NULL || s->text_fields == NULL)
        return WEIR_MEMORY;
    for (uint32_t f = 0; f < schema->field_count; f++)
        if (wanted[f] && cells[f].kind == WR_CELL_TEXT)
            s->text_fields[s->text_count++] = (uint16_t)f;
    return WEIR_OK;
}

static void
shape_free(wr_shape *shape)
{
    wr_free(shape->steps);
    wr_free(shape->literals);
    wr_free(shape->missing);
    memset(shape, 0, sizeof *shape);
}

void
wr_shapes_fini(wr_shapes *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        shape_free(&s->shapes[i]);
    wr_free(s->values);
    wr_free(s->padded);
}

/* --- heaps --- */

static wr_buffer no_heap;

void
wr_shapes_begin(wr_shapes *s, wr_column *const *columns, uint32_t row_end)
{
    s->row_end = row_end;
    for (uint32_t i = 0; i < s->text_count; i++) {
        uint32_t field = s->text_fields[i];
        const wr_column *c = columns[field];
        wr_buffer *heap = c->heap_count > 0 ? c->heaps[c->heap_count - 1] : &no_heap;
        bool ours = heap->kind == WR_BUFFER_HEAP &&
                    atomic_load_explicit(&heap->refs, memory_order_acquire) == 1;
        s->open_heaps[field] = ours ? heap : &no_heap;
    }
}

const char *
wr_shapes_text_keep(wr_shapes *s, wr_column *c, uint32_t field, const char *bytes, size_t n)
{
    char *to = wr_column_heap_alloc(c, n);
    if (to == NULL)
        return NULL;
    memcpy(to, bytes, n);
    s->open_heaps[field] = c->heaps[c->heap_count - 1];
    return to;
}

/* --- reading --- */

/* Shape `at` fitted a run of records. */
static inline void
shape_count(wr_shapes *s, uint32_t at, uint32_t records)
{
    uint32_t hits = s->shapes[at].hits += records;
    if (at != s->first && hits > s->shapes[s->first].hits)
        s->first = at;
    if (WR_UNLIKELY(hits > HITS_MAX)) /* what was long ago counts less */
        for (uint32_t i = 0; i < s->count; i++)
            s->shapes[i].hits /= 2;
}

static const char *
shapes_try(wr_shapes *s, wr_shape_kernel kernel, void *decoder, const char *p, const char *end)
{
    uint32_t at = s->first, row = s->row;
    for (uint32_t i = 0; i < s->count; i++) {
        const char *q = kernel(decoder, &s->shapes[at], p, end);
        if (q != NULL) {
            shape_count(s, at, s->row + 1 - row);
            return q;
        }
        if (s->near_end)
            return NULL;
        at = at + 1 == s->count ? 0 : at + 1;
    }
    return NULL;
}

/* A copy of n bytes with zeros behind it, as many as the longest literal wants. */
static const char *
tail_copy(wr_shapes *s, const char *p, size_t n)
{
    if (s->padded_capacity < n + s->pad) {
        size_t capacity = WR_MAX(s->padded_capacity * 2, n + s->pad);
        char *grown = wr_realloc(s->budget, s->padded, capacity);
        if (grown == NULL)
            return NULL;
        s->padded = grown;
        s->padded_capacity = capacity;
    }
    memcpy(s->padded, p, n);
    memset(s->padded + n, 0, s->pad);
    return s->padded;
}

const char *
wr_shapes_read(wr_shapes *s, wr_shape_kernel kernel, void *decoder, const char *p, const char *end)
{
    const char *q = NULL;
    size_t n = (size_t)(end - p);
    if (s->count == 0)
        return NULL;
    /* does the record end before `end` is near? */
    s->near_end = n < s->last_bytes + WR_SHAPE_AHEAD;
    s->stop = end;
    if (!s->near_end)
        q = shapes_try(s, kernel, decoder, p, end);
    if (q == NULL && s->near_end && n <= WR_SHAPE_TAIL_MAX) {
        s->near_end = false;
        const char *copy = tail_copy(s, p, n);
        if (copy == NULL)
            return NULL;
        s->stop = copy + n;
        q = shapes_try(s, kernel, decoder, copy, copy + n + s->pad);
        if (q != NULL)
            q = p + (q - copy);
    }
    return q;
}

const char *
wr_shapes_read_one(wr_shapes *s, wr_shape_kernel kernel, void *decoder, const char *p,
                   const char *end)
{
    wr_assert(s->pad <= WR_MESSAGE_AHEAD);
    s->near_end = false;
    s->stop = end;
    s->row_end = s->row + 1;
    return shapes_try(s, kernel, decoder, p, end + WR_MESSAGE_AHEAD);
}

/* --- learning --- */

bool
wr_shapes_want(wr_shapes *s)
{
    s->value_count = 0;
    return s->learning = s->count < WR_SHAPES_MAX || ++s->misses % LEARN_EVERY == 0;
}

void
wr_shapes_note(wr_shapes *s, wr_shape_value value)
{
    if (s->value_count == s->value_capacity) {
        uint32_t capacity = WR_MAX(s->value_capacity * 2, 32u);
        wr_shape_value *grown = capacity > WR_SHAPE_STEPS_MAX
                                    ? NULL
                                    : wr_realloc(s->budget, s->values, capacity * sizeof *grown);
        if (grown == NULL) {
            s->learning = false;
            return;
        }
        s->values = grown;
        s->value_capacity = capacity;
    }
    s->values[s->value_count++] = value;
}

static inline size_t
literal_room(size_t length)
{
    return WR_MAX((length + 31) / 32 * 32, (size_t)32);
}

/* Bytes for all literals, or 0 when one is too long. */
static size_t
literals_room(const wr_shapes *s, const char *begin, const char *after)
{
    size_t room = 0;
    const char *at = begin;
    for (uint32_t i = 0; i <= s->value_count; i++) {
        const char *to = i < s->value_count ? s->values[i].begin : after;
        if (to - at > WR_SHAPE_LITERAL_MAX)
            return 0;
        room += literal_room((size_t)(to - at));
        if (i < s->value_count)
            at = s->values[i].after;
    }
    return room;
}

static bool
shape_make(wr_shapes *s, const char *begin, const char *after, wr_shape *shape)
{
    size_t room = literals_room(s, begin, after);
    if (room == 0)
        return false;
    shape->step_count = s->value_count;
    shape->steps = wr_calloc(s->budget, s->value_count + 1, sizeof *shape->steps);
    shape->literals = wr_calloc(s->budget, 1, room);
    shape->missing = wr_calloc(s->budget, s->schema->field_count + 1, sizeof *shape->missing);
    if (shape->steps == NULL || shape->literals == NULL || shape->missing == NULL)
        return false;
    uint32_t offset = 0;
    const char *at = begin;
    for (uint32_t i = 0; i < s->value_count; i++) {
        const wr_shape_value *v = &s->values[i];
        size_t length = (size_t)(v->begin - at);
        shape->steps[i] = (wr_shape_step){
            .literal = offset,
            .literal_length = (uint16_t)length,
            .literal_mask = length >= 32 ? UINT32_MAX : (1u << length) - 1,
            .field = v->field,
            .kind = v->kind,
            .depth = v->depth,
        };
        memcpy(shape->literals + offset, at, length);
        s->pad = WR_MAX(s->pad, WR_SHAPE_AHEAD + length);
        offset += (uint32_t)literal_room(length);
        at = v->after;
    }
    shape->tail = offset;
    shape->tail_length = (uint32_t)(after - at);
    memcpy(shape->literals + offset, at, shape->tail_length);
    s->pad = WR_MAX(s->pad, WR_SHAPE_AHEAD + (size_t)shape->tail_length);
    return true;
}

void
wr_shapes_learn(wr_shapes *s, const char *begin, const char *after, const uint32_t *seen,
                uint32_t record)
{
    wr_shape shape = { 0 };
    if (!s->learning || !shape_make(s, begin, after, &shape)) {
        shape_free(&shape);
        return;
    }
    for (uint32_t f = 0; f < s->schema->field_count; f++)
        if (s->wanted[f] && seen[f] != record)
            shape.missing[shape.missing_count++] = (uint16_t)f;
    uint32_t at = s->count;
    if (at < WR_SHAPES_MAX) {
        s->count++;
    } else {
        at = s->victim;
        s->victim = (s->victim + 1) % WR_SHAPES_MAX;
        shape_free(&s->shapes[at]);
    }
    s->learned = s->learned == UINT32_MAX ? 1 : s->learned + 1;
    shape.serial = s->learned;
    s->shapes[at] = shape;
}
