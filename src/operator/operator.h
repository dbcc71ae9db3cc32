/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/operator.h -- what an operator is, and the context it works in.
 *
 * Place       operators stand in a chain; a task carries a batch through the whole chain by direct
 *             calls.  The runtime (or tests/support/optest) drives; an operator never calls
 *             another.
 * Call order  open restore* { process | advance | tick | freeze }* finish? close
 *             one thread at a time, no locks, no blocking, bounded work a call; freeze only between
 *             steps (never after AGAIN).
 * Watermarks  pass unchanged.  The runner calls process, then advance when the minimum over the
 *             ports has moved, or one of them has ended (then perhaps to where it stands).  Rows emitted
 *             from advance(W) still count as before W.
 * AGAIN       "no room downstream": the runner empties the outbox and makes the same call again,
 *             with the same arguments, before any other.  An operator that can emit more than
 *             fits keeps its place in self.
 */
#pragma once

#include "data/flow.h"
#include "data/snapshot.h"
#include "expr/expr.h"
#include "operator/bad_rows.h"
#include "operator/scratch.h"

enum wr_op_trait {
    WR_OP_STATELESS = 1,   /* nothing to snapshot: freeze, write, restore are NULL         */
    WR_OP_KEEPS_ORDER = 2, /* each batch out is a batch in, its header kept                */
    WR_OP_SHEDS = 4,       /* asks wr_ctx_sheds before it keeps more                       */
};

enum { WR_OP_PORTS_MAX = 8 };
/* Output ports. */
enum { WR_PORT_MAIN = 0, WR_PORT_LATE = 1, WR_PORT_BAD = 2, WR_PORT_COUNT = 3 };

/* What to do with a row whose expressions fail. */
typedef enum wr_row_policy { WR_ROW_DEAD_LETTER, WR_ROW_FAIL } wr_row_policy;

/* Counted causes of every row that does not come out; written by the task thread alone, read
 * relaxed. */
typedef struct wr_op_counters {
    _Atomic uint64_t rows_in, rows_out, batches_in, batches_out;
    _Atomic uint64_t rows_filtered;   /* a predicate was false or NULL                  */
    _Atomic uint64_t rows_late;       /* late for all their windows                     */
    _Atomic uint64_t windows_late;    /* window assignments missed                      */
    _Atomic uint64_t rows_failed;     /* row errors                                     */
    _Atomic uint64_t rows_null_time;  /* event time NULL: in no window                  */
    _Atomic uint64_t rows_unmatched;  /* join rows that left without a partner          */
    _Atomic uint64_t rows_shed;       /* left out because the state is full             */
    _Atomic uint64_t rows_unknown;    /* taken back without having come                 */
    _Atomic uint64_t state_keys, state_panes;
    _Atomic uint64_t cpu_us;
} wr_op_counters;

typedef struct wr_outbox {
    wr_batch **slots;
    uint32_t   capacity, count; /* FIFO from index 0 */
} wr_outbox;
enum { WR_OUTBOX_FEW = 4 }; /* so many need no memory of their own */

typedef struct wr_row_sample wr_row_sample;

typedef struct wr_ctx {
    wr_budget      *state;       /* the state pool: what operators keep               */
    wr_budget      *flow;        /* the flow pool: what they emit                     */
    wr_eval         eval;        /* reset by the runner before each process/advance   */
    wr_groups       groups;      /* key groups of this shard                          */
    uint32_t        shard;
    wr_row_policy   on_row_error;
    wr_time         watermark;   /* minimum over ports, as of the last finished advance */
    wr_time         arrived;     /* of what is at hand (the runner's): what is made of it is as old */
    /* Of each input port (WR_OP_PORTS_MAX, the runner's), moved by the runner before the advance that follows; ports
     * without an input are at WR_TIME_END.  Operators of several inputs judge a row by min(its own, the other ports').
     * NULL: there is but one port. */
    wr_time        *port_watermark;
    wr_outbox       out[WR_PORT_COUNT];
    wr_batch       *few[WR_OUTBOX_FEW]; /* slots of the main one */
    bool            late_wanted; /* somebody reads the late port: emit late rows there */
    bool            keeps_order; /* from the operator's traits                        */
    bool            shed;        /* when the state is full leave rows out instead of failing */
    bool            in_call, arena_listed; /* the runner's: eval's arena is in use; stands in scratch */
    /* The engine clock's time at which the operator wants to be ticked; WR_TIME_END: never.  Written by
     * the operator. */
    wr_time         wake_at;
    wr_op_counters  counters;
    weir_error     *error;       /* set by wr_ctx_fail; the runner's, shared by its operators */
    wr_scratch_list *scratch;    /* of the worker; NULL: keep what you made           */
    wr_bad_rows    *bad;         /* somebody reads the bad port: failed rows; else NULL */
    _Atomic(wr_row_sample *) sample; /* newest message of a failed row; NULL: none failed */
} wr_ctx;

/* capacity: slots of the main outbox (1 in tests, WR_OUTBOX_FEW in production).  Borrows error. */
weir_status wr_ctx_init(wr_ctx *ctx, wr_budget *state, wr_budget *flow, wr_groups groups,
                        uint32_t capacity, weir_error *error);
