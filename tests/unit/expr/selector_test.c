/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selector_test.c -- L1..L3 of expr/selector.h: an index of random conditions gives the rows that a filter by each
 * condition gives, for every type, layout and density.
 */
#include "support/exprs.h"
#include "support/test.h"

#include "expr/selector.h"

#include <stdio.h>

typedef struct pool {
    const char *type, *as; /* the column's; of the constants */
    const char *values[16];
} pool;

static const pool pools[] = {
    { "int4", "int4", { "0", "1", "-1", "2", "3", "5", "7", "2147483647", "-2147483648" } },
    { "int2", "int4", { "0", "1", "-1", "2", "3", "32767", "-32768" } },
    { "int4", "int8", { "0", "1", "-1", "4", "2147483647", "-2147483648" } },
    { "int8", "int8", { "0", "9", "-9", "9223372036854775807", "-9223372036854775808", "1" } },
    { "bool", "bool", { "true", "false" } },
    { "float8", "float8",
      { "0", "-0", "NaN", "Infinity", "-Infinity", "1.5", "-1.5", "1e300", "2", "1e-320" } },
    { "float4", "float4", { "0", "-0", "NaN", "Infinity", "1.5", "-2.5", "0.1" } },
    { "float4", "float8", { "0", "-0", "NaN", "0.1", "1.5", "-Infinity" } },
    { "numeric", "numeric",
      { "0", "1", "1.0", "1.00", "-1", "NaN", "Infinity", "-Infinity", "0.0001", "123456789.5" } },
    { "numeric(12,2)", "numeric", { "0", "1.00", "-1.25", "99.99", "100", "1234567890.12" } },
    { "text", "text", { "", "a", "A", "ab", "b", "\xc3\xa4", "a long string of more than twelve",
                        "a long string of more than twelvf", "z" } },
    { "char(4)", "char(4)", { "", "a", "a  ", "b", "ab" } },
    { "bytea", "bytea", { "\\x", "\\x00", "\\x0001", "\\xff" } },
    { "date", "date", { "2024-02-29", "1970-01-01", "infinity", "-infinity", "0001-01-01" } },
    { "time", "time", { "00:00:00", "12:34:56.789", "23:59:59.999999" } },
    { "timestamp", "timestamp", { "2024-01-01", "1970-01-01", "infinity", "-infinity" } },
    { "timestamptz", "timestamptz", { "2024-01-01Z", "2024-01-01 00:00:00.000001Z", "infinity" } },
    { "interval", "interval", { "1 month", "30 days", "720:00:00", "0", "-1 day", "1 second" } },
    { "uuid", "uuid", { "00000000-0000-0000-0000-000000000000", "ffffffff-0000-0000-0000-000000000001",
                        "00000000-0000-0000-0000-000000000001" } },
};

static const char *
pool_value(const pool *p, wr_random *r)
{
    uint32_t n = 0;
    while (n < WR_COUNT(p->values) && p->values[n] != NULL)
        n++;
    return p->values[wr_random_below(r, n)];
}

/* column op constant, constant op column, column IN (...), or a conjunction of two comparisons. */
static wr_expr *
random_condition(wr_arena *arena, uint32_t column, const pool *p, wr_random *r)
{
    static const char *const ops[] = { "=", "=", "<", "<=", ">", ">=" };
    weir_error err = { 0 };
    wr_type    as = test_type(p->as);
    wr_expr   *c = wr_expr_column(arena, column, test_type(p->type));
    uint32_t   kind = (uint32_t) wr_random_below(r, 8);
    if (kind == 0) {
        wr_expr *args[6], *cast = NULL;
        uint32_t n = 1 + (uint32_t) wr_random_below(r, 5);
        assert_int_equal(wr_expr_cast(arena, c, WR_TYPE(as.id), WR_CAST_IMPLICIT, &cast, &err), WEIR_OK);
        args[0] = cast;
        for (uint32_t i = 1; i <= n; i++) {
            const char *text = wr_random_below(r, 10) == 0 ? NULL : pool_value(p, r);
            wr_value    v = test_value(arena, as, text);
            v.type = WR_TYPE(as.id);
            args[i] = wr_expr_constant(arena, &v);
        }
        wr_expr *in = wr_expr_make(arena, WR_EXPR_IN, WR_TYPE(WR_BOOL), args, n + 1);
        in->function = test_call(arena, "=", (wr_expr *[]){ args[0], args[1] }, 2, &err)->function;
        return in;
    }
    wr_value v = test_value(arena, as, pool_value(p, r));
    wr_expr *k = wr_expr_constant(arena, &v);
    bool     turned = wr_random_below(r, 3) == 0;
    wr_expr *made = test_call(arena, ops[wr_random_below(r, WR_COUNT(ops))],
                              (wr_expr *[]){ turned ? k : c, turned ? c : k }, 2, &err);
    assert_non_null(made);
    if (kind > 2)
        return made;
    wr_expr *other = random_condition(arena, column, p, r);
    return wr_expr_make(arena, WR_EXPR_AND, WR_TYPE(WR_BOOL), (wr_expr *[]){ made, other }, 2);
}

