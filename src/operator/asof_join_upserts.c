/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/asof_join_upserts.c -- an as-of join whose right rows replace each other by the join's key:
 * a table by event time, of which each row is a version.
 *
 *     right   k v1 @1      k v2 @5      k deleted @8          k v3 @12
 *     holds   v1 from 1    v2 from 5    nothing from 8        v3 from 12
 *
 * Place       behind asof_join.c, for its port 1.
 * State       a version or an end a row, kept as asof_join.c keeps right rows.  A column more, the mark,
 *             tells them apart: the order in which they came, doubled, and 1 for an end.
 * Invariants  U1  a version holds from its time, but not before the last end of its key that came
 *                 before it; of versions that hold from one moment the one with the latest time, of
 *                 these the one that came last
 *             U2  an end lies after all versions of its key that came before it: at its own time where
 *                 that does and is not yet known; else where its own side was settled when it came.
 *                 That is a matter of the right side alone, so that it is the same where the input ends
 *             U3  an end that has been let go changes nothing that comes later: what it would still
 *                 hold back (U1) is late anyway
 *             U4  an end of what does not stand is counted, and kept: with a reach nobody knows
 *                 whether it stands
 */
#include "operator/asof_join_impl.h"

#include <string.h>

static const char mark_name[] = "?mark?";

weir_status
wr_asof_upserts_init(asof_join *j)
{
    const wr_schema *right = j->config->right;
    uint32_t         n = right->field_count;
    wr_field        *fields = wr_calloc(j->ctx->state, n + 1, sizeof *fields);
    if (fields == NULL)
        return WEIR_MEMORY;
    memcpy(fields, right->fields, n * sizeof *fields);
    fields[n] = (wr_field){ .name = mark_name,
                            .type = WR_TYPE(WR_INT8),
                            .not_null = true,
                            .watermark_offset = WR_NO_WATERMARK };
    j->marked = *right;
    j->marked.fields = fields;
    j->marked.field_count = n + 1;
    j->schemas[1] = &j->marked;
    return WEIR_OK;
}

void
wr_asof_upserts_fini(asof_join *j)
{
    wr_free(j->marked.fields);
    j->marked.fields = NULL;
}

/* Row `row` of `in`, of a batch of the right side: has it a key, and a time unless it is an end? */
static bool
row_counts(const asof_join *j, const wr_batch *in, uint32_t row, bool gone)
{
    for (uint32_t k = 0; k < j->config->key_count; k++)
        if (wr_column_is_null(in->columns[j->keys[1][k]], row))
            return false;
    return gone || !wr_column_is_null(in->columns[j->config->right_time], row);
}

static wr_time
row_time(const asof_join *j, const wr_batch *in, uint32_t row)
{
    const wr_column *time = in->columns[j->config->right_time];
    return wr_column_is_null(time, row) ? WR_TIME_START : wr_event_time_get(time, row);
}

static void
count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* The batch with a mark for each of rows[0..n).  Owned; NULL: no memory. */
static wr_batch *
mark_rows(const asof_join *j, const wr_batch *in, uint32_t n)
{
    uint32_t  columns = j->config->right->field_count;
    wr_batch *b = wr_batch_create(j->ctx->flow, columns + 1);
    if (b == NULL)
        return NULL;
    for (uint32_t c = 0; c < columns; c++)
        if (in->columns[c] != NULL)
            b->columns[c] = wr_column_retain(in->columns[c]);
    wr_column *marks = wr_column_create(j->ctx->flow, WR_TYPE(WR_INT8), in->physical_count);
    b->columns[columns] = marks;
    b->row_count = b->physical_count = in->physical_count;
    if (marks == NULL) {
        wr_batch_release(b);
        return NULL;
    }
    memset(marks->data, 0, in->physical_count * sizeof(int64_t));
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = j->step->rows[i];
        ((int64_t *) marks->data)[row] =
            (int64_t) ((j->sequence + i) << 1) | (wr_batch_diff(in, row) < 0);
    }
    return b;
}

/* U2: where the end stands that row `row` is. */
static wr_time
end_time(const asof_join *j, const wr_batch *in, uint32_t row, wr_time last, wr_time known)
{
    const wr_column *settled = in->columns[j->config->right->field_count];
    wr_time          own = row_time(j, in, row), after = wr_asof_plus(last, 1);
    if (own > last && own >= known)
        return own;
    return wr_column_is_null(settled, row) ? after
                                           : WR_MAX(after, wr_event_time_get(settled, row));
}

