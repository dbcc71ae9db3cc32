/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differential/json.c -- the JSON decoder against yajl: what one takes the other takes, and gives the same values.
 *
 *   json_differential [DOCUMENTS] [SEED]
 *
 * Objects are made from a seed, half of them damaged in a place or two.  Each goes to yajl and to two decoders that have learned
 * the shapes of all before it: of one jsonb member among others that are passed over, and of typed columns.
 *
 * Where they may differ, and how:
 *   between records   blanks, commas and brackets are passed over, closed or not; several objects are so many records (of those
 *                     yajl is not asked)
 *   members twice     the last counts (yajl's tree has both); in a typed column each must fit
 *   \u0000            Weir refuses: no text value can hold it
 *   half surrogates   Weir refuses; yajl makes a question mark of them
 *   UTF-8             Weir refuses overlong forms, surrogates and what is above U+10FFFF; yajl looks at the lead bytes alone
 *   VT and FF         yajl takes them for blanks; RFC 8259 does not
 *   exponents         of five digits and more may be out of range
 */
#include "base/random.h"
#include "support/decode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>
#include <yajl/yajl_tree.h>

enum { DOCUMENT_MAX = 4000 };

/* --- documents --- */

static void
number_make(wr_random *r, wr_text *to)
{
    static const char *const odd[] = { "0",
                                       "-0",
                                       "1e3",
                                       "1.0",
                                       "-1.50",
                                       "12345678901234567",
                                       "1E-2",
                                       "0.000001",
                                       "1e99",
                                       "9223372036854775807",
                                       "-9223372036854775808",
                                       "9223372036854775808",
                                       "1e-320",
                                       "5e-324",
                                       "1.7976931348623157e308",
                                       "0.1",
                                       "100000000000000000000000",
                                       "3.141592653589793",
                                       "00",
                                       "-",
                                       "1.",
                                       ".5",
                                       "1e",
                                       "+1",
                                       "0x1",
                                       "NaN" };
    uint64_t kind = wr_random_below(r, 16);
    if (kind == 0)
        wr_text_puts(to, odd[wr_random_below(r, WR_COUNT(odd))]);
    else if (kind < 9)
        wr_text_printf(to, "%lld",
                       (long long)((int64_t)wr_random_next(r) >> (1 + wr_random_below(r, 62))));
    else if (kind < 13)
        wr_text_printf(to, "%.*g", (int)(1 + wr_random_below(r, 17)),
                       ldexp((double)wr_random_next(r), -(int)wr_random_below(r, 128)));
    else
        wr_text_printf(to, "%llu.%03llu", (unsigned long long)wr_random_below(r, 100000),
                       (unsigned long long)wr_random_below(r, 1000));
}

static void
string_make(wr_random *r, wr_text *to)
{
    static const char *const parts[] = { "a",
                                         "hello world",
                                         "\\n",
                                         "\\u00e9",
                                         "\\ud83d\\ude00",
                                         "caf\xc3\xa9",
                                         "\\\"",
                                         "\\\\",
                                         "/",
                                         "\\/",
                                         "0123456789abcdef",
                                         "{",
                                         "}",
                                         ",",
                                         ":",
                                         "[",
                                         "\\t",
                                         "\\u0041",
                                         "\xe2\x82\xac",
                                         "\xf0\x9f\x98\x80",
                                         "the quick brown fox jumps over the lazy dog",
                                         "\xff",
                                         "\\ud800",
                                         "\\x",
                                         "\\u12",
                                         "\x01",
                                         "\\u0000" };
    wr_text_putc(to, '"');
    for (uint64_t i = wr_random_below(r, 5); i > 0; i--)
        wr_text_puts(to,
                     parts[wr_random_below(r, wr_random_below(r, 40) != 0 ? 21 : WR_COUNT(parts))]);
    wr_text_putc(to, '"');
}

static void
blank_make(wr_random *r, wr_text *to)
{
    if (wr_random_below(r, 8) == 0)
        wr_text_puts(to, wr_random_below(r, 2) ? " " : "\t ");
}

static void
value_make(wr_random *r, wr_text *to, int depth)
{
    bool list = false;
    switch (wr_random_below(r, depth > 3 ? 5 : 8)) {
    case 0:
    case 1: number_make(r, to); return;
    case 2: string_make(r, to); return;
    case 3: wr_text_puts(to, wr_random_below(r, 2) ? "true" : "false"); return;
    case 4: wr_text_puts(to, "null"); return;
    case 5:
    case 6: list = true; break;
    default: break;
    }
    wr_text_putc(to, list ? '[' : '{');
    uint64_t count = wr_random_below(r, 4);
    for (uint64_t i = 0; i < count; i++) {
        if (i > 0)
            wr_text_putc(to, ',');
        blank_make(r, to);
        if (!list)
            wr_text_printf(to, "\"%c\":", (int)('a' + wr_random_below(r, 3)));
        value_make(r, to, depth + 1);
        blank_make(r, to);
    }
    wr_text_putc(to, list ? ']' : '}');
}

static void
member_make(wr_random *r, wr_text *to, const char *key)
{
    bool odd = wr_random_below(r, 24) == 0;
    wr_text_printf(to, "\"%s\"",
                   strcmp(key, "k") == 0 && wr_random_below(r, 32) == 0 ? "\\u006b" : key);
    blank_make(r, to);
    wr_text_putc(to, ':');
    blank_make(r, to);
    if (odd || *key == 'k' || *key == 'o')
        value_make(r, to, 0);
    else if (*key == 'i')
        wr_text_printf(to, "%lld",
                       (long long)((int64_t)wr_random_next(r) >> (1 + wr_random_below(r, 62))));
    else if (*key == 'f')
        number_make(r, to);
    else if (*key == 'b')
        wr_text_puts(to, wr_random_below(r, 2) ? "true" : "false");
    else
        string_make(r, to);
}

static void
document_make(wr_random *r, wr_text *to)
{
    static const char *const keys[] = { "i", "f", "other", "t", "k", "b" };
    uint64_t shuffled = wr_random_below(r, 8) == 0 ? wr_random_below(r, 6) : 0;
    bool first = true;
    wr_text_clear(to);
    blank_make(r, to);
    wr_text_putc(to, '{');
    for (uint64_t i = 0; i < WR_COUNT(keys); i++) {
        if (wr_random_below(r, 20) == 0)
            continue;
        if (!first)
            wr_text_putc(to, ',');
        first = false;
        blank_make(r, to);
        member_make(r, to, keys[(i + shuffled) % WR_COUNT(keys)]);
        if (wr_random_below(r, 64) == 0) { /* twice */
            wr_text_putc(to, ',');
            member_make(r, to, keys[(i + shuffled) % WR_COUNT(keys)]);
        }
    }
    wr_text_putc(to, '}');
    blank_make(r, to);
}

/* A byte changed, put in, taken out; a piece taken out or repeated; or the end cut off. */
static void
document_damage(wr_random *r, wr_text *d)
{
    static const char bytes[] = "{}[]\",:\\ 0123456789eE+-.truefalsnl/\xc3\xff\x01\x00\x0b";
    for (uint64_t n = 1 + wr_random_below(r, 3); n > 0 && d->length > 0; n--) {
        size_t at = (size_t)wr_random_below(r, d->length), rest = d->length - at;
        size_t piece = 1 + (size_t)wr_random_below(r, rest < 12 ? rest : 12);
        char byte = bytes[wr_random_below(r, sizeof bytes)];
        switch (wr_random_below(r, 6)) {
        case 0: d->data[at] = byte; break;
        case 1:
            wr_text_putc(d, ' ');
            memmove(d->data + at + 1, d->data + at, rest);
            d->data[at] = byte;
            break;
        case 2: piece = 1; /* FALLTHROUGH */
        case 3:
            memmove(d->data + at, d->data + at + piece, rest - piece);
            d->length -= piece;
            break;
        case 4: {
            char copy[12];
            memcpy(copy, d->data + at, piece);
            wr_text_append(d, copy, piece);
            memmove(d->data + at + piece, d->data + at, rest);
            break;
        }
        default: d->length = at; break;
        }
    }
}

/* --- where they may differ --- */

static bool
utf8_is_strict(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        unsigned c = p[i], more = c < 0x80                ? 0
                                  : c >= 0xc2 && c < 0xe0 ? 1
                                  : c >= 0xe0 && c < 0xf0 ? 2
                                  : c >= 0xf0 && c < 0xf5 ? 3
                                                          : 9;
        if (more == 9 || i + more >= n + (more == 0))
            return false;
        for (unsigned k = 1; k <= more; k++)
            if ((p[i + k] & 0xc0) != 0x80)
                return false;
        if ((c == 0xe0 && p[i + 1] < 0xa0) || (c == 0xed && p[i + 1] > 0x9f) ||
            (c == 0xf0 && p[i + 1] < 0x90) || (c == 0xf4 && p[i + 1] > 0x8f))
            return false;
        i += more + 1;
    }
    return true;
}