/* NULL: no selector says it. */
static wr_selector *
selector_of(wr_arena *arena, const wr_expr *condition)
{
    wr_selector *s = wr_arena_calloc(arena, 1, sizeof *s), second;
    bool         found = false;
    if (condition->kind != WR_EXPR_AND) {
        assert_int_equal(wr_selector_of(arena, condition, s, &found), WEIR_OK);
        return found ? s : NULL;
    }
    s = selector_of(arena, condition->args[0]);
    wr_selector *t = selector_of(arena, condition->args[1]);
    if (s == NULL || t == NULL)
        return NULL;
    second = *t;
    return wr_selector_and(s, &second) ? s : NULL;
}

enum { SELECTORS_MAX = 400, COLUMNS = 4 };

typedef struct trial {
    wr_arena           arena;
    wr_random          random;
    const pool        *pools[COLUMNS];
    wr_batch          *batch;
    wr_expr           *conditions[SELECTORS_MAX];
    const wr_selector *selectors[SELECTORS_MAX];
    uint32_t           count;
} trial;

static void
trial_batch(trial *t, uint32_t rows)
{
    wr_column   *columns[COLUMNS];
    const char **texts = wr_arena_calloc(&t->arena, rows + 1, sizeof *texts);
    for (uint32_t c = 0; c < COLUMNS; c++) {
        bool nulls = wr_random_below(&t->random, 2) == 0;
        for (uint32_t i = 0; i < rows; i++)
            texts[i] = nulls && wr_random_below(&t->random, 5) == 0 ? NULL
                                                                   : pool_value(t->pools[c], &t->random);
        columns[c] = test_column(test_type(t->pools[c]->type), texts, rows);
        if (wr_random_below(&t->random, 6) == 0 && rows > 0) { /* another layout */
            wr_column *made = wr_column_create_dictionary(NULL, columns[c], rows);
            for (uint32_t i = 0; i < rows; i++)
                ((uint16_t *) made->data)[i] = (uint16_t) wr_random_below(&t->random, rows);
            wr_column_release(columns[c]);
            columns[c] = made;
        }
    }
    t->batch = test_batch(columns, COLUMNS, rows);
    if (wr_random_below(&t->random, 2) == 0) {
        uint16_t *kept = wr_arena_alloc(&t->arena, (rows + 1) * sizeof *kept);
        uint32_t  n = 0;
        for (uint32_t i = 0; i < rows; i++)
            if (wr_random_below(&t->random, 3) != 0)
                kept[n++] = (uint16_t) i;
        wr_batch *some = wr_batch_select(NULL, t->batch, kept, n);
        wr_batch_release(t->batch);
        t->batch = some;
    }
}

static void
trial_conditions(trial *t, uint32_t wanted)
{
    for (uint32_t tries = 0; t->count < wanted && tries < 4 * wanted; tries++) {
        uint32_t     c = (uint32_t) wr_random_below(&t->random, COLUMNS);
        wr_expr     *e = random_condition(&t->arena, c, t->pools[c], &t->random);
        wr_selector *s = selector_of(&t->arena, e);
        if (s == NULL)
            continue;
        t->conditions[t->count] = e;
        t->selectors[t->count++] = s;
    }
}

static void
fail_with(const trial *t, uint32_t selector, uint64_t seed)
{
    wr_text text;
    wr_text_init(&text, NULL);
    wr_expr_print(t->conditions[selector], NULL, &text);
    fail_msg("seed %llu, %u selectors: %s over %s", (unsigned long long) seed, t->count,
             wr_text_string(&text), t->pools[t->selectors[selector]->column]->type);
}

