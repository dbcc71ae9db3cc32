/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/progress.c -- how far a pipeline or a query has read, and what it left out (see weir.h).
 *
 * The fraction is that of all bytes where every source counts bytes; else the mean of the sources'.
 */
#include "engine/engine_impl.h"

#include <string.h>

static void
add_sources(weir_pipeline *p, weir_progress *out)
{
    uint64_t read = 0, whole = 0;
    double parts = 0;
    bool bytes = true, known = p->source_count > 0;
    for (uint32_t s = 0; s < p->source_count; s++) {
        wr_source_view v;
        wr_source_extent e = { 0 };
        wr_runtime_source_view(p->runtime, s, &v);
        out->rows += v.rows;
        out->bytes += v.bytes;
        out->bad += v.bad; /* those too far ahead are among them */
        if (v.last_bad[0] != '\0')
            memcpy(out->sample, v.last_bad, sizeof out->sample);
        known = wr_runtime_source_extent(p->runtime, s, &e) && known;
        bytes = bytes && e.bytes;
        read += e.read;
        whole += e.whole;
        parts += e.whole > 0 ? (double)e.read / (double)e.whole : 1;
    }
    if (!known)
        return;
    out->bytes_total = bytes ? whole : 0;
    out->fraction = !bytes ? parts / p->source_count : whole > 0 ? (double)read / (double)whole : 1;
    out->fraction = WR_MIN(out->fraction, 1);
}

void
weir_pipeline_progress(weir_pipeline *p, weir_progress *out)
{
    memset(out, 0, sizeof *out);
    out->fraction = -1;
    if (p->runtime == NULL)
        return;
    add_sources(p, out);
    for (uint32_t s = 0; s < p->job.segment_count; s++)
        for (uint32_t o = 0; o < p->job.segments[s].op_count; o++) {
            wr_op_counters c = { 0 };
            uint64_t bytes;
            wr_time watermark;
            wr_runtime_op_counters(p->runtime, s, o, &c, &bytes, &watermark);
            out->late += c.rows_late;
            out->failed += c.rows_failed;
            out->shed += c.rows_shed;
            out->untimed += c.rows_null_time;
            if (c.rows_failed > 0)
                wr_runtime_op_sample(p->runtime, s, o, out->failure, sizeof out->failure);
        }
}
