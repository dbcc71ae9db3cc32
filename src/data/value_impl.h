/* SPDX-License-Identifier: Apache-2.0 */
/* data/value_impl.h -- text forms that have no door of their own; private to the value files. */
#pragma once

#include "data/value.h"

bool wr_uuid_read(const char *text, size_t length, wr_uuid *out);
void wr_uuid_write(const wr_uuid *uuid, char to[36]);

/* Bytes at p are UTF-8 without a NUL. */
bool wr_utf8_is_valid(const char *p, size_t length);
/* How many characters; the text is valid. */
size_t wr_utf8_count(const char *p, size_t length);
/* Where the first `count` characters end. */
size_t wr_utf8_offset(const char *p, size_t length, size_t count);

/* "\x0a1b" or the escape form. */
weir_status wr_bytea_parse(const char *text, size_t length, wr_arena *arena, wr_string *out);
void wr_bytea_print(const wr_string *bytes, wr_text *to);
