/* SPDX-License-Identifier: Apache-2.0 */
/* directory_test.c -- D1, D2 of checkpoint/directory_impl.h. */
#include "support/test.h"

#include "checkpoint/directory_impl.h"
#include "support/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[SCRATCH_PATH_MAX];
static int directory;
static char hooked[256]; /* "what name " of each call of the hook */

static void
hook(const char *what, const char *name)
{
    size_t n = strlen(hooked);
    snprintf(hooked + n, sizeof hooked - n, "%s %s ", what, name);
}

static void
begin(void)
{
    scratch_begin(path, "directory");
    assert_int_equal(mkdir(path, 0700), 0);
    directory = open(path, O_RDONLY | O_DIRECTORY);
    assert_true(directory >= 0);
    hooked[0] = '\0';
    wr_store_before_io = hook;
}

static void
end(void)
{
    wr_store_before_io = NULL;
    close(directory);
    scratch_remove(path);
}

static int
make(const char *name)
{
    int fd = openat(directory, name, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    return fd;
}

/* --- the directory --- */

static bool
number_of(const char *name, uint64_t *number)
{
    char *rest;
    if (name[0] != 'n')
        return false;
    *number = strtoull(name + 1, &rest, 10);
    return *rest == '\0' && rest > name + 1;
}

static void
numbers_are_ascending(void **state)
{
    enum { COUNT = 50 };
    wr_arena arena;
    uint64_t *numbers;
    uint32_t count = 1;
    weir_error err = { 0 };
    begin();
    wr_arena_init(&arena, NULL);
    assert_int_equal(
        wr_directory_numbers(directory, path, number_of, &arena, &numbers, &count, &err), WEIR_OK);
    assert_int_equal(count, 0);
    for (int i = 0; i < COUNT; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%d", i * 37 % COUNT);
        close(make(name));
    }
    close(make("n"));
    close(make("n5.tmp"));
    close(make("LOCK"));
    assert_int_equal(
        wr_directory_numbers(directory, path, number_of, &arena, &numbers, &count, &err), WEIR_OK);
    assert_int_equal(count, COUNT);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(numbers[i], i);
    assert_string_equal(hooked, ""); /* nothing was changed */
    wr_arena_fini(&arena);
    end();
}

static void
a_directory_that_cannot_be_listed_is_told(void **state)
{
    wr_arena arena;
    uint64_t *numbers;
    uint32_t count;
    DIR *dir;
    weir_error err = { 0 };
    begin();
    wr_arena_init(&arena, NULL);
    int file = make("file");
    assert_int_equal(wr_directory_list(file, path, &dir, &err), WEIR_CHECKPOINT);
    assert_null(dir);
    assert_non_null(strstr(err.text, "cannot list /tmp/"));
    assert_non_null(strstr(err.text, strerror(ENOTDIR)));
    assert_int_equal(wr_directory_numbers(file, path, number_of, &arena, &numbers, &count, NULL),
                     WEIR_CHECKPOINT);
    assert_int_equal(count, 0);
    assert_int_equal(wr_directory_sync(-1, path, &err), WEIR_CHECKPOINT);
    assert_non_null(strstr(err.text, "cannot sync /tmp/"));
    close(file);
    wr_arena_fini(&arena);
    end();
}

static void
short_memory_lists_nothing_by_halves(void **state)
{
    enum { COUNT = 2000 };
    wr_budget *process = wr_budget_process();
    uint64_t limit = wr_budget_limit(process), *numbers;
    weir_status status = WEIR_MEMORY;
    uint32_t count, failures = 0;
    begin();
    for (int i = 0; i < COUNT; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%d", i);
        close(make(name));
    }
    for (uint64_t room = 1; room < 1 << 20 && status != WEIR_OK; room += 4096) {
        wr_arena arena;
        weir_error err = { 0 };
        wr_budget_set_limit(process, wr_budget_used(process) + room);
        wr_arena_init(&arena, NULL);
        status = wr_directory_numbers(directory, path, number_of, &arena, &numbers, &count, &err);
        wr_arena_fini(&arena);
        wr_budget_set_limit(process, limit);
        assert_int_equal(status, status == WEIR_OK ? WEIR_OK : WEIR_MEMORY);
        assert_true(status == WEIR_OK || strstr(err.text, "no memory to list /tmp/") != NULL);
        failures += status != WEIR_OK;
    }
    assert_int_equal(status, WEIR_OK);
    assert_int_equal(count, COUNT);
    assert_true(failures > 0);
    end();
}

/* --- files --- */

/* D1 */
static void
the_hook_hears_of_each_change_once(void **state)
{
    weir_error err = { 0 };
    struct stat st;
    begin();
    int fd = make("a");
    assert_true(wr_file_write(fd, "a", "bytes", 5));
    assert_true(wr_file_write(fd, "a", NULL, 0)); /* changes nothing */
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 5);
    close(fd);
    wr_file_before("rename", "b");
    assert_true(wr_file_remove(directory, "a"));
    assert_int_equal(faccessat(directory, "a", F_OK, 0), -1);
    assert_int_equal(wr_directory_sync(directory, "dir", &err), WEIR_OK);
    assert_string_equal(hooked, "write a rename b unlink a fsync dir ");
    end();
}

static void
what_is_gone_is_removed(void **state)
{
    begin();
    assert_true(wr_file_remove(directory, "nothing"));
    assert_int_equal(mkdirat(directory, "d", 0700), 0);
    assert_false(wr_file_remove(directory, "d"));
    assert_int_equal(errno, EISDIR);
    end();
}

/* D2, and a write that the system does by halves. */
static void
a_disk_that_is_full_is_told_as_such(void **state)
{
    static const char bytes[100];
    struct rlimit old, small;
    weir_error err = { 0 };
    begin();
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){ 64, old.rlim_max };
    int fd = make("a");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool written = wr_file_write(fd, "a", bytes, sizeof bytes);
    int error = errno;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    close(fd);
    assert_false(written);
    assert_int_equal(error, EFBIG);
    assert_int_equal(wr_file_failed("a", EFBIG, &err), WEIR_DISK_FULL);
    assert_int_equal(wr_file_failed("a", EDQUOT, &err), WEIR_DISK_FULL);
    assert_int_equal(wr_file_failed("a", ENOSPC, &err), WEIR_DISK_FULL);
    assert_int_equal(err.code, WEIR_DISK_FULL);
    assert_string_equal(err.text, "cannot write a: No space left on device");
    assert_int_equal(wr_file_failed("a", EIO, &err), WEIR_CHECKPOINT);
    assert_string_equal(err.text, "cannot write a: Input/output error");
    assert_int_equal(wr_file_failed("a", ENOSPC, NULL), WEIR_DISK_FULL);
    end();
}

WR_TESTS = { WR_TEST(numbers_are_ascending),
             WR_TEST(a_directory_that_cannot_be_listed_is_told),
             WR_TEST(short_memory_lists_nothing_by_halves),
             WR_TEST(the_hook_hears_of_each_change_once),
             WR_TEST(what_is_gone_is_removed),
             WR_TEST(a_disk_that_is_full_is_told_as_such),
             { NULL, NULL } };
