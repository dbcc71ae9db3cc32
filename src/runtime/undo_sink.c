/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/undo_sink.c -- what a sink is about to tell, put down first (see undo_impl.h: U1 to U3).
 *
 * State       batches noted and not out, each with the ticket of its records; digests (128 bits) of keys whose record of this
 *             epoch is there, in a table where the newest wins its slot: a key that lost it is put down once more.
 */
#include "runtime/runtime_impl.h"

#include "base/hash.h"

#include <string.h>

enum {
    TOLD_MIN = 1 << 10,
    TOLD_MAX = 1 << 16, /* slots, 16 bytes each */
    HELD_BYTES_MAX = 16 << 20,
    RECORD_KEPT = 1 << 20, /* of the room for a record */
    ASK_US = 1000000,      /* between checkpoints that are asked for */
};

typedef struct undo_told {
    uint64_t low, high; /* both 0: free */
} undo_told;

void
wr_undo_sink_fini(sink_task *s)
{
    sink_undo *u = &s->undo;
    for (; u->held_count > 0; u->held_count--) {
        wr_batch_release(u->held[u->held_head].batch);
        u->held_head = (u->held_head + 1) % UNDO_HELD_MAX;
    }
    if (u->keys != NULL)
        wr_keys_fini(u->keys);
    wr_free(u->keys);
    u->keys = NULL;
    wr_free(u->told);
    u->told = NULL;
    wr_undo_back_destroy(u->back);
    u->back = NULL;
    if (u->on)
        wr_snapshot_writer_fini(&u->record);
    u->on = false;
}

/* --- U3: keys told lately --- */

static undo_told
digest_of(const wr_keys *keys, uint32_t i)
{
    XXH128_hash_t h =
        XXH3_128bits(keys->bytes.data + keys->offsets[i], keys->offsets[i + 1] - keys->offsets[i]);
    return (undo_told){ h.low64 | 1, h.high64 };
}

static undo_told *
told_slot(const sink_undo *u, const undo_told *digest)
{
    return &u->told[(digest->low >> 1) & u->told_mask];
}

static bool
is_told(const sink_undo *u, const undo_told *digest)
{
    const undo_told *slot = told_slot(u, digest);
    return slot->low == digest->low && slot->high == digest->high;
}

/* A larger one, empty, when keys drive each other out; without memory the one that is there serves. */
static void
told_grow(wr_runtime *rt, sink_undo *u)
{
    uint32_t size = u->told == NULL ? TOLD_MIN : 4 * (u->told_mask + 1);
    if (u->told != NULL && (size > TOLD_MAX || u->told_lost < (u->told_mask + 1) / 2))
        return;
    undo_told *told = wr_calloc(rt->budget, size, sizeof *told);
    if (told == NULL)
        return;
    wr_free(u->told);
    u->told = told;
    u->told_mask = size - 1;
    u->told_lost = 0;
}

static void
told_put(sink_undo *u, const undo_told *digest)
{
    undo_told *slot = told_slot(u, digest);
    u->told_lost += slot->low != 0;
    *slot = *digest;
}

/* --- records --- */

/* Pieces of those that are too long for one record. */
weir_status
wr_undo_put(sink_task *s, uint32_t from, const wr_batch *batch, bool goes_on)
{
    wr_runtime *rt = s->t.rt;
    sink_undo *u = &s->undo;
    wr_snapshot_writer *w = &u->record;
    weir_status status = WEIR_OK;
    wr_text_clear(&w->bytes);
    wr_snapshot_begin(w, WR_SNAPSHOT_GLOBAL);
    wr_snapshot_put_u64(w, u->schema);
    wr_snapshot_put_u64(w, from);
    wr_snapshot_put_u64(w, goes_on);
    WR_TRY(wr_snapshot_put_batch(w, batch));
    wr_snapshot_end(w);
    WR_TRY(wr_snapshot_finish(w));
    wr_journal_record record = { s->binding->name, u->since, w->bytes.data, w->bytes.length };
    if (record.length <= WR_JOURNAL_RECORD_BYTES_MAX) {
        status = wr_journal_put(rt->undo.journal, &record, &u->ticket);
        if (w->bytes.capacity > RECORD_KEPT)
            wr_text_fini(&w->bytes);
        return status;
    }
    if (batch->row_count == 1)
        return wr_error_set(&s->ctx.error, WEIR_LIMIT,
                            "a row of %zu bytes is too long to be put down beside the checkpoint",
                            record.length);
    u->split = true;
    for (uint32_t at = 0, rows = batch->row_count / 2; at < batch->row_count;
         at += rows, rows = batch->row_count - rows) {
        wr_batch *piece = wr_batch_slice(rt->budget, batch, at, rows);
        status = piece != NULL ? wr_undo_put(s, from, piece, goes_on || at == 0) : WEIR_MEMORY;
        wr_batch_release(piece);
        WR_TRY(status);
    }
    return status;
}

