/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/text.h -- a growing byte string for building output.
 *
 * A failed allocation sets `failed` and makes every later append a no-op, so that a builder checks
 * once at the end (wr_text_ok).  data is NUL-terminated after any append that grew it.
 */
#pragma once

#include "base/memory.h"

typedef struct wr_text {
    wr_budget *budget;
    char      *data;
    size_t     length, capacity;
    bool       failed;
} wr_text;

void  wr_text_init(wr_text *text, wr_budget *budget); /* allocates nothing */
void  wr_text_fini(wr_text *text);
void  wr_text_clear(wr_text *text); /* keeps the memory */
bool  wr_text_reserve(wr_text *text, size_t more_bytes);
void  wr_text_append(wr_text *text, const void *bytes, size_t length);
void  wr_text_puts(wr_text *text, const char *s);
void  wr_text_putc(wr_text *text, char c);
void  wr_text_printf(wr_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void  wr_text_put_int(wr_text *text, int64_t value);
/* s as a JSON string in quotes; invalid UTF-8 becomes U+FFFD. */
void  wr_text_put_json(wr_text *text, const char *s, size_t length);
/* The string so far, never NULL ("" when empty). */
const char *wr_text_string(wr_text *text);
/* Hand the buffer over (returns owned, wr_free); the text is empty afterwards. NULL when failed. */
char *wr_text_take(wr_text *text, size_t *length);

static inline bool
wr_text_ok(const wr_text *text)
{
    return !text->failed;
}
