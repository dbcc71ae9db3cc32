/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/file.c -- the file source: a whole file, a file that grows, or standard input.
 *
 * Place       one lane (partition 0), fed by shard 0; the other shards end at once.
 * State       the descriptor, an unfinished record, which file it is: (device, inode) and the hash
 *             of its first bytes (at most 4 KiB), so that a position is used for that file alone.
 * Following   at the end it looks again every so often.  Another inode under the path: the old file
 *             is read to its end, then the new one from its beginning.  A file shorter than what
 *             was read, or with other first bytes, was cut and written anew: from its beginning.
 * Position    the offset where the next record begins.  A pipe has none: it goes on where it is.
 * Invariants  P1  a position is always at a record's beginning, with all before it fed
 */
#include "connector/file.h"

#include "base/hash.h"
#include "base/log.h"
#include "connector/input_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_BYTES = 4096, FOLLOW_US = 250000 };

/* What tells a file from another one. */
typedef struct file_identity {
    uint64_t device, inode, head_bytes, head_hash;
} file_identity;

typedef struct file_source {
    const wr_file_source_config *config;
    wr_source_ctx               *ctx;
    wr_lane                     *lane;
    int                          fd; /* -1: not open */
    bool                         regular, standard, ended;
    bool                         waited; /* at the end of a followed file, a pause ago */
    bool                         moved;  /* another file is under the path: end this one first */
    bool                         had_writer; /* a pipe that somebody wrote to */
    file_identity                identity;
    wr_input                     input;
    _Atomic uint64_t             shown; /* the offset, as of a moment ago, for whoever looks */
    /* From a checkpoint, until the first poll. */
    bool          restored, was_ended;
    uint64_t      restored_offset;
    file_identity restored_identity;
} file_source;

static bool
file_bounded(const void *config)
{
    return !((const wr_file_source_config *) config)->follow;
}

static weir_status
file_check(const void *config, weir_error *err)
{
    const wr_file_source_config *c = config;
    if (c->follow && strcmp(c->path, "-") == 0)
        return wr_error_set(err, WEIR_CONFIG_VALUE, "standard input cannot be followed");
    return WEIR_OK;
}

/* --- which file it is --- */

/* Is it the file it was?  UNSEEN: the system would not say (errno). */
typedef enum file_same { FILE_SAME, FILE_OTHER, FILE_UNSEEN } file_same;

