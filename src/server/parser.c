/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/parser.c -- this process's side of the parsers: text out, answer in, and a new one for one that failed.
 *
 * State       the keeper's socket, the parser's, what it has worked; one text at a time, under a mutex.
 * Invariants  K1  a text that ended, stalled or confused a parser is never given to another
 *             K2  no wait here is longer than the time-out
 *             K3  news that came too late for its question is not taken for another's: what it brings is closed
 */
#include "server/parser_impl.h"

#include "base/log.h"
#include "base/thread.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct parser {
    parser_config config;
    pid_t keeper;
    int control, pipe; /* pipe -1: there is no parser */
    int unheard;       /* questions that the keeper has not answered yet */
    wr_mutex mutex;
    int64_t worked_us;
    char *answer;
    bool no_sandbox; /* the kernel does not lock it in */
    parser_counts counts;
};

weir_status
parser_open(const parser_config *config, parser **out, weir_error *err)
{
    int pair[2];
    parser *p = wr_calloc(NULL, 1, sizeof *p);
    if (p == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for the parser of clients' SQL");
    if (config != NULL)
        p->config = *config;
    if (p->config.parse == NULL)
        p->config.parse = weir_parse;
    if (p->config.timeout_us == 0)
        p->config.timeout_us = 2 * 1000 * 1000;
    if (p->config.retire_us == 0)
        p->config.retire_us = 1000 * 1000;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        wr_free(p);
        return wr_error_set(err, WEIR_LIMIT, "no socket for the parser of clients' SQL: %s",
                            strerror(errno));
    }
    pid_t self = getpid();
    p->keeper = fork();
    if (p->keeper == 0)
        parser_keeper_main(pair[1], self, &p->config);
    int error = errno;
    close(pair[1]);
    if (p->keeper < 0) {
        close(pair[0]);
        wr_free(p);
        return wr_error_set(err, WEIR_LIMIT, "no process for the parser of clients' SQL: %s",
                            strerror(error));
    }
    p->control = pair[0];
    p->pipe = -1;
    wr_mutex_init(&p->mutex);
    *out = p;
    return WEIR_OK;
}

void
parser_close(parser *p)
{
    if (p == NULL)
        return;
    if (p->pipe >= 0)
        close(p->pipe);
    close(p->control); /* the keeper hears the end */
    while (waitpid(p->keeper, NULL, 0) < 0 && errno == EINTR)
        ;
    wr_mutex_fini(&p->mutex);
    wr_free(p->answer);
    wr_free(p);
}

void
parser_count(parser *p, parser_counts *out)
{
    wr_mutex_lock(&p->mutex);
    *out = p->counts;
    wr_mutex_unlock(&p->mutex);
}

/* --- bytes, until a deadline --- */

typedef enum io_end { IO_DONE, IO_LATE, IO_CLOSED } io_end;

static io_end
wait_for(int fd, short events, int64_t deadline)
{
    for (;;) {
        int64_t left = deadline - wr_clock_monotonic(wr_clock_system());
        struct pollfd ready = { .fd = fd, .events = events };
        /* at least one look: who stood still may find that it has come */
        int n = poll(&ready, 1, left > 0 ? (int)((left + 999) / 1000) : 0);
        if (n > 0)
            return IO_DONE;
        if (n == 0 && left <= 0)
            return IO_LATE;
        if (n < 0 && errno != EINTR)
            return IO_CLOSED;
    }
}

static io_end
send_all(int fd, const void *bytes, size_t length, int64_t deadline)
{
    for (size_t at = 0; at < length;) {
        ssize_t n = send(fd, (const char *)bytes + at, length - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            at += (size_t)n;
        } else if (errno == EAGAIN || errno == EINTR) {
            io_end end = wait_for(fd, POLLOUT, deadline);
            if (end != IO_DONE)
                return end;
        } else {
            return IO_CLOSED;
        }
    }
    return IO_DONE;
}

static io_end
receive_all(int fd, void *bytes, size_t length, int64_t deadline)
{
    for (size_t at = 0; at < length;) {
        ssize_t n = recv(fd, (char *)bytes + at, length - at, MSG_DONTWAIT);
        if (n > 0) {
            at += (size_t)n;
        } else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            io_end end = wait_for(fd, POLLIN, deadline);
            if (end != IO_DONE)
                return end;
        } else {
            return IO_CLOSED;
        }
    }
    return IO_DONE;
}

/* --- the keeper --- */

