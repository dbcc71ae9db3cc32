/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/csv_run.c -- as many plain records as there are at a place, at once (see csv_run_impl.h).
 *
 * Place       csv.c asks for a run before each record that it would read by itself.
 * State       how many bytes it is worth to look at: few where records often end a run.
 * Near the end of the input the run is a padded copy, for its loops load more than they use.
 */
#include "format/csv_run_impl.h"
#include "format/utf8_impl.h"

enum { BYTES_MIN = 256, COPY_MAX = 4096 };

/* How many of the first records have exactly their fields and end before run->stop; *after: where the last one ends. */
static uint32_t
records_count(const wr_csv_decoder *d, wr_csv_run *run, uint32_t *after)
{
    const uint16_t *ends = wr_csv_run_ends(run);
    uint32_t        stride = d->field_count, most = run->count / stride, rows = 0;
    const char     *base = run->base;
    for (; rows < most; rows++) {
        uint32_t end = ends[(size_t) (rows + 1) * stride - 1];
        if (base[end] != '\n' || end >= run->stop)
            break;
    }
    if (rows < most || run->breaks != rows) /* a newline in between: a record with too few fields */
        for (uint32_t r = 0; r < rows; r++)
            for (uint32_t f = 0; f + 1 < stride; f++)
                if (base[ends[(size_t) r * stride + f]] == '\n')
                    rows = r; /* ends both loops at the next look */
    *after = rows > 0 ? ends[(size_t) rows * stride - 1] + 1u : 0;
    return rows;
}

/* Records up to the first that is not UTF-8. */
static uint32_t
records_valid(const wr_csv_decoder *d, wr_csv_run *run, uint32_t rows, uint32_t *after)
{
    const uint16_t *ends = wr_csv_run_ends(run);
    if (!run->odd || wr_utf8_check(run->base, *after))
        return rows;
    for (uint32_t r = 0, from = 0; r < rows; r++) {
        uint32_t end = ends[(size_t) (r + 1) * d->field_count - 1];
        if (!wr_utf8_check(run->base + from, end - from)) {
            *after = from;
            return r;
        }
        from = end + 1u;
    }
    return rows;
}

/* The run at base, of whose bytes so many may be looked at.  *used: the bytes of the rows it gave. */
static weir_status
run_read(wr_csv_decoder *d, const char *base, size_t bytes, wr_decode_to *to, size_t *used)
{
    wr_csv_run *run = d->run;
    uint32_t    after = 0;
    run->base = base;
    run->bytes = (uint32_t) WR_MIN(bytes, d->run_bytes);
    d->indexer(run, d->delimiter, d->quote != '\0' ? d->quote : '\\', d->quote != '\0');
    uint32_t rows = records_count(d, run, &after), most = to->capacity - to->count;
    rows = records_valid(d, run, WR_MIN(rows, most), &after);
    if (rows > 0)
        WR_TRY(wr_csv_columns_put(d, run, to, &rows));
    *used = rows > 0 ? wr_csv_run_ends(run)[(size_t) rows * d->field_count - 1] + 1u : 0;
    to->count += rows;
    /* what lies behind a record that is not plain was looked at for nothing */
    if (rows >= run->breaks || rows == most)
        d->run_bytes = WR_MIN(d->run_bytes * 2, (uint32_t) WR_CSV_WINDOW);
    else if (rows < run->breaks / 2)
        d->run_bytes = WR_MAX(d->run_bytes / 2 & ~63u, (uint32_t) BYTES_MIN);
    return WEIR_OK;
}

/* The input's end, copied so that there is something behind it. */
static weir_status
tail_read(wr_csv_decoder *d, const char *p, size_t bytes, bool last, wr_decode_to *to, size_t *used)
{
    size_t whole = (bytes + 1 + WR_CSV_BLOCK - 1) / WR_CSV_BLOCK * WR_CSV_BLOCK;
    if (d->tail == NULL)
        d->tail = wr_alloc(d->budget, COPY_MAX + 2 * WR_CSV_BLOCK + WR_CSV_AHEAD);
    if (d->tail == NULL)
        return WEIR_MEMORY;
    memcpy(d->tail, p, bytes);
    memset(d->tail + bytes, 1, whole - bytes + WR_CSV_AHEAD); /* no byte that means anything */
    if (last && p[bytes - 1] != '\n')
        d->tail[bytes] = '\n';
    uint32_t window = d->run_bytes;
    d->run_bytes = WR_CSV_WINDOW;
    weir_status status = run_read(d, d->tail, whole, to, used);
    d->run_bytes = window;
    *used = WR_MIN(*used, bytes);
    return status;
}

weir_status
wr_csv_run_take(wr_csv_decoder *d, const char *p, const char *end, bool last, wr_decode_to *to, size_t *used)
{
    size_t bytes = (size_t) (end - p), whole = 0;
    *used = 0;
    if (bytes > WR_CSV_AHEAD)
        whole = (bytes - WR_CSV_AHEAD) / WR_CSV_BLOCK * WR_CSV_BLOCK;
    if (whole > 0)
        WR_TRY(run_read(d, p, whole, to, used));
    if (*used == 0 && bytes <= COPY_MAX && to->count < to->capacity)
        return tail_read(d, p, bytes, last, to, used);
    return WEIR_OK;
}

weir_status
wr_csv_run_make(wr_csv_decoder *d)
{
    /* by position with an _op that may be absent, or limits below a window: a record at a time */
    if (d->op_column >= 0 || d->record_bytes_max <= WR_CSV_WINDOW)
        return WEIR_OK;
    d->run = wr_alloc(d->budget, sizeof *d->run);
    d->run_bytes = 4096;
    d->indexer = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") ? wr_csv_index_avx2
                                                                                   : wr_csv_index_sse;
    if (d->run == NULL)
        return WEIR_MEMORY;
    memset(d->run, 0, sizeof *d->run);
    wr_csv_run_ends(d->run)[-1] = UINT16_MAX; /* so that what begins after it begins at 0 */
    return WEIR_OK;
}
