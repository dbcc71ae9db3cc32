/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/kafka_message.c -- rows of a batch into messages, and these into the producer's hands.
 *
 * Place       kafka_sink.c gives a batch and asks for its messages until all are handed over.
 * Messages    a row each, with the key of the row; or (rows_per_message) rows of the batch without a key, one after the other as the
 *             format separates them or as one array.  A message never waits for rows of another batch: when a batch is
 *             taken nothing of it is left here, and flush has the client alone to ask.
 * Invariants  G1  messages are handed over in the order of their rows; one that is refused for want of room stands before
 *                 all later ones
 *             G2  a message is no larger than MESSAGE_BYTES (or the client's own limit), one row's aside
 * Cost        messages go over SLICE at a time by produce_batch, which copies them; with headers one by one.
 */
#include "connector/kafka_sink_impl.h"

#include <stdlib.h>
#include <string.h>

enum { MESSAGE_BYTES = 256 << 10, ARRAY_BYTES = 5 /* around rows, at most */ };

weir_status
wr_kafka_key_columns(const wr_kafka_sink_config *c, const wr_schema *schema, uint32_t *columns,
                     uint32_t *count, weir_error *err)
{
    *count = 0;
    for (uint32_t i = 0; i < c->key.count; i++) {
        int32_t column = wr_schema_find(schema, c->key.items[i]);
        if (column < 0)
            return wr_error_set(err, WEIR_CONFIG_REFERENCE, "key: there is no column \"%s\"",
                                c->key.items[i]);
        if (columns != NULL)
            columns[i] = (uint32_t) column;
        ++*count;
    }
    if (c->key.count > 0 || schema->kind != WR_UPSERT)
        return WEIR_OK;
    *count = schema->key_count;
    if (columns != NULL && schema->key_count > 0)
        memcpy(columns, schema->key, schema->key_count * sizeof *columns);
    return WEIR_OK;
}

/* --- life --- */

/* How large a message with several rows may be. */
static uint32_t
pack_bytes(const wr_option_map *properties)
{
    uint32_t most = MESSAGE_BYTES;
    for (uint32_t i = 0; i < properties->count; i++)
        if (strcmp(properties->keys[i], "message.max.bytes") == 0)
            most = (uint32_t) WR_MIN((unsigned long) most, strtoul(properties->values[i], NULL, 10) / 2);
    return most;
}

weir_status
wr_kafka_messages_init(kafka_messages *g, const wr_kafka_sink_config *config, wr_sink_ctx *ctx,
                       weir_error *err)
{
    g->config = config;
    g->ctx = ctx;
    g->text = strcmp(ctx->encoder->ops->name, "msgpack") != 0;
    g->pack_bytes = pack_bytes(&config->properties);
    wr_text_init(&g->values, ctx->flow);
    wr_text_init(&g->keys, ctx->flow);
    wr_text_init(&g->arrays, ctx->flow);
    wr_arena_init(&g->scratch, ctx->flow);
    WR_TRY(wr_kafka_key_columns(config, ctx->schema, NULL, &g->key_count, err));
    g->key = wr_calloc(ctx->flow, g->key_count + 1, sizeof *g->key);
    g->value_ends = wr_calloc(ctx->flow, WR_BATCH_ROWS_MAX, sizeof *g->value_ends);
    if (g->key_count > 0) {
        g->key_ends = wr_calloc(ctx->flow, WR_BATCH_ROWS_MAX, sizeof *g->key_ends);
        g->key_null = wr_calloc(ctx->flow, WR_BATCH_ROWS_MAX, sizeof *g->key_null);
    }
    if (g->key == NULL || g->value_ends == NULL ||
        (g->key_count > 0 && (g->key_ends == NULL || g->key_null == NULL)))
        return wr_error_set(err, WEIR_MEMORY, "no memory for a Kafka sink");
    return wr_kafka_key_columns(config, ctx->schema, g->key, &g->key_count, err);
}

void
wr_kafka_messages_fini(kafka_messages *g)
{
    wr_text_fini(&g->values);
    wr_text_fini(&g->keys);
    wr_text_fini(&g->arrays);
    wr_arena_fini(&g->scratch);
    wr_free(g->key);
    wr_free(g->value_ends);
    wr_free(g->key_ends);
    wr_free(g->key_null);
}

/* --- a batch is encoded --- */

/* The key of a physical row, appended to g->keys.  *null: it has none. */
static weir_status
key_put(kafka_messages *g, const wr_batch *batch, uint32_t row, uint8_t *null)
{
    wr_value value;
    wr_arena_reset(&g->scratch);
    *null = g->key_count == 0;
    if (g->key_count == 1) {
        WR_TRY(wr_column_get_value(batch->columns[g->key[0]], row, &g->scratch, &value));
        *null = value.is_null;
        wr_value_print(&value, &g->keys);
        return WEIR_OK;
    }
    for (uint32_t k = 0; k < g->key_count; k++) {
        WR_TRY(wr_column_get_value(batch->columns[g->key[k]], row, &g->scratch, &value));
        wr_text_putc(&g->keys, k == 0 ? '[' : ',');
        wr_value_print_json(&value, &g->keys);
    }
    if (g->key_count > 1)
        wr_text_putc(&g->keys, ']');
    return WEIR_OK;
}

weir_status
wr_kafka_messages_begin(kafka_messages *g, const wr_batch *batch)
{
    wr_encoder *e = g->ctx->encoder;
    wr_text_clear(&g->values);
    wr_text_clear(&g->keys);
    wr_text_clear(&g->arrays);
    g->row = g->slice_at = g->slice_count = 0;
    WR_TRY(e->ops->encode(e, batch, 0, batch->row_count, &g->values, g->value_ends));
    if (g->config->rows_as == WR_KAFKA_ARRAY && /* messages point into it: it must not move */
        !wr_text_reserve(&g->arrays, g->values.length + (size_t) batch->row_count * ARRAY_BYTES))
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < batch->row_count && g->key_count > 0; i++) {
        WR_TRY(key_put(g, batch, wr_batch_row(batch, i), &g->key_null[i]));
        g->key_ends[i] = (uint32_t) g->keys.length;
    }
    return wr_text_ok(&g->keys) ? WEIR_OK : WEIR_MEMORY;
}

