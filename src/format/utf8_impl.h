/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/utf8_impl.h -- is it UTF-8?  What every text that enters Weir is asked once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Well-formed as Unicode has it: shortest forms, no surrogates, at most U+10FFFF, and no NUL. */
bool wr_utf8_check(const char *s, size_t length);
/* Append code point c (valid, no surrogate) to `to`, which has room for 4 bytes; the length. */
size_t wr_utf8_put(unsigned c, char *to);
