/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/msgpack.c -- the msgpack decoder, by all its ways (support/decode_ways.h). */
#include "fuzz/fuzz.h"
#include "support/decode_ways.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wr_decode_ways("msgpack", "a int8, b numeric(12,2), c text, d timestamptz, e jsonb, f float8, g bool", "", true,
                   data, size);
    wr_decode_ways("msgpack", "a int8, b float8, c timestamptz, d bool, e int4", "", true, data, size);
    return 0;
}
