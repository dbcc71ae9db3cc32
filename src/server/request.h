/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/request.h -- one request of the wire protocol: a flat map of names to scalars, from JSON
 * or MessagePack.
 *
 * A nested value (the rows of a push) is kept as its raw bytes.  The command line reads replies
 * with the same code.
 *
 * Invariants  Q1  never reads past the bytes given, never recurses deeper than 32
 *             Q2  a malformed request is refused with a sentence; nothing of it is used
 *             Q3  names and strings are UTF-8 without NUL, so they are C strings too
 * Limits      32 members, names and strings as long as the frame; nested 32 deep in MessagePack,
 *             512 in JSON.
 */
#pragma once

#include "base/arena.h"

enum { SERVER_MEMBERS_MAX = 32, SERVER_DEPTH_MAX = 32, SERVER_JSON_DEPTH_MAX = 512 };

typedef enum request_kind {
    REQUEST_NULL,
    REQUEST_BOOL,
    REQUEST_NUMBER,
    REQUEST_STRING,
    REQUEST_RAW
} request_kind;

typedef struct request_member {
    const char *name;
    request_kind kind;
    const char *text; /* STRING: unescaped, NUL-ended; RAW: bytes of the frame */
    size_t length;
    double number;
    bool boolean;
} request_member;

typedef struct request {
    request_member members[SERVER_MEMBERS_MAX];
    uint32_t count;
} request;

/* Strings are copied into arena; RAW points into bytes.  *why is a sentence for the client. */
bool request_parse_json(const char *bytes, size_t length, wr_arena *arena, request *out,
                        const char **why);
bool request_parse_msgpack(const char *bytes, size_t length, wr_arena *arena, request *out,
                           const char **why);

const request_member *request_find(const request *r, const char *name);
const char *request_string(const request *r, const char *name); /* NULL: absent or another kind */
bool request_number(const request *r, const char *name, double *out);
bool request_whole(const request *r, const char *name, int64_t *out); /* exact, up to 2^53 */
bool request_flag(const request *r, const char *name);

/*
 * The next item of a JSON list: *at begins at its [ and then stands where the last call left it.
 * False: no more, or no list.  item keeps strings as they stand, in quotes.
 */
bool request_json_item(const char **at, const char *end, const char **item, size_t *length);
/* The text of an item: of a string without its quotes, of all else as it stands.  In arena; NULL:
 * malformed. */
const char *request_json_text(const char *item, size_t length, wr_arena *arena);
/* How many bytes the value at `at` takes; 0: it is malformed or cut off. */
size_t request_msgpack_length(const char *at, const char *end);

/* What names and strings must be (Q3); NULL, or a sentence. */
const char *request_text_fault(const char *bytes, size_t length);
