/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/oracle.c -- what the views mean, said again naively: lists, nested loops, sorting.
 *
 * Nothing of the engine is used but memory.  Lateness (of one partition a source) is docs/time.md's: a row is
 * late for a window whose end is not above the greatest time before the row less the watermark's delay.
 */
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct rows {
    const sim_row **list; /* in the order of their partition, partition after partition */
    int64_t        *watermark; /* before each, where there is one partition */
    uint32_t        count;
} rows;

typedef struct answer {
    wr_arena    *arena;
    const char **rows;
    uint32_t     count, capacity;
} answer;

static void
answer_put(answer *a, const char *row)
{
    if (a->count == a->capacity) {
        uint32_t     capacity = a->capacity * 2 + 256;
        const char **grown = wr_arena_alloc(a->arena, capacity * sizeof *grown);
        if (a->count > 0)
            memcpy(grown, a->rows, a->count * sizeof *grown);
        a->rows = grown;
        a->capacity = capacity;
    }
    a->rows[a->count++] = row;
}

static const char *
nullable(wr_arena *arena, bool is_null, int64_t v)
{
    return is_null ? "null" : wr_arena_printf(arena, "%lld", (long long) v);
}

static rows
rows_of(const sim_world *w, uint32_t source, wr_arena *arena)
{
    const sim_source *s = &w->sources[source];
    rows              out = { 0 };
    uint32_t          total = 0;
    for (uint32_t i = 0; i < s->partition_count; i++)
        total += s->partitions[i].row_count;
    out.list = wr_arena_calloc(arena, total + 1, sizeof *out.list);
    out.watermark = wr_arena_calloc(arena, total + 1, sizeof *out.watermark);
    for (uint32_t i = 0; i < s->partition_count; i++) {
        int64_t mark = INT64_MIN;
        for (uint32_t n = 0; n < s->partitions[i].row_count; n++) {
            const sim_row *r = &s->partitions[i].rows[n];
            out.watermark[out.count] = s->partition_count == 1 ? mark : INT64_MIN;
            out.list[out.count++] = r;
            mark = WR_MAX(mark, r->ts - w->delay_us);
        }
    }
    return out;
}

/* --- aggregates over lists --- */

typedef struct group {
    int64_t start, k, n, values, sum, low, high;
} group;
typedef struct groups {
    group   *list;
    uint32_t count, capacity;
} groups;

static group *
group_of(groups *g, int64_t start, int64_t k)
{
    for (uint32_t i = 0; i < g->count; i++)
        if (g->list[i].start == start && g->list[i].k == k)
            return &g->list[i];
    if (g->count == g->capacity) {
        g->capacity = g->capacity * 2 + 64;
        g->list = realloc(g->list, g->capacity * sizeof *g->list);
        if (g->list == NULL)
            abort();
    }
    g->list[g->count] = (group){ .start = start, .k = k, .low = INT64_MAX, .high = INT64_MIN };
    return &g->list[g->count++];
}

static void
group_add(group *g, const sim_row *r)
{
    g->n++;
    if (r->v_null)
        return;
    g->values++;
    g->sum += r->v;
    g->low = WR_MIN(g->low, r->v);
    g->high = WR_MAX(g->high, r->v);
}

static int64_t
floor_to(int64_t t, int64_t step)
{
    int64_t rest = t % step;
    return t - (rest < 0 ? rest + step : rest);
}

/* Rows into windows of `size` that begin every `slide`; those late for all of theirs into late. */
static groups
windows(const rows *in, int64_t slide, int64_t size, answer *late, wr_arena *arena)
{
    groups g = { 0 };
    for (uint32_t i = 0; i < in->count; i++) {
        const sim_row *r = in->list[i];
        bool           used = false;
        for (int64_t start = floor_to(r->ts, slide); start > r->ts - size; start -= slide) {
            if (start + size <= in->watermark[i])
                continue;
            group_add(group_of(&g, start, r->k), r);
            used = true;
        }
        if (!used && late != NULL)
            answer_put(late, wr_arena_printf(arena, "%lld|%s|%lld", (long long) r->k, nullable(arena, r->v_null, r->v),
                                             (long long) r->ts));
    }
    return g;
}

static void
windows_answer(const groups *g, bool with_window, answer *to)
{
    for (uint32_t i = 0; i < g->count; i++) {
        const group *x = &g->list[i];
        bool         none = x->values == 0;
        const char  *sum = nullable(to->arena, none, x->sum), *high = nullable(to->arena, none, x->high);
        const char  *low = nullable(to->arena, none, x->low);
        if (with_window)
            answer_put(to, wr_arena_printf(to->arena, "%lld|%lld|%lld|%s|%s|%s", (long long) x->start, (long long) x->k,
                                           (long long) x->n, sum, low, high));
        else
            answer_put(to, wr_arena_printf(to->arena, "%lld|%lld|%s|%s", (long long) x->k, (long long) x->n, sum, high));
    }
}

