/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/msgpack.c -- the msgpack decoder, three ways that must give the same rows, and its messages two ways: whole; in pieces of seven
 * bytes (F3); and by a new decoder for every row, so that nothing is read by a learned shape (S1).
 *
 * The input is read three times over, the third time with one byte changed: the first teaches the
 * shapes by which the others are read.
 */
#include "fuzz/fuzz.h"
#include "support/decode.h"

#include <string.h>

static const char columns[] =
    "a int8, b numeric(12,2), c text, d timestamptz, e jsonb, f float8, g bool";

static char *
thrice(const uint8_t *data, size_t size, size_t *length)
{
    char *text = wr_alloc(NULL, 3 * (size + 1) + 1);
    size_t at = 0;
    for (int i = 0; i < 3; i++) {
        if (size > 0)
            memcpy(text + at, data, size);
        at += size;
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

/* As messages, many in one call or one at a time; the second and the fourth are one byte different. */
static void
messages_agree(const uint8_t *data, size_t size)
{
    wr_decoding many, alone;
    char *other = wr_alloc(NULL, size + 1);
    const char *text = (const char *)data;
    memcpy(other, data, size);
    other[data[0] % size] ^= data[size / 2];
    wr_message messages[] = { { text, size }, { other, size }, { text, size }, { other, size - 1 },
                              { text, size }, { text, 0 },     { text, size } };
    uint32_t count = sizeof messages / sizeof *messages;
    wr_decoding_open(&many, "msgpack", columns, "");
    wr_decoding_open(&alone, "msgpack", columns, "");
    weir_status a = wr_decoding_messages(&many, messages, count, false);
    weir_status b = wr_decoding_messages(&alone, messages, count, true);
    wr_assert(a == b);
    same(&many, &alone);
    wr_decoding_close(&many);
    wr_decoding_close(&alone);
    wr_free(other);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wr_decoding whole, pieces, fresh;
    size_t length;
    char *text = thrice(data, size, &length);
    wr_decoding_open(&whole, "msgpack", columns, "");
    wr_decoding_open(&pieces, "msgpack", columns, "");
    wr_decoding_open(&fresh, "msgpack", columns, "");
    fresh.fresh = true;
    fresh.capacity = 1;
    weir_status a = wr_decoding_run(&whole, text, length, 0);
    weir_status b = wr_decoding_run(&pieces, text, length, 7);
    weir_status c = wr_decoding_run(&fresh, text, length, 0);
    wr_assert(a == c);
    wr_assert(a == b || whole.bad_count > 0);
    same(&whole, &pieces);
    same(&whole, &fresh);
    wr_decoding_close(&whole);
    wr_decoding_close(&pieces);
    wr_decoding_close(&fresh);
    wr_free(text);
    if (size > 1)
        messages_agree(data, size);
    return 0;
}
