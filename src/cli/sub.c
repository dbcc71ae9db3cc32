/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/sub.c -- weir sub: follow a view of a running process.
 *
 * JSON lines are made of the values as the server wrote them, nothing is decoded; the other forms
 * print text.
 */
#include "cli/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio_ext.h>
#include <string.h>
#include <unistd.h>

typedef struct sub_run {
    client *client;
    const char *view;
    cli_format format;
    cli_printer *printer;
    wr_arena arena; /* of the columns */
    weir_column_info columns[CLI_COLUMNS_MAX];
    const char *heads[CLI_COLUMNS_MAX]; /* "name": as JSON */
    uint32_t count;
    bool changes;
    int epochs;            /* whole ones alone; as JSON lines, each ends with a line that names it */
    long long limit, rows; /* limit 0: none; with epochs it is looked at between them */
    bool cut; /* not all rows of the newest message were written: it will come again */
    char cursor[512], written[512]; /* of the newest message; of the newest behind which all is written */
    const char *values[CLI_COLUMNS_MAX]; /* of the row at hand */
    size_t lengths[CLI_COLUMNS_MAX];
} sub_run;

/* --- the schema --- */

static bool
column_read(sub_run *s, const char *item, size_t length)
{
    const char *at = item, *end = item + length, *name, *type;
    size_t n, m;
    if (!request_json_item(&at, end, &name, &n) || !request_json_item(&at, end, &type, &m))
        return false;
    weir_column_info *c = &s->columns[s->count];
    c->name = request_json_text(name, n, &s->arena);
    c->type = request_json_text(type, m, &s->arena);
    s->heads[s->count] = wr_arena_printf(&s->arena, "%.*s:", (int)n, name);
    return c->name != NULL && c->type != NULL && s->heads[s->count++] != NULL;
}

static bool
on_schema(sub_run *s, const request *m)
{
    const request_member *columns = request_find(m, "columns");
    const char *kind = request_string(m, "kind"), *item;
    size_t n;
    if (columns == NULL || columns->kind != REQUEST_RAW)
        return false;
    const char *at = columns->text, *end = at + columns->length;
    while (s->count < CLI_COLUMNS_MAX && request_json_item(&at, end, &item, &n))
        if (!column_read(s, item, n))
            return false;
    if (request_json_item(&at, end, &item, &n)) {
        cli_say("%s has more than the %d columns that can be printed", s->view, CLI_COLUMNS_MAX);
        return false;
    }
    s->changes = kind != NULL && strcmp(kind, "insert_only") != 0;
    if (s->format != CLI_JSONL)
        s->printer = cli_printer_open(s->format, stdout, s->columns, s->count, s->changes, true);
    return s->format == CLI_JSONL || s->printer != NULL;
}

/* --- rows --- */

/* 2026-01-01T00:00:00Z as PostgreSQL prints it: 2026-01-01 00:00:00+00. */
static const char *
time_text(const char *iso, wr_arena *arena)
{
    size_t n = iso != NULL ? strlen(iso) : 0;
    if (n < 19 || memchr(iso, 'T', n) == NULL)
        return iso; /* an infinity, or out of memory */
    size_t day = (size_t)((const char *)memchr(iso, 'T', n) - iso);
    bool zone = iso[n - 1] == 'Z';
    return wr_arena_printf(arena, "%.*s %.*s%s", (int)day, iso, (int)(n - day - 1 - zone),
                           iso + day + 1, zone ? "+00" : "");
}

static const char *
cell_text(void *user, uint32_t column)
{
    sub_run *s = user;
    wr_arena *arena = client_scratch(s->client);
    const char *value = s->values[column];
    if (value == NULL || (s->lengths[column] == 4 && memcmp(value, "null", 4) == 0))
        return NULL;
    const char *text = request_json_text(value, s->lengths[column], arena);
    return strncmp(s->columns[column].type, "timestamp", 9) == 0 ? time_text(text, arena) : text;
}

static void
put_json(const sub_run *s, const char *op, size_t n)
{
    fputc('{', stdout);
    if (s->changes)
        printf("\"_op\":%.*s%s", (int)n, op, s->count > 0 ? "," : "");
    for (uint32_t i = 0; i < s->count; i++) {
        if (i > 0)
            fputc(',', stdout);
        fputs(s->heads[i], stdout);
        fwrite(s->values[i], 1, s->lengths[i], stdout);
    }
    fputs("}\n", stdout);
}

