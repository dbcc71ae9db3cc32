/* SPDX-License-Identifier: Apache-2.0 */
/* engine/parse.c -- weir_parse: what a process does that parses in another's place (see weir.h); it needs no engine. */
#include "sql/sql.h"

weir_status
weir_parse(weir_parse_step step, const char *text, size_t length, weir_parse_give *give, void *to)
{
    return wr_sql_answer(step, text, length, give, to);
}
