/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench/json_limit.h -- the fastest loop for one fixed schema (see json_limit.c). */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { JSON_LIMIT_AHEAD = 512 }; /* bytes that must be readable behind a record */

/* Decode bids (epoch times, keys in order) of [bytes, bytes + length); how many, 0: something is
 * not as expected.  Wants AVX2. */
uint64_t json_limit_run(const char *bytes, size_t length);
/* The same of whole lines, behind which JSON_LIMIT_AHEAD bytes are readable. */
uint64_t json_limit_lines(const char *bytes, const char *end);
