/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config/report.h -- the mistakes of one or more files, collected and drawn with caret and hint.
 *
 * State  an arena of diagnostics in the order found; files are kept so that lines can be shown.
 * Limit  200 diagnostics; the rest are only counted.
 */
#pragma once

#include "base/arena.h"
#include "base/text.h"

enum { WR_REPORT_MAX = 200 };

typedef struct wr_diagnostic {
    const char *file;
    bool        warning;
    uint32_t    span; /* characters to underline, at least 1 */
    weir_error  error;
} wr_diagnostic;

typedef struct wr_report_file {
    const char *name, *text;
    size_t      length;
} wr_report_file;

typedef struct wr_report {
    wr_arena        arena;
    wr_diagnostic **items;
    wr_report_file *files;
    uint32_t        count, file_count, errors, warnings;
    char           *printed;
} wr_report;

void wr_report_init(wr_report *report);
void wr_report_fini(wr_report *report);
/* Copies name and text; later diagnostics show its lines. */
void wr_report_file_add(wr_report *report, const char *name, const char *text, size_t length);
/* err's line and column (from 1, 0 unknown) say where in `file`.  Returns err->code. */
weir_status wr_report_add(wr_report *report, const char *file, bool warning, uint32_t span,
                          const weir_error *err);
weir_status wr_report_error(wr_report *report, const char *file, uint32_t line, uint32_t column,
                            uint32_t span, weir_status code, const char *hint, const char *format, ...)
    __attribute__((format(printf, 8, 9)));
/* The first error's code, WEIR_OK when there is none. */
weir_status wr_report_status(const wr_report *report);
void        wr_report_print(const wr_report *report, bool colour, wr_text *to);
void        wr_report_print_json(const wr_report *report, wr_text *to);
