/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/input_head.c -- the first bytes of a file, so that its format and columns can be told.
 *
 * Place       planning of a query; whoever reads the rows later finds the file as it was.
 * Standard input  a file is read beside its position; what stands in a pipe is copied with tee(2), which
 *             leaves it there: as much as comes within a moment of the first byte, at most what the pipe
 *             holds (64 KiB).  A terminal has no head.
 * Cost        one system call for a file; for a pipe a wait of at most WAIT_MS after its first byte.
 */
#include "engine/engine_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAIT_MS = 200, STEP_MS = 10 };

static weir_status
head_failed(const char *path, weir_error *err)
{
    if (errno == EINTR)
        return wr_error_set(err, WEIR_CANCELLED, "interrupted");
    return wr_error_set(err, WEIR_CONFIG_FILE, "cannot read \"%s\": %s", path, strerror(errno));
}

/* What stands in the pipe fd now, without taking it out. */
static ssize_t
pipe_look(int fd, char *head, size_t size)
{
    int copy[2];
    if (pipe2(copy, O_CLOEXEC) < 0)
        return -1;
    ssize_t n = tee(fd, copy[1], size, SPLICE_F_NONBLOCK), got = 0;
    while (n > 0 && got < n) {
        ssize_t r = read(copy[0], head + got, (size_t)(n - got));
        if (r <= 0)
            break;
        got += r;
    }
    int saved = errno;
    close(copy[0]);
    close(copy[1]);
    errno = saved;
    return n < 0 ? -1 : got;
}

static weir_status
pipe_head(int fd, const char *path, char *head, size_t size, size_t *length, bool *whole,
          weir_error *err)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    if (poll(&p, 1, -1) < 0)
        return head_failed(path, err);
    for (int waited = 0;; waited += STEP_MS) {
        ssize_t n = pipe_look(fd, head, size);
        if (n < 0 && errno != EAGAIN)
            return head_failed(path, err);
        bool more = n > (ssize_t)*length;
        *length = n > 0 ? (size_t)n : 0;
        if (poll(&p, 1, 0) < 0)
            return head_failed(path, err);
        *whole = (p.revents & POLLHUP) != 0; /* nobody writes any more: what stands there is all */
        if (*whole && more)
            continue; /* ... but look once more: it may have come just before */
        if (*whole || *length == size || waited >= WAIT_MS)
            return WEIR_OK;
        poll(NULL, 0, STEP_MS);
    }
}

size_t
wr_input_mark(const char *head, size_t length)
{
    return length >= 3 && memcmp(head, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

weir_status
wr_input_head(const char *path, char *head, size_t size, size_t *length, bool *whole,
              weir_error *err)
{
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    weir_status status = WEIR_OK;
    *length = 0;
    *whole = false;
    if (fd < 0 || fstat(fd, &st) < 0) {
        status = head_failed(path, err);
    } else if (S_ISFIFO(st.st_mode) && standard) {
        status = pipe_head(fd, path, head, size, length, whole, err);
    } else if (S_ISREG(st.st_mode)) {
        off_t from = lseek(fd, 0, SEEK_CUR);
        ssize_t n = 1;
        while (n > 0 && *length < size) {
            n = pread(fd, head + *length, size - *length, from + (off_t)*length);
            *length += n > 0 ? (size_t)n : 0;
        }
        *whole = *length < size;
        if (n < 0)
            status = head_failed(path, err);
    } else {
        status = wr_error_set(err, WEIR_CONFIG_MISSING, "the columns of %s cannot be inferred",
                              standard ? "standard input" : path);
        wr_error_hint(err, "only those of a file and of a pipe on standard input are: say --schema");
    }
    if (fd >= 0 && !standard)
        close(fd);
    return status;
}
