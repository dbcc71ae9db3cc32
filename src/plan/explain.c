/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/explain.c -- EXPLAIN: one line a node, then what it is keyed by, when it lets go, what was
 * pushed down.
 */
#include "plan/route.h"
#include "plan/rules_impl.h"
#include "plan/share.h"

#include "data/datetime.h"

#include <string.h>

enum { NAMES_MAX = 256, EXPLAIN_DEPTH_MAX = 64, SHARED_MAX = 32 };

typedef struct explain_state {
    const wr_plan_options *options;
    const wr_plan_notes *notes; /* NULL: none */
    const wr_plan *root; /* of the nodes at hand: the plan, or a part */
    wr_text *to;
    wr_arena *arena;
    const wr_plan_shared *seen[SHARED_MAX]; /* parts that stand above already */
    uint32_t seen_count;
} explain_state;

static void
put_indent(wr_text *to, uint32_t depth)
{
    for (uint32_t i = 0; i < depth; i++)
        wr_text_puts(to, "  ");
}

static void
put_us(wr_text *to, int64_t us)
{
    wr_interval v = { 0, (int32_t)(us / WR_US_PER_DAY), us % WR_US_PER_DAY };
    wr_interval_print(&v, to);
}

/* A name that both sides of a join have says which side's it is. */
static const char *
side_name(explain_state *s, const wr_plan *plan, uint32_t side, const char *name)
{
    if (plan->kind != WR_PLAN_JOIN || wr_schema_find(plan->inputs[1 - side]->schema, name) < 0)
        return name;
    const char *whole = wr_arena_printf(s->arena, "%s.%s", side == 0 ? "left" : "right", name);
    return whole != NULL ? whole : name;
}

/* Names of the columns an expression of plan is over. */
static const char *const *
input_names(explain_state *s, const wr_plan *plan)
{
    uint32_t n = 0, at = 0;
    if (plan->kind == WR_PLAN_SCAN)
        n = plan->scan.relation->schema->field_count;
    for (uint32_t i = 0; i < plan->input_count; i++)
        n += plan->inputs[i]->schema->field_count;
    const char **names = wr_arena_alloc(s->arena, (n + 1) * sizeof *names);
    if (names == NULL)
        return NULL;
    if (plan->kind == WR_PLAN_SCAN)
        for (; at < n; at++)
            names[at] = plan->scan.relation->schema->fields[at].name;
    for (uint32_t i = 0; i < plan->input_count; i++)
        for (uint32_t c = 0; c < plan->inputs[i]->schema->field_count; c++)
            names[at++] = side_name(s, plan, i, plan->inputs[i]->schema->fields[c].name);
    return names;
}

static void
put_expr(explain_state *s, const wr_plan *plan, const wr_expr *e)
{
    wr_expr_print(e, input_names(s, plan), s->to);
}

static void
put_columns(wr_text *to, const wr_schema *schema, const uint32_t *columns, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        wr_text_printf(to, "%s%s", i > 0 ? ", " : "", schema->fields[columns[i]].name);
}

static const char *
kind_name(wr_relation_kind kind)
{
    return kind == WR_INSERT_ONLY ? "insert-only" : kind == WR_UPSERT ? "upsert" : "changelog";
}

static void
put_window(wr_text *to, const wr_window_spec *w)
{
    static const char *const names[] = { "none", "tumble", "hop", "cumulate", "session" };
    wr_text_puts(to, names[w->kind]);
    wr_text_puts(to, w->kind == WR_WINDOW_SESSION ? " gap " : " size ");
    put_us(to, w->size);
    if (w->kind == WR_WINDOW_HOP || w->kind == WR_WINDOW_CUMULATE) {
        wr_text_puts(to, w->kind == WR_WINDOW_HOP ? " slide " : " step ");
        put_us(to, w->slide);
    }
    if (w->offset != 0) {
        wr_text_puts(to, " offset ");
        put_us(to, w->offset);
    }
}

