/* SPDX-License-Identifier: Apache-2.0 */
/* cli/query.c -- weir query: one answer, or changes as they come, from files or a pipeline's relations. */
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool
schema_has_input(const char *schema, const cli_list *inputs)
{
    size_t length = strcspn(schema, "=");
    for (int i = 0; i < inputs->count; i++)
        if (strncmp(inputs->items[i], schema, length) == 0 && inputs->items[i][length] == '=')
            return true;
    return false;
}

/* --schema name=FILE gives the columns of --input name=FILE; the texts are kept until the engine
 * has copied them. */
static int
add_inputs(weir *engine, const cli_list *inputs, const cli_list *schemas)
{
    for (int s = 0; s < schemas->count; s++)
        if (!schema_has_input(schemas->items[s], inputs)) {
            cli_say("--schema %s is for no --input: write --schema NAME=FILE and --input NAME=FILE", schemas->items[s]);
            return CLI_USAGE;
        }
    for (int i = 0; i < inputs->count; i++) {
        const char *eq = strchr(inputs->items[i], '=');
        char name[128];
        if (eq == NULL || eq == inputs->items[i] || eq - inputs->items[i] >= (long)sizeof name) {
            cli_say("write --input NAME=FILE, not \"%s\"", inputs->items[i]);
            return CLI_USAGE;
        }
        memcpy(name, inputs->items[i], (size_t)(eq - inputs->items[i]));
        name[eq - inputs->items[i]] = '\0';
        char *schema = NULL;
        for (int s = 0; s < schemas->count; s++)
            if (strncmp(schemas->items[s], name, strlen(name)) == 0 &&
                schemas->items[s][strlen(name)] == '=') {
                schema = cli_read_file(schemas->items[s] + strlen(name) + 1, NULL);
                if (schema == NULL)
                    return CLI_FAILED;
            }
        weir_error err = { 0 };
        weir_status status = weir_input(engine, name, eq + 1, schema, &err);
        weir_free(schema);
        if (status != WEIR_OK) {
            cli_error(&err);
            return CLI_FAILED;
        }
    }
    return CLI_OK;
}

typedef struct query_run {
    cli_list rest, inputs, schemas, params;
    const char *file, *sql_file, *output, *format, *colour;
    int no_flush, explain, nested, follow, unbounded;
    long long limit, timeout_s;
    char *sql;
    weir *engine;
    weir_pipeline *pipeline;
    cli_progress bar;
} query_run;

/* --- the pipeline file --- */

static int
read_pipeline(query_run *q)
{
    weir_report *report = weir_report_open();
    if (report == NULL) {
        cli_say("%s", weir_status_text(WEIR_MEMORY));
        return CLI_FAILED;
    }
    weir_status status = weir_pipeline_read(q->engine, q->file, NULL, report, &q->pipeline);
    cli_report(report, q->file, status);
    size_t n = strlen(q->file);
    if (status != WEIR_OK && n > 4 && strcmp(q->file + n - 4, ".sql") == 0)
        fprintf(stderr, "  -f names a pipeline file; for a statement in a file: weir query @%s\n",
                q->file);
    weir_report_close(report);
    return status == WEIR_OK ? CLI_OK : CLI_FAILED;
}

/* --- rows --- */

/* From within weir_result_next. */
static bool
on_progress(void *user, const weir_progress *progress)
{
    query_run *q = user;
    if (!q->follow)
        cli_progress_show(&q->bar, progress);
    return !cli_interrupted();
}

static weir_status
print_rows(query_run *q, weir_result *result, cli_printer *printer, weir_error *err)
{
    weir_status status = WEIR_OK;
    while (status == WEIR_OK && !cli_interrupted()) {
        weir_rows *rows = NULL;
        status = weir_result_next(result, &rows, err);
        if (status != WEIR_OK || rows == NULL)
            break;
        cli_progress_clear(&q->bar);
        int rc = cli_printer_add(printer, rows);
        weir_rows_release(rows);
        if (rc == 0 && q->follow)
            rc = cli_printer_flush(printer);
        if (rc != 0)
            break; /* the reader of the pipe has gone */
    }
    cli_progress_clear(&q->bar);
    return status;
}

