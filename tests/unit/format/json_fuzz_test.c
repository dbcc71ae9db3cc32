/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_fuzz_test.c -- D1 of format/json_impl.h: the learned shapes, the parser behind them and the
 * strict parser of data/json.h agree on every document.
 *
 * Documents are made from a seed and damaged by a seeded mutator.  Each goes to a decoder that has
 * learned from all before it (with either kernel), to a fresh one that knows no shape, and to
 * wr_json_parse.
 */
#include "base/random.h"
#include "data/json.h"
#include "format/json_impl.h"
#include "support/decode.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>

static const char columns[] = "id int8, price numeric(12,2), name text, ok bool, ts timestamptz, "
                              "inner float8 '$.m.x', n int4, j jsonb";

static void
number_make(wr_random *r, wr_text *to)
{
    static const char *const odd[] = { "0",    "-0",       "1e3",  "1.0", "-1.50",  "12345678901234567",
                                       "1E-2", "0.000001", "1e99", "9223372036854775808", "-7", "00",
                                       "-",    "1.",       ".5",   "1e",  "2147483648" };
    if (wr_random_below(r, 4) == 0)
        wr_text_puts(to, odd[wr_random_below(r, WR_COUNT(odd))]);
    else
        wr_text_printf(to, "%lld", (long long) (wr_random_next(r) >> (8 + wr_random_below(r, 56))));
}

static void
string_make(wr_random *r, wr_text *to)
{
    static const char *const parts[] = { "a",      "hello world", "\\n",     "\\u00e9", "\\ud83d\\ude00",
                                         "caf\xc3\xa9", "\\\"",   "\\\\",    "/",       "0123456789abcdef",
                                         "{",      "}",           ",",       "\xff",    "\\ud800",
                                         "\\x",    "\\u12",       "\x01",    "[",       "\\u0000" };
    wr_text_putc(to, '"');
    for (uint64_t i = wr_random_below(r, 5); i > 0; i--)
        wr_text_puts(to, parts[wr_random_below(r, wr_random_below(r, 3) ? 13 : WR_COUNT(parts))]);
    wr_text_putc(to, '"');
}

static void
value_make(wr_random *r, wr_text *to, int depth)
{
    switch (wr_random_below(r, depth > 3 ? 5 : 8)) {
    case 0:
    case 1: number_make(r, to); return;
    case 2: string_make(r, to); return;
    case 3: wr_text_puts(to, wr_random_below(r, 2) ? "true" : "false"); return;
    case 4: wr_text_puts(to, "null"); return;
    case 5: wr_text_puts(to, "{}"); return;
    case 6:
        wr_text_putc(to, '[');
        for (uint64_t i = wr_random_below(r, 4); i > 0; i--) {
            value_make(r, to, depth + 1);
            if (i > 1)
                wr_text_puts(to, wr_random_below(r, 2) ? "," : " , ");
        }
        wr_text_putc(to, ']');
        return;
    default:
        wr_text_putc(to, '{');
        for (uint64_t i = wr_random_below(r, 3); i > 0; i--) {
            wr_text_puts(to, wr_random_below(r, 2) ? "\"x\":" : "\"y\" : ");
            value_make(r, to, depth + 1);
            if (i > 1)
                wr_text_putc(to, ',');
        }
        wr_text_putc(to, '}');
        return;
    }
}

static void
member_make(wr_random *r, wr_text *to, const char *key)
{
    uint64_t odd = wr_random_below(r, 12);
    wr_text_printf(to, "\"%s\":", key);
    if (odd == 0)
        value_make(r, to, 0);
    else if (strcmp(key, "id") == 0 || strcmp(key, "n") == 0)
        wr_text_printf(to, "%d", (int) wr_random_below(r, 1000000) - 1000);
    else if (strcmp(key, "price") == 0)
        wr_text_printf(to, odd < 6 ? "\"%d.%02d\"" : "%d.%02d", (int) wr_random_below(r, 10000),
                       (int) wr_random_below(r, 100));
    else if (strcmp(key, "ok") == 0)
        wr_text_puts(to, odd < 6 ? "true" : "false");
    else if (strcmp(key, "ts") == 0)
        wr_text_printf(to, "\"2026-0%d-%02dT%02d:%02d:%02d%sZ\"", 1 + (int) wr_random_below(r, 9),
                       1 + (int) wr_random_below(r, 31), (int) wr_random_below(r, 25),
                       (int) wr_random_below(r, 61), (int) wr_random_below(r, 61),
                       odd < 6 ? "" : odd < 9 ? ".5" : ".123456");
    else if (strcmp(key, "m") == 0) {
        wr_text_puts(to, "{\"x\":");
        number_make(r, to);
        wr_text_puts(to, odd < 9 ? "}" : ",\"z\":1}");
    } else if (strcmp(key, "j") == 0)
        value_make(r, to, 1);
    else
        string_make(r, to);
}

