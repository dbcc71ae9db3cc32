/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aggregate_test.c -- G1..G4 of expr/aggregate.h for every aggregate of the registry, and answers
 * against PostgreSQL.  An aggregate without data here fails the last test.
 */
#include "support/test.h"

#include "support/exprs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct agg_row {
    const char *name, *types[2];
    const char *const (*data)[2];
    uint32_t    count;
    const char *expected; /* "!...": the result fails; NULL: only G1..G4 */
} agg_row;

#include "unit/expr/agg_rows.h"

enum { STATE_MAX = 256, ROWS_MAX = 16 };

/* One aggregate over one data set. */
typedef struct agg_case {
    const wr_aggregate *a;
    wr_agg_ctx          ctx;
    wr_type             args[2];
    wr_arena            arena;
    wr_column          *columns[2];
    uint32_t            arg_count, rows;
    char                what[96];
} agg_case;

typedef struct agg_state {
    _Alignas(16) char bytes[STATE_MAX];
} agg_state;

static void
case_open(agg_case *c, const agg_row *row)
{
    wr_type    given[2], wanted[2], result;
    weir_error err;
    memset(c, 0, sizeof *c);
    while (c->arg_count < 2 && row->types[c->arg_count] != NULL) {
        given[c->arg_count] = test_type(row->types[c->arg_count]);
        c->arg_count++;
    }
    if (wr_aggregate_resolve(row->name, given, c->arg_count, &c->a, wanted, &result, &err) != WEIR_OK)
        fail_msg("%s", err.text);
    assert_true(c->a->state_bytes <= STATE_MAX - 8 && c->a->state_bytes % 8 == 0);
    assert_true(row->count <= ROWS_MAX);
    wr_arena_init(&c->arena, NULL);
    c->rows = row->count;
    for (uint32_t i = 0; i < c->arg_count; i++) {
        const char *texts[ROWS_MAX];
        for (uint32_t r = 0; r < row->count; r++)
            texts[r] = row->data[r][i];
        c->args[i] = wanted[i];
        c->columns[i] = test_column(wanted[i], texts, row->count);
    }
    c->ctx = (wr_agg_ctx){ .arena = &c->arena, .args = c->args, .arg_count = c->arg_count,
                           .result = result };
    snprintf(c->what, sizeof c->what, "%s(%s) of %u rows", row->name, row->types[0], row->count);
}

static void
case_close(agg_case *c)
{
    assert_false(c->ctx.failed);
    for (uint32_t i = 0; i < c->arg_count; i++)
        wr_column_release(c->columns[i]);
    wr_arena_fini(&c->arena);
}

static void
state_init(agg_case *c, agg_state *s)
{
    memset(s, 0, sizeof *s);
    if (c->a->init != NULL)
        c->a->init(&c->ctx, s->bytes);
}

static bool
row_counts(const agg_case *c, uint32_t row)
{
    for (uint32_t i = 0; i < c->arg_count && c->a->ignores_null; i++)
        if (wr_column_is_null(c->columns[i], row))
            return false;
    return true;
}

typedef void (*step)(wr_agg_ctx *ctx, char *const *states, size_t offset, wr_column *const *args,
                     wr_rows rows);

/* Rows [from, to) into states[row % state_count], by columns of any layout. */
static void
step_rows(agg_case *c, step go, agg_state *states, uint32_t state_count, wr_column *const *columns,
          uint32_t from, uint32_t to)
{
    char    *pointers[ROWS_MAX];
    uint16_t rows[ROWS_MAX];
    uint32_t n = 0;
    bool     all = from == 0;
    for (uint32_t r = from; r < to; r++) {
        if (!row_counts(c, r)) {
            all = false;
            continue;
        }
        pointers[n] = states[r % state_count].bytes - 8; /* the offset must be honoured */
        rows[n++] = (uint16_t) r;
    }
    if (n > 0)
        go(&c->ctx, pointers, 8, columns, (wr_rows){ all ? NULL : rows, n });
}

