/* SPDX-License-Identifier: Apache-2.0 */
/* format/msgpack_token.c -- MessagePack's tags, one by one (see msgpack_impl.h). */
#include "format/msgpack_impl.h"

#include "data/datetime.h"
#include "data/float.h"
#include "format/utf8_impl.h"

#include <inttypes.h>

const char *
wr_msgpack_fault(msgpack_decoder *d, msgpack_fault kind, const char *text)
{
    d->fault = kind;
    d->fault_text = text;
    return NULL;
}

static inline uint64_t
big_endian(const char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v = v << 8 | (uint8_t) p[i];
    return v;
}

/* n bytes that belong to a string, binary or extension. */
static const char *
bytes_take(msgpack_decoder *d, const char *p, const char *end, uint64_t n, msgpack_kind kind,
           msgpack_token *t)
{
    if (n > d->record_bytes_max) /* M1 */
        return wr_msgpack_fault(d, MSGPACK_WRONG, "a length beyond the record limit is declared");
    if ((uint64_t) (end - p) < n)
        return wr_msgpack_fault(d, MSGPACK_SHORT, "");
    t->kind = kind;
    t->bytes = p;
    t->length = (uint32_t) n;
    return p + n;
}

static const char *
count_take(msgpack_decoder *d, const char *p, uint64_t n, msgpack_kind kind, msgpack_token *t)
{
    if (n > d->record_bytes_max) /* M1: each item has a byte at least */
        return wr_msgpack_fault(d, MSGPACK_WRONG, "a count beyond the record limit is declared");
    t->kind = kind;
    t->count = (uint32_t) n;
    return p;
}

static const char *
integer_take(const char *p, int bytes, bool is_signed, msgpack_token *t)
{
    uint64_t v = big_endian(p, bytes);
    t->kind = MSGPACK_INTEGER;
    t->integer = (int64_t) v;
    if (is_signed && bytes < 8) {
        int shift = 64 - 8 * bytes;
        t->integer = (int64_t) (v << shift) >> shift;
    }
    if (!is_signed && v > INT64_MAX) {
        t->kind = MSGPACK_BIG;
        t->big = v;
    }
    return p + bytes;
}

static const char *
float_take(const char *p, int bytes, msgpack_token *t)
{
    uint64_t v = big_endian(p, bytes);
    t->kind = MSGPACK_FLOAT;
    if (bytes == 4) {
        uint32_t half = (uint32_t) v;
        float    f;
        memcpy(&f, &half, 4);
        /* as short as the float was written: 0.1f is 0.1 */
        char   text[WR_FLOAT_TEXT_MAX];
        size_t n = wr_float4_write(f, text);
        t->real = f - f == 0 ? wr_float_read(text, n) : (double) f;
    } else {
        memcpy(&t->real, &v, 8);
    }
    return p + bytes;
}

