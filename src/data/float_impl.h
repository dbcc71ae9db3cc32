/* SPDX-License-Identifier: Apache-2.0 */
/* data/float_impl.h -- the table of powers behind float.c; private to the float files. */
#pragma once

#include <stdint.h>

enum { WR_FLOAT_POWER_MIN = -342, WR_FLOAT_POWER_MAX = 324, WR_FLOAT_POWER_EXACT_MAX = 55 };

extern const uint64_t wr_float_powers[WR_FLOAT_POWER_MAX - WR_FLOAT_POWER_MIN + 1][2];
