/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/debezium_value.c -- values of change events, by the declared type of their column.
 *
 *     numeric     a number, a text of digits, two's complement in base64 with the column's scale (or
 *                 the schema's), {"scale": s, "value": base64}
 *     date        days since 1970
 *     time        ms, us or ns since midnight     timestamp[tz]  ms, us or ns since 1970
 *     interval    microseconds                    bytea          base64
 *     json[b]     the document as a text, or nested
 *     others, and texts in all of these: PostgreSQL's input rules
 *
 * Which unit: what the record's schema names, else the option `times` and the column's precision.
 */
#include "format/debezium_impl.h"

#include "data/datetime.h"
#include "data/numeric.h"

static const char unavailable[] = "__debezium_unavailable_value";

static bool
text_is(const wr_json *json, const char *text)
{
    return json != NULL && json->kind == WR_JSON_STRING && json->length == strlen(text) &&
           memcmp(json->text, text, json->length) == 0;
}

/* What the schema calls the type of the member: "io.debezium.time.MicroTime". */
static const wr_json *
schema_name(const wr_json *field)
{
    return field != NULL && field->kind == WR_JSON_OBJECT ? wr_json_member(field, "name", 4) : NULL;
}

/* --- base64 --- */

static int
sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

static weir_status
not_base64(const wr_json *json, wr_cell_scratch *scratch)
{
    return wr_error_set(&scratch->error, WEIR_ROW_TYPE, "\"%.*s\" is no base64",
                        (int) WR_MIN(json->length, (size_t) 40), json->text);
}

/* Into *bytes in the scratch's arena; false (with the error) when it is none. */
static weir_status
base64_decode(const wr_json *json, wr_cell_scratch *scratch, uint8_t **bytes, size_t *length)
{
    size_t   n = json->length, out = 0;
    uint32_t bits = 0, have = 0;
    *bytes = wr_arena_alloc(&scratch->arena, n + 1);
    if (*bytes == NULL)
        return WEIR_MEMORY;
    while (n > 0 && json->text[n - 1] == '=' && json->length - n < 2)
        n--;
    for (size_t i = 0; i < n; i++) {
        int v = sextet(json->text[i]);
        if (v < 0)
            return not_base64(json, scratch);
        bits = (bits << 6 | (uint32_t) v) & 0xffffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            (*bytes)[out++] = (uint8_t) (bits >> have);
        }
    }
    if (n % 4 == 1)
        return not_base64(json, scratch);
    *length = out;
    return WEIR_OK;
}

/* --- numeric --- */

/* Two's complement, big-endian, times 10^-scale. */
static weir_status
decimal_put(wr_cell *cell, wr_column *column, uint32_t row, const wr_json *text, int64_t scale,
            wr_cell_scratch *scratch)
{
    uint8_t  *bytes;
    size_t    length;
    wr_int128 v = 0;
    wr_value  value = { .type = cell->type };
    WR_TRY(base64_decode(text, scratch, &bytes, &length));
    if (length == 0 || length > 16 || scale < 0 || scale > 1000)
        return wr_error_set(&scratch->error, WEIR_ROW_OVERFLOW,
                            "a decimal of %zu bytes and scale %lld", length, (long long) scale);
    if ((bytes[0] & 0x80) != 0)
        v = -1;
    for (size_t i = 0; i < length; i++)
        v = (wr_int128) ((unsigned __int128) v << 8 | bytes[i]);
    WR_TRY(wr_num_from_int128(v, (int) scale, &scratch->arena, &value.string));
    wr_text print;
    wr_text_init(&print, scratch->arena.budget);
    wr_num_print(&value.string, &print);
    weir_status status = wr_text_ok(&print) ? wr_cell_put_text(cell, column, row,
                                                               wr_text_string(&print),
                                                               print.length, scratch)
                                            : WEIR_MEMORY;
    wr_text_fini(&print);
    return status;
}

static bool
integer_of(const wr_json *json, int64_t *out)
{
    return json != NULL && (json->kind == WR_JSON_NUMBER || json->kind == WR_JSON_STRING) &&
           wr_cell_read_integer(json->text, json->length, out);
}