static void
document_make(wr_random *r, wr_text *to)
{
    static const char *const orders[][9] = {
        { "id", "price", "name", "ok", "ts", "m", "n", "j", NULL },
        { "name", "unknown", "id", "m", NULL },
        { "ts", "id", "ok", "price", "extra", NULL },
        { "id", "n", "n", "j", NULL },
        { "unknown", NULL },
    };
    const char *const *keys = orders[wr_random_below(r, WR_COUNT(orders))];
    wr_text_putc(to, '{');
    for (; *keys != NULL; keys++) {
        member_make(r, to, *keys);
        if (keys[1] != NULL)
            wr_text_puts(to, wr_random_below(r, 30) ? "," : " ,\n");
    }
    wr_text_putc(to, '}');
}

static void
document_damage(wr_random *r, wr_text *t)
{
    static const char marks[] = "\"\\{}[]:,0e-.tn \n\x80\xc3";
    for (uint64_t times = wr_random_below(r, 3); times > 0 && t->length > 1; times--) {
        size_t at = wr_random_below(r, t->length);
        switch (wr_random_below(r, 4)) {
        case 0: t->data[at] = marks[wr_random_below(r, sizeof marks - 1)]; break;
        case 1: t->data[at] = (char) wr_random_next(r); break;
        case 2: t->length = at + 1; break;
        default:
            memmove(t->data + at, t->data + at + 1, t->length - at - 1);
            t->length--;
            break;
        }
    }
}

/* Containers in a text column are kept as they are spelled, which a tree does not know. */
static bool spelling_counts;

/* The row that the strict parser's tree gives, or the code of the first value that does not fit. */
static weir_status
row_expect(wr_arena *arena, const wr_schema *schema, const wr_json *tree, wr_text *to)
{
    for (uint32_t c = 0; c < schema->field_count; c++) {
        const wr_field *f = &schema->fields[c];
        const wr_json  *v = tree;
        if (f->path != NULL) {
            v = wr_json_member(tree, "m", 1);
            v = v != NULL && v->kind == WR_JSON_OBJECT ? wr_json_member(v, "x", 1) : NULL;
        } else {
            v = wr_json_member(tree, f->name, strlen(f->name));
        }
        if (c > 0)
            wr_text_putc(to, '|');
        if (v == NULL || v->kind == WR_JSON_NULL) {
            wr_text_puts(to, "null");
            continue;
        }
        bool any = f->type.id == WR_TEXT || f->type.id == WR_JSONB;
        if ((v->kind >= WR_JSON_LIST && !any) ||
            (v->kind == WR_JSON_NUMBER && wr_type_is_time(f->type)))
            return WEIR_ROW_TYPE;
        wr_text     text;
        wr_value    value;
        weir_error  err;
        weir_status status;
        wr_text_init(&text, NULL);
        spelling_counts |= f->type.id == WR_TEXT && v->kind >= WR_JSON_LIST;
        if (v->kind == WR_JSON_STRING && f->type.id != WR_JSONB)
            wr_text_append(&text, v->text, v->length);
        else
            wr_json_print(v, &text);
        status = wr_value_parse(f->type, wr_text_string(&text), text.length, arena, &value, &err);
        if (status == WEIR_OK)
            wr_value_print(&value, to);
        wr_text_fini(&text);
        if (status != WEIR_OK)
            return status;
    }
    wr_text_putc(to, '\n');
    return WEIR_OK;
}

/* Leading and trailing bytes that may stand between records. */
static void
trim(const char **s, size_t *n)
{
    static const char between[] = " \n\r\t,[]";
    while (*n > 0 && **s != '\0' && strchr(between, **s) != NULL) {
        (*s)++;
        (*n)--;
    }
    while (*n > 0 && (*s)[*n - 1] != '\0' && strchr(between, (*s)[*n - 1]) != NULL)
        (*n)--;
}

/* Of repeated members all must fit, while the tree knows the last alone. */
static bool
has_repeats(const char *s)
{
    static const char *const keys[] = { "\"n\"", "\"x\"" };
    for (size_t i = 0; i < WR_COUNT(keys); i++) {
        const char *first = strstr(s, keys[i]);
        if (first != NULL && strstr(first + 1, keys[i]) != NULL)
            return true;
    }
    return false;
}

static uint64_t rows_seen, refused_seen;

