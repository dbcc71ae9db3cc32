/* SPDX-License-Identifier: Apache-2.0 */
/* support/deadline.h -- until when a test waits for what it names. */
#pragma once

#include "base/clock.h"

/* A second or more is there for what hangs, not for what is slow: six times that.  Monotonic microseconds. */
static inline int64_t
wr_test_deadline(wr_clock *clock, int timeout_ms)
{
    enum { HANGS_MS = 1000, PATIENCE = 6 };
    return wr_clock_monotonic(clock) + (int64_t) timeout_ms * (timeout_ms >= HANGS_MS ? PATIENCE : 1) * 1000;
}
