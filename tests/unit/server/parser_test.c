/* SPDX-License-Identifier: Apache-2.0 */
/* parser_test.c -- the process that parses strangers' SQL (X1 of server/sandbox.c, H1..H3 of server/parser_child.c, K1..K3
 * of server/parser.c).  What a parser that was taken over would try is a parse function of the test's own. */
#include "support/test.h"

#include "server/parser.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TRIES = 100 };

/* Where time is not what is asked about. */
static const parser_config patient = { .timeout_us = 60 * 1000 * 1000, .retire_us = 3600ll * 1000 * 1000 };

typedef struct answer {
    char bytes[256];
    size_t length;
    weir_status then; /* what the taker says of it */
} answer;

static weir_status
take(void *to, const char *bytes, size_t length)
{
    answer *a = to;
    a->length = length;
    memcpy(a->bytes, bytes, WR_MIN(length, sizeof a->bytes - 1));
    a->bytes[WR_MIN(length, sizeof a->bytes - 1)] = '\0';
    return a->then;
}

static weir_status
ask(parser *p, const char *text, answer *a)
{
    weir_parser callback = parser_callback(p);
    weir_error err = { 0 };
    weir_status then = a->then;
    memset(a, 0, sizeof *a);
    a->then = then;
    weir_status status =
        callback.parse(callback.user, WEIR_PARSE_TREE, text, strlen(text), take, a, &err);
    assert_int_equal(err.code, then == WEIR_OK ? status : WEIR_OK);
    return status;
}

/* --- what a parser does that is not one --- */

static weir_status
say(weir_parse_give *give, void *to, const char *words)
{
    return give(to, words, strlen(words));
}

static volatile int *volatile nowhere;
static volatile uint64_t counter;

/* Memory until there is none, or 8 GiB. */
static weir_status
eat(weir_parse_give *give, void *to)
{
    char *last = NULL;
    for (int i = 0; i < 8 * 64; i++) {
        char *more =
            mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (more == MAP_FAILED) {
            (void)munmap(last, 16 << 20); /* the stack wants some */
            return say(give, to, "no more");
        }
        last = more;
    }
    return say(give, to, last != NULL ? "all of it" : "");
}

static int
recurse(int depth)
{
    volatile char frame[4096];
    frame[depth % 4096] = (char)depth;
    return depth == 0 ? frame[0] : recurse(depth - 1) + frame[depth % 4096];
}

static weir_status
misbehave(weir_parse_step step, const char *text, size_t length, weir_parse_give *give, void *to)
{
    char what[64] = "";
    memcpy(what, text, WR_MIN(length, sizeof what - 1));
    if (strcmp(what, "crash") == 0)
        *nowhere = 1;
    else if (strcmp(what, "exit") == 0)
        _exit(7);
    else if (strcmp(what, "loop") == 0)
        for (;;)
            counter++;
    else if (strcmp(what, "sleep") == 0)
        for (;;)
            (void)!read(0, what, 1); /* it waits for what does not come */
    else if (strcmp(what, "open") == 0)
        (void)!open("/etc/passwd", O_RDONLY);
    else if (strcmp(what, "socket") == 0)
        (void)!socket(AF_INET, SOCK_STREAM, 0);
    else if (strcmp(what, "fork") == 0)
        (void)!fork();
    else if (strcmp(what, "exec") == 0)
        (void)!execl("/bin/true", "true", NULL);
    else if (strcmp(what, "kill") == 0)
        (void)!kill(getppid(), SIGKILL);
    else if (strcmp(what, "prctl") == 0)
        (void)!prctl(PR_SET_DUMPABLE, 1);
    else if (strcmp(what, "code") == 0)
        (void)!mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                    0);
    else if (strcmp(what, "protect") == 0)
        (void)!mprotect((void *)((uintptr_t)&counter & ~4095ul), 4096, PROT_READ | PROT_EXEC);
    else if (strcmp(what, "stderr") == 0)
        (void)!write(2, "x", 1);
    else if (strcmp(what, "eat") == 0)
        return eat(give, to);
    else if (strcmp(what, "deep") == 0)
        return recurse(10000) == 12345 ? WEIR_OK : say(give, to, "deep"); /* 40 MB */
    else if (strcmp(what, "huge") == 0)
        (void)!write(0, "\xff\xff\xff\x7f", 4); /* the length of an answer, and no answer */
    else if (strcmp(what, "half") == 0) {
        (void)!write(0, "\x08\0\0\0half", 8);
        _exit(0);
    } else if (strcmp(what, "secret") == 0)
        return say(give, to,
                   getenv("PARSER_TEST_SECRET") != NULL ? getenv("PARSER_TEST_SECRET") : "none");
    return say(give, to, what);
}

