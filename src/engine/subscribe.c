/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/subscribe.c -- follow a relation: snapshot, rows, progress, gaps, resume by cursor.
 *
 * A cursor is "VIEW@BOOT:SEQ.SEQ...": the run that gave it and, for each shard, the sequence of the next
 * batch.  It is opaque to clients.  A cursor of another run, or one whose batches are gone, gets
 * SNAPSHOT_REQUIRED, never a guess (design 12.9).
 *
 * A change of several batches is told as one: from its first batch on its shard alone is read, and until
 * its last there is no cursor and no progress.
 *
 * Epochs (runtime/epochs.h).  The shards of a view that changes are read from mark to mark, and each mark is told as
 * progress: what came before it is whole across workers.  With the option `epochs` nothing is read but whole epochs:
 * rows stay in the stream's rings until the mark behind them is there in all shards, or until they fill half of a ring
 * (WR_EPOCH_FILL_MAX); by key, an epoch is one change.  Until the mark there is no cursor.  Rows before the first mark are
 * passed over unless they are all there are.
 */
#include "engine/engine_impl.h"
#include "runtime/epochs.h"
#include "runtime/whole.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHARDS_MAX = WR_EPOCH_SHARDS_MAX };

struct weir_subscription {
    weir_pipeline *pipeline;
    wr_stream *stream;
    wr_reader *reader;
    const wr_schema *schema; /* the stream's: rows given out hold it longer than this lives */
    bool by_key;             /* rows replace each other */
    uint32_t index;          /* of the stream */
    uint32_t relation;       /* the stream's number, and how it is read: part of the rows' names */
    uint32_t shard_count, turn; /* turn: the shard to ask first */
    bool within;                /* the shard to ask first is within a change */
    wr_whole whole;             /* by_key: the change under way              */
    uint32_t pieces;            /* batches put into it                       */
    uint64_t sequence;          /* of the newest                             */
    uint64_t snapshot_until[SHARDS_MAX];
    wr_time watermarks[SHARDS_MAX];
    wr_time progress; /* the last one told */
    bool aligned;     /* read from mark to mark                        */
    bool holds;       /* whole epochs alone (option `epochs`)          */
    bool open;        /* holds: one is being given out                 */
    bool passing;     /* holds: up to the first mark nothing is given  */
    bool news;        /* something was given since the last mark       */
    wr_epochs epochs;
    wr_epoch snapshot_epoch; /* holds: the last of the snapshot        */
    bool ended[SHARDS_MAX], told_end, broken;
};

static void
cursor_print(const weir_subscription *s, char *cursor, size_t size)
{
    size_t at = (size_t)snprintf(cursor, size, "%s@%016" PRIx64 ":", wr_stream_name(s->stream),
                                 s->pipeline->boot);
    for (uint32_t i = 0; i < s->shard_count && at < size; i++)
        at += (size_t)snprintf(cursor + at, size - at, "%s%" PRIx64, i > 0 ? "." : "",
                               wr_reader_position(s->reader, i));
}

static weir_status
cursor_seek(weir_subscription *s, const char *cursor, weir_error *err)
{
    char prefix[128];
    int n = snprintf(prefix, sizeof prefix, "%s@%016" PRIx64 ":", wr_stream_name(s->stream),
                     s->pipeline->boot);
    if (strncmp(cursor, prefix, (size_t)n) != 0)
        return wr_error_set(
            err, WEIR_SNAPSHOT_REQUIRED,
            "the cursor is of another view or of an earlier run: start from a snapshot");
    const char *at = cursor + n;
    for (uint32_t i = 0; i < s->shard_count; i++) {
        char *end;
        uint64_t sequence = strtoull(at, &end, 16);
        if (end == at || (*end != (i + 1 < s->shard_count ? '.' : '\0')))
            return wr_error_set(err, WEIR_SNAPSHOT_REQUIRED,
                                "the cursor cannot be read: start from a snapshot");
        at = end + 1;
        if (wr_reader_seek(s->reader, i, sequence) != WEIR_OK)
            return wr_error_set(
                err, WEIR_SNAPSHOT_REQUIRED,
                "the rows after the cursor are no longer kept: start from a snapshot");
    }
    return WEIR_OK;
}

