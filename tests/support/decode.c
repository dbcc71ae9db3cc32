/* SPDX-License-Identifier: Apache-2.0 */
/* support/decode.c -- see decode.h. */
#include "support/decode.h"

#include "config/options.h"
#include "data/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *
blanks_skip(const char *p)
{
    while (*p == ' ' || *p == '\n')
        p++;
    return p;
}

/* The end of one column: a comma outside parentheses and quotes. */
static const char *
column_end(const char *p)
{
    int  depth = 0;
    bool quoted = false;
    for (; *p != '\0' && (quoted || depth > 0 || *p != ','); p++) {
        quoted ^= *p == '\'';
        depth += (*p == '(') - (*p == ')');
    }
    return p;
}

wr_schema *
wr_decode_schema(wr_arena *arena, const char *columns)
{
    uint32_t count = 0;
    for (const char *p = columns; *blanks_skip(p) != '\0'; count++) {
        p = column_end(p);
        p += *p == ',';
    }
    wr_schema *schema = wr_schema_create(arena, count);
    assert_non_null(schema);
    const char *p = columns;
    for (uint32_t i = 0; i < count; i++) {
        weir_error  err;
        p = blanks_skip(p);
        const char *end = column_end(p), *space = strchr(p, ' ');
        wr_field   *f = &schema->fields[i];
        assert_true(space != NULL && space < end);
        f->name = wr_arena_strndup(arena, p, (size_t) (space - p));
        f->watermark_offset = WR_NO_WATERMARK;
        p = blanks_skip(space);
        const char *stop = end, *path = memchr(p, '\'', (size_t) (end - p));
        if (path != NULL) {
            const char *close = strchr(path + 1, '\'');
            f->path = wr_arena_strndup(arena, path + 1, (size_t) (close - path - 1));
            stop = path;
        }
        const char *not_null = strstr(p, " not null");
        if (not_null != NULL && not_null < stop) {
            f->not_null = true;
            stop = not_null;
        }
        while (stop > p && stop[-1] == ' ')
            stop--;
        if (wr_type_parse(p, (size_t) (stop - p), &f->type, &err) != WEIR_OK)
            fail_msg("%s", err.text);
        p = end + (*end == ',');
    }
    return schema;
}

/* "a:1,b:2" */
static void
map_set(wr_option_map *map, char *text, wr_arena *arena)
{
    map->keys = wr_arena_calloc(arena, 16, sizeof *map->keys);
    map->values = wr_arena_calloc(arena, 16, sizeof *map->values);
    while (*text != '\0') {
        char *colon = strchr(text, ':'), *comma = strchr(text, ',');
        assert_true(colon != NULL && map->count < 16);
        *colon = '\0';
        if (comma != NULL)
            *comma = '\0';
        map->keys[map->count] = text;
        map->values[map->count++] = colon + 1;
        text = comma != NULL ? comma + 1 : colon + 1 + strlen(colon + 1);
    }
}

/* "cert:a.pem,key:b.pem" into the struct that the group belongs to. */
static void
group_set(const wr_option *group, char *text, void *config, wr_arena *arena)
{
    wr_option_map map = { 0 };
    weir_error    err;
    memcpy((char *) config + group->offset, &(bool){ true }, sizeof(bool));
    map_set(&map, text, arena);
    for (uint32_t i = 0; i < map.count; i++) {
        const wr_option *o = group->group;
        while (o->name != NULL && strcmp(o->name, map.keys[i]) != 0)
            o++;
        if (o->name == NULL || wr_option_set(o, map.values[i], config, arena, &err) != WEIR_OK)
            fail_msg("%s.%s", group->name, map.keys[i]);
    }
}

void *
wr_decode_config(wr_arena *arena, const wr_option *options, size_t bytes, const char *settings)
{
    weir_error err;
    void      *config = wr_arena_calloc(arena, 1, bytes + 1);
    for (const wr_option *o = options; o->name != NULL; o++)
        if (o->fallback != NULL && wr_option_set(o, o->fallback, config, arena, &err) != WEIR_OK)
            fail_msg("default of %s: %s", o->name, err.text);
    const char *p = settings != NULL ? blanks_skip(settings) : "";
    while (*p != '\0') {
        const char *eq = strchr(p, '='), *end = strchr(p, ';');
        assert_non_null(eq);
        if (end == NULL)
            end = p + strlen(p);
        char            *key = wr_arena_strndup(arena, p, (size_t) (eq - p));
        char            *value = wr_arena_strndup(arena, eq + 1, (size_t) (end - eq - 1));
        const wr_option *o = options;
        while (o->name != NULL && strcmp(o->name, key) != 0)
            o++;
        if (o->name == NULL)
            fail_msg("no option %s", key);
        if (o->type == WR_OPT_MAP)
            map_set((wr_option_map *) (void *) ((char *) config + o->offset), value, arena);
        else if (o->type == WR_OPT_GROUP)
            group_set(o, value, config, arena);
        else if (wr_option_set(o, value, config, arena, &err) != WEIR_OK)
            fail_msg("%s: %s", key, err.text);
        p = blanks_skip(*end == ';' ? end + 1 : end);
    }
    return config;
}