static weir_status
numeric_put(const wr_debezium_decode_config *config, wr_cell *cell, wr_column *column, uint32_t row,
            const wr_json *value, const wr_json *field, wr_cell_scratch *scratch)
{
    int64_t        scale = cell->type.scale;
    const wr_json *type = field != NULL ? wr_json_member(field, "type", 4) : NULL;
    bool           encoded = type != NULL ? text_is(type, "bytes")
                                          : config->decimals == WR_DEBEZIUM_PRECISE;
    if (value->kind == WR_JSON_OBJECT) {
        const wr_json *inner = wr_json_member(value, "value", 5);
        if (inner == NULL || inner->kind != WR_JSON_STRING ||
            !integer_of(wr_json_member(value, "scale", 5), &scale))
            return wr_error_set(&scratch->error, WEIR_ROW_TYPE,
                                "an object that is no {\"scale\": s, \"value\": base64}");
        return decimal_put(cell, column, row, inner, scale, scratch);
    }
    if (value->kind == WR_JSON_NUMBER || !encoded)
        return wr_cell_put_text(cell, column, row, value->text, value->length, scratch);
    const wr_json *parameters = field != NULL ? wr_json_member(field, "parameters", 10) : NULL;
    if (parameters != NULL && parameters->kind == WR_JSON_OBJECT)
        (void) integer_of(wr_json_member(parameters, "scale", 5), &scale);
    else if (cell->type.modifier < 0)
        return wr_error_set(&scratch->error, WEIR_ROW_TYPE,
                            "a decimal in base64 needs its scale: declare numeric(p,s)");
    return decimal_put(cell, column, row, value, scale, scratch);
}

/* --- times --- */

/* Units a second of a number in a time column. */
static int64_t
units_of(const wr_debezium_decode_config *config, const wr_cell *cell, const wr_json *field)
{
    static const struct {
        const char *name;
        int64_t     units;
    } names[] = {
        { "io.debezium.time.Time", 1000 },
        { "io.debezium.time.MicroTime", 1000000 },
        { "io.debezium.time.NanoTime", 1000000000 },
        { "io.debezium.time.Timestamp", 1000 },
        { "io.debezium.time.MicroTimestamp", 1000000 },
        { "io.debezium.time.NanoTimestamp", 1000000000 },
        { "org.apache.kafka.connect.data.Time", 1000 },
        { "org.apache.kafka.connect.data.Timestamp", 1000 },
    };
    const wr_json *name = schema_name(field);
    for (size_t i = 0; i < WR_COUNT(names); i++)
        if (text_is(name, names[i].name))
            return names[i].units;
    if (config->times == WR_DEBEZIUM_CONNECT)
        return 1000;
    if (config->times == WR_DEBEZIUM_ADAPTIVE_US && cell->type.id == WR_TIME)
        return 1000000;
    return cell->type.modifier >= 0 && cell->type.modifier <= 3 ? 1000 : 1000000;
}

static weir_status
out_of_range(const wr_cell *cell, const wr_json *value, wr_cell_scratch *scratch)
{
    return wr_error_set(&scratch->error, WEIR_ROW_OVERFLOW, "%.*s is out of range for type %s",
                        (int) WR_MIN(value->length, (size_t) 40), value->text,
                        wr_type_name(cell->type));
}

static weir_status
time_put(const wr_debezium_decode_config *config, wr_cell *cell, wr_column *column, uint32_t row,
         const wr_json *value, const wr_json *field, wr_cell_scratch *scratch)
{
    int64_t  v, us;
    wr_value out = { .type = cell->type };
    if (!wr_cell_read_integer(value->text, value->length, &v))
        return out_of_range(cell, value, scratch);
    if (cell->type.id == WR_DATE) {
        if (v < -2440588 || v > 2145042904) /* PostgreSQL's first and last days */
            return out_of_range(cell, value, scratch);
        out.integer = v;
        return wr_column_set_value(column, row, &out);
    }
    int64_t units = units_of(config, cell, field);
    if (units > 1000000)
        us = v / 1000 - (v % 1000 < 0);
    else if (__builtin_mul_overflow(v, 1000000 / units, &us))
        return out_of_range(cell, value, scratch);
    if (cell->type.id != WR_TIME)
        return wr_cell_put_time(cell, column, row, us, scratch);
    if (us < 0 || us > WR_US_PER_DAY)
        return out_of_range(cell, value, scratch);
    out.integer = us;
    return wr_column_set_value(column, row, &out);
}

