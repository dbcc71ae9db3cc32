/* SPDX-License-Identifier: Apache-2.0 */
/* store_test.c -- K1..K3 of checkpoint/checkpoint.h: what was damaged is never served, what was complete
 * always is, wherever the process died. */
#include "support/test.h"

#include "checkpoint/checkpoint.h"
#include "support/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FINGERPRINT = 77 };
static char directory[SCRATCH_PATH_MAX];

static void
begin(void)
{
    scratch_begin(directory, "store");
}

static void
end(void)
{
    scratch_remove(directory);
}

static wr_store *
open_store(void)
{
    weir_error err;
    wr_store  *store = NULL;
    wr_error_clear(&err);
    if (wr_store_open(directory, &store, &err) != WEIR_OK)
        fail_msg("%s", err.text);
    return store;
}

/* Checkpoint n: parts whose bytes all say n. */
static weir_status
write_nth(wr_store *store, uint64_t n)
{
    char          small[16], large[3000];
    uint64_t      bytes;
    weir_error    err;
    wr_store_part parts[] = { { "view/0#0/0.aggregate", large, sizeof large },
                              { "view/0#0/task", small, sizeof small },
                              { "source/s#0", small, 0 } };
    memset(small, (int) n, sizeof small);
    memset(large, (int) n, sizeof large);
    return wr_store_write(store, n, FINGERPRINT, (wr_time) n * 1000, parts, 3, &bytes, &err);
}

static bool
all_bytes(const wr_store_part *part, uint64_t n)
{
    for (size_t i = 0; i < part->length; i++)
        if (((const unsigned char *) part->bytes)[i] != (unsigned char) n)
            return false;
    return true;
}

/* The epoch served, 0 for none; -1: an error.  Whatever is served must be whole. */
static int64_t
served(wr_store *store, weir_status *status, bool *told)
{
    wr_checkpoint c;
    wr_text       skipped;
    weir_error    err;
    bool          found = false;
    int64_t       epoch = 0;
    wr_text_init(&skipped, NULL);
    weir_status st = wr_store_read(store, FINGERPRINT, &found, &c, &skipped, &err);
    if (status != NULL)
        *status = st;
    if (told != NULL)
        *told = skipped.length > 0;
    if (st != WEIR_OK)
        epoch = -1;
    else if (found) {
        epoch = (int64_t) c.epoch;
        assert_int_equal(c.part_count, 3);
        assert_string_equal(c.parts[0].name, "view/0#0/0.aggregate");
        assert_int_equal(c.parts[0].length, 3000);
        assert_int_equal(c.parts[1].length, 16);
        assert_int_equal(c.parts[2].length, 0);
        assert_int_equal(c.written_at, epoch * 1000);
        for (int p = 0; p < 3; p++)
            assert_true(all_bytes(&c.parts[p], c.epoch));
        wr_checkpoint_fini(&c);
    }
    wr_text_fini(&skipped);
    return epoch;
}

static void
what_is_written_is_read(void **state)
{
    begin();
    wr_store *store = open_store();
    assert_int_equal(served(store, NULL, NULL), 0);
    for (uint64_t n = 1; n <= 5; n++) {
        assert_int_equal(write_nth(store, n), WEIR_OK);
        assert_int_equal(served(store, NULL, NULL), n);
    }
    wr_store_close(store);
    store = open_store();
    assert_int_equal(served(store, NULL, NULL), 5);
    wr_store_close(store);
    end();
}

static void
the_last_three_are_kept(void **state)
{
    begin();
    wr_store *store = open_store();
    for (uint64_t n = 1; n <= 6; n++)
        assert_int_equal(write_nth(store, n), WEIR_OK);
    wr_store_close(store);
    int            manifests = 0, data = 0;
    DIR           *dir = opendir(directory);
    struct dirent *e;
    while ((e = readdir(dir)) != NULL) {
        manifests += strstr(e->d_name, ".m") != NULL;
        data += strstr(e->d_name, ".d") != NULL;
    }
    closedir(dir);
    assert_int_equal(manifests, 3);
    assert_int_equal(data, 3);
    end();
}

