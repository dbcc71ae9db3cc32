/* SPDX-License-Identifier: Apache-2.0 */
/*
 * embed_test.c -- the program of docs/embedding.md runs as it is printed and gives what it says.
 *
 * Its main() is compiled under another name; its standard output goes into a file and is compared.
 */
int embed_main(void);
#define main embed_main
#include "../../../docs/examples/embed.c"
#undef main

#include "support/test.h"

#include <stdlib.h>
#include <unistd.h>

/* Run it with standard output in a file; what it wrote. */
static void
output_of_example(char *out, size_t room, int *rc)
{
    char path[] = "/tmp/weir-embed-XXXXXX";
    int  fd = mkstemp(path), screen = dup(STDOUT_FILENO);
    assert_true(fd >= 0 && screen >= 0);
    fflush(stdout);
    dup2(fd, STDOUT_FILENO);
    *rc = embed_main();
    fflush(stdout);
    dup2(screen, STDOUT_FILENO);
    close(screen);
    ssize_t n = pread(fd, out, room - 1, 0);
    close(fd);
    unlink(path);
    assert_true(n >= 0);
    out[n] = '\0';
}

static void
example_prints_its_answer(void **state)
{
    (void) state;
    char out[1024];
    int  rc = -1;
    output_of_example(out, sizeof out, &rc);
    assert_int_equal(rc, 0);
    assert_true(strcmp(out, "/ 2\n/about 1\n") == 0 || strcmp(out, "/about 1\n/ 2\n") == 0);
}

WR_TESTS = { WR_TEST(example_prints_its_answer), { NULL, NULL } };
