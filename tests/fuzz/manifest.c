/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/manifest.c -- the payload of a manifest, past its checksum: what is read is written again as it was; and file
 * names of a store.
 */
#include "checkpoint/manifest_impl.h"
#include "fuzz/fuzz.h"

#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wr_arena arena;
    manifest m;
    wr_text again;
    char name[STORE_NAME_MAX], written[STORE_NAME_MAX];
    uint64_t sequence;
    bool is_manifest;
    wr_arena_init(&arena, NULL);
    wr_text_init(&again, NULL);
    if (wr_manifest_decode((const char *)data, size, &arena, &m)) {
        wr_manifest_encode(&m, &again);
        wr_assert(again.length == size && memcmp(again.data, data, size) == 0);
        for (uint32_t i = 0; i < m.part_count; i++)
            wr_assert(m.parts[i].file < m.file_count);
    }
    size_t length = WR_MIN(size, sizeof name - 1);
    memcpy(name, data, length);
    name[length] = '\0';
    if (wr_store_name_parse(name, &sequence, &is_manifest) && is_manifest) {
        wr_store_manifest_name(written, sequence);
        wr_assert(wr_store_name_parse(written, &sequence, &is_manifest) && is_manifest);
    }
    wr_text_fini(&again);
    wr_arena_fini(&arena);
    return 0;
}
