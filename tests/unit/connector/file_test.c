/* SPDX-License-Identifier: Apache-2.0 */
/* file_test.c -- connector/file.c: whole files, pipes, following, rotation, positions (P1). */
#include "support/lanes.h"
#include "support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static char path[96], settings[128], follow[160];

static int
setup(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/weir-file-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return 1;
    snprintf(path, sizeof path, "%s/in", folder);
    snprintf(settings, sizeof settings, "path=%s", path);
    snprintf(follow, sizeof follow, "path=%s; follow=true; every=1ms", path);
    return 0;
}

static int
teardown(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void
put(const char *text, const char *mode)
{
    FILE *f = fopen(path, mode);
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void
whole_file_is_read(void **state)
{
    wr_lanes l;
    put("{\"a\":1}\n{\"a\":2}\nbad\n{\"a\":3}", "w");
    wr_lanes_open(&l, "file", settings, "json", "a int8", 0);
    assert_true(l.ops->bounded(l.config));
    assert_true(wr_lanes_run(&l, 5000, NULL));
    assert_int_equal(l.flow, WR_FLOW_DONE);
    assert_string_equal(wr_lanes_rows(&l, 0), "1\n2\n3\n");
    assert_int_equal(wr_lanes_lane(&l, 0)->bad_count, 1);
    assert_true(wr_lanes_lane(&l, 0)->ended);
    wr_lanes_close(&l);
}

static void
second_shard_has_nothing(void **state)
{
    wr_lanes l;
    put("{\"a\":1}\n", "w");
    wr_lanes_open(&l, "file", settings, "json", "a int8", WR_LANES_SECOND_OF_TWO);
    assert_true(wr_lanes_run(&l, 5000, NULL));
    assert_int_equal(l.lane_count, 0);
    wr_lanes_close(&l);
}

static void
missing_file_is_an_error(void **state)
{
    wr_lanes   l;
    weir_error err;
    unlink(path);
    assert_int_equal(wr_lanes_try(&l, "file", settings, "json", "a int8", 0, &err), WEIR_READ);
    assert_non_null(strstr(err.text, "No such file"));
    wr_lanes_close(&l);
    char config[128];
    snprintf(config, sizeof config, "path=%s", folder);
    assert_int_equal(wr_lanes_try(&l, "file", config, "json", "a int8", 0, &err), WEIR_READ);
    assert_non_null(strstr(err.text, "is a directory"));
    wr_lanes_close(&l);
}

static void
large_file_in_small_rooms(void **state)
{
    wr_lanes l;
    FILE    *f = fopen(path, "w");
    for (int i = 0; i < 50000; i++)
        fprintf(f, "{\"a\":%d,\"pad\":\"%060d\"}\n", i, i);
    fclose(f);
    wr_lanes_open(&l, "file", settings, "json", "a int8", 0);
    uint32_t seen = 0;
    do {
        l.room = 777;
        wr_lanes_run(&l, 5000, NULL);
        assert_true(wr_lanes_row_count(&l) >= seen);
        seen = wr_lanes_row_count(&l);
    } while (l.flow != WR_FLOW_DONE);
    assert_int_equal(seen, 50000);
    assert_int_equal(wr_lanes_lane(&l, 0)->bad_count, 0);
    wr_lanes_close(&l);
}

/* Stop after every number of rows, restore into a fresh source: together always the same rows. */
static void
restore_goes_on_at_the_next_record(void **state) /* P1 */
{
    put("{\"a\":1}\n{\"a\":2}\nbad\n{\"a\":3}\n\n{\"a\":4}{\"a\":5}\n", "w");
    for (int64_t stop = 0; stop <= 5; stop++) {
        wr_lanes           l;
        wr_snapshot_writer snapshot;
        wr_text            all;
        wr_text_init(&all, NULL);
        wr_lanes_open(&l, "file", settings, "json", "a int8", 0);
        l.room = stop;
        wr_lanes_run(&l, 5000, NULL);
        if (l.lane_count > 0)
            wr_text_puts(&all, wr_lanes_rows(&l, 0));
        wr_lanes_freeze(&l, &snapshot);
        wr_lanes_close(&l);
        wr_lanes_open(&l, "file", settings, "json", "a int8", 0);
        wr_lanes_restore(&l, &snapshot);
        assert_true(wr_lanes_run(&l, 5000, NULL));
        wr_text_puts(&all, wr_lanes_rows(&l, 0));
        assert_string_equal(wr_text_string(&all), "1\n2\n3\n4\n5\n");
        wr_lanes_close(&l);
        wr_snapshot_writer_fini(&snapshot);
        wr_text_fini(&all);
    }
}

static void
finished_file_stays_finished(void **state)
{
    wr_lanes           l;
    wr_snapshot_writer snapshot, again;
    put("{\"a\":1}\n", "w");
    wr_lanes_open(&l, "file", settings, "json", "a int8", 0);
    assert_true(wr_lanes_run(&l, 5000, NULL));
    wr_lanes_freeze(&l, &snapshot);
    wr_lanes_close(&l);
    wr_lanes_open(&l, "file", settings, "json", "a int8", 0);
    wr_lanes_restore(&l, &snapshot);
    wr_lanes_freeze(&l, &again); /* before the first poll: the same */
    assert_int_equal(snapshot.bytes.length, again.bytes.length);
    assert_memory_equal(snapshot.bytes.data, again.bytes.data, snapshot.bytes.length);
    assert_true(wr_lanes_run(&l, 5000, NULL));
    assert_string_equal(wr_lanes_rows(&l, 0), "");
    assert_true(wr_lanes_lane(&l, 0)->ended);
    wr_lanes_close(&l);
    wr_snapshot_writer_fini(&snapshot);
    wr_snapshot_writer_fini(&again);
}

static void
other_file_is_not_resumed(void **state)
{
    wr_lanes           l;
    wr_snapshot_writer snapshot;
    put("{\"a\":1}\n{\"a\":2}\n", "w");
    wr_lanes_open(&l, "file", settings, "json", "a int8", 0);
    l.room = 1;
    wr_lanes_run(&l, 5000, NULL);
    wr_lanes_freeze(&l, &snapshot);
    wr_lanes_close(&l);
    put("{\"a\":7}\n{\"a\":8}\n", "w");
    wr_lanes_open(&l, "file", settings, "json", "a int8", 0);
    wr_lanes_restore(&l, &snapshot);
    assert_true(wr_lanes_run(&l, 5000, NULL));
    assert_int_equal(l.flow, WR_FLOW_FAIL);
    assert_non_null(strstr(l.ctx.error.text, "is not the file that was read before"));
    wr_lanes_close(&l);
    /* followed, it is a new file */
    wr_lanes_open(&l, "file", follow, "json", "a int8", WR_LANES_BOUNDED);
    wr_lanes_restore(&l, &snapshot);
    assert_true(wr_lanes_run(&l, 5000, NULL));
    assert_string_equal(wr_lanes_rows(&l, 0), "7\n8\n");
    wr_lanes_close(&l);
    wr_snapshot_writer_fini(&snapshot);
}

static void
damaged_snapshots_are_refused(void **state)
{
    wr_lanes           l;
    wr_snapshot_writer snapshot;
    put("{\"a\":1}\n", "w");
    wr_lanes_open(&l, "file", settings, "json", "a int8", 0);
    wr_lanes_run(&l, 5000, NULL);
    wr_lanes_freeze(&l, &snapshot);
    for (size_t cut = 1; cut < snapshot.bytes.length; cut++) {
        wr_snapshot_reader r;
        wr_snapshot_reader_init(&r, snapshot.bytes.data, snapshot.bytes.length - cut, WR_GROUPS_ALL);
        if (wr_snapshot_next(&r))
            assert_int_not_equal(l.ops->restore(l.self, &r), WEIR_OK);
    }
    wr_lanes_close(&l);
    wr_snapshot_writer_fini(&snapshot);
}

static void
followed_file_grows(void **state)
{
    wr_lanes l;
    unlink(path);
    wr_lanes_open(&l, "file", follow, "json", "a int8", 0);
    assert_false(l.ops->bounded(l.config));
    assert_false(wr_lanes_run(&l, 20, NULL));
    assert_true(wr_lanes_lane(&l, 0)->caught_up);
    put("{\"a\":1}\n{\"a\":", "w");
    assert_true(wr_lanes_run_rows(&l, 5000, 1));
    wr_lanes_run(&l, 20, NULL);
    assert_string_equal(wr_lanes_rows(&l, 0), "1\n");
    put("2}\n", "a");
    assert_true(wr_lanes_run_rows(&l, 5000, 2));
    assert_string_equal(wr_lanes_rows(&l, 0), "1\n2\n");
    wr_lanes_close(&l);
}

static void
rotated_file_is_read_to_its_end(void **state)
{
    wr_lanes l;
    char     old[128];
    snprintf(old, sizeof old, "%s.1", path);
    put("{\"a\":1}\n", "w");
    wr_lanes_open(&l, "file", follow, "json", "a int8", 0);
    assert_true(wr_lanes_run_rows(&l, 5000, 1));
    wr_lanes_run(&l, 20, NULL);
    FILE *f = fopen(path, "a");
    assert_int_equal(rename(path, old), 0);
    fputs("{\"a\":2}\n{\"a\":3}", f); /* the writer noticed late */
    fclose(f);
    put("{\"a\":4}\n", "w");
    assert_true(wr_lanes_run_rows(&l, 5000, 4));
    assert_string_equal(wr_lanes_rows(&l, 0), "1\n2\n3\n4\n");
    wr_lanes_close(&l);
}

/* The old name is there no more and the new one not yet: it is waited for. */
static void
rotated_file_may_be_away_for_a_while(void **state)
{
    wr_lanes l;
    char     old[128];
    snprintf(old, sizeof old, "%s.1", path);
    put("{\"a\":1}\n", "w");
    wr_lanes_open(&l, "file", follow, "json", "a int8", 0);
    assert_true(wr_lanes_run_rows(&l, 5000, 1));
    wr_lanes_run(&l, 20, NULL);
    assert_int_equal(rename(path, old), 0);
    FILE *f = fopen(old, "a");
    fputs("{\"a\":2}\n", f);
    fclose(f);
    put("{\"a\":3}\n", "w");
    l.room = 1; /* it has seen that there is another one, and is still at the old one's last row */
    assert_false(wr_lanes_run(&l, 5000, NULL));
    assert_string_equal(wr_lanes_rows(&l, 0), "1\n2\n");
    unlink(path);
    l.room = -1;
    assert_false(wr_lanes_run(&l, 50, NULL));
    put("{\"a\":4}\n", "w");
    assert_true(wr_lanes_run_rows(&l, 5000, 3));
    assert_string_equal(wr_lanes_rows(&l, 0), "1\n2\n4\n");
    wr_lanes_close(&l);
}

/* Each file has its own header. */
static void
each_file_has_its_header(void **state)
{
    wr_lanes l;
    char     old[128];
    snprintf(old, sizeof old, "%s.1", path);
    put("a,b\n1,2\n", "w");
    wr_lanes_open(&l, "file", follow, "csv; header=true", "a int8, b int8", 0);
    assert_true(wr_lanes_run_rows(&l, 5000, 1));
    wr_lanes_run(&l, 20, NULL);
    assert_int_equal(rename(path, old), 0);
    put("b,a\n4,3\n", "w");
    assert_true(wr_lanes_run_rows(&l, 5000, 2));
    wr_lanes_run(&l, 20, NULL);
    put("a\n5\n", "w"); /* cut */
    assert_true(wr_lanes_run_rows(&l, 5000, 3));
    assert_string_equal(wr_lanes_rows(&l, 0), "1|2\n3|4\n5|null\n");
    assert_int_equal(wr_lanes_lane(&l, 0)->bad_count, 0);
    wr_lanes_close(&l);
}

static void
cut_file_begins_anew(void **state)
{
    wr_lanes l;
    put("{\"a\":1}\n{\"a\":2}\n", "w");
    wr_lanes_open(&l, "file", follow, "json", "a int8", 0);
    assert_true(wr_lanes_run_rows(&l, 5000, 2));
    wr_lanes_run(&l, 20, NULL);
    put("{\"a\":3}\n", "w"); /* shorter */
    assert_true(wr_lanes_run_rows(&l, 5000, 3));
    wr_lanes_run(&l, 20, NULL);
    put("{\"a\":4}\n{\"a\":5}\n{\"a\":6}\n", "w"); /* longer, but another beginning */
    assert_true(wr_lanes_run_rows(&l, 5000, 6));
    assert_string_equal(wr_lanes_rows(&l, 0), "1\n2\n3\n4\n5\n6\n");
    assert_int_equal(wr_lanes_lane(&l, 0)->bad_count, 0);
    wr_lanes_close(&l);
}

static void
pipe_is_waited_for(void **state)
{
    wr_lanes l;
    char     fifo[128];
    snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    char config[160];
    snprintf(config, sizeof config, "path=%s", fifo);
    wr_lanes_open(&l, "file", config, "json", "a int8", 0);
    assert_false(wr_lanes_run(&l, 20, NULL));
    int out = open(fifo, O_WRONLY);
    assert_true(out >= 0);
    assert_int_equal(write(out, "{\"a\":1}\n{\"a\"", 12), 12);
    assert_true(wr_lanes_run_rows(&l, 5000, 1));
    assert_false(wr_lanes_run(&l, 20, NULL));
    assert_true(wr_lanes_lane(&l, 0)->caught_up);
    assert_int_equal(write(out, ":2}", 3), 3);
    close(out);
    assert_true(wr_lanes_run(&l, 5000, NULL));
    assert_string_equal(wr_lanes_rows(&l, 0), "1\n2\n");
    wr_lanes_close(&l);
}

static void
standard_input_is_read(void **state)
{
    wr_lanes l;
    int      ends[2], old = dup(STDIN_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
    wr_lanes_open(&l, "file", "path=-", "json", "a int8", 0);
    assert_int_equal(write(ends[1], "{\"a\":1}\n", 8), 8);
    assert_true(wr_lanes_run_rows(&l, 5000, 1));
    close(ends[1]);
    assert_true(wr_lanes_run(&l, 5000, NULL));
    assert_int_equal(l.flow, WR_FLOW_DONE);
    wr_lanes_close(&l);
    dup2(old, STDIN_FILENO);
    close(old);
    weir_error err;
    assert_int_equal(wr_lanes_try(&l, "file", "path=-; follow=true", "json", "a int8", 0, &err),
                     WEIR_CONFIG_VALUE);
    wr_lanes_close(&l);
}

#define FILE_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
WR_TESTS = {
    FILE_TEST(whole_file_is_read),
    FILE_TEST(second_shard_has_nothing),
    FILE_TEST(missing_file_is_an_error),
    FILE_TEST(large_file_in_small_rooms),
    FILE_TEST(restore_goes_on_at_the_next_record),
    FILE_TEST(finished_file_stays_finished),
    FILE_TEST(other_file_is_not_resumed),
    FILE_TEST(damaged_snapshots_are_refused),
    FILE_TEST(followed_file_grows),
    FILE_TEST(rotated_file_is_read_to_its_end),
    FILE_TEST(rotated_file_may_be_away_for_a_while),
    FILE_TEST(each_file_has_its_header),
    FILE_TEST(cut_file_begins_anew),
    FILE_TEST(pipe_is_waited_for),
    FILE_TEST(standard_input_is_read),
    { NULL, NULL },
};
