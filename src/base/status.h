/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/status.h -- returning and describing failure, and the asserts.
 *
 * Cold functions take a `weir_error *err` as their last parameter (may be NULL) and fill it with
 * wr_error_set; hot functions return a bare status.  wr_assert is for programmer errors, is on in
 * every build and aborts; it is never used on what came from outside.
 */
#pragma once

#include "weir/errors.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WR_TRY(expr)                                                                               \
    do {                                                                                           \
        weir_status wr_try_status_ = (expr);                                                       \
        if (__builtin_expect(wr_try_status_ != WEIR_OK, 0))                                        \
            return wr_try_status_;                                                                 \
    } while (0)

/* For functions with one `done:` label and a local `weir_status status`. */
#define WR_TRY_GOTO(expr)                                                                          \
    do {                                                                                           \
        status = (expr);                                                                           \
        if (__builtin_expect(status != WEIR_OK, 0))                                                \
            goto done;                                                                             \
    } while (0)

/* Fill err (if not NULL) and return code, so that `return wr_error_set(...)` reads well. */
weir_status wr_error_set(weir_error *err, weir_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with a byte offset into the SQL statement. */
weir_status wr_error_at(weir_error *err, weir_status code, int32_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Add the hint ("did you mean ...?") to an error already set. */
void wr_error_hint(weir_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
void wr_error_clear(weir_error *err);
/* For doors: what failed below without words (memory, mostly) has the code's own.  Returns code. */
weir_status wr_error_default(weir_error *err, weir_status code);

static inline bool
wr_status_is_row(weir_status s)
{
    return s >= 3000 && s < 4000;
}

_Noreturn void wr_assert_failed(const char *expr, const char *file, int line);

#define wr_assert(expr)                                                                            \
    (__builtin_expect(!!(expr), 1) ? (void) 0 : wr_assert_failed(#expr, __FILE__, __LINE__))
#ifdef WR_DEBUG
#define wr_debug_assert(expr) wr_assert(expr)
#else
#define wr_debug_assert(expr) ((void) 0)
#endif
#define wr_unreachable() wr_assert_failed("unreachable", __FILE__, __LINE__)

#define WR_LIKELY(x)   __builtin_expect(!!(x), 1)
#define WR_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define WR_COUNT(a)    (sizeof(a) / sizeof((a)[0]))
#define WR_MIN(a, b)   ((a) < (b) ? (a) : (b))
#define WR_MAX(a, b)   ((a) > (b) ? (a) : (b))
