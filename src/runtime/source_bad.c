/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/source_bad.c -- records and rows that cannot be used: counted, sampled, dead-lettered.
 *
 * A row of SOURCE.dead_letter is (source text, partition int4, offset int8, code text, message text,
 * sample bytea, ts timestamptz).  It has no event time: the stream's watermark stays at the start
 * until the end.
 */
#include "runtime/runtime_impl.h"

#include <stdio.h>
#include <string.h>

enum { SAMPLE_BYTES_MAX = 4096, COLUMNS = 7 };

static wr_value
text_value(const char *text)
{
    return (wr_value){ .type = WR_TYPE(WR_TEXT), .string = wr_string_make(text, strlen(text)) };
}

static weir_status
bad_row_add(source_task *t, const wr_lane *lane, weir_status_code code, const char *text,
            const char *bytes, size_t length)
{
    wr_value offset = wr_value_null(WR_TYPE(WR_INT8)), sample = wr_value_null(WR_TYPE(WR_BYTEA));
    if (lane != NULL && lane->meta != NULL) {
        offset.is_null = false;
        offset.integer = lane->meta->offset;
    }
    if (bytes != NULL) {
        sample.is_null = false;
        sample.string = wr_string_make(bytes, WR_MIN(length, (size_t) SAMPLE_BYTES_MAX));
    }
    wr_value partition = wr_value_null(WR_TYPE(WR_INT4));
    if (lane != NULL)
        partition = (wr_value){ .type = WR_TYPE(WR_INT4), .integer = lane->partition };
    wr_value ts = { .type = WR_TYPE(WR_TIMESTAMPTZ),
                    .integer = wr_clock_now(t->source->rt->config.clock) };
    wr_value row[COLUMNS] = { text_value(t->source->binding->name),
                              partition,
                              offset,
                              text_value(weir_status_name(code)),
                              text_value(text),
                              sample,
                              ts };
    if (wr_batch_builder_full(&t->bad_rows))
        WR_TRY(wr_source_bad_flush(t));
    return wr_batch_builder_add(&t->bad_rows, row, 1);
}

void
wr_source_bad(source_task *t, wr_lane *lane, weir_status_code code, const char *text,
              const char *bytes, size_t length)
{
    source *s = t->source;
    atomic_fetch_add_explicit(&s->bad, 1, memory_order_relaxed);
    if (lane != NULL)
        atomic_fetch_add_explicit(&lane->bad, 1, memory_order_relaxed);
    if (text == NULL)
        text = weir_status_text(code);
    wr_mutex_lock(&s->lock);
    snprintf(s->last_bad, sizeof s->last_bad, "%s", text);
    wr_mutex_unlock(&s->lock);
    if (t->bad_stream == NULL)
        return;
    weir_status status = bad_row_add(t, lane, code, text, bytes, length);
    if (status != WEIR_OK)
        t->failure = status;
}

weir_status
wr_source_bad_flush(source_task *t)
{
    if (t->bad_stream == NULL || wr_batch_builder_count(&t->bad_rows) == 0)
        return WEIR_OK;
    wr_batch *batch = wr_batch_builder_take(&t->bad_rows);
    if (batch == NULL)
        return WEIR_MEMORY;
    batch->arrived = wr_clock_now(t->source->rt->config.clock);
    batch->watermark_before = batch->watermark_after = WR_TIME_START;
    return wr_batch_queue_put(&t->bad_pending, t->source->rt->config.flow, batch);
}
