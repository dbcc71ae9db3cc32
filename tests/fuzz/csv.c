/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/csv.c -- the csv decoder: whole, then in pieces of seven bytes; both must give the same rows (F3).  And the same bytes as
 * the beginning of a file whose columns are guessed. */
#include "format/csv.h"
#include "fuzz/fuzz.h"
#include "support/decode.h"

#include <stdlib.h>
#include <string.h>

static void
see(void *user, const wr_csv_seen *seen)
{
    uint8_t *sum = user;
    wr_assert(seen->field < seen->count);
    for (size_t i = 0; i < seen->length; i++)
        *sum ^= (uint8_t)seen->text[i];
}

/* The copy ends where the bytes do. */
static void
look(const uint8_t *data, size_t size, const char *delimiter, const char *quote)
{
    wr_csv_decode_config config = { .delimiter = delimiter, .quote = quote };
    volatile uint8_t sum = 0;
    uint8_t seen = 0;
    char *bytes = malloc(size);
    if (size == 0 || bytes == NULL) {
        free(bytes);
        return;
    }
    memcpy(bytes, data, size);
    wr_assert(wr_csv_look(&config, bytes, size, NULL, see, &seen) == WEIR_OK);
    sum = seen;
    (void)sum;
    free(bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wr_decoding whole, pieces;
    look(data, size, ",", "\"");
    look(data, size, "\t", "");
    wr_decoding_open(&whole, "csv",
                     "a int8, b numeric(12,2), c text, d timestamptz, e jsonb, f float8, g bool",
                     "");
    wr_decoding_open(&pieces, "csv",
                     "a int8, b numeric(12,2), c text, d timestamptz, e jsonb, f float8, g bool",
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