/* The tree says what the row must be; the decoder may differ only where json.h says so. */
static void
compare_with_tree(wr_decoding *d, const char *s, size_t n, uint64_t round)
{
    wr_arena   arena;
    wr_json    tree;
    weir_error err;
    wr_text    row;
    wr_arena_init(&arena, NULL);
    wr_text_init(&row, NULL);
    trim(&s, &n);
    bool strict = wr_json_parse(s, n, &arena, &tree, &err) == WEIR_OK && tree.kind == WR_JSON_OBJECT;
    spelling_counts = false;
    if (strict) {
        weir_status status = row_expect(&arena, d->schema, &tree, &row);
        if (d->row_count == 1 && d->bad_count == 0 && status == WEIR_OK) {
            if (!spelling_counts &&
                strcmp(wr_text_string(&d->rows), wr_text_string(&row)) != 0)
                fail_msg("round %llu: %.*s\n decoded  %s expected %s", (unsigned long long) round,
                         (int) n, s, wr_text_string(&d->rows), wr_text_string(&row));
            rows_seen++;
        } else if (d->row_count == 1 && status != WEIR_OK) {
            /* 1.0 and 1e3 are integers here; PostgreSQL's int8 wants digits alone */
            bool whole = strpbrk(s, ".eE") != NULL;
            if (!whole && !has_repeats(s))
                fail_msg("round %llu: %.*s\n decoded %s, should not", (unsigned long long) round,
                         (int) n, s, wr_text_string(&d->rows));
        } else if (status == WEIR_OK && d->row_count == 0 && !has_repeats(s)) {
            fail_msg("round %llu: %.*s\n refused: %s", (unsigned long long) round, (int) n, s,
                     wr_text_string(&d->bad));
        }
    } else {
        refused_seen++;
        if (d->row_count == 1 && d->bad_count == 0)
            fail_msg("round %llu: %.*s\n decoded %s, but: %s", (unsigned long long) round, (int) n,
                     s, wr_text_string(&d->rows), err.text);
    }
    wr_text_fini(&row);
    wr_arena_fini(&arena);
}

static void
three_parsers_agree(void **state)
{
    const char *env = getenv("WEIR_FUZZ_SEED"), *many = getenv("WEIR_FUZZ_ROUNDS");
    uint64_t    seed = env != NULL ? strtoull(env, NULL, 10) : 1;
    uint64_t    rounds = many != NULL ? strtoull(many, NULL, 10) : 100000;
    wr_decoding learned, fresh;
    wr_text     text;
    wr_random   r;
    wr_text_init(&text, NULL);
    wr_decoding_open(&learned, "json", columns, NULL);
    wr_decoding_open(&fresh, "json", columns, NULL);
    learned.capacity = fresh.capacity = 8;
    for (uint64_t round = 0; round < rounds; round++) {
        wr_random_init(&r, wr_mix64(seed * 1000003 + round));
        wr_text_clear(&text);
        document_make(&r, &text);
        if (round % 2 == 1)
            document_damage(&r, &text);
        if (__builtin_cpu_supports("avx2")) /* both kernels in turn */
            ((json_decoder *) learned.decoder)->kernel =
                round / 4 % 2 == 0 ? wr_json_kernel_avx2 : wr_json_kernel_sse;
        wr_text_clear(&learned.rows);
        wr_text_clear(&learned.bad);
        learned.row_count = learned.bad_count = 0;
        wr_decoding_reset(&fresh);
        const char *s = wr_text_string(&text);
        assert_int_equal(wr_decoding_run(&learned, s, text.length, 0), WEIR_OK);
        assert_int_equal(wr_decoding_run(&fresh, s, text.length, round % 7 == 0 ? 5 : 0), WEIR_OK);
        if (strcmp(wr_text_string(&learned.rows), wr_text_string(&fresh.rows)) != 0 ||
            strcmp(wr_text_string(&learned.bad), wr_text_string(&fresh.bad)) != 0)
            fail_msg("seed %llu round %llu: %.*s\n by shape  %s%s\n by parser %s%s",
                     (unsigned long long) seed, (unsigned long long) round, (int) text.length, s,
                     wr_text_string(&learned.rows), wr_text_string(&learned.bad),
                     wr_text_string(&fresh.rows), wr_text_string(&fresh.bad));
        wr_text_putc(&text, '\0');
        compare_with_tree(&learned, wr_text_string(&text), text.length - 1, round);
    }
    print_message("seed %llu: %llu rows compared, %llu documents refused\n",
                  (unsigned long long) seed, (unsigned long long) rows_seen,
                  (unsigned long long) refused_seen);
    assert_true(rounds < 1000 || (rows_seen > rounds / 8 && refused_seen > rounds / 8));
    wr_decoding_close(&learned);
    wr_decoding_close(&fresh);
    wr_text_fini(&text);
}

WR_TESTS = {
    WR_TEST(three_parsers_agree),
    { NULL, NULL },
};
