/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/test_rows.c -- rows of `given` and `expect`: YAML to batches, batches to comparable text.
 *
 * A row is held as an array of the printed values of all columns, so that an expectation that names
 * some of them compares just those.
 */
#include "base/hash.h"
#include "data/json.h"
#include "engine/test_impl.h"

#include <stdio.h>
#include <string.h>

/* Plain scalars that JSON would read as a number, boolean or null stay bare; the rest is a string.
 */
static void
node_to_json(const wr_node *node, wr_text *to)
{
    weir_error ignored;
    if (node->kind == WR_NODE_SCALAR) {
        bool plain = !node->quoted && !node->block && node->length > 0;
        if (plain && (node->text[0] == '~' && node->length == 1))
            wr_text_puts(to, "null");
        else if (plain && node->text[0] != '"' && node->text[0] != '[' && node->text[0] != '{' &&
                 wr_json_validate(node->text, node->length, &ignored) == WEIR_OK)
            wr_text_append(to, node->text, node->length);
        else
            wr_text_put_json(to, node->text, node->length);
        return;
    }
    wr_text_putc(to, node->kind == WR_NODE_LIST ? '[' : '{');
    for (uint32_t i = 0; i < node->count; i++) {
        if (i > 0)
            wr_text_putc(to, ',');
        if (node->kind == WR_NODE_MAP) {
            wr_text_put_json(to, node->keys[i]->text, node->keys[i]->length);
            wr_text_putc(to, ':');
        }
        node_to_json(node->items[i], to);
    }
    wr_text_putc(to, node->kind == WR_NODE_LIST ? ']' : '}');
}

static bool
is_null(const wr_node *node)
{
    return node->kind == WR_NODE_SCALAR && !node->quoted &&
           (strcmp(node->text, "null") == 0 || strcmp(node->text, "~") == 0 || node->length == 0);
}

/* [1, null] as {1,NULL}: PostgreSQL's own spelling of an array. */
static void
node_to_array(const wr_node *node, wr_text *to)
{
    wr_text json;
    wr_text_putc(to, '{');
    for (uint32_t i = 0; i < node->count; i++) {
        const wr_node *item = node->items[i];
        wr_text_puts(to, i > 0 ? "," : "");
        if (is_null(item)) {
            wr_text_puts(to, "NULL");
        } else if (item->kind == WR_NODE_SCALAR) {
            wr_text_put_json(to, item->text, item->length);
        } else if (item->kind == WR_NODE_LIST) {
            node_to_array(item, to);
        } else {
            wr_text_init(&json, to->budget);
            node_to_json(item, &json);
            if (wr_text_ok(&json))
                wr_text_put_json(to, wr_text_string(&json), json.length);
            wr_text_fini(&json);
        }
    }
    wr_text_putc(to, '}');
}

/* A cell as a value of the column's type. */
static weir_status
cell_value(const wr_node *node, wr_type type, wr_arena *arena, wr_value *out, weir_error *err)
{
    if (is_null(node)) {
        *out = wr_value_null(type);
        return WEIR_OK;
    }
    if (node->kind == WR_NODE_SCALAR)
        return wr_value_parse(type, node->text, node->length, arena, out, err);
    wr_text json;
    wr_text_init(&json, arena->budget);
    if (type.id == WR_ARRAY)
        node_to_array(node, &json);
    else
        node_to_json(node, &json);
    weir_status st = wr_text_ok(&json)
                         ? wr_value_parse(type, wr_text_string(&json), json.length, arena, out, err)
                         : wr_error_set(err, WEIR_MEMORY, "%s", weir_status_text(WEIR_MEMORY));
    wr_text_fini(&json);
    return st;
}

