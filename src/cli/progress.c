/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/progress.c -- one line on standard error that says how far long work has come.
 *
 * Only on a terminal that can erase it, only after a second, gone when the work is done; so neither a
 * pipe nor a log ever sees it.
 */
#include "cli/status.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WAIT_US = 1000000, BAR = 24, WIDTH_DEFAULT = 80, LINE_BYTES = 400 };

void
cli_progress_start(cli_progress *p)
{
    const char *term = getenv("TERM");
    memset(p, 0, sizeof *p);
    p->on = isatty(STDERR_FILENO) && (term == NULL || strcmp(term, "dumb") != 0);
    p->begun = wr_clock_monotonic(wr_clock_system());
}

static void
put_line(cli_progress *p, const char *line)
{
    struct winsize size = { 0 };
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
    fprintf(stderr, "\r%.*s\033[K", known ? size.ws_col - 1 : WIDTH_DEFAULT - 1, line);
    fflush(stderr);
    p->drawn = true;
}

/* Seconds since the start once it is time to say something, else below 0. */
static double
elapsed(const cli_progress *p)
{
    int64_t us = wr_clock_monotonic(wr_clock_system()) - p->begun;
    return p->on && us >= WAIT_US ? (double)us / 1e6 : -1;
}

static size_t
put_bar(char line[LINE_BYTES], double fraction)
{
    size_t at = (size_t)snprintf(line, LINE_BYTES, "%3.0f%% [", fraction * 100);
    int full = (int)(fraction * BAR);
    for (int i = 0; i < BAR; i++)
        line[at++] = i < full ? '=' : i == full ? '>' : ' ';
    return at + (size_t)snprintf(line + at, LINE_BYTES - at, "] ");
}

void
cli_progress_show(cli_progress *p, const weir_progress *now)
{
    double seconds = elapsed(p);
    char line[LINE_BYTES] = "", bytes[16], total[16], rows[16], rate[16];
    size_t at = 0;
    if (seconds < 0)
        return;
    status_bytes((double)now->bytes, bytes);
    status_amount((double)now->rows, rows);
    status_amount((double)now->rows / seconds, rate);
    if (now->fraction >= 0)
        at += put_bar(line, now->fraction);
    if (now->bytes_total > 0) {
        status_bytes(now->fraction * (double)now->bytes_total, bytes);
        status_bytes((double)now->bytes_total, total);
        at += (size_t)snprintf(line + at, LINE_BYTES - at, "%s of %s, ", bytes, total);
    } else if (now->bytes > 0) {
        at += (size_t)snprintf(line + at, LINE_BYTES - at, "%s, ", bytes);
    }
    at += (size_t)snprintf(line + at, LINE_BYTES - at, "%s rows, %s/s", rows, rate);
    if (now->fraction > 0.01 && now->fraction < 1)
        snprintf(line + at, LINE_BYTES - at, ", %.0f s left",
                 seconds / now->fraction * (1 - now->fraction));
    put_line(p, line);
}

void
cli_progress_count(cli_progress *p, const char *what, long long done, long long total)
{
    char line[LINE_BYTES];
    double fraction = total > 0 ? (double)done / (double)total : -1;
    if (elapsed(p) < 0)
        return;
    size_t at = fraction >= 0 ? put_bar(line, fraction) : 0;
    snprintf(line + at, LINE_BYTES - at, "%lld of %lld %s", done, total, what);
    put_line(p, line);
}

void
cli_progress_clear(cli_progress *p)
{
    if (!p->drawn)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    p->drawn = false;
}

void
cli_progress_left_out(const weir_progress *p, const char *whose)
{
    const char *name = whose != NULL ? whose : "", *colon = whose != NULL ? ": " : "";
    if (p->bad > 0)
        cli_say("%s%s%llu record%s could not be read%s%s", name, colon, (unsigned long long)p->bad,
                p->bad == 1 ? "" : "s", p->sample[0] != '\0' ? ", the newest: " : "", p->sample);
    if (p->late > 0)
        cli_say("%s%s%llu row%s came late for all their windows", name, colon,
                (unsigned long long)p->late, p->late == 1 ? "" : "s");
    if (p->untimed > 0)
        cli_say("%s%s%llu row%s no event time and %s left out", name, colon,
                (unsigned long long)p->untimed, p->untimed == 1 ? " has" : "s have",
                p->untimed == 1 ? "was" : "were");
    if (p->failed > 0)
        cli_say("%s%s%llu row%s failed in a view and %s left out%s%s", name, colon,
                (unsigned long long)p->failed, p->failed == 1 ? "" : "s",
                p->failed == 1 ? "was" : "were", p->failure[0] != '\0' ? ": " : "", p->failure);
    if (p->shed > 0)
        cli_say("%s%s%llu row%s left out because the state was full: raise limits.memory", name,
                colon, (unsigned long long)p->shed, p->shed == 1 ? " was" : "s were");
}
