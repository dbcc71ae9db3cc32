/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/over_frame.c -- the rows of a window frame: ROWS, RANGE and GROUPS, and what EXCLUDE
 * takes out.
 *
 * Invariants  F1  start <= end <= count
 *             F2  RANGE with an offset: a row whose key is NULL has its peers for a frame
 *             F3  infinity less infinity is no bound: every row but those of NaN is within it
 */
#include "operator/over_impl.h"

#include "data/datetime.h"
#include "operator/event_time.h"

#include <math.h>
#include <string.h>

static uint32_t
clamp(int64_t position, uint32_t count)
{
    return position < 0 ? 0 : position > count ? count : (uint32_t) position;
}

/* --- RANGE with an offset --- */

/* A key as a type that offsets can be added to: int8, float8, numeric, timestamp, interval. */
static wr_value
widen(const wr_value *key)
{
    wr_value v = *key;
    switch (key->type.id) {
    case WR_INT2:
    case WR_INT4: v.type = WR_TYPE(WR_INT8); break;
    case WR_FLOAT4: v.type = WR_TYPE(WR_FLOAT8); break;
    case WR_DATE:
        v.type = WR_TYPE(WR_TIMESTAMP);
        v.integer = wr_event_time_value(key);
        break;
    default: break;
    }
    return v;
}

static wr_interval
interval_negate(wr_interval v)
{
    return (wr_interval){ -v.months, -v.days, -v.us };
}

/* key + offset, or key - offset; *finite false: beyond what the type can hold, on that side. */
static weir_status
move_key(wr_arena *arena, const wr_value *key, const wr_value *offset, bool up, wr_value *out,
         bool *finite)
{
    *out = *key;
    *finite = true;
    switch (key->type.id) {
    case WR_INT8:
        *finite = up ? !__builtin_add_overflow(key->integer, offset->integer, &out->integer)
                     : !__builtin_sub_overflow(key->integer, offset->integer, &out->integer);
        return WEIR_OK;
    case WR_FLOAT8: out->real = up ? key->real + offset->real : key->real - offset->real; return WEIR_OK;
    case WR_NUMERIC:
        return up ? wr_num_add(&key->string, &offset->string, arena, &out->string)
                  : wr_num_subtract(&key->string, &offset->string, arena, &out->string);
    case WR_INTERVAL: {
        wr_interval v = up ? offset->interval : interval_negate(offset->interval);
        *finite = !__builtin_add_overflow(key->interval.months, v.months, &out->interval.months)
                  && !__builtin_add_overflow(key->interval.days, v.days, &out->interval.days)
                  && !__builtin_add_overflow(key->interval.us, v.us, &out->interval.us);
        return WEIR_OK;
    }
    case WR_TIME: {
        /* a time of day does not wrap: it is cut at midnight */
        int64_t us = offset->interval.us;
        *finite = up ? !__builtin_add_overflow(key->integer, us, &out->integer)
                           && out->integer <= WR_US_PER_DAY
                     : !__builtin_sub_overflow(key->integer, us, &out->integer) && out->integer >= 0;
        return WEIR_OK;
    }
    default: {
        wr_interval v = up ? offset->interval : interval_negate(offset->interval);
        *finite = wr_time_add_interval(key->integer, &v, &out->integer);
        return WEIR_OK;
    }
    }
}

static bool
is_nan(const wr_value *v)
{
    return v->type.id == WR_FLOAT8 ? isnan(v->real) : v->type.id == WR_NUMERIC && wr_num_is_nan(&v->string);
}