static void
honest_texts_are_parsed(void **state)
{
    parser *p;
    answer a = { 0 };
    parser_counts n;
    (void)state;
    assert_int_equal(parser_open(&patient, &p, NULL), WEIR_OK);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(ask(p, "SELECT 1", &a), WEIR_OK);
        assert_true(a.length > 20 && a.bytes[0] == 'P');
        assert_int_equal(ask(p, "SELECT 'x", &a), WEIR_OK);
        assert_true(a.bytes[0] == 'E' && strstr(a.bytes + 5, "unterminated") != NULL);
    }
    parser_count(p, &n);
    assert_int_equal(n.texts, 100);
    assert_int_equal(n.crashes + n.timeouts + n.unread, 0);
    char *text = wr_calloc(NULL, 1, WEIR_PARSE_TEXT_MAX + 2);
    assert_non_null(text);
    memset(text, ' ', WEIR_PARSE_TEXT_MAX);
    memcpy(text, "SELECT 1", 8);
    assert_int_equal(ask(p, text, &a), WEIR_OK);
    text[WEIR_PARSE_TEXT_MAX] = ' ';
    assert_int_equal(ask(p, text, &a), WEIR_QUERY_TOO_COMPLEX);
    wr_free(text);
    parser_close(p);
}

/* Deep enough to need most of its stack: more than the caps before it let through. */
static void
deep_texts_end_in_words(void **state)
{
    parser *p;
    answer a = { 0 };
    parser_counts n;
    char *text = wr_alloc(NULL, WEIR_PARSE_TEXT_MAX + 1);
    (void)state;
    assert_non_null(text);
    assert_int_equal(parser_open(&patient, &p, NULL), WEIR_OK);
    memset(text, '(', 60000);
    text[60000] = '\0';
    memcpy(text, "SELECT ", 7);
    assert_int_equal(ask(p, text, &a), WEIR_OK);
    assert_true(a.bytes[0] == 'E');
    for (int i = 0; i < 12000; i++)
        memcpy(text + 8 + 2 * i, "+1", 3);
    memcpy(text, "SELECT 1", 8);
    assert_int_equal(ask(p, text, &a), WEIR_OK);
    parser_count(p, &n);
    assert_int_equal(n.crashes, 0);
    wr_free(text);
    parser_close(p);
}

static parser *
bad_parser(int64_t timeout_us)
{
    parser *p;
    parser_config c = patient;
    c.parse = misbehave;
    c.timeout_us = timeout_us > 0 ? timeout_us : patient.timeout_us;
    assert_int_equal(parser_open(&c, &p, NULL), WEIR_OK);
    return p;
}

static void
a_crash_costs_one_parser(void **state)
{
    static const char *const ways[] = { "crash", "exit", "huge", "half" };
    parser *p = bad_parser(0);
    answer a = { 0 };
    parser_counts n;
    (void)state;
    for (size_t i = 0; i < WR_COUNT(ways); i++) {
        assert_int_equal(ask(p, ways[i], &a), WEIR_QUERY_TOO_COMPLEX);
        assert_int_equal(a.length, 0);
        assert_int_equal(ask(p, "hello", &a), WEIR_OK);
        assert_string_equal(a.bytes, "hello");
    }
    parser_count(p, &n);
    assert_int_equal(n.crashes, WR_COUNT(ways));
    assert_int_equal(n.starts, WR_COUNT(ways) + 1);
    parser_close(p);
}

