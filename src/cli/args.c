/* SPDX-License-Identifier: Apache-2.0 */
/* cli/args.c -- options of a verb, and the small things all verbs share (see cli.h). */
#include "cli/cli.h"

#include "base/nearest.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { SAY_BYTES = 4096 };

static const char *colour_mode = "auto";
static int signal_fd = -1;
static volatile sig_atomic_t signals_seen, hangups_seen;

void
cli_say(const char *format, ...)
{
    char text[SAY_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fputs("weir: ", stderr);
    cli_put_shown(stderr, text, strlen(text));
    fputc('\n', stderr);
}

void
cli_hint(const char *text)
{
    fputs("  hint: ", stderr);
    cli_put_shown(stderr, text, strlen(text));
    fputc('\n', stderr);
}

void
cli_error(const weir_error *err)
{
    cli_say("%s", err->text[0] != '\0' ? err->text : weir_status_text(err->code));
    if (err->hint[0] != '\0')
        cli_hint(err->hint);
}

void
cli_sql_error(const char *sql, const weir_error *err)
{
    cli_error(err);
    cli_sql_place(sql, err->line, err->column);
}

void
cli_sql_place(const char *sql, int line_number, int column)
{
    if (line_number <= 0)
        return;
    const char *line = sql;
    for (int l = 1; l < line_number && line != NULL; l++) {
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    if (line == NULL)
        return;
    int length = (int)strcspn(line, "\n");
    fprintf(stderr, "%5d | %.*s\n      | %*s^\n", line_number, length < 400 ? length : 400, line,
            column > 0 ? column - 1 : 0, "");
}

void
cli_report(const weir_report *report, const char *path, weir_status status)
{
    char *text = weir_report_count(report) > 0 ? weir_report_print(report, cli_colour(stderr)) : NULL;
    if (text != NULL)
        fputs(text, stderr);
    else if (status != WEIR_OK)
        cli_say("%s: %s", path, weir_status_text(status));
    weir_free(text);
}

void
cli_set_colour(const char *mode)
{
    colour_mode = mode;
}

bool
cli_colour(FILE *to)
{
    const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
    if (strcmp(colour_mode, "always") == 0)
        return true;
    if (strcmp(colour_mode, "never") == 0 || (no != NULL && no[0] != '\0'))
        return false;
    return isatty(fileno(to)) && (term == NULL || strcmp(term, "dumb") != 0);
}

int
cli_exit_code(weir_status status)
{
    if (status == WEIR_OK)
        return CLI_OK;
    if (status == WEIR_USAGE)
        return CLI_USAGE;
    return status == WEIR_CONNECT ? CLI_CONNECT : status < 2000 ? CLI_CONFIG : CLI_FAILED;
}

char *
cli_read_file(const char *path, size_t *length)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (f == NULL) {
        cli_say("cannot read \"%s\": %s", path, strerror(errno));
        return NULL;
    }
    wr_text text;
    char block[65536];
    size_t n;
    wr_text_init(&text, NULL);
    while ((n = fread(block, 1, sizeof block, f)) > 0)
        wr_text_append(&text, block, n);
    bool bad = ferror(f) != 0;
    if (f != stdin)
        fclose(f);
    if (bad) {
        cli_say("cannot read \"%s\": %s", path, strerror(errno));
        wr_text_fini(&text);
        return NULL;
    }
    char *whole = wr_text_take(&text, length);
    if (whole == NULL)
        cli_say("%s: %s", path, weir_status_text(WEIR_MEMORY));
    return whole;
}

static int
usage_unknown(const char *verb, const char *option, const cli_option *options)
{
    wr_nearest nearest;
    wr_nearest_init(&nearest, option);
    for (; options->name != NULL; options++)
        wr_nearest_offer(&nearest, options->name);
    cli_say("unknown option --%s", option);
    if (nearest.best != NULL)
        fprintf(stderr, "  did you mean --%s?\n", nearest.best);
    fprintf(stderr, "  try: weir help %s\n", verb);
    return CLI_USAGE;
}

static int
option_set(const cli_option *o, const char *value)
{
    char *end;
    switch (o->kind) {
    case 's': *(const char **)o->into = value; return 0;
    case 'n':
        errno = 0;
        *(long long *)o->into = strtoll(value, &end, 10);
        if (*value == '\0' || *end != '\0' || errno == ERANGE) {
            cli_say("--%s wants a whole number, not \"%s\"", o->name, value);
            return CLI_USAGE;
        }
        return 0;
    case 'l': {
        cli_list *list = o->into;
        if (list->count == 64) {
            cli_say("more than 64 times --%s", o->name);
            return CLI_USAGE;
        }
        list->items[list->count++] = value;
        return 0;
    }
    default: wr_unreachable();
    }
}

static void
verb_help(const char *name)
{
    for (const cli_verb *const *v = cli_verbs; *v != NULL; v++)
        if (strcmp((*v)->name, name) == 0)
            fputs((*v)->help, stdout);
}

int
cli_parse(int argc, char **argv, const cli_option *options, cli_list *rest, int *done)
{
    bool only_rest = false;
    *done = 0;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i], *name = arg + 2, *value = NULL;
        if (only_rest || arg[0] != '-' || arg[1] == '\0') {
            if (rest->count == 64) {
                cli_say("more than 64 arguments");
                return CLI_USAGE;
            }
            rest->items[rest->count++] = arg;
            continue;
        }
        if (strcmp(arg, "--") == 0) {
            only_rest = true;
            continue;
        }
        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            verb_help(argv[0]);
            *done = 1;
            return 0;
        }
        const cli_option *o = options;
        if (arg[1] == '-') {
            size_t n = strcspn(name, "=");
            value = name[n] == '=' ? name + n + 1 : NULL;
            while (o->name != NULL && (strlen(o->name) != n || memcmp(o->name, name, n) != 0))
                o++;
            if (o->name == NULL)
                return usage_unknown(argv[0], name, options);
        } else {
            while (o->name != NULL && (o->letter != arg[1] || arg[1] == 0))
                o++;
            value = arg[2] != '\0' ? arg + 2 : NULL;
            if (o->name == NULL)
                return usage_unknown(argv[0], arg + 1, options);
        }
        if (o->kind == 'f') {
            if (value != NULL) { /* --once=false, -qd DIR: meant, and not what would happen */
                cli_say("--%s takes no value, so not \"%s\"", o->name, value);
                return CLI_USAGE;
            }
            *(int *)o->into = 1;
            continue;
        }
        if (value == NULL && i + 1 < argc)
            value = argv[++i];
        if (value == NULL) {
            cli_say("--%s wants a value", o->name);
            return CLI_USAGE;
        }
        int rc = option_set(o, value);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static void
on_signal(int number)
{
    int saved = errno;
    if (number == SIGHUP && signals_seen > 0)
        return; /* a terminal that is closed tells of it, and its shell does, too */
    if (signals_seen++ > 0)
        _exit(CLI_INTERRUPTED); /* the second one: at once; a checkpoint is complete or ignored */
    uint64_t one = 1;
    (void)!write(signal_fd, &one, sizeof one);
    errno = saved;
}

void
cli_catch_signals(void)
{
    if (signal_fd >= 0)
        return;
    signal_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct sigaction action = { .sa_handler = on_signal }, before;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN) /* nohup: the terminal may go */
        sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void
on_hangup(int number)
{
    (void)number;
    hangups_seen++;
}

void
cli_catch_hangups(void)
{
    struct sigaction action = { .sa_handler = on_hangup, .sa_flags = SA_RESTART };
    sigaction(SIGHUP, &action, NULL);
}

int
cli_hangups(void)
{
    return hangups_seen;
}

bool
cli_interrupted(void)
{
    return signals_seen > 0;
}

int
cli_signal_fd(void)
{
    return signal_fd;
}