void
wr_kafka_messages_end(kafka_messages *g)
{
    if (g->values.capacity > KAFKA_BYTES_KEPT)
        wr_text_fini(&g->values);
    if (g->arrays.capacity > KAFKA_BYTES_KEPT)
        wr_text_fini(&g->arrays);
}

/* --- messages --- */

/* The encoded row i.  Empty: the format leaves it out. */
static inline const char *
row_value(const kafka_messages *g, uint32_t i, size_t *length)
{
    uint32_t from = i > 0 ? g->value_ends[i - 1] : 0;
    *length = g->value_ends[i] - from;
    return g->values.data + from;
}

/* A text without the newline at its end. */
static inline size_t
trimmed(const kafka_messages *g, const char *value, size_t length)
{
    return length - (length > 0 && g->text && value[length - 1] == '\n');
}

/* The row at g->row as a message; false: it makes none. */
static bool
row_message(kafka_messages *g, const wr_batch *batch, rd_kafka_message_t *m)
{
    uint32_t i = g->row++;
    size_t   length;
    m->payload = (void *) row_value(g, i, &length);
    m->len = trimmed(g, m->payload, length);
    if (g->ctx->schema->kind == WR_UPSERT && wr_batch_diff(batch, wr_batch_row(batch, i)) < 0)
        m->payload = NULL; /* a tombstone */
    else if (m->len == 0)
        return false;
    if (m->payload == NULL)
        m->len = 0;
    if (g->key_count == 0 || g->key_null[i])
        return true;
    uint32_t from = i > 0 ? g->key_ends[i - 1] : 0;
    m->key_len = g->key_ends[i] - from;
    m->key = m->key_len > 0 ? g->keys.data + from : (char *) ""; /* an empty key is a key */
    return true;
}

/* Rows [from, to) of the values as one array. */
static void
array_put(kafka_messages *g, uint32_t from, uint32_t to, uint32_t rows)
{
    size_t length;
    if (!g->text) { /* array 32 */
        const char head[ARRAY_BYTES] = { (char) 0xdd, (char) (rows >> 24), (char) (rows >> 16), (char) (rows >> 8), (char) rows };
        const char *first = row_value(g, from, &length);
        wr_text_append(&g->arrays, head, sizeof head);
        wr_text_append(&g->arrays, first, g->value_ends[to - 1] - (size_t) (first - g->values.data));
        return;
    }
    wr_text_putc(&g->arrays, '[');
    for (uint32_t i = from, k = 0; i < to; i++) {
        const char *value = row_value(g, i, &length);
        length = trimmed(g, value, length);
        if (length > 0 && k++ > 0)
            wr_text_putc(&g->arrays, ',');
        wr_text_append(&g->arrays, value, length);
    }
    wr_text_putc(&g->arrays, ']');
}

