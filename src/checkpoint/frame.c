/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint/frame.c -- checksummed frames, and files that are complete or absent (see frame_impl.h).
 *
 * Order       reserve, write, fdatasync, close, rename; the caller syncs the directory.  An fdatasync that
 *             failed is never tried again on the same file: Linux marks the pages clean and the next
 *             one lies.
 */
#include "checkpoint/frame_impl.h"

#include "checkpoint/directory_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_BYTES = 256 * 1024 };
static const uint32_t FRAME_MAGIC = 0x52494557; /* "WEIR" */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian");

/* --- crc32c (Castagnoli), by the instruction --- */

uint32_t
wr_crc32c(const void *bytes, size_t length)
{
    const unsigned char *p = bytes;
    uint64_t             crc = 0xffffffffu;
    for (; length >= 8; p += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        crc = __builtin_ia32_crc32di(crc, word);
    }
    for (; length > 0; p++, length--)
        crc = __builtin_ia32_crc32qi((uint32_t) crc, *p);
    return (uint32_t) crc ^ 0xffffffffu;
}

file_sum
wr_file_sum(const void *bytes, size_t length)
{
    XXH128_hash_t h = XXH3_128bits(bytes, length);
    return (file_sum){ length, h.low64, h.high64 };
}

uint64_t
wr_frame_bytes(uint64_t payload)
{
    uint64_t frames = payload == 0 ? 1 : (payload + FRAME_PAYLOAD_MAX - 1) / FRAME_PAYLOAD_MAX;
    return payload + frames * (FRAME_HEAD_BYTES + FRAME_TAIL_BYTES);
}

/* --- writing --- */

static void
file_failed(frame_file *f)
{
    if (f->status != WEIR_OK)
        return;
    f->error = errno;
    f->status = wr_file_failed(f->tmp, f->error, NULL);
}

