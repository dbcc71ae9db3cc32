/* SPDX-License-Identifier: Apache-2.0 */
/* journal_test.c -- J1 to J4 of checkpoint/journal.h. */
#include "support/test.h"

#include "checkpoint/journal.h"
#include "support/scratch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[SCRATCH_PATH_MAX];
static wr_store *store;
static wr_journal *journal;
static char got[4096]; /* "epoch:name:bytes " of each record */
static char words[1024];

enum { FROM_BYTES = 48 }; /* of a file's first frame */

static void
open_it(void)
{
    weir_error err = { 0 };
    if (wr_store_open(directory, &store, &err) != WEIR_OK ||
        wr_journal_open(store, &journal, &err) != WEIR_OK)
        fail_msg("%s", err.text);
}

static void
close_it(void)
{
    wr_journal_close(journal);
    wr_store_close(store);
    journal = NULL;
    store = NULL;
}

static void
begin(void)
{
    scratch_begin(directory, "journal");
    open_it();
}

static void
end(void)
{
    close_it();
    scratch_remove(directory);
}

static uint64_t
put(wr_epoch epoch, const char *name, const char *bytes)
{
    uint64_t ticket;
    assert_int_equal(
        wr_journal_put(journal, &(wr_journal_record){ name, epoch, bytes, strlen(bytes) }, &ticket),
        WEIR_OK);
    return ticket;
}

static void
synced(void)
{
    weir_error err = { 0 };
    if (wr_journal_sync(journal, &err) != WEIR_OK)
        fail_msg("%s", err.text);
    assert_int_equal(wr_journal_durable(journal), wr_journal_put_so_far(journal));
}

static weir_status
visit(void *user, const wr_journal_record *r)
{
    size_t n = strlen(got);
    snprintf(got + n, sizeof got - n, "%llu:%s:%.*s ", (unsigned long long)r->epoch, r->name,
             (int)WR_MIN(r->length, (size_t)20), (const char *)r->bytes);
    return WEIR_OK;
}

/* What a process that comes after reads. */
static const char *
read_again(void)
{
    weir_error err = { 0 };
    wr_text told;
    close_it();
    open_it();
    got[0] = '\0';
    wr_text_init(&told, NULL);
    if (wr_journal_read(journal, visit, NULL, &told, &err) != WEIR_OK)
        fail_msg("%s", err.text);
    snprintf(words, sizeof words, "%s", wr_text_string(&told));
    wr_text_fini(&told);
    return got;
}

static char *
path_of(int number)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/undo-%010d.j", directory, number);
    return path;
}

static bool
is_there(int number)
{
    return access(path_of(number), F_OK) == 0;
}

static void
what_is_durable_is_read_in_order(void **state)
{
    begin();
    assert_true(wr_journal_is_empty(journal));
    put(1, "a", "one");
    put(1, "b", "");
    synced();
    put(1, "a", "two");
    synced();
    put(1, "a", "never"); /* no sync */
    assert_string_equal(read_again(), "1:a:one 1:b: 1:a:two ");
    assert_string_equal(words, "");
    assert_false(wr_journal_is_empty(journal));
    end();
}

static void
nothing_put_writes_nothing(void **state)
{
    begin();
    synced();
    assert_false(is_there(1));
    assert_int_equal(wr_journal_bytes(journal), 0);
    end();
}

static void
files_go_with_their_epochs(void **state)
{
    begin();
    for (wr_epoch e = 0; e < 5; e++) {
        put(e, "a", "x");
        synced();
    }
    assert_true(is_there(1) && is_there(5));
    wr_journal_drop(journal, 2);
    assert_false(is_there(1) || is_there(2));
    assert_true(is_there(3));
    assert_string_equal(read_again(), "2:a:x 3:a:x 4:a:x ");
    end();
}

static void
a_floor_makes_what_was_there_void(void **state)
{
    uint64_t ticket;
    begin();
    put(1, "a", "old");
    put(2, "a", "old too");
    synced();
    (void)read_again();
    put(1, "a", "anew");
    assert_int_equal(wr_journal_floor(journal, &ticket), WEIR_OK);
    assert_true(is_there(1));
    synced();
    assert_true(wr_journal_durable(journal) >= ticket);
    assert_false(is_there(1));
    put(2, "a", "on");
    synced();
    assert_string_equal(read_again(), "1:a:anew 2:a:on ");
    end();
}

