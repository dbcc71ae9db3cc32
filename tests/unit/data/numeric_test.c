/* SPDX-License-Identifier: Apache-2.0 */
/* numeric_test.c -- N1, N2 and N4 of data/numeric.h, floats, and the bounds of machine integers. */
#include "support/test.h"

#include "data/float.h"
#include "data/numeric.h"
#include "unit/data/numeric_rows.h"

#include <math.h>
#include <stdlib.h>

static const char *
status_word(weir_status status)
{
    switch ((int)status) {
    case WEIR_ROW_OVERFLOW: return "!overflow";
    case WEIR_ROW_DIVISION_BY_ZERO: return "!division";
    case WEIR_ROW_INVALID_ARGUMENT: return "!argument";
    case WEIR_ROW_TYPE: return "!type";
    default: return weir_status_name(status);
    }
}

typedef weir_status (*binary)(const wr_string *, const wr_string *, wr_arena *, wr_string *);
typedef weir_status (*unary)(const wr_string *, wr_arena *, wr_string *);
typedef weir_status (*scaled)(const wr_string *, int, wr_arena *, wr_string *);

static const struct {
    const char *name;
    binary fn;
} binaries[] = { { "add", wr_num_add },           { "sub", wr_num_subtract },
                 { "mul", wr_num_multiply },      { "div", wr_num_divide },
                 { "divt", wr_num_divide_trunc }, { "mod", wr_num_modulo },
                 { "log", wr_num_log },           { "pow", wr_num_power } };
static const struct {
    const char *name;
    unary fn;
} unaries[] = { { "neg", wr_num_negate },  { "abs", wr_num_abs },   { "ceil", wr_num_ceil },
                { "floor", wr_num_floor }, { "sqrt", wr_num_sqrt }, { "exp", wr_num_exp },
                { "ln", wr_num_ln } };
static const struct {
    const char *name;
    scaled fn;
} scaleds[] = { { "round", wr_num_round }, { "trunc", wr_num_trunc } };

/* Numbers from floats and floats themselves. */
static bool
float_row(const char *op, const char *a, wr_arena *arena, wr_text *to, weir_status *status)
{
    double wide = 0;
    float narrow = 0;
    wr_string num;
    if (strncmp(op, "f8", 2) != 0 && strncmp(op, "f4", 2) != 0)
        return false;
    bool is_wide = op[1] == '8', as_num = strcmp(op + 2, "num") == 0;
    if (op[2] != '\0' && !as_num)
        return false;
    *status =
        is_wide ? wr_float8_parse(a, strlen(a), &wide) : wr_float4_parse(a, strlen(a), &narrow);
    if (*status == WEIR_OK && as_num)
        *status = is_wide ? wr_num_from_double(wide, arena, &num)
                          : wr_num_from_float(narrow, arena, &num);
    if (*status != WEIR_OK)
        return true;
    if (as_num)
        wr_num_print(&num, to);
    else if (is_wide)
        wr_float8_print(wide, to);
    else
        wr_float4_print(narrow, to);
    return true;
}

/* Operations whose result is no num. */
static bool
other_row(const char *op, const wr_string *a, const wr_string *b, int k, wr_text *to,
          weir_status *status)
{
    int64_t integer;
    wr_int128 wide;
    if (strcmp(op, "i8") == 0) {
        *status = wr_num_to_int64(a, &integer);
        if (*status == WEIR_OK)
            wr_text_put_int(to, integer);
    } else if (strcmp(op, "i128") == 0) {
        *status = wr_num_to_int128(a, k, &wide) ? WEIR_OK : WEIR_ROW_OVERFLOW;
        if (*status == WEIR_OK)
            wr_int128_print(wide, k, to);
    } else if (strcmp(op, "f8of") == 0) {
        double d = wr_num_to_double(a);
        *status = isinf(d) && !wr_num_is_infinite(a) ? WEIR_ROW_OVERFLOW : WEIR_OK;
        if (*status == WEIR_OK)
            wr_float8_print(d, to);
    } else if (strcmp(op, "cmp") == 0) {
        wr_text_put_int(to, wr_num_compare(a, b));
    } else if (strcmp(op, "mins") == 0) {
        wr_text_put_int(to, wr_num_min_scale(a));
    } else {
        return false;
    }
    return true;
}