static void
a_second_process_is_refused(void **state)
{
    begin();
    wr_store  *store = open_store(), *other = NULL;
    weir_error err;
    assert_int_equal(wr_store_open(directory, &other, &err), WEIR_CHECKPOINT);
    wr_store_close(store);
    end();
}

static void
another_pipelines_checkpoint_is_refused(void **state)
{
    begin();
    wr_store     *store = open_store();
    wr_checkpoint c;
    wr_text       skipped;
    weir_error    err;
    bool          found;
    assert_int_equal(write_nth(store, 1), WEIR_OK);
    wr_text_init(&skipped, NULL);
    assert_int_equal(wr_store_read(store, FINGERPRINT + 1, &found, &c, &skipped, &err),
                     WEIR_CHECKPOINT_MISMATCH);
    assert_false(found);
    wr_text_fini(&skipped);
    wr_store_close(store);
    end();
}

/* Read a whole file; the caller frees. */
static char *
slurp(const char *path, size_t *length)
{
    FILE *f = fopen(path, "rb");
    char *bytes = NULL;
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *length = (size_t) ftell(f);
    rewind(f);
    bytes = malloc(*length + 1);
    assert_int_equal(fread(bytes, 1, *length, f), *length);
    fclose(f);
    return bytes;
}

static void
spew(const char *path, const char *bytes, size_t length)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, length, f), length);
    fclose(f);
}

/* Damage the newest checkpoint's file in every way `damage` knows: the older one must serve. */
static void
each_damage(const char *name, uint64_t newest)
{
    char   path[256];
    size_t length;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    char     *bytes = slurp(path, &length);
    wr_store *store = open_store();
    bool      told;
    for (size_t bit = 0; bit < 8 * length; bit++) { /* K3: a flipped bit anywhere */
        bytes[bit / 8] ^= (char) (1 << (bit % 8));
        spew(path, bytes, length);
        bytes[bit / 8] ^= (char) (1 << (bit % 8));
        assert_int_equal(served(store, NULL, &told), newest - 1);
        assert_true(told);
    }
    for (size_t cut = 0; cut < length; cut++) { /* cut short anywhere */
        spew(path, bytes, cut);
        assert_int_equal(served(store, NULL, &told), newest - 1);
        assert_true(told);
    }
    unlink(path); /* gone */
    assert_int_equal(served(store, NULL, &told), newest - 1);
    spew(path, bytes, length);
    assert_int_equal(served(store, NULL, NULL), newest);
    wr_store_close(store);
    free(bytes);
}

static void
every_flipped_byte_is_found_and_an_older_one_serves(void **state)
{
    begin();
    wr_store *store = open_store();
    assert_int_equal(write_nth(store, 1), WEIR_OK);
    assert_int_equal(write_nth(store, 2), WEIR_OK);
    wr_store_close(store);
    each_damage("ckpt-0000000002.m", 2);
    each_damage("ckpt-0000000002-0.d", 2);
    end();
}

/* K2: the newest is damaged again and again, each time after a run that went on from an older one. */
static void
damaged_ones_do_not_drive_the_good_out(void **state)
{
    begin();
    wr_store *store = open_store();
    for (uint64_t n = 1; n <= 3; n++)
        assert_int_equal(write_nth(store, n), WEIR_OK);
    wr_store_close(store);
    for (uint64_t n = 4; n <= 12; n++) {
        char path[256];
        bool told;
        snprintf(path, sizeof path, "%s/ckpt-%010llu.m", directory, (unsigned long long) n - 1);
        spew(path, "x", 1);
        store = open_store();
        assert_int_equal(served(store, NULL, &told), 2);
        assert_true(told);
        assert_int_equal(write_nth(store, n), WEIR_OK);
        assert_int_not_equal(access(path, F_OK), 0); /* what was passed over is gone */
        wr_store_close(store);
    }
    end();
}

/* One that could not be removed when it failed. */
static void
what_a_failed_write_left_is_in_nobodys_way(void **state)
{
    static const char *const left[] = { "ckpt-0000000001-0.d.tmp", "ckpt-0000000001.m.tmp", "CURRENT.tmp" };
    begin();
    wr_store *store = open_store();
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", directory, left[i]);
        spew(path, "half", 4);
    }
    assert_int_equal(write_nth(store, 1), WEIR_OK);
    assert_int_equal(served(store, NULL, NULL), 1);
    wr_store_close(store);
    end();
}

