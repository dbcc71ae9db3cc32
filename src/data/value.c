/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/value.c -- boxed values: text in, text out, order (see value.h).
 *
 * Place       literals, casts, tests; sources and sinks for the types that have no quicker way.
 * State       none.
 * Invariants  V1  wr_value_parse of what wr_value_print wrote gives an equal value
 *             V2  wr_value_compare is a total order within a type
 */
#include "data/value.h"

#include "data/array.h"
#include "data/datetime.h"
#include "data/float.h"
#include "data/json.h"
#include "data/numeric.h"
#include "data/value_impl.h"

#include <math.h>
#include <string.h>
#include <strings.h>

/* ---- text in ---- */

static bool
is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void
trim(const char **text, size_t *length)
{
    while (*length > 0 && is_blank(**text)) {
        ++*text;
        --*length;
    }
    while (*length > 0 && is_blank((*text)[*length - 1]))
        --*length;
}

static weir_status
bool_parse(const char *p, size_t n, bool *out)
{
    static const struct {
        const char *word;
        uint8_t shortest; /* so many letters are enough */
        bool value;
    } words[] = { { "true", 1, true }, { "false", 1, false }, { "yes", 1, true },
                  { "no", 1, false },  { "on", 2, true },     { "off", 2, false },
                  { "1", 1, true },    { "0", 1, false } };
    trim(&p, &n);
    for (size_t i = 0; i < WR_COUNT(words); i++)
        if (n >= words[i].shortest && n <= strlen(words[i].word) &&
            strncasecmp(p, words[i].word, n) == 0) {
            *out = words[i].value;
            return WEIR_OK;
        }
    return WEIR_ROW_TYPE;
}

static weir_status
integer_parse(wr_type_id type, const char *p, size_t n, int64_t *out)
{
    trim(&p, &n);
    const char *end = p + n;
    bool negative = p < end && *p == '-';
    uint64_t u = 0, limit = type == WR_INT2 ? INT16_MAX : type == WR_INT4 ? INT32_MAX : INT64_MAX;
    p += p < end && (*p == '-' || *p == '+');
    if (p == end)
        return WEIR_ROW_TYPE;
    limit += negative;
    for (; p < end; p++) {
        unsigned d = (unsigned char)*p - (unsigned)'0';
        if (d > 9)
            return WEIR_ROW_TYPE;
        u = u < UINT64_MAX / 10 - 1 ? u * 10 + d : UINT64_MAX; /* stays too large */
    }
    if (u > limit)
        return WEIR_ROW_OVERFLOW;
    *out = (int64_t)(negative ? 0 - u : u);
    return WEIR_OK;
}

static weir_status
string_copy(const char *p, size_t n, wr_arena *arena, wr_string *out)
{
    if (n > WR_STRING_BYTES_MAX)
        return WEIR_ROW_TOO_LARGE;
    if (n > WR_STRING_INLINE_MAX && (p = wr_arena_strndup(arena, p, n)) == NULL)
        return WEIR_MEMORY;
    *out = wr_string_make(p, n);
    return WEIR_OK;
}

/* What lies beyond n characters may only be blanks. */
static weir_status
text_parse(wr_type type, const char *p, size_t n, wr_arena *arena, wr_string *out)
{
    if (!wr_utf8_is_valid(p, n))
        return WEIR_ROW_ENCODING;
    if (type.modifier < 0)
        return string_copy(p, n, arena, out);
    size_t max = (size_t)type.modifier, kept = n <= max ? n : wr_utf8_offset(p, n, max);
    for (size_t i = kept; i < n; i++)
        if (p[i] != ' ')
            return WEIR_ROW_TOO_LARGE;
    size_t missing = type.id == WR_BPCHAR ? max - wr_utf8_count(p, kept) : 0;
    if (missing == 0)
        return string_copy(p, kept, arena, out);
    char *padded = wr_arena_alloc(arena, kept + missing);
    if (padded == NULL)
        return WEIR_MEMORY;
    memcpy(padded, p, kept);
    memset(padded + kept, ' ', missing);
    *out = wr_string_make(padded, kept + missing);
    return WEIR_OK;
}

/* Round microseconds to so many digits, halves away from zero. */
static int64_t
us_round(int64_t us, int digits)
{
    static const int64_t steps[] = { 1000000, 100000, 10000, 1000, 100, 10, 1 };
    if (digits < 0 || digits >= 6)
        return us;
    int64_t step = steps[digits], half = step / 2, rounded;
    bool fits = us >= 0 ? !__builtin_add_overflow(us, half, &rounded)
                        : !__builtin_sub_overflow(us, half, &rounded);
    return fits ? rounded / step * step : us;
}

