/* SPDX-License-Identifier: Apache-2.0 */
/* keyed_test.c -- K1, K2 of runtime/lane_keyed.c: messages with keys, and tombstones, into rows with diffs. */
#include "support/test.h"

#include "runtime/runtime.h"

#include <stdio.h>
#include <string.h>

/* --- a source that gives messages, a sink that writes down rows --- */

typedef struct message {
    const char *key, *value; /* value NULL: a tombstone */
} message;

typedef struct messages {
    const message *list;
    uint32_t       count;
} messages;

typedef struct message_source {
    const messages *config;
    uint32_t        at;
} message_source;

static weir_status
messages_open(void *self, wr_source_ctx *ctx, const void *config, void *shared, weir_error *err)
{
    (void) shared;
    (void) err;
    ((message_source *) self)->config = config;
    return ctx->lane(ctx, 0) != NULL ? WEIR_OK : WEIR_MEMORY;
}

static wr_flow
messages_poll(void *self, wr_source_ctx *ctx)
{
    message_source *s = self;
    wr_lane        *lane = ctx->lane(ctx, 0);
    if (!ctx->has_room(ctx))
        return WR_FLOW_WAIT;
    for (; s->at < s->config->count; s->at++) {
        const message *m = &s->config->list[s->at];
        wr_record_meta meta = { .key = m->key, .key_length = m->key != NULL ? strlen(m->key) : 0,
                                .timestamp = WR_TIME_START };
        size_t used = 0;
        if (m->value == NULL)
            assert_int_equal(ctx->tombstone(ctx, lane, &meta), WEIR_OK);
        else
            assert_int_equal(ctx->feed(ctx, lane, m->value, strlen(m->value), true, &meta, &used),
                             WEIR_OK);
    }
    return WR_FLOW_DONE;
}

static void
messages_close(void *self)
{
    (void) self;
}

static const wr_source_ops messages_ops = { .name = "messages",
                                            .doc = "messages",
                                            .self_bytes = sizeof(message_source),
                                            .default_format = "json",
                                            .one_shard = true,
                                            .open = messages_open,
                                            .poll = messages_poll,
                                            .close = messages_close };

static weir_status
written_open(void *self, wr_sink_ctx *ctx, const void *config, weir_error *err)
{
    (void) ctx;
    (void) err;
    *(void **) self = (void *) (uintptr_t) config;
    return WEIR_OK;
}

static wr_flow
written_write(void *self, wr_sink_ctx *ctx, const wr_batch *batch)
{
    wr_text *to = *(wr_text **) self;
    wr_arena arena;
    (void) ctx;
    wr_arena_init(&arena, NULL);
    for (uint32_t i = 0; i < batch->row_count; i++) {
        uint32_t row = wr_batch_row(batch, i);
        wr_text_putc(to, wr_batch_diff(batch, row) < 0 ? '-' : '+');
        for (uint32_t c = 0; c < 3; c++) {
            wr_value v;
            assert_int_equal(wr_column_get_value(batch->columns[c], row, &arena, &v), WEIR_OK);
            wr_text_puts(to, c > 0 ? "|" : "");
            if (v.is_null)
                wr_text_puts(to, "null");
            else
                wr_value_print(&v, to);
        }
        wr_text_putc(to, '\n');
    }
    wr_arena_fini(&arena);
    return WR_FLOW_NEXT;
}

static wr_flow
written_flush(void *self, wr_sink_ctx *ctx)
{
    (void) self;
    (void) ctx;
    return WR_FLOW_NEXT;
}

static const wr_sink_ops written_ops = { .name = "written", .doc = "rows", .self_bytes = sizeof(void *),
                                         .takes_changes = true, .open = written_open,
                                         .write = written_write, .flush = written_flush };

/* --- the cases --- */

static char last_bad[200]; /* what was said of the newest bad record */

