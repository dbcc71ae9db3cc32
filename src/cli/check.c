/* SPDX-License-Identifier: Apache-2.0 */
/* cli/check.c -- weir check, explain, test: what can be said of a file without running it. */
#include "cli/client.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* Load one file; prints the report; NULL when it has mistakes. */
static weir_pipeline *
load(weir *engine, const char *path, bool json)
{
    weir_report *report = weir_report_open();
    weir_pipeline *pipeline = NULL;
    if (report == NULL) {
        cli_say("%s: %s", path, weir_status_text(WEIR_MEMORY));
        return NULL;
    }
    weir_status status = weir_pipeline_load(engine, path, NULL, NULL, NULL, report, &pipeline);
    char *text = json ? weir_report_print_json(report) : NULL;
    if (text != NULL)
        fputs(text, stdout);
    else
        cli_report(report, path, status);
    weir_free(text);
    weir_report_close(report);
    return pipeline;
}

static bool
text_or_json(const char *format)
{
    bool known = strcmp(format, "text") == 0 || strcmp(format, "json") == 0;
    if (!known)
        cli_say("unknown format \"%s\": text or json", format);
    return known;
}

static int
check_run(int argc, char **argv)
{
    cli_list rest = { 0 };
    const char *format = "text", *colour = "auto";
    int done, failed = 0, quiet = 0;
    cli_option options[] = { { "format", 'o', 's', &format },
                             { "color", 0, 's', &colour },
                             { "quiet", 'q', 'f', &quiet },
                             { 0 } };
    int rc = cli_parse(argc, argv, options, &rest, &done);
    if (rc != 0 || done)
        return rc;
    if (!text_or_json(format))
        return CLI_USAGE;
    cli_set_colour(colour);
    if (rest.count == 0) {
        cli_say("which file? weir check FILE...");
        return CLI_USAGE;
    }
    weir *engine;
    weir_error err = { 0 };
    if (weir_open(NULL, &engine, &err) != WEIR_OK) {
        cli_error(&err);
        return CLI_FAILED;
    }
    for (int i = 0; i < rest.count; i++) {
        weir_pipeline *p = load(engine, rest.items[i], strcmp(format, "json") == 0);
        failed |= p == NULL;
        if (p != NULL && !quiet && strcmp(format, "json") != 0)
            printf("%s: ok\n", rest.items[i]);
        weir_pipeline_unload(p);
    }
    weir_close(engine);
    return failed ? CLI_FAILED : CLI_OK;
}

const cli_verb cli_check = {
    "check",
    check_run,
    "report every mistake of pipeline files",
    "usage: weir check [-o text|json] [-q] FILE...\n"
    "\n"
    "Reads, checks and plans each file; connects to nothing.  Exit 1 when there is a mistake.\n"
    "\n"
    "  weir check pipelines/*.yaml\n"
    "  weir check -o json auctions.yaml\n",
};

static int
explain_run(int argc, char **argv)
{
    cli_list rest = { 0 };
    client_options where = { 0 };
    const char *format = "text", *sql = NULL, *pipeline = NULL;
    int done, analyze = 0;
    cli_option options[] = { { "format", 'o', 's', &format },
                             { "analyze", 0, 'f', &analyze },
                             { "sql", 0, 's', &sql },
                             { "pipeline", 0, 's', &pipeline },
                             CLIENT_OPTIONS(where),
                             { 0 } };
    int rc = cli_parse(argc, argv, options, &rest, &done);
    if (rc != 0 || done)
        return rc;
    if (!text_or_json(format))
        return CLI_USAGE;
    if (sql != NULL && (analyze || rest.count > 0)) {
        cli_say("--sql is a statement over a running process: neither a file nor --analyze goes with it");
        return CLI_USAGE;
    }
    if (sql != NULL)
        return cli_ask_explain_sql(&where, pipeline, sql, strcmp(format, "json") == 0);
    if (analyze && rest.count == 1)
        return cli_ask_explain(&where, rest.items[0], strcmp(format, "json") == 0);
    if (analyze) {
        cli_say("which view? weir explain --analyze VIEW");
        return CLI_USAGE;
    }
    if (rest.count < 1 || rest.count > 2) {
        cli_say("which file? weir explain FILE [VIEW]");
        return CLI_USAGE;
    }
    weir *engine;
    weir_error err = { 0 };
    if (weir_open(NULL, &engine, &err) != WEIR_OK) {
        cli_error(&err);
        return CLI_FAILED;
    }
    weir_pipeline *p = load(engine, rest.items[0], false);
    char *text = NULL;
    rc = CLI_FAILED;
    if (p != NULL) {
        weir_status status =
            weir_explain(p, rest.count > 1 ? rest.items[1] : NULL, false,
                         strcmp(format, "json") == 0 ? WEIR_TEXT_JSON : WEIR_TEXT, &text, &err);
        if (status == WEIR_OK) {
            fputs(text, stdout);
            rc = CLI_OK;
        } else {
            cli_error(&err);
        }
    }
    weir_free(text);
    weir_close(engine);
    return rc;
}

