/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/faults/embed.c -- the library as a program uses it, for tools/faults/run.py: load, start, subscribe,
 * push, checkpoint, stop; then once more from the checkpoint; then a query.
 *
 *   embed DATA_DIR
 *
 * Prints the rows of a view (and "restored" when there was a checkpoint before); exit 1 with the words of
 * the error that came.  Everything is given back on every way out, so that a leak is the library's.
 */
#include "weir/weir.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static const char pipeline_text[] =
    "name: embedded\n"
    "sources:\n"
    "  clicks:\n"
    "    push: {}\n"
    "    columns: \"page text, n bigint, ts timestamptz\"\n"
    "    watermark: ts - interval '1 second'\n"
    "views:\n"
    "  per_page:\n"
    "    sql: |\n"
    "      SELECT window_start, page, count(*) AS clicks, sum(n) AS s\n"
    "      FROM tumble(clicks, ts, interval '10 seconds') GROUP BY window_start, page\n";

static const char *const rows[2] = {
    "{\"page\":\"/\",\"n\":1,\"ts\":\"2026-01-01T00:00:01Z\"}\n"
    "{\"page\":\"/a page with a long name\",\"n\":2,\"ts\":\"2026-01-01T00:00:02Z\"}\n",
    "{\"page\":\"/a page with a long name\",\"n\":3,\"ts\":\"2026-01-01T00:00:03Z\"}\n"
    "{\"page\":\"/\",\"n\":4,\"ts\":\"2026-01-01T00:00:23Z\"}\n",
};

static int
told(const char *what, const weir_error *err)
{
    fprintf(stderr, "%s: %s\n", what, err->code != WEIR_OK ? err->text : "no words");
    return 1;
}

static int
load(weir *engine, weir_pipeline **pipeline)
{
    weir_report *report = weir_report_open();
    if (report == NULL) {
        fprintf(stderr, "no report\n");
        return 1;
    }
    weir_status status = weir_pipeline_load(engine, "embedded", pipeline_text, NULL, NULL, report, pipeline);
    if (status != WEIR_OK) {
        char *text = weir_report_print(report, false);
        fprintf(stderr, "load: %s\n", text != NULL ? text : "no words");
        weir_free(text);
    }
    weir_report_close(report);
    return status != WEIR_OK;
}

static int
push(weir_pipeline *pipeline, const char *text)
{
    weir_error err = { 0 };
    size_t     taken = 0, length = strlen(text);
    for (int tries = 0; length > 0 && tries < 1000; tries++) {
        weir_status status = weir_push(pipeline, "clicks", text, length, &taken, &err);
        if (status == WEIR_CLOSED) /* its end is in the checkpoint: an earlier run came so far */
            return 0;
        if (status != WEIR_OK && status != WEIR_LIMIT)
            return told("push", &err);
        text += taken;
        length -= taken;
        if (status == WEIR_LIMIT)
            nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    }
    return length > 0 ? told("push", &err) : 0;
}

/* A value, NULL as (none); false: there was no memory for it. */
static bool
print_value(weir_rows *from, uint32_t row, uint32_t column, char after)
{
    const char *text = weir_rows_text(from, row, column);
    if (text == NULL && weir_rows_status(from) != WEIR_OK)
        return false;
    printf("%s%c", text != NULL ? text : "(none)", after);
    return true;
}

static int
told_no_value(void)
{
    return told("value", &(weir_error){ .code = WEIR_MEMORY, .text = "no memory for a value" });
}

/* Until the view ends. */
static int
print_all(weir_pipeline *pipeline, weir_subscription *sub)
{
    weir_error   err = { 0 };
    weir_message message;
    for (;;) {
        if (weir_subscription_next(sub, &message, &err) != WEIR_OK)
            return told("next", &err);
        for (uint32_t r = 0; message.event == WEIR_ROWS && r < weir_rows_count(message.rows); r++) {
            if (!print_value(message.rows, r, 1, ' ') || !print_value(message.rows, r, 2, '\n')) {
                weir_rows_release(message.rows);
                return told_no_value();
            }
        }
        if (message.event == WEIR_ROWS)
            weir_rows_release(message.rows);
        if (message.event == WEIR_END)
            return 0;
        if (message.event == WEIR_NOTHING) {
            if (weir_pipeline_state(pipeline, &err) == WEIR_FAILED)
                return told("failed", &err);
            nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
        }
    }
}

/* One life: half of the rows, then a checkpoint or the end. */
static int
live(const char *data, int half)
{
    weir              *engine = NULL;
    weir_pipeline     *pipeline = NULL;
    weir_subscription *sub = NULL;
    weir_error         err = { 0 };
    weir_options       options = { .workers = 2, .data_dir = data, .checkpoint_us = 3600000000 };
    weir_subscribe_options how = { .required = true };
    if (weir_open(&options, &engine, &err) != WEIR_OK)
        return told("open", &err);
    int rc = load(engine, &pipeline);
    if (rc == 0 && weir_pipeline_start(pipeline, &err) != WEIR_OK)
        rc = told("start", &err);
    if (rc == 0 && half == 1 && weir_subscribe(pipeline, "per_page", &how, &sub, &err) != WEIR_OK)
        rc = told("subscribe", &err);
    if (rc == 0)
        rc = push(pipeline, rows[half]);
    if (rc == 0 && half == 0 && weir_pipeline_checkpoint(pipeline, &err) != WEIR_OK)
        rc = told("checkpoint", &err);
    if (rc == 0 && half == 1 && weir_push_end(pipeline, "clicks", &err) != WEIR_OK)
        rc = told("end", &err);
    if (rc == 0 && half == 1)
        rc = print_all(pipeline, sub);
    weir_unsubscribe(sub);
    if (rc == 0 && half == 0 && weir_pipeline_stop(pipeline, &err) != WEIR_OK)
        rc = told("stop", &err);
    weir_close(engine);
    return rc;
}

static int
ask(void)
{
    weir        *engine = NULL;
    weir_result *result = NULL;
    weir_rows   *got = NULL;
    weir_error   err = { 0 };
    if (weir_open(NULL, &engine, &err) != WEIR_OK)
        return told("open", &err);
    int rc = weir_query(engine, "SELECT a, a * 2 FROM generate_series(1, 3) AS t(a)", NULL, &result, &err) != WEIR_OK
                 ? told("query", &err)
                 : 0;
    while (rc == 0) {
        if (weir_result_next(result, &got, &err) != WEIR_OK)
            rc = told("result", &err);
        if (rc != 0 || got == NULL)
            break;
        for (uint32_t r = 0; rc == 0 && r < weir_rows_count(got); r++)
            rc = print_value(got, r, 1, '\n') ? 0 : told_no_value();
        weir_rows_release(got);
    }
    weir_result_close(result);
    weir_close(engine);
    return rc;
}

int
main(int argc, char **argv)
{
    struct stat st;
    const char *data = argc > 1 ? argv[1] : "data";
    if (stat(data, &st) == 0)
        printf("restored\n");
    int rc = live(data, 0);
    if (rc == 0)
        rc = live(data, 1);
    return rc != 0 ? rc : ask();
}
