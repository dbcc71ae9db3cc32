/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docs/examples/embed.c -- Weir inside a program: load a pipeline, push rows in, read its results, ask a query.
 *
 *   gcc -Iinclude docs/examples/embed.c -o embed -Lbuild -lweir -Wl,-rpath,build
 */
#include "weir/weir.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char pipeline_text[] =
    "name: embedded\n"
    "sources:\n"
    "  clicks:\n"
    "    push: {}\n"
    "    columns: \"page text, ts timestamptz\"\n"
    "    watermark: ts - interval '1 second'\n"
    "views:\n"
    "  per_page:\n"
    "    sql: |\n"
    "      SELECT window_start, page, count(*) AS clicks\n"
    "      FROM tumble(clicks, ts, interval '10 seconds') GROUP BY window_start, page\n";

static const char rows[] = "{\"page\":\"/\",\"ts\":\"2026-01-01T00:00:01Z\"}\n"
                           "{\"page\":\"/\",\"ts\":\"2026-01-01T00:00:02Z\"}\n"
                           "{\"page\":\"/about\",\"ts\":\"2026-01-01T00:00:03Z\"}\n";

static int
fail(const weir_error *err)
{
    fprintf(stderr, "%s\n", err->text);
    return 1;
}

int
main(void)
{
    weir              *engine;
    weir_pipeline     *pipeline;
    weir_subscription *sub;
    weir_error         err = { 0 };
    weir_message       message;
    size_t             taken;
    weir_report       *report = weir_report_open();
    if (weir_open(&(weir_options){ .workers = 1 }, &engine, &err) != WEIR_OK)
        return fail(&err);
    if (weir_pipeline_load(engine, "embedded", pipeline_text, NULL, NULL, report, &pipeline) != WEIR_OK) {
        char *text = weir_report_print(report, false);
        fputs(text, stderr);
        weir_free(text);
        return 1;
    }
    if (weir_pipeline_start(pipeline, &err) != WEIR_OK)
        return fail(&err);
    if (weir_subscribe(pipeline, "per_page", &(weir_subscribe_options){ .snapshot = true, .required = true }, &sub, &err) != WEIR_OK)
        return fail(&err);
    if (weir_push(pipeline, "clicks", rows, strlen(rows), &taken, &err) != WEIR_OK || weir_push_end(pipeline, "clicks", &err) != WEIR_OK)
        return fail(&err);
    do {
        if (weir_subscription_next(sub, &message, &err) != WEIR_OK)
            return fail(&err);
        for (uint32_t r = 0; message.event == WEIR_ROWS && r < weir_rows_count(message.rows); r++) {
            printf("%s", weir_rows_text(message.rows, r, 1));
            printf(" %s\n", weir_rows_text(message.rows, r, 2));
        }
        weir_rows_release(message.rows);
        if (message.event == WEIR_NOTHING) /* a real program would sleep until the wake callback */
            nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    } while (message.event != WEIR_END);
    weir_unsubscribe(sub);
    weir_report_close(report);
    weir_close(engine);
    return 0;
}
