/* SPDX-License-Identifier: Apache-2.0 */
/* store_errors_test.c -- K1, K3 of checkpoint/checkpoint.h: directories, files and memory that fail, and what is said. */
#include "support/test.h"

#include "checkpoint/manifest_impl.h"
#include "support/scratch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[SCRATCH_PATH_MAX];

static wr_store *
open_store(void)
{
    weir_error err = { 0 };
    wr_store *store = NULL;
    if (wr_store_open(directory, &store, &err) != WEIR_OK)
        fail_msg("%s", err.text);
    return store;
}

static void
begin(void)
{
    scratch_begin(directory, "store-errors");
    wr_store_close(open_store());
}

static char *
path_of(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

/* What opening `path` says; "" when it can be opened. */
static const char *
refusal(const char *path, weir_status want)
{
    static weir_error err;
    wr_store *store = NULL;
    memset(&err, 0, sizeof err);
    weir_status status = wr_store_open(path, &store, &err);
    wr_store_close(status == WEIR_OK ? store : NULL);
    assert_int_equal(status, want);
    return err.text;
}

static weir_status
write_epoch(wr_store *store, uint64_t epoch, weir_error *err)
{
    uint64_t bytes;
    char byte = (char)epoch;
    wr_store_part parts[] = { { "view/0#0/task", &byte, 1 }, { "source/s#0", &epoch, sizeof epoch } };
    return wr_store_write(store, epoch, 1, 0, parts, 2, &bytes, err);
}

/* The epoch that is served, 0: none is; what was passed over goes to told. */
static uint64_t
served(wr_store *store, weir_status want, wr_text *told)
{
    wr_checkpoint c;
    weir_error err = { 0 };
    bool found = false;
    uint64_t epoch = 0;
    wr_text_clear(told);
    assert_int_equal(wr_store_read(store, 1, &found, &c, told, &err), want);
    if (found) {
        epoch = c.epoch;
        wr_checkpoint_fini(&c);
    }
    return epoch;
}

static uint64_t
serves(wr_store *store)
{
    wr_text told;
    wr_text_init(&told, NULL);
    uint64_t epoch = served(store, WEIR_OK, &told);
    wr_text_fini(&told);
    return epoch;
}

/* --- directories --- */

static void
directories_that_cannot_be_used(void **state)
{
    (void)state;
    char path[5000];
    begin();
    assert_non_null(strstr(refusal("", WEIR_CONFIG_VALUE), "no directory name"));
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    (void)refusal(path, WEIR_CONFIG_VALUE);
    assert_non_null(strstr(refusal(path_of("VERSION"), WEIR_CHECKPOINT), "cannot open"));
    assert_non_null(
        strstr(refusal(path_of("VERSION/below"), WEIR_CHECKPOINT), "cannot make the directory"));
    assert_int_equal(unlink(path_of("LOCK")), 0);
    assert_int_equal(mkdir(path_of("LOCK"), 0700), 0);
    assert_non_null(strstr(refusal(directory, WEIR_CHECKPOINT), "cannot lock"));
    scratch_remove(directory);
}

static void
versions_that_cannot_be_read_or_written(void **state)
{
    (void)state;
    begin();
    assert_int_equal(truncate(path_of("VERSION"), 300), 0);
    assert_non_null(strstr(refusal(directory, WEIR_CHECKPOINT_UNREADABLE), "too large"));
    assert_int_equal(unlink(path_of("VERSION")), 0);
    assert_int_equal(mkdir(path_of("VERSION"), 0700), 0);
    (void)refusal(directory, WEIR_CHECKPOINT_UNREADABLE);
    assert_int_equal(rmdir(path_of("VERSION")), 0);
    assert_int_equal(mkdir(path_of("VERSION.tmp"), 0700), 0); /* in the way of a new one */
    assert_non_null(strstr(refusal(directory, WEIR_CHECKPOINT), "cannot write VERSION"));
    assert_int_equal(rmdir(path_of("VERSION.tmp")), 0);
    (void)refusal(directory, WEIR_OK);
    scratch_remove(directory);
}

static void
a_directory_that_has_gone_is_told(void **state)
{
    (void)state;
    weir_error err = { 0 };
    begin();
    wr_store *store = open_store();
    scratch_remove(directory);
    assert_int_equal(write_epoch(store, 1, &err), WEIR_CHECKPOINT);
    assert_non_null(strstr(err.text, "cannot write ckpt-0000000001-0.d: No such file"));
    wr_store_close(store);
}

/* --- files that cannot be written --- */

static void
a_manifest_that_cannot_be_published_is_in_nobodys_way(void **state)
{
    (void)state;
    weir_error err = { 0 };
    begin();
    wr_store *store = open_store();
    assert_int_equal(write_epoch(store, 1, &err), WEIR_OK);
    assert_int_equal(mkdir(path_of("ckpt-0000000002.m"), 0700), 0);
    assert_int_equal(write_epoch(store, 2, &err), WEIR_CHECKPOINT);
    assert_non_null(strstr(err.text, "cannot write ckpt-0000000002.m"));
    assert_int_equal(serves(store), 1);
    assert_int_equal(write_epoch(store, 3, &err), WEIR_OK);
    assert_int_equal(serves(store), 3);
    assert_int_equal(access(path_of("ckpt-0000000002-0.d"), F_OK), -1);
    wr_store_close(store);
    scratch_remove(directory);
}

static void
a_current_that_cannot_be_written_is_told_and_the_checkpoint_serves(void **state)
{
    (void)state;
    weir_error err = { 0 };
    begin();
    wr_store *store = open_store();
    assert_int_equal(mkdir(path_of("CURRENT"), 0700), 0);
    assert_int_equal(write_epoch(store, 1, &err), WEIR_CHECKPOINT);
    assert_non_null(strstr(err.text, "cannot write CURRENT"));
    assert_int_equal(serves(store), 1);
    assert_int_equal(rmdir(path_of("CURRENT")), 0);
    assert_int_equal(write_epoch(store, 2, &err), WEIR_OK);
    assert_int_equal(serves(store), 2);
    wr_store_close(store);
    scratch_remove(directory);
}

static void
flip_before_the_manifest(const char *what, const char *path)
{
    char byte;
    if (strcmp(what, "open") != 0 || strstr(path, ".m.tmp") == NULL)
        return;
    int fd = open(path_of("ckpt-0000000002-0.d"), O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, 30), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 30), 1);
    close(fd);
}