static bool
has(const wr_text *d, const char *what)
{
    return memmem(d->data, d->length, what, strlen(what)) != NULL;
}

static bool
has_odd_text(const wr_text *d)
{
    return has(d, "\\u0000") || has(d, "\\ud") || has(d, "\\uD") ||
           !utf8_is_strict((const unsigned char *)d->data, d->length);
}

static bool
has_large_exponent(const wr_text *d)
{
    for (size_t i = 0; i + 5 < d->length; i++)
        if (d->data[i] == 'e' || d->data[i] == 'E') {
            size_t k = i + 1 + (d->data[i + 1] == '+' || d->data[i + 1] == '-');
            size_t digits = 0;
            while (k + digits < d->length && d->data[k + digits] >= '0' &&
                   d->data[k + digits] <= '9')
                digits++;
            if (digits >= 5)
                return true;
        }
    return false;
}

/* --- yajl --- */

static bool
yajl_parses(const char *text, size_t length, const char *more)
{
    yajl_handle h = yajl_alloc(NULL, NULL, NULL);
    bool ok = yajl_parse(h, (const unsigned char *)text, length) == yajl_status_ok &&
              yajl_parse(h, (const unsigned char *)more, strlen(more)) == yajl_status_ok &&
              yajl_complete_parse(h) == yajl_status_ok;
    yajl_free(h);
    return ok;
}

