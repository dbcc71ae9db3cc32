/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/epochs.c -- where a reader of all shards of a stream stands in epochs (see epochs.h). */
#include "runtime/epochs.h"

bool
wr_epochs_init(wr_epochs *e, wr_reader *reader, uint32_t count)
{
    wr_epoch least = UINT64_MAX, under_way = 0; /* ended everywhere; ended before the newest row that is passed */
    bool     behind = false;
    wr_assert(count <= WR_EPOCH_SHARDS_MAX);
    *e = (wr_epochs){ .count = count };
    for (uint32_t i = 0; i < count; i++) {
        wr_reader_view view;
        wr_epoch       before;
        wr_reader_look(reader, i, &view);
        e->at[i] = view.before;
        e->ended[i] = view.ended && view.batches == 0;
        least = WR_MIN(least, view.before);
        if (!wr_reader_behind(reader, i, &before))
            continue;
        behind = true;
        under_way = WR_MAX(under_way, before);
    }
    bool within = behind && least <= under_way;
    e->told = e->newest = within ? under_way : least;
    return within;
}

void
wr_epochs_read(wr_epochs *e, uint32_t shard, const wr_batch *batch)
{
    if (wr_batch_ends_epoch(batch)) {
        e->at[shard] = batch->epoch;
        e->newest = WR_MAX(e->newest, batch->epoch);
    }
    if (batch->mark == WR_MARK_END)
        e->ended[shard] = true;
}

bool
wr_epochs_ended(const wr_epochs *e)
{
    bool all = true;
    for (uint32_t i = 0; i < e->count; i++)
        all = all && e->ended[i];
    return all;
}

wr_epoch
wr_epochs_reached(const wr_epochs *e)
{
    for (uint32_t i = 0; i < e->count; i++)
        if (e->at[i] < e->newest && !e->ended[i])
            return 0;
    return e->newest > e->told ? e->newest : 0;
}

wr_epochs_ahead
wr_epochs_look(const wr_epochs *e, wr_reader *reader, wr_epoch *newest)
{
    wr_epochs_ahead ahead = { 0 };
    bool            over = true;
    *newest = UINT64_MAX;
    for (uint32_t i = 0; i < e->count; i++) {
        wr_reader_view view;
        wr_reader_look(reader, i, &view);
        ahead.fill = WR_MAX(ahead.fill, view.fill);
        over = over && view.ended;
        if (!view.ended)
            *newest = WR_MIN(*newest, view.newest);
    }
    ahead.whole = over || *newest > e->told;
    return ahead;
}
