/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/print.c -- rows for people and for pipes: table, jsonl, json, csv, markdown, raw.
 *
 * A table is laid out when 200 rows are there, when it is flushed or at the end, then streams on
 * with the widths found; the other forms stream row by row.  With changes, a first column says + or
 * -.
 */
#include "cli/cli.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { LAYOUT_ROWS = 200, WIDTH_MAX = 60 };

struct cli_printer {
    cli_format format;
    FILE *to;
    uint32_t count; /* columns, the one of + and - included */
    weir_column_info columns[CLI_COLUMNS_MAX + 1];
    int widths[CLI_COLUMNS_MAX + 1];
    bool with_diff, nested, laid_out, headed;
    bool failed; /* no memory: something is missing */
    int error;   /* errno of a write that failed, 0: none */
    wr_text held; /* cells of rows not laid out yet, each ended by NUL */
    uint32_t held_rows;
    uint64_t rows;
};

bool
cli_format_parse(const char *name, FILE *to, cli_format *format)
{
    static const char *const names[] = { "table", "jsonl", "json", "csv", "markdown", "raw" };
    if (name == NULL) {
        *format = isatty(fileno(to)) ? CLI_TABLE : CLI_JSONL;
        return true;
    }
    for (int i = 0; i < 6; i++)
        if (strcmp(name, names[i]) == 0) {
            *format = (cli_format)i;
            return true;
        }
    cli_say("unknown output format \"%s\": table, jsonl, json, csv, markdown or raw", name);
    return false;
}

cli_printer *
cli_printer_open(cli_format format, FILE *to, const weir_column_info *columns, uint32_t count,
                 bool with_diff, bool nested)
{
    cli_printer *p = NULL;
    if (count > CLI_COLUMNS_MAX) {
        cli_say("%u columns are more than the %d that can be printed", count, CLI_COLUMNS_MAX);
        return NULL;
    }
    p = wr_calloc(NULL, 1, sizeof *p);
    if (p == NULL) {
        cli_say("%s", weir_status_text(WEIR_MEMORY));
        return NULL;
    }
    p->format = format;
    p->to = to;
    p->with_diff = with_diff;
    p->nested = nested;
    if (with_diff)
        p->columns[p->count++] = (weir_column_info){ "", "text", false };
    memcpy(p->columns + p->count, columns, count * sizeof *columns);
    p->count += count;
    wr_text_init(&p->held, NULL);
    if (format == CLI_JSON)
        fputs("[", to);
    return p;
}

/* --- tables --- */

static bool
right_aligned(const char *type)
{
    static const char *const types[] = { "int",      "float", "numeric", "bigint",
                                         "smallint", "real",  "double" };
    for (size_t i = 0; i < WR_COUNT(types); i++)
        if (strncmp(type, types[i], strlen(types[i])) == 0 && strcmp(type, "interval") != 0)
            return true;
    return false;
}

static void
put_cell(cli_printer *p, const char *cell, uint32_t c)
{
    int pad = p->widths[c] - cli_columns(cell);
    bool right = right_aligned(p->columns[c].type);
    fprintf(p->to, " %*s%s%*s ", right && pad > 0 ? pad : 0, "", cell, !right && pad > 0 ? pad : 0,
            "");
}

/* Cells lie one after another, each ended by NUL; returns what follows them. */
static const char *
put_row(cli_printer *p, const char *cells)
{
    bool markdown = p->format == CLI_MARKDOWN;
    if (markdown)
        fputc('|', p->to);
    for (uint32_t c = 0; c < p->count; c++) {
        if (c > 0)
            fputc('|', p->to);
        put_cell(p, cells, c);
        cells += strlen(cells) + 1;
    }
    fputs(markdown ? "|\n" : "\n", p->to);
    return cells;
}

static void
find_widths(cli_printer *p)
{
    const char *at = wr_text_string(&p->held);
    for (uint32_t c = 0; c < p->count; c++)
        p->widths[c] = WR_MAX(cli_columns(p->columns[c].name), 1);
    for (uint32_t r = 0; r < p->held_rows; r++)
        for (uint32_t c = 0; c < p->count; c++) {
            int w = cli_columns(at);
            p->widths[c] = WR_MAX(p->widths[c], WR_MIN(w, WIDTH_MAX));
            at += strlen(at) + 1;
        }
}

