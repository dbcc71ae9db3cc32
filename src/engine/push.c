/* SPDX-License-Identifier: Apache-2.0 */
/* engine/push.c -- rows handed in by the embedding program, to sources declared `push: {}` (see weir.h). */
#include "engine/engine_impl.h"

#include <string.h>

enum { PUSH_BYTES_MAX = 1 << 20 }; /* taken at once */

static weir_status
push_find(weir_pipeline *p, const char *source, uint32_t *index, weir_error *err)
{
    if (p->runtime == NULL)
        return wr_error_set(err, WEIR_STATE_STOPPED, "pipeline %s is not running", p->name);
    for (uint32_t s = 0; s < p->source_count; s++)
        if (strcmp(p->sources[s].name, source) == 0) {
            if (p->sources[s].ops != &wr_push_source_ops)
                return wr_error_set(err, WEIR_QUERY_NO_RELATION,
                                    "source \"%s\" is a %s source: only `push: {}` takes rows",
                                    source, p->sources[s].ops->name);
            *index = s;
            return WEIR_OK;
        }
    return wr_error_set(err, WEIR_QUERY_NO_RELATION, "no source is called \"%.100s\"", source);
}

weir_status
weir_push(weir_pipeline *pipeline, const char *source, const char *json_lines, size_t length,
          size_t *taken, weir_error *err)
{
    uint32_t index;
    *taken = 0;
    WR_TRY(push_find(pipeline, source, &index, err));
    size_t n = length;
    if (n > PUSH_BYTES_MAX) { /* whole records: up to the last newline that fits */
        const char *cut = memrchr(json_lines, '\n', PUSH_BYTES_MAX);
        n = cut != NULL ? (size_t)(cut - json_lines) + 1 : length;
    }
    if (n == 0)
        return WEIR_OK;
    switch (wr_runtime_push_bytes(pipeline->runtime, index, 0, json_lines, n)) {
    case WR_FLOW_NEXT: *taken = n; return WEIR_OK;
    case WR_FLOW_DONE:
        (void)wr_error_set(err, WEIR_CLOSED, "source \"%s\" has ended", source);
        wr_error_hint(err, "its end is in the checkpoints, too: more rows want a data directory of their own");
        return WEIR_CLOSED;
    default:
        return wr_error_set(err, WEIR_LIMIT, "source \"%s\" has no room now: try again", source);
    }
}

weir_status
weir_push_end(weir_pipeline *pipeline, const char *source, weir_error *err)
{
    uint32_t index;
    WR_TRY(push_find(pipeline, source, &index, err));
    wr_runtime_push_end(pipeline->runtime, index);
    return WEIR_OK;
}
