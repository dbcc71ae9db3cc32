/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/lane_keyed.c -- the rows of a keyed source: what their `_op` says, what stands in their key.
 *
 * Place       lane.c, while it decodes messages; lane_stamp.c, before a batch is judged.
 * Key         columns of the key that a message's value has not are taken from the message's key, and
 *             those of a message without a value, which deletes: a JSON object, by name (below
 *             "payload" where a schema stands beside it); a JSON list, in the key's order; any
 *             other text is the only column of the key, without the quotes of a JSON string.
 * Invariants  K1  a row that leaves here has diff 1 or -1 and no NULL in its key
 *             K2  one that does not leave is a bad record, counted and sampled, with what was wrong with its message's key
 *                 (of the first FAULTS_MAX such messages of a batch)
 */
#include "runtime/runtime_impl.h"

#include "data/json.h"
#include "state/column_same.h"

#include <stdio.h>
#include <string.h>

enum { FAULTS_MAX = 8 };

/* Why rows [from, to) of the batch under way have no key. */
typedef struct key_fault {
    uint32_t from, to;
    char     text[160];
} key_fault;

struct wr_key_faults {
    uint32_t  count;
    key_fault list[FAULTS_MAX];
};

/* --- the message's key --- */

static weir_status
member_value(const wr_json *json, wr_type type, wr_arena *arena, wr_value *out, weir_error *err)
{
    if (json == NULL || json->kind == WR_JSON_NULL) {
        *out = wr_value_null(type);
        return WEIR_OK;
    }
    if (json->kind == WR_JSON_STRING || json->kind == WR_JSON_NUMBER)
        return wr_value_parse(type, json->text, json->length, arena, out, err);
    wr_text text;
    wr_text_init(&text, arena->budget);
    wr_json_print(json, &text);
    weir_status status = wr_text_ok(&text) ? wr_value_parse(type, wr_text_string(&text),
                                                            text.length, arena, out, err)
                                           : WEIR_MEMORY;
    wr_text_fini(&text);
    return status;
}

static const wr_json *
member_find(const wr_json *object, const char *name)
{
    return wr_json_member(object, name, strlen(name));
}

/* The key's columns from the bytes of a message's key. */
static weir_status
key_read(const wr_schema *schema, const wr_record_meta *meta, wr_arena *arena, wr_value *values,
         weir_error *err)
{
    wr_json json = { .kind = WR_JSON_NULL };
    bool    is_json = meta->key_length > 0 && memchr("{[\"", meta->key[0], 3) != NULL &&
                   wr_json_parse(meta->key, meta->key_length, arena, &json, err) == WEIR_OK;
    const wr_json *object = &json;
    if (is_json && json.kind == WR_JSON_OBJECT && member_find(&json, "schema") != NULL &&
        member_find(&json, "payload") != NULL && member_find(&json, "payload")->kind == WR_JSON_OBJECT)
        object = member_find(&json, "payload");
    if (is_json && json.kind == WR_JSON_LIST && json.count != schema->key_count)
        return wr_error_set(err, WEIR_ROW_TYPE, "the message's key has %u values, not %u", json.count,
                            schema->key_count);
    if (!(is_json && json.kind != WR_JSON_STRING) && schema->key_count != 1)
        return wr_error_set(err, WEIR_ROW_TYPE,
                            "the message's key must be a JSON object or list of %u columns",
                            schema->key_count);
    for (uint32_t k = 0; k < schema->key_count; k++) {
        const wr_field *field = &schema->fields[schema->key[k]];
        if (is_json && json.kind == WR_JSON_OBJECT)
            WR_TRY(member_value(member_find(object, field->name), field->type, arena, &values[k], err));
        else if (is_json)
            WR_TRY(member_value(json.kind == WR_JSON_LIST ? &json.items[k] : &json, field->type,
                                arena, &values[k], err));
        else
            WR_TRY(wr_value_parse(field->type, meta->key, meta->key_length, arena, &values[k], err));
    }
    return WEIR_OK;
}

/* Without memory the reason is not kept, the fault is. */
static void
fault_keep(source_task *t, wr_lane *lane, uint32_t from, uint32_t to, const weir_error *err)
{
    if (lane->key_faults == NULL)
        lane->key_faults = wr_calloc(t->source->rt->budget, 1, sizeof *lane->key_faults);
    struct wr_key_faults *f = lane->key_faults;
    if (f == NULL || f->count == FAULTS_MAX)
        return;
    key_fault *fault = &f->list[f->count++];
    fault->from = from;
    fault->to = to;
    snprintf(fault->text, sizeof fault->text, "%.159s", err->text);
}

