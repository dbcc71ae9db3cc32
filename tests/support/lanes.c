/* SPDX-License-Identifier: Apache-2.0 */
/* support/lanes.c -- see lanes.h. */
#include "support/deadline.h"
#include "support/lanes.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { LOOK_US = 20000 };

static void
lane_make_decoder(wr_lanes *l, wr_lane *lane)
{
    weir_error err;
    if (lane->decoder != NULL)
        lane->decoder->ops->destroy(lane->decoder);
    lane->decoder = NULL;
    if (l->format != NULL)
        assert_int_equal(l->format->create(l->format_config, l->schema, l->needed, NULL, &lane->decoder, &err),
                         WEIR_OK);
}

static wr_lane *
lane_find(wr_source_ctx *ctx, int32_t partition)
{
    wr_lanes *l = (wr_lanes *) ctx;
    for (uint32_t i = 0; i < l->lane_count; i++)
        if (l->lanes[i].partition == partition) {
            l->lanes[i].ended = false; /* it was taken away, and comes back */
            return &l->lanes[i];
        }
    assert_true(l->lane_count < WR_LANES_MAX);
    wr_lane *lane = &l->lanes[l->lane_count++];
    memset(lane, 0, sizeof *lane);
    lane->partition = partition;
    lane->last_offset = -1;
    wr_text_init(&lane->rows, NULL);
    wr_text_init(&lane->bad, NULL);
    wr_text_init(&lane->last_key, NULL);
    lane_make_decoder(l, lane);
    return lane;
}

static bool
lanes_have_room(wr_source_ctx *ctx)
{
    return ((wr_lanes *) ctx)->room != 0;
}

static bool
lanes_may_read(wr_source_ctx *ctx, wr_lane *lane)
{
    return !lane->held;
}

static void
bad_note(void *user, weir_status_code code, const char *text, const char *bytes, size_t length)
{
    wr_lane *lane = user;
    lane->bad_count++;
    wr_text_printf(&lane->bad, "%d %s <%.*s>\n", (int) code, text,
                   (int) WR_MIN(length, (size_t) 60), bytes != NULL ? bytes : "");
}

static void
rows_take(wr_lanes *l, wr_lane *lane, wr_column **columns, uint32_t count,
          const wr_record_meta *meta)
{
    if (l->with_offsets && meta != NULL)
        wr_text_printf(&lane->rows, "%lld:", (long long) meta->offset);
    wr_decoding_print(l->schema, columns, count, &lane->rows);
    lane->row_count += count;
    lane->batch_count++;
    if (l->room > 0)
        l->room -= WR_MIN(l->room, (int64_t) count);
}

static void
lanes_are_coming(wr_source_ctx *ctx, bool yes)
{
    ((wr_lanes *) ctx)->coming = yes;
}

/* From any thread. */
static wr_epoch
lanes_checkpoint(wr_source_ctx *ctx)
{
    return atomic_fetch_add(&((wr_lanes *) ctx)->wanted, 1) + 1;
}

static weir_status
lanes_feed(wr_source_ctx *ctx, wr_lane *lane, const char *bytes, size_t length, bool last,
           const wr_record_meta *meta, size_t *consumed)
{
    wr_lanes   *l = (wr_lanes *) ctx;
    weir_status status = WEIR_OK;
    *consumed = 0;
    assert_false(l->coming); /* no shard may feed before all lanes are there */
    if (meta != NULL) {
        lane->last_offset = meta->offset;
        wr_text_clear(&lane->last_key);
        if (meta->key != NULL)
            wr_text_append(&lane->last_key, meta->key, meta->key_length);
    }
    for (bool more = true; more && status == WEIR_OK && l->room != 0;) {
        wr_batch_builder builder;
        wr_batch        *batch;
        size_t           step = 0;
        uint32_t         capacity = WR_BATCH_ROWS_MAX;
        if (l->room > 0)
            capacity = (uint32_t) WR_MIN(l->room, (int64_t) capacity);
        wr_batch_builder_init(&builder, NULL, l->schema);
        assert_int_equal(wr_batch_builder_open(&builder, capacity, &batch), WEIR_OK);
        wr_decode_to to = { batch->columns, 0, capacity, bad_note, lane };
        status = l->format->decode(lane->decoder, bytes + *consumed, length - *consumed, last, &to,
                                   &step);
        rows_take(l, lane, batch->columns, to.count, meta);
        *consumed += step;
        more = to.count == capacity;
        wr_batch_builder_fini(&builder);
    }
    return status;
}

