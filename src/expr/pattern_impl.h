/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/pattern_impl.h -- regular expressions: PostgreSQL's advanced ones, run by PCRE2.
 *
 * Place       fn_regex*.c ask here; PCRE2 is known to pattern*.c alone.
 * State       wr_patterns, a cache of compiled patterns owned by one wr_eval: no locks, charged to
 *             its budget, gone with it.
 * Invariants  P1  a match does bounded work: beyond the limit the row fails, the query goes on
 *             P2  the whole match is the one PostgreSQL finds: leftmost, then longest, or shortest
 *                 where the first quantifier that has a preference is non-greedy
 * Differences from PostgreSQL: inside a whole match of many readings, groups are filled as Perl
 * fills them; lookbehind needs a bounded length; no collating elements of several characters, no
 * basic regular expressions.
 */
#pragma once

#include "expr/fn_impl.h"

enum {
    WR_PATTERN_CASELESS = 1,
    WR_PATTERN_DOT_STOPS = 2, /* . and [^...] do not match a newline  */
    WR_PATTERN_LINES = 4,     /* ^ and $ match at line ends too       */
    WR_PATTERN_EXPANDED = 8,  /* blanks and # comments do not count   */
    WR_PATTERN_LITERAL = 16,
    WR_PATTERN_LAZY = 32,     /* every quantifier prefers less        */
};
enum { WR_PATTERN_GROUPS_MAX = 255 };

typedef struct wr_pattern wr_pattern;
typedef struct wr_patterns wr_patterns;

/* A part of the subject, in bytes; begin is SIZE_MAX for a group that took no part. */
typedef struct wr_part_of {
    size_t begin, end;
} wr_part_of;

/* From the eval's cache.  Marks the row when text is no regular expression. */
weir_status wr_pattern_get(wr_eval *eval, uint32_t row, const wr_string *text, uint32_t options,
                           wr_pattern **pattern);
uint32_t    wr_pattern_group_count(const wr_pattern *pattern);
/* Is there a match at all?  Cheaper than find. */
weir_status wr_pattern_test(wr_eval *eval, uint32_t row, wr_pattern *pattern, const char *s,
                            size_t length, bool *found);
/* The first match that begins at or after `from`.  parts[0] is the whole, then the groups; it
 * belongs to the pattern and lasts until its next use. */
weir_status wr_pattern_find(wr_eval *eval, uint32_t row, wr_pattern *pattern, const char *s,
                            size_t length, size_t from, bool *found, const wr_part_of **parts);
void wr_patterns_destroy(wr_patterns *patterns); /* NULL is allowed */

/* What the translation found out. */
typedef struct wr_pattern_shape {
    uint32_t options;  /* with those embedded in the text                                 */
    bool     shortest; /* the whole match prefers less                                    */
    bool     search;   /* Perl's choice may differ from PostgreSQL's: compute the extent  */
} wr_pattern_shape;
/* PostgreSQL's spelling into PCRE2's.  NULL, or what is wrong ("brackets [] not balanced"). */
const char *wr_pattern_translate(const wr_string *text, uint32_t options, wr_text *to,
                                 wr_pattern_shape *shape);