static void
state_result(agg_case *c, const agg_state *s, wr_text *to)
{
    wr_arena   scratch;
    wr_column *out = wr_column_create(NULL, c->ctx.result, 3);
    wr_arena_init(&scratch, NULL);
    memset(out->data, 0, 3 * wr_column_width(out));
    wr_text_clear(to);
    for (uint32_t row = 0; row < 3; row++) { /* the same again: forms are set on row 0 */
        weir_status status = c->a->result_at(&c->ctx, s->bytes, &scratch, out, row);
        if (wr_status_is_row(status)) {
            wr_text_puts(to, "!");
            break;
        }
        assert_int_equal(status, WEIR_OK);
        wr_text once;
        wr_text_init(&once, NULL);
        test_print(out, row, &once);
        if (row == 0)
            wr_text_puts(to, wr_text_string(&once));
        else
            assert_string_equal(wr_text_string(to), wr_text_string(&once));
        wr_text_fini(&once);
    }
    wr_column_release(out);
    wr_arena_fini(&scratch);
}

static bool
same_text(const agg_case *c, const char *got, const char *want)
{
    if (want[0] == '!')
        return got[0] == '!';
    if (strcmp(got, want) == 0)
        return true;
    if (c->ctx.result.id != WR_FLOAT4 && c->ctx.result.id != WR_FLOAT8)
        return false;
    double a = strtod(got, NULL), b = strtod(want, NULL);
    double near = c->ctx.result.id == WR_FLOAT4 ? 1e-6 : 1e-12;
    return fabs(a - b) <= near * fmax(fabs(a), fabs(b));
}

static void
expect(agg_case *c, const agg_state *s, const char *want, const char *way)
{
    wr_text text;
    wr_text_init(&text, NULL);
    state_result(c, s, &text);
    if (!same_text(c, wr_text_string(&text), want))
        fail_msg("%s, %s: got %s, want %s", c->what, way, wr_text_string(&text), want);
    wr_text_fini(&text);
}

/* --- G1: the same rows in other portions and layouts --- */

static void
check_portions(agg_case *c, const char *want)
{
    agg_state s;
    state_init(c, &s);
    for (uint32_t r = 0; r < c->rows; r++)
        step_rows(c, c->a->update, &s, 1, c->columns, r, r + 1);
    expect(c, &s, want, "a row at a time");
    wr_column *other[2] = { NULL, NULL };
    uint16_t   all[ROWS_MAX];
    for (uint16_t r = 0; r < c->rows; r++)
        all[r] = (uint16_t) (c->rows - 1 - r);
    for (uint32_t i = 0; i < c->arg_count && c->rows > 0; i++) {
        wr_column *entries = wr_column_gather(NULL, c->columns[i], all, c->rows);
        other[i] = wr_column_create_dictionary(NULL, entries, c->rows);
        memcpy(other[i]->data, all, c->rows * sizeof all[0]);
        wr_column_release(entries);
    }
    state_init(c, &s);
    if (c->rows > 0)
        step_rows(c, c->a->update, &s, 1, other, 0, c->rows);
    expect(c, &s, want, "dictionary");
    for (uint32_t i = 0; i < c->arg_count; i++)
        wr_column_release(other[i]);
    state_init(c, &s);
    for (uint32_t r = 0; r < c->rows; r++) {
        for (uint32_t i = 0; i < c->arg_count; i++) {
            wr_value v;
            assert_int_equal(wr_column_get_value(c->columns[i], r, &c->arena, &v), WEIR_OK);
            other[i] = wr_column_create_constant(NULL, &v);
        }
        step_rows(c, c->a->update, &s, 1, other, r, r + 1);
        for (uint32_t i = 0; i < c->arg_count; i++)
            wr_column_release(other[i]);
    }
    expect(c, &s, want, "constants");
}

/* --- G2, G3 --- */