static void
put_call(explain_state *s, const wr_plan *plan, const wr_agg_call *call)
{
    wr_text_printf(s->to, "%s(%s", call->aggregate->name,
                   call->arg_count == 0 ? "*"
                   : call->distinct     ? "distinct "
                                        : "");
    uint32_t plain = call->arg_count - call->order_count;
    for (uint32_t i = 0; i < call->arg_count; i++) {
        wr_text_puts(s->to, i == plain ? " order by " : i > 0 ? ", " : "");
        put_expr(s, plan, call->args[i]);
        if (i >= plain && call->order[i - plain].descending)
            wr_text_puts(s->to, " desc");
    }
    wr_text_putc(s->to, ')');
    if (call->filter != NULL) {
        wr_text_puts(s->to, " filter ");
        put_expr(s, plan, call->filter);
    }
}

static void
put_aggregate(explain_state *s, const wr_plan *plan, uint32_t depth)
{
    wr_text *to = s->to;
    wr_plan_time time;
    if (wr_plan_aggregate_time(s->arena, s->options, plan, &time) != WEIR_OK)
        return;
    wr_text_puts(to, plan->aggregate.call_count == 0 ? "distinct" : "aggregate");
    if (time.fused) {
        wr_text_putc(to, ' ');
        put_window(to, &time.window->window.spec);
    }
    for (uint32_t i = 0; i < plan->aggregate.call_count; i++) {
        wr_text_puts(to, i == 0 ? " " : ", ");
        put_call(s, plan, &plan->aggregate.calls[i]);
    }
    wr_text_putc(to, '\n');
    put_indent(to, depth + 1);
    wr_text_puts(to, plan->aggregate.key_count == 0 ? "key: none, one row" : "key: ");
    put_columns(to, plan->inputs[0]->schema, plan->aggregate.keys, plan->aggregate.key_count);
    wr_text_printf(to, "; emit: %s\n", plan->aggregate.emit == WR_EMIT_FINAL ? "final" : "changes");
    put_indent(to, depth + 1);
    bool bounded = s->options == NULL || s->options->bounded;
    if (time.fused && time.window->window.spec.watermark_offset != WR_NO_WATERMARK) {
        const wr_window_spec *w = &time.window->window.spec;
        wr_text_puts(to, "state: keys x open windows");
        if (w->kind != WR_WINDOW_SESSION) {
            wr_text_puts(to, " (");
            put_us(to, w->size);
            wr_text_puts(to, " behind the watermark)");
        }
    } else if (time.time_key >= 0) {
        wr_text_printf(to, "state: keys x values of %s not yet passed",
                       plan->schema->fields[time.time_key].name);
    } else if (plan->aggregate.key_count == 0) {
        wr_text_puts(to, "state: one group");
    } else {
        wr_text_puts(to, bounded                  ? "state: all keys of the input"
                         : s->options->ttl_us > 0 ? "state: keys seen within the ttl"
                         : wr_plan_is_table(plan) ? "state: keys of the rows that stand"
                                                  : "state: all keys ever seen");
    }
    wr_text_putc(to, '\n');
}

static void
put_join(explain_state *s, const wr_plan *plan, uint32_t depth)
{
    static const char *const kinds[] = { "inner", "left", "right", "full", "semi", "anti" };
    static const char *const modes[] = { "", "as-of ", "lookup " };
    wr_text *to = s->to;
    wr_text_printf(to, "%s%s join%s", modes[plan->join.mode], kinds[plan->join.kind],
                   plan->inputs[1]->schema->kind == WR_UPSERT ? " with versions" : "");
    for (uint32_t i = 0; i < plan->join.key_count; i++)
        wr_text_printf(
            to, "%s%s %s %s", i == 0 ? " on " : " and ",
            side_name(s, plan, 0, plan->inputs[0]->schema->fields[plan->join.left_keys[i]].name),
            plan->join.null_equal ? "is not distinct from" : "=",
            side_name(s, plan, 1, plan->inputs[1]->schema->fields[plan->join.right_keys[i]].name));
    if (plan->join.residual != NULL) {
        wr_text_puts(to, plan->join.key_count > 0 ? " and " : " on ");
        put_expr(s, plan, plan->join.residual);
    }
    wr_text_putc(to, '\n');
    put_indent(to, depth + 1);
    wr_plan_explain_join(plan, s->options, to);
    wr_text_putc(to, '\n');
}

