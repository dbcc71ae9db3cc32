/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/json.c -- the json decoder, by all its ways (support/decode_ways.h). */
#include "fuzz/fuzz.h"
#include "support/decode_ways.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wr_decode_ways("json",
                   "a int8 not null, b numeric(12,2), c text '$.x.y', d timestamptz, e jsonb, f float8, g bool, "
                   "h int4[]",
                   "\n", false, data, size);
    return 0;
}
