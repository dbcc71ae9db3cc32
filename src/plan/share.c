/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/share.c -- equal parts of plans are run once (see share.h).
 *
 *     a: project(aggregate(scan t))                          a: project(scan shared.1)
 *     b: join(scan t, aggregate(scan t))    becomes          b: join(scan t, scan shared.1)
 *                                                     shared.1: aggregate(scan t)
 *
 * Aggregates that differ in their calls alone are one already (plan/share_calls.c).
 *
 * All nodes are listed parents first, so that a node's subtree is a run of the list.  Nodes worth
 * sharing are sorted by size, largest first, then by what they are: equal ones stand together.  The
 * first of a group moves into the shared part, the others go, and with them all that is below them.
 *
 * Invariants  H1  a scan of a part has the schema of the node it stands for: names, kind, key,
 *                 watermarks; what is above needs no other derivation
 *             H2  a part's name depends on what it computes and with which options, on nothing else
 *             H3  a part with a volatile function is never shared: each place draws its own values
 * Cost        the canonical bytes of each node worth sharing: nodes x depth
 */
#include "plan/share_impl.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

typedef struct share_node {
    wr_plan **slot;
    uint64_t hash;
    uint32_t index; /* in the list of all */
    uint32_t size;  /* nodes of the subtree */
    uint32_t user;
    bool worth;
    bool gone; /* below a place that reads a part now */
} share_node;

typedef struct share_state {
    wr_arena *arena;
    const wr_plan_user *users;
    share_node *nodes;
    uint32_t count;
    wr_plan_shared **shared;
    uint32_t shared_count;
} share_state;

static uint32_t
count_nodes(const wr_plan *plan)
{
    uint32_t n = 1;
    for (uint32_t i = 0; i < plan->input_count; i++)
        n += count_nodes(plan->inputs[i]);
    return n;
}

typedef struct volatile_state {
    bool sets; /* the expressions are calls of set-returning functions, which are marked themselves */
    bool found;
} volatile_state;

static wr_expr *
note_volatile(wr_expr *e, void *user)
{
    volatile_state *v = user;
    if (!v->sets)
        v->found = v->found || wr_expr_is_volatile(e);
    for (uint32_t i = 0; v->sets && i < e->arg_count; i++)
        v->found = v->found || wr_expr_is_volatile(e->args[i]);
    return e;
}

bool
wr_share_is_volatile(wr_plan *plan)
{
    volatile_state v = { .sets = plan->kind == WR_PLAN_UNNEST };
    return !wr_plan_map_exprs(plan, note_volatile, &v) || v.found;
}

void
wr_share_put_options(const wr_plan_options *o, wr_text *to)
{
    wr_text_printf(to, "%d %d %d %d %d %llu %d %llu ", o->bounded, o->emit_given, (int)o->emit,
                   o->late_given, (int)o->late, (unsigned long long)o->lateness_us,
                   o->unbounded_state, (unsigned long long)o->ttl_us);
}

static void
put_part(const share_state *s, const share_node *n, wr_text *to)
{
    wr_share_put_options(s->users[n->user].options, to);
    wr_plan_shape_text(*n->slot, to);
}

static weir_status
hash_part(const share_state *s, share_node *n)
{
    wr_text text;
    wr_text_init(&text, NULL);
    put_part(s, n, &text);
    bool ok = wr_text_ok(&text);
    if (ok)
        n->hash = wr_hash_stable(wr_text_string(&text), text.length);
    wr_text_fini(&text);
    return ok ? WEIR_OK : WEIR_MEMORY;
}

weir_status
wr_share_texts_equal(wr_text *a, wr_text *b, bool *equal)
{
    bool known = wr_text_ok(a) && wr_text_ok(b);
    *equal = known && a->length == b->length &&
             memcmp(wr_text_string(a), wr_text_string(b), a->length) == 0;
    wr_text_fini(a);
    wr_text_fini(b);
    return known ? WEIR_OK : WEIR_MEMORY;
}

/* Hashes may meet: only the bytes tell. */
static weir_status
compare_parts(const share_state *s, const share_node *a, const share_node *b, bool *equal)
{
    wr_text x, y;
    wr_text_init(&x, NULL);
    wr_text_init(&y, NULL);
    put_part(s, a, &x);
    put_part(s, b, &y);
    return wr_share_texts_equal(&x, &y, equal);
}

/* *fixed: no volatile function in the subtree. */
static weir_status
list_nodes(share_state *s, wr_plan **slot, uint32_t user, bool *fixed)
{
    wr_plan *plan = *slot;
    uint32_t index = s->count++;
    *fixed = !wr_share_is_volatile(plan);
    for (uint32_t i = 0; i < plan->input_count; i++) {
        bool below;
        WR_TRY(list_nodes(s, &plan->inputs[i], user, &below));
        *fixed = *fixed && below;
    }
    share_node *n = &s->nodes[index];
    *n = (share_node){ .slot = slot, .index = index, .size = s->count - index, .user = user };
    n->worth = *fixed && (plan->kind == WR_PLAN_AGGREGATE || plan->kind == WR_PLAN_JOIN ||
                          plan->kind == WR_PLAN_OVER || plan->kind == WR_PLAN_TOP_N ||
                          plan->kind == WR_PLAN_DEDUP);
    return n->worth ? hash_part(s, n) : WEIR_OK;
}

