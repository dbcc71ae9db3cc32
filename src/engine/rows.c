/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/rows.c -- weir_rows: a batch as users see it, encoded once for all who ask.
 *
 * State       `encoded`: the batch, compact; for each form (JSON or MessagePack, rows or objects) the bytes, made under
 *             a lock by whoever asks first.  A weir_rows is one asker's handle of it.  A pipeline with several
 *             subscriptions keeps the newest few, so that all subscribers of a view share them; they go with the
 *             last subscription.
 * Threads     any; weir_rows_text alone uses scratch of the handle and is for one thread.
 */
#include "engine/engine_impl.h"
#include "format/json.h"

#include <string.h>

enum { FORMS = 8 };

typedef struct wr_encoded encoded;
struct wr_encoded {
    _Atomic uint32_t refs;
    weir_rows_id name;
    wr_batch *batch;
    const wr_schema *schema;
    pthread_mutex_t mutex;
    wr_text forms[FORMS];
    bool made[FORMS];
};

struct weir_rows {
    _Atomic uint32_t refs;
    encoded *of;
    wr_arena scratch;
    wr_text text;
    bool failed; /* a text could not be made */
};

/* --- what is shared --- */

/* Takes batch.  name NULL: none.  Returns owned; NULL: no memory. */
static encoded *
encoded_create(wr_batch *batch, const wr_schema *schema, const weir_rows_id *name)
{
    encoded *e = wr_calloc(batch->budget, 1, sizeof *e);
    if (e == NULL) {
        wr_batch_release(batch);
        return NULL;
    }
    atomic_init(&e->refs, 1);
    e->batch = batch;
    e->schema = schema;
    e->name = name != NULL ? *name : (weir_rows_id){ 0 };
    pthread_mutex_init(&e->mutex, NULL);
    for (int i = 0; i < FORMS; i++)
        wr_text_init(&e->forms[i], batch->budget);
    return e;
}

static encoded *
encoded_retain(encoded *e)
{
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    return e;
}

