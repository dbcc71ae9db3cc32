/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench/msgpack_limit.c -- records by msgpack-c's unpacker, the yardstick of tools/bench/json.c.
 *
 * Place       msgpack_unpack_next, as its users call it: a record becomes a tree of objects whose
 *             strings point into the bytes.  Nothing is copied or checked, and no value leaves the tree.
 */
#include "msgpack_limit.h"

#include <msgpack.h>

uint64_t
msgpack_limit_run(const char *bytes, size_t length)
{
    msgpack_unpacked record;
    uint64_t         count = 0;
    size_t           at = 0;
    msgpack_unpacked_init(&record);
    for (; at < length; count++)
        if (msgpack_unpack_next(&record, bytes, length, &at) != MSGPACK_UNPACK_SUCCESS)
            break;
    msgpack_unpacked_destroy(&record);
    return at < length ? 0 : count;
}