static int
compare_nodes(const void *a, const void *b)
{
    const share_node *x = *(const share_node *const *)a, *y = *(const share_node *const *)b;
    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static weir_status
make_shared(share_state *s, const share_node *first, wr_plan_shared **out)
{
    wr_plan_shared *part = wr_arena_calloc(s->arena, 1, sizeof *part);
    if (part == NULL)
        return WEIR_MEMORY;
    part->name = wr_arena_printf(s->arena, "shared.%016llx", (unsigned long long)first->hash);
    part->plan = *first->slot;
    part->options = s->users[first->user].options;
    part->owner = first->user;
    part->relation = (wr_relation){ .name = part->name,
                                    .role = WR_ROLE_SHARED,
                                    .schema = part->plan->schema,
                                    .bounded = wr_plan_ends(part->plan),
                                    .keyed = wr_plan_is_table(part->plan),
                                    .late = (uint8_t)part->options->late,
                                    .shared = part };
    if (part->name == NULL)
        return WEIR_MEMORY;
    *out = s->shared[s->shared_count++] = part;
    return WEIR_OK;
}

/* H1 */
static wr_plan *
make_reader(share_state *s, wr_plan_shared *part, const wr_plan *stands_for)
{
    uint32_t n = stands_for->schema->field_count;
    wr_plan *scan = wr_plan_make_scan(s->arena, &part->relation, stands_for->location);
    if (scan == NULL || (scan->schema = wr_schema_copy(s->arena, stands_for->schema)) == NULL)
        return NULL;
    wr_assert(scan->scan.column_count == n);
    return scan;
}

static weir_status
replace_node(share_state *s, share_node *n, wr_plan_shared *part, const char **last)
{
    const char *reader = s->users[n->user].name;
    wr_plan *scan = make_reader(s, part, *n->slot);
    if (scan == NULL)
        return WEIR_MEMORY;
    *n->slot = scan;
    part->places++;
    if (*last != reader) {
        part->readers = part->readers == NULL
                            ? reader
                            : wr_arena_printf(s->arena, "%s, %s", part->readers, reader);
        if (part->readers == NULL)
            return WEIR_MEMORY;
    }
    *last = reader;
    return WEIR_OK;
}

/* nodes[0..count) have one size and one hash. */
static weir_status
share_group(share_state *s, share_node **nodes, uint32_t count)
{
    uint32_t live = 0;
    wr_plan_shared *part = NULL;
    const char *last = NULL;
    for (uint32_t i = 0; i < count; i++) {
        bool equal = !nodes[i]->gone;
        if (equal && live > 0)
            WR_TRY(compare_parts(s, nodes[0], nodes[i], &equal));
        if (equal)
            nodes[live++] = nodes[i];
    }
    if (live < 2)
        return WEIR_OK;
    WR_TRY(make_shared(s, nodes[0], &part));
    for (uint32_t i = 0; i < live; i++) {
        WR_TRY(replace_node(s, nodes[i], part, &last));
        for (uint32_t k = 1; i > 0 && k < nodes[i]->size; k++) /* the first one's are the part's now */
            nodes[i][k].gone = true;
    }
    return WEIR_OK;
}

static weir_status
share_sorted(share_state *s)
{
    share_node **order = wr_arena_alloc(s->arena, (s->count + 1) * sizeof *order);
    uint32_t n = 0;
    if (order == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < s->count; i++)
        if (s->nodes[i].worth)
            order[n++] = &s->nodes[i];
    s->shared = wr_arena_alloc(s->arena, (n + 1) * sizeof *s->shared);
    if (s->shared == NULL)
        return WEIR_MEMORY;
    qsort(order, n, sizeof(share_node *), compare_nodes);
    for (uint32_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && order[end]->size == order[i]->size &&
                          order[end]->hash == order[i]->hash;)
            end++;
        WR_TRY(share_group(s, order + i, end - i));
    }
    return WEIR_OK;
}

weir_status
wr_plan_share(wr_arena *arena, const wr_plan_user *users, uint32_t user_count,
              wr_plan_shared ***shared, uint32_t *shared_count)
{
    share_state s = { .arena = arena, .users = users };
    uint32_t total = 0;
    *shared = NULL;
    *shared_count = 0;
    WR_TRY(wr_share_calls(arena, users, user_count));
    for (uint32_t u = 0; u < user_count; u++)
        total += users[u].alone ? 0 : count_nodes(*users[u].plan);
    s.nodes = wr_arena_calloc(arena, total + 1, sizeof *s.nodes);
    if (s.nodes == NULL)
        return WEIR_MEMORY;
    for (uint32_t u = 0; u < user_count; u++) {
        bool fixed;
        if (!users[u].alone)
            WR_TRY(list_nodes(&s, users[u].plan, u, &fixed));
    }
    WR_TRY(share_sorted(&s));
    *shared = s.shared;
    *shared_count = s.shared_count;
    return WEIR_OK;
}