/* News, with a socket where there is one. */
static io_end
take_news(const parser *p, parser_news *news, int *socket, int64_t deadline)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = { news, sizeof *news };
    struct msghdr m = { .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = control.bytes,
                        .msg_controllen = sizeof control.bytes };
    io_end end = wait_for(p->control, POLLIN, deadline);
    *socket = -1;
    if (end != IO_DONE)
        return end;
    ssize_t n;
    while ((n = recvmsg(p->control, &m, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
        ;
    const struct cmsghdr *c = n == (ssize_t)sizeof *news ? CMSG_FIRSTHDR(&m) : NULL;
    if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        memcpy(socket, CMSG_DATA(c), sizeof *socket);
    return n == (ssize_t)sizeof *news ? IO_DONE : IO_CLOSED;
}

/* The answer to this question; IO_CLOSED: the keeper has gone. */
static io_end
hear_keeper(parser *p, char ask, parser_news *news, int *socket)
{
    int64_t deadline = wr_clock_monotonic(wr_clock_system()) + p->config.timeout_us;
    *socket = -1;
    io_end end = send_all(p->control, &ask, 1, deadline);
    if (end != IO_DONE)
        return end;
    p->unheard++;
    while ((end = take_news(p, news, socket, deadline)) == IO_DONE && --p->unheard > 0)
        if (*socket >= 0)
            close(*socket); /* K3: that parser has been replaced since */
    return end;
}

/* The parser, if there is one, ends; another takes its place.  ended, not NULL: it has ended by itself, how goes there. */
static weir_status
renew(parser *p, int *ended, weir_error *err)
{
    parser_news news = { 0 };
    if (p->pipe >= 0)
        close(p->pipe);
    p->pipe = -1;
    p->worked_us = 0;
    io_end end = hear_keeper(p, ended != NULL ? PARSER_ENDED : PARSER_KILL, &news, &p->pipe);
    if (end == IO_LATE) {
        weir_status st =
            wr_error_set(err, WEIR_TIMEOUT, "no parser of clients' SQL has begun in %lld ms",
                         (long long)(p->config.timeout_us / 1000));
        wr_error_hint(err, "try again when the machine has less to do");
        return st;
    }
    if (ended != NULL)
        *ended = news.ended;
    if (end != IO_DONE || (news.fork_error == 0 && p->pipe < 0)) {
        weir_status st = wr_error_set(
            err, WEIR_CLOSED, "the process that sees to the parser of clients' SQL has gone");
        wr_error_hint(err, "it comes back when Weir is started anew; all else goes on");
        return st;
    }
    if (news.fork_error != 0)
        return wr_error_set(err, WEIR_LIMIT, "no process for the parser of clients' SQL: %s",
                            strerror(news.fork_error));
    p->counts.starts++;
    return WEIR_OK;
}

/* --- a text --- */

/* It stands in for the answer that did not come, or was none. */
static weir_status
replace_parser(parser *p, io_end end, weir_error *err)
{
    int ended = 0;
    weir_error gone = { 0 };
    weir_status renewed = renew(p, end == IO_CLOSED ? &ended : NULL, &gone);
    if (WIFEXITED(ended) && WEXITSTATUS(ended) == PARSER_EXIT_NO_SANDBOX) {
        p->no_sandbox = true;
        return wr_error_set(
            err, WEIR_USAGE,
            "SQL of clients is not taken: this kernel cannot lock the parser in (seccomp)");
    }
    *(end == IO_LATE ? &p->counts.timeouts : &p->counts.crashes) += 1;
    if (end == IO_LATE)
        wr_log(WR_LOG_WARN, "parser",
               "a client's SQL was not parsed in %lld ms: the parser is replaced",
               (long long)(p->config.timeout_us / 1000));
    else
        wr_log(WR_LOG_WARN, "parser", "the parser ended on a client's SQL (%s %d): it is replaced",
               WIFSIGNALED(ended) ? "signal" : "exit",
               WIFSIGNALED(ended) ? WTERMSIG(ended) : WEXITSTATUS(ended));
    if (renewed != WEIR_OK)
        wr_log(WR_LOG_ERROR, "parser", "%s", gone.text);
    return wr_error_set(err, WEIR_QUERY_TOO_COMPLEX,
                        end == IO_LATE ? "the statement takes too long to parse"
                                       : "the parser gave up on the statement");
}

static io_end
ask_parser(parser *p, weir_parse_step step, const char *text, uint32_t length, uint32_t *answer)
{
    int64_t deadline = wr_clock_monotonic(wr_clock_system()) + p->config.timeout_us;
    parser_head head = { length, (uint32_t)step };
    io_end end = send_all(p->pipe, &head, sizeof head, deadline);
    if (end == IO_DONE)
        end = send_all(p->pipe, text, length, deadline);
    if (end == IO_DONE)
        end = receive_all(p->pipe, answer, sizeof *answer, deadline);
    if (end == IO_DONE && *answer > WEIR_PARSE_ANSWER_MAX)
        return IO_CLOSED;
    return end == IO_DONE ? receive_all(p->pipe, p->answer, *answer, deadline) : end;
}

static weir_status
parse_locked(parser *p, weir_parse_step step, const char *text, size_t length,
             weir_parse_give *give, void *to, weir_error *err)
{
    uint32_t answer = 0;
    if (length > WEIR_PARSE_TEXT_MAX)
        return wr_error_set(err, WEIR_QUERY_TOO_COMPLEX,
                            "the statement has %zu bytes; the limit is 65536", length);
    if (p->no_sandbox)
        return wr_error_set(
            err, WEIR_USAGE,
            "SQL of clients is not taken: this kernel cannot lock the parser in (seccomp)");
    if (p->answer == NULL && (p->answer = wr_alloc(NULL, WEIR_PARSE_ANSWER_MAX)) == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for the parser's answer");
    if (p->pipe < 0)
        WR_TRY(renew(p, NULL, err));
    p->counts.texts++;
    int64_t begun = wr_clock_monotonic(wr_clock_system());
    io_end end = ask_parser(p, step, text, (uint32_t)length, &answer);
    if (end != IO_DONE)
        return replace_parser(p, end, err);
    p->worked_us += wr_clock_monotonic(wr_clock_system()) - begun;
    weir_status status = give(to, p->answer, answer);
    weir_error ignored;
    if (status == WEIR_READ) {
        p->counts.unread++;
        wr_log(WR_LOG_WARN, "parser", "an answer of the parser cannot be read: it is replaced");
    }
    if (status == WEIR_READ || p->worked_us > p->config.retire_us)
        (void)!renew(p, NULL, &ignored);
    return status;
}

static weir_status
parser_parse(void *user, weir_parse_step step, const char *text, size_t length,
             weir_parse_give *give, void *to, weir_error *err)
{
    parser *p = user;
    wr_mutex_lock(&p->mutex);
    weir_status status = parse_locked(p, step, text, length, give, to, err);
    wr_mutex_unlock(&p->mutex);
    return status;
}

weir_parser
parser_callback(parser *p)
{
    return (weir_parser){ parser_parse, p };
}