/* --- others --- */

static weir_status
interval_put(wr_cell *cell, wr_column *column, uint32_t row, const wr_json *value,
             wr_cell_scratch *scratch)
{
    wr_value out = { .type = cell->type };
    if (!wr_cell_read_integer(value->text, value->length, &out.interval.us))
        return out_of_range(cell, value, scratch);
    return wr_column_set_value(column, row, &out);
}

static weir_status
bytes_put(wr_column *column, uint32_t row, const wr_json *value, wr_cell_scratch *scratch)
{
    uint8_t *bytes;
    size_t   length;
    WR_TRY(base64_decode(value, scratch, &bytes, &length));
    return wr_column_set_string(column, row, (const char *) bytes, length);
}

/* Anything as the JSON it is. */
static weir_status
nested_put(wr_cell *cell, wr_column *column, uint32_t row, const wr_json *value,
           wr_cell_scratch *scratch)
{
    wr_text text;
    wr_text_init(&text, scratch->arena.budget);
    wr_json_print(value, &text);
    weir_status status = wr_text_ok(&text) ? wr_cell_put_json(cell, column, row,
                                                              wr_text_string(&text), text.length,
                                                              scratch)
                                           : WEIR_MEMORY;
    wr_text_fini(&text);
    return status;
}

static weir_status
string_put(const wr_debezium_decode_config *config, wr_cell *cell, wr_column *column, uint32_t row,
           const wr_json *value, const wr_json *field, wr_cell_scratch *scratch)
{
    if (text_is(value, unavailable))
        return wr_error_set(&scratch->error, WEIR_ROW_TYPE,
                            "the value was not sent: it has not changed, and the table's replica "
                            "identity is not FULL");
    switch (cell->type.id) {
    case WR_NUMERIC: return numeric_put(config, cell, column, row, value, field, scratch);
    case WR_BYTEA: return bytes_put(column, row, value, scratch);
    case WR_JSON:
    case WR_JSONB:
        WR_TRY(wr_json_validate(value->text, value->length, &scratch->error));
        return wr_cell_put_json(cell, column, row, value->text, value->length, scratch);
    default: return wr_cell_put_text(cell, column, row, value->text, value->length, scratch);
    }
}

static weir_status
number_put(const wr_debezium_decode_config *config, wr_cell *cell, wr_column *column, uint32_t row,
           const wr_json *value, const wr_json *field, wr_cell_scratch *scratch)
{
    int64_t v;
    switch (cell->type.id) {
    case WR_DATE:
    case WR_TIME:
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ: return time_put(config, cell, column, row, value, field, scratch);
    case WR_INTERVAL: return interval_put(cell, column, row, value, scratch);
    case WR_BOOL:
        if (!wr_cell_read_integer(value->text, value->length, &v) || (v != 0 && v != 1))
            return out_of_range(cell, value, scratch);
        return wr_cell_put_bool(cell, column, row, v == 1, scratch);
    default: return wr_cell_put_number(cell, column, row, value->text, value->length, scratch);
    }
}

weir_status
wr_debezium_put(const wr_debezium_decode_config *config, wr_cell *cell, wr_column *column,
                uint32_t row, const wr_json *value, const wr_json *field, wr_cell_scratch *scratch)
{
    wr_cell_mark(column, row);
    switch (value->kind) {
    case WR_JSON_NULL: return wr_cell_put_null(cell, column, row, scratch);
    case WR_JSON_TRUE:
    case WR_JSON_FALSE:
        return cell->kind == WR_CELL_JSON
                   ? nested_put(cell, column, row, value, scratch)
                   : wr_cell_put_bool(cell, column, row, value->kind == WR_JSON_TRUE, scratch);
    case WR_JSON_NUMBER: return number_put(config, cell, column, row, value, field, scratch);
    case WR_JSON_STRING: return string_put(config, cell, column, row, value, field, scratch);
    case WR_JSON_LIST:
    case WR_JSON_OBJECT:
        return cell->type.id == WR_NUMERIC
                   ? numeric_put(config, cell, column, row, value, field, scratch)
                   : nested_put(cell, column, row, value, scratch);
    }
    wr_unreachable();
}
