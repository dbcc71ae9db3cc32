/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/over_aggregate.c -- an aggregate over each row's frame.
 *
 *     frame only grows            one state, rows added as the frame's end moves
 *     frame slides, retractable   one state, rows added at the end and taken back at the start
 *     anything else               the frame anew for each row
 *
 * Invariants  A1  floats are never slid by subtraction (design 12.8)
 *             A2  rows with the same frame have the same result: it is computed once
 */
#include "operator/over_impl.h"

#include <string.h>

typedef struct running {
    over_partition *p;
    wr_arena        nested;   /* what the state keeps besides itself */
    wr_arena        step;
    wr_type         types[4];
    wr_agg_ctx      ctx;
    char           *state;
    uint32_t        start, end; /* rows in the state */
    wr_value        last;       /* the result of the frame [last_start, last_end) */
    uint32_t        last_start, last_end;
    bool            has_last;
} running;

static void
state_reset(running *r)
{
    const wr_aggregate *a = r->p->spec->aggregate;
    wr_arena_reset(&r->nested);
    memset(r->state, 0, a->state_bytes);
    if (a->init != NULL)
        a->init(&r->ctx, r->state);
}

/* Does the row take part: FILTER is true, no argument is NULL that must not be? */
static bool
takes_part(const running *r, const over_row *row)
{
    const wr_over_spec *s = r->p->spec;
    wr_column *const   *args = r->p->args[row->batch];
    if (s->filter != NULL) {
        const wr_column *f = args[s->arg_count];
        if (wr_column_is_null(f, row->row)
            || !((const bool *) wr_column_base(f)->data)[wr_column_index(f, row->row)])
            return false;
    }
    for (uint32_t a = 0; a < s->arg_count && s->aggregate->ignores_null; a++)
        if (wr_column_is_null(args[a], row->row))
            return false;
    return true;
}

static weir_status
apply(running *r, uint32_t position, bool forward)
{
    const over_row     *row = r->p->rows[position];
    const wr_aggregate *a = r->p->spec->aggregate;
    uint16_t            physical = (uint16_t) row->row;
    if (!takes_part(r, row))
        return WEIR_OK;
    (forward ? a->update : a->retract)(&r->ctx, &r->state, 0, r->p->args[row->batch],
                                       (wr_rows){ &physical, 1 });
    return r->ctx.failed ? WEIR_MEMORY : WEIR_OK;
}

static weir_status
read_result(running *r, wr_value *out)
{
    over_state *o = r->p->over;
    wr_column  *column = wr_column_create(o->ctx->state, r->p->spec->result, 1);
    if (column == NULL)
        return WEIR_MEMORY;
    wr_arena_reset(&r->step);
    weir_status status = r->p->spec->aggregate->result_at(&r->ctx, r->state, &r->step, column, 0);
    wr_value    value;
    if (status == WEIR_OK)
        status = wr_column_get_value(column, 0, &r->step, &value);
    if (status == WEIR_OK)
        status = wr_value_copy(&value, &o->work.arena, out);
    wr_column_release(column);
    if (wr_status_is_row(status))
        (void) wr_ctx_fail(o->ctx, status, "%s: %s", r->p->spec->aggregate->name,
                           weir_status_text(status));
    return status;
}

static bool
can_slide(const wr_over_spec *s)
{
    if (s->aggregate->retract == NULL || s->aggregate->nested)
        return false;
    for (uint32_t a = 0; a < s->arg_count; a++)
        if (s->args[a]->type.id == WR_FLOAT4 || s->args[a]->type.id == WR_FLOAT8)
            return false; /* A1 */
    return true;
}

/* Bring the state to the rows of [f->start, f->end). */
static weir_status
move_to(running *r, const over_frame *f, bool slides)
{
    bool forward = f->start >= r->start && f->end >= r->end && f->start <= r->end;
    if (!forward || (f->start > r->start && !slides)) {
        state_reset(r);
        r->start = r->end = f->start;
    }
    for (; r->start < f->start; r->start++)
        WR_TRY(apply(r, r->start, false));
    for (; r->end < f->end; r->end++)
        WR_TRY(apply(r, r->end, true));
    return WEIR_OK;
}

static weir_status
whole_frame(running *r, const over_frame *f)
{
    state_reset(r);
    for (uint32_t i = f->start; i < f->end; i++)
        if (over_frame_has(f, i))
            WR_TRY(apply(r, i, true));
    r->start = r->end = 0;
    r->has_last = false;
    return WEIR_OK;
}

static weir_status
run(running *r)
{
    over_partition *p = r->p;
    bool            slides = can_slide(p->spec);
    for (uint32_t i = 0; i < p->count; i++) {
        over_frame f;
        wr_value  *out = &p->results[p->rows[i]->index];
        WR_TRY(wr_over_frame_of(p, i, &f));
        if (f.hole_start < f.hole_end) {
            WR_TRY(whole_frame(r, &f));
            WR_TRY(read_result(r, out));
            continue;
        }
        if (!r->has_last || r->last_start != f.start || r->last_end != f.end) { /* A2 */
            WR_TRY(move_to(r, &f, slides));
            WR_TRY(read_result(r, &r->last));
            r->last_start = f.start;
            r->last_end = f.end;
            r->has_last = true;
        }
        *out = r->last;
    }
    return WEIR_OK;
}

weir_status
wr_over_aggregate(over_partition *p)
{
    const wr_over_spec *s = p->spec;
    running             r = { .p = p };
    wr_arena_init(&r.nested, p->over->ctx->state);
    wr_arena_init(&r.step, p->over->ctx->state);
    r.state = wr_arena_alloc(&p->over->work.arena, s->aggregate->state_bytes + 1);
    if (r.state == NULL)
        return WEIR_MEMORY;
    for (uint32_t a = 0; a < s->arg_count; a++)
        r.types[a] = s->args[a]->type;
    r.ctx = (wr_agg_ctx){ .arena = &r.nested, .args = r.types, .arg_count = s->arg_count,
                          .result = s->result };
    state_reset(&r);
    weir_status status = run(&r);
    wr_arena_fini(&r.nested);
    wr_arena_fini(&r.step);
    return status;
}