static void
check_merge(agg_case *c, const char *want)
{
    for (uint32_t cut = 0; cut <= c->rows; cut++) {
        agg_state a, b;
        state_init(c, &a);
        state_init(c, &b);
        step_rows(c, c->a->update, &a, 1, c->columns, 0, cut);
        step_rows(c, c->a->update, &b, 1, c->columns, cut, c->rows);
        c->a->merge(&c->ctx, a.bytes, b.bytes);
        expect(c, &a, want, "merged");
    }
}

static void
check_retract(agg_case *c, const char *want)
{
    assert_true((c->a->retract != NULL) == (c->a->unmerge != NULL));
    if (c->a->retract == NULL)
        return;
    for (uint32_t cut = 0; cut <= c->rows; cut++) { /* some rows twice, then once less */
        agg_state a, b, empty;
        state_init(c, &a);
        state_init(c, &b);
        state_init(c, &empty);
        step_rows(c, c->a->update, &a, 1, c->columns, cut, c->rows);
        step_rows(c, c->a->update, &a, 1, c->columns, 0, c->rows);
        step_rows(c, c->a->retract, &a, 1, c->columns, cut, c->rows);
        expect(c, &a, want, "retracted");
        step_rows(c, c->a->update, &b, 1, c->columns, 0, cut);
        c->a->merge(&c->ctx, a.bytes, b.bytes);
        c->a->unmerge(&c->ctx, a.bytes, b.bytes);
        expect(c, &a, want, "unmerged");
        step_rows(c, c->a->retract, &a, 1, c->columns, 0, c->rows);
        wr_text none;
        wr_text_init(&none, NULL);
        state_result(c, &empty, &none);
        expect(c, &a, wr_text_string(&none), "all retracted");
        wr_text_fini(&none);
    }
}

/* --- G4 --- */

static void
check_snapshot(agg_case *c, const char *want)
{
    for (uint32_t cut = 0; cut <= c->rows; cut++) { /* snapshot in the middle, go on after it */
        wr_snapshot_writer w;
        wr_snapshot_reader r;
        agg_state          a, b;
        state_init(c, &a);
        step_rows(c, c->a->update, &a, 1, c->columns, 0, cut);
        wr_snapshot_writer_init(&w, NULL);
        wr_snapshot_begin(&w, 7);
        c->a->encode(&c->ctx, a.bytes, &w);
        wr_snapshot_end(&w);
        assert_int_equal(wr_snapshot_finish(&w), WEIR_OK);
        wr_snapshot_reader_init(&r, w.bytes.data, w.bytes.length, WR_GROUPS_ALL);
        assert_true(wr_snapshot_next(&r));
        state_init(c, &b);
        assert_int_equal(c->a->decode(&c->ctx, b.bytes, &r), WEIR_OK);
        assert_false(wr_snapshot_more(&r));
        step_rows(c, c->a->update, &b, 1, c->columns, cut, c->rows);
        expect(c, &b, want, "after a snapshot");
        for (size_t cut_bytes = 0; cut_bytes < w.bytes.length; cut_bytes++) { /* damage is no crash */
            wr_snapshot_reader_init(&r, w.bytes.data, cut_bytes, WR_GROUPS_ALL);
            if (wr_snapshot_next(&r)) {
                state_init(c, &b);
                weir_status status = c->a->decode(&c->ctx, b.bytes, &r);
                (void) status;
            }
        }
        wr_snapshot_writer_fini(&w);
    }
}

/* Two groups in one call get what each gets alone. */
static void
check_groups(agg_case *c)
{
    agg_state both[2], alone[2];
    wr_text   text;
    wr_text_init(&text, NULL);
    for (uint32_t g = 0; g < 2; g++) {
        state_init(c, &both[g]);
        state_init(c, &alone[g]);
        for (uint32_t r = g; r < c->rows; r += 2)
            step_rows(c, c->a->update, &alone[g], 1, c->columns, r, r + 1);
    }
    step_rows(c, c->a->update, both, 2, c->columns, 0, c->rows);
    for (uint32_t g = 0; g < 2; g++) {
        state_result(c, &alone[g], &text);
        expect(c, &both[g], wr_text_string(&text), "two groups");
    }
    wr_text_fini(&text);
}