static int
print_result(query_run *q, weir_result *result, FILE *to)
{
    cli_format format;
    weir_column_info columns[CLI_COLUMNS_MAX];
    weir_error err = { 0 };
    weir_progress left;
    uint32_t count = weir_result_columns(result, columns, CLI_COLUMNS_MAX);
    if (!cli_format_parse(q->format == NULL && to != stdout ? "jsonl" : q->format, to, &format))
        return CLI_USAGE;
    cli_printer *printer =
        cli_printer_open(format, to, columns, count,
                         weir_result_kind(result) != WEIR_INSERT_ONLY, q->nested != 0);
    if (printer == NULL)
        return CLI_FAILED;
    weir_status status = print_rows(q, result, printer, &err);
    int rc = cli_printer_close(printer, status == WEIR_OK && !q->follow);
    if (status == WEIR_CANCELLED || cli_interrupted())
        return CLI_INTERRUPTED;
    if (status != WEIR_OK) {
        cli_sql_error(q->sql, &err);
        return cli_exit_code(status) == CLI_CONFIG ? CLI_FAILED : cli_exit_code(status);
    }
    weir_result_progress(result, &left);
    cli_progress_left_out(&left, NULL);
    return rc;
}

static int
answer(query_run *q, const weir_query_options *options)
{
    weir_result *result = NULL;
    weir_error err = { 0 };
    FILE *to = stdout;
    char *text = NULL;
    weir_status status = q->explain ? weir_explain_query(q->engine, q->sql, options, &text, &err)
                                    : weir_query(q->engine, q->sql, options, &result, &err);
    if (status != WEIR_OK) {
        cli_sql_error(q->sql, &err);
        if (status == WEIR_QUERY_UNBOUNDED)
            fputs("  --unbounded accepts state that grows with the input\n", stderr);
        return status == WEIR_CONNECT ? CLI_CONNECT : CLI_FAILED;
    }
    if (q->explain) {
        fputs(text, stdout);
        weir_free(text);
        return fflush(stdout) == 0 ? CLI_OK : cli_write_error(errno);
    }
    if (q->output != NULL && strcmp(q->output, "-") != 0 && (to = fopen(q->output, "we")) == NULL) {
        cli_say("cannot write \"%s\": %s", q->output, strerror(errno));
        weir_result_close(result);
        return CLI_FAILED;
    }
    q->follow = weir_result_followed(result);
    int rc = print_result(q, result, to);
    if (to != stdout && fclose(to) != 0 && rc == CLI_OK)
        rc = cli_write_error(errno);
    weir_result_close(result);
    return rc;
}

/* --- the verb --- */

/* One statement, with or without a file before it. */
static int
read_arguments(query_run *q)
{
    int n = q->rest.count;
    if (n == 2 - (q->sql_file != NULL) && q->file == NULL)
        q->file = q->rest.items[0];
    else if (n != (q->sql_file == NULL)) {
        cli_say(
            "give one statement: weir query [FILE.yaml] \"SELECT ...\", weir query @file.sql, or "
            "--sql FILE");
        return CLI_USAGE;
    }
    const char *text = n > 0 ? q->rest.items[n - 1] : NULL;
    if (q->sql_file != NULL || text[0] == '@')
        q->sql = cli_read_file(q->sql_file != NULL ? q->sql_file : text + 1, NULL);
    else if ((q->sql = wr_strdup(NULL, text)) == NULL)
        cli_say("%s", weir_status_text(WEIR_MEMORY));
    return q->sql != NULL ? CLI_OK : CLI_FAILED;
}

static uint64_t
test_seed(const char *variable)
{
    const char *value = getenv(variable);
    return value != NULL ? strtoull(value, NULL, 10) : 0;
}