static weir_status
num_row(const char *op, const wr_string *a, const wr_string *b, int k, wr_arena *arena,
        wr_string *out)
{
    for (size_t i = 0; i < WR_COUNT(binaries); i++)
        if (strcmp(op, binaries[i].name) == 0)
            return binaries[i].fn(a, b, arena, out);
    for (size_t i = 0; i < WR_COUNT(unaries); i++)
        if (strcmp(op, unaries[i].name) == 0)
            return unaries[i].fn(a, arena, out);
    for (size_t i = 0; i < WR_COUNT(scaleds); i++)
        if (strcmp(op, scaleds[i].name) == 0)
            return scaleds[i].fn(a, k, arena, out);
    assert_string_equal(op, "id");
    *out = *a;
    return WEIR_OK;
}

static weir_status
row_evaluate(const char *const row[4], wr_arena *arena, wr_text *to)
{
    weir_status status = WEIR_OK;
    wr_string a, b = wr_string_make("", 0), out;
    if (float_row(row[0], row[1], arena, to, &status))
        return status;
    WR_TRY(wr_num_parse(row[1], strlen(row[1]), arena, &a));
    if (row[2][0] != '\0')
        WR_TRY(wr_num_parse(row[2], strlen(row[2]), arena, &b));
    if (other_row(row[0], &a, &b, atoi(row[2]), to, &status))
        return status;
    WR_TRY(num_row(row[0], &a, &b, atoi(row[2]), arena, &out));
    wr_num_print(&out, to);
    wr_string again; /* N4 */
    WR_TRY(wr_num_parse(wr_text_string(to), to->length, arena, &again));
    assert_true(wr_string_equal(&out, &again));
    return WEIR_OK;
}

static void
answers_are_postgresqls(void **state) /* N1, N2 */
{
    (void)state;
    wr_arena arena;
    wr_text text;
    wr_arena_init(&arena, NULL);
    wr_text_init(&text, NULL);
    for (size_t i = 0; i < WR_COUNT(numeric_rows); i++) {
        const char *const *row = numeric_rows[i];
        wr_arena_reset(&arena);
        wr_text_clear(&text);
        weir_status status = row_evaluate(row, &arena, &text);
        const char *got = status == WEIR_OK ? wr_text_string(&text) : status_word(status);
        if (strcmp(got, row[3]) != 0)
            fail_msg("%s(%s, %s): %s, want %s", row[0], row[1], row[2], got, row[3]);
    }
    wr_text_fini(&text);
    wr_arena_fini(&arena);
}

static void
small_numbers_need_no_memory(void **state)
{
    (void)state;
    wr_arena arena;
    wr_string a, b, sum;
    wr_arena_init(&arena, NULL);
    assert_int_equal(wr_num_from_int128(1234, 2, &arena, &a), WEIR_OK);
    assert_int_equal(wr_num_parse("99999.5", 7, &arena, &b), WEIR_OK);
    assert_int_equal(wr_num_add(&a, &b, &arena, &sum), WEIR_OK);
    assert_int_equal(arena.bytes, 0);
    wr_arena_fini(&arena);
}