void        wr_ctx_fini(wr_ctx *ctx);
/* Somebody reads the late port; the bad port.  MEMORY. */
weir_status wr_ctx_want_late(wr_ctx *ctx);
weir_status wr_ctx_want_bad(wr_ctx *ctx, const wr_bad_origin *origin);

static inline bool
wr_ctx_has_room(const wr_ctx *ctx, int port)
{
    return ctx->out[port].count < ctx->out[port].capacity;
}
/*
 * Hand a batch on.  Takes batch.  The main port must have room, the late port has it for one batch a
 * call; a late port that nobody reads drops it (the rows are counted already).  Unless the operator keeps order or has set
 * row_watermark (and the header with it), the batch is stamped with the context's watermark.
 */
void    wr_ctx_emit(wr_ctx *ctx, int port, wr_batch *batch);
/* Rows rows[0..count) of `in` came too late: count them, and emit them on the late port where somebody reads it,
 * once a call.  WEIR_MEMORY. */
weir_status wr_ctx_drop_late(wr_ctx *ctx, const wr_batch *in, const uint16_t *rows, uint32_t count);
/* The state is nearly full and the policy is to leave rows out.  What is left is for the keys there are. */
bool    wr_ctx_sheds(const wr_ctx *ctx);
void    wr_ctx_count_shed(wr_ctx *ctx, uint64_t rows);
/* Record why and return WR_FLOW_FAIL. */
wr_flow wr_ctx_fail(wr_ctx *ctx, weir_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/*
 * After evaluating over `in`: take failed rows out of selected[0..*count), count them, sample the
 * message, send them to the bad port.  WR_FLOW_FAIL when the policy says a bad row ends the query.
 */
wr_flow wr_ctx_drop_failed(wr_ctx *ctx, const wr_batch *in, uint16_t *selected, uint32_t *count);
/* A result (a row of what would have been emitted) that failed, as the newest sample says: count it,
 * send it to the bad port. */
wr_flow wr_ctx_bad_result(wr_ctx *ctx, const wr_batch *out, uint32_t row);
/* For runners: before and after each call of the operator. */
void        wr_ctx_call_begin(wr_ctx *ctx, wr_time now);
void        wr_ctx_call_end(wr_ctx *ctx);
/* For runners, after a call: failed rows into the bad port's outbox. */
weir_status wr_ctx_bad_flush(wr_ctx *ctx);

/* Keep a message about a failed row for `why`; no memory: the counter alone tells. */
void wr_ctx_sample(wr_ctx *ctx, weir_status_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The newest one, "" when no row failed.  Any thread. */
void wr_ctx_sample_copy(const wr_ctx *ctx, char *text, size_t bytes);

/* An operator's state, frozen at a barrier.  Opaque to all but its operator. */
typedef struct wr_frozen wr_frozen;

/* Which watermarks an operator has to hear of though no row comes with them.  Between these it hears of none
 * while nothing comes: a row brings its own. */
typedef struct wr_watermark_need {
    int64_t every_us; /* those that reach or pass a multiple of it after phase_us; 0: each; WR_NEED_NONE */
    int64_t phase_us;
} wr_watermark_need;
enum { WR_NEED_EACH = 0, WR_NEED_NONE = -1 };

typedef struct wr_operator_ops {
    const char *name;      /* as EXPLAIN and the metrics print it */
    size_t      self_size; /* the runtime allocates self, zeroed  */
    uint32_t    traits;    /* wr_op_trait                         */
    /* config lives as long as self.  */
    weir_status (*open)(void *self, wr_ctx *ctx, const void *config, weir_error *err);
    /* Borrows in.  */
    wr_flow (*process)(void *self, wr_ctx *ctx, int port, const wr_batch *in);
    wr_flow (*advance)(void *self, wr_ctx *ctx, wr_time watermark); /* NULL: pass it on       */
    /* The engine clock (eval.now) has come to ctx->wake_at, which must move on.  NULL: never asked for. */
    wr_flow (*tick)(void *self, wr_ctx *ctx);
    /* After advance(WR_TIME_END).  NULL: nothing held back. */
    wr_flow (*finish)(void *self, wr_ctx *ctx);
    weir_status (*freeze)(void *self, wr_epoch epoch, wr_frozen **out); /* O(dirty), on the task */
    weir_status (*write)(const wr_frozen *f, wr_snapshot_writer *to);   /* off it, any thread    */
    void (*thaw)(wr_frozen *f); /* release; any thread, but before close */
    /* Sections of our groups, of any number of snapshots, one call each. */
    weir_status (*restore)(void *self, wr_ctx *ctx, wr_snapshot_reader *from);
    void (*close)(void *self);
    void (*explain)(const void *config, wr_text *to); /* one line after the name */
    /* NULL: each watermark when there is `advance`, else none. */
    wr_watermark_need (*need)(const void *config);
} wr_operator_ops;

/* Aborts when slots contradict the traits: called once an operator at registration. */
void wr_operator_ops_check(const wr_operator_ops *ops);
/* By name, NULL when unknown; all of them sorted. */
const wr_operator_ops        *wr_operator_find(const char *name);
const wr_operator_ops *const *wr_operator_all(uint32_t *count);
