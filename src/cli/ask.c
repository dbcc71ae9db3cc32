/* SPDX-License-Identifier: Apache-2.0 */
/* cli/ask.c -- weir why, ls, top, explain --analyze: questions to a running process. */
#include "cli/status.h"

#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { CELL_BYTES = 64, COLUMNS_MAX = 16 };

/* --- text --- */

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
            printf("%.*s%s", (int)raw->length, raw->text, json ? "\n" : "");
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
        printf("%.*s%s", (int)raw->length, raw->text, json ? "\n" : "");
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

/* --- status --- */

/* A status of the process; its JSON too when raw is given.  0, or an exit code (then nothing to
 * free). */
static int
ask_status(client *c, status *out, FILE *raw)
{
    request answer;
    wr_text text;
    wr_text_init(&text, NULL);
    wr_text_puts(&text, "{\"op\":\"status\"");
    int rc = client_ask(c, &text, &answer);
    wr_text_fini(&text);
    if (rc != CLI_OK)
        return rc;
    const request_member *json = request_find(&answer, "json");
    if (json != NULL && raw != NULL)
        fprintf(raw, "%.*s\n", (int)json->length, json->text);
    if (json != NULL && status_read(json->text, json->length, out))
        return CLI_OK;
    if (json != NULL)
        status_fini(out);
    cli_say("the server's status cannot be read");
    return CLI_FAILED;
}

/* A small table: text to the left, numbers (cells that begin with a blank) to the right. */
typedef struct grid {
    int columns, rows, capacity;
    char (*cells)[CELL_BYTES];
} grid;

static char *
grid_row(grid *g)
{
    if ((g->rows + 1) * g->columns > g->capacity) {
        int capacity = WR_MAX(g->capacity * 2, 64 * g->columns);
        char(*grown)[CELL_BYTES] = wr_realloc(NULL, g->cells, (size_t)capacity * CELL_BYTES);
        if (grown == NULL)
            return NULL;
        g->cells = grown;
        g->capacity = capacity;
    }
    char *row = g->cells[g->rows++ * g->columns];
    memset(row, 0, (size_t)g->columns * CELL_BYTES);
    return row;
}

static void
grid_add(grid *g, const char *const *cells)
{
    char *row = grid_row(g);
    for (int c = 0; row != NULL && c < g->columns; c++)
        snprintf(row + c * CELL_BYTES, CELL_BYTES, "%s", cells[c]);
}

static void
grid_print(const grid *g, FILE *to, int rows_max)
{
    int widths[COLUMNS_MAX] = { 0 };
    for (int r = 0; r < g->rows; r++)
        for (int c = 0; c < g->columns; c++) {
            const char *cell = g->cells[r * g->columns + c];
            widths[c] = WR_MAX(widths[c], (int)strlen(cell) - (cell[0] == ' '));
        }
    for (int r = 0; r < g->rows && r < rows_max; r++) {
        bool bold = r == 0 && cli_colour(to);
        fputs(bold ? "\033[1m" : "", to);
        for (int c = 0; c < g->columns; c++) {
            const char *cell = g->cells[r * g->columns + c];
            bool last = c + 1 == g->columns;
            if (cell[0] == ' ')
                fprintf(to, "%*s%s", widths[c], cell + 1, last ? "" : "  ");
            else
                fprintf(to, "%-*s%s", last ? 0 : widths[c], cell, last ? "" : "  ");
        }
        fputs(bold ? "\033[0m" : "", to);
        fputs(cli_colour(to) ? "\033[K\n" : "\n", to);
    }
}