/* Some in one call, the next alone, the next in a call again. */
static weir_status
lanes_feed_messages(wr_source_ctx *ctx, wr_lane *lane, const wr_message *messages, uint32_t count,
                    uint32_t *done)
{
    wr_lanes        *l = (wr_lanes *) ctx;
    wr_batch_builder builder;
    wr_batch        *batch;
    uint32_t         capacity = WR_BATCH_ROWS_MAX;
    *done = 0;
    assert_false(l->coming);
    if (l->with_offsets || l->room == 0)
        return WEIR_OK;
    if (l->room > 0)
        capacity = (uint32_t) WR_MIN(l->room, (int64_t) capacity);
    wr_batch_builder_init(&builder, NULL, l->schema);
    assert_int_equal(wr_batch_builder_open(&builder, capacity, &batch), WEIR_OK);
    wr_decode_to to = { batch->columns, 0, capacity, bad_note, lane };
    *done = l->format->decode_messages(lane->decoder, messages, WR_MIN(count, 1 + lane->row_count % 7), &to);
    assert_int_equal(*done, to.count);
    if (to.count > 0)
        rows_take(l, lane, batch->columns, to.count, NULL);
    wr_batch_builder_fini(&builder);
    return WEIR_OK;
}

static weir_status
lanes_tombstone(wr_source_ctx *ctx, wr_lane *lane, const wr_record_meta *meta)
{
    wr_lanes *l = (wr_lanes *) ctx;
    lane->last_offset = meta->offset;
    wr_text_putc(&lane->rows, '-');
    if (meta->key != NULL)
        wr_text_append(&lane->rows, meta->key, meta->key_length);
    wr_text_putc(&lane->rows, '\n');
    lane->row_count++;
    if (l->room > 0)
        l->room--;
    return WEIR_OK;
}

static weir_status
lanes_push(wr_source_ctx *ctx, wr_lane *lane, wr_batch *batch)
{
    wr_batch_check(batch);
    rows_take((wr_lanes *) ctx, lane, batch->columns, batch->row_count, NULL);
    wr_batch_release(batch);
    return WEIR_OK;
}

static void
lanes_caught_up(wr_source_ctx *ctx, wr_lane *lane, bool yes)
{
    assert_false(lane->ended);
    lane->caught_up = yes;
}

static void
lanes_lane_end(wr_source_ctx *ctx, wr_lane *lane)
{
    lane->ended = true;
    ((wr_lanes *) ctx)->lost += !((wr_lanes *) ctx)->coming;
}

static void
lanes_lane_anew(wr_source_ctx *ctx, wr_lane *lane)
{
    lane_make_decoder((wr_lanes *) ctx, lane);
}

static void
lanes_bad(wr_source_ctx *ctx, wr_lane *lane, weir_status_code code, const char *text,
          const char *bytes, size_t length)
{
    bad_note(lane, code, text, bytes, length);
}

static void
lanes_wake(wr_source_ctx *ctx)
{
    wr_lanes *l = (wr_lanes *) ctx;
    ssize_t   n = write(l->bell[1], "!", 1);
    (void) n;
}

static void
lanes_wake_after(wr_source_ctx *ctx, int64_t us)
{
    wr_lanes *l = (wr_lanes *) ctx;
    int64_t   at = wr_clock_monotonic(ctx->clock) + us;
    l->wake_at = l->wake_at == 0 ? at : WR_MIN(l->wake_at, at);
}

static void
lanes_wake_on(wr_source_ctx *ctx, int fd)
{
    ((wr_lanes *) ctx)->fd = fd;
}

