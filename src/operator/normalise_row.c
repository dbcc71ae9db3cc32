/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/normalise_row.c -- rows packed into bytes for the table of keys, and back.
 *
 * Packed      for each kept column in order: u8 0 for NULL, else u8 1 and the value: one byte for
 *             a boolean, 8 for integers, floats and times, 16 for interval and uuid, u32 length
 *             and bytes for the rest.
 * Invariants  R1  equal bytes are rows that look equal (1.0 and 1.00 do not)
 *             R2  bytes in the store are never written again: a snapshot may hold them
 */
#include "operator/normalise_impl.h"

#include <string.h>

static void
value_pack(const wr_value *v, wr_text *to)
{
    wr_text_putc(to, v->is_null ? 0 : 1);
    if (v->is_null)
        return;
    switch (v->type.id) {
    case WR_BOOL: wr_text_putc(to, v->boolean ? 1 : 0); return;
    case WR_FLOAT4:
    case WR_FLOAT8: wr_text_append(to, &v->real, sizeof v->real); return;
    case WR_INTERVAL: wr_text_append(to, &v->interval, sizeof v->interval); return;
    case WR_UUID: wr_text_append(to, &v->uuid, sizeof v->uuid); return;
    default: break;
    }
    if (!wr_type_is_string(v->type)) {
        wr_text_append(to, &v->integer, sizeof v->integer);
        return;
    }
    wr_text_append(to, &v->string.length, sizeof v->string.length);
    wr_text_append(to, wr_string_data(&v->string), v->string.length);
}

static bool
bytes_take(const char **at, const char *end, void *to, size_t n)
{
    if ((size_t) (end - *at) < n)
        return false;
    memcpy(to, *at, n);
    *at += n;
    return true;
}

static bool
value_unpack(wr_type type, const char **at, const char *end, wr_value *v)
{
    uint8_t  there, flag;
    uint32_t length;
    *v = wr_value_null(type);
    if (!bytes_take(at, end, &there, 1) || there > 1)
        return false;
    v->is_null = there == 0;
    if (v->is_null)
        return true;
    switch (type.id) {
    case WR_BOOL:
        if (!bytes_take(at, end, &flag, 1) || flag > 1)
            return false;
        v->boolean = flag != 0;
        return true;
    case WR_FLOAT4:
    case WR_FLOAT8: return bytes_take(at, end, &v->real, sizeof v->real);
    case WR_INTERVAL: return bytes_take(at, end, &v->interval, sizeof v->interval);
    case WR_UUID: return bytes_take(at, end, &v->uuid, sizeof v->uuid);
    default: break;
    }
    if (!wr_type_is_string(type))
        return bytes_take(at, end, &v->integer, sizeof v->integer);
    if (!bytes_take(at, end, &length, sizeof length) || length > (size_t) (end - *at) ||
        length > WR_STRING_BYTES_MAX)
        return false;
    v->string = wr_string_make(*at, length);
    *at += length;
    return true;
}

weir_status
wr_normal_pack(normalise *n, const wr_batch *in, uint32_t row)
{
    wr_text_clear(&n->packed);
    for (uint32_t k = 0; k < n->kept_count; k++) {
        wr_value v;
        WR_TRY(wr_column_get_value(in->columns[n->kept[k]], row, &n->ctx->eval.step, &v));
        value_pack(&v, &n->packed);
    }
    return wr_text_ok(&n->packed) ? WEIR_OK : WEIR_MEMORY;
}

bool
wr_normal_unpack(const normalise *n, const char *bytes, size_t length, wr_value *values)
{
    const char *at = bytes, *end = bytes + length;
    for (uint32_t k = 0; k < n->kept_count; k++)
        if (!value_unpack(n->config->input->fields[n->kept[k]].type, &at, end, &values[k]))
            return false;
    return at == end;
}

weir_status
wr_normal_keep(normalise *n, wr_group *g, const char *bytes, size_t length)
{
    normal_row *row = normal_row_of(n, g);
    normal_row  made = { .length = bytes != NULL ? length : 0 };
    if (bytes != NULL) {
        wr_arena *arena = wr_group_table_arena(&n->table);
        char     *copy = arena != NULL ? wr_arena_alloc(arena, length + 1) : NULL;
        if (copy == NULL)
            return WEIR_MEMORY;
        if (length > 0)
            memcpy(copy, bytes, length);
        made.bytes = copy;
    }
    if (row->bytes != NULL)
        n->table.idle_bytes += row->length + 1; /* R2 */
    *row = made;
    return WEIR_OK;
}

static bool
row_move(void *user, wr_group *g, wr_arena *to)
{
    normal_row *row = normal_row_of(user, g);
    if (row->bytes == NULL)
        return true;
    char *copy = wr_arena_alloc(to, row->length + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, row->bytes, row->length);
    row->bytes = copy;
    return true;
}

weir_status
wr_normal_compact(normalise *n)
{
    return wr_group_table_wasteful(&n->table) ? wr_group_table_compact(&n->table, row_move, n)
                                              : WEIR_OK;
}