static void
decoder_make(wr_decoding *d)
{
    weir_error err;
    if (d->ops->create(d->config, d->schema, d->needed, NULL, &d->decoder, &err) != WEIR_OK)
        fail_msg("%s", err.text);
}

void
wr_decoding_open(wr_decoding *d, const char *format, const char *columns, const char *settings)
{
    memset(d, 0, sizeof *d);
    wr_arena_init(&d->arena, NULL);
    wr_text_init(&d->rows, NULL);
    wr_text_init(&d->bad, NULL);
    d->ops = wr_decoder_find(format);
    assert_non_null(d->ops);
    d->config = wr_decode_config(&d->arena, d->ops->options, d->ops->config_bytes, settings);
    d->schema = wr_decode_schema(&d->arena, columns);
    d->capacity = WR_BATCH_ROWS_MAX;
    memset(d->needed, 0xff, sizeof d->needed);
    decoder_make(d);
}

void
wr_decoding_close(wr_decoding *d)
{
    d->ops->destroy(d->decoder);
    wr_text_fini(&d->rows);
    wr_text_fini(&d->bad);
    wr_arena_fini(&d->arena);
}

void
wr_decoding_reset(wr_decoding *d)
{
    d->ops->destroy(d->decoder);
    wr_text_clear(&d->rows);
    wr_text_clear(&d->bad);
    d->row_count = d->bad_count = 0;
    decoder_make(d);
}

/* A new decoder that goes on where the old one stands. */
static void
decoder_renew(wr_decoding *d)
{
    wr_text state;
    wr_text_init(&state, NULL);
    if (d->ops->freeze != NULL)
        assert_int_equal(d->ops->freeze(d->decoder, &state), WEIR_OK);
    d->ops->destroy(d->decoder);
    decoder_make(d);
    if (d->ops->restore != NULL)
        assert_int_equal(d->ops->restore(d->decoder, wr_text_string(&state), state.length),
                         WEIR_OK);
    wr_text_fini(&state);
}

static void
bad_note(void *user, weir_status_code code, const char *text, const char *bytes, size_t length)
{
    wr_decoding *d = user;
    d->bad_count++;
    wr_text_printf(&d->bad, "%d %s <%.*s>\n", (int) code, text, (int) WR_MIN(length, (size_t) 60),
                   bytes);
}

void
wr_decoding_print(const wr_schema *schema, wr_column **columns, uint32_t count, wr_text *to)
{
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    for (uint32_t row = 0; row < count; row++) {
        bool first = true;
        for (uint32_t c = 0; c < schema->field_count; c++) {
            wr_value value;
            if (columns[c] == NULL)
                continue;
            if (!first)
                wr_text_putc(to, '|');
            first = false;
            assert_int_equal(wr_column_get_value(columns[c], row, &arena, &value), WEIR_OK);
            if (value.is_null)
                wr_text_puts(to, "null");
            else
                wr_value_print(&value, to);
        }
        wr_text_putc(to, '\n');
        wr_arena_reset(&arena);
    }
    wr_arena_fini(&arena);
}

weir_status
wr_decoding_feed(wr_decoding *d, const char *bytes, size_t n, bool last, size_t *used)
{
    weir_status status = WEIR_OK;
    *used = 0;
    /* a copy of its own length, so that the sanitizer sees every step beyond it */
    char *copy = wr_alloc(NULL, n);
    if (n > 0)
        memcpy(copy, bytes, n);
    for (bool more = true; more && status == WEIR_OK;) {
        wr_batch_builder builder;
        wr_batch        *batch;
        size_t           step = 0;
        wr_batch_builder_init(&builder, NULL, d->schema);
        assert_int_equal(wr_batch_builder_open(&builder, d->capacity, &batch), WEIR_OK);
        for (uint32_t c = 0; c < d->schema->field_count; c++)
            if (!wr_bitmap_get(d->needed, c)) {
                wr_column_release(batch->columns[c]);
                batch->columns[c] = NULL;
            }
        wr_decode_to to = { batch->columns, 0, d->capacity, bad_note, d };
        status = d->ops->decode(d->decoder, copy + *used, n - *used, last, &to, &step);
        assert_true(step <= n - *used);
        for (uint32_t c = 0; c < d->schema->field_count; c++)
            if (batch->columns[c] != NULL)
                wr_column_check(batch->columns[c], to.count);
        wr_decoding_print(d->schema, batch->columns, to.count, &d->rows);
        d->row_count += to.count;
        *used += step;
        more = to.count == d->capacity;
        if (d->fresh)
            decoder_renew(d);
        wr_batch_builder_fini(&builder);
    }
    wr_free(copy);
    return status;
}