static void
current_is_a_hint_that_is_checked(void **state)
{
    begin();
    char      path[256];
    size_t    length;
    bool      told;
    wr_store *store = open_store();
    assert_int_equal(write_nth(store, 1), WEIR_OK);
    assert_int_equal(write_nth(store, 2), WEIR_OK);
    snprintf(path, sizeof path, "%s/CURRENT", directory);
    char *bytes = slurp(path, &length);
    for (size_t bit = 0; bit < 8 * length; bit++) {
        bytes[bit / 8] ^= (char) (1 << (bit % 8));
        spew(path, bytes, length);
        bytes[bit / 8] ^= (char) (1 << (bit % 8));
        assert_int_equal(served(store, NULL, NULL), 2);
    }
    for (size_t cut = 0; cut < length; cut++) {
        spew(path, bytes, cut);
        assert_int_equal(served(store, NULL, NULL), 2);
    }
    unlink(path);
    assert_int_equal(served(store, NULL, &told), 2);
    assert_false(told);
    /* It names a checkpoint that is not there: told. */
    spew(path, bytes, length);
    snprintf(path, sizeof path, "%s/ckpt-0000000002.m", directory);
    unlink(path);
    assert_int_equal(served(store, NULL, &told), 1);
    assert_true(told);
    free(bytes);
    wr_store_close(store);
    end();
}

static void
nothing_readable_is_an_error_not_a_fresh_start(void **state)
{
    begin();
    char        path[256];
    weir_status status;
    wr_store   *store = open_store();
    assert_int_equal(write_nth(store, 1), WEIR_OK);
    snprintf(path, sizeof path, "%s/ckpt-0000000001-0.d", directory);
    spew(path, "x", 1);
    assert_int_equal(served(store, &status, NULL), -1);
    assert_int_equal(status, WEIR_CHECKPOINT_UNREADABLE);
    snprintf(path, sizeof path, "%s/ckpt-0000000001.m", directory);
    unlink(path); /* CURRENT still says that there was one */
    assert_int_equal(served(store, &status, NULL), -1);
    wr_store_close(store);
    end();
}

/* Whatever bit of the only checkpoint is wrong, or wherever it ends: an error with words, never a fresh start. */
static void
a_damaged_only_one_is_an_error(void **state)
{
    static const char *const names[] = { "ckpt-0000000001.m", "ckpt-0000000001-0.d" };
    begin();
    char      path[256];
    wr_store *store = open_store();
    assert_int_equal(write_nth(store, 1), WEIR_OK);
    for (size_t f = 0; f < WR_COUNT(names); f++) {
        size_t      length;
        weir_status status;
        snprintf(path, sizeof path, "%s/%s", directory, names[f]);
        char *bytes = slurp(path, &length);
        for (size_t i = 0; i < length; i++) {
            bytes[i] ^= (char) (1 << (i % 8));
            spew(path, bytes, length);
            bytes[i] ^= (char) (1 << (i % 8));
            assert_int_equal(served(store, &status, NULL), -1);
            assert_int_equal(status, WEIR_CHECKPOINT_UNREADABLE);
            spew(path, bytes, i);
            assert_int_equal(served(store, &status, NULL), -1);
        }
        spew(path, bytes, length);
        assert_int_equal(served(store, NULL, NULL), 1);
        free(bytes);
    }
    wr_store_close(store);
    end();
}

static void
a_changed_version_is_refused(void **state)
{
    begin();
    char       path[256];
    weir_error err;
    wr_store  *store = open_store();
    wr_store_close(store);
    snprintf(path, sizeof path, "%s/VERSION", directory);
    spew(path, "weir-store 2\n", 13);
    assert_int_equal(wr_store_open(directory, &store, &err), WEIR_CHECKPOINT_UNREADABLE);
    end();
}

/* --- dying at each point of I/O --- */

static int io_left;

static void
die_at_nth_io(const char *what, const char *path)
{
    (void) what;
    (void) path;
    if (io_left-- == 0)
        raise(SIGKILL);
}

