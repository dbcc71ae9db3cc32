/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench/json.c -- how fast are bids decoded and encoded?  Rows per second of thread CPU time.
 *
 *     bench_json [ROWS [RUNS [FORMAT]]]
 * Makes ROWS (200,000) distinct bids of about 222 bytes and 7 fields, decodes them RUNS (5) times
 * into batches of 4,096 rows, and prints the median of each setting beside the yardstick of
 * json_limit.c, which runs turn about with the first; then every format out and back in.  FORMAT:
 * that part alone, of the formats that begin with it.
 */
#include "base/clock.h"
#include "base/random.h"
#include "data/batch.h"
#include "format/json.h"
#include "format/msgpack.h"

#include "json_limit.h"
#include "msgpack_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *
bids_make(uint32_t rows, bool iso, uint32_t mixed, size_t *length)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    wr_text           t;
    wr_random         r;
    wr_text_init(&t, NULL);
    wr_random_init(&r, 42);
    for (uint32_t i = 0; i < rows; i++) {
        char extra[64], url[48];
        int  n = 46 + (int) wr_random_below(&r, 16);
        for (int k = 0; k < n; k++)
            extra[k] = letters[wr_random_below(&r, 26)];
        extra[n] = '\0';
        snprintf(url, sizeof url, "https://www.nexmark.com/%c%c%c/item.htm?query=1",
                 letters[wr_random_below(&r, 26)], letters[wr_random_below(&r, 26)],
                 letters[wr_random_below(&r, 26)]);
        unsigned long long auction = 1000 + wr_random_below(&r, 100000);
        unsigned long long bidder = 1000 + wr_random_below(&r, 100000);
        unsigned long long price = 100 + wr_random_below(&r, 10000000);
        char               time[40];
        if (iso)
            snprintf(time, sizeof time, "\"2026-01-01T%02u:%02u:%02u.%03uZ\"", i / 3600000 % 24,
                     i / 60000 % 60, i / 1000 % 60, i % 1000);
        else
            snprintf(time, sizeof time, "%llu", 1767225600000ull + i);
        if (mixed > 0 && i % mixed == 1)
            wr_text_printf(&t,
                           "{\"bidder\":%llu,\"auction\":%llu,\"price\":%llu,"
                           "\"channel\":\"channel-%u\",\"url\":\"%s\",\"dateTime\":%s,"
                           "\"extra\":\"%s\"}\n",
                           bidder, auction, price, i % 10000, url, time, extra);
        else
            wr_text_printf(&t,
                           "{\"auction\":%llu,\"bidder\":%llu,\"price\":%llu,"
                           "\"channel\":\"channel-%u\",\"url\":\"%s\",\"dateTime\":%s,"
                           "\"extra\":\"%s\"}\n",
                           auction, bidder, price, i % 10000, url, time, extra);
    }
    return wr_text_take(&t, length);
}

static void
bad(void *user, weir_status_code code, const char *text, const char *bytes, size_t length)
{
    (void) user;
    fprintf(stderr, "bad record (%d): %s: %.*s\n", (int) code, text, (int) length, bytes);
    exit(1);
}

