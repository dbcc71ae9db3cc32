/* SPDX-License-Identifier: Apache-2.0 */
/*
 * support/decode_ways.h -- one decoder, all its ways to the same rows: for fuzzing formats that learn shapes.
 *
 * The input is read three times over, the third time with one byte changed: the first teaches the shapes by which the
 * others are read.  Whole; in pieces of seven bytes (F3); by a new decoder for every row, so that nothing is read by a
 * learned shape (S1); and as messages, many in one call or one at a time.  All must give the same; else it aborts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* separator: what stands behind a record, or "".  cut: pieces may end with another status where a record is bad. */
void wr_decode_ways(const char *format, const char *columns, const char *separator, bool cut, const uint8_t *data,
                    size_t size);