static weir_status
timestamp_parse(wr_type type, const char *p, size_t n, int64_t *out, weir_error *err)
{
    /* PostgreSQL's zero: halves round away from it. */
    const int64_t year_2000 = 946684800 * WR_US_PER_SECOND;
    WR_TRY(wr_timestamp_parse(p, n, type.id == WR_TIMESTAMPTZ, out, err));
    if (*out > WR_TIME_NEGINF && *out < WR_TIME_POSINF - WR_US_PER_SECOND)
        *out = us_round(*out - year_2000, type.modifier) + year_2000;
    return WEIR_OK;
}

static weir_status
numeric_parse(wr_type type, const char *p, size_t n, wr_arena *arena, wr_string *out)
{
    WR_TRY(wr_num_parse(p, n, arena, out));
    if (type.modifier < 0)
        return WEIR_OK;
    wr_string given = *out;
    return wr_num_apply_modifier(&given, type.modifier, type.scale, arena, out);
}

static weir_status
json_parse(const char *p, size_t n, wr_arena *arena, wr_string *out, weir_error *err)
{
    WR_TRY(wr_json_validate(p, n, err));
    return string_copy(p, n, arena, out);
}

/* err is filled by the parsers that say where; the others leave it to value_failed. */
static weir_status
value_parse(wr_type type, const char *p, size_t n, wr_arena *arena, wr_value *v, weir_error *err)
{
    weir_status status;
    float real4;
    int32_t days;
    switch ((wr_type_id)type.id) {
    case WR_BOOL: return bool_parse(p, n, &v->boolean);
    case WR_INT2:
    case WR_INT4:
    case WR_INT8: return integer_parse((wr_type_id)type.id, p, n, &v->integer);
    case WR_FLOAT4:
        status = wr_float4_parse(p, n, &real4);
        v->real = status == WEIR_OK ? (double)real4 : 0;
        return status;
    case WR_FLOAT8: return wr_float8_parse(p, n, &v->real);
    case WR_NUMERIC: return numeric_parse(type, p, n, arena, &v->string);
    case WR_UNKNOWN:
    case WR_TEXT:
    case WR_BPCHAR: return text_parse(type, p, n, arena, &v->string);
    case WR_BYTEA: return wr_bytea_parse(p, n, arena, &v->string);
    case WR_DATE:
        status = wr_date_parse(p, n, &days, err);
        v->integer = status == WEIR_OK ? days : 0;
        return status;
    case WR_TIME:
        WR_TRY(wr_timeofday_parse(p, n, &v->integer, err));
        v->integer = us_round(v->integer, type.modifier);
        return WEIR_OK;
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ: return timestamp_parse(type, p, n, &v->integer, err);
    case WR_INTERVAL:
        WR_TRY(wr_interval_parse(p, n, NULL, &v->interval, err));
        v->interval.us = us_round(v->interval.us, type.modifier);
        return WEIR_OK;
    case WR_UUID: return wr_uuid_read(p, n, &v->uuid) ? WEIR_OK : WEIR_ROW_TYPE;
    case WR_JSON: return json_parse(p, n, arena, &v->string, err);
    case WR_JSONB: return wr_jsonb_parse(p, n, arena, &v->string, err);
    case WR_ARRAY: return wr_array_parse(wr_type_element(type), p, n, arena, &v->string, err);
    case WR_TYPE_COUNT: break;
    }
    wr_unreachable();
}

static weir_status
value_failed(weir_status status, wr_type type, const char *p, size_t n, weir_error *err)
{
    if (err == NULL || err->text[0] != '\0')
        return status;
    wr_text name;
    int shown = (int)WR_MIN(n, (size_t)100);
    wr_text_init(&name, NULL);
    wr_type plain = type;
    plain.modifier = -1;
    wr_type_print(plain, &name);
    const char *spelled = wr_text_string(&name);
    switch ((int)status) {
    case WEIR_ROW_OVERFLOW:
        if (type.id == WR_NUMERIC && type.modifier >= 0)
            wr_error_set(err, status,
                         "numeric field overflow: \"%.*s\" does not fit numeric(%d,%d)", shown, p,
                         (int)type.modifier, (int)type.scale);
        else
            wr_error_set(err, status, "value \"%.*s\" is out of range for type %s", shown, p,
                         spelled);
        break;
    case WEIR_ROW_TOO_LARGE:
        if (type.modifier >= 0)
            wr_error_set(err, status, "value too long for type %s(%d)",
                         type.id == WR_BPCHAR ? "character" : "character varying",
                         (int)type.modifier);
        else
            wr_error_set(err, status, "value too long for type %s", spelled);
        break;
    case WEIR_ROW_TYPE:
        wr_error_set(err, status, "invalid input syntax for type %s: \"%.*s\"", spelled, shown, p);
        break;
    default: wr_error_set(err, status, "%s", weir_status_text(status)); break;
    }
    wr_text_fini(&name);
    return status;
}

