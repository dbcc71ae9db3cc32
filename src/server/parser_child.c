/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/parser_child.c -- the other two processes of server/parser.h: the keeper, and the parsers it forks.
 *
 * Place       parser_open forks the keeper; nothing here runs in the process with the pipelines.
 * Invariants  H1  a parser has read no text before it is locked in (sandbox_enter)
 *             H2  neither has the environment's values, where secrets stand
 *             H3  both end when who forked them does: by its socket's end, and by the kernel's signal
 */
#include "base/memory.h"
#include "server/parser_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CONTROL = 3, PIPE = 0, ENDING_MS = 200 };

extern char **environ;

/* --- a parser --- */

static bool
read_all(void *to, size_t length)
{
    for (size_t at = 0; at < length;) {
        ssize_t n = read(PIPE, (char *)to + at, length - at);
        if (n > 0)
            at += (size_t)n;
        else if (n == 0 || errno != EINTR)
            return false;
    }
    return true;
}

static bool
write_all(const void *from, size_t length)
{
    for (size_t at = 0; at < length;) {
        ssize_t n = write(PIPE, (const char *)from + at, length - at);
        if (n > 0)
            at += (size_t)n;
        else if (n < 0 && errno != EINTR)
            return false;
    }
    return true;
}

static weir_status
give_back_answer(void *to, const char *answer, size_t length)
{
    uint32_t n = (uint32_t)length;
    (void)to;
    if (length > WEIR_PARSE_ANSWER_MAX || !write_all(&n, sizeof n) || !write_all(answer, length))
        _exit(1);
    return WEIR_OK;
}

static weir_status
give_nobody(void *to, const char *answer, size_t length)
{
    (void)to;
    (void)answer;
    (void)length;
    return WEIR_OK;
}

_Noreturn static void
child_main(int pipe, pid_t keeper, const parser_config *config)
{
    char *text = wr_alloc(NULL, WEIR_PARSE_TEXT_MAX);
    (void)prctl(PR_SET_NAME, "weir-parser");
    if (text == NULL || !sandbox_attach(keeper) || dup2(pipe, PIPE) < 0)
        _exit(1);
    sandbox_close_from(PIPE + 1);
    /* What is made once is made while everything can be done. */
    if (config->parse(WEIR_PARSE_TOKENS, "SELECT 1", 8, give_nobody, NULL) != WEIR_OK ||
        config->parse(WEIR_PARSE_TREE, "SELECT 1", 8, give_nobody, NULL) != WEIR_OK)
        _exit(1);
    if (!sandbox_limit() || !sandbox_enter())
        _exit(PARSER_EXIT_NO_SANDBOX);
    for (;;) {
        parser_head head;
        if (!read_all(&head, sizeof head))
            _exit(0);
        if (head.length > WEIR_PARSE_TEXT_MAX || head.step > WEIR_PARSE_TREE ||
            !read_all(text, head.length))
            _exit(1);
        if (config->parse((weir_parse_step)head.step, text, head.length, give_back_answer, NULL) !=
            WEIR_OK)
            _exit(1);
    }
}

/* --- the keeper --- */

typedef struct keeper {
    const parser_config *config;
    pid_t self, child; /* child 0: none */
} keeper;

/* It is gone afterwards.  How it ended, when that was not by this.  ending: its socket is closed, it is about to. */
static int32_t
keeper_end_child(keeper *k, bool ending)
{
    int status = 0, tries = ending ? ENDING_MS : 0;
    pid_t done;
    if (k->child == 0)
        return 0;
    while ((done = waitpid(k->child, &status, WNOHANG)) < 0 || (done == 0 && tries-- > 0))
        if (done == 0)
            nanosleep(&(struct timespec){ 0, 1000 * 1000 }, NULL);
    if (done == 0) {
        kill(k->child, SIGKILL);
        while (waitpid(k->child, NULL, 0) < 0 && errno == EINTR)
            ;
        status = 0;
    }
    k->child = 0;
    return status;
}

static int
keeper_fork(keeper *k, int *socket)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return errno;
    pid_t child = fork();
    if (child == 0)
        child_main(pair[1], k->self, k->config);
    int error = child < 0 ? errno : 0;
    close(pair[1]);
    if (error != 0) {
        close(pair[0]);
        return error;
    }
    k->child = child;
    *socket = pair[0];
    return 0;
}

static bool
keeper_answer(const parser_news *news, int socket)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec iov = { (void *)(uintptr_t)news, sizeof *news };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
    if (socket >= 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof control.bytes;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &socket, sizeof socket);
    }
    ssize_t n;
    while ((n = sendmsg(CONTROL, &m, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        ;
    return n == (ssize_t)sizeof *news;
}

/* Nothing of what this process was made from is left: descriptors, signals, the environment. */
static bool
keeper_settle(int control, pid_t parent)
{
    static const int ignored[] = { SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,
                                   SIGTSTP, SIGPIPE, SIGUSR1, SIGUSR2 };
    for (int i = 1; i < NSIG; i++) /* not what this process was made from would do */
        (void)signal(i, SIG_DFL);
    for (size_t i = 0; i < WR_COUNT(ignored); i++)
        (void)signal(ignored[i],
                     SIG_IGN); /* the terminal's and the supervisor's: it ends with its parent */
    (void)prctl(PR_SET_NAME, "weir-keeper");
    for (char **e = environ; e != NULL && *e != NULL; e++)
        memset(*e, 0, strlen(*e));
    if (!sandbox_attach(parent) || (control != CONTROL && dup2(control, CONTROL) < 0))
        return false;
    sandbox_close_from(CONTROL + 1);
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < CONTROL;
         fd++) /* nobody waits for the end of a pipe that is still held here */
        if (null < 0 || dup2(null, fd) < 0)
            close(fd);
    if (null > CONTROL)
        close(null);
    return chdir("/") == 0;
}

void
parser_keeper_main(int control, pid_t parent, const parser_config *config)
{
    keeper k = { .config = config, .self = getpid() };
    if (!keeper_settle(control, parent))
        _exit(1);
    for (;;) {
        char ask;
        ssize_t n = read(CONTROL, &ask, 1);
        if (n < 0 && errno == EINTR)
            continue;
        parser_news news = { .ended = keeper_end_child(&k, n == 1 && ask == PARSER_ENDED) };
        if (n != 1)
            _exit(0);
        int socket = -1;
        news.fork_error = keeper_fork(&k, &socket);
        bool told = keeper_answer(&news, socket);
        if (socket >= 0)
            close(socket);
        if (!told) {
            (void)keeper_end_child(&k, false);
            _exit(1);
        }
    }
}
