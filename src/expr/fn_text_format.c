/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_text_format.c -- format() and the quoting functions.
 *
 * Place       rows of the function registry.
 * Invariants  what quote_ident and quote_literal make is read back by PostgreSQL as the value given
 */
#include "expr/fn_impl.h"
#include "expr/registry_impl.h"

#include <stdlib.h>

/* Words of the grammar that cannot stand bare as an identifier, sorted. */
static const char *const reserved_words[] = {
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", 
    "authorization", "between", "bigint", "binary", "bit", "boolean", "both", "case", "cast", 
    "char", "character", "check", "coalesce", "collate", "collation", "column", "concurrently", 
    "constraint", "create", "cross", "current_catalog", "current_date", "current_role", 
    "current_schema", "current_time", "current_timestamp", "current_user", "dec", "decimal", 
    "default", "deferrable", "desc", "distinct", "do", "else", "end", "except", "exists", 
    "extract", "false", "fetch", "float", "for", "foreign", "freeze", "from", "full", "grant", 
    "greatest", "group", "grouping", "having", "ilike", "in", "initially", "inner", "inout", 
    "int", "integer", "intersect", "interval", "into", "is", "isnull", "join", "lateral", 
    "leading", "least", "left", "like", "limit", "localtime", "localtimestamp", "national", 
    "natural", "nchar", "none", "normalize", "not", "notnull", "null", "nullif", "numeric", 
    "offset", "on", "only", "or", "order", "out", "outer", "overlaps", "overlay", "placing", 
    "position", "precision", "primary", "real", "references", "returning", "right", "row", 
    "select", "session_user", "setof", "similar", "smallint", "some", "substring", "symmetric", 
    "table", "tablesample", "then", "time", "timestamp", "to", "trailing", "treat", "trim", 
    "true", "union", "unique", "user", "using", "values", "varchar", "variadic", "verbose", 
    "when", "where", "window", "with", "xmlattributes", "xmlconcat", "xmlelement", "xmlexists", 
    "xmlforest", "xmlnamespaces", "xmlparse", "xmlpi", "xmlroot", "xmlserialize", "xmltable",
};

static int
reserved_compare(const void *word, const void *entry)
{
    return strcmp(word, *(const char *const *) entry);
}

static bool
ident_is_plain(const char *s, size_t n)
{
    char word[64];
    if (n == 0 || n >= sizeof word || (s[0] >= '0' && s[0] <= '9'))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9') || s[i] == '_'))
            return false;
    memcpy(word, s, n);
    word[n] = '\0';
    return bsearch(word, reserved_words, WR_COUNT(reserved_words), sizeof reserved_words[0],
                   reserved_compare) == NULL;
}

static void
ident_append(wr_text *to, const char *s, size_t n)
{
    if (ident_is_plain(s, n)) {
        wr_text_append(to, s, n);
        return;
    }
    wr_text_putc(to, '"');
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '"')
            wr_text_putc(to, '"');
        wr_text_putc(to, s[i]);
    }
    wr_text_putc(to, '"');
}

static void
literal_append(wr_text *to, const char *s, size_t n)
{
    if (n > 0 && memchr(s, '\\', n) != NULL)
        wr_text_putc(to, 'E');
    wr_text_putc(to, '\'');
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\'' || s[i] == '\\')
            wr_text_putc(to, s[i]);
        wr_text_putc(to, s[i]);
    }
    wr_text_putc(to, '\'');
}

FN_KERNEL(text_quote_ident)
{
    wr_text text;
    wr_text_init(&text, eval->budget);
    ident_append(&text, fn_data(&args[0]), fn_length(&args[0]));
    return wr_fn_take(eval, row, &text, out);
}

FN_KERNEL(text_quote_literal)
{
    wr_text text;
    wr_text_init(&text, eval->budget);
    literal_append(&text, fn_data(&args[0]), fn_length(&args[0]));
    return wr_fn_take(eval, row, &text, out);
}

FN_KERNEL(any_quote_literal)
{
    wr_text plain, text;
    wr_text_init(&plain, eval->budget);
    wr_text_init(&text, eval->budget);
    wr_fn_cast_text(&args[0], &plain);
    text.failed = !wr_text_ok(&plain);
    literal_append(&text, wr_text_string(&plain), plain.length);
    wr_text_fini(&plain);
    return wr_fn_take(eval, row, &text, out);
}

