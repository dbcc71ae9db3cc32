/* SPDX-License-Identifier: Apache-2.0 */
/* secret_file_test.c -- !secret of config/substitute.c: whole, or refused with words; never cut, never empty, never shown. */
#include "support/test.h"

#include "config/document.h"
#include "support/scratch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct fixture {
    char folder[SCRATCH_PATH_MAX], secret[SCRATCH_PATH_MAX + 32];
    wr_arena arena;
    wr_report report;
    wr_node *root;
} fixture;

static void
begin(fixture *f)
{
    scratch_begin(f->folder, "secret_file_test");
    snprintf(f->secret, sizeof f->secret, "%s/secrets", f->folder);
    assert_int_equal(mkdir(f->folder, 0700), 0);
    assert_int_equal(mkdir(f->secret, 0700), 0);
    snprintf(f->secret, sizeof f->secret, "%s/secrets/SF_ONE", f->folder);
}

static void
put(const char *path, const char *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), length);
    close(fd);
}

/* What `a` of "a: [!secret SF_ONE]" is; NULL and the first mistake's text otherwise. */
static const char *
value_of(fixture *f)
{
    static const char text[] = "a: [1, !secret SF_ONE]\n";
    char file[SCRATCH_PATH_MAX + 16];
    snprintf(file, sizeof file, "%s/p.yaml", f->folder);
    wr_arena_init(&f->arena, NULL);
    wr_report_init(&f->report);
    assert_int_equal(wr_document_parse(file, text, strlen(text), &f->arena, &f->report, &f->root), WEIR_OK);
    wr_document_substitute(f->root, &f->arena, &f->report);
    return f->report.errors == 0 ? wr_node_get(f->root, "a")->items[1]->text : NULL;
}

static void
expect_taken(fixture *f, const char *value)
{
    const char *got = value_of(f);
    assert_non_null(got);
    assert_string_equal(got, value);
    wr_report_fini(&f->report);
    wr_arena_fini(&f->arena);
}

static void
expect_refused(fixture *f, const char *says)
{
    assert_null(value_of(f));
    assert_int_equal(f->report.errors, 1);
    const weir_error *e = &f->report.items[0]->error;
    assert_non_null(strstr(e->text, says));
    assert_int_equal(e->line, 1);
    assert_int_equal(e->column, 8);
    wr_report_fini(&f->report);
    wr_arena_fini(&f->arena);
}

static void
end(fixture *f)
{
    unsetenv("CREDENTIALS_DIRECTORY");
    unsetenv("SF_ONE");
    scratch_remove(f->folder);
}

static void
a_file_is_taken_whole(void **state)
{
    fixture f;
    static char large[(64 << 10) + 3];
    (void)state;
    begin(&f);
    put(f.secret, " pass word \r\n\n", 14);
    expect_taken(&f, " pass word ");
    memset(large, 'k', sizeof large);
    large[64 << 10] = '\n';
    put(f.secret, large, (64 << 10) + 1);
    large[64 << 10] = '\0';
    expect_taken(&f, large);
    end(&f);
}

static void
what_is_no_secret_is_refused(void **state)
{
    fixture f;
    static char large[(64 << 10) + 1];
    (void)state;
    begin(&f);
    put(f.secret, "", 0);
    expect_refused(&f, "is empty");
    put(f.secret, "\n\r\n", 3);
    expect_refused(&f, "is empty");
    put(f.secret, "pass\0word", 9);
    expect_refused(&f, "holds a NUL byte");
    memset(large, 'k', sizeof large);
    put(f.secret, large, sizeof large);
    expect_refused(&f, "is longer than 64 KiB");
    assert_int_equal(chmod(f.secret, 0640), 0);
    expect_refused(&f, "others may read it");
    unlink(f.secret);
    assert_int_equal(mkfifo(f.secret, 0600), 0); /* nobody writes: it is not waited for */
    expect_refused(&f, "no plain file");
    unlink(f.secret);
    assert_int_equal(symlink("/etc/hostname", f.secret), 0);
    expect_refused(&f, "symbolic link");
    unlink(f.secret);
    expect_refused(&f, "is not found");
    end(&f);
}

static void
the_environment_comes_last(void **state)
{
    fixture f;
    char link[SCRATCH_PATH_MAX + 32];
    (void)state;
    begin(&f);
    setenv("SF_ONE", "", 1);
    expect_refused(&f, "is empty");
    setenv("SF_ONE", "of the environment", 1);
    expect_taken(&f, "of the environment");
    put(f.secret, "of the file", 11);
    expect_taken(&f, "of the file");
    snprintf(link, sizeof link, "%s/SF_ONE", f.folder); /* as Kubernetes mounts them */
    assert_int_equal(symlink("secrets/SF_ONE", link), 0);
    put(f.secret, "of the credentials", 18);
    assert_int_equal(chmod(f.secret, 0444), 0);
    setenv("CREDENTIALS_DIRECTORY", f.folder, 1);
    expect_taken(&f, "of the credentials");
    end(&f);
}

static void
no_mistake_shows_it(void **state)
{
    fixture f;
    (void)state;
    begin(&f);
    put(f.secret, "hunter2-token\n", 14);
    const char *value = value_of(&f);
    assert_string_equal(value, "hunter2-token");
    (void)!wr_node_error(&f.report, wr_node_get(f.root, "a"), WEIR_CONFIG_VALUE, value, "no format is called `%s`", value);
    wr_text text;
    wr_text_init(&text, NULL);
    wr_report_print(&f.report, false, &text);
    assert_non_null(strstr(wr_text_string(&text), "no format is called `***`"));
    assert_null(strstr(wr_text_string(&text), "hunter2"));
    wr_text_fini(&text);
    wr_report_fini(&f.report);
    wr_arena_fini(&f.arena);
    end(&f);
}

WR_TESTS = {
    WR_TEST(a_file_is_taken_whole),
    WR_TEST(what_is_no_secret_is_refused),
    WR_TEST(the_environment_comes_last),
    WR_TEST(no_mistake_shows_it),
    { NULL, NULL },
};