/* Columns k int8, j text, v text; the key is the first key_count of them.  bad: how many records. */
static void
check(const char *format, uint32_t key_count, const message *list, uint32_t count, const char *want,
      uint64_t bad)
{
    uint32_t              key[] = { 0, 1 };
    wr_arena              arena;
    wr_text               rows;
    wr_clock_virtual      clock;
    weir_error            err;
    wr_runtime           *rt;
    wr_source_view        view;
    messages              config = { list, count };
    const wr_decoder_ops *decoder = wr_decoder_find(format);
    wr_arena_init(&arena, NULL);
    wr_text_init(&rows, NULL);
    wr_clock_virtual_init(&clock, 1000000000);
    wr_schema *schema = wr_schema_create(&arena, 4);
    schema->fields[0] = (wr_field){ .name = "k", .type = WR_TYPE(WR_INT8), .not_null = true };
    schema->fields[1] = (wr_field){ .name = "j", .type = WR_TYPE(WR_TEXT), .not_null = key_count > 1 };
    schema->fields[2] = (wr_field){ .name = "v", .type = WR_TYPE(WR_TEXT), .not_null = true };
    schema->fields[3] = (wr_field){ .name = "_op", .type = WR_TYPE(WR_TEXT) };
    for (uint32_t i = 0; i < 4; i++)
        schema->fields[i].watermark_offset = WR_NO_WATERMARK;
    schema->kind = WR_UPSERT;
    schema->key = key;
    schema->key_count = key_count;
    wr_schema *decoded = wr_schema_copy(&arena, schema);
    for (uint32_t i = 0; i < 4; i++)
        decoded->fields[i].not_null = false;
    void *decoder_config = wr_arena_calloc(&arena, 1, decoder->config_bytes + 1);
    wr_source_binding source = { .name = "messages", .ops = &messages_ops, .config = &config,
                                 .decoder = decoder, .decoder_config = decoder_config,
                                 .schema = schema, .time_column = -1, .bad_stream = -1, .worker = -1,
                                 .keyed = true, .op_column = 3, .decoded = decoded };
    wr_sink_binding   sink = { .name = "written", .ops = &written_ops, .config = &rows };
    wr_job_stream     stream = { .name = "messages", .schema = schema, .origin = WR_FROM_SOURCE };
    wr_job            job = { .name = "keyed", .streams = &stream, .stream_count = 1 };
    wr_runtime_config run = { .executor = WR_EXECUTOR_SEEDED, .workers = 1, .seed = 1,
                              .clock = &clock.clock };
    assert_int_equal(wr_runtime_create(&job, &source, 1, &sink, 1, &run, &rt, &err), WEIR_OK);
    assert_int_equal(wr_runtime_start(rt, &err), WEIR_OK);
    while (wr_runtime_step(rt)) {
    }
    wr_runtime_source_view(rt, 0, &view);
    assert_int_equal(view.bad, bad);
    snprintf(last_bad, sizeof last_bad, "%s", view.last_bad);
    assert_string_equal(wr_text_string(&rows), want);
    wr_runtime_kill(rt);
    wr_runtime_destroy(rt);
    wr_text_fini(&rows);
    wr_arena_fini(&arena);
}
#define CHECK(format, key_count, list, want, bad) check(format, key_count, list, WR_COUNT(list), want, bad)

static void
tombstones_delete_by_the_message_key(void **state)
{
    static const message one[] = {
        { "1", "{\"k\":1,\"v\":\"a\"}" }, { "1", NULL }, { " 2 ", NULL }, { "\"3\"", NULL },
        { "{\"k\":4}", NULL }, { "[5]", NULL },
        { "{\"schema\":{},\"payload\":{\"k\":6,\"other\":1}}", NULL },
        { NULL, NULL }, { "x", NULL }, { "{\"j\":1}", NULL }, { "[1,2]", NULL }, { "{", NULL },
        { "", NULL }, { "99999999999999999999", NULL },
    };
    static const message two[] = {
        { "[1,\"a\"]", NULL }, { "{\"j\":\"b\",\"k\":\"2\"}", NULL }, { "1", NULL }, { "[1]", NULL },
        { "[3,null]", NULL }, { "[4,{\"x\":1}]", NULL },
    };
    (void) state;
    CHECK("json", 1, one,
          "+1|null|a\n-1|null|null\n-2|null|null\n-3|null|null\n-4|null|null\n-5|null|null\n-6|null|null\n", 7);
    CHECK("json", 2, two, "-1|a|null\n-2|b|null\n-4|{\"x\":1}|null\n", 3);
}

