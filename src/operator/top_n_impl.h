/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/top_n_impl.h -- the insides of the top_n operator, shared by its files.
 *
 *     top_n.c       rows into partitions, partitions that are forgotten, snapshots
 *     top_n_words.c which rows surely stay out, by their first order key alone; the best of each
 *                   partition in a batch
 *     top_n_tail.c  order keys that are compared in the contents
 *     top_n_emit.c  what is among the first, and how that differs from before
 *     top_n_over.c  the rows of a partition with the answers of window functions (over_changes)
 */
#pragma once

#include "operator/over_calc_impl.h"
#include "operator/top_n.h"

/* Some copies of one row among the first. */
typedef struct top_item {
    wr_bag_row *row;
    int64_t count;
    int64_t number; /* of the first copy (ROW_NUMBER), or of all */
} top_item;

typedef struct top_list {
    top_item *items;
    uint32_t count, capacity;
    bool borrowed; /* its rows are not retained: they stay in the bag as long as it is there */
} top_list;

/* A partition that changes in this step, and what was among its first. */
typedef struct top_dirty {
    wr_bag *bag;
    top_list old, now; /* now: while its changes are handed on */
    int32_t best;      /* first_only: the row of the batch that is its first now; -1: none is */
} top_dirty;

typedef struct top_change {
    const wr_bag_row *row;
    int64_t number, diff;
} top_change;

typedef struct top_n {
    const wr_top_n_config *config;
    wr_ctx *ctx;
    wr_bags bags;
    wr_keys *keys;
    wr_text bytes;    /* of the row at work */
    wr_text rival;    /* of the row it is compared with */
    uint32_t keys_kept; /* order keys that stand before the contents; the others are the tail */
    wr_text tail_keys[2];
    wr_value *tail_values; /* NULL: there is no tail */
    bool tail_failed;      /* memory ran out in a comparison */
    uint64_t *words;  /* of the visible rows of the batch at work */
    bool first_only;  /* only one row of a partition counts, and rows only come */
    wr_time time_min; /* of the partitions; time_column only */
    wr_time swept;    /* ttl: watermark of the last sweep */
    /* the step under way */
    bool restoring; /* what changes is not handed on */
    bool stepping;
    uint32_t row_at; /* visible rows done */
    wr_arena arena;
    top_dirty *dirty;
    uint32_t dirty_count, dirty_capacity, dirty_at;
    bool made; /* changes are those of dirty[dirty_at]   */
    top_change *changes;
    uint32_t change_count, change_capacity, change_at;
    wr_batch_builder builder;
    wr_value *values;
    uint16_t *fresh; /* rows of the batch at work that come out behind those of the builder */
    int64_t *fresh_numbers;
    uint32_t fresh_count;
    over_calc calc; /* of over_changes */
    wr_batch *good; /* over_changes: the rows of the step that are not bad */
} top_n;

/* One more item at the end; retains row, unless the list borrows. */
weir_status
wr_top_n_list_add(top_n *t, top_list *list, wr_bag_row *row, int64_t count, int64_t number);
/* What comes out of a partition, with the answers; in order. */
weir_status wr_top_n_list_over(top_n *t, const wr_bag *bag, top_list *list);

/* Which order keys are kept, and how the others compare.  What a failure leaves, close frees. */
weir_status wr_top_n_tail_open(top_n *t);
void wr_top_n_tail_close(top_n *t);

/* Words of the rows of a batch: w(a) < w(b) means that a comes before b. */
void wr_top_n_words_close(top_n *t);
weir_status wr_top_n_words_make(top_n *t, const wr_batch *in);
/* After the rows of a partition have changed: which words stay out. */
void wr_top_n_bound(const top_n *t, wr_bag *bag);
/* first_only: a row that may be the first of its partition. */
weir_status wr_top_n_best(top_n *t, wr_bag *bag, const wr_batch *in, uint32_t i);
/* first_only: the best become rows of their partitions. */
weir_status wr_top_n_best_put(top_n *t, const wr_batch *in);

/* Before bag changes: remember what is among its first. */
weir_status wr_top_n_touch(top_n *t, wr_bag *bag);
/* The same, but nothing of it has come out. */
weir_status wr_top_n_touch_new(top_n *t, wr_bag *bag);
/* at_end: all partitions are to be handed on. */
weir_status wr_top_n_touch_all(top_n *t);
/* Of an insert-only input: forget what can no longer come out. */
weir_status wr_top_n_trim(top_n *t, wr_bag *bag);
/* Hand on the differences of the partitions touched; AGAIN: no room. */
wr_flow wr_top_n_emit(top_n *t, const wr_batch *in);
void wr_top_n_drop_step(top_n *t);
/* Say why, unless that has been said. */
wr_flow wr_top_n_fail(top_n *t, weir_status status);
