/* SPDX-License-Identifier: Apache-2.0 */
/* operator/event_time.c -- times out of a column, whatever its type and layout (see
 * event_time.h). */
#include "operator/event_time.h"

#include "data/datetime.h"

wr_time
wr_event_time_get(const wr_column *column, uint32_t row)
{
    const wr_column *base = wr_column_base(column);
    uint32_t         at = wr_column_index(column, row);
    if (column->type.id != WR_DATE)
        return ((const wr_time *) base->data)[at];
    return wr_date_time(((const int32_t *) base->data)[at]);
}

wr_time
wr_event_time_value(const wr_value *value)
{
    wr_assert(!value->is_null);
    return value->type.id == WR_DATE ? wr_date_time(value->integer) : value->integer;
}

static void
times_bounds(wr_event_times *times)
{
    wr_time min = WR_TIME_END, max = WR_TIME_START;
    for (uint32_t i = 0; i < times->count; i++) {
        min = WR_MIN(min, times->times[i]);
        max = WR_MAX(max, times->times[i]);
    }
    times->min = min;
    times->max = max;
}

/* Take out what no window can hold. */
static void
times_clip(wr_event_times *times, const wr_window_spec *spec)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < times->count; i++)
        if (wr_window_can_hold(spec, times->times[i])) {
            times->rows[kept] = times->rows[i];
            times->times[kept] = times->times[i];
            kept++;
        }
    times->missing += times->count - kept;
    times->count = kept;
    times_bounds(times);
}

void
wr_event_times_read(wr_event_times *times, const wr_column *column, wr_rows rows,
                    const wr_window_spec *spec)
{
    wr_assert(wr_type_is_time(column->type));
    wr_assert(rows.count <= WR_BATCH_ROWS_MAX);
    uint32_t count = 0;
    if (column->layout == WR_FLAT && column->valid == NULL && column->type.id != WR_DATE) {
        const wr_time *data = column->data;
        for (uint32_t i = 0; i < rows.count; i++) {
            uint32_t row = rows.rows != NULL ? rows.rows[i] : i;
            times->rows[i] = (uint16_t) row;
            times->times[i] = data[row];
        }
        count = rows.count;
    } else {
        for (uint32_t i = 0; i < rows.count; i++) {
            uint32_t row = rows.rows != NULL ? rows.rows[i] : i;
            if (wr_column_is_null(column, row))
                continue;
            times->rows[count] = (uint16_t) row;
            times->times[count++] = wr_event_time_get(column, row);
        }
    }
    times->count = count;
    times->missing = rows.count - count;
    times_bounds(times);
    if (spec != NULL && count > 0 &&
        (!wr_window_can_hold(spec, times->min) || !wr_window_can_hold(spec, times->max)))
        times_clip(times, spec);
}
