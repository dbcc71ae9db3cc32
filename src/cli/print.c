/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/print.c -- rows for people and for pipes: table, jsonl, json, csv, markdown, raw.
 *
 * A table is laid out when 200 rows are there or the end has come, then streams on with the widths
 * found; the other forms stream row by row.
 */
#include "cli/cli.h"

#include <string.h>
#include <unistd.h>

enum { LAYOUT_ROWS = 200, WIDTH_MAX = 60 };

struct cli_printer {
    cli_format       format;
    FILE            *to;
    uint32_t         count;
    weir_column_info columns[256];
    int              widths[256];
    bool             with_diff, laid_out, failed;
    wr_text          held;  /* cells of rows not laid out yet, each ended by NUL; a missing cell is "\1" */
    uint32_t         held_rows;
    uint64_t         rows;
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
            *format = (cli_format) i;
            return true;
        }
    cli_say("unknown output format \"%s\": table, jsonl, json, csv, markdown or raw", name);
    return false;
}

cli_printer *
cli_printer_open(cli_format format, FILE *to, const weir_column_info *columns, uint32_t count, bool with_diff)
{
    cli_printer *p = wr_calloc(NULL, 1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->format = format;
    p->to = to;
    p->count = count < 256 ? count : 256;
    memcpy(p->columns, columns, p->count * sizeof *columns);
    p->with_diff = with_diff;
    wr_text_init(&p->held, NULL);
    if (format == CLI_JSON)
        fputs("[", to);
    return p;
}

/* Characters on the screen: bytes that do not continue a UTF-8 sequence. */
static int
text_width(const char *s)
{
    int n = 0;
    for (; *s != '\0'; s++)
        n += ((unsigned char) *s & 0xc0) != 0x80;
    return n;
}

static bool
right_aligned(const char *type)
{
    return strncmp(type, "int", 3) == 0 || strncmp(type, "float", 5) == 0 || strncmp(type, "numeric", 7) == 0;
}

static void
put_cell(cli_printer *p, const char *cell, uint32_t c)
{
    int  pad = p->widths[c] - text_width(cell);
    bool right = right_aligned(p->columns[c].type);
    fprintf(p->to, " %*s%s%*s ", right && pad > 0 ? pad : 0, "", cell, !right && pad > 0 ? pad : 0, "");
}

static void
put_row(cli_printer *p, const char *const *cells)
{
    bool markdown = p->format == CLI_MARKDOWN;
    if (markdown)
        fputc('|', p->to);
    for (uint32_t c = 0; c < p->count; c++) {
        if (c > 0)
            fputc('|', p->to);
        put_cell(p, cells[c], c);
    }
    fputs(markdown ? "|\n" : "\n", p->to);
}

/* The widths from what is held, the head, then the held rows. */
static void
lay_out(cli_printer *p)
{
    const char *cells[256];
    const char *at = wr_text_string(&p->held);
    for (uint32_t c = 0; c < p->count; c++) {
        p->widths[c] = text_width(p->columns[c].name);
        cells[c] = p->columns[c].name;
    }
    for (uint32_t r = 0; r < p->held_rows; r++)
        for (uint32_t c = 0; c < p->count; c++) {
            int w = text_width(at);
            if (w > p->widths[c])
                p->widths[c] = w < WIDTH_MAX ? w : WIDTH_MAX;
            at += strlen(at) + 1;
        }
    bool bold = p->format == CLI_TABLE && cli_colour(p->to);
    fputs(bold ? "\033[1m" : "", p->to);
    put_row(p, cells);
    fputs(bold ? "\033[0m" : "", p->to);
    if (p->format == CLI_MARKDOWN)
        fputc('|', p->to);
    for (uint32_t c = 0; c < p->count; c++) {
        if (c > 0)
            fputc(p->format == CLI_MARKDOWN ? '|' : '+', p->to);
        for (int i = 0; i < p->widths[c] + 2; i++)
            fputc('-', p->to);
    }
    fputs(p->format == CLI_MARKDOWN ? "|\n" : "\n", p->to);
    at = wr_text_string(&p->held);
    for (uint32_t r = 0; r < p->held_rows; r++) {
        for (uint32_t c = 0; c < p->count; c++) {
            cells[c] = at;
            at += strlen(at) + 1;
        }
        put_row(p, cells);
    }
    wr_text_fini(&p->held);
    p->laid_out = true;
}

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
add_table(cli_printer *p, weir_rows *rows)
{
    for (uint32_t r = 0; r < weir_rows_count(rows); r++) {
        for (uint32_t c = 0; c < p->count; c++) {
            const char *cell = weir_rows_text(rows, r, c);
            if (cell != NULL)
                for (const char *s = cell; *s != '\0'; s++)
                    wr_text_putc(&p->held, *s == '\n' ? ' ' : *s);
            wr_text_append(&p->held, "", 1);
        }
        p->held_rows++;
        if (p->laid_out || p->held_rows >= LAYOUT_ROWS) {
            if (!p->laid_out) {
                lay_out(p);
            } else {
                const char *cells[256], *at = wr_text_string(&p->held);
                for (uint32_t c = 0; c < p->count; c++) {
                    cells[c] = at;
                    at += strlen(at) + 1;
                }
                put_row(p, cells);
                wr_text_clear(&p->held);
            }
            p->held_rows = 0;
        }
    }
}

static void
add_text(cli_printer *p, weir_rows *rows)
{
    if (p->rows == 0 && p->format == CLI_CSV)
        for (uint32_t c = 0; c < p->count; c++) {
            put_csv(p->to, p->columns[c].name);
            fputc(c + 1 < p->count ? ',' : '\n', p->to);
        }
    for (uint32_t r = 0; r < weir_rows_count(rows); r++)
        for (uint32_t c = 0; c < p->count; c++) {
            const char *cell = weir_rows_text(rows, r, c);
            if (p->format == CLI_CSV)
                put_csv(p->to, cell != NULL ? cell : "");
            else
                fputs(cell != NULL ? cell : "", p->to);
            fputc(c + 1 < p->count ? (p->format == CLI_CSV ? ',' : '\t') : '\n', p->to);
        }
}

static void
add_json(cli_printer *p, weir_rows *rows)
{
    const char *bytes;
    size_t      length;
    weir_status status = weir_rows_encode(rows, WEIR_JSON, true, &bytes, &length);
    if (status != WEIR_OK) {
        p->failed = true;
        return;
    }
    if (p->format == CLI_JSONL) {
        fwrite(bytes, 1, length, p->to);
        return;
    }
    for (const char *at = bytes, *end = bytes + length; at < end;) {
        const char *stop = memchr(at, '\n', (size_t) (end - at));
        stop = stop != NULL ? stop : end;
        fputs(p->rows == 0 && at == bytes ? "\n  " : ",\n  ", p->to);
        fwrite(at, 1, (size_t) (stop - at), p->to);
        at = stop + 1;
    }
}

int
cli_printer_add(cli_printer *p, weir_rows *rows)
{
    if (p->format == CLI_TABLE || p->format == CLI_MARKDOWN)
        add_table(p, rows);
    else if (p->format == CLI_CSV || p->format == CLI_RAW)
        add_text(p, rows);
    else
        add_json(p, rows);
    p->rows += weir_rows_count(rows);
    if (isatty(fileno(p->to)) && p->laid_out)
        fflush(p->to);
    return p->failed || ferror(p->to) ? -1 : 0;
}

int
cli_printer_close(cli_printer *p, bool summary)
{
    if (p == NULL)
        return -1;
    if ((p->format == CLI_TABLE || p->format == CLI_MARKDOWN) && !p->laid_out)
        lay_out(p);
    if (p->format == CLI_TABLE && summary)
        fprintf(p->to, "(%llu row%s)\n", (unsigned long long) p->rows, p->rows == 1 ? "" : "s");
    if (p->format == CLI_JSON)
        fputs(p->rows > 0 ? "\n]\n" : "]\n", p->to);
    if (p->rows == 0 && p->format == CLI_CSV)
        for (uint32_t c = 0; c < p->count; c++) {
            put_csv(p->to, p->columns[c].name);
            fputc(c + 1 < p->count ? ',' : '\n', p->to);
        }
    int failed = fflush(p->to) != 0 || p->failed;
    wr_text_fini(&p->held);
    wr_free(p);
    return failed ? -1 : 0;
}
