/* SPDX-License-Identifier: Apache-2.0 */
/* agg_bag_test.c -- B1..B3 of expr/agg_bag.c: random rows in and out, against the rows that are left. */
#include "support/test.h"

#include "base/random.h"
#include "data/column.h"
#include "expr/agg_bag.h"

#include <stdio.h>
#include <string.h>

enum { VALUES = 40, STEPS = 4000 };

typedef struct bag_case {
    const wr_aggregate *inner, *bag;
    wr_type             type, result;
    wr_agg_ctx          ctx;
    wr_arena            arena, made;
} bag_case;

typedef struct bag_state {
    _Alignas(16) char bytes[512];
} bag_state;

static void
case_open(bag_case *c, const char *name, const char *type)
{
    wr_type    wanted[4];
    weir_error err;
    memset(c, 0, sizeof *c);
    assert_int_equal(wr_type_parse(type, strlen(type), &c->type, &err), WEIR_OK);
    if (wr_aggregate_resolve(name, &c->type, 1, &c->inner, wanted, &c->result, &err) != WEIR_OK)
        fail_msg("%s", err.text);
    wr_arena_init(&c->arena, NULL);
    wr_arena_init(&c->made, NULL);
    c->bag = wr_bag_aggregate_make(&c->made, c->inner, &c->type, 1, NULL, 0);
    assert_non_null(c->bag);
    c->ctx = (wr_agg_ctx){ .arena = &c->arena, .args = &c->type, .arg_count = 1,
                           .result = c->result, .aggregate = c->bag };
}

static void
case_close(bag_case *c)
{
    wr_arena_fini(&c->arena);
    wr_arena_fini(&c->made);
}

static wr_value
case_value(const bag_case *c, uint32_t n, wr_arena *arena)
{
    char       text[64];
    wr_value   v;
    weir_error err;
    if (c->type.id == WR_TEXT)
        snprintf(text, sizeof text, n % 2 == 0 ? "%u" : "a text that is long %u", n);
    else if (c->type.id == WR_NUMERIC)
        snprintf(text, sizeof text, n % 3 == 0 ? "%u.00" : "%u", n % 3 == 0 ? n / 3 : n);
    else if (c->type.id == WR_FLOAT8 && n < 3)
        snprintf(text, sizeof text, "%s", n == 0 ? "NaN" : n == 1 ? "-Infinity" : "-0");
    else
        snprintf(text, sizeof text, "%d", (int) n - 20);
    assert_int_equal(wr_value_parse(c->type, text, strlen(text), arena, &v, &err), WEIR_OK);
    return v;
}

static void
change(bag_case *c, bag_state *s, uint32_t n, int sign)
{
    wr_arena   scratch;
    wr_arena_init(&scratch, NULL);
    wr_value   v = case_value(c, n, &scratch);
    wr_column *column = wr_column_create_constant(NULL, &v);
    (sign > 0 ? c->bag->update : c->bag->retract)(&c->ctx, (char *[]){ s->bytes }, 0, &column,
                                                  (wr_rows){ NULL, 1 });
    wr_column_release(column);
    wr_arena_fini(&scratch);
}

static void
result(const wr_aggregate *a, wr_agg_ctx *ctx, bag_state *s, wr_text *to)
{
    wr_arena step;
    wr_value v;
    wr_arena_init(&step, NULL);
    wr_column *out = wr_column_create(NULL, ctx->result, 1);
    wr_text_clear(to);
    weir_status status = a->result_at(ctx, s->bytes, &step, out, 0);
    if (status != WEIR_OK)
        wr_text_printf(to, "!%d", (int) status);
    else if (wr_column_is_null(out, 0))
        wr_text_puts(to, "null");
    else {
        assert_int_equal(wr_column_get_value(out, 0, &step, &v), WEIR_OK);
        wr_value_print(&v, to);
    }
    wr_column_release(out);
    wr_arena_fini(&step);
}

