/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/request_msgpack.c -- requests from MessagePack (see request.h).
 *
 * Every declared length is checked against what is left before it is used: a five-byte header must
 * not make anybody reserve gigabytes.
 */
#include "server/request.h"

#include <math.h>
#include <string.h>

typedef struct pack {
    const unsigned char *at, *end;
    const char *why;
} pack;

static bool
refuse(pack *p, const char *why)
{
    p->why = why;
    return false;
}

static bool
big_endian(pack *p, int bytes, uint64_t *out)
{
    if (p->end - p->at < bytes)
        return refuse(p, "the message is cut off");
    *out = 0;
    for (int i = 0; i < bytes; i++)
        *out = *out << 8 | *p->at++;
    return true;
}

typedef struct head {
    request_kind kind; /* RAW: a container of `count` items       */
    uint64_t length;   /* STRING and binary: bytes that follow    */
    uint64_t count;
    double number;
    bool boolean;
} head;

static bool
number_head(pack *p, unsigned char c, head *h)
{
    uint64_t bits;
    int bytes = c == 0xca ? 4 : c == 0xcb ? 8 : 1 << (c & 3);
    if (!big_endian(p, bytes, &bits))
        return false;
    h->kind = REQUEST_NUMBER;
    if (c == 0xca) {
        uint32_t word = (uint32_t)bits;
        float f;
        memcpy(&f, &word, 4);
        h->number = f;
    } else if (c == 0xcb) {
        memcpy(&h->number, &bits, 8);
    } else if (c >= 0xd0) {
        int shift = 64 - 8 * bytes;
        h->number = (double)((int64_t)(bits << shift) >> shift);
    } else {
        h->number = (double)bits;
    }
    return isfinite(h->number) || refuse(p, "a number is not finite");
}

/* Reads one type byte and what belongs to it, not the payload. */
static bool
head_read(pack *p, head *h)
{
    memset(h, 0, sizeof *h);
    if (p->at == p->end)
        return refuse(p, "the message is cut off");
    unsigned char c = *p->at++;
    if (c < 0x80 || c >= 0xe0) {
        h->kind = REQUEST_NUMBER;
        h->number = (double)(signed char)c;
        return true;
    }
    if (c < 0xa0) {
        h->kind = REQUEST_RAW;
        h->count = (uint64_t)(c & 0x0f) * (c < 0x90 ? 2 : 1);
        return true;
    }
    if (c < 0xc0) {
        h->kind = REQUEST_STRING;
        h->length = c & 0x1f;
        return true;
    }
    if (c == 0xc0)
        return true;
    if (c == 0xc2 || c == 0xc3) {
        h->kind = REQUEST_BOOL;
        h->boolean = c == 0xc3;
        return true;
    }
    if (c >= 0xca && c <= 0xd3)
        return number_head(p, c, h);
    if (c >= 0xd9 && c <= 0xdb) {
        h->kind = REQUEST_STRING;
        return big_endian(p, 1 << (c - 0xd9), &h->length);
    }
    if (c >= 0xc4 && c <= 0xc6) { /* bin: what some clients make of bytes */
        h->kind = REQUEST_STRING;
        return big_endian(p, 1 << (c - 0xc4), &h->length);
    }
    if (c >= 0xdc && c <= 0xdf) {
        h->kind = REQUEST_RAW;
        if (!big_endian(p, c & 1 ? 4 : 2, &h->count))
            return false;
        h->count *= c >= 0xde ? 2 : 1;
        return true;
    }
    return refuse(p, "a type that requests do not have");
}

static bool
value_skip(pack *p, uint32_t depth)
{
    head h;
    if (depth > SERVER_DEPTH_MAX)
        return refuse(p, "nested too deep");
    if (!head_read(p, &h))
        return false;
    if (h.length > (uint64_t)(p->end - p->at) || h.count > (uint64_t)(p->end - p->at))
        return refuse(p, "a length is larger than the message");
    p->at += h.length;
    for (uint64_t i = 0; i < h.count; i++)
        if (!value_skip(p, depth + 1))
            return false;
    return true;
}

static bool
string_copy(pack *p, const head *h, wr_arena *arena, const char **text)
{
    if (h->length > (uint64_t)(p->end - p->at))
        return refuse(p, "a length is larger than the message");
    const char *fault = request_text_fault((const char *)p->at, h->length);
    if (fault != NULL)
        return refuse(p, fault);
    *text = wr_arena_strndup(arena, (const char *)p->at, h->length);
    p->at += h->length;
    return *text != NULL || refuse(p, "out of memory");
}

static bool
value_read(pack *p, wr_arena *arena, request_member *m)
{
    const unsigned char *began = p->at;
    head h;
    if (!head_read(p, &h))
        return false;
    m->kind = h.kind;
    m->number = h.number;
    m->boolean = h.boolean;
    m->length = h.length;
    if (h.kind == REQUEST_STRING)
        return string_copy(p, &h, arena, &m->text);
    if (h.kind != REQUEST_RAW)
        return true;
    p->at = began;
    if (!value_skip(p, 0))
        return false;
    m->text = (const char *)began;
    m->length = (size_t)(p->at - began);
    return true;
}

static bool
member_read(pack *p, wr_arena *arena, request *out)
{
    request_member m = { 0 };
    head h;
    if (out->count == SERVER_MEMBERS_MAX)
        return refuse(p, "too many members");
    if (!head_read(p, &h))
        return false;
    if (h.kind != REQUEST_STRING)
        return refuse(p, "a member's name is not a string");
    if (!string_copy(p, &h, arena, &m.name))
        return false;
    if (request_find(out, m.name) != NULL)
        return refuse(p, "a name stands twice");
    if (!value_read(p, arena, &m))
        return false;
    out->members[out->count++] = m;
    return true;
}

bool
request_parse_msgpack(const char *bytes, size_t length, wr_arena *arena, request *out,
                      const char **why)
{
    pack p = { (const unsigned char *)bytes, (const unsigned char *)bytes + length, NULL };
    head h = { 0 };
    out->count = 0;
    bool ok = length > 0 && ((p.at[0] & 0xf0) == 0x80 || p.at[0] == 0xde || p.at[0] == 0xdf);
    if (!ok)
        refuse(&p, "a request is one map");
    ok = ok && head_read(&p, &h);
    for (uint64_t i = 0; ok && i < h.count / 2; i++)
        ok = member_read(&p, arena, out);
    if (ok && p.at != p.end)
        ok = refuse(&p, "something follows the map");
    *why = p.why;
    return ok; /* Q2 */
}

size_t
request_msgpack_length(const char *at, const char *end)
{
    pack p = { (const unsigned char *)at, (const unsigned char *)end, NULL };
    return value_skip(&p, 0) ? (size_t)(p.at - (const unsigned char *)at) : 0;
}