static int
query_go(query_run *q)
{
    weir_error err = { 0 };
    int rc = read_arguments(q);
    if (rc != CLI_OK)
        return rc;
    if (weir_open(NULL, &q->engine, &err) != WEIR_OK) {
        cli_error(&err);
        return CLI_FAILED;
    }
    rc = add_inputs(q->engine, &q->inputs, &q->schemas);
    if (rc == CLI_OK && q->file != NULL)
        rc = read_pipeline(q);
    if (rc != CLI_OK)
        return rc;
    cli_catch_signals();
    cli_progress_start(&q->bar);
    const weir_query_options options = {
        .params = q->params.count > 0 ? q->params.items : NULL,
        .param_count = (uint32_t)q->params.count,
        .no_flush = q->no_flush != 0,
        .row_limit = (uint64_t)q->limit,
        .timeout_us = q->timeout_s < INT64_MAX / 1000000 ? WR_MAX(q->timeout_s, 0ll) * 1000000 : INT64_MAX,
        .pipeline = q->pipeline,
        .follow = q->follow != 0,
        .unbounded_state = q->unbounded != 0,
        .progress = on_progress,
        .user = q,
        .batch_rows_max = getenv("WEIR_TEST_SMALL") != NULL ? 1 : 0,
        .restart_seed = test_seed("WEIR_TEST_RESTART"),
    };
    return answer(q, &options);
}

static int
query_verb(int argc, char **argv)
{
    query_run q = { .colour = "auto" };
    int done = 0;
    cli_option options[] = {
        { "file", 'f', 's', &q.file },         { "input", 'i', 'l', &q.inputs },
        { "schema", 0, 'l', &q.schemas },      { "sql", 0, 's', &q.sql_file },
        { "output", 'O', 's', &q.output },     { "format", 'o', 's', &q.format },
        { "param", 'p', 'l', &q.params },      { "no-flush", 0, 'f', &q.no_flush },
        { "limit", 'n', 'n', &q.limit },       { "timeout", 0, 'n', &q.timeout_s },
        { "explain", 0, 'f', &q.explain },     { "color", 0, 's', &q.colour },
        { "nested", 0, 'f', &q.nested },       { "follow", 'F', 'f', &q.follow },
        { "unbounded", 0, 'f', &q.unbounded }, { 0 },
    };
    int rc = cli_parse(argc, argv, options, &q.rest, &done);
    if (rc != 0 || done)
        return rc;
    cli_set_colour(q.colour);
    rc = query_go(&q);
    weir_free(q.sql);
    weir_close(q.engine);
    return rc;
}

const cli_verb cli_query = {
    "query",
    query_verb,
    "ask once, or follow, over files or a pipeline's sources and views",
    "usage: weir query [OPTIONS] [FILE] SQL | @FILE | --sql FILE\n"
    "\n"
    "  -f, --file FILE          a pipeline file whose sources and views the statement may name\n"
    "  -i, --input NAME=FILE    a file to be read as a table called NAME, or in place of a source\n"
    "      --schema NAME=FILE   its columns, as JSON (inferred from the data otherwise)\n"
    "  -o, --format FORMAT      table, jsonl, json, csv, markdown or raw\n"
    "  -O, --output FILE        write there (default: standard output)\n"
    "      --nested             in JSON: ISO 8601 times, json and arrays nested (else each value "
    "as psql prints it)\n"
    "  -p, --param VALUE        $1, $2, ... in turn\n"
    "  -n, --limit ROWS         fail when more rows come\n"
    "      --timeout SECONDS    fail when it takes longer\n"
    "      --no-flush           do not close windows at the end of the input\n"
    "  -F, --follow             go on as rows come, until the input ends or Ctrl-C (EMIT CHANGES "
    "at\n"
    "                           the end of the statement follows too, and prints every change)\n"
    "      --unbounded          with --follow: accept state that grows with the input\n"
    "      --explain            show the plan instead\n"
    "\n"
    "  weir query \"SELECT status, count(*) FROM read_json('hits.jsonl') GROUP BY 1\"\n"
    "  curl -s URL | weir query -i t=- \"SELECT status, count(*) FROM t GROUP BY 1\"\n"
    "  weir query -i t=trades.csv -o csv \"SELECT * FROM t WHERE price > 10\"\n"
    "  weir query auctions.yaml \"SELECT * FROM per_auction ORDER BY top DESC LIMIT 10\"\n",
};