static void
a_disk_that_lies_is_found_before_the_old_ones_go(void **state)
{
    (void)state;
    weir_error err = { 0 };
    begin();
    wr_store *store = open_store();
    assert_int_equal(write_epoch(store, 1, &err), WEIR_OK);
    wr_store_before_io = flip_before_the_manifest;
    weir_status status = write_epoch(store, 2, &err);
    wr_store_before_io = NULL;
    assert_int_equal(status, WEIR_CHECKPOINT);
    assert_non_null(strstr(err.text, "does not read back"));
    assert_non_null(strstr(err.text, "ckpt-0000000002-0.d"));
    assert_int_equal(access(path_of("ckpt-0000000002.m"), F_OK), -1);
    assert_int_equal(serves(store), 1);
    wr_store_close(store);
    scratch_remove(directory);
}

/* --- parts that need several frames --- */

static void
long_parts_lie_in_several_frames_and_files(void **state)
{
    (void)state;
    enum { EACH = FRAME_PAYLOAD_MAX + 5 };
    uint64_t bytes;
    wr_checkpoint c;
    weir_error err = { 0 };
    wr_text told;
    bool found = false;
    char *part = malloc(EACH), byte;
    begin();
    wr_store *store = open_store();
    assert_int_equal(write_epoch(store, 1, &err), WEIR_OK);
    assert_non_null(part);
    for (uint32_t i = 0; i < EACH; i++)
        part[i] = (char)(i * 7 + i / 251);
    wr_store_part parts[] = { { "a", part, EACH }, { "b", part, 3 }, { "c", part, EACH } };
    assert_int_equal(wr_store_write(store, 2, 1, 0, parts, 3, &bytes, &err), WEIR_OK);
    assert_true(bytes > 2 * EACH);
    wr_text_init(&told, NULL);
    assert_int_equal(wr_store_read(store, 1, &found, &c, &told, &err), WEIR_OK);
    assert_true(found);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(c.parts[i].length, parts[i].length);
        assert_memory_equal(c.parts[i].bytes, part, parts[i].length);
    }
    wr_checkpoint_fini(&c);
    int fd = open(path_of("ckpt-0000000002-0.d"), O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, FRAME_PAYLOAD_MAX + 60), 1); /* in the second frame */
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, FRAME_PAYLOAD_MAX + 60), 1);
    close(fd);
    assert_int_equal(served(store, WEIR_OK, &told), 1);
    assert_non_null(strstr(wr_text_string(&told), "ckpt-0000000002-0.d is damaged"));
    wr_text_fini(&told);
    free(part);
    wr_store_close(store);
    scratch_remove(directory);
}