/* In a child: write checkpoint n, dying before the k-th I/O.  True: it died. */
static bool
write_and_die(uint64_t n, int k)
{
    int   status;
    pid_t pid = fork();
    if (pid == 0) {
        wr_store *store = open_store();
        io_left = k;
        wr_store_before_io = die_at_nth_io;
        bool written = write_nth(store, n) == WEIR_OK;
        wr_store_close(store);
        _exit(written ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

static void
a_crash_at_any_io_leaves_the_old_or_the_new(void **state)
{
    begin();
    wr_store *store = open_store();
    assert_int_equal(write_nth(store, 1), WEIR_OK);
    wr_store_close(store);
    uint64_t last = 1;
    int      deaths = 0;
    for (int k = 0;; k++) {
        bool died = write_and_die(last + 1, k);
        store = open_store();
        int64_t now = served(store, NULL, NULL);
        wr_store_close(store);
        assert_true(now == (int64_t) last || now == (int64_t) last + 1);
        last = (uint64_t) now;
        deaths += died;
        if (!died) {
            assert_int_equal(now, last);
            break;
        }
    }
    assert_true(deaths >= 14); /* data, manifest, CURRENT: open, write, sync, rename; directory thrice */
    end();
}

static void
a_full_disk_is_told_and_the_old_one_serves(void **state)
{
    begin();
    wr_store *store = open_store();
    assert_int_equal(write_nth(store, 1), WEIR_OK);
    wr_store_close(store);
    int   status;
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit = { 1000, 1000 }; /* bytes a file: the data does not fit */
        signal(SIGXFSZ, SIG_IGN);
        store = open_store();
        setrlimit(RLIMIT_FSIZE, &limit);
        bool full = write_nth(store, 2) == WEIR_DISK_FULL;
        bool right = full && served(store, NULL, NULL) == 1;
        wr_store_close(store);
        _exit(right ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 0);
    store = open_store();
    assert_int_equal(served(store, NULL, NULL), 1);
    assert_int_equal(write_nth(store, 3), WEIR_OK);
    assert_int_equal(served(store, NULL, NULL), 3);
    wr_store_close(store);
    end();
}

/* With any amount of it the newest is read, or it is said that there is too little: never an older one. */
static void
short_memory_does_not_serve_an_older_one(void **state)
{
    begin();
    wr_store  *store = open_store();
    wr_budget *process = wr_budget_process();
    uint64_t   limit = wr_budget_limit(process), room = 0;
    int64_t    epoch = -1;
    assert_int_equal(write_nth(store, 1), WEIR_OK);
    assert_int_equal(write_nth(store, 2), WEIR_OK);
    for (; room < 1 << 20 && epoch != 2; room += 512) {
        weir_status status;
        wr_budget_set_limit(process, wr_budget_used(process) + room);
        epoch = served(store, &status, NULL);
        wr_budget_set_limit(process, limit);
        assert_true(epoch == 2 || status == WEIR_MEMORY);
    }
    assert_int_equal(epoch, 2);
    assert_true(room > 512); /* it was short at first */
    wr_store_close(store);
    end();
}

WR_TESTS = {
    WR_TEST(what_is_written_is_read),
    WR_TEST(short_memory_does_not_serve_an_older_one),
    WR_TEST(the_last_three_are_kept),
    WR_TEST(a_second_process_is_refused),
    WR_TEST(another_pipelines_checkpoint_is_refused),
    WR_TEST(every_flipped_byte_is_found_and_an_older_one_serves),
    WR_TEST(damaged_ones_do_not_drive_the_good_out),
    WR_TEST(what_a_failed_write_left_is_in_nobodys_way),
    WR_TEST(current_is_a_hint_that_is_checked),
    WR_TEST(nothing_readable_is_an_error_not_a_fresh_start),
    WR_TEST(a_damaged_only_one_is_an_error),
    WR_TEST(a_changed_version_is_refused),
    WR_TEST(a_crash_at_any_io_leaves_the_old_or_the_new),
    WR_TEST(a_full_disk_is_told_and_the_old_one_serves),
    { NULL, NULL },
};