weir_status
wr_value_parse(wr_type type, const char *text, size_t length, wr_arena *arena, wr_value *out,
               weir_error *err)
{
    wr_value v = { .type = type };
    if (err != NULL)
        err->text[0] = '\0'; /* tells value_failed whether a parser has spoken */
    weir_status status = value_parse(type, text, length, arena, &v, err);
    if (WR_UNLIKELY(status != WEIR_OK))
        return value_failed(status, type, text, length, err);
    *out = v;
    return WEIR_OK;
}

/* ---- text out ---- */

void
wr_value_print(const wr_value *v, wr_text *to)
{
    char uuid[36];
    if (v->is_null)
        return;
    switch ((wr_type_id)v->type.id) {
    case WR_BOOL: wr_text_putc(to, v->boolean ? 't' : 'f'); return;
    case WR_INT2:
    case WR_INT4:
    case WR_INT8: wr_text_put_int(to, v->integer); return;
    case WR_FLOAT4: wr_float4_print((float)v->real, to); return;
    case WR_FLOAT8: wr_float8_print(v->real, to); return;
    case WR_NUMERIC: wr_num_print(&v->string, to); return;
    case WR_UNKNOWN:
    case WR_TEXT:
    case WR_BPCHAR:
    case WR_JSON:
    case WR_JSONB: wr_text_append(to, wr_string_data(&v->string), v->string.length); return;
    case WR_BYTEA: wr_bytea_print(&v->string, to); return;
    case WR_DATE: wr_date_print((int32_t)v->integer, to); return;
    case WR_TIME: wr_timeofday_print(v->integer, to); return;
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ: wr_timestamp_print(v->integer, v->type.id == WR_TIMESTAMPTZ, to); return;
    case WR_INTERVAL: wr_interval_print(&v->interval, to); return;
    case WR_UUID:
        wr_uuid_write(&v->uuid, uuid);
        wr_text_append(to, uuid, sizeof uuid);
        return;
    case WR_ARRAY: wr_array_print(&v->string, to); return;
    case WR_TYPE_COUNT: break;
    }
    wr_unreachable();
}

/* JSON as given, without the white space between its tokens: it must not break a line in two. */
static void
json_print_line(const wr_string *json, wr_text *to)
{
    const char *p = wr_string_data(json), *end = p + json->length, *run = p;
    bool quoted = false;
    for (; p < end; p++) {
        if (*p == '"') {
            quoted = !quoted;
        } else if (quoted && *p == '\\' && p + 1 < end) {
            p++;
        } else if (!quoted && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) {
            wr_text_append(to, run, (size_t)(p - run));
            run = p + 1;
        }
    }
    wr_text_append(to, run, (size_t)(end - run));
}

/* One dimension of an array, its items in order. */
static void
array_print_json(const wr_array_view *view, uint32_t dim, const char **at, wr_text *to)
{
    wr_value item;
    wr_text_putc(to, '[');
    for (uint32_t i = 0; dim < view->dims && i < view->lengths[dim]; i++) {
        if (*at == view->end) /* damaged bytes announce more items than there are */
            break;
        if (i > 0)
            wr_text_putc(to, ',');
        if (dim + 1 < view->dims)
            array_print_json(view, dim + 1, at, to);
        else if (wr_array_next(view, at, &item))
            wr_value_print_json(&item, to);
        else
            break;
    }
    wr_text_putc(to, ']');
}

/* Whatever wr_value_print appends, in quotes; for texts that need no escapes. */
static void
print_quoted(const wr_value *v, wr_text *to)
{
    wr_text_putc(to, '"');
    wr_value_print(v, to);
    wr_text_putc(to, '"');
}