/* --- manifests that are whole and say what cannot be --- */

/* Publish one of sequence 9 with the data file `name` of one part, whose frame holds `bytes` of them. */
static void
forge(wr_store *store, const char *name, size_t bytes, uint64_t says)
{
    static const char payload[64] = "payload";
    const char *file = strchr(name, '/') != NULL ? "ckpt-0000000009-0.d" : name;
    frame_file f;
    wr_text encoded;
    weir_error err = { 0 };
    manifest_file files[] = { { .name = name } };
    manifest_part parts[] = { { "p", 0, says } };
    manifest m = { .sequence = 9, .epoch = 9, .fingerprint = 1, .files = files, .file_count = 1,
                   .parts = parts, .part_count = 1 };
    wr_frame_file_create(&f, NULL, store->directory, file, 0);
    wr_frame_file_put(&f, FRAME_PART, 9, payload, bytes);
    assert_int_equal(wr_frame_file_finish(&f, &files[0].sum, &err), WEIR_OK);
    wr_text_init(&encoded, NULL);
    wr_manifest_encode(&m, &encoded);
    wr_frame_file_create(&f, NULL, store->directory, "ckpt-0000000009.m", 0);
    wr_frame_file_put(&f, FRAME_MANIFEST, 9, encoded.data, encoded.length);
    wr_frame_file_put(&f, FRAME_FOOTER, 9, &m.sequence, sizeof m.sequence);
    assert_int_equal(wr_frame_file_finish(&f, NULL, &err), WEIR_OK);
    wr_text_fini(&encoded);
}

static void
manifests_that_lie_are_passed_over(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t bytes;
        uint64_t says;
        const char *told;
    } cases[] = {
        { "ckpt-0000000009-0.d", 7, 7, NULL },
        { "ckpt-0000000009-0.d", 7, 6, "ckpt-0000000009-0.d is damaged" },
        { "ckpt-0000000009-0.d", 7, (uint64_t)FRAME_PAYLOAD_MAX + 1, "ckpt-0000000009-0.d is damaged" },
        { "ckpt-0000000009-0.d", 7, UINT64_MAX, "ckpt-0000000009-0.d is damaged" },
        { "../elsewhere", 7, 7, "the manifest names \"../elsewhere\"" },
    };
    weir_error err = { 0 };
    wr_text told;
    begin();
    wr_store *store = open_store();
    wr_text_init(&told, NULL);
    assert_int_equal(write_epoch(store, 1, &err), WEIR_OK);
    for (size_t i = 0; i < WR_COUNT(cases); i++) {
        forge(store, cases[i].name, cases[i].bytes, cases[i].says);
        assert_int_equal(served(store, WEIR_OK, &told), cases[i].told == NULL ? 9 : 1);
        if (cases[i].told != NULL)
            assert_non_null(strstr(wr_text_string(&told), cases[i].told));
    }
    forge(store, "ckpt-0000000009-0.d", 7, 7);
    assert_int_equal(unlink(path_of("ckpt-0000000009-0.d")), 0);
    assert_int_equal(served(store, WEIR_OK, &told), 1);
    assert_non_null(strstr(wr_text_string(&told), "ckpt-0000000009-0.d: No such file"));
    wr_text_fini(&told);
    wr_store_close(store);
    scratch_remove(directory);
}

/* --- short memory --- */

static void
short_memory_fails_a_write_and_leaves_the_old_one(void **state)
{
    (void)state;
    wr_budget *process = wr_budget_process();
    uint64_t limit = wr_budget_limit(process), room = 0, failures = 0;
    weir_error err = { 0 };
    weir_status status = WEIR_MEMORY;
    begin();
    wr_store *store = open_store();
    assert_int_equal(write_epoch(store, 1, &err), WEIR_OK);
    for (; room < 8 << 20 && status != WEIR_OK; room += room < 8192 ? 128 : 8192) {
        wr_budget_set_limit(process, wr_budget_used(process) + room);
        status = write_epoch(store, 2, &err);
        wr_budget_set_limit(process, limit);
        assert_int_equal(serves(store), status == WEIR_OK ? 2 : 1);
        assert_true(status == WEIR_OK || status == WEIR_MEMORY || status == WEIR_CHECKPOINT);
        failures += status != WEIR_OK;
    }
    assert_int_equal(status, WEIR_OK);
    assert_true(failures > 1);
    wr_store_close(store);
    scratch_remove(directory);
}

