/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench/msgpack_limit.h -- other ways to read MessagePack in C (msgpack_limit.c, msgpack_loop.c). */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Unpack the records of [bytes, bytes + length) one after another: how many, 0: one is not whole. */
uint64_t msgpack_limit_run(const char *bytes, size_t length);

/* Loops made for bids as maps, as arrays, and for their first three numbers.  MSGPACK_LOOP_AHEAD bytes behind are readable; for
 * processors with AVX2 and BMI.  How many records, 0: one is another. */
typedef enum msgpack_loop {
    MSGPACK_LOOP_NONE,
    MSGPACK_LOOP_MAPS,
    MSGPACK_LOOP_LISTS,
    MSGPACK_LOOP_NUMBERS,
} msgpack_loop;
enum { MSGPACK_LOOP_AHEAD = 128 };
uint64_t msgpack_loop_run(const char *bytes, size_t length, msgpack_loop which);
