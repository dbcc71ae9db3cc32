/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint/manifest.c -- the manifest's payload (see manifest_impl.h).
 *
 * Format      u64 each: sequence, parent, epoch, fingerprint, written_at, file count; a file: name,
 *             bytes, hash low, hash high; then part count; a part: name, file, length.  A name is u64
 *             length + bytes.  Nothing may follow.
 */
#include "checkpoint/manifest_impl.h"

#include <stdio.h>
#include <string.h>

enum { COUNT_MAX = 1 << 24, NAME_BYTES_MAX = 4096 };

void
wr_store_manifest_name(char name[STORE_NAME_MAX], uint64_t sequence)
{
    snprintf(name, STORE_NAME_MAX, "ckpt-%010llu.m", (unsigned long long) sequence);
}

void
wr_store_data_name(char name[STORE_NAME_MAX], uint64_t sequence, uint32_t index)
{
    snprintf(name, STORE_NAME_MAX, "ckpt-%010llu-%u.d", (unsigned long long) sequence, index);
}

bool
wr_store_name_parse(const char *name, uint64_t *sequence, bool *is_manifest)
{
    unsigned long long s;
    unsigned           index;
    int                end = 0;
    if (sscanf(name, "ckpt-%20llu.m%n", &s, &end) == 1 && end > 0 && name[end] == '\0')
        *is_manifest = true;
    else if (end = 0, sscanf(name, "ckpt-%20llu-%u.d%n", &s, &index, &end) == 2 && end > 0 &&
                          name[end] == '\0')
        *is_manifest = false;
    else
        return false;
    *sequence = s;
    return true;
}

/* --- encode --- */

static void
put_u64(wr_text *to, uint64_t v)
{
    wr_text_append(to, &v, sizeof v);
}

static void
put_name(wr_text *to, const char *name)
{
    size_t length = strlen(name);
    put_u64(to, length);
    wr_text_append(to, name, length);
}

void
wr_manifest_encode(const manifest *m, wr_text *to)
{
    put_u64(to, m->sequence);
    put_u64(to, m->parent);
    put_u64(to, m->epoch);
    put_u64(to, m->fingerprint);
    put_u64(to, (uint64_t) m->written_at);
    put_u64(to, m->file_count);
    for (uint32_t i = 0; i < m->file_count; i++) {
        put_name(to, m->files[i].name);
        put_u64(to, m->files[i].sum.bytes);
        put_u64(to, m->files[i].sum.hash_low);
        put_u64(to, m->files[i].sum.hash_high);
    }
    put_u64(to, m->part_count);
    for (uint32_t i = 0; i < m->part_count; i++) {
        put_name(to, m->parts[i].name);
        put_u64(to, m->parts[i].file);
        put_u64(to, m->parts[i].length);
    }
}

/* --- decode: hostile input --- */

typedef struct cursor {
    const char *at, *end;
    bool        failed;
} cursor;

static uint64_t
get_u64(cursor *c)
{
    uint64_t v = 0;
    if (c->end - c->at < (ptrdiff_t) sizeof v) {
        c->failed = true;
        return 0;
    }
    memcpy(&v, c->at, sizeof v);
    c->at += sizeof v;
    return v;
}

static const char *
get_name(cursor *c, wr_arena *arena)
{
    uint64_t length = get_u64(c);
    if (c->failed || length > NAME_BYTES_MAX || (uint64_t) (c->end - c->at) < length ||
        memchr(c->at, '\0', length) != NULL) {
        c->failed = true;
        return "";
    }
    char *name = wr_arena_strndup(arena, c->at, length);
    c->at += length;
    c->failed = name == NULL;
    return name != NULL ? name : "";
}

/* A count of things that take at least 24 bytes each. */
static uint32_t
get_count(cursor *c)
{
    uint64_t count = get_u64(c);
    if (count > COUNT_MAX || count > (uint64_t) (c->end - c->at) / 24) {
        c->failed = true;
        return 0;
    }
    return (uint32_t) count;
}

bool
wr_manifest_decode(const char *bytes, size_t length, wr_arena *arena, manifest *m)
{
    cursor c = { bytes, bytes + length, false };
    memset(m, 0, sizeof *m);
    m->sequence = get_u64(&c);
    m->parent = get_u64(&c);
    m->epoch = get_u64(&c);
    m->fingerprint = get_u64(&c);
    m->written_at = (wr_time) get_u64(&c);
    m->file_count = get_count(&c);
    m->files = wr_arena_calloc(arena, m->file_count + 1, sizeof *m->files);
    for (uint32_t i = 0; m->files != NULL && i < m->file_count && !c.failed; i++) {
        m->files[i].name = get_name(&c, arena);
        m->files[i].sum.bytes = get_u64(&c);
        m->files[i].sum.hash_low = get_u64(&c);
        m->files[i].sum.hash_high = get_u64(&c);
    }
    m->part_count = get_count(&c);
    m->parts = wr_arena_calloc(arena, m->part_count + 1, sizeof *m->parts);
    for (uint32_t i = 0; m->parts != NULL && i < m->part_count && !c.failed; i++) {
        m->parts[i].name = get_name(&c, arena);
        uint64_t file = get_u64(&c);
        m->parts[i].file = (uint32_t) file;
        m->parts[i].length = get_u64(&c);
        c.failed = c.failed || file >= m->file_count ||
                   (i > 0 && m->parts[i].file < m->parts[i - 1].file);
    }
    return !c.failed && c.at == c.end && m->files != NULL && m->parts != NULL;
}