static void
nothing_can_be_done_but_answer(void **state)
{
    static const char *const ways[] = { "open",  "socket", "fork",    "exec",  "kill",
                                        "prctl", "code",   "protect", "stderr" };
    parser *p = bad_parser(0);
    answer a = { 0 };
    parser_counts n;
    (void)state;
    for (size_t i = 0; i < WR_COUNT(ways); i++) {
        weir_status status = ask(p, ways[i], &a);
        if (status != WEIR_QUERY_TOO_COMPLEX)
            print_error("%s: %d %s\n", ways[i], status, a.bytes);
        assert_int_equal(status, WEIR_QUERY_TOO_COMPLEX);
    }
    parser_count(p, &n);
    assert_int_equal(n.crashes, WR_COUNT(ways));
    assert_int_equal(ask(p, "deep", &a), WEIR_OK);
    assert_string_equal(a.bytes, "deep");
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they need more than 1 GiB */
    assert_int_equal(ask(p, "eat", &a), WEIR_OK);
    assert_string_equal(a.bytes, "no more");
#endif
    parser_close(p);
}

static void
secrets_are_not_there(void **state)
{
    answer a = { 0 };
    (void)state;
    setenv("PARSER_TEST_SECRET", "a password", 1);
    parser *p = bad_parser(0);
    assert_int_equal(ask(p, "secret", &a), WEIR_OK);
    assert_string_equal(a.bytes, "none");
    assert_string_equal(getenv("PARSER_TEST_SECRET"), "a password");
    parser_close(p);
    unsetenv("PARSER_TEST_SECRET");
}

static void
a_text_that_takes_too_long_is_given_up(void **state)
{
    static const char *const ways[] = { "loop", "sleep" };
    parser *p = bad_parser(100 * 1000);
    answer a = { 0 };
    parser_counts n;
    weir_status status;
    uint64_t late = 0; /* this process or the parser stood still */
    int tries = 0;
    (void)state;
    for (size_t i = 0; i < WR_COUNT(ways); i++) {
        while ((status = ask(p, ways[i], &a)) == WEIR_TIMEOUT && ++tries < TRIES) {
        }
        assert_int_equal(status, WEIR_QUERY_TOO_COMPLEX);
        while ((status = ask(p, "hello", &a)) != WEIR_OK && ++tries < TRIES)
            late += status != WEIR_TIMEOUT;
        assert_int_equal(status, WEIR_OK);
    }
    parser_count(p, &n);
    assert_int_equal(n.timeouts, WR_COUNT(ways) + late);
    assert_int_equal(n.crashes, 0);
    parser_close(p);
}