static void
put_head(cli_printer *p)
{
    bool bold = p->format == CLI_TABLE && cli_colour(p->to), markdown = p->format == CLI_MARKDOWN;
    wr_text names;
    wr_text_init(&names, NULL);
    for (uint32_t c = 0; c < p->count; c++)
        wr_text_append(&names, p->columns[c].name, strlen(p->columns[c].name) + 1);
    fputs(bold ? "\033[1m" : "", p->to);
    if (wr_text_ok(&names))
        put_row(p, wr_text_string(&names));
    else
        p->failed = true;
    fputs(bold ? "\033[0m" : "", p->to);
    wr_text_fini(&names);
    fputs(markdown ? "|" : "", p->to);
    for (uint32_t c = 0; c < p->count; c++) {
        if (c > 0)
            fputc(markdown ? '|' : '+', p->to);
        for (int i = 0; i < p->widths[c] + 2; i++)
            fputc('-', p->to);
    }
    fputs(markdown ? "|\n" : "\n", p->to);
}

/* The rows that are held; before the first of them the widths and the head. */
static void
put_held(cli_printer *p)
{
    p->failed |= !wr_text_ok(&p->held);
    if (p->failed) /* cells are missing */
        p->held_rows = 0;
    if (!p->laid_out) {
        find_widths(p);
        put_head(p);
        p->laid_out = true;
    }
    const char *at = wr_text_string(&p->held);
    for (uint32_t r = 0; r < p->held_rows; r++)
        at = put_row(p, at);
    p->held_rows = 0;
    wr_text_clear(&p->held);
}

static void
hold_cell(cli_printer *p, const char *cell)
{
    char shown[8];
    int columns;
    for (const char *at = cell, *end = cell != NULL ? cell + strlen(cell) : NULL; at < end;) {
        if (*at == '\n' || *at == '\t') {
            wr_text_putc(&p->held, ' ');
            at++;
        } else if (*at == '|' && p->format == CLI_MARKDOWN) {
            wr_text_puts(&p->held, "\\|");
            at++;
        } else {
            at += cli_shown(at, (size_t)(end - at), shown, &columns);
            wr_text_puts(&p->held, shown);
        }
    }
    wr_text_append(&p->held, "", 1);
}

/* --- csv and raw --- */

static void
put_csv(FILE *to, const char *cell)
{
    if (strpbrk(cell, ",\"\r\n") == NULL) {
        fputs(cell, to);
        return;
    }
    fputc('"', to);
    for (; *cell != '\0'; cell++) {
        if (*cell == '"')
            fputc('"', to);
        fputc(*cell, to);
    }
    fputc('"', to);
}

static void
put_csv_head(cli_printer *p)
{
    for (uint32_t c = 0; c < p->count && !p->headed; c++) {
        put_csv(p->to, p->with_diff && c == 0 ? "_op" : p->columns[c].name);
        fputc(c + 1 < p->count ? ',' : '\n', p->to);
    }
    p->headed = true;
}

/* --- rows --- */

static void
add_cell(cli_printer *p, const char *cell, uint32_t c)
{
    if (p->format == CLI_TABLE || p->format == CLI_MARKDOWN) {
        hold_cell(p, cell);
        return;
    }
    if (p->format == CLI_CSV)
        put_csv(p->to, cell != NULL ? cell : "");
    else
        fputs(cell != NULL ? cell : "", p->to);
    fputc(c + 1 < p->count ? (p->format == CLI_CSV ? ',' : '\t') : '\n', p->to);
}

void
cli_printer_row(cli_printer *p, int diff, const char *(*cell)(void *user, uint32_t column),
                void *user)
{
    uint32_t c = 0;
    if (p->format == CLI_CSV)
        put_csv_head(p);
    if (p->with_diff)
        add_cell(p, diff < 0 ? "-" : "+", c++);
    for (uint32_t column = 0; c < p->count; column++)
        add_cell(p, cell(user, column), c++);
    p->rows++;
    if (p->format != CLI_TABLE && p->format != CLI_MARKDOWN)
        return;
    p->held_rows++;
    if (p->laid_out || p->held_rows >= LAYOUT_ROWS)
        put_held(p);
}