static void
limits_are_statuses(void **state) /* N2 */
{
    (void)state;
    wr_arena arena;
    wr_string top, out;
    wr_text text;
    wr_arena_init(&arena, NULL);
    wr_text_init(&text, NULL);
    assert_int_equal(wr_num_parse("9e131071", 8, &arena, &top), WEIR_OK);
    wr_num_print(&top, &text);
    assert_int_equal(text.length, 131072);
    assert_int_equal(wr_num_add(&top, &top, &arena, &out), WEIR_ROW_OVERFLOW);
    assert_int_equal(wr_num_multiply(&top, &top, &arena, &out), WEIR_ROW_OVERFLOW);
    assert_int_equal(wr_num_parse("1e-16383", 8, &arena, &out), WEIR_OK);
    assert_int_equal(wr_num_display_scale(&out), 16383);
    wr_string tiny = out;
    assert_int_equal(wr_num_multiply(&tiny, &tiny, &arena, &out), WEIR_OK);
    assert_int_equal(wr_num_sign(&out), 0); /* rounded away, as PostgreSQL does */
    assert_int_equal(wr_num_from_int128(1, 16384, &arena, &out), WEIR_ROW_OVERFLOW);
    assert_int_equal(wr_num_parse("12345", 5, &arena, &top), WEIR_OK);
    assert_int_equal(wr_num_apply_modifier(&top, 5, 0, &arena, &out), WEIR_OK);
    assert_int_equal(wr_num_apply_modifier(&top, 5, 1, &arena, &out), WEIR_ROW_OVERFLOW);
    assert_int_equal(wr_num_apply_modifier(&top, 3, -2, &arena, &out), WEIR_OK);
    wr_text_fini(&text);
    wr_arena_fini(&arena);
}

static void
out_of_memory_is_a_status(void **state)
{
    (void)state;
    wr_budget *budget = wr_budget_create(NULL, "tight", 3000);
    wr_arena arena;
    wr_string a, out;
    wr_arena_init(&arena, budget);
    assert_int_equal(wr_num_parse("1e100000", 8, &arena, &a), WEIR_OK); /* one digit, far up */
    assert_int_equal(wr_num_parse("0.1", 3, &arena, &out), WEIR_OK);
    wr_string b = out;
    assert_int_equal(wr_num_add(&a, &b, &arena, &out), WEIR_MEMORY);
    assert_int_equal(wr_num_parse("5000", 4, &arena, &a), WEIR_OK);
    assert_int_equal(wr_num_exp(&a, &arena, &out), WEIR_MEMORY);
    wr_arena_fini(&arena);
    wr_budget_destroy(budget);
}

static void
int128_reaches_its_ends(void **state)
{
    (void)state;
    const wr_int128 max = (wr_int128)(((unsigned __int128)1 << 127) - 1), min = -max - 1;
    static const char *const texts[] = { "1.70141183460469231731687303715884105727",
                                         "-1.70141183460469231731687303715884105728" };
    wr_arena arena;
    wr_text text;
    wr_arena_init(&arena, NULL);
    wr_text_init(&text, NULL);
    for (int i = 0; i < 2; i++) {
        wr_string num;
        wr_int128 value = i == 0 ? max : min, back;
        wr_text_clear(&text);
        wr_int128_print(value, 38, &text);
        assert_string_equal(wr_text_string(&text), texts[i]);
        assert_int_equal(wr_num_parse(text.data, text.length, &arena, &num), WEIR_OK);
        assert_true(wr_num_to_int128(&num, 38, &back) && back == value);
        assert_false(wr_num_to_int128(&num, 39, &back));
        assert_int_equal(wr_num_from_int128(value, 38, &arena, &num), WEIR_OK);
        wr_text_clear(&text);
        wr_num_print(&num, &text);
        assert_string_equal(wr_text_string(&text), texts[i]);
    }
    assert_true(wr_int128_power10(38) == wr_int128_power10(19) * wr_int128_power10(19));
    wr_text_fini(&text);
    wr_arena_fini(&arena);
}

static void
floats_read_back(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 200000; i++) {
        char text[WR_FLOAT_TEXT_MAX];
        double value, again;
        uint64_t bits = seed = seed * 6364136223846793005u + 1442695040888963407u;
        bits ^= bits >> 29;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        size_t length = wr_float8_write(value, text);
        assert_int_equal(wr_float8_parse(text, length, &again), WEIR_OK);
        assert_memory_equal(&value, &again, sizeof value);
    }
}

WR_TESTS = {
    WR_TEST(answers_are_postgresqls),
    WR_TEST(small_numbers_need_no_memory),
    WR_TEST(limits_are_statuses),
    WR_TEST(out_of_memory_is_a_status),
    WR_TEST(int128_reaches_its_ends),
    WR_TEST(floats_read_back),
    { NULL, NULL },
};
