/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/join_changes_walk.c -- the candidates of rows that change: stored rows of their keys, and within their times.
 *
 * Rows side by side walk their chains together: all their first stored rows, then all the second ones, and so on,
 * with the next step's rows under way.  Where more is found than there is room for, chains are walked one by one.
 *
 * Invariants  K1  a group's rows are all taken back, or none of them is: pairs of rows taken back come before all others
 *             K2  the step's pairs, row and next are changed by whole groups of rows, or by the walk of one chain, which
 *                 can stop anywhere
 */
#include "operator/join_changes_impl.h"

enum { GROUP_ROWS = CHANGES_GROUP_ROWS, GROUP_ROWS_MIN = 8, PREFETCH_AHEAD = 12 };

static wr_time
stored_time(const wr_change_side *side, uint32_t id, uint32_t column)
{
    wr_group *g = wr_change_side_row(side, id);
    return (wr_time)wr_key_value(&side->row_layout, wr_group_key(g), column).integer;
}

/* May the stored row match row d, as far as times go? */
static bool
times_match(const join_changes *j, uint32_t d, uint32_t id)
{
    const wr_join_config *c = j->config;
    const changes_step *s = j->step;
    const wr_change_side *side = &j->sides[1 - s->port];
    if (c->ttl_us > 0 && wr_change_side_info(side, id)->until < s->judges[d])
        return false;
    if (!c->has_bound)
        return true;
    wr_time other = stored_time(side, id, s->port == 0 ? c->right_time : c->left_time);
    wr_time left = s->port == 0 ? s->times[d] : other, right = s->port == 0 ? other : s->times[d];
    return left >= wr_join_time_add(right, c->low_us) &&
           left <= wr_join_time_add(right, c->high_us);
}

/* --- many chains --- */

/* Chains under way. */
typedef struct walk {
    uint32_t count;
    uint32_t at[GROUP_ROWS]; /* stored rows          */
    uint16_t of[GROUP_ROWS]; /* the rows whose chain */
} walk;

/* One step of all chains, without a branch that depends on what is found but where times tell. */
static inline __attribute__((always_inline)) void
walk_step(const join_changes *j, walk *w, bool word, bool timed)
{
    changes_step *s = j->step;
    const wr_change_side *side = &j->sides[1 - s->port];
    const uint32_t key_word = side->key_word;
    uint32_t left = 0, n = s->pairs;
    for (uint32_t i = 0; i < w->count; i++) {
        const uint32_t id = w->at[i], d = w->of[i];
        wr_group *g = wr_change_side_row(side, id);
        const uint32_t next = wr_change_row_of(&side->row_layout, g)->next;
        bool is = word ? wr_group_key(g)[key_word] == s->keys.words[2 * s->which[d] + 1]
                       : wr_change_side_is(side, g, &s->keys, s->which[d]);
        if (timed)
            is = is && times_match(j, d, id);
        s->pair_of[n] = (uint16_t)d;
        s->pair_with[n] = id;
        n += is;
        w->at[left] = next;
        w->of[left] = (uint16_t)d;
        if (next != WR_CHANGE_NONE) {
            wr_change_side_prefetch(side, next);
            left++;
        }
    }
    w->count = left;
    s->pairs = n;
}

/* The step's next rows, `count` of them; false: more is found than there is room for. */
static bool
walk_group(join_changes *j, uint32_t count)
{
    changes_step *s = j->step;
    const wr_change_side *side = &j->sides[1 - s->port];
    const bool timed = j->config->has_bound || j->config->ttl_us > 0;
    const bool word = side->key_word > 0;
    const uint32_t before = s->pairs;
    walk w;
    w.count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t d = s->order[s->row + i], head = s->heads[d];
        w.at[w.count] = head;
        w.of[w.count] = (uint16_t)d;
        if (head != WR_CHANGE_NONE) {
            wr_change_side_prefetch(side, head);
            w.count++;
        }
    }
    while (w.count > 0) {
        if (timed)
            walk_step(j, &w, word, true);
        else if (word)
            walk_step(j, &w, true, false);
        else
            walk_step(j, &w, false, false);
        if (s->pairs > CHANGES_PAIRS_MAX) {
            s->walked_pairs = s->pairs - before;
            s->pairs = before;
            return false;
        }
    }
    s->walked_pairs = s->pairs - before;
    return true;
}

/* How many rows go together: as many as will fit, by what those before brought, and K1. */
static uint32_t
group_count(changes_step *s)
{
    const uint32_t room = CHANGES_PAIRS_MAX - s->pairs;
    uint32_t most = WR_MIN(room, (uint32_t)GROUP_ROWS);
    if (s->walked_pairs > s->walked_rows) {
        uint64_t fit = (uint64_t)room * s->walked_rows * 2 / ((uint64_t)s->walked_pairs * 3);
        if (fit < GROUP_ROWS_MIN && s->pairs == 0)
            s->walked_pairs -=
                s->walked_pairs / 64 + 1; /* a group is tried again some rows later */
        most = WR_MIN(most, (uint32_t)WR_MIN(fit, (uint64_t)GROUP_ROWS));
    }
    return WR_MIN(most, (s->row < s->back_count ? s->back_count : s->count) - s->row);
}

static void
walk_many(join_changes *j)
{
    changes_step *s = j->step;
    while (s->row < s->count) {
        uint32_t end = s->row < s->back_count ? s->back_count : s->count;
        uint32_t count = group_count(s);
        if (count < WR_MIN((uint32_t)GROUP_ROWS_MIN, end - s->row))
            return;
        s->walked_rows = count;
        if (!walk_group(j, count))
            return;
        s->row += count; /* K2 */
    }
}

/* --- one after another --- */

/* Bring the first candidate of a later row near: what is known of it, and its diff.  (Inlined always: a call whose
 * only effect is that the compiler takes for one without.) */
static inline __attribute__((always_inline)) void
prefetch_candidate(const join_changes *j, uint32_t row)
{
    const changes_step *s = j->step;
    if (row < s->count && s->heads[s->order[row]] != WR_CHANGE_NONE)
        wr_change_side_prefetch(&j->sides[1 - s->port], s->heads[s->order[row]]);
}

static void
walk_rows(join_changes *j)
{
    changes_step *s = j->step;
    const wr_change_side *side = &j->sides[1 - s->port];
    for (; s->row < s->count; s->row++, s->within = false) {
        uint32_t d = s->order[s->row];
        prefetch_candidate(j, s->row + PREFETCH_AHEAD);
        uint32_t next = s->within ? s->next : s->heads[d];
        while (next != WR_CHANGE_NONE) {
            if (s->pairs == CHANGES_PAIRS_MAX) {
                s->next = next;
                s->within = true;
                return;
            }
            uint32_t id = next;
            wr_group *g = wr_change_side_row(side, id);
            next = wr_change_row_of(&side->row_layout, g)->next;
            if (!wr_change_side_is(side, g, &s->keys, s->which[d]) || !times_match(j, d, id))
                continue;
            s->pair_of[s->pairs] = (uint16_t)d;
            s->pair_with[s->pairs++] = id;
        }
    }
}

void
wr_changes_collect(join_changes *j)
{
    changes_step *s = j->step;
    s->pairs = 0;
    if (!s->within)
        walk_many(j);
    if (s->row < s->count && s->pairs < CHANGES_PAIRS_MAX / 2)
        walk_rows(j);
}
