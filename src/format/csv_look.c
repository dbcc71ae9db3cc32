/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/csv_look.c -- the fields of a piece of CSV or TSV, for whoever guesses its columns (csv.h).
 *
 * Place       before there is a schema; the cutting itself is the decoder's (csv_scan.c), so that both see
 *             the same records.
 * Cost        a pass over the bytes; a quote without an end costs one over the rest: after some of those the rest is left.
 */
#include "format/csv_impl.h"

enum { ENDLESS_MAX = 64 };

static void
record_show(const wr_csv_decoder *d, uint32_t record, wr_csv_see see, void *user)
{
    uint32_t count = WR_MIN(d->fields_read, d->fields_capacity);
    for (uint32_t i = 0; i < count; i++) {
        const wr_csv_field *f = &d->fields[i];
        bool quoted = d->quote != '\0' && !f->plain;
        bool null = !quoted && f->raw_length == d->null_length &&
                    memcmp(f->raw, d->null_text, d->null_length) == 0;
        wr_csv_seen seen = { record, i, count, f->text, f->length, quoted, null };
        see(user, &seen);
    }
}

weir_status
wr_csv_look(const wr_csv_decode_config *config, const char *bytes, size_t length, wr_budget *budget,
            wr_csv_see see, void *user)
{
    wr_csv_decoder d = { .delimiter = *config->delimiter, .quote = *config->quote, .header_wanted = true };
    const char *p = bytes, *end = bytes + length, *after;
    weir_status status = WEIR_OK;
    d.budget = budget;
    d.null_text = config->null_text != NULL ? config->null_text : "";
    d.null_length = strlen(d.null_text);
    wr_text_init(&d.unescaped, budget);
    p += length >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    for (uint32_t record = 0, endless = 0; p < end && endless < ENDLESS_MAX;) {
        wr_csv_scan what = wr_csv_record_scan(&d, p, end, &after);
        if (what == WR_CSV_SCAN_MEMORY) {
            status = WEIR_MEMORY;
            break;
        }
        if (what == WR_CSV_SCAN_OPEN) { /* the quote was a mistake, and costs its line */
            const char *newline = memchr(p, '\n', (size_t)(end - p));
            p = newline != NULL ? newline + 1 : end;
            endless++;
            continue;
        }
        if (d.fields_read != 1 || d.fields[0].raw_length > 0) /* no empty line */
            record_show(&d, record++, see, user);
        p = after;
    }
    wr_free(d.fields);
    wr_text_fini(&d.unescaped);
    return status;
}