/* Hash of the first bytes; OTHER: there are not so many. */
static file_same
head_hash(int fd, uint64_t bytes, uint64_t *hash)
{
    char     head[HEAD_BYTES];
    uint64_t have = 0;
    while (have < bytes) {
        ssize_t n = pread(fd, head + have, (size_t) (bytes - have), (off_t) have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? FILE_OTHER : FILE_UNSEEN;
        have += (uint64_t) n;
    }
    *hash = wr_hash_stable(head, (size_t) bytes);
    return FILE_SAME;
}

/* Extend the hash over the first bytes once more of them have been read. */
static void
identity_refresh(file_source *f)
{
    uint64_t bytes = WR_MIN(f->input.offset, (uint64_t) HEAD_BYTES), hash;
    if (f->regular && f->identity.head_bytes < bytes &&
        head_hash(f->fd, bytes, &hash) == FILE_SAME) {
        f->identity.head_bytes = bytes;
        f->identity.head_hash = hash;
    }
}

/* The open file still begins as it did, and reaches to `offset`. */
static file_same
identity_holds(int fd, const file_identity *identity, uint64_t offset)
{
    struct stat st;
    uint64_t    hash;
    if (fstat(fd, &st) != 0)
        return FILE_UNSEEN;
    if ((uint64_t) st.st_size < offset)
        return FILE_OTHER;
    if (identity->head_bytes == 0)
        return FILE_SAME;
    file_same same = head_hash(fd, identity->head_bytes, &hash);
    return same == FILE_SAME && hash != identity->head_hash ? FILE_OTHER : same;
}

static weir_status
identity_unseen(const file_source *f, weir_error *err)
{
    return wr_error_set(err, WEIR_READ, "cannot look at \"%s\": %s", f->config->path, strerror(errno));
}

/* --- open and close --- */

static weir_status
file_begin(file_source *f, weir_error *err)
{
    struct stat st;
    f->standard = strcmp(f->config->path, "-") == 0;
    f->fd = f->standard ? dup(STDIN_FILENO)
                        : open(f->config->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (f->fd < 0 || fstat(f->fd, &st) != 0)
        return wr_error_set(err, WEIR_READ, "cannot open \"%s\": %s", f->config->path,
                            strerror(errno));
    if (S_ISDIR(st.st_mode))
        return wr_error_set(err, WEIR_READ, "\"%s\" is a directory", f->config->path);
    f->regular = S_ISREG(st.st_mode);
    f->waited = f->moved = false;
    memset(&f->identity, 0, sizeof f->identity);
    f->identity.device = (uint64_t) st.st_dev;
    f->identity.inode = (uint64_t) st.st_ino;
    uint64_t offset = 0;
    if (f->regular) {
        off_t at = f->standard ? lseek(f->fd, 0, SEEK_CUR) : 0;
        offset = at > 0 ? (uint64_t) at : 0;
        (void) posix_fadvise(f->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    wr_input_clear(&f->input, offset);
    return WEIR_OK;
}

static void
file_end(file_source *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

static weir_status
file_open(void *self, wr_source_ctx *ctx, const void *config, void *shared, weir_error *err)
{
    file_source *f = self;
    f->config = config;
    f->ctx = ctx;
    f->fd = -1;
    wr_input_init(&f->input, ctx->flow);
    if (ctx->shard != 0) {
        f->ended = true;
        return WEIR_OK;
    }
    if (f->config->follow && access(f->config->path, F_OK) != 0)
        return WEIR_OK; /* it will come */
    weir_status status = file_begin(f, err);
    if (status != WEIR_OK)
        file_end(f);
    return status;
}

static void
file_close(void *self)
{
    file_source *f = self;
    file_end(f);
    wr_input_fini(&f->input);
}

/* --- position --- */

/* Go on where the checkpoint says, if this is that file. */
static weir_status
file_resume(file_source *f, weir_error *err)
{
    f->restored = false;
    if (!f->regular) {
        wr_log(WR_LOG_INFO, "file", "%s is no regular file: going on with what comes",
               f->config->path);
        return WEIR_OK;
    }
    file_same same = identity_holds(f->fd, &f->restored_identity, f->restored_offset);
    if (same == FILE_UNSEEN)
        return identity_unseen(f, err);
    if (same == FILE_SAME) {
        if (lseek(f->fd, (off_t) f->restored_offset, SEEK_SET) < 0)
            return wr_error_set(err, WEIR_READ, "cannot seek in \"%s\": %s", f->config->path,
                                strerror(errno));
        wr_input_clear(&f->input, f->restored_offset);
        f->identity.head_bytes = f->restored_identity.head_bytes;
        f->identity.head_hash = f->restored_identity.head_hash;
        return WEIR_OK;
    }
    if (!f->config->follow)
        return wr_error_set(err, WEIR_READ,
                            "\"%s\" is not the file that was read before: it has been replaced or "
                            "cut since the checkpoint",
                            f->config->path);
    wr_log(WR_LOG_WARN, "file",
           "%s was replaced while nobody read it: reading it from the beginning", f->config->path);
    f->ctx->lane_anew(f->ctx, f->lane);
    return WEIR_OK;
}

static weir_status
file_freeze(void *self, wr_snapshot_writer *to)
{
    file_source *f = self;
    bool         pending = f->restored; /* not polled since the restore */
    bool         known = f->ctx->shard == 0 && (f->fd >= 0 || f->ended || pending);
    wr_snapshot_put_u64(to, known);
    if (!known)
        return WEIR_OK;
    const file_identity *id = pending ? &f->restored_identity : &f->identity;
    wr_snapshot_put_u64(to, f->ended || (pending && f->was_ended));
    wr_snapshot_put_u64(to, pending ? f->restored_offset : f->input.offset);
    wr_snapshot_put_u64(to, id->device);
    wr_snapshot_put_u64(to, id->inode);
    wr_snapshot_put_u64(to, id->head_bytes);
    wr_snapshot_put_u64(to, id->head_hash);
    return WEIR_OK;
}

static weir_status
file_restore(void *self, wr_snapshot_reader *from)
{
    file_source *f = self;
    if (wr_snapshot_get_u64(from) == 0)
        return wr_snapshot_reader_status(from);
    bool          ended = wr_snapshot_get_u64(from) != 0;
    uint64_t      offset = wr_snapshot_get_u64(from);
    file_identity id;
    id.device = wr_snapshot_get_u64(from);
    id.inode = wr_snapshot_get_u64(from);
    id.head_bytes = wr_snapshot_get_u64(from);
    id.head_hash = wr_snapshot_get_u64(from);
    WR_TRY(wr_snapshot_reader_status(from));
    if (id.head_bytes > HEAD_BYTES || offset > INT64_MAX)
        return WEIR_CHECKPOINT_CORRUPT;
    if (f->ctx->shard != 0)
        return WEIR_OK;
    f->restored = true;
    f->was_ended = ended;
    f->restored_offset = offset;
    f->restored_identity = id;
    return WEIR_OK;
}

/* --- reading --- */

static wr_flow
file_fail(file_source *f, weir_status code, const char *what)
{
    wr_error_set(&f->ctx->error, code, "\"%s\": %s", f->config->path, what);
    return WR_FLOW_FAIL;
}

static wr_flow
file_finish(file_source *f)
{
    f->ended = true;
    atomic_store_explicit(&f->shown, f->input.offset, memory_order_relaxed);
    f->ctx->caught_up(f->ctx, f->lane, true);
    f->ctx->lane_end(f->ctx, f->lane);
    file_end(f);
    return WR_FLOW_DONE;
}

/* Feed what is buffered.  NEXT: all but an unfinished record is fed. */
static wr_flow
file_feed(file_source *f, bool last)
{
    weir_status status = WEIR_OK;
    switch (wr_input_feed(&f->input, f->ctx, f->lane, last, &status)) {
    case WR_INPUT_FULL: return WR_FLOW_WAIT;
    case WR_INPUT_FAILED: return file_fail(f, status, weir_status_text(status));
    case WR_INPUT_EMPTY: break;
    }
    return WR_FLOW_NEXT;
}

/* After a pause at the end of a followed file: has it been cut, written anew, or moved away? */
static weir_status
file_look_again(file_source *f, weir_error *err)
{
    struct stat st;
    f->waited = false;
    file_same same =
        identity_holds(f->fd, &f->identity, f->input.offset + (f->input.end - f->input.begin));
    if (same == FILE_UNSEEN)
        return identity_unseen(f, err);
    if (same == FILE_OTHER) {
        wr_log(WR_LOG_WARN, "file", "%s was cut: reading it from the beginning", f->config->path);
        if (lseek(f->fd, 0, SEEK_SET) < 0)
            return wr_error_set(err, WEIR_READ, "\"%s\": %s", f->config->path, strerror(errno));
        wr_input_clear(&f->input, 0);
        f->ctx->lane_anew(f->ctx, f->lane);
        f->identity.head_bytes = f->identity.head_hash = 0;
    } else if (stat(f->config->path, &st) == 0) {
        /* read once more to its end: it may have been written to until now */
        f->moved = (uint64_t) st.st_ino != f->identity.inode ||
                   (uint64_t) st.st_dev != f->identity.device;
    }
    return WEIR_OK;
}

static wr_flow
file_wait(file_source *f)
{
    f->waited = true;
    f->ctx->caught_up(f->ctx, f->lane, true);
    f->ctx->wake_after(f->ctx, f->config->every_us > 0 ? f->config->every_us : FOLLOW_US);
    return WR_FLOW_WAIT;
}

/* read() gave nothing. */
static wr_flow
file_at_end(file_source *f)
{
    if (!f->regular && !f->standard && !f->had_writer) { /* a pipe nobody has opened yet */
        f->had_writer = true;
        f->ctx->caught_up(f->ctx, f->lane, true);
        f->ctx->wake_on(f->ctx, f->fd);
        return WR_FLOW_WAIT;
    }
    bool over = !f->config->follow || f->ctx->bounded;
    if (!over && !f->moved)
        return file_wait(f);
    wr_flow flow = file_feed(f, true);
    if (flow != WR_FLOW_NEXT)
        return flow;
    if (over)
        return file_finish(f);
    file_end(f); /* file_poll opens the new one: it may be away again */
    f->ctx->lane_anew(f->ctx, f->lane);
    return WR_FLOW_NEXT;
}

/* Something can be read without blocking. */
static bool
file_ready(file_source *f)
{
    struct pollfd p = { .fd = f->fd, .events = POLLIN };
    if (f->regular || poll(&p, 1, 0) != 0)
        return true;
    f->ctx->caught_up(f->ctx, f->lane, true);
    f->ctx->wake_on(f->ctx, f->fd);
    return false;
}

static wr_flow
file_read(file_source *f)
{
    size_t room;
    if (!file_ready(f))
        return WR_FLOW_WAIT;
    char *to = wr_input_room(&f->input, WR_INPUT_BLOCK, &room);
    if (to == NULL)
        return file_fail(f, WEIR_MEMORY, "no memory to read into");
    if (room == 0)
        return file_fail(f, WEIR_ROW_TOO_LARGE, "a record is larger than 64 MiB");
    ssize_t n = read(f->fd, to, room);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return WR_FLOW_NEXT;
    if (n < 0)
        return file_fail(f, WEIR_READ, strerror(errno));
    if (n == 0)
        return file_at_end(f);
    f->input.end += (size_t) n;
    f->had_writer = true;
    f->ctx->caught_up(f->ctx, f->lane, false);
    wr_flow flow = file_feed(f, false);
    identity_refresh(f);
    atomic_store_explicit(&f->shown, f->input.offset, memory_order_relaxed);
    return flow;
}

/* Has something been added to a file that an earlier run had read to its end?  SAME: yes. */
static file_same
file_has_grown(const file_source *f)
{
    if (!f->ctx->renewed || f->fd < 0 || !f->regular)
        return FILE_OTHER;
    return identity_holds(f->fd, &f->restored_identity, f->restored_offset + 1);
}

/* Not there (yet). */
static bool
file_is_missing(const file_source *f)
{
    return access(f->config->path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

static wr_flow
file_poll(void *self, wr_source_ctx *ctx)
{
    file_source *f = self;
    if (f->ended)
        return WR_FLOW_DONE;
    if (f->lane == NULL && (f->lane = ctx->lane(ctx, 0)) == NULL)
        return file_fail(f, WEIR_MEMORY, "no memory for a lane");
    if (f->restored && f->was_ended) {
        file_same grown = file_has_grown(f);
        if (grown == FILE_UNSEEN)
            return file_fail(f, WEIR_READ, strerror(errno));
        if (grown == FILE_OTHER) {
            f->restored = false;
            f->identity = f->restored_identity;
            wr_input_clear(&f->input, f->restored_offset);
            return file_finish(f);
        }
    }
    if (f->fd < 0) {
        if (file_is_missing(f))
            return ctx->bounded ? file_finish(f) : file_wait(f);
        if (file_begin(f, &ctx->error) != WEIR_OK)
            return WR_FLOW_FAIL;
    }
    if (f->restored && file_resume(f, &ctx->error) != WEIR_OK)
        return WR_FLOW_FAIL;
    if (f->waited && f->regular && file_look_again(f, &ctx->error) != WEIR_OK)
        return WR_FLOW_FAIL;
    if (!ctx->has_room(ctx))
        return WR_FLOW_WAIT;
    wr_flow flow = file_feed(f, false);
    return flow == WR_FLOW_NEXT ? file_read(f) : flow;
}

static void
file_describe(void *self, wr_text *to)
{
    file_source *f = self;
    struct stat  st;
    if (f->ctx->shard != 0)
        return;
    wr_text_printf(to, "%s: at byte %" PRIu64, f->config->path,
                   atomic_load_explicit(&f->shown, memory_order_relaxed));
    bool named = strcmp(f->config->path, "-") != 0;
    if (named && stat(f->config->path, &st) == 0 && S_ISREG(st.st_mode))
        wr_text_printf(to, " of %" PRIu64, (uint64_t) st.st_size);
    wr_text_putc(to, '\n');
}

static bool
file_extent(void *self, wr_source_extent *extent)
{
    file_source *f = self;
    struct stat  st;
    extent->bytes = true;
    if (f->ctx->shard != 0)
        return true;
    if ((f->config->follow && !f->ctx->bounded) || strcmp(f->config->path, "-") == 0 ||
        stat(f->config->path, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    extent->read = atomic_load_explicit(&f->shown, memory_order_relaxed);
    extent->whole = (uint64_t) st.st_size;
    return true;
}

static const wr_option file_options[] = {
    { .name = "path",
      .type = WR_OPT_STRING,
      .offset = offsetof(wr_file_source_config, path),
      .required = true,
      .doc = "The file to read; - is standard input." },
    { .name = "follow",
      .type = WR_OPT_BOOL,
      .offset = offsetof(wr_file_source_config, follow),
      .fallback = "false",
      .doc = "Go on when more is appended, and when the file is rotated or cut." },
    { .name = "every",
      .type = WR_OPT_DURATION,
      .offset = offsetof(wr_file_source_config, every_us),
      .fallback = "250ms",
      .low = 1000,
      .high = 3600e6,
      .doc = "How often a followed file is looked at." },
    { 0 },
};

const wr_source_ops wr_file_source_ops = {
    .name = "file",
    .doc = "Records of a file or of standard input.",
    .options = file_options,
    .config_bytes = sizeof(wr_file_source_config),
    .self_bytes = sizeof(file_source),
    .default_format = "json",
    .one_shard = true,
    .has_end = true,
    .bounded = file_bounded,
    .check = file_check,
    .open = file_open,
    .poll = file_poll,
    .freeze = file_freeze,
    .restore = file_restore,
    .close = file_close,
    .describe = file_describe,
    .extent = file_extent,
};