/* Tags above 0xbf. */
static const char *
tag_take(msgpack_decoder *d, uint8_t tag, const char *p, const char *end, msgpack_token *t)
{
    /* bytes that follow the tag before any payload, by tag - 0xc0 */
    static const uint8_t follow[32] = { 0, 0, 0, 0, 1, 2, 4, 2, 3, 5, 4, 8, 1, 2, 4, 8,
                                        1, 2, 4, 8, 1, 1, 1, 1, 1, 1, 2, 4, 2, 4, 2, 4 };
    int                  n = follow[tag - 0xc0];
    if (end - p < n)
        return wr_msgpack_fault(d, MSGPACK_SHORT, "");
    switch (tag) {
    case 0xc0: t->kind = MSGPACK_NIL; return p;
    case 0xc1: return wr_msgpack_fault(d, MSGPACK_WRONG, "the tag c1 is never used");
    case 0xc2:
    case 0xc3:
        t->kind = MSGPACK_BOOL;
        t->boolean = tag == 0xc3;
        return p;
    case 0xc4:
    case 0xc5:
    case 0xc6: return bytes_take(d, p + n, end, big_endian(p, n), MSGPACK_BINARY, t);
    case 0xc7:
    case 0xc8:
    case 0xc9: /* the length, then the type */
        t->extension = (int8_t) p[n - 1];
        return bytes_take(d, p + n, end, big_endian(p, n - 1), MSGPACK_EXTENSION, t);
    case 0xca: return float_take(p, 4, t);
    case 0xcb: return float_take(p, 8, t);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf: return integer_take(p, n, false, t);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3: return integer_take(p, n, true, t);
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        t->extension = (int8_t) p[0];
        return bytes_take(d, p + 1, end, 1ull << (tag - 0xd4), MSGPACK_EXTENSION, t);
    case 0xd9:
    case 0xda:
    case 0xdb: return bytes_take(d, p + n, end, big_endian(p, n), MSGPACK_STRING, t);
    case 0xdc:
    case 0xdd: return count_take(d, p + n, big_endian(p, n), MSGPACK_LIST, t);
    default: return count_take(d, p + n, big_endian(p, n), MSGPACK_MAP, t);
    }
}

const char *
wr_msgpack_token(msgpack_decoder *d, const char *p, const char *end, msgpack_token *t)
{
    if (p == end)
        return wr_msgpack_fault(d, MSGPACK_SHORT, "");
    uint8_t tag = (uint8_t) *p++;
    if (tag < 0x80 || tag >= 0xe0) {
        t->kind = MSGPACK_INTEGER;
        t->integer = (int8_t) tag;
        return p;
    }
    if (tag < 0x90)
        return count_take(d, p, tag & 15, MSGPACK_MAP, t);
    if (tag < 0xa0)
        return count_take(d, p, tag & 15, MSGPACK_LIST, t);
    if (tag < 0xc0)
        return bytes_take(d, p, end, tag & 31, MSGPACK_STRING, t);
    return tag_take(d, tag, p, end, t);
}

bool
wr_msgpack_time(const msgpack_token *t, wr_time *time)
{
    int64_t  seconds;
    uint64_t ns = 0;
    if (t->kind != MSGPACK_EXTENSION || t->extension != -1)
        return false;
    if (t->length == 4) {
        seconds = (int64_t) big_endian(t->bytes, 4);
    } else if (t->length == 8) {
        uint64_t both = big_endian(t->bytes, 8);
        ns = both >> 34;
        seconds = (int64_t) (both & 0x3ffffffff);
    } else if (t->length == 12) {
        ns = big_endian(t->bytes, 4);
        seconds = (int64_t) big_endian(t->bytes + 4, 8);
    } else {
        return false;
    }
    return ns < 1000000000 && !__builtin_mul_overflow(seconds, WR_US_PER_SECOND, time) &&
           !__builtin_add_overflow(*time, (int64_t) (ns / 1000), time);
}

/* --- values as a whole --- */

const char *
wr_msgpack_skip(msgpack_decoder *d, const char *p, const char *end, const msgpack_token *t,
                uint32_t depth)
{
    uint64_t      left[MSGPACK_DEPTH_MAX + 1];
    uint32_t      base = depth;
    msgpack_token inner = *t;
    for (;;) {
        if (inner.kind == MSGPACK_LIST || inner.kind == MSGPACK_MAP) {
            if (++depth > MSGPACK_DEPTH_MAX) /* M2 */
                return wr_msgpack_fault(d, MSGPACK_WRONG, "nested deeper than 32");
            left[depth] = inner.kind == MSGPACK_MAP ? 2ull * inner.count : inner.count;
        }
        while (depth > base && left[depth] == 0)
            depth--;
        if (depth == base)
            return p;
        left[depth]--;
        if ((p = wr_msgpack_token(d, p, end, &inner)) == NULL)
            return NULL;
    }
}

