/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/type.c -- names, widths and spellings of types (see type.h).
 *
 * Place       everyone asks widths and names; the binder, the configuration and casts parse spellings.
 * State       none: constant tables.
 * Invariants  T1  wr_type_parse of what wr_type_print wrote gives the same type
 */
#include "data/type.h"

#include <string.h>

enum { NUMERIC_PRECISION_MAX = 1000, TEXT_LENGTH_MAX = 10485760, SPELLING_MAX = 80 };

static const struct {
    const char *name, *array_name; /* internal */
    const char *sql;
    uint8_t width;
} types[WR_TYPE_COUNT] = {
    [WR_UNKNOWN] = { "unknown", "unknown[]", "unknown", 16 },
    [WR_BOOL] = { "bool", "bool[]", "boolean", 1 },
    [WR_INT2] = { "int2", "int2[]", "smallint", 2 },
    [WR_INT4] = { "int4", "int4[]", "integer", 4 },
    [WR_INT8] = { "int8", "int8[]", "bigint", 8 },
    [WR_FLOAT4] = { "float4", "float4[]", "real", 4 },
    [WR_FLOAT8] = { "float8", "float8[]", "double precision", 8 },
    [WR_NUMERIC] = { "numeric", "numeric[]", "numeric", 16 },
    [WR_TEXT] = { "text", "text[]", "text", 16 },
    [WR_BPCHAR] = { "bpchar", "bpchar[]", "bpchar", 16 },
    [WR_BYTEA] = { "bytea", "bytea[]", "bytea", 16 },
    [WR_DATE] = { "date", "date[]", "date", 4 },
    [WR_TIME] = { "time", "time[]", "time", 8 },
    [WR_TIMESTAMP] = { "timestamp", "timestamp[]", "timestamp", 8 },
    [WR_TIMESTAMPTZ] = { "timestamptz", "timestamptz[]", "timestamp", 8 },
    [WR_INTERVAL] = { "interval", "interval[]", "interval", 16 },
    [WR_UUID] = { "uuid", "uuid[]", "uuid", 16 },
    [WR_JSON] = { "json", "json[]", "json", 16 },
    [WR_JSONB] = { "jsonb", "jsonb[]", "jsonb", 16 },
    [WR_ARRAY] = { "array", "array[]", "array", 16 },
};

size_t
wr_type_width(wr_type type)
{
    wr_assert(type.id < WR_TYPE_COUNT);
    return types[type.id].width;
}

bool
wr_type_is_string(wr_type type)
{
    switch (type.id) {
    case WR_UNKNOWN:
    case WR_NUMERIC:
    case WR_TEXT:
    case WR_BPCHAR:
    case WR_BYTEA:
    case WR_JSON:
    case WR_JSONB:
    case WR_ARRAY: return true;
    default: return false;
    }
}

bool
wr_type_is_integer(wr_type type)
{
    return type.id == WR_INT2 || type.id == WR_INT4 || type.id == WR_INT8;
}

bool
wr_type_is_number(wr_type type)
{
    return type.id >= WR_INT2 && type.id <= WR_NUMERIC;
}

bool
wr_type_is_time(wr_type type)
{
    return type.id == WR_DATE || type.id == WR_TIMESTAMP || type.id == WR_TIMESTAMPTZ;
}

bool
wr_type_equal(wr_type a, wr_type b)
{
    return a.id == b.id && a.element == b.element && a.scale == b.scale && a.modifier == b.modifier;
}

wr_type
wr_type_element(wr_type array)
{
    wr_assert(array.id == WR_ARRAY);
    return (wr_type){ array.element, 0, array.scale, array.modifier };
}

const char *
wr_type_name(wr_type type)
{
    wr_assert(type.id < WR_TYPE_COUNT && type.element < WR_TYPE_COUNT);
    return type.id == WR_ARRAY ? types[type.element].array_name : types[type.id].name;
}

void
wr_type_print(wr_type type, wr_text *to)
{
    if (type.id == WR_ARRAY) {
        wr_type_print(wr_type_element(type), to);
        wr_text_puts(to, "[]");
        return;
    }
    bool modified = type.modifier >= 0;
    if (type.id == WR_TEXT && modified)
        wr_text_puts(to, "character varying");
    else if (type.id == WR_BPCHAR && modified)
        wr_text_puts(to, "character");
    else
        wr_text_puts(to, types[type.id].sql);
    if (modified && type.id == WR_NUMERIC)
        wr_text_printf(to, "(%d,%d)", (int)type.modifier, (int)type.scale);
    else if (modified)
        wr_text_printf(to, "(%d)", (int)type.modifier);
    if (type.id == WR_TIME || type.id == WR_TIMESTAMP)
        wr_text_puts(to, " without time zone");
    else if (type.id == WR_TIMESTAMPTZ)
        wr_text_puts(to, " with time zone");
}

