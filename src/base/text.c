/* SPDX-License-Identifier: Apache-2.0 */
/* base/text.c -- the growing byte string (see text.h). */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

void
wr_text_init(wr_text *text, wr_budget *budget)
{
    memset(text, 0, sizeof *text);
    text->budget = budget;
}

void
wr_text_fini(wr_text *text)
{
    wr_free(text->data);
    wr_text_init(text, text->budget);
}

void
wr_text_clear(wr_text *text)
{
    text->length = 0;
    text->failed = false;
    if (text->data != NULL)
        text->data[0] = '\0';
}

bool
wr_text_reserve(wr_text *text, size_t more_bytes)
{
    if (text->failed)
        return false;
    if (text->length + more_bytes < text->capacity) /* one byte stays for the NUL */
        return true;
    size_t capacity = WR_MAX(text->capacity * 2, text->length + more_bytes + 1);
    capacity = WR_MAX(capacity, (size_t) 64);
    char *grown = wr_realloc(text->budget, text->data, capacity);
    if (grown == NULL) {
        text->failed = true;
        return false;
    }
    text->data = grown;
    text->capacity = capacity;
    return true;
}

void
wr_text_append(wr_text *text, const void *bytes, size_t length)
{
    if (!wr_text_reserve(text, length))
        return;
    if (length > 0)
        memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void
wr_text_puts(wr_text *text, const char *s)
{
    wr_text_append(text, s, strlen(s));
}

void
wr_text_putc(wr_text *text, char c)
{
    wr_text_append(text, &c, 1);
}

void
wr_text_printf(wr_text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length > 0 && wr_text_reserve(text, (size_t) length + 1)) {
        vsnprintf(text->data + text->length, (size_t) length + 1, format, again);
        text->length += (size_t) length;
    }
    va_end(again);
}

void
wr_text_put_int(wr_text *text, int64_t value)
{
    char     digits[24];
    char    *p = digits + sizeof digits;
    uint64_t u = value < 0 ? 0 - (uint64_t) value : (uint64_t) value;
    do
        *--p = (char) ('0' + u % 10);
    while ((u /= 10) != 0);
    if (value < 0)
        *--p = '-';
    wr_text_append(text, p, (size_t) (digits + sizeof digits - p));
}

/* The length of the valid UTF-8 sequence at s, or 0. */
static size_t
utf8_length(const unsigned char *s, size_t left)
{
    unsigned char c = s[0];
    if (c < 0x80)
        return 1;
    size_t n = c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f) || (c == 0xf0 && s[1] < 0x90) ||
        (c == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

void
wr_text_put_json(wr_text *text, const char *s, size_t length)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *p = (const unsigned char *) s, *end = p + length, *run = p;
    if (!wr_text_reserve(text, length + 2))
        return;
    wr_text_putc(text, '"');
    while (p < end) {
        if (*p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\') {
            p++;
            continue;
        }
        size_t n = *p >= 0x80 ? utf8_length(p, (size_t) (end - p)) : 0;
        if (n > 0) {
            p += n;
            continue;
        }
        wr_text_append(text, run, (size_t) (p - run));
        unsigned char c = *p++;
        run = p;
        if (c == '"' || c == '\\')
            wr_text_append(text, (char[]){ '\\', (char) c }, 2);
        else if (c >= 0x80)
            wr_text_append(text, "\xef\xbf\xbd", 3);
        else if (c == '\n')
            wr_text_append(text, "\\n", 2);
        else if (c == '\t')
            wr_text_append(text, "\\t", 2);
        else if (c == '\r')
            wr_text_append(text, "\\r", 2);
        else if (c == '\b')
            wr_text_append(text, "\\b", 2);
        else if (c == '\f')
            wr_text_append(text, "\\f", 2);
        else
            wr_text_append(text, (char[]){ '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] }, 6);
    }
    wr_text_append(text, run, (size_t) (p - run));
    wr_text_putc(text, '"');
}

const char *
wr_text_string(wr_text *text)
{
    return text->data != NULL ? text->data : "";
}

char *
wr_text_take(wr_text *text, size_t *length)
{
    if (!wr_text_reserve(text, 1)) {
        wr_text_fini(text);
        return NULL;
    }
    char *data = text->data;
    data[text->length] = '\0';
    if (length != NULL)
        *length = text->length;
    wr_text_init(text, text->budget);
    return data;
}
