/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/cli.h -- the command line: verbs, options, exit codes, output.
 *
 * Exit codes: 0 ok, 1 found problems / test failed / query error, 2 usage, 69 cannot connect,
 * 78 bad configuration at `run`, 130 interrupted.
 */
#pragma once

#include "base/text.h"
#include "weir/weir.h"

#include <stdio.h>

enum {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_CONNECT = 69,
    CLI_CONFIG = 78,
    CLI_INTERRUPTED = 130
};

typedef struct cli_verb {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the verb */
    const char *summary;               /* one line */
    const char *help;                  /* usage, options, two examples */
} cli_verb;

extern const cli_verb *const cli_verbs[]; /* NULL-ended */

/*
 * One option of a verb.  kind: 'f' flag (int *), 's' string (const char **), 'l' list of strings
 * (cli_list *), 'n' number (long long *).
 */
typedef struct cli_list {
    const char *items[64 + 1]; /* NULL-ended */
    int count;
} cli_list;
typedef struct cli_option {
    const char *name; /* "output" */
    char letter;      /* 'o', or 0 */
    char kind;
    void *into;
} cli_option;
/*
 * Parse argv[1..]; what is no option goes to rest.  Returns 0, or an exit code after having said
 * why (--help prints the verb's help: CLI_OK with *done set).
 */
int cli_parse(int argc, char **argv, const cli_option *options, cli_list *rest, int *done);

/* stderr: "weir: text", the hint below. */
void cli_error(const weir_error *err);
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_hint(const char *text);
/* ---- shown.c: text of strangers on a terminal ---------------------------------------------------
 */

/* One character of text as it is shown: a control character in figures (\x1B).  Its bytes; columns: how wide it is. */
size_t cli_shown(const char *at, size_t left, char shown[8], int *columns);
/* How wide a text is. */
int cli_columns(const char *text);
/* Text shown, line ends and tabs as they are. */
void cli_put_shown(FILE *to, const char *text, size_t length);

/* With the place in sql drawn under it. */
void cli_sql_error(const char *sql, const weir_error *err);
/* That place alone; line 0: none. */
void cli_sql_place(const char *sql, int line, int column);
/* What a report has to say; else, of a status that is none, its words. */
void cli_report(const weir_report *report, const char *path, weir_status status);
bool cli_colour(FILE *to);             /* a terminal, not NO_COLOR, not TERM=dumb, --color */
void cli_set_colour(const char *mode); /* auto|always|never */
/* The exit code for a status. */
int cli_exit_code(weir_status status);
/* Read a whole file (or "-"); owned (weir_free); NULL after having said why. */
char *cli_read_file(const char *path, size_t *length);

/* ---- output of rows ---------------------------------------------------------------------------
 */

typedef enum cli_format {
    CLI_TABLE,
    CLI_JSONL,
    CLI_JSON,
    CLI_CSV,
    CLI_MARKDOWN,
    CLI_RAW
} cli_format;
/* "table" ...; false: unknown. NULL name: table on a terminal, jsonl otherwise. */
bool cli_format_parse(const char *name, FILE *to, cli_format *format);

enum { CLI_COLUMNS_MAX = 1600 }; /* as many as a statement may have */
typedef struct cli_printer cli_printer;
/* nested: JSON forms have ISO times and nested json and arrays; else each value as psql prints it.
 */
cli_printer *cli_printer_open(cli_format format, FILE *to, const weir_column_info *columns,
                              uint32_t count, bool with_diff, bool nested);
int cli_printer_add(cli_printer *printer, weir_rows *rows); /* borrows; 0, or -1 on a write error */
/* One row whose cells `cell` gives (NULL: SQL NULL); every form but json and jsonl. */
void cli_printer_row(cli_printer *printer, int diff,
                     const char *(*cell)(void *user, uint32_t column), void *user);
/* A live table shows what it holds now. */
int cli_printer_flush(cli_printer *printer);
/* Returns the exit code: OK, too, when the reader of the pipe has gone; else why is said. */
int cli_printer_close(cli_printer *printer, bool summary);
/* Without a word more: what it holds is not written. */
void cli_printer_discard(cli_printer *printer);
/* The errno of a write to a stream that failed just now. */
int cli_stream_error(FILE *to);
/* The exit code of a write to standard output that failed with errno `error`; says why, as above. */
int cli_write_error(int error);

/* ---- progress of long work: one line on a terminal's standard error --------------------------- */

typedef struct cli_progress {
    int64_t begun; /* monotonic */
    bool on, drawn;
} cli_progress;
void cli_progress_start(cli_progress *progress);
/* Draws it, once the work has taken a second. */
void cli_progress_show(cli_progress *progress, const weir_progress *now);
void cli_progress_count(cli_progress *progress, const char *what, long long done, long long total);
/* Erases it: before anything else is printed, and at the end. */
void cli_progress_clear(cli_progress *progress);
/* What did not come out, and why, on standard error; of `whose`, NULL: of the only one there is. */
void cli_progress_left_out(const weir_progress *end, const char *whose);

/* Interrupts: installs handlers for INT, TERM and HUP (unless it is ignored) once; true after the first. */
bool cli_interrupted(void);
void cli_catch_signals(void);
/* HUP is counted from now on; how often it has come. */
void cli_catch_hangups(void);
int cli_hangups(void);
/* The descriptor that becomes readable at a signal. */
int cli_signal_fd(void);