static void
answers_that_make_no_sense_and_much_work_renew_it(void **state)
{
    parser *p;
    parser_config c = { .timeout_us = patient.timeout_us, .retire_us = 1 };
    parser_counts n;
    answer a = { .then = WEIR_READ };
    (void)state;
    assert_int_equal(parser_open(&patient, &p, NULL), WEIR_OK);
    assert_int_equal(ask(p, "SELECT 1", &a), WEIR_READ);
    a.then = WEIR_OK;
    assert_int_equal(ask(p, "SELECT 1", &a), WEIR_OK);
    parser_count(p, &n);
    assert_int_equal(n.unread, 1);
    assert_int_equal(n.starts, 2);
    parser_close(p);
    assert_int_equal(parser_open(&c, &p, NULL), WEIR_OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(ask(p, "SELECT 1", &a), WEIR_OK);
    parser_count(p, &n);
    assert_int_equal(n.starts, 6);
    assert_int_equal(n.crashes, 0);
    parser_close(p);
}

/* The children of a process. */
static uint32_t
children_of(pid_t pid, pid_t *out, uint32_t max)
{
    char path[64];
    uint32_t n = 0;
    int child;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return UINT32_MAX; /* the kernel does not say */
    while (n < max && fscanf(f, "%d", &child) == 1)
        out[n++] = child;
    fclose(f);
    return n;
}

static bool
is_gone(pid_t pid)
{
    for (int i = 0; i < 6000; i++) {
        if (kill(pid, 0) != 0 && errno == ESRCH)
            return true;
        nanosleep(&(struct timespec){ 0, 10 * 1000 * 1000 }, NULL);
    }
    return false;
}

/* The process that keeps p's parsers; where children cannot be listed the test is passed over. */
static pid_t
keeper_of(parser *p)
{
    pid_t keeper = 0;
    uint32_t n = children_of(getpid(), &keeper, 1);
    if (n == UINT32_MAX) {
        parser_close(p);
        skip();
    }
    assert_int_equal(n, 1);
    return keeper;
}

static void
none_outlives_another(void **state)
{
    parser *p;
    answer a = { 0 };
    pid_t keeper, child = 0;
    (void)state;
    assert_int_equal(parser_open(&patient, &p, NULL), WEIR_OK);
    assert_int_equal(ask(p, "SELECT 1", &a), WEIR_OK);
    keeper = keeper_of(p);
    assert_int_equal(children_of(keeper, &child, 1), 1);
    kill(child, SIGTERM); /* what a supervisor sends to all */
    kill(keeper, SIGINT);
    assert_int_equal(ask(p, "SELECT 1", &a), WEIR_OK);
    kill(child, SIGKILL); /* another takes its place */
    (void)ask(p, "SELECT 1", &a);
    assert_int_equal(ask(p, "SELECT 1", &a), WEIR_OK);
    assert_int_equal(children_of(keeper, &child, 1), 1);
    kill(keeper, SIGKILL);
    assert_int_equal(waitpid(keeper, NULL, 0), keeper);
    assert_true(is_gone(child)); /* H3 */
    (void)ask(p, "SELECT 1", &a);
    assert_int_equal(ask(p, "SELECT 1", &a), WEIR_CLOSED); /* said, and for good */
    parser_close(p);
    assert_int_equal(parser_open(&patient, &p, NULL), WEIR_OK);
    assert_int_equal(ask(p, "SELECT 1", &a), WEIR_OK);
    assert_int_equal(children_of(getpid(), &keeper, 1), 1);
    assert_int_equal(children_of(keeper, &child, 1), 1);
    parser_close(p);
    assert_true(is_gone(child) && is_gone(keeper));
}

/* News that comes when its question has been given up is not taken for the next one's answer. */
static void
a_keeper_that_stood_still_is_in_step_again(void **state) /* K3 */
{
    parser *p;
    parser_config hasty = { .timeout_us = 300 * 1000, .retire_us = patient.retire_us };
    answer a = { 0 };
    pid_t keeper, child = 0;
    weir_status status;
    int tries = 0, in_a_row = 0;
    (void)state;
    assert_int_equal(parser_open(&hasty, &p, NULL), WEIR_OK);
    while (ask(p, "SELECT 1", &a) != WEIR_OK && ++tries < TRIES) {
    }
    keeper = keeper_of(p);
    assert_int_equal(children_of(keeper, &child, 1), 1);
    kill(child, SIGKILL);
    kill(keeper, SIGSTOP);
    assert_int_not_equal(ask(p, "SELECT 1", &a), WEIR_OK);
    assert_int_equal(ask(p, "SELECT 1", &a), WEIR_TIMEOUT);
    kill(keeper, SIGCONT);
    for (tries = 0; in_a_row < 30 && tries < 5 * TRIES; tries++) { /* longer than the keeper waits for an end */
        nanosleep(&(struct timespec){ 0, 20 * 1000 * 1000 }, NULL);
        status = ask(p, "SELECT 1", &a);
        assert_int_not_equal(status, WEIR_CLOSED);
        in_a_row = status == WEIR_OK ? in_a_row + 1 : 0;
    }
    assert_int_equal(in_a_row, 30);
    parser_close(p);
}

WR_TESTS = { WR_TEST(honest_texts_are_parsed),
             WR_TEST(deep_texts_end_in_words),
             WR_TEST(a_crash_costs_one_parser),
             WR_TEST(nothing_can_be_done_but_answer),
             WR_TEST(secrets_are_not_there),
             WR_TEST(a_text_that_takes_too_long_is_given_up),
             WR_TEST(answers_that_make_no_sense_and_much_work_renew_it),
             WR_TEST(none_outlives_another),
             WR_TEST(a_keeper_that_stood_still_is_in_step_again),
             { NULL, NULL } };
