/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/file_sink.c -- the sink that writes to a file.
 *
 * State       the descriptor, encoded bytes not yet written.
 * Durable     flush writes everything and calls fsync (unless `fsync: false`).  After an fsync that
 *             failed the kernel may have dropped the data while it claims otherwise, so the sink
 *             fails; a full disk is waited for.
 * Restart     `append` goes on behind what is there; a last line without its end (the process was
 *             killed inside a write) is closed by a newline.  `truncate` begins anew.
 * Rotation    past rotate_bytes the file is renamed to PATH.1, PATH.2 ... and a new one begun,
 *             between two batches.
 */
#include "connector/file.h"
#include "base/log.h"
#include "connector/output_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RETRY_US = 1000000, PATH_BYTES_MAX = 4096 };

typedef struct file_sink {
    const wr_file_sink_config *config;
    wr_output                  output;
    int                        fd;
    uint64_t                   size; /* of the file, all pending bytes included */
    uint64_t                   rotated;
    bool                       dirty; /* written since the last fsync */
    bool                       full;  /* it waits for room on the disk; fd -1: to begin its next file */
} file_sink;

/* Fsync the folder, so that the file's name survives. */
static void
folder_sync(const char *path)
{
    char        folder[PATH_BYTES_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        snprintf(folder, sizeof folder, ".");
    else
        snprintf(folder, sizeof folder, "%.*s", (int) WR_MAX(slash - path, 1), path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void) fsync(fd);
        close(fd);
    }
}

static bool
is_full(int error)
{
    return error == ENOSPC || error == EDQUOT;
}

static weir_status
sink_begin(file_sink *s, wr_encoder *encoder, bool truncate, weir_error *err)
{
    struct stat st;
    char        lastly = '\n';
    const char *path = s->config->path;
    s->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | (truncate ? O_TRUNC : 0), 0644);
    if (s->fd < 0 && errno == ENXIO) /* a pipe nobody reads yet */
        errno = EPIPE;
    if (s->fd < 0 || fstat(s->fd, &st) != 0)
        return wr_error_set(err, is_full(errno) ? WEIR_DISK_FULL : WEIR_WRITE, "cannot open \"%s\": %s",
                            path, strerror(errno));
    wr_output_set(&s->output, s->fd);
    s->size = S_ISREG(st.st_mode) ? (uint64_t) st.st_size : 0;
    if (s->config->sync)
        folder_sync(path);
    if (s->size == 0)
        return encoder->ops->begin != NULL ? encoder->ops->begin(encoder, &s->output.pending)
                                           : WEIR_OK;
    bool text = strcmp(encoder->ops->name, "msgpack") != 0;
    if (text && pread(s->fd, &lastly, 1, (off_t) s->size - 1) == 1 && lastly != '\n')
        wr_text_putc(&s->output.pending, '\n');
    return wr_text_ok(&s->output.pending) ? WEIR_OK : WEIR_MEMORY;
}

/* Two would write into each other's lines, and rotate each other's file; a device (/dev/null) takes any number. */
static const char *
sink_target(const void *config)
{
    const char *path = ((const wr_file_sink_config *) config)->path;
    return path != NULL && strncmp(path, "/dev/", 5) != 0 ? path : NULL;
}

static weir_status
sink_check(const void *config, const wr_schema *schema, const wr_encoder_ops *encoder, weir_error *err)
{
    const wr_file_sink_config *c = config;
    if (strlen(c->path) >= PATH_BYTES_MAX - 24 || *c->path == '\0')
        return wr_error_set(err, WEIR_CONFIG_VALUE, "the path is empty or too long");
    return WEIR_OK;
}

static weir_status
sink_open(void *self, wr_sink_ctx *ctx, const void *config, weir_error *err)
{
    file_sink *s = self;
    s->config = config;
    s->fd = -1;
    wr_output_init(&s->output, ctx->flow);
    WR_TRY(sink_check(config, ctx->schema, ctx->encoder->ops, err));
    return sink_begin(s, ctx->encoder, s->config->mode == 1, err);
}

static wr_flow
sink_fail(file_sink *s, wr_sink_ctx *ctx, weir_status code, const char *what)
{
    wr_error_set(&ctx->error, code, "\"%s\": %s", s->config->path, what);
    return WR_FLOW_FAIL;
}

/* ctx->error says why. */
static wr_flow
sink_wait_for_room(file_sink *s, wr_sink_ctx *ctx, wr_flow blocked)
{
    if (!s->full)
        wr_log(WR_LOG_WARN, "file", "%s: waiting for room", ctx->error.text);
    s->full = true;
    atomic_fetch_add_explicit(&ctx->retries, 1, memory_order_relaxed);
    ctx->wake_after(ctx, RETRY_US);
    return blocked;
}

/* NEXT: all is written. */
static wr_flow
sink_drain(file_sink *s, wr_sink_ctx *ctx, wr_flow blocked)
{
    uint64_t        written = 0;
    wr_output_state state = wr_output_drain(&s->output, &written);
    int             error = errno;
    atomic_fetch_add_explicit(&ctx->bytes, written, memory_order_relaxed);
    s->dirty |= written > 0;
    s->size += written;
    s->full = s->full && written == 0;
    if (state == WR_OUTPUT_CLEAR)
        return WR_FLOW_NEXT;
    if (state == WR_OUTPUT_BLOCKED) {
        ctx->wake_on(ctx, s->fd, true);
        return blocked;
    }
    if (state == WR_OUTPUT_CLOSED)
        return sink_fail(s, ctx, WEIR_CLOSED, "nobody reads the pipe");
    if (is_full(error)) { /* what is written stays; the rest waits for room */
        wr_error_set(&ctx->error, WEIR_DISK_FULL, "\"%s\": %s", s->config->path, strerror(error));
        return sink_wait_for_room(s, ctx, blocked);
    }
    return sink_fail(s, ctx, WEIR_WRITE, strerror(error));
}

