/* SPDX-License-Identifier: Apache-2.0 */
/* again_test.c -- C4 of runtime/coordinator.c: a bounded run that goes on from the last checkpoint of the one before
 * answers as one run over all the rows would, also where views stand on views that speak at the end. */
#include "support/test.h"
#include "support/scratch.h"
#include "weir/weir.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[SCRATCH_PATH_MAX];

static void
write_file(const char *name, const char *mode, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, mode);
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* The last line of a file, without its end. */
static void
last_line(const char *name, char *line, size_t size)
{
    char path[128];
    line[0] = '\0';
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, (int) size, f) != NULL)
        ;
    line[strcspn(line, "\n")] = '\0';
    fclose(f);
}

static void
begin(void)
{
    scratch_begin(folder, "again");
    assert_int_equal(mkdir(folder, 0700), 0);
    write_file("p.yaml", "w",
               "name: again\n"
               "sources:\n"
               "  u: { file: { path: u.jsonl }, key: id, columns: \"id bigint, team text, score bigint\" }\n"
               "  e: { file: { path: e.jsonl }, columns: \"k text, v bigint, ts timestamptz\", watermark: ts }\n"
               "views:\n"
               "  teams: { sql: \"SELECT team, count(*) AS n, sum(score) AS s FROM u GROUP BY team\" }\n"
               "  w: { sql: \"SELECT window_start, k, sum(v) AS s FROM tumble(e, ts, interval '10 s') "
               "GROUP BY window_start, k\" }\n"
               "  t: { sql: \"SELECT k, sum(s) AS total, count(*) AS n FROM w GROUP BY k\", "
               "state: { unbounded: true } }\n"
               "sinks:\n"
               "  a: { from: teams, file: { path: teams.out }, changes: upsert }\n"
               "  b: { from: t, file: { path: t.out }, changes: upsert }\n");
}

static void
run(uint32_t workers)
{
    weir          *engine;
    weir_pipeline *pipeline;
    weir_error     err = { 0 };
    weir_report   *report = weir_report_open();
    assert_int_equal(weir_open(&(weir_options){ .workers = workers, .data_dir = "data", .once = true }, &engine, &err),
                     WEIR_OK);
    assert_int_equal(weir_pipeline_load(engine, "p.yaml", NULL, NULL, NULL, report, &pipeline), WEIR_OK);
    weir_report_close(report);
    if (weir_pipeline_start(pipeline, &err) != WEIR_OK || weir_pipeline_wait(pipeline, 60000000, &err) != WEIR_OK)
        fail_msg("%s", err.text);
    weir_close(engine);
}

static void
what_is_added_is_added_once(void **state)
{
    char line[256], here[256];
    assert_non_null(getcwd(here, sizeof here));
    begin();
    assert_int_equal(chdir(folder), 0);
    write_file("u.jsonl", "w", "{\"id\":1,\"team\":\"a\",\"score\":1}\n{\"id\":2,\"team\":\"a\",\"score\":2}\n");
    write_file("e.jsonl", "w", "{\"k\":\"a\",\"v\":1,\"ts\":\"2026-01-01T00:00:01Z\"}\n"
                               "{\"k\":\"a\",\"v\":1,\"ts\":\"2026-01-01T00:00:15Z\"}\n");
    run(2);
    last_line("teams.out", line, sizeof line);
    assert_string_equal(line, "{\"team\":\"a\",\"n\":2,\"s\":3}");
    write_file("u.jsonl", "a", "{\"id\":1,\"team\":\"a\",\"score\":10}\n"); /* in place of the first */
    write_file("e.jsonl", "a", "{\"k\":\"a\",\"v\":1,\"ts\":\"2026-01-01T00:00:18Z\"}\n"); /* into an open window */
    for (uint32_t workers = 1; workers <= 3; workers++) { /* and with nothing new */
        run(workers);
        last_line("teams.out", line, sizeof line);
        assert_string_equal(line, "{\"team\":\"a\",\"n\":2,\"s\":12}");
        last_line("t.out", line, sizeof line);
        assert_string_equal(line, "{\"k\":\"a\",\"total\":3,\"n\":2}");
    }
    assert_int_equal(chdir(here), 0);
    scratch_remove(folder);
}

/* When the newest checkpoint is damaged the one before it serves: what was added since is read again, too. */
static void
an_older_checkpoint_goes_on_as_well(void **state)
{
    char line[256], here[256];
    assert_non_null(getcwd(here, sizeof here));
    begin();
    assert_int_equal(chdir(folder), 0);
    write_file("e.jsonl", "w", "{\"k\":\"a\",\"v\":1,\"ts\":\"2026-01-01T00:00:01Z\"}\n");
    for (int i = 1; i <= 3; i++) {
        write_file("u.jsonl", i == 1 ? "w" : "a",
                   i == 1   ? "{\"id\":1,\"team\":\"a\",\"score\":1}\n"
                   : i == 2 ? "{\"id\":2,\"team\":\"a\",\"score\":2}\n"
                            : "{\"id\":3,\"team\":\"a\",\"score\":4}\n");
        if (i == 3)
            write_file("data/again/ckpt-0000000002.m", "w", "damaged");
        run((uint32_t) i);
        last_line("teams.out", line, sizeof line);
        assert_string_equal(line, i == 1   ? "{\"team\":\"a\",\"n\":1,\"s\":1}"
                                  : i == 2 ? "{\"team\":\"a\",\"n\":2,\"s\":3}"
                                           : "{\"team\":\"a\",\"n\":3,\"s\":7}");
    }
    assert_int_equal(chdir(here), 0);
    scratch_remove(folder);
}

/* A run that goes on does not take up what a bounded one has closed, and says which it found. */
static void
a_run_that_goes_on_says_whose_checkpoints_it_found(void **state)
{
    char           here[256];
    weir          *engine;
    weir_pipeline *pipeline;
    weir_error     err = { 0 };
    weir_report   *report = weir_report_open();
    assert_non_null(getcwd(here, sizeof here));
    begin();
    assert_int_equal(chdir(folder), 0);
    write_file("u.jsonl", "w", "{\"id\":1,\"team\":\"a\",\"score\":1}\n");
    write_file("e.jsonl", "w", "");
    run(2);
    assert_int_equal(weir_open(&(weir_options){ .workers = 1, .data_dir = "data" }, &engine, &err), WEIR_OK);
    assert_int_equal(weir_pipeline_load(engine, "p.yaml", NULL, NULL, NULL, report, &pipeline), WEIR_OK);
    weir_report_close(report);
    assert_int_equal(weir_pipeline_start(pipeline, &err), WEIR_CHECKPOINT_MISMATCH);
    assert_non_null(strstr(err.text, "of a run with --once"));
    assert_non_null(strstr(err.hint, "data directory of its own"));
    weir_close(engine);
    assert_int_equal(chdir(here), 0);
    scratch_remove(folder);
}

WR_TESTS = { WR_TEST(what_is_added_is_added_once),
             WR_TEST(an_older_checkpoint_goes_on_as_well),
             WR_TEST(a_run_that_goes_on_says_whose_checkpoints_it_found),
             { NULL, NULL } };