/* A crash before the old files are gone. */
static void
files_below_a_floor_do_not_count(void **state)
{
    uint64_t ticket;
    char kept[512];
    begin();
    put(1, "a", "old");
    synced();
    (void)read_again();
    snprintf(kept, sizeof kept, "%s/kept", directory);
    assert_int_equal(link(path_of(1), kept), 0);
    put(1, "a", "anew");
    assert_int_equal(wr_journal_floor(journal, &ticket), WEIR_OK);
    synced();
    assert_int_equal(link(kept, path_of(1)), 0);
    assert_string_equal(read_again(), "1:a:anew ");
    /* and without its floor, the write being torn there, both count */
    struct stat st;
    assert_int_equal(stat(path_of(2), &st), 0);
    assert_int_equal(truncate(path_of(2), st.st_size - 1), 0);
    assert_string_equal(read_again(), "1:a:old 1:a:anew ");
    assert_non_null(strstr(words, "undo-0000000002.j: "));
    end();
}

/* The file `number` stands aside; a directory, which no unlink removes, has its name: and back. */
static void
set_aside(int number, bool aside)
{
    char kept[512];
    snprintf(kept, sizeof kept, "%s/kept", directory);
    if (!aside)
        assert_int_equal(rmdir(path_of(number)), 0);
    assert_int_equal(aside ? rename(path_of(number), kept) : rename(kept, path_of(number)), 0);
    if (aside)
        assert_int_equal(mkdir(path_of(number), 0700), 0);
}

/* The file with the floor is older than any checkpoint, but what it made void could not be removed. */
static void
a_floor_stays_while_what_it_made_void_is_there(void **state)
{
    uint64_t ticket;
    begin();
    put(1, "a", "old");
    synced();
    (void)read_again();
    put(1, "a", "anew");
    assert_int_equal(wr_journal_floor(journal, &ticket), WEIR_OK);
    set_aside(1, true);
    synced();
    put(5, "a", "on");
    synced();
    wr_journal_drop(journal, 5);
    assert_true(is_there(2) && is_there(3));
    set_aside(1, false);
    assert_string_equal(read_again(), "1:a:anew 5:a:on ");
    put(5, "a", "on");
    assert_int_equal(wr_journal_floor(journal, &ticket), WEIR_OK);
    synced(); /* now it can */
    assert_false(is_there(1) || is_there(2) || is_there(3));
    assert_string_equal(read_again(), "5:a:on ");
    end();
}

/* J4: every length, every flipped bit. */
static void
damage_ends_a_file(void **state)
{
    char bytes[512];
    begin();
    put(1, "a", "one");
    put(1, "a", "two");
    synced();
    close_it();
    int fd = open(path_of(1), O_RDWR);
    ssize_t size = pread(fd, bytes, sizeof bytes, 0);
    assert_true(size > 0 && size < (ssize_t)sizeof bytes);
    open_it();
    const ssize_t one = FROM_BYTES + (size - FROM_BYTES) / 2; /* the end of the first record */
    for (ssize_t length = 0; length < size; length++) {
        assert_int_equal(pwrite(fd, bytes, (size_t)size, 0), size);
        assert_int_equal(ftruncate(fd, length), 0);
        const char *want = length >= one ? "1:a:one " : "";
        assert_string_equal(read_again(), want);
        assert_int_equal(words[0] != '\0', length != 0 && length != FROM_BYTES && length != one);
    }
    for (ssize_t bit = 0; bit < 8 * size; bit++) {
        char flipped = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        assert_int_equal(pwrite(fd, bytes, (size_t)size, 0), size);
        assert_int_equal(pwrite(fd, &flipped, 1, bit / 8), 1);
        /* the frame's kind of record is in its checksum; bits of the flags, too */
        assert_string_equal(read_again(), bit / 8 >= one ? "1:a:one " : "");
        assert_string_not_equal(words, "");
    }
    close(fd);
    end();
}

static void
limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* J2: what could not be written is there when it can be. */
static void
a_disk_that_is_full_is_told_and_tried_again(void **state)
{
    weir_error err = { 0 };
    begin();
    signal(SIGXFSZ, SIG_IGN);
    put(1, "a", "one");
    synced();
    limit_file_size(100);
    put(1, "a",
        "two, which is so long that it fits neither behind what is in the file nor into one of its "
        "own as long as that limit holds");
    assert_int_equal(wr_journal_sync(journal, &err), WEIR_DISK_FULL);
    assert_non_null(strstr(err.text, "undo-0000000001.j: "));
    put(2, "b", "three");
    assert_int_equal(wr_journal_sync(journal, &err), WEIR_DISK_FULL);
    assert_false(is_there(2)); /* a full disk is not filled with what failed */
    assert_true(wr_journal_durable(journal) < wr_journal_put_so_far(journal));
    limit_file_size(RLIM_INFINITY);
    assert_int_equal(wr_journal_sync(journal, &err), WEIR_OK);
    synced();
    assert_string_equal(read_again(), "1:a:one 1:a:two, which is so lon 2:b:three ");
    end();
}