static wr_flow
sink_sync(file_sink *s, wr_sink_ctx *ctx)
{
    if (s->config->sync && s->dirty && s->output.regular && fsync(s->fd) != 0)
        return sink_fail(s, ctx, WEIR_WRITE, strerror(errno));
    s->dirty = false;
    return WR_FLOW_NEXT;
}

/* The file that stood there has been renamed. */
static wr_flow
sink_begin_next(file_sink *s, wr_sink_ctx *ctx)
{
    weir_status status = sink_begin(s, ctx->encoder, false, &ctx->error);
    if (status == WEIR_DISK_FULL)
        return sink_wait_for_room(s, ctx, WR_FLOW_AGAIN);
    s->full = false;
    return status == WEIR_OK ? WR_FLOW_NEXT : WR_FLOW_FAIL;
}

static wr_flow
sink_rotate(file_sink *s, wr_sink_ctx *ctx)
{
    char to[PATH_BYTES_MAX];
    if (sink_sync(s, ctx) != WR_FLOW_NEXT)
        return WR_FLOW_FAIL;
    do
        snprintf(to, sizeof to, "%s.%" PRIu64, s->config->path, ++s->rotated);
    while (access(to, F_OK) == 0);
    if (rename(s->config->path, to) != 0) {
        if (!is_full(errno))
            return sink_fail(s, ctx, WEIR_WRITE, strerror(errno));
        wr_error_set(&ctx->error, WEIR_DISK_FULL, "\"%s\": %s", to, strerror(errno));
        s->rotated--;
        return sink_wait_for_room(s, ctx, WR_FLOW_AGAIN);
    }
    close(s->fd);
    s->fd = -1;
    return sink_begin_next(s, ctx);
}

static wr_flow
sink_write(void *self, wr_sink_ctx *ctx, const wr_batch *batch)
{
    file_sink *s = self;
    wr_flow    flow = sink_drain(s, ctx, WR_FLOW_AGAIN);
    if (flow == WR_FLOW_NEXT && s->fd < 0)
        flow = sink_begin_next(s, ctx);
    else if (flow == WR_FLOW_NEXT && s->config->rotate_bytes > 0 && s->output.regular &&
             s->size >= (uint64_t) s->config->rotate_bytes)
        flow = sink_rotate(s, ctx);
    if (flow != WR_FLOW_NEXT)
        return flow;
    for (uint32_t row = 0; row < batch->row_count && flow != WR_FLOW_FAIL;) {
        bool        full = flow == WR_FLOW_AGAIN; /* the rest waits with it */
        weir_status status = wr_output_encode(&s->output, ctx->encoder, batch, &row, full);
        if (status != WEIR_OK)
            return sink_fail(s, ctx, status, weir_status_text(status));
        if (!full)
            flow = sink_drain(s, ctx, WR_FLOW_AGAIN);
    }
    atomic_fetch_add_explicit(&ctx->rows, batch->row_count, memory_order_relaxed);
    return flow == WR_FLOW_AGAIN ? WR_FLOW_NEXT : flow;
}

static wr_flow
sink_flush(void *self, wr_sink_ctx *ctx)
{
    wr_flow flow = sink_drain(self, ctx, WR_FLOW_WAIT);
    return flow == WR_FLOW_NEXT ? sink_sync(self, ctx) : flow;
}

static wr_flow
sink_service(void *self, wr_sink_ctx *ctx)
{
    return sink_drain(self, ctx, WR_FLOW_WAIT);
}

static void
sink_close(void *self)
{
    file_sink *s = self;
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    wr_output_fini(&s->output);
}

static const wr_option sink_options[] = {
    { .name = "path",
      .type = WR_OPT_STRING,
      .offset = offsetof(wr_file_sink_config, path),
      .required = true,
      .doc = "The file to write." },
    { .name = "mode",
      .type = WR_OPT_ENUM,
      .offset = offsetof(wr_file_sink_config, mode),
      .fallback = "append",
      .choices = "append|truncate",
      .doc = "Go on behind what is there, or begin anew at each start." },
    { .name = "rotate",
      .type = WR_OPT_BYTES,
      .offset = offsetof(wr_file_sink_config, rotate_bytes),
      .fallback = "0",
      .doc = "Begin a new file beyond this size; the old ones become PATH.1, PATH.2 ..." },
    { .name = "fsync",
      .type = WR_OPT_BOOL,
      .offset = offsetof(wr_file_sink_config, sync),
      .fallback = "true",
      .doc = "Make the rows durable at each checkpoint." },
    { 0 },
};

const wr_sink_ops wr_file_sink_ops = {
    .name = "file",
    .doc = "Rows to a file.",
    .options = sink_options,
    .config_bytes = sizeof(wr_file_sink_config),
    .self_bytes = sizeof(file_sink),
    .default_format = "json",
    .takes_changes = true,
    .target = sink_target,
    .check = sink_check,
    .open = sink_open,
    .write = sink_write,
    .flush = sink_flush,
    .service = sink_service,
    .close = sink_close,
};