static weir_status
row_add(const wr_node *row, const wr_schema *schema, wr_batch_builder *builder, wr_arena *arena,
        wr_value *values, weir_error *err)
{
    if (row->kind != WR_NODE_MAP)
        return wr_error_set(err, WEIR_CONFIG_VALUE, "line %u: a row is a map of columns",
                            row->line);
    for (uint32_t c = 0; c < schema->field_count; c++)
        values[c] = wr_value_null(schema->fields[c].type);
    for (uint32_t i = 0; i < row->count; i++) {
        int32_t c = wr_schema_find(schema, row->keys[i]->text);
        if (c < 0)
            return wr_error_set(err, WEIR_CONFIG_UNKNOWN_KEY, "line %u: there is no column \"%s\"",
                                row->keys[i]->line, row->keys[i]->text);
        weir_error why = { 0 };
        if (cell_value(row->items[i], schema->fields[c].type, arena, &values[c], &why) != WEIR_OK)
            return wr_error_set(err, WEIR_CONFIG_VALUE, "line %u: column %s: %s",
                                row->items[i]->line, row->keys[i]->text, why.text);
    }
    return wr_batch_builder_add(builder, values, 1);
}

weir_status
wr_test_decode(const wr_node *list, const wr_schema *schema, const uint64_t *needed,
               wr_budget *budget, wr_batch **batch, weir_error *err)
{
    wr_batch_builder builder;
    wr_batch *opened;
    wr_arena arena;
    (void)needed;
    *batch = NULL;
    if (list->kind != WR_NODE_LIST)
        return wr_error_set(err, WEIR_CONFIG_VALUE, "line %u: rows are a list", list->line);
    if (list->count > WR_BATCH_ROWS_MAX)
        return wr_error_set(err, WEIR_CONFIG_VALUE, "line %u: more than %d rows in one step",
                            list->line, WR_BATCH_ROWS_MAX);
    wr_arena_init(&arena, budget);
    wr_batch_builder_init(&builder, budget, schema);
    wr_value *values = wr_arena_calloc(&arena, schema->field_count + 1, sizeof *values);
    weir_status st =
        values == NULL ? WEIR_MEMORY : wr_batch_builder_open(&builder, list->count, &opened);
    for (uint32_t i = 0; st == WEIR_OK && i < list->count; i++)
        st = row_add(list->items[i], schema, &builder, &arena, values, err);
    if (st == WEIR_OK)
        *batch = wr_batch_builder_take(&builder);
    wr_batch_builder_fini(&builder);
    wr_arena_fini(&arena);
    return st;
}

static weir_status
rows_push(wr_test_rows *rows, wr_arena *arena, const char *text, int64_t diff)
{
    if (rows->count == rows->capacity) {
        uint32_t more = rows->capacity == 0 ? 64 : rows->capacity * 2;
        wr_test_row *grown = wr_arena_alloc(arena, more * sizeof *grown);
        if (grown == NULL)
            return WEIR_MEMORY;
        if (rows->count > 0)
            memcpy(grown, rows->rows, rows->count * sizeof *grown);
        rows->rows = grown;
        rows->capacity = more;
    }
    rows->rows[rows->count++] = (wr_test_row){ .text = text, .diff = diff };
    return text != NULL ? WEIR_OK : WEIR_MEMORY;
}

/* Values separated by \x1f, NULL as \x1e: no printed value holds these. */
weir_status
wr_test_collect(const wr_batch *batch, const wr_schema *schema, wr_arena *arena, wr_test_rows *rows)
{
    wr_text line;
    weir_status st = WEIR_OK;
    wr_text_init(&line, arena->budget);
    for (uint32_t i = 0; i < batch->row_count && st == WEIR_OK; i++) {
        uint32_t physical = wr_batch_row(batch, i);
        wr_text_clear(&line);
        for (uint32_t c = 0; c < schema->field_count && st == WEIR_OK; c++) {
            wr_value v = wr_value_null(schema->fields[c].type);
            if (c < batch->column_count && batch->columns[c] != NULL)
                st = wr_column_get_value(batch->columns[c], physical, arena, &v);
            if (st == WEIR_OK && v.is_null)
                wr_text_putc(&line, '\x1e');
            else if (st == WEIR_OK)
                wr_value_print(&v, &line);
            wr_text_putc(&line, '\x1f');
        }
        if (!wr_text_ok(&line))
            st = WEIR_MEMORY;
        if (st == WEIR_OK)
            st = rows_push(rows, arena, wr_arena_strndup(arena, wr_text_string(&line), line.length),
                           wr_batch_diff(batch, physical));
    }
    wr_text_fini(&line);
    return st;
}