static void
encoded_release(encoded *e)
{
    if (e == NULL || atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (int i = 0; i < FORMS; i++)
        wr_text_fini(&e->forms[i]);
    pthread_mutex_destroy(&e->mutex);
    wr_batch_release(e->batch);
    wr_free(e);
}

/* With the lock held: what was kept, to be released by the caller without it. */
static void
cache_empty(wr_encoded_cache *c, encoded *gone[WR_ENCODED_KEPT])
{
    memcpy(gone, c->kept, sizeof c->kept);
    memset(c->kept, 0, sizeof c->kept);
}

static void
encoded_release_all(encoded *gone[WR_ENCODED_KEPT])
{
    for (uint32_t i = 0; i < WR_ENCODED_KEPT; i++)
        encoded_release(gone[i]);
}

/* What is kept is not in the way of what flows. */
static bool
has_room_to_keep(const wr_budget *budget)
{
    uint64_t limit = budget != NULL ? wr_budget_limit(budget) : 0;
    return limit == 0 || wr_budget_room(budget) > limit / 2;
}

static bool
same_name(const weir_rows_id *a, const weir_rows_id *b)
{
    return a->sequence == b->sequence && a->shard == b->shard && a->relation == b->relation &&
           a->run == b->run;
}

/* Takes batch; it is kept, or what has its name was kept already. */
static encoded *
encoded_find_or_keep(wr_encoded_cache *c, wr_batch *batch, const wr_schema *schema,
                     const weir_rows_id *name)
{
    encoded *e = NULL, *gone[WR_ENCODED_KEPT] = { NULL };
    bool keep = has_room_to_keep(batch->budget);
    pthread_mutex_lock(&c->mutex);
    for (uint32_t i = 0; i < WR_ENCODED_KEPT && e == NULL; i++)
        if (c->kept[i] != NULL && same_name(&c->kept[i]->name, name))
            e = encoded_retain(c->kept[i]);
    if (e != NULL) {
        wr_batch_release(batch);
    } else if ((e = encoded_create(batch, schema, name)) != NULL && c->users > 1 && keep) {
        gone[0] = c->kept[c->turn];
        c->kept[c->turn] = encoded_retain(e);
        c->turn = (c->turn + 1) % WR_ENCODED_KEPT;
    } else if (!keep) {
        cache_empty(c, gone);
    }
    pthread_mutex_unlock(&c->mutex);
    encoded_release_all(gone);
    return e;
}

void
wr_encoded_cache_init(wr_encoded_cache *cache)
{
    memset(cache, 0, sizeof *cache);
    pthread_mutex_init(&cache->mutex, NULL);
}

void
wr_encoded_cache_fini(wr_encoded_cache *cache)
{
    encoded_release_all(cache->kept);
    pthread_mutex_destroy(&cache->mutex);
}

void
wr_encoded_cache_join(wr_encoded_cache *cache)
{
    pthread_mutex_lock(&cache->mutex);
    cache->users++;
    pthread_mutex_unlock(&cache->mutex);
}

void
wr_encoded_cache_leave(wr_encoded_cache *cache)
{
    encoded *gone[WR_ENCODED_KEPT] = { NULL };
    pthread_mutex_lock(&cache->mutex);
    wr_assert(cache->users > 0);
    if (--cache->users <= 1) /* nobody to share with */
        cache_empty(cache, gone);
    pthread_mutex_unlock(&cache->mutex);
    encoded_release_all(gone);
}

/* --- handles --- */

static weir_rows *
rows_of(encoded *e)
{
    weir_rows *r = e != NULL ? wr_calloc(e->batch->budget, 1, sizeof *r) : NULL;
    if (r == NULL) {
        encoded_release(e);
        return NULL;
    }
    atomic_init(&r->refs, 1);
    r->of = e;
    wr_arena_init(&r->scratch, e->batch->budget);
    wr_text_init(&r->text, e->batch->budget);
    return r;
}

weir_rows *
wr_rows_create(wr_batch *batch, const wr_schema *schema)
{
    return rows_of(encoded_create(batch, schema, NULL));
}

weir_rows *
wr_rows_create_shared(wr_encoded_cache *cache, wr_batch *batch, const wr_schema *schema,
                      const weir_rows_id *name)
{
    return rows_of(encoded_find_or_keep(cache, batch, schema, name));
}

weir_rows *
weir_rows_retain(weir_rows *rows)
{
    atomic_fetch_add_explicit(&rows->refs, 1, memory_order_relaxed);
    return rows;
}

void
weir_rows_release(weir_rows *rows)
{
    if (rows == NULL || atomic_fetch_sub_explicit(&rows->refs, 1, memory_order_acq_rel) != 1)
        return;
    wr_text_fini(&rows->text);
    wr_arena_fini(&rows->scratch);
    encoded_release(rows->of);
    wr_free(rows);
}

uint32_t
weir_rows_count(const weir_rows *rows)
{
    return rows->of->batch->row_count;
}

weir_rows_id
weir_rows_name(const weir_rows *rows)
{
    return rows->of->name;
}

int
weir_rows_diff(const weir_rows *rows, uint32_t row)
{
    return (int)wr_batch_diff(rows->of->batch, wr_batch_row(rows->of->batch, row));
}

static uint32_t
visible_columns(const wr_schema *schema)
{
    uint32_t n = 0;
    for (uint32_t c = 0; c < schema->field_count; c++)
        n += !schema->fields[c].hidden;
    return n;
}

/* The index in the batch of the visible column `column`. */
static uint32_t
visible_column(const wr_schema *schema, uint32_t column)
{
    for (uint32_t c = 0; c < schema->field_count; c++)
        if (!schema->fields[c].hidden && column-- == 0)
            return c;
    return UINT32_MAX;
}

const char *
weir_rows_text(weir_rows *rows, uint32_t row, uint32_t column)
{
    uint32_t c = visible_column(rows->of->schema, column);
    if (row >= rows->of->batch->row_count || c == UINT32_MAX || rows->of->batch->columns[c] == NULL)
        return NULL;
    wr_value value;
    wr_arena_reset(&rows->scratch);
    wr_text_clear(&rows->text);
    if (wr_column_get_value(rows->of->batch->columns[c], wr_batch_row(rows->of->batch, row), &rows->scratch,
                            &value) != WEIR_OK) {
        rows->failed = true;
        return NULL;
    }
    if (value.is_null)
        return NULL;
    wr_value_print(&value, &rows->text);
    rows->failed |= !wr_text_ok(&rows->text);
    return wr_text_ok(&rows->text) ? wr_text_string(&rows->text) : NULL;
}

weir_status
weir_rows_status(const weir_rows *rows)
{
    return rows->failed ? WEIR_MEMORY : WEIR_OK;
}

/* [["+",[7,3]],...] */
static weir_status
encode_json_rows(encoded *r, wr_text *to)
{
    const wr_json_encode_config config = { .lists = true };
    wr_encoder *encoder = NULL;
    wr_text_putc(to, '[');
    weir_status status =
        wr_json_encoder_ops.create(&config, r->schema, r->batch->budget, &encoder, NULL);
    if (status == WEIR_OK) {
        status = wr_json_encoder_ops.encode(encoder, r->batch, 0, r->batch->row_count, to, NULL);
        wr_json_encoder_ops.destroy(encoder);
    }
    if (wr_text_ok(to) && to->length > 1)
        to->data[to->length - 1] = ']'; /* where the last row's comma stands */
    else
        wr_text_putc(to, ']');
    return status == WEIR_OK && !wr_text_ok(to) ? WEIR_MEMORY : status;
}

/* Objects, through the format's own encoder. */
static weir_status
encode_objects(encoded *r, const char *format, bool postgres, wr_text *to)
{
    const wr_encoder_ops *ops = wr_encoder_find(format);
    if (ops == NULL)
        return WEIR_INTERNAL;
    wr_encoder *encoder = NULL;
    wr_arena arena;
    wr_report report;
    wr_arena_init(&arena, r->batch->budget);
    wr_report_init(&report);
    wr_node key = { .text = "values", .length = 6, .file = "" },
            value = { .text = "postgres", .length = 8, .file = "" };
    wr_node *keys[] = { &key }, *items[] = { &value };
    wr_node at = {
        .kind = WR_NODE_MAP, .file = "", .count = postgres ? 1 : 0, .keys = keys, .items = items
    };
    void *config = wr_arena_calloc(&arena, 1, WR_MAX(ops->config_bytes, (size_t)1));
    weir_status status = config == NULL ? WEIR_MEMORY
                                        : wr_options_read(ops->options, &at, &at, NULL, config,
                                                          ops->config_bytes, &arena, &report);
    if (status == WEIR_OK)
        status = ops->create(config, r->schema, r->batch->budget, &encoder, NULL);
    if (status == WEIR_OK)
        status = ops->encode(encoder, r->batch, 0, r->batch->row_count, to, NULL);
    if (encoder != NULL)
        ops->destroy(encoder);
    wr_report_fini(&report);
    wr_arena_fini(&arena);
    return status == WEIR_OK && !wr_text_ok(to) ? WEIR_MEMORY : status;
}

static void
put_count(wr_text *to, uint32_t n)
{
    unsigned char b[5] = { 0xdd, (unsigned char)(n >> 24), (unsigned char)(n >> 16),
                           (unsigned char)(n >> 8), (unsigned char)n };
    if (n < 16)
        wr_text_putc(to, (char)(0x90 | n));
    else
        wr_text_append(to, b, 5);
}

/* The same shape in MessagePack: an array of [op, [values]]; the values are the text forms JSON
 * would have, but integers, floats, booleans and nil are native. */
static weir_status
encode_msgpack_rows(encoded *r, wr_text *to)
{
    wr_arena step;
    wr_text cell;
    weir_status status = WEIR_OK;
    uint32_t visible = visible_columns(r->schema), total = 0;
    wr_arena_init(&step, r->batch->budget);
    wr_text_init(&cell, r->batch->budget);
    for (uint32_t i = 0; i < r->batch->row_count; i++) {
        int64_t d = wr_batch_diff(r->batch, wr_batch_row(r->batch, i));
        total += (uint32_t)(d < 0 ? -d : d);
    }
    put_count(to, total);
    for (uint32_t i = 0; i < r->batch->row_count && status == WEIR_OK; i++) {
        uint32_t physical = wr_batch_row(r->batch, i);
        int64_t diff = wr_batch_diff(r->batch, physical);
        for (int64_t repeat = diff < 0 ? -diff : diff; repeat > 0 && status == WEIR_OK; repeat--) {
            wr_text_append(to, (char[]){ (char)0x92, (char)0xa1, diff < 0 ? '-' : '+' }, 3);
            put_count(to, visible);
            for (uint32_t c = 0; c < r->batch->column_count && status == WEIR_OK; c++) {
                if (r->schema->fields[c].hidden)
                    continue;
                wr_value v;
                status = wr_column_get_value(r->batch->columns[c], physical, &step, &v);
                if (status != WEIR_OK)
                    break;
                unsigned char b[9];
                uint64_t bits = 0;
                if (v.is_null)
                    wr_text_putc(to, (char)0xc0);
                else if (v.type.id == WR_BOOL)
                    wr_text_putc(to, v.boolean ? (char)0xc3 : (char)0xc2);
                else if (wr_type_is_integer(v.type) || v.type.id == WR_FLOAT4 ||
                         v.type.id == WR_FLOAT8) {
                    bool real = !wr_type_is_integer(v.type);
                    memcpy(&bits, real ? (void *)&v.real : (void *)&v.integer, 8);
                    b[0] = real ? 0xcb : 0xd3;
                    for (int k = 0; k < 8; k++)
                        b[1 + k] = (unsigned char)(bits >> (56 - 8 * k));
                    wr_text_append(to, b, 9);
                } else {
                    wr_text_clear(&cell);
                    wr_value_print(&v, &cell);
                    if (!wr_text_ok(&cell))
                        status = WEIR_MEMORY;
                    uint32_t n = (uint32_t)cell.length;
                    b[0] = 0xdb;
                    b[1] = (unsigned char)(n >> 24);
                    b[2] = (unsigned char)(n >> 16);
                    b[3] = (unsigned char)(n >> 8);
                    b[4] = (unsigned char)n;
                    wr_text_append(to, b, 5);
                    wr_text_append(to, wr_text_string(&cell), n);
                }
            }
        }
        wr_arena_reset(&step);
    }
    if (status == WEIR_OK && !wr_text_ok(to))
        status = WEIR_MEMORY;
    wr_text_fini(&cell);
    wr_arena_fini(&step);
    return status;
}

weir_status
weir_rows_encode(weir_rows *rows, weir_encoding encoding, bool with_names, const char **bytes,
                 size_t *length)
{
    static const char *const formats[] = { "json", "msgpack", "csv", "json" };
    encoded *e = rows->of;
    int form = (int)encoding * 2 + with_names;
    weir_status status = WEIR_OK;
    wr_assert(form >= 0 && form < FORMS);
    pthread_mutex_lock(&e->mutex);
    if (!e->made[form]) {
        wr_text_clear(&e->forms[form]);
        if (with_names || encoding == WEIR_CSV || encoding == WEIR_JSON_POSTGRES)
            status = encode_objects(e, formats[encoding], encoding == WEIR_JSON_POSTGRES,
                                    &e->forms[form]);
        else if (encoding == WEIR_JSON)
            status = encode_json_rows(e, &e->forms[form]);
        else
            status = encode_msgpack_rows(e, &e->forms[form]);
        e->made[form] = status == WEIR_OK;
    }
    *bytes = wr_text_string(&e->forms[form]);
    *length = e->forms[form].length;
    pthread_mutex_unlock(&e->mutex);
    return status;
}
