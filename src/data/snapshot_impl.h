/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/snapshot_impl.h -- bytes without a length, shared by snapshot.c and snapshot_batch.c.
 */
#pragma once

#include "data/snapshot.h"

void        wr_snapshot_put_raw(wr_snapshot_writer *w, const void *bytes, size_t length);
/* Borrows; NULL and failed when the section is shorter. */
const char *wr_snapshot_get_raw(wr_snapshot_reader *r, size_t length);