void
wr_frame_file_create(frame_file *f, wr_budget *budget, int directory, const char *name,
                     uint64_t bytes_expected)
{
    memset(f, 0, sizeof *f);
    f->budget = budget;
    f->directory = directory;
    f->fd = -1;
    snprintf(f->path, sizeof f->path, "%s", name);
    snprintf(f->tmp, sizeof f->tmp, "%s.tmp", name);
    wr_text_init(&f->buffer, budget);
    f->hash = wr_alloc(budget, sizeof *f->hash + 64);
    if (f->hash == NULL) {
        f->status = WEIR_MEMORY;
        return;
    }
    f->hash_memory = f->hash;
    f->hash = (XXH3_state_t *) (((uintptr_t) f->hash + 63) / 64 * 64);
    XXH3_128bits_reset(f->hash);
    wr_file_before("open", f->tmp);
    f->fd = openat(directory, f->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (f->fd < 0 && errno == EEXIST && unlinkat(directory, f->tmp, 0) == 0) /* one that could not be removed */
        f->fd = openat(directory, f->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (f->fd < 0) {
        file_failed(f);
        return;
    }
    wr_file_before("fallocate", f->tmp);
    int rc = bytes_expected > 0 ? posix_fallocate(f->fd, 0, (off_t) bytes_expected) : 0;
    if (rc != 0 && rc != EOPNOTSUPP && rc != EINVAL) {
        errno = rc;
        file_failed(f);
    }
}

static void
file_write(frame_file *f, const char *bytes, size_t length)
{
    if (f->status == WEIR_OK && !wr_file_write(f->fd, f->tmp, bytes, length))
        file_failed(f);
}

static void
file_flush(frame_file *f)
{
    if (!wr_text_ok(&f->buffer) && f->status == WEIR_OK)
        f->status = WEIR_MEMORY;
    if (f->status == WEIR_OK)
        file_write(f, f->buffer.data, f->buffer.length);
    wr_text_clear(&f->buffer);
}

void
wr_frame_file_put_raw(frame_file *f, const void *bytes, size_t length)
{
    if (f->status != WEIR_OK)
        return;
    XXH3_128bits_update(f->hash, bytes, length);
    f->bytes += length;
    if (length >= BUFFER_BYTES) {
        file_flush(f);
        file_write(f, bytes, length);
        return;
    }
    wr_text_append(&f->buffer, bytes, length);
    if (f->buffer.length >= BUFFER_BYTES || !wr_text_ok(&f->buffer))
        file_flush(f);
}

static void
frame_head(char head[FRAME_HEAD_BYTES], frame_type type, uint64_t sequence, uint32_t length)
{
    uint16_t format = FRAME_FORMAT, kind = (uint16_t) type;
    uint32_t flags = 0;
    memcpy(head, &FRAME_MAGIC, 4);
    memcpy(head + 4, &format, 2);
    memcpy(head + 6, &kind, 2);
    memcpy(head + 8, &flags, 4);
    memcpy(head + 12, &sequence, 8);
    memcpy(head + 20, &length, 4);
    uint32_t crc = wr_crc32c(head, 24);
    memcpy(head + 24, &crc, 4);
}

void
wr_frame_begin(wr_text *to, frame_type type, uint64_t sequence, size_t length)
{
    char head[FRAME_HEAD_BYTES];
    wr_assert(length <= FRAME_PAYLOAD_MAX);
    frame_head(head, type, sequence, (uint32_t) length);
    wr_text_append(to, head, sizeof head);
}

void
wr_frame_end(wr_text *to, size_t length)
{
    uint32_t crc = wr_text_ok(to) ? wr_crc32c(to->data + to->length - length, length) : 0;
    wr_text_append(to, &crc, sizeof crc);
}

static void
file_put_frame(frame_file *f, frame_type type, uint64_t sequence, const char *payload, uint32_t length)
{
    char head[FRAME_HEAD_BYTES];
    frame_head(head, type, sequence, length);
    wr_frame_file_put_raw(f, head, sizeof head);
    wr_frame_file_put_raw(f, payload, length);
    uint32_t crc = wr_crc32c(payload, length);
    wr_frame_file_put_raw(f, &crc, sizeof crc);
}

void
wr_frame_file_put(frame_file *f, frame_type type, uint64_t sequence, const void *payload,
                  size_t length)
{
    const char *at = payload;
    do {
        uint32_t part = (uint32_t) WR_MIN(length, (size_t) FRAME_PAYLOAD_MAX);
        file_put_frame(f, type, sequence, at, part);
        at += part;
        length -= part;
    } while (length > 0);
}

weir_status
wr_frame_file_finish(frame_file *f, file_sum *sum, weir_error *err)
{
    file_flush(f);
    if (f->status == WEIR_OK) {
        wr_file_before("fdatasync", f->tmp);
        if (ftruncate(f->fd, (off_t) f->bytes) != 0 || fdatasync(f->fd) != 0)
            file_failed(f);
    }
    if (f->fd >= 0 && close(f->fd) != 0)
        file_failed(f);
    if (f->status == WEIR_OK) {
        wr_file_before("rename", f->path);
        if (renameat(f->directory, f->tmp, f->directory, f->path) != 0)
            file_failed(f);
    }
    if (f->status == WEIR_OK && sum != NULL) {
        XXH128_hash_t h = XXH3_128bits_digest(f->hash);
        *sum = (file_sum){ f->bytes, h.low64, h.high64 };
    }
    if (f->status != WEIR_OK && f->fd >= 0)
        (void) unlinkat(f->directory, f->tmp, 0);
    wr_text_fini(&f->buffer);
    wr_free(f->hash_memory);
    if (f->status == WEIR_MEMORY)
        return wr_error_set(err, WEIR_MEMORY, "no memory to write %s", f->path);
    if (f->status != WEIR_OK)
        return wr_file_failed(f->path, f->error, err);
    return WEIR_OK;
}

/* --- reading --- */

bool
wr_frame_next(const char *bytes, size_t length, size_t *at, frame *out)
{
    uint32_t    magic, size, crc;
    uint16_t    format, kind;
    const char *p = bytes + *at;
    if (length - *at < FRAME_HEAD_BYTES + FRAME_TAIL_BYTES)
        return false;
    memcpy(&magic, p, 4);
    memcpy(&format, p + 4, 2);
    memcpy(&kind, p + 6, 2);
    memcpy(&out->sequence, p + 12, 8);
    memcpy(&size, p + 20, 4);
    memcpy(&crc, p + 24, 4);
    if (crc != wr_crc32c(p, 24) || magic != FRAME_MAGIC || format != FRAME_FORMAT || size > FRAME_PAYLOAD_MAX ||
        size > length - *at - FRAME_HEAD_BYTES - FRAME_TAIL_BYTES)
        return false;
    memcpy(&crc, p + FRAME_HEAD_BYTES + size, 4);
    if (crc != wr_crc32c(p + FRAME_HEAD_BYTES, size))
        return false;
    out->type = (frame_type) kind;
    out->payload = p + FRAME_HEAD_BYTES;
    out->length = size;
    *at += (size_t) FRAME_HEAD_BYTES + size + FRAME_TAIL_BYTES;
    return true;
}

bool
wr_frame_get(const char *bytes, size_t length, size_t *at, frame_type type, uint64_t sequence,
             const char **payload, size_t *payload_length)
{
    frame  f;
    size_t was = *at;
    if (!wr_frame_next(bytes, length, at, &f))
        return false;
    if (f.type != type || f.sequence != sequence) {
        *at = was;
        return false;
    }
    *payload = f.payload;
    *payload_length = f.length;
    return true;
}
