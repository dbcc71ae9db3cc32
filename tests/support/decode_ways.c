/* SPDX-License-Identifier: Apache-2.0 */
/* support/decode_ways.c -- one input, several decodings (see decode_ways.h). */
#include "support/decode_ways.h"

#include "support/decode.h"

#include <string.h>

static char *
thrice(const uint8_t *data, size_t size, const char *separator, size_t *length)
{
    const size_t gap = strlen(separator);
    char *text = wr_alloc(NULL, 3 * (size + gap) + 1);
    size_t at = 0;
    for (int i = 0; i < 3; i++) {
        if (size > 0)
            memcpy(text + at, data, size);
        memcpy(text + at + size, separator, gap);
        at += size + gap;
    }
    if (size > 1)
        text[at - 1 - data[0] % size] ^= data[size / 2];
    *length = at;
    return text;
}

static void
same(wr_decoding *a, wr_decoding *b)
{
    wr_assert(a->row_count == b->row_count && a->bad_count == b->bad_count);
    wr_assert(strcmp(wr_text_string(&a->rows), wr_text_string(&b->rows)) == 0);
}

/* The second message and the fourth are one byte different. */
static void
messages_agree(const char *format, const char *columns, const uint8_t *data, size_t size)
{
    wr_decoding many, alone;
    char *other = wr_alloc(NULL, size + 1);
    const char *text = (const char *)data;
    memcpy(other, data, size);
    other[data[0] % size] ^= data[size / 2];
    wr_message messages[] = { { text, size }, { other, size }, { text, size }, { other, size - 1 },
                              { text, size }, { text, 0 },     { text, size } };
    wr_decoding_open(&many, format, columns, "");
    wr_decoding_open(&alone, format, columns, "");
    weir_status a = wr_decoding_messages(&many, messages, WR_COUNT(messages), false);
    weir_status b = wr_decoding_messages(&alone, messages, WR_COUNT(messages), true);
    wr_assert(a == b);
    same(&many, &alone);
    wr_decoding_close(&many);
    wr_decoding_close(&alone);
    wr_free(other);
}

void
wr_decode_ways(const char *format, const char *columns, const char *separator, bool cut, const uint8_t *data,
               size_t size)
{
    wr_decoding whole, pieces, fresh;
    size_t length;
    char *text = thrice(data, size, separator, &length);
    wr_decoding_open(&whole, format, columns, "");
    wr_decoding_open(&pieces, format, columns, "");
    wr_decoding_open(&fresh, format, columns, "");
    fresh.fresh = true;
    fresh.capacity = 1;
    weir_status a = wr_decoding_run(&whole, text, length, 0);
    weir_status b = wr_decoding_run(&pieces, text, length, 7);
    weir_status c = wr_decoding_run(&fresh, text, length, 0);
    wr_assert(a == c);
    wr_assert(a == b || (cut && whole.bad_count > 0));
    same(&whole, &pieces);
    same(&whole, &fresh);
    wr_decoding_close(&whole);
    wr_decoding_close(&pieces);
    wr_decoding_close(&fresh);
    wr_free(text);
    if (size > 1)
        messages_agree(format, columns, data, size);
}
