/* SPDX-License-Identifier: Apache-2.0 */
/* cli/query.c -- weir query: one answer from files or a pipeline's relations. */
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --schema name=FILE gives the columns of --input name=FILE; the texts are kept until the engine
 * has copied them. */
static int
add_inputs(weir *engine, const cli_list *inputs, const cli_list *schemas)
{
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

static int
print_result(weir_result *result, const char *format_name, bool nested, FILE *to, const char *sql)
{
    cli_format format;
    weir_column_info columns[256];
    weir_error err = { 0 };
    weir_rows *rows = NULL;
    uint32_t count = weir_result_columns(result, columns, 256);
    if (!cli_format_parse(format_name, to, &format))
        return CLI_USAGE;
    cli_printer *printer = cli_printer_open(format, to, columns, count, false, nested);
    weir_status status = printer != NULL ? WEIR_OK : WEIR_MEMORY;
    while (status == WEIR_OK && !cli_interrupted()) {
        status = weir_result_next(result, &rows, &err);
        if (status != WEIR_OK || rows == NULL)
            break;
        int rc = cli_printer_add(printer, rows);
        weir_rows_release(rows);
        if (rc != 0)
            break; /* the reader of the pipe has gone */
    }
    int rc = cli_printer_close(printer, status == WEIR_OK);
    if (status != WEIR_OK) {
        cli_sql_error(sql, &err);
        return cli_exit_code(status) == CLI_CONFIG ? CLI_FAILED : cli_exit_code(status);
    }
    if (cli_interrupted())
        return CLI_INTERRUPTED;
    return rc == 0 || errno == EPIPE ? CLI_OK : CLI_FAILED;
}

static int
query_run(int argc, char **argv)
{
    cli_list rest = { 0 }, inputs = { 0 }, schemas = { 0 }, params = { 0 };
    const char *sql_file = NULL, *output = NULL, *format = NULL, *colour = "auto";
    int no_flush = 0, explain = 0, nested = 0, done = 0;
    long long limit = 0, timeout_s = 0;
    cli_option options[] = {
        { "input", 'i', 'l', &inputs },
        { "schema", 0, 'l', &schemas },
        { "sql", 0, 's', &sql_file },
        { "output", 'O', 's', &output },
        { "format", 'o', 's', &format },
        { "param", 'p', 'l', &params },
        { "no-flush", 0, 'f', &no_flush },
        { "limit", 'n', 'n', &limit },
        { "timeout", 0, 'n', &timeout_s },
        { "explain", 0, 'f', &explain },
        { "color", 0, 's', &colour },
        { "nested", 0, 'f', &nested },
        { 0 },
    };
    int rc = cli_parse(argc, argv, options, &rest, &done);
    if (rc != 0 || done)
        return rc;
    cli_set_colour(colour);
    if ((sql_file == NULL) == (rest.count == 0) || rest.count > 1) {
        cli_say(
            "give one statement: weir query \"SELECT ...\", weir query @file.sql, or --sql FILE");
        return CLI_USAGE;
    }
    char *sql = NULL, *text = NULL;
    weir *engine = NULL;
    weir_result *result = NULL;
    weir_error err = { 0 };
    FILE *to = stdout;
    if (sql_file != NULL || rest.items[0][0] == '@')
        sql = cli_read_file(sql_file != NULL ? sql_file : rest.items[0] + 1, NULL);
    else
        sql = wr_strdup(NULL, rest.items[0]);
    weir_status status = sql == NULL ? WEIR_MEMORY : weir_open(NULL, &engine, &err);
    rc = status != WEIR_OK ? CLI_FAILED : add_inputs(engine, &inputs, &schemas);
    if (rc != CLI_OK)
        goto done;
    cli_catch_signals();
    const weir_query_options qo = { .params = params.count > 0 ? params.items : NULL,
                                    .param_count = (uint32_t)params.count,
                                    .no_flush = no_flush != 0,
                                    .row_limit = (uint64_t)limit,
                                    .timeout_us = timeout_s * 1000000,
                                    .batch_rows_max = getenv("WEIR_TEST_SMALL") != NULL ? 1 : 0,
                                    .restart_seed =
                                        getenv("WEIR_TEST_RESTART") != NULL
                                            ? strtoull(getenv("WEIR_TEST_RESTART"), NULL, 10)
                                            : 0 };
    if (explain) {
        status = weir_explain_query(engine, sql, &text, &err);
        if (status == WEIR_OK)
            fputs(text, stdout);
    } else {
        status = weir_query(engine, sql, &qo, &result, &err);
    }
    if (status != WEIR_OK) {
        cli_sql_error(sql, &err);
        rc = CLI_FAILED;
        goto done;
    }
    if (explain)
        goto done;
    if (output != NULL && strcmp(output, "-") != 0 && (to = fopen(output, "we")) == NULL) {
        cli_say("cannot write \"%s\": %s", output, strerror(errno));
        rc = CLI_FAILED;
        goto done;
    }
    rc = print_result(result, format == NULL && to != stdout ? "jsonl" : format, nested != 0, to,
                      sql);
    if (to != stdout && fclose(to) != 0)
        rc = CLI_FAILED;
done:
    weir_result_close(result);
    weir_free(text);
    weir_free(sql);
    weir_close(engine);
    return rc;
}

const cli_verb cli_query = {
    "query",
    query_run,
    "answer one bounded question from files",
    "usage: weir query [OPTIONS] SQL | @FILE | --sql FILE\n"
    "\n"
    "  -i, --input NAME=FILE    a file to be read as a table called NAME\n"
    "      --schema NAME=FILE   its columns, as JSON (inferred from the data otherwise)\n"
    "  -o, --format FORMAT      table, jsonl, json, csv, markdown or raw\n"
    "  -O, --output FILE        write there (default: standard output)\n"
    "      --nested             in JSON: ISO 8601 times, json and arrays nested (else each value "
    "as psql prints it)\n"
    "  -p, --param VALUE        $1, $2, ... in turn\n"
    "  -n, --limit ROWS         fail when more rows come\n"
    "      --timeout SECONDS    fail when it takes longer\n"
    "      --no-flush           do not close windows at the end of the input\n"
    "      --explain            show the plan instead\n"
    "\n"
    "  weir query \"SELECT status, count(*) FROM read_json('hits.jsonl') GROUP BY 1\"\n"
    "  weir query -i t=trades.csv -o csv \"SELECT * FROM t WHERE price > 10\"\n",
};