static const char *
fault_find(const wr_lane *lane, uint32_t row)
{
    const struct wr_key_faults *f = lane->key_faults;
    for (uint32_t i = 0; f != NULL && i < f->count; i++)
        if (row >= f->list[i].from && row < f->list[i].to)
            return f->list[i].text;
    return NULL;
}

weir_status
wr_lane_key_fill(source_task *t, wr_lane *lane, const wr_record_meta *meta, uint32_t from, uint32_t to)
{
    const wr_schema *schema = t->source->binding->schema;
    bool             missing = false;
    if (!t->source->binding->keyed || meta == NULL || meta->key == NULL)
        return WEIR_OK;
    for (uint32_t k = 0; k < schema->key_count && !missing; k++)
        for (uint32_t r = from; r < to && !missing; r++)
            missing = wr_column_is_null(lane->columns[schema->key[k]], r);
    if (!missing)
        return WEIR_OK;
    wr_arena    arena;
    weir_error  err = { 0 };
    wr_arena_init(&arena, t->source->rt->config.flow);
    wr_value   *values = wr_arena_alloc(&arena, schema->key_count * sizeof *values);
    weir_status status = values != NULL ? key_read(schema, meta, &arena, values, &err) : WEIR_MEMORY;
    if (status != WEIR_OK && status != WEIR_MEMORY) {
        fault_keep(t, lane, from, to, &err); /* the key stays NULL: K2 */
        status = WEIR_OK;
    } else
        for (uint32_t k = 0; k < schema->key_count && status == WEIR_OK; k++)
            for (uint32_t r = from; r < to && status == WEIR_OK && !values[k].is_null; r++)
                if (wr_column_is_null(lane->columns[schema->key[k]], r))
                    status = wr_column_set_value(lane->columns[schema->key[k]], r, &values[k]);
    wr_arena_fini(&arena);
    return status;
}

/* Was the lane's last row the deletion of the same key?  Change events have a tombstone after it. */
static bool
tombstone_repeats(source_task *t, wr_lane *lane, uint32_t row)
{
    const wr_source_binding *b = t->source->binding;
    const wr_column         *ops = lane->columns[b->op_column];
    const wr_string         *op = &((const wr_string *) ops->data)[row > 0 ? row - 1 : 0];
    if (row == 0 || wr_column_is_null(ops, row - 1) || op->length != 1 ||
        wr_string_data(op)[0] != 'd')
        return false;
    for (uint32_t k = 0; k < b->schema->key_count; k++)
        if (!wr_column_same(lane->columns[b->schema->key[k]], row - 1,
                            lane->columns[b->schema->key[k]], row))
            return false;
    return true;
}

weir_status
wr_lane_tombstone(source_task *t, wr_lane *lane, const wr_record_meta *meta)
{
    const wr_source_binding *b = t->source->binding;
    const wr_schema         *schema = b->schema;
    uint32_t                 capacity, row = wr_batch_builder_count(&lane->builder);
    wr_value                 op = { .type = WR_TYPE(WR_TEXT), .string = wr_string_make("-", 1) };
    wr_lane_woken(lane);
    WR_TRY(wr_lane_reserve(t, lane, &capacity));
    for (uint32_t f = 0; f < schema->field_count; f++)
        if (lane->columns[f] != NULL)
            WR_TRY(wr_column_set_null(lane->columns[f], row));
    WR_TRY(wr_column_set_value(lane->columns[b->op_column], row, &op));
    WR_TRY(wr_lane_key_fill(t, lane, meta, row, row + 1));
    if (tombstone_repeats(t, lane, row))
        return WEIR_OK;
    WR_TRY(wr_lane_set_meta(t, lane, meta, row, row + 1));
    lane->builder.batch->row_count = lane->builder.batch->physical_count = row + 1;
    return row + 1 == lane->rows_most ? wr_lane_seal(t, lane) : WEIR_OK;
}

/* --- a batch --- */

