/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/journal.c -- bytes of a journal of what sinks were told, read as a restart does.
 *
 * The first byte says what they are: a whole file (even), or one record's bytes behind good checksums (odd).
 */
#include "checkpoint/journal_impl.h"
#include "fuzz/fuzz.h"
#include "runtime/undo_impl.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static wr_field fields[] = { { .name = "k", .type = WR_TYPE(WR_INT8) },
                             { .name = "n", .type = WR_TYPE(WR_INT8) },
                             { .name = "s", .type = WR_TYPE(WR_NUMERIC) } };
static uint32_t key[] = { 0 };
static wr_schema schema = { .fields = fields,
                            .field_count = 3,
                            .kind = WR_UPSERT,
                            .key = key,
                            .key_count = 1,
                            .time_column = -1 };

static weir_status
visit(void *user, const wr_journal_record *record)
{
    wr_snapshot_reader r;
    wr_batch *batch = NULL;
    wr_snapshot_reader_init(&r, record->bytes, record->length, WR_GROUPS_ALL);
    if (!wr_snapshot_next(&r))
        return WEIR_OK;
    (void)wr_snapshot_get_u64(&r);
    uint32_t from = (uint32_t)wr_snapshot_get_u64(&r);
    bool goes_on = wr_snapshot_get_u64(&r) != 0;
    if (wr_snapshot_get_batch(&r, NULL, &schema, &batch) != WEIR_OK)
        return WEIR_OK;
    wr_batch_check(batch);
    batch->goes_on = goes_on;
    weir_status status = wr_undo_back_add(user, from, batch);
    wr_batch_release(batch);
    return status;
}

static void
journal_fill(int dir, const uint8_t *data, size_t size)
{
    wr_text text;
    wr_text_init(&text, NULL);
    if (data[0] % 2 == 0)
        wr_text_append(&text, data + 1, size - 1);
    else {
        wr_frame_begin(&text, FRAME_RECORD, 1, size - 1);
        wr_text_append(&text, data + 1, size - 1);
        wr_frame_end(&text, size - 1);
    }
    int fd = openat(dir, "undo-0000000001.j", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    wr_assert(fd >= 0 &&
              (text.length == 0 || write(fd, text.data, text.length) == (ssize_t)text.length));
    close(fd);
    wr_text_fini(&text);
}

static void
journal_read(const char *path)
{
    wr_store *store;
    wr_journal *journal;
    wr_text told;
    weir_error err;
    wr_batch *batch = NULL;
    wr_text_init(&told, NULL);
    undo_back *back = wr_undo_back_create(NULL, &schema);
    wr_assert(back != NULL && wr_store_open(path, &store, &err) == WEIR_OK);
    wr_assert(wr_journal_open(store, &journal, &err) == WEIR_OK && !wr_journal_is_empty(journal));
    (void)!wr_journal_read(journal, visit, back, &told, &err);
    (void)!wr_undo_back_settle(back);
    while (wr_undo_back_next(back, true, &batch) == WEIR_OK && batch != NULL) {
        wr_batch_check(batch);
        wr_batch_release(batch);
    }
    wr_undo_back_destroy(back);
    wr_journal_close(journal);
    wr_store_close(store);
    wr_text_fini(&told);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[128];
    const char *where = getenv("TMPDIR");
    if (size == 0)
        return 0;
    snprintf(path, sizeof path, "%.100s/weir-fuzz-journal-%d", where != NULL ? where : "/tmp",
             (int)getpid());
    (void)mkdir(path, 0700);
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    wr_assert(dir >= 0);
    journal_fill(dir, data, size);
    journal_read(path);
    static const char *const names[] = { "undo-0000000001.j", "LOCK", "VERSION" };
    for (size_t i = 0; i < WR_COUNT(names); i++)
        (void)unlinkat(dir, names[i], 0);
    close(dir);
    rmdir(path);
    return 0;
}