/* ["+",[7,3]] */
static bool
on_row(sub_run *s, const char *row, size_t length)
{
    const char *at = row, *end = row + length, *op, *list;
    size_t n, m;
    uint32_t count = 0;
    if (!request_json_item(&at, end, &op, &n) || !request_json_item(&at, end, &list, &m))
        return false;
    for (at = list, end = list + m;
         count < s->count && request_json_item(&at, end, &s->values[count], &s->lengths[count]);)
        count++;
    if (count != s->count)
        return false;
    if (s->format == CLI_JSONL)
        put_json(s, op, n);
    else
        cli_printer_row(s->printer, n == 3 && op[1] == '-' ? -1 : 1, cell_text, s);
    s->rows++;
    return true;
}

/* Asked once a signal has come: what could not be written would be waited for. */
static bool
reader_takes(void)
{
    struct pollfd to = { .fd = STDOUT_FILENO, .events = POLLOUT };
    return !ferror(stdout) && poll(&to, 1, 0) == 1 && (to.revents & POLLOUT) != 0;
}

static bool
on_rows(sub_run *s, const request *m)
{
    const request_member *rows = request_find(m, "rows");
    const char *row;
    size_t n;
    if (rows == NULL || rows->kind != REQUEST_RAW)
        return false;
    const char *at = rows->text, *end = at + rows->length;
    while ((s->limit == 0 || s->epochs || s->rows < s->limit) && request_json_item(&at, end, &row, &n)) {
        s->cut = cli_interrupted() && !reader_takes();
        if (s->cut)
            return true;
        if (!on_row(s, row, n))
            return false;
    }
    return true;
}

/* --- following --- */

/* -1: go on; else the exit code. */
static int
flush(sub_run *s)
{
    bool good = true;
    errno = 0;
    if (s->printer != NULL)
        good = cli_printer_flush(s->printer) == 0;
    else
        good = fflush(stdout) == 0 && !ferror(stdout);
    if (good)
        memcpy(s->written, s->cursor, sizeof s->written);
    if (good || cli_interrupted()) /* a write that a signal ended */
        return -1;
    return s->printer != NULL ? CLI_OK /* its closing says why */ : cli_write_error(errno != 0 ? errno : EIO);
}

static void
say_cursor(const sub_run *s, const char *cursor)
{
    if (cursor[0] != '\0')
        fprintf(stderr, "  go on with: weir sub %s --from '%s'\n", s->view, cursor);
}

/* A reader who takes nothing is not waited for: what it did not take comes again from the cursor. */
static int
interrupted(sub_run *s)
{
    if (reader_takes())
        (void)!flush(s);
    __fpurge(stdout); /* nothing may be left for the end of the process to wait with */
    clearerr(stdout);
    cli_printer_discard(s->printer);
    s->printer = NULL;
    fputc('\n', stderr);
    say_cursor(s, s->written);
    return CLI_INTERRUPTED;
}

/* True: an epoch ends here. */
static bool
on_progress(const sub_run *s, const request *m)
{
    int64_t epoch = 0;
    const char *watermark = request_string(m, "watermark");
    if (!request_whole(m, "epoch", &epoch))
        return false;
    if (s->epochs && s->format == CLI_JSONL && watermark != NULL)
        printf("{\"_epoch\":%lld,\"_watermark\":\"%s\"}\n", (long long)epoch, watermark);
    return true;
}

/* -1: go on; else the exit code. */
static int
on_message(sub_run *s, const request *m)
{
    const char *op = request_string(m, "op"), *cursor = request_string(m, "cursor"), *text;
    int64_t lost = 0;
    bool good = op != NULL, between = !s->epochs;
    if (good && strcmp(op, "schema") == 0) {
        good = on_schema(s, m);
    } else if (good && strcmp(op, "rows") == 0) {
        good = on_rows(s, m);
    } else if (good && strcmp(op, "progress") == 0) {
        between = on_progress(s, m) || between;
    } else if (good && strcmp(op, "gap") == 0) {
        (void)request_whole(m, "lost_batches", &lost);
        cli_say("%lld batches of rows were overwritten before they were read", (long long)lost);
    } else if (good && strcmp(op, "end") == 0) {
        const char *reason = request_string(m, "reason");
        bool finished = reason == NULL || strcmp(reason, "finished") == 0;
        text = request_string(m, "text");
        if (!finished)
            cli_say("the pipeline has %s%s%s", reason, text != NULL ? ": " : "",
                    text != NULL ? text : "");
        return reason != NULL && strcmp(reason, "failed") == 0 ? CLI_FAILED : CLI_OK;
    } else if (good && strcmp(op, "error") == 0) {
        int rc = client_error(m);
        say_cursor(s, s->cursor);
        return rc;
    }
    if (!wr_arena_ok(&s->arena) || !wr_arena_ok(client_scratch(s->client))) {
        cli_say("%s", weir_status_text(WEIR_MEMORY));
        return CLI_FAILED;
    }
    if (!good) {
        cli_say("a message of the server cannot be read");
        return CLI_FAILED;
    }
    if (cursor != NULL && !s->cut)
        snprintf(s->cursor, sizeof s->cursor, "%s", cursor);
    return s->limit > 0 && s->rows >= s->limit && between ? CLI_OK : -1;
}