FN_KERNEL(any_quote_nullable)
{
    if (args[0].is_null)
        return fn_give(out, "NULL", 4);
    return any_quote_literal(eval, row, args, arg_count, out);
}

/* --- format --- */

typedef struct format_state {
    wr_eval        *eval;
    uint32_t        row;
    const wr_value *args; /* of the whole call; args[0] is the format */
    uint32_t        arg_count, next;
    const char     *at, *end;
    wr_text         text, item;
} format_state;

static weir_status
format_fail(format_state *f, const char *text)
{
    return wr_eval_fail(f->eval, f->row, WEIR_ROW_INVALID_ARGUMENT, "%s", text);
}

static weir_status
format_unended(format_state *f)
{
    return format_fail(f, "unterminated format() type specifier");
}

/* Digits at f->at into *value; *found says whether there were any. */
static weir_status
format_number(format_state *f, bool *found, int64_t *value)
{
    *found = false;
    *value = 0;
    for (; f->at < f->end && *f->at >= '0' && *f->at <= '9'; f->at++) {
        *found = true;
        *value = *value * 10 + (*f->at - '0');
        if (*value > INT32_MAX)
            return wr_eval_fail(f->eval, f->row, WEIR_ROW_OVERFLOW, "number is out of range");
    }
    return f->at < f->end ? WEIR_OK : format_unended(f);
}

/* The argument at a position (0: the next one). */
static weir_status
format_argument(format_state *f, int64_t position, const wr_value **arg)
{
    if (position == 0)
        position = f->next;
    if (position >= f->arg_count)
        return format_fail(f, "too few arguments for format()");
    f->next = (uint32_t) position + 1;
    *arg = &f->args[position];
    return WEIR_OK;
}

/* A width taken from an argument; NULL is 0. */
static weir_status
format_star_width(format_state *f, int64_t *width)
{
    bool            found;
    int64_t         position = 0;
    const wr_value *arg = NULL;
    f->at++;
    WR_TRY(format_number(f, &found, &position));
    if (found && *f->at != '$')
        return format_fail(f, "width argument position must be ended by \"$\"");
    if (found && position == 0)
        return format_fail(f, "format specifies argument 0, but arguments are numbered from 1");
    if (found && ++f->at >= f->end)
        return format_unended(f);
    WR_TRY(format_argument(f, position, &arg));
    *width = 0;
    if (arg->is_null)
        return WEIR_OK;
    if (wr_type_is_integer(arg->type)) {
        *width = arg->integer;
    } else {
        wr_value   parsed;
        weir_error err = { 0 };
        wr_text_clear(&f->item);
        wr_value_print(arg, &f->item);
        if (!wr_text_ok(&f->item))
            return WEIR_MEMORY;
        weir_status status = wr_value_parse(T_INT4, wr_text_string(&f->item), f->item.length,
                                            &f->eval->step, &parsed, &err);
        WR_TRY(wr_fn_fail_as(f->eval, f->row, status, &err));
        *width = parsed.integer;
    }
    if (*width <= INT32_MIN || *width > INT32_MAX)
        return wr_eval_fail(f->eval, f->row, WEIR_ROW_OVERFLOW, "number is out of range");
    return WEIR_OK;
}

static weir_status
format_convert(format_state *f, char kind, const wr_value *arg)
{
    wr_text plain;
    wr_text_clear(&f->item);
    if (arg->is_null) {
        if (kind == 'I')
            return format_fail(f, "null values cannot be formatted as an SQL identifier");
        if (kind == 'L')
            wr_text_puts(&f->item, "NULL");
        return WEIR_OK;
    }
    if (kind == 's') {
        wr_value_print(arg, &f->item);
        return WEIR_OK;
    }
    wr_text_init(&plain, f->eval->budget);
    wr_value_print(arg, &plain);
    if (kind == 'I')
        ident_append(&f->item, wr_text_string(&plain), plain.length);
    else
        literal_append(&f->item, wr_text_string(&plain), plain.length);
    f->item.failed |= plain.failed;
    wr_text_fini(&plain);
    return WEIR_OK;
}