/* As many as are taken in one call. */
static uint32_t
messages_take(wr_decoding *d, const wr_message *messages, uint32_t count)
{
    wr_batch_builder builder;
    wr_batch        *batch;
    wr_batch_builder_init(&builder, NULL, d->schema);
    assert_int_equal(wr_batch_builder_open(&builder, d->capacity, &batch), WEIR_OK);
    wr_decode_to to = { batch->columns, 0, d->capacity, bad_note, d };
    uint32_t     bad = d->bad_count, taken = d->ops->decode_messages(d->decoder, messages, count, &to);
    assert_true(taken <= count && taken == to.count && bad == d->bad_count);
    for (uint32_t c = 0; c < d->schema->field_count; c++)
        wr_column_check(batch->columns[c], to.count);
    wr_decoding_print(d->schema, batch->columns, to.count, &d->rows);
    d->row_count += to.count;
    wr_batch_builder_fini(&builder);
    return taken;
}

weir_status
wr_decoding_messages(wr_decoding *d, const wr_message *messages, uint32_t count, bool alone)
{
    weir_status status = WEIR_OK;
    size_t      bytes = WR_MESSAGE_AHEAD, at = 0, used;
    for (uint32_t i = 0; i < count; i++)
        bytes += messages[i].length;
    /* side by side, and no more behind the last than they may read */
    char       *copy = wr_calloc(NULL, bytes, 1);
    wr_message *copies = wr_calloc(NULL, count + 1, sizeof *copies);
    for (uint32_t i = 0; i < count; i++) {
        copies[i] = (wr_message){ copy + at, messages[i].length };
        if (messages[i].length > 0)
            memcpy(copy + at, messages[i].bytes, messages[i].length);
        at += messages[i].length;
    }
    for (uint32_t i = 0; i < count;) {
        uint32_t taken = alone ? 0 : messages_take(d, copies + i, count - i);
        i += taken;
        if (taken > 0 || i == count)
            continue;
        weir_status one = wr_decoding_feed(d, copies[i].bytes, copies[i].length, true, &used);
        status = status == WEIR_OK ? one : status;
        i++;
    }
    wr_free(copies);
    wr_free(copy);
    return status;
}

wr_batch *
wr_decoding_batch(wr_decoding *d, const char *text, const int64_t *diffs)
{
    wr_batch_builder builder;
    wr_batch        *batch;
    size_t           used;
    uint32_t         bad = d->bad_count;
    wr_batch_builder_init(&builder, NULL, d->schema);
    assert_int_equal(wr_batch_builder_open(&builder, WR_BATCH_ROWS_MAX, &batch), WEIR_OK);
    wr_decode_to to = { batch->columns, 0, WR_BATCH_ROWS_MAX, bad_note, d };
    assert_int_equal(d->ops->decode(d->decoder, text, strlen(text), true, &to, &used), WEIR_OK);
    if (d->bad_count != bad)
        fail_msg("%s", wr_text_string(&d->bad));
    batch->row_count = batch->physical_count = to.count;
    if (diffs != NULL) {
        batch->diff = wr_alloc(NULL, (to.count + 1) * sizeof *diffs);
        memcpy(batch->diff, diffs, to.count * sizeof *diffs);
    }
    wr_batch_retain(batch);
    wr_batch_builder_fini(&builder);
    return batch;
}

weir_status
wr_decoding_run(wr_decoding *d, const char *bytes, size_t n, size_t piece)
{
    size_t      begin = 0, end = 0, used;
    weir_status status;
    do {
        end = piece == 0 ? n : WR_MIN(n, end + piece);
        bool last = end == n;
        status = wr_decoding_feed(d, bytes + begin, end - begin, last, &used);
        begin += used;
        if (status == WEIR_OK && last && begin != n)
            fail_msg("%zu of %zu bytes were left at the end", n - begin, n);
    } while (status == WEIR_OK && end < n);
    return status;
}
