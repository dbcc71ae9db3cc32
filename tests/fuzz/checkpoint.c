/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/checkpoint.c -- bytes of a snapshot, read as an operator would; and a data directory whose files they are.
 *
 * The first byte says which files: the bytes as they are, for all of them (0); a manifest that is whole but for its
 * payload, behind good checksums (1); a data file that is not what a good manifest says of it (2); a data file as a good
 * manifest says, behind good checksums or not (3).  Whatever is served must be whole.
 */
#include "checkpoint/frame_impl.h"
#include "checkpoint/manifest_impl.h"
#include "fuzz/fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char MANIFEST[] = "ckpt-0000000001.m", DATA[] = "ckpt-0000000001-0.d";

static void
file_put(int dir, const char *name, const void *bytes, size_t size)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    wr_assert(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

/* A file of one frame, a footer behind that of a manifest. */
static file_sum
file_frame(int dir, const char *name, frame_type type, const void *payload, size_t length)
{
    uint64_t sequence = 1;
    frame_file f;
    file_sum sum;
    weir_error err;
    wr_frame_file_create(&f, NULL, dir, name, 0);
    wr_frame_file_put(&f, type, sequence, payload, length);
    if (type == FRAME_MANIFEST)
        wr_frame_file_put(&f, FRAME_FOOTER, sequence, &sequence, sizeof sequence);
    wr_assert(wr_frame_file_finish(&f, &sum, &err) == WEIR_OK);
    return sum;
}

static void
manifest_of(int dir, file_sum sum, uint64_t length)
{
    manifest_file file = { DATA, sum };
    manifest_part parts[] = { { "view/0#0/0.aggregate", 0, length / 2 },
                              { "view/0#0/task", 0, length - length / 2 } };
    manifest m = { .sequence = 1,
                   .epoch = 1,
                   .fingerprint = 1,
                   .files = &file,
                   .file_count = 1,
                   .parts = parts,
                   .part_count = 2 };
    wr_text payload;
    wr_text_init(&payload, NULL);
    wr_manifest_encode(&m, &payload);
    (void)file_frame(dir, MANIFEST, FRAME_MANIFEST, payload.data, payload.length);
    wr_text_fini(&payload);
}

static void
directory_fill(int dir, uint8_t kind, const uint8_t *data, size_t size)
{
    file_sum sum = wr_file_sum(data, size);
    file_put(dir, "CURRENT", "ckpt-0000000001.m 00000000\n", 27);
    switch (kind % 4) {
    case 0:
        file_put(dir, MANIFEST, data, size);
        file_put(dir, DATA, data, size);
        break;
    case 1:
        (void)file_frame(dir, MANIFEST, FRAME_MANIFEST, data, size);
        file_put(dir, DATA, data, size);
        break;
    case 2:
        sum.hash_low ^= 1;
        manifest_of(dir, sum, size);
        file_put(dir, DATA, data, size);
        break;
    default:
        if (size > 0 && data[0] % 2 == 0) {
            sum = file_frame(dir, DATA, FRAME_PART, data, size);
            manifest_of(dir, sum, size);
        } else {
            file_put(dir, DATA, data, size);
            manifest_of(dir, sum, size);
        }
    }
}

static void
directory_read(const char *path, uint8_t kind)
{
    wr_store *store;
    wr_checkpoint found;
    wr_text skipped;
    weir_error err;
    bool any = false;
    wr_text_init(&skipped, NULL);
    if (wr_store_open(path, &store, &err) == WEIR_OK) {
        if (wr_store_read(store, 1, &any, &found, &skipped, &err) == WEIR_OK && any) {
            uint64_t sum = 0;
            wr_assert(kind % 4 != 2);
            for (uint32_t i = 0; i < found.part_count; i++)
                sum += found.parts[i].length > 0
                           ? ((const uint8_t *)found.parts[i].bytes)[found.parts[i].length - 1]
                           : 0;
            wr_assert(sum <= 255u * (uint64_t)found.part_count);
            wr_checkpoint_fini(&found);
        }
        wr_store_close(store);
    }
    wr_text_fini(&skipped);
}

static void
snapshot_read(const uint8_t *data, size_t size)
{
    wr_snapshot_reader r;
    wr_arena arena;
    wr_value value;
    size_t n;
    wr_arena_init(&arena, NULL);
    wr_snapshot_reader_init(&r, data, size, WR_GROUPS_ALL);
    for (int i = 0; i < 1000 && wr_snapshot_next(&r); i++)
        while (wr_snapshot_more(&r) && !r.failed) {
            (void)wr_snapshot_get_u64(&r);
            (void)wr_snapshot_get_bytes(&r, &n);
            (void)wr_snapshot_get_value(&r, &arena, &value);
        }
    (void)!wr_snapshot_reader_status(&r);
    wr_arena_fini(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    snapshot_read(data, size);
    if (size == 0)
        return 0;
    snprintf(path, sizeof path, "/tmp/weir-fuzz-store-%d", (int)getpid());
    (void)mkdir(path, 0700);
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    wr_assert(dir >= 0);
    directory_fill(dir, data[0], data + 1, size - 1);
    directory_read(path, data[0]);
    static const char *const names[] = { "CURRENT", "ckpt-0000000001.m", "ckpt-0000000001-0.d",
                                         "LOCK", "VERSION" };
    for (size_t i = 0; i < WR_COUNT(names); i++)
        (void)unlinkat(dir, names[i], 0);
    close(dir);
    rmdir(path);
    return 0;
}
