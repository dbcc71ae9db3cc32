/* SPDX-License-Identifier: Apache-2.0 */
/* support/plans.c -- see plans.h. */
#include "support/plans.h"

#include <string.h>

static const struct {
    const char *name, *columns, *time;
} relations[] = {
    { "bids",
      "auction bigint NOT NULL, bidder bigint, price numeric(12,2), channel text, ts timestamptz "
      "NOT "
      "NULL, payload jsonb",
      "ts" },
    { "auctions", "id bigint, seller bigint, category int, ts timestamptz NOT NULL", "ts" },
    { "t", "a int, b int, c text, d double precision, arr int[]", "" },
    { "u", "a int, x bigint", "" },
    { "keyed", "k int PRIMARY KEY, v text", "" },
};

void
wr_plans_init(wr_plans *p, bool bounded)
{
    memset(p, 0, sizeof *p);
    wr_arena_init(&p->arena, NULL);
    wr_text_init(&p->text, NULL);
    wr_catalog_init(&p->catalog, &p->arena);
    p->options.bounded = bounded;
    for (uint32_t i = 0; i < WR_COUNT(relations); i++) {
        wr_schema *schema = NULL;
        weir_status status = wr_sql_parse_columns(
            relations[i].columns, strlen(relations[i].columns), &p->arena, &schema, &p->err);
        wr_assert(status == WEIR_OK);
        int32_t time = wr_schema_find(schema, relations[i].time);
        if (time >= 0) {
            schema->time_column = time;
            schema->fields[time].watermark_offset = 0;
        }
        wr_relation relation = { .name = relations[i].name, .schema = schema };
        status = wr_catalog_add(&p->catalog, &relation, &p->err);
        wr_assert(status == WEIR_OK);
    }
}

void
wr_plans_fini(wr_plans *p)
{
    wr_text_fini(&p->text);
    wr_arena_fini(&p->arena);
}

weir_status
wr_plans_plan(wr_plans *p, const char *sql)
{
    wr_error_clear(&p->err);
    WR_TRY(wr_sql_bind(sql, strlen(sql), &p->catalog, &p->options, &p->arena, &p->plan, &p->extras,
                       &p->err));
    WR_TRY(wr_plan_optimise(&p->arena, &p->options, &p->plan, &p->err));
    return wr_plan_bound(&p->arena, &p->options, p->plan, &p->err);
}

static const char *
failure(wr_plans *p, weir_status status)
{
    wr_text_printf(&p->text, "%s: %s", weir_status_name(status), p->err.text);
    return wr_text_string(&p->text);
}

const char *
wr_plans_explain(wr_plans *p, const char *sql)
{
    wr_text_clear(&p->text);
    weir_status status = wr_plans_plan(p, sql);
    if (status != WEIR_OK)
        return failure(p, status);
    wr_plan_explain(p->plan, &p->options, NULL, &p->text);
    return wr_text_string(&p->text);
}

const char *
wr_plans_columns(wr_plans *p, const char *sql)
{
    wr_text_clear(&p->text);
    weir_status status = wr_plans_plan(p, sql);
    if (status != WEIR_OK)
        return failure(p, status);
    for (uint32_t i = 0; i < p->plan->schema->field_count; i++) {
        wr_text_printf(&p->text, "%s%s ", i > 0 ? ", " : "", p->plan->schema->fields[i].name);
        wr_type_print(p->plan->schema->fields[i].type, &p->text);
    }
    return wr_text_string(&p->text);
}
