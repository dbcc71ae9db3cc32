/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config/options.h -- read a mapping into a struct by its option table; units.
 */
#pragma once

#include "config/document.h"
#include "config/option.h"

/*
 * Fill `config` (zeroed here, config_bytes) from map by table; defaults where absent.  Every mistake is
 * reported at its place: unknown key (with the nearest, or "belongs under ..."), wrong type, out of bounds, missing.
 * elsewhere: tables whose keys are valid beside or above, for the hint; NULL-ended; may be NULL.
 * map NULL is an empty mapping at `at`; table NULL has no options.
 */
weir_status wr_options_read(const wr_option *table, const wr_node *map, const wr_node *at,
                            const wr_option *const *elsewhere, void *config, size_t config_bytes,
                            wr_arena *arena, wr_report *report);
/* The option that is meant by a name that is none of the table's; NULL: none is like it. */
const char *wr_option_near(const wr_option *table, const char *name);
/* One scalar into place; used by the above. */
weir_status wr_option_set(const wr_option *option, const char *text, void *config, wr_arena *arena,
                          weir_error *err);
/* "10s" "5 min" "250ms" "1h30m" -> microseconds; a bare number is refused, except 0. */
weir_status wr_duration_parse(const char *text, int64_t *us, weir_error *err);
/* "64MB" (10^6) "64MiB" (2^20) "512B" -> bytes; a bare number is refused, except 0. */
weir_status wr_bytes_parse(const char *text, int64_t *bytes, weir_error *err);
weir_status wr_rate_parse(const char *text, double *per_second, weir_error *err); /* "20/s" "100k/s" "5/min" */
void        wr_duration_print(int64_t us, wr_text *to);  /* "1.5 s", "250 ms" */
void        wr_bytes_print(uint64_t bytes, wr_text *to); /* "12.3 MB" */
/* Help text of a table: name, type, default, bounds, doc. */
void        wr_options_help(const wr_option *table, wr_text *to);