static void
row_check(const agg_row *row)
{
    agg_case  c;
    agg_state s;
    wr_text   first;
    case_open(&c, row);
    wr_text_init(&first, NULL);
    state_init(&c, &s);
    step_rows(&c, c.a->update, &s, 1, c.columns, 0, c.rows);
    state_result(&c, &s, &first);
    const char *want = row->expected != NULL ? row->expected : wr_text_string(&first);
    expect(&c, &s, want, "all at once");
    check_portions(&c, want);
    check_merge(&c, want);
    check_retract(&c, want);
    check_snapshot(&c, want);
    check_groups(&c);
    wr_text_fini(&first);
    case_close(&c);
}

static void
agrees_with_postgresql(void **state)
{
    for (size_t i = 0; i < WR_COUNT(agg_rows); i++)
        row_check(&agg_rows[i]);
}

/* --- memory that runs out: told, and nothing breaks or leaks --- */

static bool
starved_run(const agg_row *row, wr_budget *budget)
{
    agg_case           c;
    agg_state          a, b;
    wr_arena           scratch;
    wr_snapshot_writer w;
    wr_snapshot_reader r;
    case_open(&c, row);
    wr_arena_fini(&c.arena);
    wr_arena_init(&c.arena, budget);
    wr_arena_init(&scratch, budget);
    state_init(&c, &a);
    state_init(&c, &b);
    step_rows(&c, c.a->update, &a, 1, c.columns, 0, c.rows);
    step_rows(&c, c.a->update, &b, 1, c.columns, 0, c.rows);
    c.a->merge(&c.ctx, a.bytes, b.bytes);
    wr_column  *out = wr_column_create(NULL, c.ctx.result, 1);
    weir_status status = c.a->result_at(&c.ctx, a.bytes, &scratch, out, 0);
    bool        starved = c.ctx.failed || status == WEIR_MEMORY;
    wr_column_release(out);
    wr_snapshot_writer_init(&w, NULL);
    wr_snapshot_begin(&w, 0);
    c.a->encode(&c.ctx, a.bytes, &w);
    wr_snapshot_end(&w);
    assert_int_equal(wr_snapshot_finish(&w), WEIR_OK);
    wr_snapshot_reader_init(&r, w.bytes.data, w.bytes.length, WR_GROUPS_ALL);
    assert_true(wr_snapshot_next(&r));
    state_init(&c, &b);
    status = c.a->decode(&c.ctx, b.bytes, &r);
    starved |= status == WEIR_MEMORY || c.ctx.failed;
    wr_snapshot_writer_fini(&w);
    wr_arena_fini(&scratch);
    c.ctx.failed = false;
    case_close(&c);
    return starved;
}

static void
starvation_is_told(void **state)
{
    uint32_t starved = 0;
    for (size_t i = 0; i < WR_COUNT(agg_rows); i++)
        for (uint64_t limit = 16;; limit += limit / 2) {
            wr_budget *budget = wr_budget_create(NULL, "test", limit);
            bool       again = starved_run(&agg_rows[i], budget);
            starved += again;
            assert_int_equal(wr_budget_used(budget), 0);
            wr_budget_destroy(budget);
            if (!again)
                break;
        }
    assert_true(starved > 1000);
}

/* --- what PostgreSQL does not have --- */