const cli_verb cli_explain = {
    "explain",
    explain_run,
    "show the plan of a pipeline's views",
    "usage: weir explain [-o text|json] FILE [VIEW]\n"
    "       weir explain --analyze [-o text|json] [--server ADDRESS] VIEW\n"
    "       weir explain --sql SELECT [-o text|json] [--server ADDRESS] [--pipeline NAME]\n"
    "\n"
    "For each operator: key, relation kind, watermark, what was pushed down, the bound of its "
    "state.\n"
    "With --analyze: of a view of a running process, with live counters (see `weir help why` for "
    "--server, --token).\n"
    "With --sql: what the statement would be as a view of the pipeline that runs there (of the one called NAME, if "
    "there are several).\n"
    "\n"
    "  weir explain auctions.yaml per_auction\n"
    "  weir explain --analyze per_auction\n"
    "  weir explain --sql \"SELECT auction, count(*) FROM bids GROUP BY auction\"\n",
};

typedef struct test_run {
    int passed, failed;
    bool colour;
    FILE *junit;
    cli_progress bar;
} test_run;

static void
xml_put(FILE *to, const char *s)
{
    for (; *s != '\0'; s++)
        switch (*s) {
        case '<': fputs("&lt;", to); break;
        case '>': fputs("&gt;", to); break;
        case '&': fputs("&amp;", to); break;
        case '"': fputs("&quot;", to); break;
        default: fputc(*s, to);
        }
}

static void
on_test(void *user, const weir_test_result *result)
{
    test_run *run = user;
    *(result->passed ? &run->passed : &run->failed) += 1;
    cli_progress_clear(&run->bar);
    printf("%s%s%s %s (%.0f ms)\n", run->colour ? (result->passed ? "\033[32m" : "\033[31m") : "",
           result->passed ? "ok  " : "FAIL", run->colour ? "\033[0m" : "", result->name,
           result->seconds * 1e3);
    if (!result->passed)
        fputs(result->detail, stdout);
    fflush(stdout);
    cli_progress_count(&run->bar, "tests", result->index, result->count);
    if (run->junit == NULL)
        return;
    fprintf(run->junit, "  <testcase name=\"");
    xml_put(run->junit, result->name);
    fprintf(run->junit, "\" time=\"%.3f\">", result->seconds);
    if (!result->passed) {
        fputs("<failure>", run->junit);
        xml_put(run->junit, result->detail);
        fputs("</failure>", run->junit);
    }
    fputs("</testcase>\n", run->junit);
}

static int
test_run_verb(int argc, char **argv)
{
    cli_list rest = { 0 };
    const char *filter = NULL, *junit = NULL, *colour = "auto";
    long long seed = 1;
    int done, broken = 0;
    cli_option options[] = { { "filter", 'f', 's', &filter },
                             { "junit", 0, 's', &junit },
                             { "seed", 0, 'n', &seed },
                             { "color", 0, 's', &colour },
                             { 0 } };
    int rc = cli_parse(argc, argv, options, &rest, &done);
    if (rc != 0 || done)
        return rc;
    cli_set_colour(colour);
    if (rest.count == 0) {
        cli_say("which file? weir test FILE...");
        return CLI_USAGE;
    }
    weir *engine;
    weir_error err = { 0 };
    if (weir_open(NULL, &engine, &err) != WEIR_OK) {
        cli_error(&err);
        return CLI_FAILED;
    }
    test_run run = { .colour = cli_colour(stdout),
                     .junit = junit != NULL ? fopen(junit, "we") : NULL };
    if (junit != NULL && run.junit == NULL) {
        cli_say("cannot write \"%s\": %s", junit, strerror(errno));
        weir_close(engine);
        return CLI_FAILED;
    }
    cli_progress_start(&run.bar);
    if (run.junit != NULL)
        fputs("<testsuite name=\"weir\">\n", run.junit);
    for (int i = 0; i < rest.count; i++) {
        weir_pipeline *p = load(engine, rest.items[i], false);
        if (p == NULL) {
            broken = 1;
            continue;
        }
        weir_test_options o = { .filter = filter, .seed = (uint64_t)seed, .colour = run.colour };
        if (weir_pipeline_test(p, &o, on_test, &run, &err) != WEIR_OK) {
            cli_error(&err);
            broken = 1;
        }
        weir_pipeline_unload(p);
    }
    cli_progress_clear(&run.bar);
    if (run.junit != NULL) {
        fputs("</testsuite>\n", run.junit);
        bool whole = ferror(run.junit) == 0;
        if (fclose(run.junit) != 0 || !whole) {
            cli_say("cannot write \"%s\": %s", junit, strerror(errno));
            broken = 1;
        }
    }
    printf("%d passed, %d failed (seed %lld)\n", run.passed, run.failed, seed);
    if (filter != NULL && run.passed + run.failed == 0 && !broken) { /* no test is no success */
        cli_say("no test has \"%s\" in its name", filter);
        broken = 1;
    }
    weir_close(engine);
    return run.failed > 0 || broken ? CLI_FAILED : CLI_OK;
}

const cli_verb cli_test = {
    "test",
    test_run_verb,
    "run the tests of pipeline files under a virtual clock",
    "usage: weir test [--filter WORD] [--junit FILE] [--seed N] FILE...\n"
    "\n"
    "Runs `tests:` of each file: no broker, no clock, the same every time.  Exit 1 when one "
    "fails.\n"
    "\n"
    "  weir test auctions.yaml\n"
    "  weir test --filter late pipelines/*.yaml\n",
};