static void
scalar_to_json(msgpack_decoder *d, const msgpack_token *t, bool key)
{
    wr_text *to = &d->json;
    wr_time  time;
    bool     word = t->kind == MSGPACK_FLOAT && t->real - t->real != 0; /* NaN, infinities */
    bool     quote = (key && t->kind < MSGPACK_STRING) || word;
    if (quote)
        wr_text_putc(to, '"');
    switch (t->kind) {
    case MSGPACK_NIL: wr_text_puts(to, "null"); break;
    case MSGPACK_BOOL: wr_text_puts(to, t->boolean ? "true" : "false"); break;
    case MSGPACK_INTEGER: wr_text_put_int(to, t->integer); break;
    case MSGPACK_BIG: wr_text_printf(to, "%" PRIu64, t->big); break;
    case MSGPACK_FLOAT: wr_float8_print(t->real, to); break;
    case MSGPACK_STRING: wr_text_put_json(to, t->bytes, t->length); break;
    case MSGPACK_BINARY:
        wr_text_puts(to, "\"\\\\x");
        for (uint32_t i = 0; i < t->length; i++)
            wr_text_printf(to, "%02x", (uint8_t) t->bytes[i]);
        wr_text_putc(to, '"');
        break;
    case MSGPACK_EXTENSION:
        wr_text_putc(to, '"');
        if (wr_msgpack_time(t, &time))
            wr_timestamp_print_iso(time, true, to);
        wr_text_putc(to, '"');
        break;
    case MSGPACK_LIST:
    case MSGPACK_MAP: break;
    }
    if (quote)
        wr_text_putc(to, '"');
}

static bool
is_json(msgpack_decoder *d, const msgpack_token *t)
{
    wr_time time;
    if (t->kind == MSGPACK_STRING && !wr_utf8_check(t->bytes, t->length))
        d->bad_code = WEIR_ROW_ENCODING;
    if (t->kind == MSGPACK_EXTENSION && !wr_msgpack_time(t, &time))
        d->bad_code = WEIR_ROW_DECODE;
    return d->bad_code == WEIR_OK;
}

const char *
wr_msgpack_to_json(msgpack_decoder *d, const char *p, const char *end, const msgpack_token *t,
                   uint32_t depth)
{
    struct {
        uint64_t left, all;
        bool     map;
    } level[MSGPACK_DEPTH_MAX + 1];
    uint32_t      base = depth;
    msgpack_token inner = *t;
    bool          key = false;
    wr_text_clear(&d->json);
    for (;;) {
        bool container = inner.kind == MSGPACK_LIST || inner.kind == MSGPACK_MAP;
        if (container && key)
            return wr_msgpack_fault(d, MSGPACK_WRONG, "a container is a key");
        if (container) {
            if (++depth > MSGPACK_DEPTH_MAX) /* M2 */
                return wr_msgpack_fault(d, MSGPACK_WRONG, "nested deeper than 32");
            level[depth].map = inner.kind == MSGPACK_MAP;
            level[depth].all = level[depth].left = (uint64_t) inner.count * (level[depth].map ? 2 : 1);
            wr_text_putc(&d->json, level[depth].map ? '{' : '[');
        } else if (is_json(d, &inner)) {
            scalar_to_json(d, &inner, key);
        }
        while (depth > base && level[depth].left == 0)
            wr_text_putc(&d->json, level[depth--].map ? '}' : ']');
        if (depth == base)
            break;
        bool odd = (level[depth].all - level[depth].left) % 2 == 1;
        if (level[depth].left < level[depth].all)
            wr_text_putc(&d->json, level[depth].map && odd ? ':' : ',');
        key = level[depth].map && !odd;
        level[depth].left--;
        if ((p = wr_msgpack_token(d, p, end, &inner)) == NULL)
            return NULL;
    }
    if (!wr_text_ok(&d->json))
        return wr_msgpack_fault(d, MSGPACK_NO_MEMORY, "");
    return p;
}
