/* SPDX-License-Identifier: Apache-2.0 */
/* config/report.c -- collecting and drawing mistakes (see report.h). */
#include "config/report.h"

#include "base/secret.h"

#include <stdio.h>
#include <string.h>

void
wr_report_init(wr_report *report)
{
    memset(report, 0, sizeof *report);
    wr_arena_init(&report->arena, NULL);
}

void
wr_report_fini(wr_report *report)
{
    wr_arena_fini(&report->arena);
    memset(report, 0, sizeof *report);
}

void
wr_report_file_add(wr_report *report, const char *name, const char *text, size_t length)
{
    wr_report_file *files = report->files;
    if ((report->file_count & (report->file_count - 1)) == 0) { /* full: a power of two */
        files = wr_arena_alloc(&report->arena, (2 * report->file_count + 1) * sizeof *files);
        if (files == NULL)
            return;
        if (report->file_count > 0)
            memcpy(files, report->files, report->file_count * sizeof *files);
        report->files = files;
    }
    files[report->file_count].name = wr_arena_strdup(&report->arena, name);
    files[report->file_count].text = wr_arena_strndup(&report->arena, text, length);
    files[report->file_count].length = length;
    if (files[report->file_count].name == NULL || files[report->file_count].text == NULL)
        return;
    report->file_count++;
}

weir_status
wr_report_add(wr_report *report, const char *file, bool warning, uint32_t span,
              const weir_error *err)
{
    if (warning)
        report->warnings++;
    else
        report->errors++;
    if (report->count >= WR_REPORT_MAX)
        return err->code;
    if (report->items == NULL)
        report->items = wr_arena_calloc(&report->arena, WR_REPORT_MAX, sizeof *report->items);
    wr_diagnostic *d = wr_arena_alloc(&report->arena, sizeof *d);
    if (d == NULL || report->items == NULL)
        return err->code;
    d->file = wr_arena_strdup(&report->arena, file != NULL ? file : "");
    d->warning = warning;
    d->span = WR_MAX(span, 1u);
    d->error = *err;
    wr_secret_hide(d->error.text);
    wr_secret_hide(d->error.hint);
    if (d->file != NULL)
        report->items[report->count++] = d;
    return err->code;
}

weir_status
wr_report_error(wr_report *report, const char *file, uint32_t line, uint32_t column, uint32_t span,
                weir_status code, const char *hint, const char *format, ...)
{
    weir_error err;
    wr_error_clear(&err);
    err.code = code;
    err.line = (int32_t)line;
    err.column = (int32_t)column;
    va_list args;
    va_start(args, format);
    vsnprintf(err.text, sizeof err.text, format, args);
    va_end(args);
    if (hint != NULL)
        snprintf(err.hint, sizeof err.hint, "%s", hint);
    return wr_report_add(report, file, false, span, &err);
}

weir_status
wr_report_status(const wr_report *report)
{
    for (uint32_t i = 0; i < report->count; i++)
        if (!report->items[i]->warning)
            return report->items[i]->error.code;
    return report->errors > 0 ? WEIR_MEMORY : WEIR_OK; /* there was none to keep it */
}

/* The text of line `line` (from 1) of a file the report knows; NULL when it does not. */
static const char *
report_line(const wr_report *report, const char *file, int32_t line, size_t *length)
{
    for (uint32_t f = 0; f < report->file_count; f++) {
        if (strcmp(report->files[f].name, file) != 0)
            continue;
        const char *at = report->files[f].text, *end = at + report->files[f].length;
        for (int32_t l = 1; l < line && at != NULL; l++) {
            at = memchr(at, '\n', (size_t)(end - at));
            at = at != NULL ? at + 1 : NULL;
        }
        if (at == NULL)
            return NULL;
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        *length = (size_t)((stop != NULL ? stop : end) - at);
        return at;
    }
    return NULL;
}

static void
diagnostic_print(const wr_report *report, const wr_diagnostic *d, bool colour, wr_text *to)
{
    const char *bold = colour ? "\033[1m" : "", *off = colour ? "\033[0m" : "";
    const char *tint = !colour ? "" : d->warning ? "\033[1;35m" : "\033[1;31m";
    const char *green = colour ? "\033[1;32m" : "";
    wr_text_puts(to, bold);
    if (d->file[0] != '\0')
        wr_text_printf(to, "%s:", d->file);
    if (d->error.line > 0)
        wr_text_printf(to, "%d:%d:", d->error.line, d->error.column);
    wr_text_printf(to, "%s%s %s%s:%s %s\n", off,
                   d->file[0] != '\0' || d->error.line > 0 ? "" : "weir:", tint,
                   d->warning ? "warning" : "error", off, d->error.text);
    size_t length = 0;
    const char *line =
        d->error.line > 0 ? report_line(report, d->file, d->error.line, &length) : NULL;
    if (line != NULL && length <= 400) {
        wr_text_printf(to, "%5d | %.*s\n      | ", d->error.line, (int)length, line);
        int32_t seen = 1;
        for (size_t i = 0; i < length && seen < d->error.column; i++) {
            if (((unsigned char)line[i] & 0xc0) == 0x80)
                continue; /* columns are characters */
            wr_text_putc(to, line[i] == '\t' ? '\t' : ' ');
            seen++;
        }
        wr_text_printf(to, "%s^", green);
        for (uint32_t i = 1; i < WR_MIN(d->span, 60u); i++)
            wr_text_putc(to, '~');
        wr_text_printf(to, "%s\n", off);
    }
    if (d->error.hint[0] != '\0')
        wr_text_printf(to, "      = hint: %s\n", d->error.hint);
}

void
wr_report_print(const wr_report *report, bool colour, wr_text *to)
{
    for (uint32_t i = 0; i < report->count; i++)
        diagnostic_print(report, report->items[i], colour, to);
    uint32_t more = report->errors + report->warnings - report->count;
    if (more > 0)
        wr_text_printf(to, "... and %u more\n", more);
    if (report->errors > 0) {
        wr_text_printf(to, "%u error%s", report->errors, report->errors == 1 ? "" : "s");
        if (report->file_count == 1)
            wr_text_printf(to, " in %s", report->files[0].name);
        wr_text_putc(to, '\n');
    }
}

void
wr_report_print_json(const wr_report *report, wr_text *to)
{
    wr_text_puts(to, "[");
    for (uint32_t i = 0; i < report->count; i++) {
        const wr_diagnostic *d = report->items[i];
        wr_text_puts(to, i > 0 ? ",{\"file\":" : "{\"file\":");
        wr_text_put_json(to, d->file, strlen(d->file));
        wr_text_printf(to,
                       ",\"line\":%d,\"column\":%d,\"severity\":\"%s\",\"code\":\"%s\",\"text\":",
                       d->error.line, d->error.column, d->warning ? "warning" : "error",
                       weir_status_name(d->error.code));
        wr_text_put_json(to, d->error.text, strlen(d->error.text));
        wr_text_puts(to, ",\"hint\":");
        if (d->error.hint[0] != '\0')
            wr_text_put_json(to, d->error.hint, strlen(d->error.hint));
        else
            wr_text_puts(to, "null");
        wr_text_puts(to, "}");
    }
    wr_text_puts(to, "]\n");
}