/* What a row's `_op` says: 1, -1, or 0 for something else. */
static int
op_sign(const wr_column *column, uint32_t row)
{
    const wr_column *base = wr_column_base(column);
    if (wr_column_is_null(column, row))
        return 1;
    const wr_string *op = &((const wr_string *) base->data)[wr_column_index(column, row)];
    char             c = op->length == 1 ? wr_string_data(op)[0] : '?';
    if (c == '-' || c == 'd')
        return -1;
    return c != '\0' && strchr("+curi", c) != NULL ? 1 : 0;
}

/* The first column that a row of this sign may not leave NULL, and does; -1: none. */
static int32_t
null_column(const wr_schema *schema, const wr_batch *b, uint32_t row, int sign)
{
    for (uint32_t k = 0; k < schema->key_count; k++)
        if (wr_column_is_null(b->columns[schema->key[k]], row))
            return (int32_t) schema->key[k];
    for (uint32_t f = 0; f < schema->field_count && sign > 0; f++)
        if (schema->fields[f].not_null && b->columns[f]->layout != WR_CONSTANT &&
            wr_column_is_null(b->columns[f], row))
            return (int32_t) f;
    return -1;
}

/* The row as JSON, for the sample of what was wrong with it. */
static void
row_print(const wr_schema *schema, const wr_batch *b, uint32_t row, wr_arena *arena, wr_text *to)
{
    enum { SAMPLE = 512 };
    wr_value v;
    for (uint32_t f = 0; f < schema->field_count && to->length < SAMPLE; f++) {
        if (wr_column_is_null(b->columns[f], row) ||
            wr_column_get_value(b->columns[f], row, arena, &v) != WEIR_OK)
            continue;
        wr_text_puts(to, to->length == 0 ? "{" : ",");
        wr_text_put_json(to, schema->fields[f].name, strlen(schema->fields[f].name));
        wr_text_putc(to, ':');
        wr_value_print_json(&v, to);
    }
    wr_text_puts(to, to->length == 0 ? "{}" : "}");
}

/* K2 */
static void
row_bad(source_task *t, wr_lane *lane, const wr_batch *b, uint32_t row, int sign, int32_t null)
{
    const wr_schema *schema = t->source->binding->schema;
    char             text[240] = "_op is none of + - c u r i d";
    wr_text          sample;
    wr_arena         arena;
    const char *fault = sign != 0 ? fault_find(lane, row) : NULL;
    if (fault != NULL)
        snprintf(text, sizeof text, "the message's key gives no %.60s: %s", schema->fields[null].name, fault);
    else if (sign != 0)
        snprintf(text, sizeof text, "column %.60s is NULL%s", schema->fields[null].name,
                 sign > 0 ? "" : ", and a deletion needs its key");
    wr_arena_init(&arena, t->source->rt->config.flow);
    wr_text_init(&sample, t->source->rt->config.flow);
    row_print(schema, b, row, &arena, &sample);
    wr_source_bad(t, lane, sign == 0 ? WEIR_ROW_DECODE : WEIR_ROW_NULL, text,
                  wr_text_string(&sample), sample.length);
    wr_text_fini(&sample);
    wr_arena_fini(&arena);
}

weir_status
wr_lane_keyed(source_task *t, wr_lane *lane, wr_batch *b, uint16_t *rows, uint32_t *count)
{
    const wr_source_binding *binding = t->source->binding;
    const wr_schema         *schema = binding->schema;
    const wr_column         *ops = binding->keyed ? b->columns[binding->op_column] : NULL;
    uint32_t                 kept = 0;
    if (ops == NULL)
        return WEIR_OK;
    for (uint32_t i = 0; i < *count; i++) {
        int     sign = b->diff != NULL && b->diff[rows[i]] < 0 ? -1 : op_sign(ops, rows[i]);
        int32_t null = sign != 0 ? null_column(schema, b, rows[i], sign) : -1;
        if (sign == 0 || null >= 0) {
            row_bad(t, lane, b, rows[i], sign, null);
            continue;
        }
        if (sign < 0 && b->diff == NULL) {
            b->diff = wr_alloc(t->source->rt->config.flow, b->physical_count * sizeof *b->diff);
            if (b->diff == NULL)
                return WEIR_MEMORY;
            for (uint32_t r = 0; r < b->physical_count; r++)
                b->diff[r] = 1;
        }
        if (b->diff != NULL)
            b->diff[rows[i]] = sign;
        rows[kept++] = rows[i];
    }
    *count = kept;
    if (lane->key_faults != NULL)
        lane->key_faults->count = 0;
    return WEIR_OK;
}