static void
key_columns_come_from_the_message_key(void **state)
{
    static const message list[] = {
        { "7", "{\"v\":\"a\"}" },
        { "7", "{\"k\":8,\"v\":\"b\"}" },
        { "9", "{\"v\":\"c\"}{\"v\":\"d\",\"k\":1}{\"v\":\"e\"}" },
        { "x", "{\"v\":\"f\"}" },
        { NULL, "{\"v\":\"g\"}" },
        { "10", "{\"_op\":\"-\"}" },
        { "10", "{\"_op\":\"?\"}" },
        { "10", "{\"j\":\"v is missing\"}" },
        { "10", "broken" },
    };
    (void) state;
    CHECK("json", 1, list,
          "+7|null|a\n+8|null|b\n+9|null|c\n+1|null|d\n+9|null|e\n-10|null|null\n", 5);
}

static void
what_is_wrong_with_a_message_key_is_told(void **state)
{
    static const struct {
        uint32_t   key_count;
        message    message;
        const char *wanting;
    } cases[] = {
        { 1, { "x", "{\"v\":\"f\"}" }, "the message's key gives no k: invalid input syntax for type bigint: \"x\"" },
        { 1, { "[1,2]", NULL }, "the message's key gives no k: the message's key has 2 values, not 1" },
        { 1, { "99999999999999999999", NULL }, "out of range" },
        { 2, { "7", NULL }, "must be a JSON object or list of 2 columns" },
        { 1, { NULL, "{\"v\":\"g\"}" }, "column k is NULL" },
        { 1, { "{\"j\":1}", NULL }, "column k is NULL, and a deletion needs its key" },
    };
    (void) state;
    for (size_t i = 0; i < WR_COUNT(cases); i++) {
        check("json", cases[i].key_count, &cases[i].message, 1, "", 1);
        if (strstr(last_bad, cases[i].wanting) == NULL)
            fail_msg("\"%s\" is not said in \"%s\"", cases[i].wanting, last_bad);
    }
    static const message several[] = { { "x", "{\"v\":\"f\"}" }, { "1", "{\"v\":\"f\"}" }, { NULL, "{\"v\":\"f\"}" } };
    CHECK("json", 1, several, "+1|null|f\n", 2);
    assert_non_null(strstr(last_bad, "column k is NULL")); /* each its own reason */
}

static void
change_events_have_a_tombstone_behind(void **state)
{
    static const message list[] = {
        { "{\"k\":1}", "{\"op\":\"c\",\"after\":{\"k\":1,\"j\":\"x\",\"v\":\"a\"}}" },
        { "{\"k\":1}", "{\"op\":\"d\",\"before\":{\"k\":1}}" },
        { "{\"k\":1}", NULL }, /* says it again */
        { "{\"k\":2}", "{\"op\":\"d\",\"before\":null}" },
        { "{\"k\":3}", NULL }, /* the event was compacted away */
        { "{\"k\":4}", "{\"op\":\"t\"}" },
        { "{\"k\":5}", "{\"op\":\"u\",\"after\":{\"k\":5}}" },
    };
    (void) state;
    CHECK("debezium", 1, list, "+1|x|a\n-1|null|null\n-2|null|null\n-3|null|null\n", 2);
}

WR_TESTS = {
    WR_TEST(tombstones_delete_by_the_message_key),
    WR_TEST(key_columns_come_from_the_message_key),
    WR_TEST(what_is_wrong_with_a_message_key_is_told),
    WR_TEST(change_events_have_a_tombstone_behind),
    { NULL, NULL },
};
