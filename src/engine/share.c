/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/share.c -- equal parts of the views of a pipeline, lowered once (plan/share.h).
 *
 * A shared part is a view that nobody can name: it has a stream, segments and an entry in
 * pipeline->shared; the views' counters count what happens in the parts they read.
 *
 * Invariants  S1  a part stands in the job before the first view that reads it, and after all it reads:
 *                 that view reads the same
 *             S2  a view with a limit on its state, or whose side streams somebody reads, shares nothing
 */
#include "engine/share.h"

#include "plan/route.h"

#include <string.h>

static weir_status
add_parts(weir_pipeline *p, wr_plan_shared *const *parts, uint32_t count)
{
    wr_planned **grown =
        wr_arena_calloc(&p->arena, p->shared_count + count + 1, sizeof *grown);
    if (grown == NULL)
        return WEIR_MEMORY;
    if (p->shared_count > 0)
        memcpy(grown, p->shared, p->shared_count * sizeof(wr_planned *));
    p->shared = grown;
    for (uint32_t i = 0; i < count; i++) {
        wr_planned *v = wr_arena_calloc(&p->arena, 1, sizeof *v);
        if (v == NULL)
            return WEIR_MEMORY;
        v->name = parts[i]->name;
        v->plan = parts[i]->plan;
        v->options = *parts[i]->options;
        v->late_stream = v->bad_stream = -1;
        WR_TRY(wr_names_add(&p->part_names, v->name, p->shared_count));
        p->shared[p->shared_count++] = v;
    }
    return WEIR_OK;
}

weir_status
wr_pipeline_share(weir_pipeline *p, uint32_t first_view)
{
    uint32_t n = p->view_count - first_view, count = 0;
    wr_plan_shared **parts = NULL;
    if (p->engine->options.no_sharing)
        return WEIR_OK;
    wr_plan_user *users = wr_arena_calloc(&p->arena, n + 1, sizeof *users);
    if (users == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < n; i++) {
        wr_planned *v = &p->views[first_view + i];
        users[i] = (wr_plan_user){
            .name = v->name, .plan = &v->plan, .options = &v->options, .alone = v->alone
        };
    }
    WR_TRY(wr_plan_share(&p->arena, users, n, &parts, &count));
    return add_parts(p, parts, count);
}

weir_status
wr_pipeline_route(weir_pipeline *p, uint32_t first_view)
{
    uint32_t n = 0;
    wr_arena scratch;
    wr_arena_init(&scratch, p->budget);
    wr_plan **plans =
        wr_arena_calloc(&scratch, p->view_count + p->shared_count + 1, sizeof *plans);
    for (uint32_t i = first_view; plans != NULL && i < p->view_count; i++)
        plans[n++] = p->views[i].plan;
    for (uint32_t i = 0; plans != NULL && i < p->shared_count; i++)
        if (p->shared[i]->owner == NULL) /* not in the job yet */
            plans[n++] = p->shared[i]->plan;
    weir_status st =
        plans != NULL ? wr_plan_route_scans(&p->arena, plans, n) : WEIR_MEMORY;
    wr_arena_fini(&scratch);
    return st;
}

wr_planned *
wr_pipeline_part(const weir_pipeline *p, const char *name)
{
    uint32_t i;
    return wr_names_find(&p->part_names, name, &i) ? p->shared[i] : NULL;
}

static weir_status
lower_one(weir_pipeline *p, wr_planned *v, const wr_job_stream *stream, weir_error *err)
{
    WR_TRY(wr_lowering_add_stream(&p->lowering, stream, &v->stream));
    v->first_segment = p->job.segment_count;
    wr_plan_number(v->plan);
    weir_status st =
        wr_lowering_add_plan(&p->lowering, v->plan, &v->options, v->name, v->stream, err);
    v->segment_count = p->job.segment_count - v->first_segment;
    return st;
}

static weir_status
note_part(weir_pipeline *p, wr_planned *v, wr_planned *part)
{
    for (uint32_t i = 0; i < v->part_count; i++)
        if (v->parts[i] == part)
            return WEIR_OK;
    if (v->parts == NULL &&
        (v->parts = wr_arena_calloc(&p->arena, p->shared_count, sizeof *v->parts)) == NULL)
        return WEIR_MEMORY;
    v->parts[v->part_count++] = part;
    return WEIR_OK;
}

/* The parts that plan reads, with those that they read, first. */
static weir_status
lower_parts(weir_pipeline *p, wr_planned *v, const wr_plan *plan, weir_error *err)
{
    for (uint32_t i = 0; i < plan->input_count; i++)
        WR_TRY(lower_parts(p, v, plan->inputs[i], err));
    if (plan->kind != WR_PLAN_SCAN || plan->scan.relation->role != WR_ROLE_SHARED)
        return WEIR_OK;
    wr_planned *part = wr_pipeline_part(p, plan->scan.relation->name);
    wr_assert(part != NULL);
    WR_TRY(lower_parts(p, v, part->plan, err));
    if (part->owner == NULL) {
        wr_job_stream js = { .name = part->name,
                             .schema = part->plan->schema,
                             .origin = WR_FROM_SEGMENT };
        part->owner = v;
        WR_TRY(lower_one(p, part, &js, err));
    }
    return note_part(p, v, part);
}

weir_status
wr_pipeline_lower(weir_pipeline *p, wr_planned *v, const wr_job_stream *stream, weir_error *err)
{
    if (p->shared_count > 0)
        WR_TRY(lower_parts(p, v, v->plan, err)); /* S1 */
    return lower_one(p, v, stream, err);
}

bool
wr_planned_segment(const wr_planned *v, uint32_t at, uint32_t *segment, bool *charged)
{
    for (uint32_t i = 0; i <= v->part_count; i++) {
        const wr_planned *from = i < v->part_count ? v->parts[i] : v;
        if (at < from->segment_count) {
            *segment = from->first_segment + at;
            *charged = from == v || from->owner == v;
            return true;
        }
        at -= from->segment_count;
    }
    return false;
}
