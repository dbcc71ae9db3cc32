/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/debezium.c -- change events, whole and in pieces of seven bytes: the same rows (F3). */
#include "fuzz/fuzz.h"
#include "support/decode.h"

#include <string.h>

static const char columns[] = "id int8 not null, n numeric(12,2), m numeric, t text, s timestamptz, d date, "
                              "c time, v interval, y bytea, j jsonb, a int4[], b bool, _op text";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wr_decoding whole, pieces;
    wr_decoding_open(&whole, "debezium", columns, "");
    wr_decoding_open(&pieces, "debezium", columns, "");
    weir_status a = wr_decoding_run(&whole, (const char *)data, size, 0);
    weir_status b = wr_decoding_run(&pieces, (const char *)data, size, 7);
    wr_assert(a == b);
    wr_assert(whole.row_count == pieces.row_count && whole.bad_count == pieces.bad_count);
    wr_assert(strcmp(wr_text_string(&whole.rows), wr_text_string(&pieces.rows)) == 0);
    wr_decoding_close(&whole);
    wr_decoding_close(&pieces);
    return 0;
}