/* What inner says of the values n with counts[n] > 0, fed in the order of their values. */
static void
expected(bag_case *c, const int *counts, wr_text *to)
{
    wr_arena   arena;
    wr_value   values[VALUES];
    uint32_t   order[VALUES];
    bag_state  s = { 0 };
    wr_arena_init(&arena, NULL);
    wr_agg_ctx ctx = { .arena = &arena, .args = &c->type, .arg_count = 1, .result = c->result,
                       .aggregate = c->inner };
    for (uint32_t i = 0; i < VALUES; i++) {
        values[i] = case_value(c, i, &arena);
        uint32_t at = i;
        for (; at > 0; at--) {
            int r = wr_value_compare(&values[order[at - 1]], &values[i]);
            if (r == 0 && wr_type_is_string(c->type))
                r = wr_string_compare(&values[order[at - 1]].string, &values[i].string);
            if (r <= 0)
                break;
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
    if (c->inner->init != NULL)
        c->inner->init(&ctx, s.bytes);
    for (uint32_t i = 0; i < VALUES; i++)
        for (int k = 0; k < counts[order[i]]; k++) {
            wr_column *column = wr_column_create_constant(NULL, &values[order[i]]);
            c->inner->update(&ctx, (char *[]){ s.bytes }, 0, &column, (wr_rows){ NULL, 1 });
            wr_column_release(column);
        }
    result(c->inner, &ctx, &s, to);
    wr_arena_fini(&arena);
}

/* Encoded, decoded, and merged into an empty bag in another arena: the same bag (G2, G4). */
static void
carry(bag_case *c, bag_state *s, wr_arena *other)
{
    wr_snapshot_writer w;
    wr_snapshot_reader r;
    bag_state          copy = { 0 };
    wr_snapshot_writer_init(&w, NULL);
    wr_snapshot_begin(&w, 3);
    c->bag->encode(&c->ctx, s->bytes, &w);
    wr_snapshot_end(&w);
    assert_int_equal(wr_snapshot_finish(&w), WEIR_OK);
    wr_snapshot_reader_init(&r, w.bytes.data, w.bytes.length, WR_GROUPS_ALL);
    assert_true(wr_snapshot_next(&r));
    assert_int_equal(c->bag->decode(&c->ctx, copy.bytes, &r), WEIR_OK);
    c->ctx.arena = other;
    memset(s, 0, sizeof *s);
    c->bag->merge(&c->ctx, s->bytes, copy.bytes);
    wr_snapshot_writer_fini(&w);
}

static void
run(const char *name, const char *type, uint64_t seed)
{
    bag_case  c;
    bag_state s = { 0 };
    int       counts[VALUES] = { 0 };
    wr_random random;
    wr_arena  other;
    wr_text   have, want;
    uint64_t  unknown = 0;
    wr_random_init(&random, seed);
    wr_arena_init(&other, NULL);
    wr_text_init(&have, NULL);
    wr_text_init(&want, NULL);
    case_open(&c, name, type);
    for (int i = 0; i < STEPS; i++) {
        uint32_t n = (uint32_t) wr_random_below(&random, VALUES);
        bool     out = wr_random_below(&random, 100) < (i < STEPS / 2 ? 40u : 55u);
        unknown += out && counts[n] <= 0;
        counts[n] += out ? -1 : 1;
        change(&c, &s, n, out ? -1 : 1);
        assert_int_equal(c.ctx.unknown, unknown);
        if (i == STEPS / 3)
            carry(&c, &s, &other);
        if (i % 97 != 0 && i + 1 != STEPS)
            continue;
        result(c.bag, &c.ctx, &s, &have);
        expected(&c, counts, &want);
        if (strcmp(wr_text_string(&have), wr_text_string(&want)) != 0)
            fail_msg("%s(%s) step %d: %s, expected %s", name, type, i, wr_text_string(&have),
                     wr_text_string(&want));
    }
    for (uint32_t n = 0; n < VALUES; n++) /* B2: what was owed comes, what came goes */
        for (; counts[n] != 0; counts[n] += counts[n] > 0 ? -1 : 1)
            change(&c, &s, n, counts[n] > 0 ? -1 : 1);
    result(c.bag, &c.ctx, &s, &have);
    expected(&c, counts, &want);
    assert_string_equal(wr_text_string(&have), wr_text_string(&want));
    assert_false(c.ctx.failed);
    wr_text_fini(&have);
    wr_text_fini(&want);
    wr_arena_fini(&other);
    case_close(&c);
}

static void
any_aggregate_takes_rows_back(void **state)
{
    static const struct {
        const char *name, *type;
    } rows[] = { { "min", "int4" },           { "max", "int8" },
                 { "max", "float8" },         { "min", "float8" },
                 { "max", "numeric" },        { "min", "text" },
                 { "array_agg", "int4" },     { "array_agg", "numeric" },
                 { "sum", "float8" },         { "avg", "float8" },
                 { "stddev_samp", "float8" }, { "bit_or", "int4" },
                 { "first", "text" },         { "approx_count_distinct", "int8" },
                 { "jsonb_agg", "int4" },     { "max", "timestamp" } };
    (void) state;
    for (size_t i = 0; i < WR_COUNT(rows); i++) {
        bool timed = strcmp(rows[i].type, "timestamp") == 0;
        for (uint64_t seed = 1; seed <= (timed ? 0u : 3u); seed++)
            run(rows[i].name, rows[i].type, seed);
    }
}

/* Many blocks: 20,000 values in and out again, from both ends. */
static void
large_bags_keep_their_order(void **state)
{
    enum { MANY = 20000 };
    bag_case  c;
    bag_state s = { 0 };
    wr_text   text;
    (void) state;
    wr_text_init(&text, NULL);
    for (int way = 0; way < 3; way++) {
        case_open(&c, way == 2 ? "max" : "min", "int8");
        memset(&s, 0, sizeof s);
        for (int pass = 0; pass < 2; pass++)
            for (uint32_t i = 0; i < MANY; i++) {
                uint32_t   n = way == 0 ? i : way == 1 ? MANY - 1 - i : i * 7919 % MANY;
                wr_value   v = { .type = c.type, .integer = n };
                wr_column *column = wr_column_create_constant(NULL, &v);
                (pass == 0 ? c.bag->update : c.bag->retract)(
                    &c.ctx, (char *[]){ s.bytes }, 0, &column, (wr_rows){ NULL, 1 });
                wr_column_release(column);
            }
        assert_int_equal(c.ctx.unknown, 0);
        assert_true(c.ctx.idle_bytes > 0);
        result(c.bag, &c.ctx, &s, &text);
        assert_string_equal(wr_text_string(&text), "null");
        case_close(&c);
    }
    wr_text_fini(&text);
}

WR_TESTS = { WR_TEST(any_aggregate_takes_rows_back), WR_TEST(large_bags_keep_their_order),
             { NULL, NULL } };