static void
put_sort(explain_state *s, const wr_plan *plan)
{
    wr_text_puts(s->to, plan->sort.key_count > 0 ? "sort" : "limit");
    for (uint32_t i = 0; i < plan->sort.key_count; i++)
        wr_text_printf(s->to, "%s%s%s%s", i == 0 ? " by " : ", ",
                       plan->schema->fields[plan->sort.keys[i].column].name,
                       plan->sort.keys[i].descending ? " desc" : "",
                       plan->sort.keys[i].nulls_first != plan->sort.keys[i].descending
                           ? (plan->sort.keys[i].nulls_first ? " nulls first" : " nulls last")
                           : "");
    if (plan->sort.limit != UINT64_MAX)
        wr_text_printf(s->to, " limit %llu%s", (unsigned long long)plan->sort.limit,
                       plan->sort.with_ties ? " with ties" : "");
    if (plan->sort.offset > 0)
        wr_text_printf(s->to, " offset %llu", (unsigned long long)plan->sort.offset);
    wr_text_putc(s->to, '\n');
}

static void put_node(explain_state *s, const wr_plan *plan, uint32_t depth);

/* A part that is run once: below it, what it is. */
static void
put_shared(explain_state *s, const wr_plan *plan, uint32_t depth)
{
    const wr_plan_shared *part = plan->scan.relation->shared;
    for (uint32_t i = 0; i < s->seen_count; i++)
        if (s->seen[i] == part) {
            wr_text_printf(s->to, "shared %u, as above\n", i + 1);
            return;
        }
    wr_text_puts(s->to, "shared");
    if (s->seen_count < SHARED_MAX) {
        s->seen[s->seen_count++] = part;
        wr_text_printf(s->to, " %u", s->seen_count);
    }
    wr_text_printf(s->to, ": run once for %u places", part->places);
    if (strchr(part->readers, ',') != NULL)
        wr_text_printf(s->to, " of views %s", part->readers);
    wr_text_putc(s->to, '\n');
    if (depth < EXPLAIN_DEPTH_MAX) {
        const wr_plan *root = s->root;
        s->root = part->plan;
        put_node(s, part->plan, depth + 1);
        s->root = root;
    }
}

static void
put_note(explain_state *s, const wr_plan *plan, uint32_t depth)
{
    wr_text note;
    wr_text_init(&note, NULL);
    if (s->notes != NULL && s->notes->note(s->notes->user, s->root, plan, &note)) {
        put_indent(s->to, depth + 1);
        wr_text_puts(s->to, wr_text_string(&note));
        wr_text_putc(s->to, '\n');
    }
    wr_text_fini(&note);
}

static void
put_scan(explain_state *s, const wr_plan *plan, uint32_t depth)
{
    wr_text *to = s->to;
    if (plan->scan.relation->role == WR_ROLE_SHARED) {
        put_shared(s, plan, depth);
        return;
    }
    wr_text_printf(to, "scan %s (%s)\n", plan->scan.relation->name, kind_name(plan->schema->kind));
    put_indent(to, depth + 1);
    wr_text_puts(to, "columns: ");
    put_columns(to, plan->scan.relation->schema, plan->scan.columns, plan->scan.column_count);
    wr_text_putc(to, '\n');
    bool said = s->options != NULL && !s->options->bounded; /* of a query's files it is a guess */
    if (said && plan->scan.relation->rows > 0 && plan->scan.relation->role == WR_ROLE_SOURCE) {
        put_indent(to, depth + 1);
        wr_text_printf(to, "rows: about %llu\n", (unsigned long long)plan->scan.relation->rows);
    }
    const wr_schema *source = plan->scan.relation->schema;
    if (plan->scan.relation->keyed && plan->scan.relation->role == WR_ROLE_SOURCE) {
        put_indent(to, depth + 1);
        wr_text_puts(to, "state: keys (");
        put_columns(to, source, source->key, source->key_count);
        wr_text_puts(to, ") x row bytes, once for all readers of the source\n");
    }
    if (plan->scan.predicate != NULL) {
        put_indent(to, depth + 1);
        wr_text_puts(to, "filter: ");
        put_expr(s, plan, plan->scan.predicate);
        if (plan->scan.route != NULL)
            wr_text_printf(to, ", indexed on %s",
                           source->fields[plan->scan.route->selector.column].name);
        wr_text_putc(to, '\n');
    }
}