static weir_status
ledger_grow(wr_test_ledger *ledger, wr_arena *arena)
{
    wr_test_ledger grown = { .capacity = ledger->capacity == 0 ? 256 : ledger->capacity * 2 };
    grown.slots = wr_arena_calloc(arena, grown.capacity, sizeof *grown.slots);
    if (grown.slots == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < ledger->capacity; i++)
        if (ledger->slots[i].text != NULL && ledger->slots[i].diff != 0)
            WR_TRY(wr_test_ledger_add(&grown, arena, ledger->slots[i].text, ledger->slots[i].diff));
    *ledger = grown;
    return WEIR_OK;
}

/* Where a text stands, or the free slot for it. */
static wr_test_row *
ledger_slot(const wr_test_ledger *ledger, const char *text)
{
    uint64_t at = wr_hash_bytes(text, strlen(text));
    for (;; at++) {
        wr_test_row *slot = &ledger->slots[at & (ledger->capacity - 1)];
        if (slot->text == NULL || strcmp(slot->text, text) == 0)
            return slot;
    }
}

weir_status
wr_test_ledger_add(wr_test_ledger *ledger, wr_arena *arena, const char *text, int64_t diff)
{
    if (ledger->count * 2 >= ledger->capacity)
        WR_TRY(ledger_grow(ledger, arena));
    wr_test_row *slot = ledger_slot(ledger, text);
    if (slot->text == NULL) {
        slot->text = text;
        ledger->count++;
    }
    slot->diff += diff;
    return WEIR_OK;
}

/* Equal rows are summed; those that cancel go.  The rest stays in order of first arrival. */
static weir_status
rows_fold(wr_test_rows *rows, wr_arena *arena)
{
    wr_test_ledger sums = { 0 };
    uint32_t kept = 0;
    for (uint32_t i = 0; i < rows->count; i++)
        WR_TRY(wr_test_ledger_add(&sums, arena, rows->rows[i].text, rows->rows[i].diff));
    for (uint32_t i = 0; i < rows->count; i++) {
        wr_test_row *sum = ledger_slot(&sums, rows->rows[i].text);
        if (sum->diff != 0)
            rows->rows[kept++] = (wr_test_row){ .text = sum->text, .diff = sum->diff };
        sum->diff = 0;
    }
    rows->count = kept;
    return WEIR_OK;
}

static const char *
cell_at(const char *text, uint32_t column, size_t *length)
{
    for (; column > 0; column--)
        text = strchr(text, '\x1f') + 1;
    *length = strcspn(text, "\x1f");
    return text;
}

static void
print_row(const wr_test_row *row, const wr_schema *schema, char sign, wr_text *to)
{
    wr_text_printf(to, "    %c %s{", sign, row->diff < 0 ? "_op: \"-\", " : "");
    bool first = true;
    for (uint32_t c = 0; c < schema->field_count; c++) {
        if (schema->fields[c].hidden)
            continue;
        size_t n;
        const char *cell = cell_at(row->text, c, &n);
        wr_text_printf(to, "%s%s: ", first ? "" : ", ", schema->fields[c].name);
        if (n == 1 && cell[0] == '\x1e')
            wr_text_puts(to, "null");
        else
            wr_text_append(to, cell, n);
        first = false;
    }
    wr_text_puts(to, row->diff > 1 ? "}  (several times)\n" : "}\n");
}

bool
wr_test_ledger_check(wr_test_ledger *ledger, wr_test_rows *rows, const wr_schema *schema,
                     wr_arena *arena, wr_text *detail)
{
    bool sound = true;
    uint32_t from = rows->checked;
    rows->checked = rows->count;
    for (uint32_t i = from; i < rows->count; i++)
        if (wr_test_ledger_add(ledger, arena, rows->rows[i].text, rows->rows[i].diff) != WEIR_OK)
            return false;
    for (uint32_t i = from; i < rows->count && sound; i++) {
        const wr_test_row *sum = ledger_slot(ledger, rows->rows[i].text);
        if (sum->diff < 0) {
            print_row(sum, schema, '!', detail);
            sound = false;
        }
    }
    return sound;
}

static void
print_expected(const wr_node *row, wr_text *to)
{
    wr_text_puts(to, "    - ");
    node_to_json(row, to);
    wr_text_puts(to, "   expected, did not come\n");
}