weir_status
wr_lanes_try(wr_lanes *l, const char *source, const char *settings, const char *format,
             const char *columns, unsigned flags, weir_error *err)
{
    wr_lanes *first = l->first;
    memset(l, 0, sizeof *l);
    l->first = flags & WR_LANES_SECOND_OF_TWO ? first : NULL;
    wr_arena_init(&l->arena, NULL);
    l->ops = wr_source_find(source);
    assert_non_null(l->ops);
    l->config = wr_decode_config(&l->arena, l->ops->options, l->ops->config_bytes, settings);
    if (format != NULL) {
        const char *more = strchr(format, ';');
        size_t      length = more != NULL ? (size_t) (more - format) : strlen(format);
        l->format = wr_decoder_find(wr_arena_strndup(&l->arena, format, length));
        assert_non_null(l->format);
        l->format_config = wr_decode_config(&l->arena, l->format->options, l->format->config_bytes,
                                            more != NULL ? more + 2 : NULL);
    }
    if (columns != NULL)
        l->schema = wr_decode_schema(&l->arena, columns);
    else
        assert_int_equal(l->ops->columns(l->config, &l->arena, &l->schema, err), WEIR_OK);
    memset(l->needed, 0xff, sizeof l->needed);
    assert_int_equal(pipe2(l->bell, O_NONBLOCK | O_CLOEXEC), 0);
    l->room = -1;
    l->fd = -1;
    bool alone = (flags & (WR_LANES_KEYED | WR_LANES_META)) != 0 || l->format == NULL ||
                 l->format->decode_messages == NULL;
    l->ctx = (wr_source_ctx){
        .feed_messages = alone ? NULL : lanes_feed_messages,
        .tombstone = flags & WR_LANES_KEYED ? lanes_tombstone : NULL,
        .shard = flags & WR_LANES_SECOND_OF_TWO ? 1 : 0,
        .shard_count = flags & (WR_LANES_SECOND_OF_TWO | WR_LANES_FIRST_OF_TWO) ? 2 : 1,
        .clock = wr_clock_system(),
        .bounded = (flags & WR_LANES_BOUNDED) != 0,
        .lane = lane_find,
        .lanes_coming = lanes_are_coming,
        .may_read = lanes_may_read,
        .has_room = lanes_have_room,
        .feed = lanes_feed,
        .push = lanes_push,
        .needed = l->needed,
        .schema = l->schema,
        .caught_up = lanes_caught_up,
        .lane_end = lanes_lane_end,
        .lane_anew = lanes_lane_anew,
        .bad = lanes_bad,
        .wake = lanes_wake,
        .checkpoint = lanes_checkpoint,
        .keeps = true,
        .wake_after = lanes_wake_after,
        .wake_on = lanes_wake_on,
    };
    weir_status status = WEIR_OK;
    if (l->ops->check != NULL)
        status = l->ops->check(l->config, err);
    if (l->first != NULL)
        l->shared = l->first->shared;
    else if (status == WEIR_OK && l->ops->share != NULL)
        status = l->ops->share(l->config, l->ctx.shard_count, NULL, &l->shared, err);
    if (status != WEIR_OK)
        return status;
    l->self = wr_calloc(NULL, 1, l->ops->self_bytes);
    return l->ops->open(l->self, &l->ctx, l->config, l->shared, err);
}

void
wr_lanes_open_beside(wr_lanes *l, wr_lanes *first, const char *settings, const char *columns)
{
    weir_error err;
    l->first = first;
    if (wr_lanes_try(l, first->ops->name, settings,
                     first->format != NULL ? first->format->name : NULL, columns,
                     WR_LANES_SECOND_OF_TWO, &err) != WEIR_OK)
        fail_msg("%s does not open: %s", first->ops->name, err.text);
}

void
wr_lanes_open(wr_lanes *l, const char *source, const char *settings, const char *format,
              const char *columns, unsigned flags)
{
    weir_error err;
    l->first = NULL;
    if (wr_lanes_try(l, source, settings, format, columns, flags, &err) != WEIR_OK)
        fail_msg("%s does not open: %s", source, err.text);
}

void
wr_lanes_close(wr_lanes *l)
{
    if (l->self != NULL)
        l->ops->close(l->self);
    if (l->shared != NULL && l->first == NULL)
        l->ops->unshare(l->shared);
    wr_free(l->self);
    for (uint32_t i = 0; i < l->lane_count; i++) {
        wr_lane *lane = &l->lanes[i];
        if (lane->decoder != NULL)
            lane->decoder->ops->destroy(lane->decoder);
        wr_text_fini(&lane->rows);
        wr_text_fini(&lane->bad);
        wr_text_fini(&lane->last_key);
    }
    close(l->bell[0]);
    close(l->bell[1]);
    wr_arena_fini(&l->arena);
}