static void
put_notes(const part *p, char to[CELL_BYTES])
{
    size_t at = 0;
    char n[16];
    const struct {
        const char *word;
        double count;
    } notes[] = {
        { "bad", p->bad }, { "late", p->late }, { "failed", p->failed }, { "errors", p->errors }
    };
    to[0] = '\0';
    if (p->blocked || p->error != NULL)
        at += (size_t)snprintf(to, CELL_BYTES, p->blocked ? "BLOCKED " : "FAILED: weir why ");
    for (size_t i = 0; i < WR_COUNT(notes) && at < CELL_BYTES; i++)
        if (notes[i].count > 0) {
            status_amount(notes[i].count, n);
            at += (size_t)snprintf(to + at, CELL_BYTES - at, "%s %s ", n, notes[i].word);
        }
}

static void
print_error(const status *s, FILE *to)
{
    if (s->error != NULL)
        fprintf(to, "failed: %s\n", s->error);
}

/* --- ls --- */

static void
ls_print(const status *s)
{
    static const char *const head[] = { "PIPELINE", "STATE",     "KIND", "NAME",
                                        " ROWS",    "WATERMARK", "NOTES" };
    grid g = { .columns = (int)WR_COUNT(head) };
    char rows[32], notes[CELL_BYTES];
    grid_add(&g, head);
    for (uint32_t i = 0; i < s->count; i++) {
        const part *p = &s->parts[i];
        snprintf(rows, sizeof rows, " %.0f", p->rows_out);
        put_notes(p, notes);
        grid_add(&g, (const char *const[]){ p->pipeline, p->state, p->kind, p->name, rows,
                                            p->watermark != NULL ? p->watermark : "-", notes });
    }
    grid_print(&g, stdout, g.rows);
    print_error(s, stdout);
    wr_free(g.cells);
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
    rc = ask_status(c, &s, json ? stdout : NULL);
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

/* --- top --- */

/* a second, from the figures of two moments; a blank first where there is nothing to compare with.
 */
static void
put_rate(double now, double before, bool has_before, double seconds, char to[16])
{
    char text[16];
    to[0] = '\0';
    if (!has_before || seconds <= 0)
        return;
    status_amount(WR_MAX(now - before, 0) / seconds, text);
    snprintf(to, 16, " %.14s", text);
}

/* How far event time is behind the clock. */
static void
put_lag(const part *p, char to[16])
{
    double s = (double)(wr_clock_now(wr_clock_system()) - p->watermark_us) / 1e6;
    to[0] = '\0';
    if (p->watermark == NULL)
        return;
    if (s < 0)
        snprintf(to, 16, " -");
    else if (s < 120)
        snprintf(to, 16, " %.1f s", s);
    else if (s < 7200)
        snprintf(to, 16, " %.0f m", s / 60);
    else
        snprintf(to, 16, s < 48 * 3600 ? " %.0f h" : " %.0f d",
                 s < 48 * 3600 ? s / 3600 : s / 86400);
}

static void
top_row(grid *g, const status *now, const status *before, const part *p)
{
    const part *old = status_find(before, p);
    double seconds = (double)(now->taken_us - before->taken_us) / 1e6;
    char rows[24], in[16], out[16], lag[16], bytes[16], state[24] = "", cpu[16] = "",
                                                        notes[CELL_BYTES];
    bool view = strcmp(p->kind, "view") == 0;
    status_amount(p->rows_out, bytes);
    snprintf(rows, sizeof rows, " %s", bytes);
    put_rate(p->rows_in, old != NULL ? old->rows_in : 0, old != NULL && view, seconds, in);
    put_rate(p->rows_out, old != NULL ? old->rows_out : 0, old != NULL, seconds, out);
    put_lag(p, lag);
    if (view) {
        status_bytes(p->state_bytes, bytes);
        snprintf(state, sizeof state, " %s", bytes);
    }
    if (view && old != NULL && seconds > 0)
        snprintf(cpu, sizeof cpu, " %.0f%%", 100 * WR_MAX(p->cpu_s - old->cpu_s, 0) / seconds);
    put_notes(p, notes);
    const char *cells[] = { p->pipeline, p->kind, p->name, rows, in, out, lag, state, cpu, notes };
    grid_add(g, cells);
}

static void
top_print(const status *now, const status *before, int lines, bool screen)
{
    static const char *const head[] = { "PIPELINE", "KIND", "NAME",   " ROWS", " IN/S",
                                        " OUT/S",   " LAG", " STATE", " CPU",  "NOTES" };
    grid g = { .columns = (int)WR_COUNT(head) };
    char memory[16];
    double seconds = (double)(now->taken_us - before->taken_us) / 1e6;
    long up = (long)now->uptime_s;
    status_bytes(now->memory_bytes, memory);
    if (screen)
        fputs("\033[H", stdout);
    printf("weir %s   up %ld:%02ld:%02ld   memory %s", now->version, up / 3600, up / 60 % 60,
           up % 60, memory);
    if (seconds > 0.05)
        printf("   cpu %.0f%%", 100 * WR_MAX(now->cpu_s - before->cpu_s, 0) / seconds);
    fputs(screen ? "\033[K\n\033[K\n" : "\n\n", stdout);
    grid_add(&g, head);
    for (uint32_t i = 0; i < now->count; i++)
        top_row(&g, now, before, &now->parts[i]);
    grid_print(&g, stdout, lines > 4 ? lines - 4 : g.rows);
    print_error(now, stdout);
    if (screen)
        fputs("\033[J", stdout);
    fflush(stdout);
    wr_free(g.cells);
}

static int
top_loop(client *c, long long count, int interval_ms, bool screen)
{
    status before, now;
    int rc = ask_status(c, &before, NULL);
    if (rc != CLI_OK)
        return rc;
    if (screen)
        fputs("\033[2J", stdout);
    for (long long shown = 0; rc == CLI_OK && (count == 0 || shown < count); shown++) {
        struct pollfd signals = { .fd = cli_signal_fd(), .events = POLLIN };
        poll(&signals, 1, interval_ms);
        if (cli_interrupted())
            break;
        rc = ask_status(c, &now, NULL);
        if (rc != CLI_OK)
            break;
        struct winsize size = { 0 };
        bool known = screen && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
        top_print(&now, &before, known ? size.ws_row : 0, screen);
        status_fini(&before);
        before = now;
        if (ferror(stdout))
            break;
    }
    status_fini(&before);
    return rc;
}

static int
top_verb(int argc, char **argv)
{
    client_options where = { 0 };
    cli_list rest = { 0 };
    const char *colour = "auto";
    long long count = 0, interval = 1;
    client *c = NULL;
    int done;
    cli_option options[] = {
        CLIENT_OPTIONS(where),
        { "count", 'n', 'n', &count },         { "interval", 'i', 'n', &interval },
        { "color", 0, 's', &colour },          { 0 }
    };
    int rc = cli_parse(argc, argv, options, &rest, &done);
    if (rc != 0 || done)
        return rc;
    cli_set_colour(colour);
    if (rest.count != 0 || count < 0 || interval < 1 || interval > 3600) {
        cli_say(rest.count != 0 ? "top takes no arguments"
                                : "--count wants a number, --interval 1 to 3600 seconds");
        return CLI_USAGE;
    }
    bool screen = isatty(STDOUT_FILENO) && count != 1;
    if (!screen && count == 0)
        count = 1;
    rc = client_open(&where, &c);
    if (rc == CLI_OK)
        rc = top_loop(c, count, (int)interval * 1000, screen);
    client_close(c);
    return rc;
}

const cli_verb cli_top = {
    "top",
    top_verb,
    "show live what a running process does",
    "usage: weir top [OPTIONS]\n"
    "\n"
    "Rows, rates, lag of event time behind the clock, state, CPU; refreshed every second.  Once "
    "when not on a terminal.\n"
    "\n"
    CLIENT_HELP
    "  -n, --count N          end after N times\n"
    "  -i, --interval SECONDS (default: 1)\n"
    "\n"
    "  weir top\n"
    "  weir top -n 1\n",
};