/* --- views --- */

static void
answer_filter(const rows *in, const sim_view *v, answer *to)
{
    for (uint32_t i = 0; i < in->count; i++) {
        const sim_row *r = in->list[i];
        if (!r->v_null && r->v >= v->c)
            answer_put(to, wr_arena_printf(to->arena, "%lld|%lld|%lld|%lld", (long long) r->id, (long long) r->k,
                                           (long long) r->v, (long long) (r->v * 3 + r->k)));
    }
}

/* Before b in ORDER BY v DESC NULLS LAST, id? */
static bool
stands_before(const sim_row *a, const sim_row *b)
{
    if (a->v_null != b->v_null)
        return b->v_null;
    if (!a->v_null && a->v != b->v)
        return a->v > b->v;
    return a->id < b->id;
}

static void
answer_top(const rows *in, const sim_view *v, answer *to)
{
    for (uint32_t i = 0; i < in->count; i++) {
        const sim_row *r = in->list[i];
        int64_t        before = 0;
        for (uint32_t n = 0; n < in->count; n++)
            before += n != i && in->list[n]->k == r->k && stands_before(in->list[n], r);
        if (before < v->c)
            answer_put(to, wr_arena_printf(to->arena, "%lld|%lld|%s", (long long) r->id, (long long) r->k,
                                           nullable(to->arena, r->v_null, r->v)));
    }
}

static void
answer_join(const rows *left, const rows *right, const sim_view *v, answer *to)
{
    for (uint32_t i = 0; i < left->count; i++) {
        const sim_row *x = left->list[i];
        bool           met = false;
        for (uint32_t n = 0; n < right->count; n++) {
            const sim_row *y = right->list[n];
            if (x->k != y->k || y->ts < x->ts - v->a || y->ts > x->ts + v->b)
                continue;
            met = true;
            answer_put(to, wr_arena_printf(to->arena, "%lld|%lld", (long long) x->id, (long long) y->id));
        }
        if (!met && v->kind == SIM_LEFT_JOIN)
            answer_put(to, wr_arena_printf(to->arena, "%lld|null", (long long) x->id));
    }
}

static void
answer_window_top(const groups *g, const sim_view *v, answer *to)
{
    for (uint32_t i = 0; i < g->count; i++) {
        const group *x = &g->list[i];
        int64_t      before = 0;
        for (uint32_t n = 0; n < g->count; n++) {
            const group *y = &g->list[n];
            before += y->start == x->start && (y->n > x->n || (y->n == x->n && y->k < x->k));
        }
        if (before < v->c)
            answer_put(to, wr_arena_printf(to->arena, "%lld|%lld|%lld", (long long) x->start, (long long) x->k,
                                           (long long) x->n));
    }
}

static const group *
group_with(const groups *g, int64_t k)
{
    for (uint32_t i = 0; i < g->count; i++)
        if (g->list[i].k == k)
            return &g->list[i];
    return NULL;
}

static void
answer_tables(const groups *left, const groups *right, bool full, answer *to)
{
    wr_arena *arena = to->arena;
    for (uint32_t i = 0; i < left->count; i++) {
        const group *x = &left->list[i], *y = group_with(right, x->k);
        if (y == NULL && full)
            answer_put(to, wr_arena_printf(arena, "%lld|%lld|null|null", (long long) x->k, (long long) x->n));
        else if (y != NULL)
            answer_put(to, wr_arena_printf(arena, "%lld|%lld|%lld|%s", (long long) x->k, (long long) x->n, (long long) y->k,
                                           nullable(arena, y->values == 0, y->sum)));
    }
    for (uint32_t n = 0; n < right->count && full; n++) {
        const group *y = &right->list[n];
        if (group_with(left, y->k) == NULL)
            answer_put(to, wr_arena_printf(arena, "null|null|%lld|%s", (long long) y->k,
                                           nullable(arena, y->values == 0, y->sum)));
    }
}

/* Values are 0 to 19. */
static void
answer_distinct(const rows *in, answer *to)
{
    for (uint32_t i = 0; i < in->count; i++) {
        int64_t values = 0, sum = 0;
        bool    first = true, seen[64] = { false };
        for (uint32_t n = 0; n < in->count; n++) {
            const sim_row *r = in->list[n];
            first = first && (n >= i || r->k != in->list[i]->k);
            if (r->k != in->list[i]->k || r->v_null || seen[r->v])
                continue;
            seen[r->v] = true;
            values++;
            sum += r->v;
        }
        if (first)
            answer_put(to, wr_arena_printf(to->arena, "%lld|%lld|%s", (long long) in->list[i]->k, (long long) values,
                                           nullable(to->arena, values == 0, sum)));
    }
}

