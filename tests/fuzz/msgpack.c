/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/msgpack.c -- the msgpack decoder: whole, then in pieces of seven bytes; both must give the same rows (F3). */
#include "fuzz/fuzz.h"
#include "support/decode.h"

#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wr_decoding whole, pieces;
    wr_decoding_open(&whole, "msgpack",
                     "a int8, b numeric(12,2), c text, d timestamptz, e jsonb, f float8, g bool",
                     "");
    wr_decoding_open(&pieces, "msgpack",
                     "a int8, b numeric(12,2), c text, d timestamptz, e jsonb, f float8, g bool",
                     "");
    weir_status a = wr_decoding_run(&whole, (const char *)data, size, 0);
    weir_status b = wr_decoding_run(&pieces, (const char *)data, size, 7);
    wr_assert(a == b || whole.bad_count > 0);
    wr_assert(whole.row_count == pieces.row_count && whole.bad_count == pieces.bad_count);
    wr_assert(strcmp(wr_text_string(&whole.rows), wr_text_string(&pieces.rows)) == 0);
    wr_decoding_close(&whole);
    wr_decoding_close(&pieces);
    return 0;
}