static void
put_exprs(explain_state *s, const wr_plan *plan)
{
    for (uint32_t i = 0; i < plan->schema->field_count; i++) {
        const wr_expr *e = plan->project.exprs[i];
        wr_text_puts(s->to, i == 0 ? " " : ", ");
        put_expr(s, plan, e);
        bool same =
            e->kind == WR_EXPR_COLUMN && strcmp(plan->inputs[0]->schema->fields[e->column].name,
                                                plan->schema->fields[i].name) == 0;
        if (!same)
            wr_text_printf(s->to, " as %s", plan->schema->fields[i].name);
    }
    wr_text_putc(s->to, '\n');
}

static void
put_over(explain_state *s, const wr_plan *plan)
{
    const wr_schema *input = plan->inputs[0]->schema;
    wr_text_puts(s->to, "over");
    for (uint32_t i = 0; i < plan->over.call_count; i++) {
        const wr_over_call *call = &plan->over.calls[i];
        wr_text_printf(s->to, "%s%s(", i == 0 ? " " : ", ", call->name);
        for (uint32_t a = 0; a < call->arg_count; a++) {
            wr_text_puts(s->to, a > 0 ? ", " : "");
            put_expr(s, plan, call->args[a]);
        }
        wr_text_puts(s->to, ")");
        if (call->partition_count > 0) {
            wr_text_puts(s->to, " partition by ");
            put_columns(s->to, input, call->partition, call->partition_count);
        }
        for (uint32_t k = 0; k < call->order_count; k++)
            wr_text_printf(s->to, "%s%s%s", k == 0 ? " order by " : ", ",
                           input->fields[call->order[k].column].name,
                           call->order[k].descending ? " desc" : "");
    }
    wr_text_putc(s->to, '\n');
}

static void
put_dedup(explain_state *s, const wr_plan *plan, uint32_t depth)
{
    const wr_schema *input = plan->inputs[0]->schema;
    const wr_field *time = &input->fields[plan->dedup.time_column];
    wr_text_puts(s->to, "dedup by ");
    put_columns(s->to, input, plan->dedup.keys, plan->dedup.key_count);
    wr_text_puts(s->to, " within ");
    put_us(s->to, plan->dedup.span_us);
    wr_text_printf(s->to, " of %s\n", time->name);
    put_indent(s->to, depth + 1);
    bool waits = time->watermark_offset == WR_NO_WATERMARK || input->kind != WR_INSERT_ONLY;
    wr_text_puts(s->to, waits ? "state: all rows of the input\n"
                              : "state: keys kept within the span + rows not yet passed\n");
}

static void
put_watermark(explain_state *s, const wr_plan *plan, uint32_t depth)
{
    int32_t t = plan->schema->time_column;
    if (t < 0)
        return;
    int64_t offset = plan->schema->fields[t].watermark_offset;
    put_indent(s->to, depth + 1);
    wr_text_printf(s->to, "watermark: %s >= W", plan->schema->fields[t].name);
    if (offset != 0) {
        wr_text_puts(s->to, offset < 0 ? " - " : " + ");
        put_us(s->to, offset < 0 ? -offset : offset);
    }
    wr_text_putc(s->to, '\n');
}