/* A write that fails has left some of its records behind: the next file has all of them, and each is read once. */
static void
what_was_written_twice_is_read_once(void **state) /* J2 */
{
    static const rlim_t limits[] = { 100, 150, 210, 261 };
    weir_error err = { 0 };
    signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        begin();
        put(1, "a", "one");
        synced();
        put(1, "a", "two, which takes a while");
        put(1, "a", "three, which takes a while");
        put(1, "a", "four, which takes a while");
        limit_file_size(limits[i]);
        assert_int_equal(wr_journal_sync(journal, &err), WEIR_DISK_FULL);
        limit_file_size(RLIM_INFINITY);
        synced();
        put(1, "a", "five");
        put(2, "a", "six");
        synced();
        assert_true(is_there(1) && is_there(2));
        assert_string_equal(read_again(), "1:a:one 1:a:two, which takes a w 1:a:three, which takes a "
                                          "1:a:four, which takes a  1:a:five 2:a:six ");
        end();
    }
}

static void
there_is_room_until_too_much_waits(void **state)
{
    enum { PIECE = 1 << 20 };
    char *bytes = calloc(1, PIECE);
    uint64_t ticket;
    begin();
    for (int i = 0; i < WR_JOURNAL_PENDING_BYTES_MAX / PIECE; i++) {
        assert_true(wr_journal_has_room(journal));
        assert_int_equal(
            wr_journal_put(journal, &(wr_journal_record){ "a", 1, bytes, PIECE }, &ticket),
            WEIR_OK);
    }
    assert_false(wr_journal_has_room(journal));
    synced();
    assert_true(wr_journal_has_room(journal));
    assert_true(wr_journal_bytes(journal) > WR_JOURNAL_PENDING_BYTES_MAX);
    wr_journal_drop(journal, 2);
    assert_int_equal(wr_journal_bytes(journal), 0);
    free(bytes);
    end();
}

/* One that puts down anew what it found and is killed before its floor: what it put is not read beside what it found. */
static void
what_did_not_come_to_its_floor_is_void(void **state) /* J5 */
{
    uint64_t ticket;
    begin();
    put(1, "a", "one");
    synced();
    for (int life = 0; life < 3; life++) {
        assert_string_equal(read_again(), "1:a:one ");
        assert_false(is_there(2 + life)); /* of the one before */
        assert_true(is_there(1));
        assert_int_equal(wr_journal_anew(journal), WEIR_OK);
        put(1, "a", "one");
        synced();
        put(2, "a", "two");
        synced();
    }
    read_again();
    assert_int_equal(wr_journal_anew(journal), WEIR_OK);
    put(1, "a", "again");
    synced();
    assert_int_equal(wr_journal_floor(journal, &ticket), WEIR_OK);
    synced();
    put(2, "a", "live");
    synced();
    assert_string_equal(read_again(), "1:a:again 2:a:live ");
    assert_int_equal(wr_journal_anew(journal), WEIR_OK);
    put(1, "a", "again");
    synced();
    assert_string_equal(read_again(), "1:a:again 2:a:live ");
    end();
}

/* Its first file could not be written, nor removed: the one behind it begins anew, too, and has the floor. */
static void
what_begins_anew_twice_and_has_its_floor_counts(void **state) /* J5, J2 */
{
    uint64_t ticket;
    char     from[2048];
    begin();
    put(1, "a", "one");
    synced();
    read_again();
    assert_int_equal(wr_journal_anew(journal), WEIR_OK);
    put(1, "a", "again");
    assert_int_equal(wr_journal_floor(journal, &ticket), WEIR_OK);
    synced();
    put(2, "a", "live");
    synced();
    close_it();
    snprintf(from, sizeof from, "cp %s %s/undo-0000000009.j", path_of(2), directory);
    assert_int_equal(system(from), 0);
    snprintf(from, sizeof from, "cp %s %s/undo-0000000010.j", path_of(3), directory);
    assert_int_equal(system(from), 0);
    assert_int_equal(truncate(path_of(2), FROM_BYTES + 60), 0);
    unlink(path_of(3));
    open_it();
    assert_string_equal(read_again(), "1:a:again 2:a:live ");
    end();
}

WR_TESTS = { WR_TEST(what_did_not_come_to_its_floor_is_void),
             WR_TEST(what_begins_anew_twice_and_has_its_floor_counts),
             WR_TEST(what_is_durable_is_read_in_order),
             WR_TEST(nothing_put_writes_nothing),
             WR_TEST(files_go_with_their_epochs),
             WR_TEST(a_floor_makes_what_was_there_void),
             WR_TEST(files_below_a_floor_do_not_count),
             WR_TEST(a_floor_stays_while_what_it_made_void_is_there),
             WR_TEST(damage_ends_a_file),
             WR_TEST(a_disk_that_is_full_is_told_and_tried_again),
             WR_TEST(what_was_written_twice_is_read_once),
             WR_TEST(there_is_room_until_too_much_waits),
             { NULL, NULL } };
