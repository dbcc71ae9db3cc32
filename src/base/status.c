/* SPDX-License-Identifier: Apache-2.0 */
/* base/status.c -- error names and texts, filling a weir_error, the assert that aborts. */
#include "base/status.h"

#include "base/secret.h"

#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    weir_status_code code;
    const char      *name, *text;
} table[] = {
#define X(name, code, text) { code, #name, text },
    WEIR_ERROR_TABLE(X)
#undef X
};

const char *
weir_status_name(weir_status_code code)
{
    for (size_t i = 0; i < WR_COUNT(table); i++)
        if (table[i].code == code)
            return table[i].name;
    return "UNKNOWN";
}

const char *
weir_status_text(weir_status_code code)
{
    for (size_t i = 0; i < WR_COUNT(table); i++)
        if (table[i].code == code)
            return table[i].text;
    return "unknown error";
}

void
wr_error_clear(weir_error *err)
{
    if (err == NULL)
        return;
    memset(err, 0, sizeof *err);
    err->offset = -1;
}

weir_status
wr_error_default(weir_error *err, weir_status code)
{
    if (err != NULL && code != WEIR_OK && err->code == WEIR_OK)
        (void) wr_error_set(err, code, "%s", weir_status_text(code));
    return code;
}

static void
error_fill(weir_error *err, weir_status code, int32_t offset, const char *format, va_list args)
{
    if (err == NULL)
        return;
    wr_error_clear(err);
    err->code = code;
    err->offset = offset;
    vsnprintf(err->text, sizeof err->text, format, args);
    wr_secret_hide(err->text);
}

weir_status
wr_error_set(weir_error *err, weir_status code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_fill(err, code, -1, format, args);
    va_end(args);
    return code;
}

weir_status
wr_error_at(weir_error *err, weir_status code, int32_t offset, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_fill(err, code, offset, format, args);
    va_end(args);
    return code;
}

void
wr_error_hint(weir_error *err, const char *format, ...)
{
    if (err == NULL)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(err->hint, sizeof err->hint, format, args);
    wr_secret_hide(err->hint);
    va_end(args);
}

_Noreturn void
wr_assert_failed(const char *expr, const char *file, int line)
{
    void *frames[32];
    int   count = backtrace(frames, 32);
    fprintf(stderr, "weir: assertion failed: %s (%s:%d)\n", expr, file, line);
    backtrace_symbols_fd(frames, count, STDERR_FILENO);
    abort();
}