static const char *const pairs[][2] = {
    { "NULL", "3" }, { "long enough to lie outside", "1" }, { "b", "7" }, { "c", "NULL" },
    { "another one that is rather long", "7" },  { "d", "1" },
};
static const char *const spread[][2] = { /* fraction, value */
    { "0.3", "2" }, { "0.3", "NULL" }, { "0.3", "5" }, { "0.3", "2" }, { "0.3", "-1" }, { "0.3", "7" },
};
static const char *const fractions[][2] = {
    { "{0,0.3,NULL,1}", "2" }, { "{0,0.3,NULL,1}", "NULL" }, { "{0,0.3,NULL,1}", "5" },
    { "{0,0.3,NULL,1}", "-1" },
};
static const char *const outside[][2] = { { "NaN", "2" } };
static const char *const lengths[][2] = { { "0.5", "1 day" }, { "0.5", "NULL" }, { "0.5", "1 mon" } };
static const char *const several[][2] = { { "{0.5,NULL}", "1 day" }, { "{0.5,NULL}", "1 mon" } };
static const char *const many[][2] = { /* value, k */
    { "NULL", "2" }, { "long enough to lie outside", "2" }, { "b", "2" }, { "c", "2" },
    { "long enough to lie outside", "2" }, { "b", "2" }, { "b", "2" }, { "a longer one than that", "2" },
};
static const char *const wrong_k[][2] = { { "a", "0" }, { "b", "3" } };
static const char *const objects[][2] = { { "NULL" }, { "{\"a\":1}" }, { "NULL" }, { "{}" } };
static const char *const reals[][2] = { /* value, fraction */
    { "10", "0.5" }, { "-3", "0.5" }, { "NULL", "0.5" }, { "0", "0.5" }, { "NaN", "0.5" },
    { "-Infinity", "0.5" }, { "1e308", "0.5" },
};

/* Percentiles as PostgreSQL 15 has them; the others by hand. */
static void
orders_and_counts(void **state)
{
    const agg_row rows[] = {
        { "percentile_cont", { "float8", "float8" }, spread, 6, "2" },
        { "percentile_cont desc", { "float8", "float8" }, spread, 6, "4.4" },
        { "percentile_cont", { "float8", "float8" }, spread, 0, "NULL" },
        { "percentile_cont", { "float8", "float8" }, outside, 1, "!" },
        { "percentile_cont", { "float8", "interval" }, lengths, 3, "16 days -12:00:00" },
        { "percentile_cont desc", { "float8", "interval" }, lengths, 3,
          "1 mon -15 days +12:00:00" },
        { "percentile_cont", { "float8[]", "float8" }, fractions, 4, "{-1,0.7999999999999998,NULL,5}" },
        { "percentile_cont desc", { "float8[]", "float8" }, fractions, 4, "{5,3.2,NULL,-1}" },
        { "percentile_cont", { "float8[]", "interval" }, several, 2, "{\"16 days -12:00:00\",NULL}" },
        { "percentile_cont desc", { "float8[]", "interval" }, several, 2,
          "{\"1 mon -15 days +12:00:00\",NULL}" },
        { "percentile_disc", { "float8", "int4" }, spread, 6, "2" },
        { "percentile_disc desc", { "float8", "numeric" }, spread, 6, "5" },
        { "percentile_disc", { "float8", "text" }, spread, 6, "2" },
        { "percentile_disc", { "float8[]", "int8" }, fractions, 4, "{-1,-1,NULL,5}" },
        { "percentile_disc desc", { "float8[]", "text" }, fractions, 4, "{5,5,NULL,-1}" },
        { "mode", { "text" }, many, 8, "b" },
        { "mode", { "text" }, many, 5, "long enough to lie outside" },
        { "mode desc", { "text" }, many + 1, 3, "long enough to lie outside" },
        { "mode", { "int4" }, spread, 0, "NULL" },
        { "median", { "float8" }, reals, 4, "0" },
        { "median", { "float8" }, reals, 2, "3.5" },
        { "median", { "interval" }, lengths, 0, "NULL" },
        { "top_k", { "text", "int4" }, many, 8, "{b,\"long enough to lie outside\"}" },
        { "top_k", { "text", "int4" }, many, 1, "NULL" },
        { "top_k", { "text", "int4" }, wrong_k, 2, "!" },
        { "histogram", { "text" }, many, 8,
          "{\"b\": 3, \"c\": 1, \"a longer one than that\": 1, \"long enough to lie outside\": 2}" },
        { "histogram", { "float8" }, reals, 3, "{\"-3\": 1, \"10\": 1}" },
        { "min_k", { "text", "int4" }, many, 8, "{\"a longer one than that\",b}" },
        { "max_k", { "text", "int4" }, many, 8,
          "{\"long enough to lie outside\",\"long enough to lie outside\"}" },
        { "max_k", { "text", "int4" }, many, 3, "{\"long enough to lie outside\",b}" },
        { "min_k", { "text", "int4" }, wrong_k, 2, "!" },
        { "json_agg rows", { "json" }, objects, 4, "[null, \n {\"a\":1}, null, \n {}]" },
        { "json_agg rows", { "json" }, objects + 1, 1, "[{\"a\":1}]" },
        { "approx_percentile", { "float8", "float8" }, reals, 0, "NULL" },
        { "approx_percentile", { "float8", "float8" }, reals, 4, "0" },
        { "approx_percentile", { "float8", "float8" }, reals, 7, NULL },
        { "approx_percentile", { "float8", "float8" }, outside, 0, "NULL" },
        { "first", { "text", "int4" }, pairs, 6, "long enough to lie outside" },
        { "first_value", { "text", "int4" }, pairs, 6, "long enough to lie outside" },
        { "last", { "text", "float8" }, pairs, 6, "b" },
        { "last_value", { "text", "float8" }, pairs, 6, "b" },
    };
    for (size_t i = 0; i < WR_COUNT(rows); i++)
        row_check(&rows[i]);
}