void
wr_value_print_json(const wr_value *v, wr_text *to)
{
    wr_array_view view;
    const char *at;
    if (v->is_null) {
        wr_text_append(to, "null", 4);
        return;
    }
    switch ((wr_type_id)v->type.id) {
    case WR_BOOL: wr_text_puts(to, v->boolean ? "true" : "false"); return;
    case WR_INT2:
    case WR_INT4:
    case WR_INT8: wr_text_put_int(to, v->integer); return;
    case WR_FLOAT4:
    case WR_FLOAT8: isfinite(v->real) ? wr_value_print(v, to) : print_quoted(v, to); return;
    case WR_NUMERIC:
        wr_num_is_nan(&v->string) || wr_num_is_infinite(&v->string) ? print_quoted(v, to)
                                                                    : wr_num_print(&v->string, to);
        return;
    case WR_UNKNOWN:
    case WR_TEXT:
    case WR_BPCHAR: wr_text_put_json(to, wr_string_data(&v->string), v->string.length); return;
    case WR_BYTEA:
        wr_text_append(to, "\"\\", 2); /* the backslash of \x is escaped by one more */
        wr_bytea_print(&v->string, to);
        wr_text_putc(to, '"');
        return;
    case WR_DATE:
    case WR_TIME:
    case WR_INTERVAL:
    case WR_UUID: print_quoted(v, to); return;
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ:
        wr_text_putc(to, '"');
        wr_timestamp_print_iso(v->integer, v->type.id == WR_TIMESTAMPTZ, to);
        wr_text_putc(to, '"');
        return;
    case WR_JSON: json_print_line(&v->string, to); return;
    case WR_JSONB: wr_text_append(to, wr_string_data(&v->string), v->string.length); return;
    case WR_ARRAY:
        wr_array_open(&v->string, &view);
        at = view.items;
        array_print_json(&view, 0, &at, to);
        return;
    case WR_TYPE_COUNT: break;
    }
    wr_unreachable();
}

/* ---- order, copies ---- */

static int
real_compare(double a, double b)
{
    if (isnan(a) || isnan(b))
        return (int)isnan(a) - (int)isnan(b);
    return (a > b) - (a < b);
}

static int
blank_padded_compare(const wr_string *a, const wr_string *b)
{
    const char *x = wr_string_data(a), *y = wr_string_data(b);
    uint32_t m = a->length, n = b->length;
    while (m > 0 && x[m - 1] == ' ')
        m--;
    while (n > 0 && y[n - 1] == ' ')
        n--;
    int c = memcmp(x, y, WR_MIN(m, n));
    return c != 0 ? c : (m > n) - (m < n);
}

int
wr_value_compare(const wr_value *a, const wr_value *b)
{
    wr_assert(wr_type_same(a->type, b->type));
    switch ((wr_type_id)a->type.id) {
    case WR_BOOL: return (int)a->boolean - (int)b->boolean;
    case WR_INT2:
    case WR_INT4:
    case WR_INT8:
    case WR_DATE:
    case WR_TIME:
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ: return (a->integer > b->integer) - (a->integer < b->integer);
    case WR_FLOAT4:
    case WR_FLOAT8: return real_compare(a->real, b->real);
    case WR_NUMERIC: return wr_num_compare(&a->string, &b->string);
    case WR_UNKNOWN:
    case WR_TEXT:
    case WR_BYTEA:
    case WR_JSON: return wr_string_compare(&a->string, &b->string);
    case WR_BPCHAR: return blank_padded_compare(&a->string, &b->string);
    case WR_INTERVAL: return wr_interval_compare(&a->interval, &b->interval);
    case WR_UUID: return memcmp(a->uuid.bytes, b->uuid.bytes, sizeof a->uuid.bytes);
    case WR_JSONB: return wr_jsonb_compare(&a->string, &b->string);
    case WR_ARRAY: return wr_array_compare(&a->string, &b->string);
    case WR_TYPE_COUNT: break;
    }
    wr_unreachable();
}

bool
wr_value_equal(const wr_value *a, const wr_value *b)
{
    if (!wr_type_same(a->type, b->type) || a->is_null != b->is_null)
        return false;
    return a->is_null || wr_value_compare(a, b) == 0;
}

weir_status
wr_value_copy(const wr_value *value, wr_arena *arena, wr_value *out)
{
    wr_value copy = *value;
    if (!value->is_null && wr_type_is_string(value->type) &&
        value->string.length > WR_STRING_INLINE_MAX) {
        const char *bytes = wr_arena_strndup(arena, value->string.pointer, value->string.length);
        if (bytes == NULL)
            return WEIR_MEMORY;
        copy.string = wr_string_make(bytes, value->string.length);
    }
    *out = copy;
    return WEIR_OK;
}