static void
add_json(cli_printer *p, weir_rows *rows)
{
    const char *bytes;
    size_t length;
    if (weir_rows_encode(rows, p->nested ? WEIR_JSON : WEIR_JSON_POSTGRES, true, &bytes, &length) !=
        WEIR_OK) {
        p->failed = true;
        return;
    }
    for (const char *at = bytes, *end = bytes + length; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop != NULL ? stop : end;
        if (p->format == CLI_JSON)
            fputs(p->rows == 0 ? "\n  " : ",\n  ", p->to);
        fwrite(at, 1, (size_t)(stop - at), p->to);
        if (p->format == CLI_JSONL)
            fputc('\n', p->to);
        p->rows++;
        at = stop + 1;
    }
}

typedef struct rows_cell {
    weir_rows *rows;
    uint32_t row;
} rows_cell;

static const char *
cell_of_rows(void *user, uint32_t column)
{
    rows_cell *at = user;
    return weir_rows_text(at->rows, at->row, column);
}

int
cli_stream_error(FILE *to)
{
    struct pollfd at = { .fd = fileno(to), .events = POLLOUT };
    int last = errno; /* may be that of a call since: the pipe itself is asked */
    bool gone = poll(&at, 1, 0) == 1 && (at.revents & POLLERR) != 0;
    return gone ? EPIPE : last != 0 ? last : EIO;
}

static bool
printer_good(cli_printer *p)
{
    if (ferror(p->to) && p->error == 0)
        p->error = cli_stream_error(p->to);
    return !p->failed && p->error == 0;
}

int
cli_printer_add(cli_printer *p, weir_rows *rows)
{
    if (p->format == CLI_JSON || p->format == CLI_JSONL)
        add_json(p, rows);
    else
        for (uint32_t r = 0; r < weir_rows_count(rows); r++) {
            rows_cell at = { rows, r };
            int diff = weir_rows_diff(rows, r);
            for (int times = diff < 0 ? -diff : diff; times > 0; times--)
                cli_printer_row(p, diff, cell_of_rows, &at);
        }
    bool good = printer_good(p);
    p->failed |= weir_rows_status(rows) != WEIR_OK;
    if (good && p->laid_out && isatty(fileno(p->to)))
        fflush(p->to);
    return good && printer_good(p) ? 0 : -1;
}

int
cli_printer_flush(cli_printer *p)
{
    if (p->held_rows > 0)
        put_held(p);
    (void)fflush(p->to);
    return printer_good(p) ? 0 : -1;
}

int
cli_write_error(int error)
{
    if (error == EPIPE)
        return CLI_OK;
    cli_say("cannot write the output: %s", strerror(error));
    return CLI_FAILED;
}

void
cli_printer_discard(cli_printer *p)
{
    if (p == NULL)
        return;
    wr_text_fini(&p->held);
    wr_free(p);
}

int
cli_printer_close(cli_printer *p, bool summary)
{
    int rc = CLI_OK;
    if (p == NULL)
        return CLI_OK;
    if ((p->format == CLI_TABLE || p->format == CLI_MARKDOWN) && (!p->laid_out || p->held_rows > 0))
        put_held(p);
    if (p->format == CLI_TABLE && summary)
        fprintf(p->to, "(%llu row%s)\n", (unsigned long long)p->rows, p->rows == 1 ? "" : "s");
    if (p->format == CLI_JSON)
        fputs(p->rows > 0 ? "\n]\n" : "]\n", p->to);
    if (p->format == CLI_CSV)
        put_csv_head(p);
    (void)fflush(p->to);
    if (!printer_good(p) && p->error != 0)
        rc = cli_write_error(p->error);
    else if (p->failed) {
        cli_say("no memory to print all rows");
        rc = CLI_FAILED;
    }
    cli_printer_discard(p);
    return rc;
}
