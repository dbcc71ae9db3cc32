/* SPDX-License-Identifier: Apache-2.0 */
/* fn_registry_test.c -- the functions as a whole; those whose answer is not PostgreSQL's. */
#include "expr/function.h"
#include "support/fn_table.h"
#include "support/test.h"

enum { FUNCTIONS_MAX = 2000 };

typedef struct listing {
    const wr_function *list[FUNCTIONS_MAX];
    uint32_t           count;
} listing;

static void
listing_add(const wr_function *f, void *user)
{
    listing *l = user;
    assert_true(l->count < FUNCTIONS_MAX);
    l->list[l->count++] = f;
}

static void
every_function_is_described(void **state)
{
    listing l = { .count = 0 };
    (void) state;
    wr_function_each(listing_add, &l);
    assert_true(l.count > 400);
    for (uint32_t i = 0; i < l.count; i++) {
        const wr_function *f = l.list[i];
        assert_non_null(f->topic);
        assert_non_null(f->doc);
        assert_true(f->doc[0] != '\0');
        assert_true(f->arg_count <= WR_FUNCTION_ARGS_MAX);
        assert_true(f->optional <= f->arg_count);
        assert_true(f->scalar != NULL || f->vector != NULL);
        assert_true(!f->variadic || f->arg_count > 0);
    }
}

static bool
same_signature(const wr_function *a, const wr_function *b)
{
    if (a->scalar == b->scalar && a->vector == b->vector && a->result.id != b->result.id)
        return false; /* casts share kernels */
    if (strcmp(a->name, b->name) != 0 || a->arg_count != b->arg_count)
        return false;
    for (uint32_t i = 0; i < a->arg_count; i++)
        if (!wr_type_same(a->args[i], b->args[i]))
            return false;
    return true;
}

static bool
is_library(const wr_function *f)
{
    static const char *const topics[] = { "text",  "number", "time", "json",
                                          "array", "bytes",  "other" };
    for (size_t i = 0; i < WR_COUNT(topics); i++)
        if (strcmp(f->topic, topics[i]) == 0)
            return true;
    return false;
}

static void
no_signature_stands_twice(void **state)
{
    listing l = { .count = 0 };
    (void) state;
    wr_function_each(listing_add, &l);
    for (uint32_t i = 0; i < l.count; i++)
        for (uint32_t k = i + 1; k < l.count; k++)
            if (is_library(l.list[i]) && is_library(l.list[k]) &&
                same_signature(l.list[i], l.list[k]))
                fail_msg("%s stands twice", l.list[i]->name);
}

/* The table's clock says 2024-02-29 12:34:56.789 UTC. */
static void
clock_is_the_batch_s(void **state)
{
    static const wr_fn_case cases[] = {
        { "now", "2024-02-29 12:34:56.789+00", { NULL } },
        { "current_timestamp", "2024-02-29 12:34:56.789+00", { NULL } },
        { "transaction_timestamp", "2024-02-29 12:34:56.789+00", { NULL } },
        { "statement_timestamp", "2024-02-29 12:34:56.789+00", { NULL } },
        { "clock_timestamp", "2024-02-29 12:34:56.789+00", { NULL } },
        { "localtimestamp", "2024-02-29 12:34:56.789", { NULL } },
        { "current_date", "2024-02-29", { NULL } },
        { "localtime", "12:34:56.789", { NULL } },
        { "age", "4 years 1 mon 28 days", { "timestamp", "2020-01-01 00:00:00" } },
        { "age", "-1 days -12:00:00", { "timestamptz", "2024-03-01 12:00:00+00" } },
    };
    (void) state;
    wr_fn_table_check(cases, WR_COUNT(cases));
}

static void
beyond_the_range_is_an_error(void **state)
{
    static const wr_fn_case cases[] = {
        { "age", "!timestamp out of range", { "timestamp", "infinity", "timestamp", "infinity" } },
        { "make_interval", "!interval out of range", { "int4", "200000000" } },
        { "width_bucket",
          "6",
          { "float8", "0", "float8", "-1e308", "float8", "1e308", "int4", "10" } },
        { "date_trunc",
          "!timestamp out of range",
          { "text", "millennium", "timestamp", "4489-11-11 00:00:00 BC" } },
        { "repeat", "!requested length too large", { "text", "abc", "int4", "30000000" } },
    };
    (void) state;
    wr_fn_table_check(cases, WR_COUNT(cases));
}

static void
settings_are_refused(void **state)
{
    static const wr_fn_case cases[] = {
        { "current_setting",
          "!unrecognized configuration parameter \"data_directory\"",
          { "text", "data_directory" } },
    };
    (void) state;
    wr_fn_table_check(cases, WR_COUNT(cases));
}

static void
hostile_pattern_fails_the_row(void **state)
{
    static const wr_fn_case cases[] = {
        { "~",
          "!regular expression failed: too many steps",
          { "text", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", "text",
            "^(?:(?:a|aa)+)+$" } },
        { "~",
          "!invalid regular expression: lookbehind must have a bounded length",
          { "text", "ab", "text", "(?<=a*)b" } },
    };
    (void) state;
    wr_fn_table_check(cases, WR_COUNT(cases));
}

static weir_status
evaluate(wr_eval *eval, const char *name, wr_value *out)
{
    const wr_function *f;
    wr_type            result;
    WR_TRY(wr_function_resolve(name, NULL, 0, &f, NULL, &result, NULL));
    assert_int_equal(f->volatility, WR_VOLATILE);
    *out = (wr_value){ .type = result };
    return f->scalar(eval, 0, NULL, 0, out);
}

static void
random_values_follow_the_seed(void **state)
{
    wr_eval  a, b;
    wr_value x, y;
    (void) state;
    wr_eval_init(&a, NULL);
    wr_eval_init(&b, NULL);
    wr_random_init(&a.random, 7);
    wr_random_init(&b.random, 7);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(evaluate(&a, "random", &x), WEIR_OK);
        assert_int_equal(evaluate(&b, "random", &y), WEIR_OK);
        assert_true(x.real >= 0 && x.real < 1);
        assert_true(x.real == y.real);
    }
    assert_int_equal(evaluate(&a, "gen_random_uuid", &x), WEIR_OK);
    assert_int_equal(evaluate(&b, "gen_random_uuid", &y), WEIR_OK);
    assert_memory_equal(&x.uuid, &y.uuid, sizeof x.uuid);
    assert_int_equal(x.uuid.bytes[6] >> 4, 4);
    assert_int_equal(x.uuid.bytes[8] >> 6, 2);
    assert_int_equal(evaluate(&a, "gen_random_uuid", &x), WEIR_OK);
    assert_memory_not_equal(&x.uuid, &y.uuid, sizeof x.uuid);
    wr_eval_fini(&a);
    wr_eval_fini(&b);
}

WR_TESTS = {
    WR_TEST(every_function_is_described),
    WR_TEST(no_signature_stands_twice),
    WR_TEST(clock_is_the_batch_s),
    WR_TEST(beyond_the_range_is_an_error),
    WR_TEST(settings_are_refused),
    WR_TEST(hostile_pattern_fails_the_row),
    WR_TEST(random_values_follow_the_seed),
    { NULL, NULL },
};
