/* SPDX-License-Identifier: Apache-2.0 */
/* cli/ask.c -- weir why, ls, explain --analyze: questions to a running process. */
#include "cli/grid.h"

#include <string.h>

/* --- text --- */

/* It may quote records; what is JSON has them quoted already. */
static void
put_answer(const request_member *raw, bool json)
{
    if (json)
        printf("%.*s\n", (int)raw->length, raw->text);
    else
        cli_put_shown(stdout, raw->text, raw->length);
}

/* Ask one thing of one view and print the answer. */
static int
ask_text(const client_options *where, const char *op, const char *view, bool json)
{
    client *c = NULL;
    request answer;
    wr_text text;
    int rc = client_open(where, &c);
    if (rc != CLI_OK)
        return rc;
    wr_text_init(&text, NULL);
    wr_text_printf(&text, "{\"op\":\"%s\"%s", op, json ? ",\"json\":true" : "");
    client_put(&text, "view", view);
    rc = client_ask(c, &text, &answer);
    if (rc == CLI_OK) {
        const request_member *raw = request_find(&answer, json ? "json" : "text");
        if (raw != NULL)
            put_answer(raw, json);
        rc = raw != NULL ? CLI_OK : CLI_FAILED;
    }
    wr_text_fini(&text);
    client_close(c);
    return rc;
}

int
cli_ask_explain(const client_options *where, const char *view, bool json)
{
    return ask_text(where, "explain", view, json);
}

int
cli_ask_explain_sql(const client_options *where, const char *pipeline, const char *sql, bool json)
{
    client *c = NULL;
    request answer = { 0 };
    wr_text text;
    int rc = client_open(where, &c);
    if (rc != CLI_OK)
        return rc;
    wr_text_init(&text, NULL);
    wr_text_printf(&text, "{\"op\":\"explain\"%s", json ? ",\"json\":true" : "");
    client_put(&text, "pipeline", pipeline);
    client_put(&text, "sql", sql);
    rc = client_ask(c, &text, &answer);
    int64_t line = 0, column = 0;
    if (rc == CLI_FAILED && request_whole(&answer, "line", &line) &&
        request_whole(&answer, "column", &column))
        cli_sql_place(sql, (int)line, (int)column);
    const request_member *raw = rc == CLI_OK ? request_find(&answer, json ? "json" : "text") : NULL;
    if (raw != NULL)
        put_answer(raw, json);
    else if (rc == CLI_OK)
        rc = CLI_FAILED;
    wr_text_fini(&text);
    client_close(c);
    return rc;
}

static int
why_verb(int argc, char **argv)
{
    client_options where = { 0 };
    cli_list rest = { 0 };
    const char *format = "text";
    int done;
    cli_option options[] = { CLIENT_OPTIONS(where),
                             { "format", 'o', 's', &format },
                             { 0 } };
    int rc = cli_parse(argc, argv, options, &rest, &done);
    if (rc != 0 || done)
        return rc;
    if (rest.count != 1 || (strcmp(format, "text") != 0 && strcmp(format, "json") != 0)) {
        cli_say(rest.count != 1 ? "which view? weir why VIEW" : "--format is text or json");
        return CLI_USAGE;
    }
    return ask_text(&where, "why", rest.items[0], strcmp(format, "json") == 0);
}

const cli_verb cli_why = {
    "why",
    why_verb,
    "say why nothing (or not more) comes out of a view",
    "usage: weir why [OPTIONS] VIEW\n"
    "\n"
    "Watermarks and who holds them back, open windows, rows dropped by cause, blocked sinks; the "
    "likely cause first.\n"
    "\n"
    CLIENT_HELP
    "  -o, --format FORMAT    text or json\n"
    "\n"
    "  weir why per_auction\n"
    "  weir why -s 10.0.0.7:7077 -o json per_auction\n",
};

/* --- ls --- */

static void
ls_print(const status *s)
{
    static const char *const head[] = { "PIPELINE", "STATE",     "KIND", "NAME",
                                        " ROWS",    "WATERMARK", "NOTES" };
    grid g = { .columns = (int)WR_COUNT(head) };
    char rows[32], notes[GRID_CELL_BYTES];
    grid_add(&g, head);
    for (uint32_t i = 0; i < s->count; i++) {
        const part *p = &s->parts[i];
        snprintf(rows, sizeof rows, " %.0f", p->rows_out);
        status_notes(p, notes, sizeof notes);
        grid_add(&g, (const char *const[]){ p->pipeline, p->state, p->kind, p->name, rows,
                                            p->watermark != NULL ? p->watermark : "-", notes });
    }
    wr_text text;
    wr_text_init(&text, NULL);
    grid_write(&g, &text);
    status_write_error(s, &text);
    screen to = { .to = stdout };
    screen_put(&to, &text);
    wr_text_fini(&text);
    grid_fini(&g);
}

static int
ls_verb(int argc, char **argv)
{
    client_options where = { 0 };
    cli_list rest = { 0 };
    const char *format = "table", *colour = "auto";
    client *c = NULL;
    status s;
    int done;
    cli_option options[] = { CLIENT_OPTIONS(where),
                             { "format", 'o', 's', &format },
                             { "color", 0, 's', &colour },
                             { 0 } };
    int rc = cli_parse(argc, argv, options, &rest, &done);
    if (rc != 0 || done)
        return rc;
    cli_set_colour(colour);
    bool json = strcmp(format, "json") == 0;
    if (rest.count != 0 || (!json && strcmp(format, "table") != 0)) {
        cli_say(rest.count != 0 ? "ls takes no arguments" : "--format is table or json");
        return CLI_USAGE;
    }
    rc = client_open(&where, &c);
    if (rc != CLI_OK)
        return rc;
    rc = status_ask(c, &s, json ? stdout : NULL);
    if (rc == CLI_OK) {
        if (!json)
            ls_print(&s);
        status_fini(&s);
    }
    client_close(c);
    return rc;
}

const cli_verb cli_ls = {
    "ls",
    ls_verb,
    "list the sources, views and sinks of a running process",
    "usage: weir ls [OPTIONS]\n"
    "\n"
    CLIENT_HELP
    "  -o, --format FORMAT    table or json\n"
    "\n"
    "  weir ls\n"
    "  weir ls -s unix:/var/lib/weir/weir.sock -o json\n",
};
