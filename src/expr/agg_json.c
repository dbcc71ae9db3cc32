/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/agg_json.c -- json_agg, jsonb_agg, json_object_agg, jsonb_object_agg.
 *
 * Place       the registry of aggregates (aggregate.c).
 * State       the items' text, each after ", ", in a buffer of the pane's arena.
 * Invariants  G1, G2, G4 of aggregate.h for rows in one order; not invertible
 *             J1  NULL values count, as JSON's null; a NULL key fails the result
 *             J2  jsonb goes through the canonical form, so the last of equal keys wins
 */
#include "expr/agg_impl.h"
#include "expr/fn_json_impl.h"

#include <string.h>

typedef struct json_items {
    wr_agg_bytes bytes;
    int64_t      bad_keys;
} json_items;

static bool
item_append(wr_agg_ctx *ctx, const wr_column *column, uint32_t row, bool canonical, wr_text *to)
{
    wr_arena scratch;
    wr_value v;
    wr_arena_init(&scratch, ctx->arena->budget);
    bool ok = wr_column_get_value(column, row, &scratch, &v) == WEIR_OK;
    if (ok && v.is_null)
        wr_text_puts(to, "null");
    else if (ok)
        wr_fn_json_append(&v, canonical, to);
    wr_arena_fini(&scratch);
    return ok;
}

/* A key is the text of its value, in quotes. */
static bool
key_append(wr_agg_ctx *ctx, const wr_column *column, uint32_t row, wr_text *to)
{
    wr_arena scratch;
    wr_value v;
    wr_arena_init(&scratch, ctx->arena->budget);
    bool ok = wr_column_get_value(column, row, &scratch, &v) == WEIR_OK;
    if (ok)
        wr_fn_json_key_append(&v, to);
    ok = ok && wr_text_ok(to);
    wr_arena_fini(&scratch);
    return ok;
}

/* between: what stands between key and value; NULL for lists. */
static void
json_step(wr_agg_ctx *ctx, char *const *states, size_t offset, wr_column *const *args, wr_rows rows,
          const char *between, bool lines)
{
    bool    canonical = ctx->result.id == WR_JSONB;
    wr_text text;
    wr_text_init(&text, ctx->arena->budget);
    for (uint32_t i = 0; i < rows.count; i++) {
        json_items *s = (json_items *) (void *) (states[i] + offset);
        uint32_t    row = fn_row(rows, i);
        bool        ok = true;
        wr_text_clear(&text);
        wr_text_puts(&text, ", ");
        if (between != NULL && wr_column_is_null(args[0], row)) { /* J1 */
            s->bad_keys++;
            continue;
        }
        if (between != NULL) {
            ok = key_append(ctx, args[0], row, &text);
            wr_text_puts(&text, between);
        } else if (lines && !wr_column_is_null(args[0], row)) {
            wr_text_puts(&text, "\n "); /* PostgreSQL gives each array and row a line */
        }
        ok = ok && item_append(ctx, args[between != NULL], row, canonical, &text);
        if (ok && wr_text_ok(&text))
            wr_agg_bytes_append(ctx, &s->bytes, text.data, text.length);
        else
            ctx->failed = true;
    }
    wr_text_fini(&text);
}

AGG_UPDATE(list_update)
{
    json_step(ctx, states, offset, args, rows, NULL,
              ctx->result.id == WR_JSON && ctx->args[0].id == WR_ARRAY);
}

AGG_UPDATE(rows_update)
{
    json_step(ctx, states, offset, args, rows, NULL, true);
}

AGG_UPDATE(object_update)
{
    json_step(ctx, states, offset, args, rows, ctx->result.id == WR_JSONB ? ": " : " : ", false);
}

AGG_MERGE(json_merge)
{
    json_items       *a = into;
    const json_items *b = from;
    a->bad_keys += b->bad_keys;
    wr_agg_bytes_append(ctx, &a->bytes, b->bytes.data, b->bytes.length);
}

static weir_status
json_put(const json_items *s, const char *open, const char *close, wr_arena *step, wr_column *out,
         uint32_t row)
{
    if (s->bad_keys > 0)
        return WEIR_ROW_INVALID_ARGUMENT;
    if (s->bytes.length == 0)
        return wr_column_set_null(out, row);
    if (wr_agg_bytes_full(&s->bytes))
        return WEIR_ROW_TOO_LARGE;
    size_t skip = s->bytes.length > 4 && s->bytes.data[2] == '\n' ? 4 : 2;
    size_t edges = strlen(open), length = s->bytes.length - skip;
    char *whole = wr_arena_alloc(step, length + 2 * edges);
    if (whole == NULL)
        return WEIR_MEMORY;
    memcpy(whole, open, edges);
    memcpy(whole + edges, s->bytes.data + skip, length);
    memcpy(whole + edges + length, close, edges);
    if (out->type.id == WR_JSON)
        return wr_column_set_string(out, row, whole, length + 2 * edges);
    wr_string canonical; /* J2 */
    WR_TRY(wr_jsonb_parse(whole, length + 2 * edges, step, &canonical, NULL));
    return wr_column_set_string(out, row, wr_string_data(&canonical), canonical.length);
}

AGG_RESULT(list_result)
{
    return json_put(state, "[", "]", step, out, row);
}

AGG_RESULT(object_result)
{
    return out->type.id == WR_JSONB ? json_put(state, "{", "}", step, out, row)
                                    : json_put(state, "{ ", " }", step, out, row);
}

AGG_ENCODE(json_encode)
{
    const json_items *s = state;
    wr_snapshot_put_i64(to, s->bad_keys);
    wr_snapshot_put_bytes(to, s->bytes.data, s->bytes.length);
}

AGG_DECODE(json_decode)
{
    json_items *s = state;
    size_t      length = 0;
    memset(s, 0, sizeof *s);
    s->bad_keys = wr_snapshot_get_i64(from);
    const char *bytes = wr_snapshot_get_bytes(from, &length);
    from->failed |= length > 0 && length < 3; /* an item has its comma and blank */
    WR_TRY(wr_agg_decoded(from));
    wr_agg_bytes_append(ctx, &s->bytes, bytes, length);
    return ctx->failed ? WEIR_MEMORY : WEIR_OK;
}

#define rows_result list_result
#define JSON(NAME, RESULT, ARGS, WHICH, DOC, ...)                                                  \
    { .name = NAME, .arg_count = ARGS, .args = { __VA_ARGS__ }, .result = RESULT,                  \
      .state_bytes = sizeof(json_items), .nested = true, .order_matters = true,                    \
      .update = WHICH##_update, .merge = json_merge, .result_at = WHICH##_result,                  \
      .encode = json_encode, .decode = json_decode, .doc = DOC }

const wr_aggregate wr_agg_json[] = {
    JSON("json_agg", T_JSON, 1, list, "the values as a JSON array", T_ANY),
    JSON("jsonb_agg", T_JSONB, 1, list, "the values as a JSON array", T_ANY),
    JSON("json_agg rows", T_JSON, 1, rows, "the rows as a JSON array", T_JSON),
    JSON("json_object_agg", T_JSON, 2, object, "keys and values as a JSON object", T_ANY, T_ANY),
    JSON("jsonb_object_agg", T_JSONB, 2, object, "keys and values as a JSON object", T_ANY, T_ANY),
    { .name = NULL },
};
