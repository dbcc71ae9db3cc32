/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/checkpoint.c -- bytes of a snapshot, read as an operator would; and as files of a checkpoint. */
#include "checkpoint/checkpoint.h"
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void
file_put(const char *dir, const char *name, const void *bytes, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "we");
    if (f != NULL) {
        fwrite(bytes, 1, size, f);
        fclose(f);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
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

    char dir[64];
    wr_store *store;
    wr_checkpoint found;
    wr_text skipped;
    bool any = false;
    snprintf(dir, sizeof dir, "/tmp/weir-fuzz-store-%d", (int)getpid());
    mkdir(dir, 0700);
    file_put(dir, "CURRENT", "ckpt-0000000001.m\n", 18);
    file_put(dir, "ckpt-0000000001.m", data, size);
    file_put(dir, "ckpt-0000000001-0.d", data, size);
    wr_text_init(&skipped, NULL);
    if (wr_store_open(dir, &store, NULL) == WEIR_OK) {
        if (wr_store_read(store, 1, &any, &found, &skipped, NULL) == WEIR_OK && any)
            wr_checkpoint_fini(&found);
        wr_store_close(store);
    }
    wr_text_fini(&skipped);
    return 0;
}
