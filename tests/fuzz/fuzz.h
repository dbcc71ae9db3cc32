/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz.h -- a fuzz target: one entry, called with any bytes; it must return, leak nothing, crash never.
 *
 * `make fuzz T=json` runs one under libFuzzer; the tests replay the corpora and seeded mutations of them with
 * replay.c, without clang.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
