/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/cast_time.c -- casts among dates, times, timestamps and intervals.  The session's zone is UTC.
 *
 * Place       the cast table (cast.c).
 * State       none.
 * Invariants  T1  infinities stay infinities where the target has them
 *             T2  rounding to fewer digits goes half away from PostgreSQL's epoch, 2000-01-01
 */
#include "expr/cast_impl.h"

#define EPOCH_2000_US 946684800000000LL

FN_KERNEL(date_timestamp)
{
    int64_t days = args[0].integer, us;
    if (days == WR_DATE_NEGINF)
        us = WR_TIME_NEGINF; /* T1 */
    else if (days == WR_DATE_POSINF)
        us = WR_TIME_POSINF;
    else if (__builtin_mul_overflow(days, WR_US_PER_DAY, &us) || us >= WR_TIME_POSINF)
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "date out of range for timestamp");
    out->integer = us;
    return WEIR_OK;
}

static inline int64_t
floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static inline int64_t
timestamp_days(int64_t us)
{
    return us == WR_TIME_NEGINF   ? WR_DATE_NEGINF
           : us == WR_TIME_POSINF ? WR_DATE_POSINF
                                  : floor_divide(us, WR_US_PER_DAY);
}

FN_KERNEL(timestamp_date)
{
    out->integer = timestamp_days(args[0].integer);
    return WEIR_OK;
}

FN_KERNEL(timestamp_time)
{
    int64_t us = args[0].integer;
    if (us == WR_TIME_NEGINF || us == WR_TIME_POSINF)
        out->is_null = true;
    else
        out->integer = us - floor_divide(us, WR_US_PER_DAY) * WR_US_PER_DAY;
    return WEIR_OK;
}

FN_KERNEL(timestamp_zone)
{
    out->integer = args[0].integer;
    return WEIR_OK;
}

FN_KERNEL(time_interval)
{
    out->interval = (wr_interval){ 0, 0, args[0].integer };
    return WEIR_OK;
}

FN_KERNEL(interval_time)
{
    int64_t us = args[0].interval.us;
    out->integer = us - floor_divide(us, WR_US_PER_DAY) * WR_US_PER_DAY;
    return WEIR_OK;
}

static int64_t
round_half_away(int64_t v, int64_t unit)
{
    int64_t half = unit / 2;
    return v >= 0 ? (v + half) / unit * unit : -((-v + half) / unit * unit);
}

/* timestamp(p), timestamptz(p), time(p), interval(p) */
FN_KERNEL(fit_time)
{
    int64_t unit = 1;
    for (int i = out->type.modifier; i < 6; i++)
        unit *= 10;
    if (out->type.id == WR_INTERVAL) {
        out->interval = args[0].interval;
        out->interval.us = round_half_away(out->interval.us, unit);
    } else if (out->type.id == WR_TIME) {
        out->integer = round_half_away(args[0].integer, unit);
    } else if (args[0].integer == WR_TIME_NEGINF || args[0].integer == WR_TIME_POSINF) {
        out->integer = args[0].integer;
    } else { /* T2 */
        out->integer = round_half_away(args[0].integer - EPOCH_2000_US, unit) + EPOCH_2000_US;
    }
    return WEIR_OK;
}

/* date <-> timestamp[tz] and timestamp <-> timestamptz over all physical rows, when none is at an edge. */
static weir_status
time_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args, uint32_t arg_count,
            uint32_t physical, wr_rows rows, wr_column **out)
{
    wr_kernel k;
    WR_TRY(wr_kernel_open(eval, args, 1, physical, &k));
    wr_column  *c = wr_kernel_result(eval, &k, call->type, WR_NUM, 0, physical);
    weir_status status = c != NULL ? WEIR_OK : WEIR_MEMORY;
    if (c == NULL)
        return wr_kernel_end(&k, status, c, physical, out);
    if (args[0]->type.id == WR_DATE) {
        const int32_t *from = k.args[0]->data;
        int64_t       *to = c->data;
        uint32_t       edges = 0;
        for (uint32_t i = 0; i < physical; i++) {
            edges |= (uint32_t) (from[i] > 100000000) | (uint32_t) (from[i] < -100000000);
            to[i] = (int64_t) ((uint64_t) from[i] * (uint64_t) WR_US_PER_DAY);
        }
        if (edges != 0)
            status = WEIR_QUERY_UNSUPPORTED;
    } else if (call->type.id == WR_DATE) {
        const int64_t *from = k.args[0]->data;
        int32_t       *to = c->data;
        for (uint32_t i = 0; i < physical; i++)
            to[i] = (int32_t) timestamp_days(from[i]);
    } else {
        memcpy(c->data, k.args[0]->data, (size_t) physical * sizeof(int64_t));
    }
    return wr_kernel_end(&k, status, c, physical, out);
}

const wr_function wr_cast_date_timestamp =
    CAST("date_timestamp", date_timestamp, time_vector, FN_FAILS, "midnight of the day");
const wr_function wr_cast_timestamp_date =
    CAST("timestamp_date", timestamp_date, time_vector, 0, "the day");
const wr_function wr_cast_timestamp_time =
    CAST("timestamp_time", timestamp_time, NULL, 0, "the time of the day");
const wr_function wr_cast_timestamp_zone =
    CAST("timestamp_zone", timestamp_zone, time_vector, 0, "the same wall clock, in UTC");
const wr_function wr_cast_time_interval =
    CAST("time_interval", time_interval, NULL, 0, "time since midnight");
const wr_function wr_cast_interval_time =
    CAST("interval_time", interval_time, NULL, 0, "the part below a day");
const wr_function wr_cast_fit_time = CAST("fit_time", fit_time, NULL, 0, "round to p digits");