/* Up to `until`; true: it was woken. */
static bool
lanes_sleep(wr_lanes *l, int64_t until)
{
    char          drain[64];
    struct pollfd p[2] = { { .fd = l->bell[0], .events = POLLIN },
                           { .fd = l->fd, .events = POLLIN } };
    int64_t       now = wr_clock_monotonic(l->ctx.clock);
    bool          woken = false;
    if (l->wake_at != 0)
        until = WR_MIN(until, l->wake_at);
    if (until > now)
        woken = poll(p, l->fd >= 0 ? 2 : 1, (int) ((until - now + 999) / 1000)) > 0;
    while (read(l->bell[0], drain, sizeof drain) > 0)
        woken = true;
    if (l->wake_at != 0 && wr_clock_monotonic(l->ctx.clock) >= l->wake_at) {
        l->wake_at = 0;
        woken = true;
    }
    if (woken)
        l->fd = -1;
    return woken;
}

/* Sleep until it is woken (only that has it polled again) or what is waited for is so. */
static void
lanes_wait(wr_lanes *l, int64_t end, bool (*until)(wr_lanes *l))
{
    bool woken = false;
    while (!woken && wr_clock_monotonic(l->ctx.clock) < end && (until == NULL || !until(l)))
        woken = lanes_sleep(l, until == NULL ? end : WR_MIN(end, wr_clock_monotonic(l->ctx.clock) + LOOK_US));
}

bool
wr_lanes_run(wr_lanes *l, int timeout_ms, bool (*until)(wr_lanes *l))
{
    int64_t end = wr_test_deadline(l->ctx.clock, timeout_ms);
    for (;;) {
        l->flow = l->ops->poll(l->self, &l->ctx);
        if (until != NULL && until(l))
            return true;
        if (l->flow == WR_FLOW_DONE || l->flow == WR_FLOW_FAIL)
            return until == NULL;
        if (wr_clock_monotonic(l->ctx.clock) >= end)
            return false;
        if (l->flow != WR_FLOW_NEXT && l->room != 0)
            lanes_wait(l, end, until);
        else if (l->room == 0)
            return false;
    }
}

static uint32_t rows_wanted;

static bool
enough(wr_lanes *l)
{
    uint32_t have = 0;
    for (uint32_t i = 0; i < l->lane_count; i++)
        have += l->lanes[i].row_count + l->lanes[i].bad_count;
    return have >= rows_wanted;
}

bool
wr_lanes_run_rows(wr_lanes *l, int timeout_ms, uint32_t rows)
{
    rows_wanted = rows;
    return wr_lanes_run(l, timeout_ms, enough);
}

wr_lane *
wr_lanes_lane(wr_lanes *l, int32_t partition)
{
    for (uint32_t i = 0; i < l->lane_count; i++)
        if (l->lanes[i].partition == partition)
            return &l->lanes[i];
    fail_msg("no lane %d", (int) partition);
    return NULL;
}

const char *
wr_lanes_rows(wr_lanes *l, int32_t partition)
{
    return wr_text_string(&wr_lanes_lane(l, partition)->rows);
}

const char *
wr_lanes_bad(wr_lanes *l, int32_t partition)
{
    return wr_text_string(&wr_lanes_lane(l, partition)->bad);
}

uint32_t
wr_lanes_row_count(wr_lanes *l)
{
    uint32_t have = 0;
    for (uint32_t i = 0; i < l->lane_count; i++)
        have += l->lanes[i].row_count;
    return have;
}

void
wr_lanes_freeze(wr_lanes *l, wr_snapshot_writer *to)
{
    wr_snapshot_writer_init(to, NULL);
    wr_snapshot_begin(to, WR_SNAPSHOT_GLOBAL);
    assert_int_equal(l->ops->freeze(l->self, to), WEIR_OK);
    wr_snapshot_end(to);
    assert_int_equal(wr_snapshot_finish(to), WEIR_OK);
}

void
wr_lanes_answer(wr_lanes *l)
{
    wr_snapshot_writer snapshot;
    wr_epoch           epoch = atomic_load(&l->wanted);
    if (epoch == l->answered)
        return;
    wr_lanes_freeze(l, &snapshot);
    wr_snapshot_writer_fini(&snapshot);
    l->ops->frozen_epoch(l->self, epoch);
    l->ops->committed(l->self, epoch);
    l->answered = epoch;
}

void
wr_lanes_restore(wr_lanes *l, const wr_snapshot_writer *from)
{
    wr_snapshot_reader r;
    wr_snapshot_reader_init(&r, from->bytes.data, from->bytes.length, WR_GROUPS_ALL);
    assert_true(wr_snapshot_next(&r));
    assert_int_equal(l->ops->restore(l->self, &r), WEIR_OK);
    assert_false(wr_snapshot_more(&r));
}