/* Once the reader is where it begins. */
static void
epochs_begin(weir_subscription *s, const weir_subscribe_options *options)
{
    bool within = wr_epochs_init(&s->epochs, s->reader, s->shard_count);
    s->whole.until_end = s->holds;
    if (!s->holds || options->cursor != NULL)
        return;
    s->passing = within || !options->snapshot; /* from now on: the first mark says where that is */
    if (options->snapshot)
        (void)wr_epochs_look(&s->epochs, s->reader, &s->snapshot_epoch);
}

weir_status
weir_subscribe(weir_pipeline *pipeline, const char *view, const weir_subscribe_options *options,
               weir_subscription **out, weir_error *err)
{
    int32_t index = wr_pipeline_stream(pipeline, view);
    if (index < 0) {
        const char *near = wr_catalog_nearest(&pipeline->catalog, view);
        weir_status st = wr_error_set(err, WEIR_QUERY_NO_RELATION,
                                      "no source or view is called \"%.100s\"", view);
        if (near != NULL)
            wr_error_hint(err, "did you mean \"%s\"?", near);
        return st;
    }
    if (pipeline->runtime == NULL)
        return wr_error_set(err, WEIR_STATE_STOPPED, "pipeline %s is not running", pipeline->name);
    weir_subscription *s = wr_calloc(pipeline->budget, 1, sizeof *s);
    if (s == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for a subscription");
    s->pipeline = pipeline;
    s->stream = wr_runtime_stream(pipeline->runtime, (uint32_t)index);
    s->schema = wr_stream_schema(s->stream);
    s->by_key = options->upserts && s->schema->kind == WR_CHANGELOG;
    if (s->by_key && s->schema->key_count == 0) {
        wr_free(s);
        return wr_error_set(err, WEIR_USAGE, "no key of \"%.100s\" is known to read it by", view);
    }
    s->index = (uint32_t)index;
    s->relation = (uint32_t)index * 2 + s->by_key;
    wr_whole_init(&s->whole, pipeline->flow, s->schema);
    s->shard_count = wr_stream_shards(s->stream);
    s->progress = WR_TIME_START;
    wr_encoded_cache_join(&pipeline->encoded);
    wr_assert(s->shard_count <= SHARDS_MAX);
    wr_reader_config c = { .required = options->required,
                           .follows = true,
                           .start = options->snapshot || options->cursor != NULL ? WR_START_TAIL
                                                                                 : WR_START_HEAD,
                           .shard = -1,
                           .wake = options->wake,
                           .user = options->user };
    s->holds = options->epochs;
    s->aligned = s->holds || (s->schema->kind != WR_INSERT_ONLY && s->shard_count > 1);
    c.epochs = s->aligned;
    weir_status st = wr_reader_create(s->stream, &c, &s->reader);
    if (st == WEIR_OK && options->cursor != NULL)
        st = cursor_seek(s, options->cursor, err);
    else if (st != WEIR_OK)
        (void)!wr_error_set(err, st, "no memory for a subscription");
    if (st == WEIR_OK && s->aligned)
        epochs_begin(s, options);
    for (uint32_t i = 0; i < s->shard_count; i++) {
        s->ended[i] = st == WEIR_OK && wr_reader_has_ended(s->reader, i); /* nobody will say so again */
        s->watermarks[i] = s->ended[i] ? WR_TIME_END : WR_TIME_START;
        s->snapshot_until[i] =
            options->snapshot && options->cursor == NULL ? wr_stream_head(s->stream, i) : 0;
    }
    if (st != WEIR_OK) {
        weir_unsubscribe(s);
        return st;
    }
    *out = s;
    return WEIR_OK;
}

void
weir_unsubscribe(weir_subscription *subscription)
{
    if (subscription == NULL)
        return;
    wr_reader_destroy(subscription->reader);
    wr_whole_fini(&subscription->whole);
    wr_encoded_cache_leave(&subscription->pipeline->encoded);
    wr_free(subscription);
}

weir_relation_kind
weir_subscription_kind(const weir_subscription *subscription)
{
    _Static_assert((int)WEIR_UPSERT == (int)WR_UPSERT && (int)WEIR_CHANGELOG == (int)WR_CHANGELOG,
                   "one numbering");
    return subscription->by_key ? WEIR_UPSERT : (weir_relation_kind)subscription->schema->kind;
}

uint32_t
weir_subscription_columns(const weir_subscription *subscription, weir_column_info *columns,
                          uint32_t max)
{
    const wr_schema *schema = subscription->schema;
    uint32_t n = 0;
    for (uint32_t c = 0; c < schema->field_count; c++) {
        if (schema->fields[c].hidden)
            continue;
        if (n < max) {
            columns[n] = (weir_column_info){ schema->fields[c].name,
                                             wr_type_name(schema->fields[c].type), false };
            for (uint32_t k = 0; k < schema->key_count; k++)
                columns[n].key |= schema->key[k] == c;
        }
        n++;
    }
    return n;
}

/* The least watermark of the shards; END only when all have ended. */
static wr_time
least_watermark(const weir_subscription *s)
{
    wr_time least = WR_TIME_END;
    for (uint32_t i = 0; i < s->shard_count; i++)
        least = WR_MIN(least, s->watermarks[i]);
    return least;
}

/* Rows of shard `turn` for the client; takes b. */
static weir_status
give_rows(weir_subscription *s, wr_batch *b, weir_message *m)
{
    uint32_t shard = s->turn;
    bool folds = s->by_key && s->holds; /* an epoch of all shards is under way, not a change of one */
    bool whole = b->goes_on == 0 || folds, apart = s->pieces > 1 || folds;
    const weir_rows_id name = { s->pipeline->boot, s->sequence, s->relation, shard };
    m->event = WEIR_ROWS;
    m->snapshot = s->holds ? s->epochs.told < s->snapshot_epoch
                           : s->sequence <= s->snapshot_until[shard];
    m->rows = apart ? wr_rows_create(b, s->schema)
                    : wr_rows_create_shared(&s->pipeline->encoded, b, s->schema, &name);
    if (m->rows == NULL)
        return WEIR_MEMORY;
    s->within = !whole;
    s->news = true;
    if (whole) {
        if (!s->holds)
            cursor_print(s, m->cursor, sizeof m->cursor);
        s->turn = (shard + 1) % s->shard_count;
        s->pieces = 0;
    }
    return WEIR_OK;
}

/* The next rows by key, where those put so far make some; *none: they do not. */
static weir_status
give_whole(weir_subscription *s, weir_message *m, bool *none)
{
    wr_batch *b;
    WR_TRY(wr_whole_take(&s->whole, &b));
    *none = b == NULL;
    if (b != NULL)
        return give_rows(s, b, m);
    if (!s->whole.within) { /* it cancelled out */
        s->within = false;
        s->pieces = 0;
    }
    return WEIR_OK;
}

/* Rows were overwritten: the change that was under way is over. */
static weir_status
give_gap(weir_subscription *s, wr_batch *b, uint64_t lost, weir_message *m)
{
    wr_batch_release(b); /* read again after the gap has been told */
    m->event = WEIR_GAP;
    m->lost = lost;
    if (b != NULL && wr_reader_seek(s->reader, s->turn,
                                    wr_reader_position(s->reader, s->turn) - 1) != WEIR_OK)
        m->lost++;
    cursor_print(s, m->cursor, sizeof m->cursor);
    s->within = false;
    return s->by_key ? wr_whole_end(&s->whole) : WEIR_OK;
}

/* What shard `turn` has; *none: no rows. */
static weir_status
ask_shard(weir_subscription *s, weir_message *m, bool *none)
{
    uint64_t lost = 0;
    *none = false;
    for (;;) {
        if (s->by_key && s->whole.ready) {
            WR_TRY(give_whole(s, m, none));
            if (!*none)
                return WEIR_OK;
        }
        *none = s->aligned && !wr_epochs_may_read(&s->epochs, s->turn);
        wr_batch *b = *none ? NULL : wr_reader_next(s->reader, s->turn, &lost);
        if (lost > 0 && !s->passing)
            return give_gap(s, b, lost, m);
        *none = b == NULL;
        if (b == NULL)
            return WEIR_OK;
        if (s->aligned)
            wr_epochs_read(&s->epochs, s->turn, b);
        s->watermarks[s->turn] = WR_MAX(s->watermarks[s->turn], b->watermark_after);
        if (b->mark == WR_MARK_END) {
            s->watermarks[s->turn] = WR_TIME_END;
            s->ended[s->turn] = true;
        }
        if (b->row_count == 0 || s->passing) {
            wr_batch_release(b);
            continue; /* only its watermark moved */
        }
        s->sequence = b->sequence;
        s->pieces++;
        if (!s->by_key)
            return give_rows(s, b, m);
        s->within = !s->holds;
        weir_status st = wr_whole_put(&s->whole, b);
        wr_batch_release(b);
        WR_TRY(st);
    }
}

/* A batch that was read could not be handed over: what is behind it must not come without it. */
static weir_status
next_failed(weir_subscription *s, weir_error *err)
{
    s->broken = true;
    return wr_error_set(err, WEIR_MEMORY, "no memory for rows");
}

/* --- epochs --- */

/* Holds: is there something to be given out? */
static bool
epoch_opens(weir_subscription *s)
{
    wr_epoch newest;
    if (s->open || s->passing)
        return true;
    wr_epochs_ahead ahead = wr_epochs_look(&s->epochs, s->reader, &newest);
    uint32_t fill = (uint32_t)(WR_MIN(ahead.fill / WR_EPOCH_FILL_MAX, 1.0) * 1000);
    uint32_t most = atomic_load_explicit(&s->pipeline->epoch_fill, memory_order_relaxed);
    while (fill > most && !atomic_compare_exchange_weak(&s->pipeline->epoch_fill, &most, fill))
        ;
    s->open = ahead.whole || ahead.fill >= WR_EPOCH_FILL_MAX;
    if (s->open && !ahead.whole)
        atomic_fetch_add_explicit(&s->pipeline->epochs_split, 1, memory_order_relaxed);
    return s->open;
}

/* The next rows of any shard; *none: there are none to be read now. */
static weir_status
ask_shards(weir_subscription *s, weir_message *m, bool *none)
{
    *none = true;
    if (s->holds && !epoch_opens(s))
        return WEIR_OK;
    for (uint32_t tried = 0; tried < s->shard_count; tried++) {
        WR_TRY(ask_shard(s, m, none));
        if (!*none || s->within)
            return WEIR_OK; /* within: its rest comes */
        s->turn = (s->turn + 1) % s->shard_count;
    }
    return WEIR_OK;
}

/* With nothing left to be read: the epoch that all before is whole by; 0: none.  The end of the stream is one. */
static wr_epoch
epoch_reached(const weir_subscription *s)
{
    if (!s->aligned || s->within)
        return 0;
    wr_epoch epoch = wr_epochs_reached(&s->epochs);
    if (epoch == 0 && wr_epochs_ended(&s->epochs) && s->progress < WR_TIME_END)
        epoch = s->epochs.told + 1;
    return epoch;
}

/* False: nothing has come since the last one, and nobody has to hear of it. */
static bool
tell_epoch(weir_subscription *s, wr_epoch epoch, weir_message *m)
{
    wr_time least = least_watermark(s);
    bool news = s->news || s->passing || least > s->progress;
    wr_epochs_tell(&s->epochs, epoch);
    s->open = s->passing = s->news = false;
    s->progress = WR_MAX(s->progress, least);
    if (!news)
        return false;
    m->event = WEIR_PROGRESS;
    m->epoch = epoch;
    m->watermark = s->progress;
    cursor_print(s, m->cursor, sizeof m->cursor);
    return true;
}

weir_status
weir_subscription_next(weir_subscription *s, weir_message *m, weir_error *err)
{
    memset(m, 0, sizeof *m);
    if (s->broken)
        return next_failed(s, err);
    for (;;) {
        bool none;
        if (ask_shards(s, m, &none) != WEIR_OK)
            return next_failed(s, err);
        if (!none)
            return WEIR_OK;
        wr_epoch epoch = epoch_reached(s);
        if (epoch == 0)
            break;
        if (s->by_key && s->holds && wr_whole_end(&s->whole) != WEIR_OK)
            return next_failed(s, err);
        if (!s->whole.ready && tell_epoch(s, epoch, m))
            return WEIR_OK;
    }
    weir_error why = { 0 };
    if (wr_runtime_view_failure(s->pipeline->runtime, s->index, &why))
        return wr_error_set(err, why.code, "%s has failed: %.200s", wr_stream_name(s->stream), why.text);
    wr_time least = s->within || s->holds ? s->progress : least_watermark(s);
    m->event = WEIR_NOTHING;
    if (least > s->progress) {
        s->progress = least;
        m->event = WEIR_PROGRESS;
        m->watermark = least;
        cursor_print(s, m->cursor, sizeof m->cursor);
    } else if (least == WR_TIME_END && !s->told_end) {
        s->told_end = true;
        m->event = WEIR_END;
    }
    return WEIR_OK;
}
