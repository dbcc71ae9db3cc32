/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/cursor.c -- cursors that clients hand back: any text, and any text behind a prefix that is right.  A cursor
 * is followed, or refused with SNAPSHOT_REQUIRED; the cursors that messages carry are always followed.
 */
#include "base/memory.h"
#include "fuzz/fuzz.h"
#include "weir/weir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static weir *engine;
static weir_pipeline *pipeline;
static char prefix[256]; /* "v@...:" of this run */

static weir_subscription *
subscribe(const char *cursor, weir_status *status)
{
    weir_error err;
    weir_subscription *s = NULL;
    weir_subscribe_options options = { .snapshot = cursor == NULL, .cursor = cursor };
    *status = weir_subscribe(pipeline, "v", &options, &s, &err);
    return *status == WEIR_OK ? s : NULL;
}

/* A few messages; each one's cursor must be good for a subscription of its own. */
static void
follow(weir_subscription *s, bool again)
{
    weir_message m;
    weir_error err;
    for (int i = 0; i < 6 && weir_subscription_next(s, &m, &err) == WEIR_OK; i++) {
        weir_status status;
        weir_subscription *other;
        weir_rows_release(m.event == WEIR_ROWS ? m.rows : NULL);
        if (m.event != WEIR_ROWS && m.event != WEIR_PROGRESS)
            return;
        wr_assert(strlen(m.cursor) < sizeof prefix);
        memcpy(prefix, m.cursor, strlen(m.cursor) + 1);
        *(strchr(prefix, ':') + 1) = '\0';
        other = again ? subscribe(m.cursor, &status) : NULL;
        wr_assert(!again || other != NULL);
        weir_unsubscribe(other);
    }
}

static void
begin(void)
{
    static const char text[] =
        "name: fuzz\n"
        "sources:\n"
        "  s: { push: {}, columns: \"k int8, n int8\" }\n"
        "views:\n"
        "  v: { sql: \"SELECT k, count(*) AS n FROM s GROUP BY k\", state: { unbounded: true } }\n";
    static const char rows[] =
        "{\"k\":1,\"n\":1}\n{\"k\":2,\"n\":1}\n{\"k\":3,\"n\":1}\n{\"k\":1,\"n\":2}\n";
    size_t taken;
    weir_status status;
    weir_report *report = weir_report_open();
    weir_error err;
    if (weir_open(&(weir_options){ .workers = 3 }, &engine, &err) != WEIR_OK ||
        weir_pipeline_load(engine, "fuzz.yaml", text, NULL, NULL, report, &pipeline) != WEIR_OK ||
        weir_pipeline_start(pipeline, &err) != WEIR_OK) {
        fprintf(stderr, "cursor: the pipeline does not start\n%s\n",
                weir_report_print(report, false));
        abort();
    }
    weir_report_close(report);
    (void)!weir_push(pipeline, "s", rows, sizeof rows - 1, &taken, &err);
    (void)!weir_push_end(pipeline, "s", &err);
    (void)!weir_pipeline_wait(pipeline, 10 * 1000000, &err);
    weir_subscription *s = subscribe(NULL, &status);
    wr_assert(s != NULL);
    follow(s, true);
    weir_unsubscribe(s);
    wr_assert(prefix[0] != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char cursor[1024] = "";
    size_t at = 0;
    weir_status status;
    if (engine == NULL)
        begin();
    if (size == 0)
        return 0;
    if (data[0] % 2 == 0)
        at = (size_t)snprintf(cursor, sizeof cursor, "%s", prefix);
    for (size_t i = 1; i < size && at + 1 < sizeof cursor; i++)
        cursor[at++] = (char)data[i];
    cursor[at] = '\0';
    weir_subscription *s = subscribe(cursor, &status);
    wr_assert(s != NULL || status == WEIR_SNAPSHOT_REQUIRED);
    if (s != NULL)
        follow(s, false);
    weir_unsubscribe(s);
    return 0;
}
