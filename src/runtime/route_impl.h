/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/route_impl.h -- readers of a stream that want the rows of one selector each: thousands of them cost what
 * their rows cost.
 *
 *     publisher:  batch -> wr_stream_route: whose are which rows -> publish: entries into the readers' lists, wakes
 *     reader:     wr_routed_peek: what has come in its list, up to a full batch of it, as one batch of the columns it wants
 *
 * Place       beside the cursors of reader.c, on the same streams: build_routes.c makes one for each segment whose
 *             input has a `select`.
 * State       of a stream: the index of its selectors; of each shard: the readers by selector, and when which of them
 *             have to hear of the watermark.
 * Invariants  Z1  a routed reader is given the rows that its selector selects, in the stream's order, each judged by
 *                 what judged it there, and every mark: what a plain reader with a filter behind it hands on
 *             Z2  of watermarks it hears with its rows, before each mark, when its segment's operators and those
 *                 behind them need it (wr_watermark_need), and within a while when somebody follows the progress of
 *                 what they give; not otherwise
 *             Z3  a slot with something for a routed reader stays until that has taken it (T2)
 *             Z4  a reader for which nothing has come is neither woken nor looked at
 *             Z5  one for which something has come is woken when its publisher has nothing more at once, at a mark, or
 *                 some batches later: so under load it runs once for several of them
 * Threads     route and publish: the shard's publisher; peek and take: the reader's task.  Lists are under the
 *             shard's lock.
 */
#pragma once

#include "runtime/stream_impl.h"
#include "runtime/task_impl.h"

typedef struct routed routed;

typedef struct routed_entry {
    struct routed_entry *next; /* of the same reader                                       */
    routed              *reader;
    uint64_t             sequence;
    const wr_selected   *rows; /* NULL: the mark, or the watermark alone                   */
    wr_batch            *batch; /* of the slot                                             */
} routed_entry;

struct wr_routes {
    wr_selection *selection; /* NULL: no rows */
    uint32_t      count;
    routed_entry  entries[];
};

struct routed {
    wr_stream       *stream;
    uint32_t         shard, selector, class;
    task            *task;
    const uint32_t  *columns; /* of the stream, in the order wanted; NULL: all             */
    uint32_t         column_count;
    bool             exact;   /* its operators hear each watermark: rows keep what judged them */
    routed          *next_in_class, *next_to_wake;
    routed_entry    *first, *last;
    _Atomic uint32_t armed;   /* saw an empty list: an entry rings the task                */
    wr_batch        *held;    /* peeked                                                    */
    wr_time          told;    /* the publisher's: newest watermark in its list             */
    wr_time          given;   /* the reader's: newest it took                              */
    _Atomic uint64_t rows;    /* that were for it                                          */
};

/* Readers that need the same watermarks. */
typedef struct route_class {
    wr_watermark_need need;
    wr_time           due;  /* the next watermark they have to hear of                     */
    routed           *first;
} route_class;

typedef struct router_shard {
    wr_selector_matcher *matcher;
    routed             **readers; /* by selector; NULL: none in this shard                 */
    route_class         *classes;
    wr_time              due;     /* the least of the classes'                             */
    wr_time              watermark; /* published                                           */
    wr_time              shown;   /* watermark at the last sweep                           */
    int64_t              swept_at;
    _Atomic uint64_t     rows;    /* published                                             */
    routed              *to_wake; /* Z5: the publisher's                                   */
    uint32_t             batches; /* since they were woken last                            */
} router_shard;

/* Who follows the progress of what is behind the stream's selectors: sets wanted[selector]. */
typedef void (*route_watch)(void *user, uint32_t stream, uint8_t *wanted);

typedef struct route_config {
    const wr_selector *const *selectors; /* borrowed while it is made */
    const wr_watermark_need  *needs;     /* by selector               */
    uint32_t                  count, stream;
    route_watch               watch;
    void                     *user;
} route_config;

struct stream_router {
    wr_selector_index *index;
    uint32_t           count, class_count, stream;
    uint32_t          *class_of; /* by selector */
    uint8_t           *wanted;   /* by selector: of the sweep under way, under sweep_lock */
    wr_mutex           sweep_lock;
    route_watch        watch;
    void              *user;
    router_shard      *shards;
};

/* Before the stream has readers or batches.  MEMORY. */
weir_status wr_route_open(wr_stream *stream, const route_config *config);
void        wr_route_close(wr_stream *stream);
/* Both needs in one. */
wr_watermark_need wr_need_both(wr_watermark_need a, wr_watermark_need b);
/* The least watermark above w that has to be told. */
wr_time     wr_need_next(wr_watermark_need need, wr_time w);

weir_status wr_routed_create(wr_stream *stream, uint32_t shard, uint32_t selector, task *t,
                             const uint32_t *columns, uint32_t column_count, routed **reader);
void        wr_routed_destroy(routed *reader); /* NULL allowed */
/* *batch: what comes next, borrowed until take; NULL: nothing, and the task is rung when something comes. */
weir_status wr_routed_peek(routed *reader, const wr_batch **batch);
wr_batch   *wr_routed_take(routed *reader); /* what was peeked; owned */
/* Rows of the stream that were not for it; and how far it stands when nothing waits for it (else START). */
uint64_t    wr_routed_passed(const routed *reader);
wr_time     wr_routed_standing(routed *reader);

/* With the shard's lock held, by publish and trim. */
void        wr_routes_enter(wr_stream *stream, uint32_t shard, uint64_t sequence);
size_t      wr_routes_bytes(const wr_routes *routes);