/* The item, filled with blanks to |width| characters: on the left, or on the right. */
static weir_status
format_pad(format_state *f, int64_t width, bool left)
{
    size_t wanted = (size_t) (width < 0 ? -width : width);
    size_t have = wr_fn_char_count(wr_text_string(&f->item), f->item.length);
    size_t missing = wanted > have ? wanted - have : 0;
    char  *room;
    left |= width < 0;
    if (missing + f->item.length + f->text.length > WR_STRING_BYTES_MAX)
        return wr_fn_room(f->eval, f->row, SIZE_MAX, &room);
    if (left)
        wr_text_append(&f->text, wr_text_string(&f->item), f->item.length);
    if (missing > 0 && wr_text_reserve(&f->text, missing)) {
        memset(f->text.data + f->text.length, ' ', missing);
        f->text.length += missing;
    }
    if (!left)
        wr_text_append(&f->text, wr_text_string(&f->item), f->item.length);
    return wr_text_ok(&f->text) && wr_text_ok(&f->item) ? WEIR_OK : WEIR_MEMORY;
}

/* One %[position$][-][width]type, f->at just behind the percent sign. */
static weir_status
format_item(format_state *f)
{
    int64_t         position = 0, width = 0;
    bool            found, left = false;
    const wr_value *arg = NULL;
    if (f->at >= f->end)
        return format_unended(f);
    if (*f->at == '%') {
        wr_text_putc(&f->text, *f->at++);
        return WEIR_OK;
    }
    WR_TRY(format_number(f, &found, &width));
    if (found && *f->at == '$') {
        position = width;
        width = 0;
        found = false;
        if (position == 0)
            return format_fail(f,
                               "format specifies argument 0, but arguments are numbered from 1");
        if (++f->at >= f->end)
            return format_unended(f);
    }
    if (!found) {
        for (; *f->at == '-'; left = true)
            if (++f->at >= f->end)
                return format_unended(f);
        if (*f->at == '*')
            WR_TRY(format_star_width(f, &width));
        else
            WR_TRY(format_number(f, &found, &width));
    }
    const char *next = fn_char_next(f->at, f->end);
    char        kind = *f->at;
    if (kind != 's' && kind != 'I' && kind != 'L')
        return wr_eval_fail(f->eval, f->row, WEIR_ROW_INVALID_ARGUMENT,
                            "unrecognized format() type specifier \"%.*s\"", (int) (next - f->at),
                            f->at);
    f->at = next;
    WR_TRY(format_argument(f, position, &arg));
    WR_TRY(format_convert(f, kind, arg));
    return format_pad(f, width, left);
}

FN_KERNEL(text_format)
{
    if (args[0].is_null)
        return fn_give_null(out);
    weir_status  status = WEIR_OK;
    format_state f = { .eval = eval, .row = row, .args = args, .arg_count = arg_count, .next = 1 };
    f.at = fn_data(&args[0]);
    f.end = f.at + fn_length(&args[0]);
    wr_text_init(&f.text, eval->budget);
    wr_text_init(&f.item, eval->budget);
    while (f.at < f.end && status == WEIR_OK) {
        const char *percent = memchr(f.at, '%', (size_t) (f.end - f.at));
        const char *stop = percent != NULL ? percent : f.end;
        wr_text_append(&f.text, f.at, (size_t) (stop - f.at));
        f.at = stop;
        if (percent != NULL) {
            f.at++;
            status = format_item(&f);
        }
    }
    wr_text_fini(&f.item);
    if (status == WEIR_OK)
        return wr_fn_take(eval, row, &f.text, out);
    wr_text_fini(&f.text);
    return status;
}

#define FN_TOPIC "text"
const wr_function wr_fn_text_format[] = {
    FN("format", T_TEXT, text_format, FN_FAILS | FN_NULLS | FN_VARIADIC | FN_OPTIONAL(1),
       "arguments placed in a format: %s text, %I identifier, %L literal", T_TEXT, T_ANY),
    FN("quote_ident", T_TEXT, text_quote_ident, FN_FAILS, "the string as an SQL identifier",
       T_TEXT),
    FN("quote_literal", T_TEXT, text_quote_literal, FN_FAILS, "the string as an SQL literal",
       T_TEXT),
    FN("quote_literal", T_TEXT, any_quote_literal, FN_FAILS, "the value as an SQL literal", T_ANY),
    FN("quote_nullable", T_TEXT, any_quote_nullable, FN_FAILS | FN_NULLS,
       "the value as an SQL literal, or NULL", T_TEXT),
    FN("quote_nullable", T_TEXT, any_quote_nullable, FN_FAILS | FN_NULLS,
       "the value as an SQL literal, or NULL", T_ANY),
    FN_END,
};
