/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/pattern_translate_impl.h -- the translator of regular expressions, shared by its two files.
 *
 * Place       pattern_translate.c has quantifiers, groups and the whole; pattern_escape.c escapes
 *             and brackets.
 */
#pragma once

#include "expr/pattern_impl.h"

enum { WR_TRANSLATE_DEPTH_MAX = 200 };
typedef enum wr_preference { WR_PREFER_NONE, WR_PREFER_LONGEST, WR_PREFER_SHORTEST } wr_preference;

/* A group being read; the outermost is the whole. */
typedef struct wr_level {
    wr_preference branch;       /* of the branch so far                           */
    bool          alternatives; /* a | was seen                                   */
    bool          vague;        /* two branches may begin with the same character */
    bool          at_start;     /* no atom of the branch yet                      */
    uint64_t      firsts[4];    /* the literal bytes that branches begin with     */
} wr_level;

typedef struct wr_translator {
    const char   *at, *end;
    wr_text      *to;
    uint32_t      options, groups, depth, quantifiers;
    bool          lazy, vague;
    bool          has_atom;
    wr_preference atom; /* of the atom just read */
    wr_level      levels[WR_TRANSLATE_DEPTH_MAX];
} wr_translator;

static inline bool
fn_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool
fn_is_alnum(char c)
{
    return fn_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* A branch begins with this byte; -1: with something else. */
void wr_translate_first(wr_translator *t, int byte);
/* The atom before counts into its branch: what follows is not its quantifier. */
void wr_translate_settle(wr_translator *t);
static inline void
fn_translate_atom(wr_translator *t)
{
    wr_translate_settle(t);
    t->has_atom = true;
    t->atom = WR_PREFER_NONE;
}
/* A character that stands for itself. */
void wr_translate_code(wr_translator *t, uint32_t code);
/* An escape, t->at behind its backslash; a bracket, t->at behind it.  NULL, or what is wrong. */
const char *wr_translate_escape(wr_translator *t);
const char *wr_translate_bracket(wr_translator *t);
