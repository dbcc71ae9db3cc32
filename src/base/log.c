/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/log.c -- log lines and the limit on repeats (see log.h).
 *
 * State       one process-wide table of recent kinds under a mutex; a line is built on the stack, so
 *             logging works when memory is out.
 */
#include "base/log.h"

#include "base/secret.h"
#include "base/thread.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 2048, KINDS = 64, BURST = 10, WINDOW_US = 10 * 1000000 };

typedef struct kind {
    const char  *part, *format;
    wr_log_level level;
    int64_t      since;
    uint32_t     count, held;
} kind;

static struct {
    wr_mutex             lock;
    _Atomic int          level;
    _Atomic int          form;
    wr_clock            *clock;
    void               (*write)(void *user, const char *line, size_t length);
    void                *user;
    kind                 kinds[KINDS];
} logger = { .lock = { PTHREAD_MUTEX_INITIALIZER }, .level = WR_LOG_INFO };

static const char *const level_names[] = { "debug", "info", "warn", "error" };

void
wr_log_set_level(wr_log_level level)
{
    atomic_store(&logger.level, (int) level);
}

wr_log_level
wr_log_level_now(void)
{
    return (wr_log_level) atomic_load_explicit(&logger.level, memory_order_relaxed);
}

void
wr_log_set_sink(void (*write)(void *user, const char *line, size_t length), void *user)
{
    wr_mutex_lock(&logger.lock);
    logger.write = write;
    logger.user = user;
    wr_mutex_unlock(&logger.lock);
}

void
wr_log_set_form(wr_log_form form)
{
    atomic_store(&logger.form, (int) form);
}

void
wr_log_set_clock(wr_clock *clock)
{
    wr_mutex_lock(&logger.lock);
    logger.clock = clock;
    memset(logger.kinds, 0, sizeof logger.kinds);
    wr_mutex_unlock(&logger.lock);
}

/* --- one line, in a fixed buffer; what does not fit is cut --- */

typedef struct line {
    char   bytes[LINE_BYTES_MAX];
    size_t length;
} line;

static void
line_put(line *l, const char *s, size_t n)
{
    n = WR_MIN(n, sizeof l->bytes - 8 - l->length); /* room for the closing */
    memcpy(l->bytes + l->length, s, n);
    l->length += n;
}

static void
line_puts(line *l, const char *s)
{
    line_put(l, s, strlen(s));
}

/* The bytes that may stand in a JSON string as they are do; control characters become \u00xx. */
static void
line_put_quoted(line *l, const char *s)
{
    line_puts(l, "\"");
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char) *s;
        char          escape[8];
        if (c == '"' || c == '\\')
            snprintf(escape, sizeof escape, "\\%c", c);
        else if (c == '\n')
            snprintf(escape, sizeof escape, "\\n");
        else if (c < 0x20)
            snprintf(escape, sizeof escape, "\\u%04x", c);
        else {
            line_put(l, s, 1);
            continue;
        }
        line_puts(l, escape);
    }
    line_puts(l, "\"");
}

static void
line_put_time(line *l, wr_time now)
{
    char      text[48];
    time_t    seconds = (time_t) (now / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
             (int) (now % 1000000 / 1000));
    line_puts(l, text);
}

static bool
log_as_json(void)
{
    int form = atomic_load(&logger.form);
    return form == WR_LOG_AUTO ? !isatty(STDERR_FILENO) : form == WR_LOG_JSON;
}

/* Under the lock. */
static void
log_write(wr_time now, wr_log_level level, const char *part, const char *text)
{
    line l = { .length = 0 };
    if (log_as_json()) {
        line_puts(&l, "{\"time\":\"");
        line_put_time(&l, now);
        line_puts(&l, "\",\"level\":\"");
        line_puts(&l, level_names[level]);
        line_puts(&l, "\",\"part\":");
        line_put_quoted(&l, part);
        line_puts(&l, ",\"message\":");
        line_put_quoted(&l, text);
        if (l.bytes[l.length - 1] != '"') /* cut: the room kept for the closing */
            l.bytes[l.length++] = '"';
        l.bytes[l.length++] = '}';
    } else {
        line_put_time(&l, now);
        line_puts(&l, " level=");
        line_puts(&l, level_names[level]);
        line_puts(&l, " part=");
        line_puts(&l, part);
        line_puts(&l, " msg=");
        line_put_quoted(&l, text);
    }
    if (logger.write != NULL) {
        logger.write(logger.user, l.bytes, l.length);
        return;
    }
    l.bytes[l.length++] = '\n';
    ssize_t wrote = write(STDERR_FILENO, l.bytes, l.length);
    (void) wrote; /* nobody to tell */
}

/* The entry of this kind, or the one that has been quiet longest, emptied. */
static kind *
kind_find(wr_log_level level, const char *part, const char *format)
{
    kind *oldest = &logger.kinds[0];
    for (uint32_t i = 0; i < KINDS; i++) {
        kind *k = &logger.kinds[i];
        if (k->format == format && k->level == level && k->part == part)
            return k;
        if (k->since < oldest->since)
            oldest = k;
    }
    *oldest = (kind){ .part = part, .format = format, .level = level, .since = INT64_MIN };
    return oldest;
}

void
wr_log(wr_log_level level, const char *part, const char *format, ...)
{
    if (level < wr_log_level_now())
        return;
    char    text[LINE_BYTES_MAX - 256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    wr_secret_hide(text);
    wr_mutex_lock(&logger.lock);
    wr_clock *clock = logger.clock != NULL ? logger.clock : wr_clock_system();
    wr_time   now = wr_clock_now(clock);
    int64_t   mono = wr_clock_monotonic(clock);
    kind     *k = kind_find(level, part, format);
    if (k->since == INT64_MIN || mono - k->since >= WINDOW_US) {
        if (k->held > 0) {
            char held[64];
            snprintf(held, sizeof held, "(%u more lines like the next were held back)", k->held);
            log_write(now, level, part, held);
        }
        k->since = mono;
        k->count = k->held = 0;
    }
    if (k->count++ < BURST)
        log_write(now, level, part, text);
    else
        k->held++;
    wr_mutex_unlock(&logger.lock);
}
