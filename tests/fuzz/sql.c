/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/sql.c -- a statement over two small tables: bound, planned, and run for a little while. */
#include "base/memory.h"
#include "fuzz/fuzz.h"
#include "weir/weir.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *
table(void)
{
    static char path[64];
    if (path[0] != '\0')
        return path;
    snprintf(path, sizeof path, "/tmp/weir-fuzz-%d.jsonl", (int)getpid());
    FILE *f = fopen(path, "we");
    if (f != NULL) {
        fputs(
            "{\"a\":1,\"b\":\"x\",\"ts\":\"2026-01-01T00:00:01Z\"}\n{\"a\":2,\"b\":null,\"ts\":"
            "\"2026-01-01T00:00:12Z\"}\n{\"a\":null,\"b\":\"z\",\"ts\":\"2026-01-01T00:00:03Z\"}\n",
            f);
        fclose(f);
    }
    return path;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char schema[] =
        "{\"columns\": [[\"a\", \"bigint\"], [\"b\", \"text\"], [\"ts\", \"timestamptz\"]], "
        "\"time_column\": \"ts\", \"watermark_delay_ms\": 1000}";
    weir *engine;
    weir_result *result = NULL;
    weir_rows *rows;
    weir_query_options options = { .row_limit = 1000, .timeout_us = 2000000 };
    char *text = wr_alloc(NULL, size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    if (weir_open(&(weir_options){ .memory_bytes_max = 256 << 20, .workers = 1 }, &engine, NULL) !=
        WEIR_OK)
        return 0;
    if (weir_input(engine, "t", table(), schema, NULL) == WEIR_OK &&
        weir_input(engine, "u", table(), schema, NULL) == WEIR_OK &&
        weir_query(engine, text, &options, &result, NULL) == WEIR_OK)
        while (weir_result_next(result, &rows, NULL) == WEIR_OK && rows != NULL)
            weir_rows_release(rows);
    weir_result_close(result);
    weir_close(engine);
    wr_free(text);
    return 0;
}
