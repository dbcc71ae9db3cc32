/* SPDX-License-Identifier: Apache-2.0 */
/* engine/weir.c -- open and close the engine; reports as the public header has them. */
#include "engine/engine_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

const char *
weir_version(void)
{
    return WEIR_VERSION;
}

/* 70 % of the cgroup's limit or the machine's memory, whichever is less. */
static uint64_t
memory_default(void)
{
    struct sysinfo info;
    uint64_t bytes = sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit : 1ull << 30;
    FILE *f = fopen("/sys/fs/cgroup/memory.max", "re");
    uint64_t limit;
    if (f != NULL) {
        if (fscanf(f, "%lu", &limit) == 1 && limit < bytes)
            bytes = limit;
        fclose(f);
    }
    return bytes / 10 * 7;
}

weir_status
weir_open(const weir_options *options, weir **out, weir_error *err)
{
    weir *w = wr_calloc(NULL, 1, sizeof *w);
    if (w == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for the engine");
    if (options != NULL)
        w->options = *options;
    if (w->options.workers > 64) {
        wr_free(w);
        return wr_error_set(err, WEIR_CONFIG_VALUE, "%u workers are more than 64",
                            options->workers);
    }
    if (w->options.workers == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        w->options.workers = (uint32_t)WR_MAX(1, WR_MIN(cores, 8));
    }
    if (w->options.checkpoint_us == 0)
        w->options.checkpoint_us = 10 * 1000000;
    uint64_t limit =
        w->options.memory_bytes_max != 0 ? w->options.memory_bytes_max : memory_default();
    w->budget = wr_budget_create(NULL, "engine", limit);
    if (w->budget == NULL) {
        wr_free(w);
        return wr_error_set(err, WEIR_MEMORY, "no memory for the engine");
    }
    wr_arena_init(&w->arena, w->budget);
    if (w->options.data_dir != NULL)
        w->options.data_dir = wr_arena_strdup(&w->arena, w->options.data_dir);
    if (!wr_arena_ok(&w->arena)) { /* not without the checkpoints that were asked for */
        wr_budget_destroy(w->budget);
        wr_free(w);
        return wr_error_set(err, WEIR_MEMORY, "no memory for the engine");
    }
    w->clock = wr_clock_system();
    w->started = wr_clock_now(w->clock);
    pthread_mutex_init(&w->mutex, NULL);
    *out = w;
    return WEIR_OK;
}

void
weir_close(weir *engine)
{
    if (engine == NULL)
        return;
    while (engine->pipelines != NULL)
        weir_pipeline_unload(engine->pipelines);
    wr_arena_fini(&engine->arena);
    wr_budget_destroy(engine->budget);
    pthread_mutex_destroy(&engine->mutex);
    wr_free(engine);
}

/* --- reports --- */

weir_report *
weir_report_open(void)
{
    weir_report *r = wr_calloc(NULL, 1, sizeof *r);
    if (r != NULL)
        wr_report_init(&r->report);
    return r;
}

void
weir_report_close(weir_report *report)
{
    if (report == NULL)
        return;
    wr_report_fini(&report->report);
    wr_free(report);
}

uint32_t
weir_report_errors(const weir_report *report)
{
    return report->report.errors;
}

uint32_t
weir_report_warnings(const weir_report *report)
{
    return report->report.warnings;
}

uint32_t
weir_report_count(const weir_report *report)
{
    return report->report.count;
}

void
weir_report_get(const weir_report *report, uint32_t index, weir_diagnostic *out)
{
    wr_assert(index < report->report.count);
    const wr_diagnostic *d = report->report.items[index];
    *out = (weir_diagnostic){ d->file, d->warning, d->error };
}

char *
weir_report_print(const weir_report *report, bool colour)
{
    wr_text to;
    wr_text_init(&to, NULL);
    wr_report_print(&report->report, colour, &to);
    return wr_text_take(&to, NULL);
}

char *
weir_report_print_json(const weir_report *report)
{
    wr_text to;
    wr_text_init(&to, NULL);
    wr_report_print_json(&report->report, &to);
    return wr_text_take(&to, NULL);
}

void
weir_free(void *ptr)
{
    wr_free(ptr);
}