static void
keeps_the_right_row(void **state)
{
    const agg_row rows[] = {
        { "first", { "text" }, pairs, 6, "NULL" },
        { "first_value", { "text" }, pairs + 1, 5, "long enough to lie outside" },
        { "last", { "text" }, pairs, 6, "d" },
        { "last_value", { "text" }, pairs, 5, "another one that is rather long" },
        { "any_value", { "text" }, pairs, 6, "long enough to lie outside" },
        { "min_by", { "text", "int4" }, pairs, 6, "long enough to lie outside" },
        { "arg_min", { "text", "numeric" }, pairs + 3, 3, "d" },
        { "max_by", { "text", "float8" }, pairs, 6, "b" },
        { "arg_max", { "text", "text" }, pairs, 1, "NULL" },
        { "approx_count_distinct", { "text" }, pairs, 6, "5" },
    };
    for (size_t i = 0; i < WR_COUNT(rows); i++)
        row_check(&rows[i]);
}

static void
counts_all_rows(void **state)
{
    const wr_aggregate *a;
    wr_type             result;
    weir_error          err;
    int64_t             counts[2] = { 0, 0 };
    char               *states[3] = { (char *) &counts[0], (char *) &counts[1], (char *) &counts[0] };
    assert_int_equal(wr_aggregate_resolve("count", NULL, 0, &a, NULL, &result, &err), WEIR_OK);
    a->update(NULL, states, 0, NULL, (wr_rows){ NULL, 3 });
    assert_int_equal(counts[0], 2);
    assert_int_equal(counts[1], 1);
    a->retract(NULL, states, 0, NULL, (wr_rows){ NULL, 1 });
    assert_int_equal(counts[0], 1);
}

/* --- distinct: exact while small, within its error when large, the same however it is merged --- */

