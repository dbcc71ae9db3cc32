/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_misc.c -- greatest, least, counting NULLs, types, identifiers, the version.
 *
 * Place       rows of the function registry.
 * State       none: random bits come from the eval, which is seeded.
 */
#include "expr/fn_impl.h"
#include "expr/registry_impl.h"

/* The largest (sign 1) or smallest (sign -1) argument that is not NULL. */
static weir_status
extreme_give(const wr_value *args, uint32_t arg_count, int sign, wr_value *out)
{
    const wr_value *best = NULL;
    for (uint32_t i = 0; i < arg_count; i++)
        if (!args[i].is_null && (best == NULL || wr_value_compare(&args[i], best) * sign > 0))
            best = &args[i];
    if (best == NULL)
        return fn_give_null(out);
    wr_type type = out->type;
    *out = *best;
    out->type = type;
    return WEIR_OK;
}

FN_KERNEL(any_greatest)
{
    return extreme_give(args, arg_count, 1, out);
}

FN_KERNEL(any_least)
{
    return extreme_give(args, arg_count, -1, out);
}

FN_KERNEL(any_num_nulls)
{
    out->integer = 0;
    for (uint32_t i = 0; i < arg_count; i++)
        out->integer += args[i].is_null;
    return WEIR_OK;
}

FN_KERNEL(any_num_nonnulls)
{
    out->integer = 0;
    for (uint32_t i = 0; i < arg_count; i++)
        out->integer += !args[i].is_null;
    return WEIR_OK;
}

FN_KERNEL(any_typeof)
{
    wr_type type = args[0].type;
    wr_text text;
    wr_text_init(&text, eval->budget);
    wr_type_print((wr_type){ type.id, type.element, 0, -1 }, &text);
    return wr_fn_take(eval, row, &text, out);
}

/* Version 4: random but for six bits. */
FN_KERNEL(uuid_random)
{
    uint64_t words[2] = { wr_random_next(&eval->random), wr_random_next(&eval->random) };
    memcpy(out->uuid.bytes, words, sizeof words);
    out->uuid.bytes[6] = (uint8_t) ((out->uuid.bytes[6] & 0x0f) | 0x40);
    out->uuid.bytes[8] = (uint8_t) ((out->uuid.bytes[8] & 0x3f) | 0x80);
    return WEIR_OK;
}

FN_KERNEL(weir_version)
{
    static const char version[] = "Weir " WEIR_VERSION " (SQL of PostgreSQL 15)";
    return fn_give(out, version, sizeof version - 1);
}

FN_KERNEL(setting_refused)
{
    return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                        "unrecognized configuration parameter \"%.*s\"",
                        (int) WR_MIN(fn_length(&args[0]), 100), fn_data(&args[0]));
}

/* "10 kB": the largest unit in which the number is at least ten thousand smaller ones, rounded. */
FN_KERNEL(int8_size_pretty)
{
    static const char *const units[] = { "bytes", "kB", "MB", "GB", "TB", "PB" };
    int64_t                  bytes = args[0].integer;
    uint64_t                 size = bytes < 0 ? 0 - (uint64_t) bytes : (uint64_t) bytes;
    uint32_t                 unit = 0;
    wr_text                  text;
    /* From kB on, twice the size is kept, so that the last step can round by half. */
    while (unit + 1 < WR_COUNT(units) && size >= (unit == 0 ? 10 * 1024 : 2 * 10 * 1024 - 1))
        size >>= unit++ == 0 ? 9 : 10;
    if (unit > 0)
        size = (size + 1) / 2;
    wr_text_init(&text, eval->budget);
    wr_text_printf(&text, "%s%llu %s", bytes < 0 ? "-" : "", (unsigned long long) size,
                   units[unit]);
    return wr_fn_take(eval, row, &text, out);
}

#define FN_TOPIC "other"
const wr_function wr_fn_misc[] = {
    FN("greatest", T_ELEMENT, any_greatest, FN_NULLS | FN_VARIADIC, "the largest, NULLs left out",
       T_ELEMENT),
    FN("least", T_ELEMENT, any_least, FN_NULLS | FN_VARIADIC, "the smallest, NULLs left out",
       T_ELEMENT),
    FN("num_nulls", T_INT4, any_num_nulls, FN_NULLS | FN_VARIADIC, "how many arguments are NULL",
       T_ANY),
    FN("num_nonnulls", T_INT4, any_num_nonnulls, FN_NULLS | FN_VARIADIC,
       "how many arguments are not NULL", T_ANY),
    FN("pg_typeof", T_TEXT, any_typeof, FN_NULLS, "the name of the value's type", T_ANY),
    FN("gen_random_uuid", T_UUID, uuid_random, FN_VOLATILE, "a random uuid (version 4)"),
    FN("version", T_TEXT, weir_version, FN_STABLE, "the engine's version"),
    FN("current_setting", T_TEXT, setting_refused, FN_FAILS | FN_STABLE,
       "refused: a query reads no settings", T_TEXT),
    FN("pg_size_pretty", T_TEXT, int8_size_pretty, FN_FAILS, "bytes with a unit", T_INT8),
    FN_END,
};