/* U3: the rows of keys not told yet; their number. */
static uint32_t
rows_untold(const sink_undo *u, const wr_batch *batch, uint16_t *rows)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < batch->row_count; i++) {
        undo_told digest = digest_of(u->keys, i);
        if (u->told == NULL || !is_told(u, &digest))
            rows[n++] = (uint16_t)wr_batch_row(batch, i);
    }
    return n;
}

/* In one batch the old row of a key stands before the new one: what is put down says all.  Of a change of several nothing
 * may be left in the end, and then it says nothing of the key. */
static void
rows_told(sink_undo *u, const wr_batch *batch)
{
    for (uint32_t i = 0; i < batch->row_count; i++) {
        undo_told digest = digest_of(u->keys, i);
        if (!is_told(u, &digest))
            told_put(u, &digest);
    }
}

static weir_status
batch_put(sink_task *s, uint32_t from, wr_batch *batch)
{
    wr_runtime *rt = s->t.rt;
    sink_undo *u = &s->undo;
    const bool had = u->within[from]; /* the change began before */
    uint16_t rows[WR_BATCH_ROWS_MAX];
    if (u->keys == NULL) {
        u->keys = wr_alloc(rt->budget, sizeof *u->keys);
        if (u->keys == NULL)
            return WEIR_MEMORY;
        wr_keys_init(u->keys, rt->budget);
    }
    told_grow(rt, u);
    WR_TRY(wr_keys_encode(u->keys, batch, s->ctx.schema->key, s->ctx.schema->key_count));
    uint32_t n = rows_untold(u, batch, rows);
    u->within[from] = batch->goes_on != 0;
    if (n == 0 && !had)
        return WEIR_OK;
    u->split = false;
    wr_batch *untold = n == batch->row_count ? wr_batch_retain(batch)
                                             : wr_batch_select(rt->budget, batch, rows, n);
    weir_status status =
        untold != NULL ? wr_undo_put(s, from, untold, u->within[from]) : WEIR_MEMORY;
    wr_batch_release(untold);
    if (status == WEIR_OK && u->told != NULL && !had && !u->within[from] && !u->split)
        rows_told(u, batch);
    return status;
}

weir_status
wr_undo_note(sink_task *s, uint32_t from, wr_batch *batch)
{
    sink_undo *u = &s->undo;
    wr_assert(u->held_count < UNDO_HELD_MAX && batch->row_count > 0);
    uint64_t was = u->ticket;
    WR_TRY(batch_put(s, from, batch));
    uint32_t at = (u->held_head + u->held_count++) % UNDO_HELD_MAX;
    u->held[at].batch = wr_batch_retain(batch);
    u->held[at].ticket = u->ticket;
    u->held[at].from = from;
    u->held_bytes += wr_batch_bytes(batch);
    if (u->ticket != was)
        wr_undo_sync_soon(s->t.rt);
    return WEIR_OK;
}

/* Beyond its limit the journal waits for a checkpoint.  What the barrier of one has to push before it is let through, else
 * none could ever come: so the limit holds between a sink's acknowledgement and the end of the checkpoint. */
static bool
has_checkpoint_room(sink_task *s)
{
    wr_runtime *rt = s->t.rt;
    uint64_t bytes = wr_journal_bytes(rt->undo.journal);
    if (bytes < rt->config.journal_bytes / 2)
        return true;
    if (wr_coordinator_may_ask(rt, ASK_US))
        (void)wr_coordinator_request(rt);
    return bytes < rt->config.journal_bytes || wr_coordinator_awaits(rt, &s->t);
}

bool
wr_undo_has_room(sink_task *s)
{
    sink_undo *u = &s->undo;
    return u->held_count < UNDO_HELD_MAX && u->held_bytes < HELD_BYTES_MAX &&
           wr_journal_has_room(s->t.rt->undo.journal) && has_checkpoint_room(s);
}

wr_batch *
wr_undo_take(sink_task *s, uint32_t *from)
{
    sink_undo *u = &s->undo;
    if (u->held_count == 0 ||
        u->held[u->held_head].ticket > wr_journal_durable(s->t.rt->undo.journal))
        return NULL;
    wr_batch *batch = u->held[u->held_head].batch;
    *from = u->held[u->held_head].from;
    u->held_head = (u->held_head + 1) % UNDO_HELD_MAX;
    u->held_count--;
    u->held_bytes -= wr_batch_bytes(batch);
    return batch;
}

bool
wr_undo_is_durable(const sink_task *s)
{
    return s->undo.ticket <= wr_journal_durable(s->t.rt->undo.journal);
}

void
wr_undo_passed(sink_task *s, wr_epoch epoch)
{
    sink_undo *u = &s->undo;
    if (wr_coordinator_is_last(s->t.rt, epoch))
        return;
    u->since = epoch;
    if (u->told != NULL)
        memset(u->told, 0, (u->told_mask + 1) * sizeof *u->told);
}
