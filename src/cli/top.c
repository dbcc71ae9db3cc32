/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/top.c -- weir top: what a running process does, drawn anew each second.
 *
 * Nothing is written beyond the screen's edges, or the terminal would move what stands there.  Where the rows are too many,
 * those in trouble come first, and the last line says how many are not shown.
 */
#include "cli/grid.h"

#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* How far there is room; 0: no terminal, or not known. */
typedef struct edges {
    bool live; /* drawn over what stood there */
    int rows, columns;
} edges;

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
    to[0] = '\0';
    if (p->watermark == NULL || p->watermark_us == WR_TIME_START) /* none, or an infinity */
        return;
    double s = ((double)wr_clock_now(wr_clock_system()) - (double)p->watermark_us) / 1e6;
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
                                                        notes[GRID_CELL_BYTES];
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
    status_notes(p, notes, sizeof notes);
    const char *cells[] = { p->pipeline, p->kind, p->name, rows, in, out, lag, state, cpu, notes };
    grid_add(g, cells);
}

static bool
has_trouble(const part *p)
{
    return p->blocked || p->error != NULL;
}

static uint32_t
trouble_count(const status *s)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->count; i++)
        count += has_trouble(&s->parts[i]);
    return count;
}

/* As many parts as there is room for: those in trouble, then the others.  How many were left out. */
static uint32_t
top_rows(grid *g, const status *now, const status *before, uint32_t room)
{
    bool all = room >= now->count;
    uint32_t left = room, shown = 0;
    for (int trouble = all ? 0 : 1; trouble >= 0; trouble--)
        for (uint32_t i = 0; i < now->count && left > 0; i++)
            if (all || has_trouble(&now->parts[i]) == (trouble == 1)) {
                top_row(g, now, before, &now->parts[i]);
                left--;
                shown++;
            }
    return now->count - shown;
}

/* The room for parts below the title, a blank, the head, and above what else there is to say and the cursor's line. */
static uint32_t
rows_room(const status *now, const edges *v)
{
    int room = v->rows - 4 - (now->error != NULL);
    if (v->rows == 0 || room >= (int)now->count)
        return now->count;
    return (uint32_t)WR_MAX(room - 1, 0); /* and a line that says so */
}

static void
top_print(const status *now, const status *before, const edges *v)
{
    static const char *const head[] = { "PIPELINE", "KIND", "NAME",   " ROWS", " IN/S",
                                        " OUT/S",   " LAG", " STATE", " CPU",  "NOTES" };
    grid g = { .columns = (int)WR_COUNT(head) };
    char memory[16];
    double seconds = (double)(now->taken_us - before->taken_us) / 1e6;
    long up = (long)now->uptime_s;
    wr_text text;
    wr_text_init(&text, NULL);
    status_bytes(now->memory_bytes, memory);
    wr_text_printf(&text, "weir %s   up %ld:%02ld:%02ld   memory %s", now->version, up / 3600,
                   up / 60 % 60, up % 60, memory);
    if (seconds > 0.05)
        wr_text_printf(&text, "   cpu %.0f%%", 100 * WR_MAX(now->cpu_s - before->cpu_s, 0) / seconds);
    uint32_t trouble = trouble_count(now); /* its row may be long, or out of sight */
    if (trouble > 0)
        wr_text_printf(&text, "   %u in trouble", trouble);
    wr_text_puts(&text, "\n\n");
    grid_add(&g, head);
    uint32_t left_out = top_rows(&g, now, before, rows_room(now, v));
    grid_write(&g, &text);
    if (left_out > 0)
        wr_text_printf(&text, "and %u more: weir ls\n", left_out);
    status_write_error(now, &text);
    screen to = { .to = stdout, .columns = v->columns, .rows = WR_MAX(v->rows - 1, v->rows > 0), .head = 2, .live = v->live };
    fputs(v->live ? "\033[H" : "", stdout);
    screen_put(&to, &text);
    fputs(v->live ? "\033[J" : "", stdout);
    fflush(stdout);
    wr_text_fini(&text);
    grid_fini(&g);
}

static edges
edges_now(bool live)
{
    struct winsize size = { 0 };
    if (!live || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
        return (edges){ .live = live };
    return (edges){ .live = true, .rows = size.ws_row, .columns = size.ws_col > 1 ? size.ws_col - 1 : size.ws_col };
}

static int
top_loop(client *c, long long count, int interval_ms, bool live)
{
    status before, now;
    int rc = status_ask(c, &before, NULL);
    if (rc != CLI_OK)
        return rc;
    if (live)
        fputs("\033[2J", stdout);
    for (long long shown = 0; rc == CLI_OK && (count == 0 || shown < count); shown++) {
        struct pollfd signals = { .fd = cli_signal_fd(), .events = POLLIN };
        poll(&signals, 1, interval_ms);
        if (cli_interrupted())
            break;
        rc = status_ask(c, &now, NULL);
        if (rc != CLI_OK)
            break;
        edges v = edges_now(live);
        top_print(&now, &before, &v);
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
    bool live = isatty(STDOUT_FILENO) && count != 1;
    if (!live && count == 0)
        count = 1;
    rc = client_open(&where, &c);
    if (rc == CLI_OK)
        rc = top_loop(c, count, (int)interval * 1000, live);
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