static double
run(const char *bytes, size_t length, const wr_schema *schema, uint64_t needed, bool whole,
    uint32_t rows, uint64_t *digest)
{
    wr_json_decode_config config = { .time_unit = 2 };
    wr_decoder           *decoder;
    weir_error            err;
    if (wr_json_decoder_ops.create(&config, schema, &needed, NULL, &decoder, &err) != WEIR_OK)
        exit(1);
    int64_t  from = wr_cpu_thread_us();
    uint64_t total = 0;
    size_t   at = 0;
    while (at < length) {
        wr_batch    *batch = wr_batch_create(NULL, schema->field_count);
        wr_decode_to to = { .columns = batch->columns, .capacity = WR_BATCH_ROWS_MAX, .bad = bad };
        for (uint32_t i = 0; i < schema->field_count; i++)
            if (needed >> i & 1)
                batch->columns[i] = wr_column_create(NULL, schema->fields[i].type, to.capacity);
        while (at < length && to.count < to.capacity) {
            size_t used, n = length - at;
            if (whole) { /* a record a message */
                const char *line = memchr(bytes + at, '\n', n);
                n = (size_t) (line - bytes) + 1 - at;
            }
            if (decoder->ops->decode(decoder, bytes + at, n, whole, &to, &used) != WEIR_OK)
                exit(1);
            at += whole ? n : used;
            if (!whole)
                while (at < length && bytes[at] == '\n')
                    at++;
        }
        total += to.count;
        *digest += (uint64_t) ((int64_t *) batch->columns[0]->data)[to.count - 1];
        wr_batch_release(batch);
    }
    double seconds = (double) (wr_cpu_thread_us() - from) / 1e6;
    decoder->ops->destroy(decoder);
    if (total != rows)
        fprintf(stderr, "%llu rows of %u\n", (unsigned long long) total, rows);
    return (double) rows / seconds / 1e6;
}