static int
by_key_and_time(const void *a, const void *b)
{
    const sim_row *x = *(const sim_row *const *) a, *y = *(const sim_row *const *) b;
    if (x->k != y->k)
        return x->k < y->k ? -1 : 1;
    return x->ts < y->ts ? -1 : x->ts > y->ts;
}

static void
answer_session(rows *in, const sim_view *v, answer *to)
{
    qsort(in->list, in->count, sizeof *in->list, by_key_and_time);
    for (uint32_t i = 0; i < in->count;) {
        uint32_t n = i + 1;
        while (n < in->count && in->list[n]->k == in->list[i]->k && in->list[n]->ts - in->list[n - 1]->ts <= v->a)
            n++;
        answer_put(to, wr_arena_printf(to->arena, "%lld|%lld|%lld|%u", (long long) in->list[i]->ts,
                                       (long long) (in->list[n - 1]->ts + v->a), (long long) in->list[i]->k, n - i));
        i = n;
    }
}

/* The rows that are in time, by key and time: one that is not within the span of the one kept last. */
static void
answer_dedup(const rows *in, const sim_view *v, answer *to, answer *late, wr_arena *arena)
{
    rows kept = { .list = wr_arena_calloc(arena, in->count + 1, sizeof *kept.list) };
    for (uint32_t i = 0; i < in->count; i++) {
        const sim_row *r = in->list[i];
        if (r->ts >= in->watermark[i])
            kept.list[kept.count++] = r;
        else
            answer_put(late, wr_arena_printf(arena, "%lld|%lld", (long long) r->k, (long long) r->ts));
    }
    qsort(kept.list, kept.count, sizeof *kept.list, by_key_and_time);
    const sim_row *last = NULL;
    for (uint32_t i = 0; i < kept.count; i++) {
        const sim_row *r = kept.list[i];
        if (last != NULL && last->k == r->k && r->ts < last->ts + v->a)
            continue;
        last = r;
        answer_put(to, wr_arena_printf(arena, "%lld|%lld", (long long) r->k, (long long) r->ts));
    }
}

static int
by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static groups
grouped(const rows *in)
{
    groups g = { 0 };
    for (uint32_t i = 0; i < in->count; i++)
        group_add(group_of(&g, 0, in->list[i]->k), in->list[i]);
    return g;
}

sim_answer
sim_oracle(const sim_world *w, const sim_view *v, bool late, wr_arena *arena)
{
    answer to = { .arena = arena }, lates = { .arena = arena };
    rows   s = rows_of(w, 0, arena), r = { 0 };
    groups g = { 0 }, h = { 0 };
    if (w->source_count > 1)
        r = rows_of(w, 1, arena);
    switch (v->kind) {
    case SIM_FILTER: answer_filter(&s, v, &to); break;
    case SIM_TUMBLE:
    case SIM_TUMBLE_CHANGES:
        g = windows(&s, v->a, v->a, &lates, arena);
        windows_answer(&g, true, &to);
        break;
    case SIM_HOP:
        g = windows(&s, v->b, v->a, &lates, arena);
        windows_answer(&g, true, &to);
        break;
    case SIM_GROUP:
        g = grouped(&s);
        windows_answer(&g, false, &to);
        break;
    case SIM_TOP: answer_top(&s, v, &to); break;
    case SIM_JOIN:
    case SIM_LEFT_JOIN: answer_join(&s, &r, v, &to); break;
    case SIM_WINDOW_TOP:
        g = windows(&s, v->a, v->a, NULL, arena);
        answer_window_top(&g, v, &to);
        break;
    case SIM_UNION:
        for (uint32_t i = 0; i < s.count; i++)
            answer_put(&to, wr_arena_printf(arena, "%lld|%lld", (long long) s.list[i]->id, (long long) s.list[i]->k));
        for (uint32_t i = 0; i < r.count; i++)
            answer_put(&to, wr_arena_printf(arena, "%lld|%lld", (long long) (r.list[i]->id + 1000000),
                                            (long long) r.list[i]->k));
        break;
    case SIM_TABLES:
    case SIM_FULL_TABLES:
        g = grouped(&s);
        h = grouped(&r);
        answer_tables(&g, &h, v->kind == SIM_FULL_TABLES, &to);
        break;
    case SIM_DEDUP: answer_dedup(&s, v, &to, &lates, arena); break;
    case SIM_DISTINCT: answer_distinct(&s, &to); break;
    case SIM_SESSION:
    case SIM_SESSION_CHANGES: answer_session(&s, v, &to); break;
    case SIM_VIEW_KINDS: wr_unreachable();
    }
    free(g.list);
    free(h.list);
    answer *out = late ? &lates : &to;
    if (out->count > 0)
        qsort(out->rows, out->count, sizeof *out->rows, by_text);
    return (sim_answer){ out->rows, out->count };
}