/* What may stand in parentheses after a name. */
typedef enum modifier_kind {
    MODIFIER_NONE,
    MODIFIER_LENGTH, /* varchar(n), char(n)        */
    MODIFIER_DIGITS, /* timestamp(p), interval(p)  */
    MODIFIER_NUMBER, /* numeric(p,s)               */
    MODIFIER_BITS,   /* float(n)                   */
} modifier_kind;

static const struct {
    const char *words; /* lower case, one blank between words, the modifier left out */
    wr_type_id id;
    modifier_kind modifier;
} spellings[] = {
    { "bigint", WR_INT8, MODIFIER_NONE },
    { "bool", WR_BOOL, MODIFIER_NONE },
    { "boolean", WR_BOOL, MODIFIER_NONE },
    { "bpchar", WR_BPCHAR, MODIFIER_LENGTH },
    { "bytea", WR_BYTEA, MODIFIER_NONE },
    { "char", WR_BPCHAR, MODIFIER_LENGTH },
    { "char varying", WR_TEXT, MODIFIER_LENGTH },
    { "character", WR_BPCHAR, MODIFIER_LENGTH },
    { "character varying", WR_TEXT, MODIFIER_LENGTH },
    { "date", WR_DATE, MODIFIER_NONE },
    { "dec", WR_NUMERIC, MODIFIER_NUMBER },
    { "decimal", WR_NUMERIC, MODIFIER_NUMBER },
    { "double precision", WR_FLOAT8, MODIFIER_NONE },
    { "float", WR_FLOAT8, MODIFIER_BITS },
    { "float4", WR_FLOAT4, MODIFIER_NONE },
    { "float8", WR_FLOAT8, MODIFIER_NONE },
    { "int", WR_INT4, MODIFIER_NONE },
    { "int2", WR_INT2, MODIFIER_NONE },
    { "int4", WR_INT4, MODIFIER_NONE },
    { "int8", WR_INT8, MODIFIER_NONE },
    { "integer", WR_INT4, MODIFIER_NONE },
    { "interval", WR_INTERVAL, MODIFIER_DIGITS },
    { "json", WR_JSON, MODIFIER_NONE },
    { "jsonb", WR_JSONB, MODIFIER_NONE },
    { "national char", WR_BPCHAR, MODIFIER_LENGTH },
    { "national character", WR_BPCHAR, MODIFIER_LENGTH },
    { "national character varying", WR_TEXT, MODIFIER_LENGTH },
    { "nchar", WR_BPCHAR, MODIFIER_LENGTH },
    { "numeric", WR_NUMERIC, MODIFIER_NUMBER },
    { "real", WR_FLOAT4, MODIFIER_NONE },
    { "smallint", WR_INT2, MODIFIER_NONE },
    { "text", WR_TEXT, MODIFIER_NONE },
    { "time", WR_TIME, MODIFIER_DIGITS },
    { "time without time zone", WR_TIME, MODIFIER_DIGITS },
    { "timestamp", WR_TIMESTAMP, MODIFIER_DIGITS },
    { "timestamp with time zone", WR_TIMESTAMPTZ, MODIFIER_DIGITS },
    { "timestamp without time zone", WR_TIMESTAMP, MODIFIER_DIGITS },
    { "timestamptz", WR_TIMESTAMPTZ, MODIFIER_DIGITS },
    { "uuid", WR_UUID, MODIFIER_NONE },
    { "varchar", WR_TEXT, MODIFIER_LENGTH },
};

/* A spelling taken apart: its words, the numbers in parentheses, whether [] followed. */
typedef struct spelling {
    char words[SPELLING_MAX];
    int modifiers[2];
    int modifier_count;
    bool is_array;
} spelling;

static bool
is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *
skip_blanks(const char *p, const char *end)
{
    while (p < end && is_blank(*p))
        p++;
    return p;
}

static const char *
spelling_word(spelling *s, size_t *length, const char *p, const char *end)
{
    if (*length > 0 && *length < SPELLING_MAX - 1)
        s->words[(*length)++] = ' ';
    for (; p < end; p++) {
        char c = *p;
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + 32);
        else if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.'))
            break;
        if (*length >= SPELLING_MAX - 1)
            return NULL;
        s->words[(*length)++] = c;
    }
    s->words[*length] = '\0';
    return p;
}

/* "(12, -2)": at p stands the '('. */
static const char *
spelling_modifiers(spelling *s, const char *p, const char *end)
{
    if (s->modifier_count > 0)
        return NULL;
    do {
        p = skip_blanks(p + 1, end);
        bool negative = p < end && *p == '-';
        p += negative;
        if (p == end || *p < '0' || *p > '9' || s->modifier_count == 2)
            return NULL;
        int n = 0;
        for (; p < end && *p >= '0' && *p <= '9'; p++)
            if ((n = n * 10 + (*p - '0')) > 100000000)
                return NULL;
        s->modifiers[s->modifier_count++] = negative ? -n : n;
        p = skip_blanks(p, end);
    } while (p < end && *p == ',');
    return p < end && *p == ')' ? p + 1 : NULL;
}