static int
by_rate(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

/* The same by the yardstick; 0: this processor cannot run it. */
static double
limit_run(const char *bytes, size_t length)
{
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi"))
        return 0;
    int64_t  from = wr_cpu_thread_us();
    uint64_t rows = json_limit_run(bytes, length);
    if (rows == 0) {
        fprintf(stderr, "the yardstick found a bid it does not know\n");
        exit(1);
    }
    return (double) rows / (double) (wr_cpu_thread_us() - from);
}

/* All batches of a decoding, for the encoders. */
enum { BATCHES_MAX = 4096 };
static wr_batch *batches[BATCHES_MAX];
static uint32_t  batch_count;

static void
batches_make(const char *bytes, size_t length, const wr_schema *schema)
{
    wr_json_decode_config config = { 0 };
    wr_decoder           *decoder;
    uint64_t              needed = UINT64_MAX;
    if (wr_json_decoder_ops.create(&config, schema, &needed, NULL, &decoder, NULL) != WEIR_OK)
        exit(1);
    for (size_t at = 0; at < length && batch_count < BATCHES_MAX;) {
        size_t    used;
        wr_batch *b = wr_batch_create(NULL, schema->field_count);
        for (uint32_t i = 0; i < schema->field_count; i++)
            b->columns[i] = wr_column_create(NULL, schema->fields[i].type, WR_BATCH_ROWS_MAX);
        wr_decode_to to = { b->columns, 0, WR_BATCH_ROWS_MAX, bad, NULL };
        if (decoder->ops->decode(decoder, bytes + at, length - at, true, &to, &used) != WEIR_OK)
            exit(1);
        at += used;
        b->row_count = b->physical_count = to.count;
        batches[batch_count++] = b;
    }
    decoder->ops->destroy(decoder);
}

static const char *only;

/* By a loop made for the schema, over a copy with room behind it: M rows a second. */
static double
loop_run(const char *bytes, size_t length, msgpack_loop loop, uint32_t rows)
{
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2"))
        return 0;
    char *copy = calloc(1, length + MSGPACK_LOOP_AHEAD);
    memcpy(copy, bytes, length);
    int64_t  from = wr_cpu_thread_us();
    uint64_t count = msgpack_loop_run(copy, length, loop);
    double   rate = rows / (double) (wr_cpu_thread_us() - from);
    free(copy);
    if (count != rows) {
        fprintf(stderr, "the loop has read %llu of %u records\n", (unsigned long long) count, rows);
        exit(1);
    }
    return rate;
}

/* One format: all batches out, and what came out in again; loop: and by other readers of the bytes. */
static void
format_run(const char *name, const char *format, const void *config, const void *config_in,
           const wr_schema *schema, uint32_t rows, int runs, msgpack_loop loop)
{
    const wr_encoder_ops *out = wr_encoder_find(format);
    const wr_decoder_ops *in = wr_decoder_find(format);
    wr_encoder           *encoder;
    wr_decoder           *decoder;
    wr_text               text;
    double                outs[64], ins[64], usuals[64], loops[64];
    uint64_t              needed = UINT64_MAX;
    if (only != NULL && strncmp(name, only, strlen(only)) != 0)
        return;
    wr_text_init(&text, NULL);
    if (out->create(config, schema, NULL, &encoder, NULL) != WEIR_OK)
        exit(1);
    for (int i = 0; i < runs; i++) {
        int64_t from = wr_cpu_thread_us();
        wr_text_clear(&text);
        for (uint32_t b = 0; b < batch_count; b++)
            if (out->encode(encoder, batches[b], 0, batches[b]->row_count, &text, NULL) != WEIR_OK)
                exit(1);
        outs[i] = rows / (double) (wr_cpu_thread_us() - from);
        if (in->create(config_in, schema, &needed, NULL, &decoder, NULL) != WEIR_OK)
            exit(1);
        from = wr_cpu_thread_us();
        for (size_t at = 0, used; at < text.length; at += used) {
            wr_batch *b = wr_batch_create(NULL, schema->field_count);
            for (uint32_t c = 0; c < schema->field_count; c++)
                b->columns[c] = wr_column_create(NULL, schema->fields[c].type, WR_BATCH_ROWS_MAX);
            wr_decode_to to = { b->columns, 0, WR_BATCH_ROWS_MAX, bad, NULL };
            if (in->decode(decoder, text.data + at, text.length - at, true, &to, &used) != WEIR_OK)
                exit(1);
            wr_batch_release(b);
        }
        ins[i] = rows / (double) (wr_cpu_thread_us() - from);
        in->destroy(decoder);
        if (loop == MSGPACK_LOOP_NONE)
            continue;
        from = wr_cpu_thread_us();
        if (msgpack_limit_run(text.data, text.length) != rows)
            exit(1);
        usuals[i] = rows / (double) (wr_cpu_thread_us() - from);
        loops[i] = loop_run(text.data, text.length, loop, rows);
    }
    qsort(outs, (size_t) runs, sizeof outs[0], by_rate);
    qsort(ins, (size_t) runs, sizeof ins[0], by_rate);
    printf("%-24s out %6.2f Mrow/s  in %6.2f Mrow/s  %.1f B a row", name, outs[runs / 2],
           ins[runs / 2], (double) text.length / rows);
    if (loop != MSGPACK_LOOP_NONE) {
        qsort(usuals, (size_t) runs, sizeof usuals[0], by_rate);
        qsort(loops, (size_t) runs, sizeof loops[0], by_rate);
        double usual = usuals[runs / 2], most = loops[runs / 2];
        printf("  in: %.1f times msgpack-c's %.2f; a loop for this schema alone: %.1f times (%.2f)",
               ins[runs / 2] / usual, usual, most / usual, most);
    }
    putchar('\n');
    out->destroy(encoder);
    wr_text_fini(&text);
}

/* What the batches hold, in every format. */
static void
formats_run(const wr_schema *schema, uint32_t rows, int runs)
{
    /* clang-format off */
    static const struct {
        bool        header;
        const char *delimiter, *quote, *null_text;
        int         op;
        int64_t     more[4];
    } csv = { .delimiter = ",", .quote = "\"", .null_text = "" };
    /* clang-format on */
    static const wr_json_encode_config    json = { 0 };
    static const wr_json_decode_config    json_in = { 0 };
    static const wr_msgpack_encode_config map = { 0 }, list = { .layout = 1 };
    static const wr_msgpack_decode_config in = { 0 };
    wr_schema                             numbers = *schema;
    numbers.field_count = 3;
    format_run("json", "json", &json, &json_in, schema, rows, runs, MSGPACK_LOOP_NONE);
    format_run("csv", "csv", &csv, &csv, schema, rows, runs, MSGPACK_LOOP_NONE);
    format_run("msgpack, maps", "msgpack", &map, &in, schema, rows, runs, MSGPACK_LOOP_MAPS);
    format_run("msgpack, arrays", "msgpack", &list, &in, schema, rows, runs, MSGPACK_LOOP_LISTS);
    format_run("msgpack, 3 integers", "msgpack", &list, &in, &numbers, rows, runs,
               MSGPACK_LOOP_NUMBERS);
}

int
main(int argc, char **argv)
{
    uint32_t rows = argc > 1 ? (uint32_t) atoi(argv[1]) : 200000;
    int      runs = argc > 2 ? WR_MIN(atoi(argv[2]), 64) : 5;
    wr_field fields[7] = {
        { .name = "auction", .type = WR_TYPE(WR_INT8) },
        { .name = "bidder", .type = WR_TYPE(WR_INT8) },
        { .name = "price", .type = WR_TYPE(WR_INT8) },
        { .name = "channel", .type = WR_TYPE(WR_TEXT) },
        { .name = "url", .type = WR_TYPE(WR_TEXT) },
        { .name = "dateTime", .type = WR_TYPE(WR_TIMESTAMPTZ) },
        { .name = "extra", .type = WR_TYPE(WR_TEXT) },
    };
    wr_schema schema = { .fields = fields, .field_count = 7, .time_column = 5 };
    static const struct {
        const char *name;
        bool        iso, whole;
        uint32_t    mixed; /* one row in so many has its keys in another order */
        uint64_t    needed;
    } settings[] = {
        { "7 of 7 fields, epoch ms", false, false, 0, 0x7f },
        { "7 of 7 fields, ISO times", true, false, 0, 0x7f },
        { "3 of 7 fields, ISO times", true, false, 0, 0x25 },
        { "one row in ten in another order", false, false, 10, 0x7f },
        { "half the rows in another order", false, false, 2, 0x7f },
        { "a record a message", false, true, 0, 0x7f },
    };
    double limit = 0;
    only = argc > 3 ? argv[3] : NULL;
    for (size_t s = 0; only == NULL && s < WR_COUNT(settings); s++) {
        size_t   length;
        double   rates[64];
        uint64_t digest = 0;
        char    *bytes = bids_make(rows, settings[s].iso, settings[s].mixed, &length);
        double   limits[64];
        for (int i = 0; i < runs; i++) {
            rates[i] = run(bytes, length, &schema, settings[s].needed, settings[s].whole, rows,
                           &digest);
            if (s == 0)
                limits[i] = limit_run(bytes, length);
        }
        if (s == 0) {
            qsort(limits, (size_t) runs, sizeof limits[0], by_rate);
            limit = limits[runs / 2];
            if (limit > 0)
                printf("%-32s %6.2f Mrow/s  %5.2f GB/s\n", "a loop for this schema alone", limit,
                       limit * (double) length / rows / 1e3);
        }
        qsort(rates, (size_t) runs, sizeof rates[0], by_rate);
        double median = rates[runs / 2];
        printf("%-32s %6.2f Mrow/s  %5.2f GB/s  (%5.2f .. %5.2f)  %.1f B a row", settings[s].name,
               median, median * (double) length / rows / 1e3, rates[0], rates[runs - 1],
               (double) length / rows);
        if (limit > 0)
            printf("  %.2f of that loop", median / limit);
        putchar('\n');
        wr_free(bytes);
    }
    size_t length;
    char  *bytes = bids_make(rows, true, false, &length);
    batches_make(bytes, length, &schema);
    wr_free(bytes);
    formats_run(&schema, rows, runs);
    for (uint32_t b = 0; b < batch_count; b++)
        wr_batch_release(batches[b]);
    return 0;
}