/* Behind a whole value yajl lets half a token pass: with half of one already there, another would not. */
static bool
yajl_takes(const wr_text *d)
{
    return yajl_parses(d->data, d->length, "") && yajl_parses(d->data, d->length, "\"");
}

/* What stands between records taken off. */
static bool
yajl_takes_bare(const wr_text *d)
{
    size_t from = strspn(d->data, " \t\r,[]"), end = d->length;
    while (end > from && strchr(" \t\r,[]", d->data[end - 1]) != NULL)
        end--;
    return yajl_parses(d->data + from, end - from, "");
}

/* A number's digits without zeros at either end, and its power of ten. */
static void
number_put(const char *n, wr_text *to)
{
    char *digits = wr_alloc(NULL, strlen(n) + 1);
    int count = 0;
    long power = 0;
    bool point = false, negative = *n == '-';
    for (n += negative; *n != '\0' && *n != 'e' && *n != 'E'; n++) {
        if (*n == '.')
            point = true;
        else {
            power -= point;
            if (count > 0 || *n != '0')
                digits[count++] = *n;
        }
    }
    if (*n != '\0')
        power += strtol(n + 1, NULL, 10);
    for (; count > 0 && digits[count - 1] == '0'; count--)
        power++;
    if (count == 0)
        wr_text_puts(to, "0;");
    else
        wr_text_printf(to, "%s%.*se%ld;", negative ? "-" : "", count, digits, power);
    wr_free(digits);
}

static int
by_key(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    int order = strcmp(*x, *y);
    return order != 0 ? order : x < y ? -1 : 1;
}

static yajl_val
member_last(yajl_val object, const char *key)
{
    yajl_val found = NULL;
    for (size_t i = 0; i < object->u.object.len; i++)
        if (strcmp(object->u.object.keys[i], key) == 0)
            found = object->u.object.values[i];
    return found;
}

