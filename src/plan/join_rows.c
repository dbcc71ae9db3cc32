/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/join_rows.c -- the order of inner joins by how many rows there are.
 *
 * From each leaf an order is grown, the join that gives the fewest rows next; of these orders the one with the fewest
 * rows between the joins is taken.  These rows are what is computed, and in a continuous view what is kept.
 *
 *     rows of (set join leaf)  =  rows of set x rows of leaf / values of the key
 *
 * where the key of one side is compared whole, it has as many values as its relation has rows; else each row of
 * the larger side finds one partner.
 *
 * Invariants  C1  without the rows of all leaves nothing is changed
 *             C2  a leaf that nothing ties to the others waits until all that is tied has been joined
 *             C3  the written order, or the one that comes in where that is better, stays unless another is better
 *                 by a tenth: estimates are rough, and what has been ordered once is not ordered anew
 * Cost        starts x leaves^2 x conjuncts; one start for large groups
 */
#include "plan/join_order_impl.h"

#include <math.h>
#include <string.h>

enum { STARTS_MAX = 10 };

typedef struct rows_state {
    const join_group *g;
    double rows[JOIN_LEAVES_MAX];
} rows_state;

/* The values of the key by which leaf meets the set; 0: not known. */
static double
key_values(const rows_state *s, uint64_t set, uint32_t leaf)
{
    const wr_relation *mine = wr_join_key_tied(s->g, set, leaf);
    double values = mine != NULL ? (double)mine->rows : 0;
    for (uint32_t i = 0; i < s->g->count; i++) {
        if ((set & 1ull << i) == 0)
            continue;
        const wr_relation *other = wr_join_key_tied(s->g, 1ull << leaf, i);
        values = other != NULL ? fmax(values, (double)other->rows) : values;
    }
    return values;
}

static double
joined_rows(const rows_state *s, uint64_t set, double rows, uint32_t leaf, bool tied)
{
    double other = s->rows[leaf];
    if (!tied)
        return rows * other;
    double values = key_values(s, set, leaf);
    return fmax(1, values > 0 ? rows * other / values : fmax(rows, other));
}

/* The rows between the joins of an order. */
static double
cost_of(const rows_state *s, const uint32_t *order)
{
    uint64_t set = 1ull << order[0];
    double rows = s->rows[order[0]], cost = 0;
    for (uint32_t i = 1; i + 1 < s->g->count; i++) {
        rows = joined_rows(s, set, rows, order[i], wr_join_is_tied(s->g, set, order[i]));
        set |= 1ull << order[i];
        cost += rows;
    }
    return cost;
}

static void
grow(const rows_state *s, uint32_t start, uint32_t *order)
{
    uint64_t set = 1ull << start;
    double rows = s->rows[start];
    order[0] = start;
    for (uint32_t at = 1; at < s->g->count; at++) {
        uint32_t best = UINT32_MAX;
        double best_rows = INFINITY;
        bool best_tied = false;
        for (uint32_t i = 0; i < s->g->count; i++) {
            if ((set & 1ull << i) != 0)
                continue;
            bool tied = wr_join_is_tied(s->g, set, i);
            double joined = joined_rows(s, set, rows, i, tied);
            if (best != UINT32_MAX && (tied != best_tied ? !tied : joined >= best_rows)) /* C2 */
                continue;
            best = i;
            best_rows = joined;
            best_tied = tied;
        }
        order[at] = best;
        rows = best_rows;
        set |= 1ull << best;
    }
}

void
wr_join_order_by_rows(const join_group *g, uint32_t *order)
{
    rows_state s = { .g = g };
    uint32_t least = 0, tried[JOIN_LEAVES_MAX];
    for (uint32_t i = 0; i < g->count; i++) {
        s.rows[i] = wr_plan_rows(g->leaves[i]);
        if (s.rows[i] == 0) /* C1 */
            return;
        least = s.rows[i] < s.rows[least] ? i : least;
    }
    for (uint32_t i = 0; i < g->count; i++)
        tried[i] = i;
    if (cost_of(&s, tried) <= cost_of(&s, order))
        memcpy(order, tried, g->count * sizeof *order);
    double cost = cost_of(&s, order) * 0.9; /* C3 */
    for (uint32_t start = 0; start < g->count; start++) {
        if (g->count > STARTS_MAX && start != least)
            continue;
        grow(&s, start, tried);
        double mine = cost_of(&s, tried);
        if (mine >= cost)
            continue;
        cost = mine;
        memcpy(order, tried, g->count * sizeof *order);
    }
}