/* Row i of the step, whose place is `id`, as a version or an end. */
static weir_status
take_one(asof_join *j, const wr_batch *in, uint16_t i, uint32_t id, uint32_t *late)
{
    asof_step      *s = j->step;
    uint32_t        row = s->rows[i];
    wr_change_side *side = &j->sides[1];
    wr_time         known = wr_asof_known_until(j, wr_asof_judge_of(j, 1, in, row));
    wr_version      v = { .row = id, .sequence = j->sequence++, .from = WR_TIME_START };
    wr_group       *g = wr_change_side_own(side, id);
    if (g == NULL)
        return WEIR_MEMORY;
    v.gone = wr_batch_diff(in, row) < 0;
    v.own = v.gone ? WR_TIME_START : row_time(j, in, row);
    if (v.gone) {
        wr_version_last last = wr_versions_last(&j->versions, &s->keys, i);
        if (!last.stands && j->config->reach_us == INT64_MAX) /* U4 */
            count(&j->ctx->counters.rows_unknown, 1);
        v.time = end_time(j, in, row, last.time, known);
    } else {
        v.time = WR_MAX(v.own, wr_versions_cut(&j->versions, &s->keys, i)); /* U1 */
    }
    if (wr_asof_is_late(j, v.time, known)) {
        v.from = known;
        (*late)++;
    }
    wr_change_row *info = wr_change_side_info(side, id);
    g->count = 1;
    info->partners = v.time;
    info->until = v.from;
    return wr_versions_add(&j->versions, &s->keys, i, &v);
}

weir_status
wr_asof_upserts_take(asof_join *j, const wr_batch *in)
{
    asof_step *s = j->step;
    uint32_t   n = 0, late = 0;
    for (uint32_t i = 0; i < in->row_count; i++) {
        uint32_t row = wr_batch_row(in, i);
        if (row_counts(j, in, row, wr_batch_diff(in, row) < 0))
            s->rows[n++] = (uint16_t) row;
    }
    count(&j->ctx->counters.rows_unmatched, in->row_count - n);
    if (n == 0)
        return WEIR_OK;
    for (uint32_t k = 0; k < j->config->key_count; k++)
        s->key_columns[k] = in->columns[j->keys[1][k]];
    WR_TRY(wr_row_keys_fill(&s->keys, s->key_columns, s->rows, n, in->physical_count, NULL));
    wr_batch *marked = mark_rows(j, in, n);
    if (marked == NULL)
        return WEIR_MEMORY;
    weir_status status = wr_change_side_find(&j->sides[1], marked, s->rows, n, s->ids);
    wr_batch_release(marked);
    for (uint32_t i = 0; i < n && status == WEIR_OK; i++)
        status = take_one(j, in, (uint16_t) i, s->ids[i], &late);
    count(&j->ctx->counters.rows_late, late);
    wr_asof_count_state(j);
    return status;
}

weir_status
wr_asof_upserts_restore(asof_join *j, const wr_batch *b)
{
    asof_step       *s = j->step;
    const wr_column *marks = b->columns[j->config->right->field_count];
    for (uint32_t i = 0; i < b->row_count; i++) {
        wr_value mark;
        if (wr_column_get_value(marks, i, NULL, &mark) != WEIR_OK || mark.is_null ||
            mark.integer < 0 || !row_counts(j, b, i, (mark.integer & 1) != 0))
            return WEIR_CHECKPOINT_CORRUPT;
        s->rows[i] = (uint16_t) i;
    }
    for (uint32_t k = 0; k < j->config->key_count; k++)
        s->key_columns[k] = b->columns[j->keys[1][k]];
    WR_TRY(wr_row_keys_fill(&s->keys, s->key_columns, s->rows, b->row_count, b->row_count, NULL));
    for (uint32_t i = 0; i < b->row_count; i++) {
        const wr_change_row *info = wr_change_side_info(&j->sides[1], s->ids[i]);
        wr_value             mark;
        WR_TRY(wr_column_get_value(marks, i, NULL, &mark));
        wr_version v = { .time = info->partners,
                         .from = info->until,
                         .sequence = (uint64_t) mark.integer >> 1,
                         .row = s->ids[i],
                         .gone = (mark.integer & 1) != 0 };
        v.own = v.gone ? WR_TIME_START : row_time(j, b, i);
        j->sequence = WR_MAX(j->sequence, v.sequence + 1);
        wr_change_side_row(&j->sides[1], s->ids[i])->count = 1;
        WR_TRY(wr_versions_add(&j->versions, &s->keys, (uint16_t) i, &v));
    }
    return WEIR_OK;
}