static void
distinct_is_counted(void **state)
{
    enum { GROUPS = 4 };
    static const uint32_t counts[] = { 0, 1, 63, 64, 65, 1000, 100000 };
    wr_type               types[1] = { test_type("int8") }, wanted[1], result;
    const wr_aggregate   *a;
    weir_error            err;
    assert_int_equal(wr_aggregate_resolve("approx_count_distinct", types, 1, &a, wanted, &result, &err),
                     WEIR_OK);
    for (size_t n = 0; n < WR_COUNT(counts); n++) {
        agg_case  c = { .a = a, .arg_count = 1 };
        agg_state one, parts[GROUPS];
        wr_arena_init(&c.arena, NULL);
        c.ctx = (wr_agg_ctx){ .arena = &c.arena, .args = types, .arg_count = 1, .result = result };
        state_init(&c, &one);
        for (int g = 0; g < GROUPS; g++)
            state_init(&c, &parts[g]);
        for (uint32_t i = 0; i < counts[n] * 2; i++) { /* each value twice */
            wr_value   v = { .type = types[0], .integer = (int64_t) (i % WR_MAX(counts[n], 1u)) };
            wr_column *column = wr_column_create_constant(NULL, &v);
            a->update(&c.ctx, (char *[]){ one.bytes }, 0, &column, (wr_rows){ NULL, 1 });
            a->update(&c.ctx, (char *[]){ parts[i % GROUPS].bytes }, 0, &column, (wr_rows){ NULL, 1 });
            wr_column_release(column);
        }
        for (int g = 1; g < GROUPS; g++)
            a->merge(&c.ctx, parts[0].bytes, parts[g].bytes);
        wr_text text;
        wr_text_init(&text, NULL);
        state_result(&c, &one, &text);
        double got = strtod(wr_text_string(&text), NULL), want = (double) counts[n];
        if (fabs(got - want) > (counts[n] <= 64 ? 0.0 : 0.05 * want))
            fail_msg("%u distinct values: got %s", counts[n], wr_text_string(&text));
        expect(&c, &parts[0], wr_text_string(&text), "merged");
        wr_text_fini(&text);
        wr_arena_fini(&c.arena);
    }
}

static bool
row_is_of(const wr_aggregate *a, const char *name, const char *const *types, uint32_t count)
{
    wr_type             given[2], wanted[2], result;
    const wr_aggregate *found;
    for (uint32_t i = 0; i < count; i++)
        given[i] = test_type(types[i]);
    return strcmp(a->name, name) == 0 &&
           wr_aggregate_resolve(name, given, count, &found, wanted, &result, NULL) == WEIR_OK &&
           found == a;
}

static void
visit_tested(const wr_aggregate *a, void *user)
{
    static const char *const known[] = { "first",  "first_value", "last",    "last_value", "any_value",
                                         "min_by", "arg_min",     "max_by", "arg_max",
                                         "approx_count_distinct", "percentile_cont",
                                         "percentile_cont desc", "percentile_disc",
                                         "percentile_disc desc", "json_agg rows", "mode", "mode desc", "median",
                                         "top_k", "histogram", "min_k", "max_k", "approx_percentile" };
    bool tested = a->arg_count == 0;
    for (size_t i = 0; i < WR_COUNT(known); i++)
        tested |= strcmp(a->name, known[i]) == 0;
    for (size_t i = 0; i < WR_COUNT(agg_rows) && !tested; i++)
        tested = row_is_of(a, agg_rows[i].name, agg_rows[i].types, agg_rows[i].types[1] ? 2 : 1);
    if (!tested)
        fail_msg("no data for %s(%s)", a->name, wr_type_name(a->args[0]));
    assert_true(a->update != NULL && a->merge != NULL && a->result_at != NULL &&
                a->encode != NULL && a->decode != NULL && a->doc != NULL);
}

static void
every_aggregate_is_tested(void **state)
{
    wr_aggregate_each(visit_tested, NULL);
}

WR_TESTS = {
    WR_TEST(agrees_with_postgresql), WR_TEST(keeps_the_right_row), WR_TEST(orders_and_counts),
    WR_TEST(counts_all_rows),        WR_TEST(distinct_is_counted),
    WR_TEST(starvation_is_told),     WR_TEST(every_aggregate_is_tested),
    { NULL, NULL },
};
