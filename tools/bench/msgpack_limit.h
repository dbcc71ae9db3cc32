/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench/msgpack_limit.h -- the usual way to read MessagePack in C (see msgpack_limit.c). */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Unpack the records of [bytes, bytes + length) one after another: how many, 0: one is not whole. */
uint64_t msgpack_limit_run(const char *bytes, size_t length);