/* One text for equal values. */
static void
value_put(yajl_val v, wr_text *to)
{
    if (v == NULL || YAJL_IS_NULL(v))
        wr_text_puts(to, "null;");
    else if (YAJL_IS_TRUE(v) || YAJL_IS_FALSE(v))
        wr_text_puts(to, YAJL_IS_TRUE(v) ? "true;" : "false;");
    else if (YAJL_IS_NUMBER(v))
        number_put(v->u.number.r, to);
    else if (YAJL_IS_STRING(v))
        wr_text_printf(to, "%zu:%s;", strlen(v->u.string), v->u.string);
    else if (YAJL_IS_ARRAY(v)) {
        wr_text_putc(to, '[');
        for (size_t i = 0; i < v->u.array.len; i++)
            value_put(v->u.array.values[i], to);
        wr_text_putc(to, ']');
    } else {
        const char *keys[DOCUMENT_MAX];
        size_t count = 0;
        for (size_t i = 0; i < v->u.object.len && count < WR_COUNT(keys); i++)
            keys[count++] = v->u.object.keys[i];
        if (count > 0)
            qsort(keys, count, sizeof *keys, by_key);
        wr_text_putc(to, '{');
        for (size_t i = 0; i < count; i++)
            if (i == 0 || strcmp(keys[i - 1], keys[i]) != 0) {
                wr_text_printf(to, "%zu:%s=", strlen(keys[i]), keys[i]);
                value_put(member_last(v, keys[i]), to);
            }
        wr_text_putc(to, '}');
    }
}

/* --- comparing --- */

typedef struct differ {
    wr_decoding any, typed;
    wr_text theirs, ours;
    uint64_t accepted, refused, typed_rows, excused;
} differ;

static void
decode(wr_decoding *d, const wr_text *document)
{
    wr_text_clear(&d->rows);
    wr_text_clear(&d->bad);
    d->row_count = d->bad_count = 0;
    if (wr_decoding_run(d, document->data, document->length, 0) != WEIR_OK)
        abort();
}

static bool
differs(const wr_text *document, const char *how, const char *theirs, const char *ours)
{
    printf("%s\n  document %.*s\n  yajl     %s\n  weir     %s\n", how, (int)document->length,
           document->data, theirs, ours);
    return false;
}

/* The member k. */
static bool
any_same(differ *f, const wr_text *document, yajl_val tree)
{
    char why[300];
    f->any.rows.data[f->any.rows.length - 1] = '\0'; /* the row's end */
    yajl_val ours = yajl_tree_parse(f->any.rows.data, why, sizeof why);
    if (ours == NULL && strcmp(f->any.rows.data, "null") != 0)
        return differs(document, "what came out is no JSON", "", f->any.rows.data);
    wr_text_clear(&f->theirs);
    wr_text_clear(&f->ours);
    value_put(member_last(tree, "k"), &f->theirs);
    value_put(ours, &f->ours);
    bool same = strcmp(wr_text_string(&f->theirs), wr_text_string(&f->ours)) == 0;
    yajl_tree_free(ours);
    return same ||
           differs(document, "k differs", wr_text_string(&f->theirs), wr_text_string(&f->ours));
}

/* i, f, b, t, where they are of their columns' types. */
static bool
typed_same(differ *f, const wr_text *document, yajl_val tree)
{
    yajl_val i = member_last(tree, "i"), d = member_last(tree, "f"), b = member_last(tree, "b"),
             t = member_last(tree, "t");
    char whole[64] = "null", *at = f->typed.rows.data;
    if (i != NULL && !YAJL_IS_NULL(i)) {
        if (!YAJL_IS_NUMBER(i) || !YAJL_IS_INTEGER(i) || strpbrk(i->u.number.r, ".eE") != NULL)
            return true;
        snprintf(whole, sizeof whole, "%lld", YAJL_GET_INTEGER(i));
    }
    bool fits = (d == NULL || YAJL_IS_NULL(d) ||
                 (YAJL_IS_NUMBER(d) && YAJL_IS_DOUBLE(d) && isfinite(YAJL_GET_DOUBLE(d)))) &&
                (b == NULL || YAJL_IS_NULL(b) || YAJL_IS_TRUE(b) || YAJL_IS_FALSE(b)) &&
                (t == NULL || YAJL_IS_NULL(t) || YAJL_IS_STRING(t));
    if (!fits || (YAJL_IS_NUMBER(d) && YAJL_GET_DOUBLE(d) == 0 &&
                  strpbrk(d->u.number.r, "123456789") != NULL))
        return true; /* or too small: PostgreSQL refuses that */
    for (size_t n = 0; n < tree->u.object.len;
         n++) { /* each value of a name that stands twice must fit */
        const char *key = tree->u.object.keys[n];
        if (strlen(key) == 1 && strchr("ifbt", *key) != NULL &&
            member_last(tree, key) != tree->u.object.values[n])
            return true;
    }
    f->typed_rows++;
    if (f->typed.row_count != 1 || f->typed.bad_count != 0)
        return differs(document, "refused", "fits the columns", wr_text_string(&f->typed.bad));
    char *cells[4] = { at };
    for (int n = 1; n < 4; n++) {
        cells[n] = strchr(cells[n - 1], '|') + 1;
        cells[n][-1] = '\0';
    }
    f->typed.rows.data[f->typed.rows.length - 1] = '\0';
    bool none_d = d == NULL || YAJL_IS_NULL(d), none_b = b == NULL || YAJL_IS_NULL(b),
         none_t = t == NULL || YAJL_IS_NULL(t);
    bool same = strcmp(cells[0], whole) == 0 &&
                (none_d ? strcmp(cells[1], "null") == 0
                        : strtod(cells[1], NULL) == strtod(d->u.number.r, NULL)) &&
                strcmp(cells[2], none_b            ? "null"
                                 : YAJL_IS_TRUE(b) ? "t"
                                                   : "f") == 0 &&
                strcmp(cells[3], none_t ? "null" : t->u.string) == 0;
    if (same)
        return true;
    printf("  cells    %s, %s, %s, %s\n", cells[0], cells[1], cells[2], cells[3]);
    return differs(document, "columns differ", "", "");
}

