/* SPDX-License-Identifier: Apache-2.0 */
/* file_sink_test.c -- connector/file_sink.c and stdout.c: appending, rotating, slow and gone readers. */
#include "support/sinks.h"
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[96], content[1 << 16];

static int
setup(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/weir-sink-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return 1;
    snprintf(path, sizeof path, "%s/out", folder);
    return 0;
}

static int
teardown(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static const char *
slurp(const char *name)
{
    FILE *f = fopen(name, "r");
    assert_non_null(f);
    content[fread(content, 1, sizeof content - 1, f)] = '\0';
    fclose(f);
    return content;
}

static const char *
config(const char *more)
{
    static char text[256];
    snprintf(text, sizeof text, "path=%s%s", path, more);
    return text;
}

static void
rows_are_appended(void **state)
{
    for (int round = 0; round < 2; round++) {
        wr_sinks s;
        wr_sinks_open(&s, "file", config(""), "json", "a int8");
        assert_int_equal(wr_sinks_write(&s, "{\"a\":1}{\"a\":2}", NULL, 1000), WR_FLOW_NEXT);
        assert_int_equal(wr_sinks_flush(&s, 1000), WR_FLOW_NEXT);
        assert_int_equal(s.ctx.rows, 2);
        assert_int_equal(s.ctx.bytes, 16);
        wr_sinks_close(&s);
    }
    assert_string_equal(slurp(path), "{\"a\":1}\n{\"a\":2}\n{\"a\":1}\n{\"a\":2}\n");
    wr_sinks s;
    wr_sinks_open(&s, "file", config("; mode=truncate; fsync=false"), "json", "a int8");
    assert_int_equal(wr_sinks_write(&s, "{\"a\":3}", NULL, 1000), WR_FLOW_NEXT);
    wr_sinks_close(&s);
    assert_string_equal(slurp(path), "{\"a\":3}\n");
}

static void
torn_line_is_closed(void **state)
{
    wr_sinks s;
    FILE    *f = fopen(path, "w");
    fputs("{\"a\":1}\n{\"a\":", f);
    fclose(f);
    wr_sinks_open(&s, "file", config(""), "json", "a int8");
    assert_int_equal(wr_sinks_write(&s, "{\"a\":2}", NULL, 1000), WR_FLOW_NEXT);
    wr_sinks_close(&s);
    assert_string_equal(slurp(path), "{\"a\":1}\n{\"a\":\n{\"a\":2}\n");
}

static void
file_is_rotated_between_batches(void **state)
{
    wr_sinks s;
    char     name[128];
    wr_sinks_open(&s, "file", config("; rotate=20B"), "json", "a int8");
    for (int i = 0; i < 7; i++)
        assert_int_equal(wr_sinks_write(&s, "{\"a\":1}", NULL, 1000), WR_FLOW_NEXT);
    assert_int_equal(wr_sinks_flush(&s, 1000), WR_FLOW_NEXT);
    wr_sinks_close(&s);
    assert_string_equal(slurp(path), "{\"a\":1}\n");
    for (int i = 1; i <= 2; i++) {
        snprintf(name, sizeof name, "%s.%d", path, i);
        assert_string_equal(slurp(name), "{\"a\":1}\n{\"a\":1}\n{\"a\":1}\n");
    }
    wr_sinks_open(&s, "file", config("; rotate=5B"), "json", "a int8"); /* goes on counting */
    assert_int_equal(wr_sinks_write(&s, "{\"a\":2}", NULL, 1000), WR_FLOW_NEXT);
    wr_sinks_close(&s);
    snprintf(name, sizeof name, "%s.3", path);
    assert_string_equal(slurp(name), "{\"a\":1}\n");
}

static void
bad_paths_are_refused(void **state)
{
    wr_sinks   s;
    weir_error err;
    assert_int_equal(wr_sinks_try(&s, "file", "path=/no/such/folder/x", "json", "a int8",
                                  WR_INSERT_ONLY, &err),
                     WEIR_WRITE);
    assert_non_null(strstr(err.text, "No such file"));
    wr_sinks_close(&s);
    assert_int_equal(wr_sinks_try(&s, "file", "path=", "json", "a int8", WR_INSERT_ONLY, &err),
                     WEIR_CONFIG_VALUE);
    wr_sinks_close(&s);
}

/* The C library's, unless there is no room for another name: the test stands in its place. */
static bool no_room_for_names;

int
open(const char *name, int flags, ...)
{
    va_list  more;
    unsigned mode = 0;
    va_start(more, flags);
    if ((flags & O_CREAT) != 0)
        mode = va_arg(more, unsigned);
    va_end(more);
    if (no_room_for_names && (flags & O_CREAT) != 0) {
        errno = ENOSPC;
        return -1;
    }
    return openat(AT_FDCWD, name, flags, mode);
}

/* Nor is the pipeline failed by a flush meanwhile, and the batch is not written twice. */
static void
a_rotated_file_is_begun_when_there_is_room(void **state)
{
    wr_sinks s;
    char     name[128];
    wr_sinks_open(&s, "file", config("; rotate=5B"), "json", "a int8");
    assert_int_equal(wr_sinks_write(&s, "{\"a\":1}", NULL, 1000), WR_FLOW_NEXT);
    no_room_for_names = true;
    assert_int_equal(wr_sinks_write(&s, "{\"a\":2}", NULL, 10), WR_FLOW_AGAIN);
    assert_int_equal(s.ctx.error.code, WEIR_DISK_FULL);
    assert_true(s.wake_at > 0 && s.ctx.retries > 0);
    assert_int_equal(wr_sinks_flush(&s, 10), WR_FLOW_NEXT);
    assert_int_equal(wr_sinks_write(&s, "{\"a\":2}", NULL, 10), WR_FLOW_AGAIN);
    no_room_for_names = false;
    assert_int_equal(wr_sinks_write(&s, "{\"a\":2}", NULL, 1000), WR_FLOW_NEXT);
    assert_int_equal(wr_sinks_flush(&s, 1000), WR_FLOW_NEXT);
    wr_sinks_close(&s);
    assert_string_equal(slurp(path), "{\"a\":2}\n");
    snprintf(name, sizeof name, "%s.1", path);
    assert_string_equal(slurp(name), "{\"a\":1}\n");
}

static void
full_disk_is_waited_for(void **state)
{
    wr_sinks s;
    if (access("/dev/full", W_OK) != 0)
        skip();
    wr_sinks_open(&s, "file", "path=/dev/full; fsync=false", "json", "a int8");
    assert_int_equal(wr_sinks_write(&s, "{\"a\":1}", NULL, 10), WR_FLOW_NEXT); /* taken */
    assert_int_equal(s.ctx.error.code, WEIR_DISK_FULL);
    assert_true(s.wake_at > 0);
    assert_int_equal(wr_sinks_write(&s, "{\"a\":2}", NULL, 10), WR_FLOW_AGAIN);
    assert_int_equal(wr_sinks_flush(&s, 10), WR_FLOW_WAIT);
    assert_true(s.ctx.retries > 0);
    wr_sinks_close(&s);
}

/* Standard output is a pipe to us meanwhile. */
static int piped[2], old_stdout;

static void
stdout_pipe(void)
{
    fflush(stdout);
    assert_int_equal(pipe2(piped, O_CLOEXEC), 0);
    old_stdout = dup(STDOUT_FILENO);
    dup2(piped[1], STDOUT_FILENO);
    close(piped[1]);
}

static void
stdout_back(void)
{
    dup2(old_stdout, STDOUT_FILENO);
    close(old_stdout);
}

static void
slow_reader_stops_stdout(void **state)
{
    wr_sinks s;
    wr_text  rows;
    wr_text_init(&rows, NULL);
    for (int i = 0; i < 4000; i++)
        wr_text_printf(&rows, "{\"a\":%d}\n", i);
    stdout_pipe();
    wr_sinks_open(&s, "stdout", "", "json", "a int8");
    wr_flow flow = WR_FLOW_NEXT;
    int     written = 0;
    for (; flow == WR_FLOW_NEXT && written < 20; written++)
        flow = wr_sinks_write(&s, wr_text_string(&rows), NULL, 20);
    size_t total = 0;
    while (wr_sinks_flush(&s, 5) == WR_FLOW_WAIT)
        total += (size_t) read(piped[0], content, sizeof content);
    fcntl(piped[0], F_SETFL, O_NONBLOCK);
    ssize_t n;
    while ((n = read(piped[0], content, sizeof content)) > 0)
        total += (size_t) n;
    wr_sinks_close(&s);
    stdout_back();
    close(piped[0]);
    assert_int_equal(flow, WR_FLOW_AGAIN);
    assert_int_equal(total, (size_t) (written - 1) * rows.length);
    wr_text_fini(&rows);
}

static void
gone_reader_ends_quietly(void **state)
{
    wr_sinks s;
    stdout_pipe();
    close(piped[0]);
    wr_sinks_open(&s, "stdout", "", "json", "a int8");
    wr_flow first = wr_sinks_write(&s, "{\"a\":1}", NULL, 20);
    wr_flow second = wr_sinks_flush(&s, 20);
    wr_sinks_close(&s);
    stdout_back();
    assert_int_equal(first, WR_FLOW_DONE);
    assert_int_equal(second, WR_FLOW_DONE);
}

#define SINK_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
WR_TESTS = {
    SINK_TEST(rows_are_appended),
    SINK_TEST(torn_line_is_closed),
    SINK_TEST(file_is_rotated_between_batches),
    SINK_TEST(bad_paths_are_refused),
    SINK_TEST(a_rotated_file_is_begun_when_there_is_room),
    SINK_TEST(full_disk_is_waited_for),
    SINK_TEST(slow_reader_stops_stdout),
    SINK_TEST(gone_reader_ends_quietly),
    { NULL, NULL },
};