/* The first row whose key is not before bound (inclusive), or after it, in the partition's order. */
static uint32_t
search(const over_partition *p, const wr_value *bound, bool after, uint32_t low, uint32_t high)
{
    bool     descending = p->spec->order[0].descending;
    uint32_t key = p->spec->partition_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        wr_value v = widen(&p->rows[middle]->keys[key]);
        int      order = wr_value_compare(&v, bound);
        if (descending)
            order = -order;
        if (order < 0 || (after && order == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Rows whose key is not NULL: [first, after). */
static void
filled_rows(const over_partition *p, uint32_t *first, uint32_t *after)
{
    uint32_t key = p->spec->partition_count;
    *first = 0;
    *after = p->count;
    while (*first < *after && p->rows[*first]->keys[key].is_null)
        (*first)++;
    while (*after > *first && p->rows[*after - 1]->keys[key].is_null)
        (*after)--;
}

static weir_status
range_end(const over_partition *p, uint32_t i, const wr_frame_end *end, bool is_start, uint32_t *out)
{
    uint32_t key = p->spec->partition_count, first, after;
    wr_value here = widen(&p->rows[i]->keys[key]), bound;
    bool     finite, descending = p->spec->order[0].descending;
    bool     up = end->following != descending;
    filled_rows(p, &first, &after);
    WR_TRY(move_key(&p->over->work.arena, &here, &end->offset, up, &bound, &finite));
    if (is_nan(&bound) && !is_nan(&here) && is_start == descending) /* F3 */
        *out = search(p, &bound, is_start, first, after);
    else if (is_nan(&bound) && !is_nan(&here))
        *out = is_start ? first : after;
    else if (!finite)
        *out = end->following ? after : first;
    else
        *out = search(p, &bound, !is_start, first, after);
    return WEIR_OK;
}

/* --- ends --- */

static weir_status
frame_end(const over_partition *p, uint32_t i, const wr_frame_end *end, bool is_start, uint32_t *out)
{
    uint32_t group = p->group[i];
    if (end->unbounded) {
        *out = end->following ? p->count : 0;
        return WEIR_OK;
    }
    bool    here = end->offset.is_null;
    int64_t by = here ? 0 : end->following ? end->offset.integer : -end->offset.integer;
    switch (p->spec->mode) {
    case WR_FRAME_ROWS: {
        int64_t at = by > (int64_t) p->count ? p->count : by < -(int64_t) p->count - 1 ? -1 : i + by;
        if (at < 0 && !is_start)
            at = -1;
        *out = clamp(is_start ? at : at + 1, p->count);
        return WEIR_OK;
    }
    case WR_FRAME_GROUPS: {
        int64_t at = by > (int64_t) p->group_count    ? p->group_count
                     : by < -(int64_t) p->group_count ? -1
                                                      : (int64_t) group + by;
        if (at >= p->group_count)
            *out = p->count;
        else if (at < 0)
            *out = 0;
        else
            *out = p->group_start[is_start ? at : at + 1];
        return WEIR_OK;
    }
    default:
        if (here || p->rows[i]->keys[p->spec->partition_count].is_null) { /* F2 */
            *out = p->group_start[is_start ? group : group + 1];
            return WEIR_OK;
        }
        return range_end(p, i, end, is_start, out);
    }
}

weir_status
wr_over_frame_of(const over_partition *p, uint32_t i, over_frame *f)
{
    uint32_t group = p->group[i];
    *f = (over_frame){ .kept = UINT32_MAX };
    WR_TRY(frame_end(p, i, &p->spec->start, true, &f->start));
    WR_TRY(frame_end(p, i, &p->spec->end, false, &f->end));
    if (f->end < f->start)
        f->end = f->start;
    wr_assert(f->end <= p->count); /* F1 */
    switch (p->spec->exclude) {
    case WR_EXCLUDE_NOTHING: return WEIR_OK;
    case WR_EXCLUDE_CURRENT_ROW:
        f->hole_start = i;
        f->hole_end = i + 1;
        return WEIR_OK;
    case WR_EXCLUDE_TIES: f->kept = i; /* fallthrough */
    case WR_EXCLUDE_GROUP:
        f->hole_start = p->group_start[group];
        f->hole_end = p->group_start[group + 1];
        return WEIR_OK;
    }
    wr_unreachable();
}