static void
short_memory_opens_nothing_by_halves(void **state)
{
    (void)state;
    wr_budget *process = wr_budget_process();
    uint64_t limit = wr_budget_limit(process);
    weir_status status = WEIR_MEMORY;
    begin();
    for (uint64_t room = 0; room < 1 << 20 && status != WEIR_OK; room += 64) {
        weir_error err = { 0 };
        wr_store *store = NULL;
        wr_budget_set_limit(process, wr_budget_used(process) + room);
        status = wr_store_open(directory, &store, &err);
        wr_budget_set_limit(process, limit);
        wr_store_close(status == WEIR_OK ? store : NULL);
        assert_true(status == WEIR_OK || status == WEIR_MEMORY ||
                    status == WEIR_CHECKPOINT_UNREADABLE);
        assert_true(status == WEIR_OK || err.text[0] != '\0');
    }
    assert_int_equal(status, WEIR_OK);
    scratch_remove(directory);
}

/* What a restart may begin from; newer ones that cannot be read never come back. */
static void
what_is_newer_than_what_was_read_is_forgotten(void **state)
{
    weir_error err = { 0 };
    begin();
    wr_store *store = open_store();
    for (uint64_t e = 5; e <= 8; e++)
        assert_int_equal(write_epoch(store, e, &err), WEIR_OK);
    wr_store_close(store);
    char kept_name[512];
    snprintf(kept_name, sizeof kept_name, "%s", path_of("away"));
    assert_int_equal(rename(path_of("ckpt-0000000004-0.d"), kept_name), 0);
    for (int turn = 0; turn < 2; turn++) {
        wr_checkpoint c;
        wr_text skipped;
        bool found = false;
        wr_text_init(&skipped, NULL);
        store = open_store();
        assert_int_equal(wr_store_read(store, 1, &found, &c, &skipped, &err), WEIR_OK);
        assert_true(found);
        assert_int_equal(c.epoch, 7);
        wr_checkpoint_fini(&c);
        wr_text_fini(&skipped);
        assert_int_equal(wr_store_oldest(store), 6);
        assert_int_equal(wr_store_forget_newer(store, &err), WEIR_OK);
        wr_store_close(store);
        if (turn == 0) /* put back: too late */
            assert_int_equal(rename(kept_name, path_of("ckpt-0000000004-0.d")), 0);
    }
    scratch_remove(directory);
}

/* What the journal may drop after each checkpoint: it does not take reading a manifest each time. */
static void
the_oldest_epoch_is_known_without_reading(void **state)
{
    weir_error err = { 0 };
    begin();
    wr_store *store = open_store();
    assert_int_equal(wr_store_oldest(store), 0);
    for (uint64_t e = 11; e <= 40; e++) {
        char name[STORE_NAME_MAX];
        uint64_t oldest = e < 14 ? 1 : e - 12; /* sequence */
        assert_int_equal(write_epoch(store, e, &err), WEIR_OK);
        wr_store_manifest_name(name, oldest);
        assert_int_equal(access(path_of(name), F_OK), 0);
        int fd = open(path_of(name), O_WRONLY | O_TRUNC); /* nobody can read it any more */
        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(wr_store_oldest(store), oldest + 10);
    }
    wr_store_close(store);
    store = open_store(); /* another life: it is not known before it has been dropped */
    assert_int_equal(wr_store_oldest(store), 0);
    assert_int_equal(write_epoch(store, 41, &err), WEIR_OK);
    assert_int_equal(wr_store_oldest(store), 39);
    wr_store_close(store);
    scratch_remove(directory);
}

WR_TESTS = {
    WR_TEST(directories_that_cannot_be_used),
    WR_TEST(versions_that_cannot_be_read_or_written),
    WR_TEST(a_directory_that_has_gone_is_told),
    WR_TEST(a_manifest_that_cannot_be_published_is_in_nobodys_way),
    WR_TEST(a_current_that_cannot_be_written_is_told_and_the_checkpoint_serves),
    WR_TEST(a_disk_that_lies_is_found_before_the_old_ones_go),
    WR_TEST(long_parts_lie_in_several_frames_and_files),
    WR_TEST(manifests_that_lie_are_passed_over),
    WR_TEST(short_memory_fails_a_write_and_leaves_the_old_one),
    WR_TEST(short_memory_opens_nothing_by_halves),
    WR_TEST(what_is_newer_than_what_was_read_is_forgotten),
    WR_TEST(the_oldest_epoch_is_known_without_reading),
    { NULL, NULL },
};