static const char *
spelling_brackets(spelling *s, const char *p, const char *end)
{
    p = skip_blanks(p + 1, end);
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    p = skip_blanks(p, end);
    s->is_array = true;
    return p < end && *p == ']' ? p + 1 : NULL;
}

static bool
spelling_read(spelling *s, const char *p, const char *end)
{
    size_t length = 0;
    memset(s, 0, sizeof *s);
    while ((p = skip_blanks(p, end)) < end) {
        char c = *p;
        if (c == '(' && length > 0 && !s->is_array)
            p = spelling_modifiers(s, p, end);
        else if (c == '[' && length > 0)
            p = spelling_brackets(s, p, end);
        else if (!s->is_array && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
            p = spelling_word(s, &length, p, end);
        else
            return false;
        if (p == NULL)
            return false;
    }
    if (length > 6 && strcmp(s->words + length - 6, " array") == 0) {
        s->words[length - 6] = '\0';
        s->is_array = true;
    }
    return length > 0;
}

static weir_status
type_apply_modifiers(wr_type *type, modifier_kind kind, const spelling *s, weir_error *err)
{
    int first = s->modifiers[0], count = s->modifier_count;
    if (count == 0) {
        if (kind == MODIFIER_LENGTH && type->id == WR_BPCHAR && strcmp(s->words, "bpchar") != 0)
            type->modifier = 1; /* char is char(1) */
        return WEIR_OK;
    }
    if (kind == MODIFIER_NONE || (count > 1 && kind != MODIFIER_NUMBER))
        return wr_error_set(err, WEIR_QUERY_TYPE, "type modifier is not allowed for type \"%s\"",
                            types[type->id].name);
    if (kind == MODIFIER_LENGTH && (first < 1 || first > TEXT_LENGTH_MAX))
        return wr_error_set(err, WEIR_QUERY_TYPE, "length for type %s must be between 1 and %d",
                            type->id == WR_TEXT ? "varchar" : "char", TEXT_LENGTH_MAX);
    if (kind == MODIFIER_BITS) {
        if (first < 1 || first > 53)
            return wr_error_set(err, WEIR_QUERY_TYPE,
                                "precision for type float must be between 1 and 53 bits");
        type->id = first <= 24 ? WR_FLOAT4 : WR_FLOAT8;
        return WEIR_OK;
    }
    if (kind == MODIFIER_DIGITS && first < 0)
        return wr_error_set(err, WEIR_QUERY_TYPE, "%s(%d) precision must not be negative",
                            types[type->id].name, first);
    if (kind == MODIFIER_DIGITS)
        first = WR_MIN(first, 6);
    if (kind == MODIFIER_NUMBER) {
        int scale = count > 1 ? s->modifiers[1] : 0;
        if (first < 1 || first > NUMERIC_PRECISION_MAX)
            return wr_error_set(err, WEIR_QUERY_TYPE,
                                "NUMERIC precision %d must be between 1 and %d", first,
                                NUMERIC_PRECISION_MAX);
        if (scale < -NUMERIC_PRECISION_MAX || scale > NUMERIC_PRECISION_MAX)
            return wr_error_set(err, WEIR_QUERY_TYPE, "NUMERIC scale %d must be between %d and %d",
                                scale, -NUMERIC_PRECISION_MAX, NUMERIC_PRECISION_MAX);
        type->scale = (int16_t)scale;
    }
    type->modifier = first;
    return WEIR_OK;
}

weir_status
wr_type_parse(const char *text, size_t length, wr_type *type, weir_error *err)
{
    spelling s;
    if (!spelling_read(&s, text, text + length))
        return wr_error_set(err, WEIR_QUERY_TYPE, "\"%.*s\" is not a type",
                            (int)WR_MIN(length, 100u), text);
    const char *words = s.words;
    if (strncmp(words, "pg_catalog.", 11) == 0)
        words += 11;
    for (size_t i = 0; i < WR_COUNT(spellings); i++) {
        if (strcmp(words, spellings[i].words) != 0)
            continue;
        wr_type found = WR_TYPE((uint8_t)spellings[i].id);
        WR_TRY(type_apply_modifiers(&found, spellings[i].modifier, &s, err));
        if (s.is_array)
            found = (wr_type){ WR_ARRAY, found.id, found.scale, found.modifier };
        *type = found;
        return WEIR_OK;
    }
    weir_status status = wr_error_set(err, WEIR_QUERY_TYPE, "type \"%s\" does not exist", words);
    if (strcmp(words, "string") == 0)
        wr_error_hint(err, "did you mean text?");
    else if (strcmp(words, "timetz") == 0 || strcmp(words, "time with time zone") == 0)
        wr_error_hint(err, "use time, or timestamptz");
    else if (strcmp(words, "datetime") == 0)
        wr_error_hint(err, "did you mean timestamp or timestamptz?");
    else if (strcmp(words, "double") == 0)
        wr_error_hint(err, "did you mean double precision?");
    return status;
}