/* Does a row that came have the columns an expectation names?  Values compare as the type prints
 * them. */
static weir_status
row_matches(const wr_node *want, const wr_test_row *row, const wr_schema *schema, bool changes,
            wr_arena *arena, bool *matches, weir_error *err)
{
    wr_text printed;
    *matches = false;
    int64_t diff = 1;
    wr_text_init(&printed, arena->budget);
    weir_status st = WEIR_OK;
    bool all = true;
    for (uint32_t i = 0; i < want->count && st == WEIR_OK; i++) {
        const char *key = want->keys[i]->text;
        if (strcmp(key, "_op") == 0) {
            diff = strcmp(want->items[i]->text, "-") == 0 ? -1 : 1;
            continue;
        }
        int32_t c = wr_schema_find(schema, key);
        if (c < 0) {
            st = wr_error_set(err, WEIR_CONFIG_UNKNOWN_KEY,
                              "line %u: the view has no column \"%s\"", want->keys[i]->line, key);
            break;
        }
        wr_value v;
        weir_error why = { 0 };
        if (cell_value(want->items[i], schema->fields[c].type, arena, &v, &why) != WEIR_OK) {
            st = wr_error_set(err, WEIR_CONFIG_VALUE, "line %u: column %s: %s",
                              want->items[i]->line, key, why.text);
            break;
        }
        size_t n;
        const char *cell = cell_at(row->text, (uint32_t)c, &n);
        wr_text_clear(&printed);
        if (v.is_null)
            wr_text_putc(&printed, '\x1e');
        else
            wr_value_print(&v, &printed);
        if (!wr_text_ok(&printed))
            st = WEIR_MEMORY;
        bool same = printed.length == n && memcmp(wr_text_string(&printed), cell, n) == 0;
        if (!same && schema->fields[c].type.id == WR_NUMERIC && !v.is_null &&
            !(n == 1 && cell[0] == '\x1e')) {
            wr_value came; /* 5 and 5.00 are one number */
            same = wr_value_parse(WR_TYPE(WR_NUMERIC), cell, n, arena, &came, &why) == WEIR_OK &&
                   wr_value_equal(&came, &v);
        }
        all = all && same;
    }
    wr_text_fini(&printed);
    *matches = st == WEIR_OK && all && (changes ? (row->diff < 0) == (diff < 0) : row->diff > 0);
    return st;
}

bool
wr_test_compare(const wr_node *expected, const wr_schema *schema, wr_test_rows *rows, bool changes,
                wr_arena *arena, wr_text *detail, weir_error *err)
{
    bool same = true;
    if (expected->kind != WR_NODE_LIST && expected->length > 0) {
        (void)!wr_error_set(err, WEIR_CONFIG_VALUE, "line %u: expected rows are a list",
                            expected->line);
        return false;
    }
    if (!changes && rows_fold(rows, arena) != WEIR_OK) {
        (void)!wr_error_set(err, WEIR_MEMORY, "no memory to compare rows");
        return false;
    }
    for (uint32_t i = 0; expected->kind == WR_NODE_LIST && i < expected->count; i++) {
        bool found = false;
        if (expected->items[i]->kind != WR_NODE_MAP) {
            (void)!wr_error_set(err, WEIR_CONFIG_VALUE, "line %u: a row is a map of columns",
                                expected->items[i]->line);
            return false;
        }
        for (uint32_t r = 0; r < rows->count && !found; r++) {
            if (rows->rows[r].matched)
                continue;
            if (row_matches(expected->items[i], &rows->rows[r], schema, changes, arena, &found,
                            err) != WEIR_OK)
                return false;
            if (found && (rows->rows[r].diff == 1 || rows->rows[r].diff == -1))
                rows->rows[r].matched = true;
            else if (found)
                rows->rows[r].diff -= rows->rows[r].diff > 0 ? 1 : -1;
        }
        if (!found) {
            same = false;
            print_expected(expected->items[i], detail);
        }
    }
    for (uint32_t r = 0; r < rows->count; r++)
        if (!rows->rows[r].matched) {
            same = false;
            print_row(&rows->rows[r], schema, '+', detail);
        }
    rows->count = rows->checked = 0;
    return same;
}