static void
trial_compare(trial *t, uint64_t seed, uint32_t *dense)
{
    wr_selector_index   *index = NULL;
    wr_selector_matcher *matcher = NULL;
    wr_selection        *got = NULL;
    wr_eval              eval;
    uint16_t             want[4096], room[4096];
    const wr_selected   *by[SELECTORS_MAX] = { NULL };
    wr_eval_init(&eval, NULL);
    assert_int_equal(wr_selector_index_create(NULL, t->selectors, t->count, &index), WEIR_OK);
    assert_int_equal(wr_selector_matcher_create(NULL, index, &matcher), WEIR_OK);
    for (int again = 0; again < 2; again++) { /* a matcher keeps nothing of the batch before */
        wr_free(got);
        assert_int_equal(wr_selector_match(index, matcher, NULL, t->batch, &got), WEIR_OK);
    }
    for (uint32_t i = 0; i < got->count; i++) {
        assert_null(by[got->list[i].selector]);
        by[got->list[i].selector] = &got->list[i];
    }
    for (uint32_t s = 0; s < t->count; s++) {
        uint32_t        wanted = 0, count = 0;
        const uint16_t *rows = room;
        assert_int_equal(wr_expr_filter(&eval, t->conditions[s], t->batch, wr_batch_rows(t->batch), want,
                                        &wanted),
                         WEIR_OK);
        if (by[s] != NULL)
            rows = wr_selected_rows(index, by[s], t->batch, room, &count);
        *dense += by[s] != NULL && by[s]->rows == NULL;
        if (count != wanted || (count > 0 && memcmp(rows, want, count * sizeof *rows) != 0))
            fail_with(t, s, seed);
        wr_eval_reset(&eval);
    }
    wr_free(got);
    wr_selector_matcher_destroy(matcher);
    wr_selector_index_destroy(index);
    wr_eval_fini(&eval);
}

static void
random_conditions_select_what_filters_do(void **state) /* L1 */
{
    uint32_t dense = 0, all = 0, made[WR_COUNT(pools)] = { 0 };
    (void) state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        static trial t;
        t = (trial){ 0 };
        wr_arena_init(&t.arena, NULL);
        wr_random_init(&t.random, seed);
        for (uint32_t c = 0; c < COLUMNS; c++)
            t.pools[c] = &pools[wr_random_below(&t.random, WR_COUNT(pools))];
        trial_batch(&t, (uint32_t) wr_random_below(&t.random, seed % 8 == 0 ? 4096 : 64));
        trial_conditions(&t, 1 + (uint32_t) wr_random_below(&t.random, seed % 4 == 0 ? SELECTORS_MAX : 20));
        if (t.count > 0)
            trial_compare(&t, seed, &dense);
        all += t.count;
        for (uint32_t i = 0; i < t.count; i++)
            made[t.pools[t.selectors[i]->column] - pools]++;
        wr_batch_release(t.batch);
        wr_arena_fini(&t.arena);
    }
    assert_true(dense > 0 && dense < all); /* both ways were taken */
    for (size_t i = 0; i < WR_COUNT(pools); i++)
        assert_true(made[i] > 0);
}

/* What is no selector: something that can fail, NULL, another column, narrowing casts. */
static void
other_conditions_are_refused(void **state)
{
    wr_arena    arena;
    weir_error  err = { 0 };
    wr_selector s;
    bool        found = true;
    (void) state;
    wr_arena_init(&arena, NULL);
    wr_value null = wr_value_null(WR_TYPE(WR_INT4)), five = test_value(&arena, WR_TYPE(WR_INT4), "5");
    wr_expr *a = wr_expr_column(&arena, 0, WR_TYPE(WR_INT4)), *b = wr_expr_column(&arena, 1, WR_TYPE(WR_INT4));
    wr_expr *cases[] = {
        test_call(&arena, "=", (wr_expr *[]){ a, b }, 2, &err),
        test_call(&arena, "=", (wr_expr *[]){ a, wr_expr_constant(&arena, &null) }, 2, &err),
        test_call(&arena, "<>", (wr_expr *[]){ a, wr_expr_constant(&arena, &five) }, 2, &err),
        test_call(&arena, "=",
                  (wr_expr *[]){ test_call(&arena, "+", (wr_expr *[]){ a, b }, 2, &err),
                                 wr_expr_constant(&arena, &five) },
                  2, &err),
    };
    for (size_t i = 0; i < WR_COUNT(cases); i++) {
        assert_non_null(cases[i]);
        assert_int_equal(wr_selector_of(&arena, cases[i], &s, &found), WEIR_OK);
        assert_false(found);
    }
    wr_arena_fini(&arena);
}

WR_TESTS = {
    WR_TEST(random_conditions_select_what_filters_do),
    WR_TEST(other_conditions_are_refused),
    { NULL, NULL },
};