static int
follow(sub_run *s)
{
    for (;;) {
        request m;
        int rc = cli_interrupted() || client_has_message(s->client) ? -1 : flush(s);
        if (cli_interrupted())
            return interrupted(s);
        if (rc >= 0)
            return rc;
        switch (client_next(s->client, -1, &m)) {
        case CLIENT_INTERRUPTED: return interrupted(s);
        case CLIENT_CLOSED: say_cursor(s, s->cursor); return CLI_CONNECT;
        case CLIENT_TIMEOUT: break;
        case CLIENT_MESSAGE:
            rc = on_message(s, &m);
            if (rc >= 0)
                return rc;
        }
    }
}

static int
sub_verb(int argc, char **argv)
{
    sub_run s = { 0 };
    client_options where = { 0 };
    cli_list rest = { 0 };
    const char *format = NULL, *from = NULL, *colour = "auto";
    int done, snapshot = 0, upserts = 0, gaps = 0;
    cli_option options[] = {
        CLIENT_OPTIONS(where),
        { "snapshot", 0, 'f', &snapshot },
        { "from", 0, 's', &from },
        { "count", 'n', 'n', &s.limit },
        { "format", 'o', 's', &format },
        { "gaps", 0, 'f', &gaps },
        { "upserts", 0, 'f', &upserts },
        { "epochs", 0, 'f', &s.epochs },
        { "color", 0, 's', &colour },
        { 0 },
    };
    int rc = cli_parse(argc, argv, options, &rest, &done);
    if (rc != 0 || done)
        return rc;
    cli_set_colour(colour);
    if (rest.count != 1 || s.limit < 0) {
        cli_say(rest.count != 1 ? "which view? weir sub VIEW" : "--count wants a number of rows");
        return CLI_USAGE;
    }
    if (!cli_format_parse(format, stdout, &s.format) || s.format == CLI_JSON) {
        if (s.format == CLI_JSON)
            cli_say("a stream has no end, a JSON list has: use -o jsonl");
        return CLI_USAGE;
    }
    s.view = rest.items[0];
    rc = client_open(&where, &s.client);
    if (rc != CLI_OK)
        return rc;
    wr_text text;
    wr_text_init(&text, NULL);
    wr_text_puts(&text, "{\"op\":\"sub\",\"id\":1");
    client_put(&text, "view", s.view);
    client_put(&text, "cursor", from);
    wr_text_puts(&text, snapshot ? ",\"snapshot\":true" : "");
    wr_text_puts(&text, gaps ? ",\"gaps\":true" : "");
    wr_text_puts(&text, upserts ? ",\"upserts\":true" : "");
    wr_text_puts(&text, s.epochs ? ",\"epochs\":true" : "");
    wr_arena_init(&s.arena, NULL);
    if (client_send(s.client, &text)) {
        rc = follow(&s);
    } else {
        cli_say("the server closed the connection");
        rc = CLI_CONNECT;
    }
    int printed = cli_printer_close(s.printer, false);
    rc = rc == CLI_OK ? printed : rc;
    fflush(stdout);
    wr_text_fini(&text);
    wr_arena_fini(&s.arena);
    client_close(s.client);
    return rc;
}

const cli_verb cli_sub = {
    "sub",
    sub_verb,
    "follow a view of a running process",
    "usage: weir sub [OPTIONS] VIEW\n"
    "\n"
    "VIEW is a view, a source, VIEW.late or SOURCE.dead_letter; pipeline.VIEW where several "
    "pipelines have one.\n"
    "Rows of a view that changes begin with _op: + a row is new, - it is taken back.\n"
    "\n"
    CLIENT_HELP
    "      --snapshot         begin with the rows that the view still keeps\n"
    "      --from CURSOR      go on where an earlier run ended (it prints its cursor when "
    "stopped)\n"
    "      --gaps             when too slow, go on after the rows that were lost\n"
    "      --upserts          of a view that changes: new rows and deletions by its key\n"
    "      --epochs           whole epochs alone: states of the view that stood, across workers\n"
    "  -n, --count ROWS       end after so many rows (with --epochs, and those of their epoch)\n"
    "  -o, --format FORMAT    table, jsonl, raw, csv or markdown\n"
    "\n"
    "  weir sub per_auction\n"
    "  weir sub per_auction --snapshot -n 10 -o table\n",
};