static bool
document_same(differ *f, const wr_text *document)
{
    char why[300];
    bool taken = yajl_takes(document), odd = has_odd_text(document);
    decode(&f->any, document);
    decode(&f->typed, document);
    bool ours = f->any.row_count == 1 && f->any.bad_count == 0;
    if (memchr(document->data, '\v', document->length) != NULL ||
        memchr(document->data, '\f', document->length) != NULL) {
        f->excused++;
        return true;
    }
    if (!taken) {
        f->refused++;
        if (f->any.bad_count > 0 || f->any.row_count == 0)
            return true;
        bool excused = f->any.row_count > 1 || yajl_takes_bare(document);
        f->excused += excused;
        return excused || differs(document, "taken", "refused", wr_text_string(&f->any.rows));
    }
    yajl_val tree = yajl_tree_parse(document->data, why, sizeof why);
    if (tree == NULL ||
        !YAJL_IS_OBJECT(tree)) { /* another value by damage, such as a list of records */
        yajl_tree_free(tree);
        f->excused++;
        return true;
    }
    bool same = true;
    if (ours) {
        f->accepted++;
        same = odd || (any_same(f, document, tree) && typed_same(f, document, tree));
    } else if (odd || has_large_exponent(document))
        f->excused++;
    else
        same = differs(document, "refused", "taken", wr_text_string(&f->any.bad));
    yajl_tree_free(tree);
    return same;
}

int
main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000,
             seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1, wrong = 0;
    differ f = { 0 };
    wr_random r;
    wr_text document;
    wr_random_init(&r, seed);
    wr_text_init(&document, NULL);
    wr_text_init(&f.theirs, NULL);
    wr_text_init(&f.ours, NULL);
    wr_decoding_open(&f.any, "json", "k jsonb", "");
    wr_decoding_open(&f.typed, "json", "i int8, f float8, b bool, t text", "");
    f.any.capacity = f.typed.capacity = 8;
    for (uint64_t n = 0; n < count && wrong < 10; n++) {
        document_make(&r, &document);
        if (wr_random_below(&r, 2) == 0)
            document_damage(&r, &document);
        if (document.length == 0 || document.length > DOCUMENT_MAX ||
            memchr(document.data, '\n', document.length) != NULL)
            continue;
        wr_text_putc(&document, '\0'); /* for yajl's tree */
        document.length--;
        wrong += !document_same(&f, &document);
    }
    printf("json: %llu documents taken by both, %llu refused by yajl, %llu rows of typed columns, "
           "%llu where they may differ\n",
           (unsigned long long)f.accepted, (unsigned long long)f.refused,
           (unsigned long long)f.typed_rows, (unsigned long long)f.excused);
    printf("json differential: %llu passed, %llu failed\n",
           (unsigned long long)(f.accepted + f.refused), (unsigned long long)wrong);
    wr_decoding_close(&f.any);
    wr_decoding_close(&f.typed);
    wr_text_fini(&document);
    wr_text_fini(&f.theirs);
    wr_text_fini(&f.ours);
    return wrong > 0;
}
