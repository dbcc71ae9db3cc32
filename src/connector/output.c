/* SPDX-License-Identifier: Apache-2.0 */
/* connector/output.c -- writing to files and pipes (see output_impl.h). */
#include "connector/output_impl.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 4096, KEEP = 1 << 20 };
enum { ENCODE_ROWS = 256, ENCODE_BYTES = 64 << 10 };

void
wr_output_init(wr_output *output, wr_budget *budget)
{
    *output = (wr_output){ .fd = -1 };
    wr_text_init(&output->pending, budget);
}

void
wr_output_fini(wr_output *output)
{
    wr_text_fini(&output->pending);
}

/* /dev/null and its like: a write never waits. */
static bool
is_memory(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && major(st->st_rdev) == 1;
}

void
wr_output_set(wr_output *output, int fd)
{
    struct stat st = { 0 };
    output->fd = fd;
    output->regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    output->piped = !output->regular && !is_memory(&st);
}

weir_status
wr_output_encode(wr_output *output, wr_encoder *encoder, const wr_batch *batch, uint32_t *row, bool all)
{
    wr_text    *t = &output->pending;
    weir_status status = WEIR_OK;
    while (status == WEIR_OK && *row < batch->row_count && (all || t->length < ENCODE_BYTES)) {
        size_t   before = t->length;
        uint32_t count = WR_MIN(batch->row_count - *row, (uint32_t) ENCODE_ROWS);
        status = encoder->ops->encode(encoder, batch, *row, count, t, NULL);
        if (status == WEIR_OK)
            *row += count;
        else
            t->length = before;
    }
    if (status != WEIR_OK)
        t->failed = false;
    return status;
}

/* write() without a SIGPIPE: it is blocked on this thread meanwhile, and taken away if it came. */
static ssize_t
write_quietly(int fd, const char *bytes, size_t n)
{
    sigset_t pipe_set, old, pending;
    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    sigemptyset(&pending);
    sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_set, &old);
    ssize_t written = write(fd, bytes, n);
    int     error = errno;
    if (written < 0 && error == EPIPE && !was_pending) {
        struct timespec none = { 0 };
        while (sigtimedwait(&pipe_set, NULL, &none) < 0 && errno == EINTR)
            ;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = error;
    return written;
}

wr_output_state
wr_output_drain(wr_output *output, uint64_t *written)
{
    wr_text *t = &output->pending;
    while (output->at < t->length) {
        struct pollfd p = { .fd = output->fd, .events = POLLOUT };
        size_t        n = t->length - output->at;
        if (output->piped) {
            if (poll(&p, 1, 0) == 0)
                return WR_OUTPUT_BLOCKED;
            n = WR_MIN(n, (size_t) PIECE);
        }
        ssize_t done = output->piped ? write_quietly(output->fd, t->data + output->at, n)
                                     : write(output->fd, t->data + output->at, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0 && errno == EAGAIN)
            return WR_OUTPUT_BLOCKED;
        if (done < 0)
            return errno == EPIPE ? WR_OUTPUT_CLOSED : WR_OUTPUT_FAILED;
        output->at += (size_t) done;
        *written += (uint64_t) done;
    }
    output->at = 0;
    if (t->capacity > KEEP)
        wr_text_fini(t);
    else
        wr_text_clear(t);
    return WR_OUTPUT_CLEAR;
}