/* Rows from g->row on as one message, as many as it may have; false: they make none. */
static bool
rows_message(kafka_messages *g, const wr_batch *batch, rd_kafka_message_t *m)
{
    uint32_t    from = g->row, rows = 0;
    size_t      length;
    const char *first = row_value(g, from, &length);
    while (g->row < batch->row_count && rows < g->config->rows_per_message) {
        const char *value = row_value(g, g->row, &length);
        if (rows > 0 && (size_t) (value + length - first) > g->pack_bytes) /* G2 */
            break;
        rows += length > 0;
        g->row++;
    }
    if (rows == 0)
        return false;
    if (g->config->rows_as == WR_KAFKA_LINES) {
        m->payload = (void *) first;
        m->len = trimmed(g, first, g->value_ends[g->row - 1] - (size_t) (first - g->values.data));
        return true;
    }
    size_t at = g->arrays.length;
    array_put(g, from, g->row, rows);
    m->payload = g->arrays.data + at;
    m->len = g->arrays.length - at;
    return true;
}

/* The next slice of messages; none: the batch is done. */
static void
slice_fill(kafka_messages *g, const wr_batch *batch)
{
    g->slice_at = g->slice_count = 0;
    while (g->row < batch->row_count && g->slice_count < KAFKA_SLICE) {
        rd_kafka_message_t *m = &g->slice[g->slice_count];
        *m = (rd_kafka_message_t){ 0 };
        g->slice_count += g->config->rows_per_message > 1 ? rows_message(g, batch, m) : row_message(g, batch, m);
    }
}

/* --- handing over --- */

static rd_kafka_headers_t *
headers_make(const wr_option_map *h)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(h->count);
    for (uint32_t i = 0; i < h->count; i++)
        (void) rd_kafka_header_add(headers, h->keys[i], -1, h->values[i], -1);
    return headers;
}

/* One message with headers. */
static rd_kafka_resp_err_t
message_send(kafka_messages *g, rd_kafka_t *rk, rd_kafka_topic_t *topic, const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers = headers_make(&g->config->headers);
    rd_kafka_resp_err_t code =
        rd_kafka_producev(rk, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                          RD_KAFKA_V_VALUE(m->payload, m->len), RD_KAFKA_V_KEY(m->key, m->key_len),
                          RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_headers_destroy(headers);
    return code;
}

/* What is left of the slice. */
static rd_kafka_resp_err_t
slice_send(kafka_messages *g, rd_kafka_t *rk, rd_kafka_topic_t *topic, kafka_outstanding *out)
{
    rd_kafka_message_t *m = g->slice + g->slice_at;
    uint32_t            count = g->slice_count - g->slice_at, sent = 0;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (g->config->headers.count == 0)
        (void) rd_kafka_produce_batch(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, m, (int) count);
    for (uint32_t i = 0; i < count; i++) {
        if (g->config->headers.count > 0)
            m[i].err = code == RD_KAFKA_RESP_ERR_NO_ERROR ? message_send(g, rk, topic, &m[i]) : code;
        if (m[i].err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            out->messages++;
            out->bytes += m[i].len + m[i].key_len;
        }
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            code = m[i].err; /* G1: of a full queue, that of all later ones */
        sent += code == RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    g->slice_at += sent;
    return code;
}

rd_kafka_resp_err_t
wr_kafka_messages_send(kafka_messages *g, const wr_batch *batch, rd_kafka_t *rk, rd_kafka_topic_t *topic,
                       kafka_outstanding *out)
{
    for (;;) {
        if (g->slice_at == g->slice_count)
            slice_fill(g, batch);
        if (g->slice_count == 0)
            return RD_KAFKA_RESP_ERR_NO_ERROR;
        rd_kafka_resp_err_t code = slice_send(g, rk, topic, out);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            return code;
    }
}
