/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/json.c -- the json decoder: whole, then in pieces of seven bytes; both must give the same rows (F3). */
#include "fuzz/fuzz.h"
#include "support/decode.h"

#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wr_decoding whole, pieces;
    wr_decoding_open(&whole, "json",
                     "a int8 not null, b numeric(12,2), c text '$.x.y', d timestamptz, e jsonb, f "
                     "float8, g bool, h int4[]",
                     "");
    wr_decoding_open(&pieces, "json",
                     "a int8 not null, b numeric(12,2), c text '$.x.y', d timestamptz, e jsonb, f "
                     "float8, g bool, h int4[]",
                     "");
    weir_status a = wr_decoding_run(&whole, (const char *)data, size, 0);
    weir_status b = wr_decoding_run(&pieces, (const char *)data, size, 7);
    wr_assert(a == b);
    wr_assert(whole.row_count == pieces.row_count && whole.bad_count == pieces.bad_count);
    wr_assert(strcmp(wr_text_string(&whole.rows), wr_text_string(&pieces.rows)) == 0);
    wr_decoding_close(&whole);
    wr_decoding_close(&pieces);
    return 0;
}
