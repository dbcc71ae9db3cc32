/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/sides.c -- side streams (VIEW.late, VIEW.dead_letter, SOURCE.dead_letter): which are asked for, and
 * those into job and catalog.
 *
 * Every statement and sink is looked through once for names of side streams, before anything is planned.
 */
#include "data/datetime.h"
#include "engine/engine_impl.h"

#include <stdio.h>
#include <string.h>

enum { NAME_BYTES_MAX = 160 };
static const char *const suffixes[] = { ".late", ".dead_letter" };

static bool
is_word(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Every word.late and word.dead_letter in the text. */
static weir_status
note_text(weir_pipeline *p, const char *text)
{
    for (uint32_t s = 0; text != NULL && s < WR_COUNT(suffixes); s++) {
        size_t length = strlen(suffixes[s]);
        for (const char *at = text; (at = strstr(at, suffixes[s])) != NULL; at += length) {
            const char *from = at;
            while (from > text && is_word(from[-1]))
                from--;
            size_t bytes = (size_t)(at - from) + length;
            uint32_t known;
            if (from == at || bytes >= NAME_BYTES_MAX ||
                wr_names_find_bytes(&p->side_names, from, bytes, &known))
                continue;
            const char *name = wr_arena_strndup(&p->arena, from, bytes);
            if (name == NULL)
                return WEIR_MEMORY;
            WR_TRY(wr_names_add(&p->side_names, name, 1));
        }
    }
    return WEIR_OK;
}

weir_status
wr_sides_note(weir_pipeline *p)
{
    const wr_spec *spec = p->spec;
    WR_TRY(note_text(p, p->statement));
    for (uint32_t i = 0; spec != NULL && p->statement == NULL && i < spec->sink_count; i++)
        WR_TRY(note_text(p, spec->sinks[i].common.from)); /* a query writes to no sink */
    for (uint32_t i = 0; spec != NULL && i < spec->view_count; i++)
        WR_TRY(note_text(p, spec->views[i].sql));
    return WEIR_OK;
}

bool
wr_side_is_wanted(const weir_pipeline *p, const char *owner, const char *suffix)
{
    char name[NAME_BYTES_MAX];
    uint32_t known;
    if (p->side_names.count == 0)
        return false;
    int length = snprintf(name, sizeof name, "%s.%s", owner, suffix);
    return length < NAME_BYTES_MAX && wr_names_find(&p->side_names, name, &known);
}

weir_status
wr_side_add(weir_pipeline *p, const char *owner, const char *suffix, const wr_schema *schema,
            uint32_t of_stream, int port, bool bounded, int32_t *stream, weir_error *err)
{
    const char *name = wr_arena_printf(&p->arena, "%s.%s", owner, suffix);
    if (name == NULL || schema == NULL)
        return WEIR_MEMORY;
    wr_job_stream js = { .name = name,
                         .schema = schema,
                         .origin = WR_FROM_SIDE,
                         .origin_index = of_stream,
                         .side_port = port,
                         .retain_us = 300 * WR_US_PER_SECOND };
    uint32_t index;
    WR_TRY(wr_lowering_add_stream(&p->lowering, &js, &index));
    wr_relation rel = { .name = name, .role = WR_ROLE_SIDE, .schema = schema, .bounded = bounded };
    *stream = (int32_t)index;
    return wr_catalog_add(&p->catalog, &rel, err);
}