static void
put_node(explain_state *s, const wr_plan *plan, uint32_t depth)
{
    wr_text *to = s->to;
    put_indent(to, depth);
    switch (plan->kind) {
    case WR_PLAN_SCAN: put_scan(s, plan, depth); break;
    case WR_PLAN_VALUES:
        wr_text_printf(to, "values %u row%s\n", plan->values.row_count,
                       plan->values.row_count == 1 ? "" : "s");
        break;
    case WR_PLAN_FILTER:
        wr_text_puts(to, "filter ");
        put_expr(s, plan, plan->filter.predicate);
        wr_text_putc(to, '\n');
        if (wr_plan_is_moving(s->options, plan)) {
            put_indent(to, depth + 1);
            wr_text_puts(to, "rows are taken back as now() moves on; state: rows that still come or go\n");
        }
        break;
    case WR_PLAN_PROJECT:
        wr_text_puts(to, "project");
        put_exprs(s, plan);
        if (plan->project.quiet) {
            put_indent(to, depth + 1);
            wr_text_puts(to, "changes of these columns alone\n");
        }
        break;
    case WR_PLAN_WINDOW:
        wr_text_puts(to, "window ");
        put_window(to, &plan->window.spec);
        wr_text_putc(to, '\n');
        break;
    case WR_PLAN_AGGREGATE: put_aggregate(s, plan, depth); break;
    case WR_PLAN_JOIN: put_join(s, plan, depth); break;
    case WR_PLAN_UNION: wr_text_puts(to, "union all\n"); break;
    case WR_PLAN_SORT: put_sort(s, plan); break;
    case WR_PLAN_TOP_N: wr_plan_explain_top_n(plan, s->options, depth, to); break;
    case WR_PLAN_SETOP:
        wr_text_printf(to, "%s%s\n", plan->setop.intersect ? "intersect" : "except",
                       plan->setop.all ? " all" : "");
        break;
    case WR_PLAN_OVER:
        put_over(s, plan);
        put_indent(to, depth + 1);
        wr_plan_explain_over(plan, s->options, to);
        break;
    case WR_PLAN_DEDUP: put_dedup(s, plan, depth); break;
    case WR_PLAN_UNNEST:
        wr_text_puts(to, "unnest");
        for (uint32_t i = 0; i < plan->unnest.call_count; i++) {
            wr_text_puts(to, i == 0 ? " " : ", ");
            put_expr(s, plan, plan->unnest.calls[i]);
        }
        wr_text_putc(to, '\n');
        break;
    }
    bool shared = plan->kind == WR_PLAN_SCAN && plan->scan.relation->role == WR_ROLE_SHARED;
    if ((plan->kind == WR_PLAN_SCAN && !shared) || plan->kind == WR_PLAN_AGGREGATE ||
        plan->kind == WR_PLAN_JOIN || plan->kind == WR_PLAN_DEDUP)
        put_watermark(s, plan, depth);
    if (!shared)
        put_note(s, plan, depth);
    for (uint32_t i = 0; i < plan->input_count && depth < EXPLAIN_DEPTH_MAX; i++)
        put_node(s, plan->inputs[i], depth + 1);
}

/* Exceptions to the law that both runs agree (design 12.8). */
static void
put_exceptions(const wr_plan *plan, wr_text *to, bool *floats, bool *order)
{
    for (uint32_t i = 0; plan->kind == WR_PLAN_AGGREGATE && i < plan->aggregate.call_count; i++) {
        const wr_agg_call *call = &plan->aggregate.calls[i];
        bool real = false;
        for (uint32_t a = 0; a < call->arg_count; a++)
            real |= call->args[a]->type.id == WR_FLOAT4 || call->args[a]->type.id == WR_FLOAT8;
        real &= strcmp(call->aggregate->name, "count") != 0 &&
                strcmp(call->aggregate->name, "min") != 0 &&
                strcmp(call->aggregate->name, "max") != 0;
        if (real && !*floats)
            wr_text_puts(to, "note: sums of floats agree to 1e-12, not to the last bit\n");
        if (call->aggregate->order_matters && call->order_count == 0 && !*order)
            wr_text_printf(to, "note: %s depends on the order of rows\n", call->aggregate->name);
        *floats |= real;
        *order |= call->aggregate->order_matters && call->order_count == 0;
    }
    if (plan->kind == WR_PLAN_SCAN && plan->scan.relation->role == WR_ROLE_SHARED)
        put_exceptions(((const wr_plan_shared *)plan->scan.relation->shared)->plan, to, floats, order);
    for (uint32_t i = 0; i < plan->input_count; i++)
        put_exceptions(plan->inputs[i], to, floats, order);
}

void
wr_plan_explain(const wr_plan *plan, const wr_plan_options *options, const wr_plan_notes *notes,
                wr_text *to)
{
    wr_arena arena;
    explain_state s = {
        .options = options, .notes = notes, .root = plan, .to = to, .arena = &arena
    };
    bool floats = false, order = false;
    wr_arena_init(&arena, NULL);
    wr_text_printf(to, "output: %s", kind_name(plan->schema->kind));
    if (plan->schema->key_count > 0) {
        wr_text_puts(to, ", key ");
        put_columns(to, plan->schema, plan->schema->key, plan->schema->key_count);
    }
    wr_text_putc(to, '\n');
    put_node(&s, plan, 0);
    put_exceptions(plan, to, &floats, &order);
    to->failed |= !wr_arena_ok(&arena); /* a name may be missing */
    wr_arena_fini(&arena);
}
