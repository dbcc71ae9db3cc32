/* SPDX-License-Identifier: Apache-2.0 */
/* support/tamper.c -- see tamper.h. */
#include "support/tamper.h"

#include <pg_query/pg_query.pb-c.h>
#include <string.h>

enum { HEAD = 5 };

/* One node of each kind. */
static const char donor[] =
    "WITH w (x) AS (SELECT 1) SELECT DISTINCT ON (a) a AS n, b.*, 1.5, 'x', true, NULL, B'1', -a, "
    "a::int[], "
    "(a).b[1:2], ARRAY[1], ROW(1, 2), CASE a WHEN 1 THEN 2 ELSE 3 END, coalesce(a, 1), greatest(a, "
    "1), a IS NULL, "
    "a IS TRUE, NOT a, EXISTS (SELECT 1), a IN (1, 2), a BETWEEN 1 AND 2, f(VARIADIC x => 1), $1, "
    "now(), "
    "current_timestamp, 'a' COLLATE \"C\", count(*) FILTER (WHERE a) OVER (PARTITION BY a ORDER BY "
    "b), grouping(a) "
    "FROM t AS q (c) JOIN LATERAL (SELECT 1) s USING (k) CROSS JOIN f(1) AS g (h int) "
    "GROUP BY ROLLUP (a), () HAVING true WINDOW z AS (ORDER BY a) ORDER BY a USING < LIMIT 1 "
    "OFFSET 2 FOR UPDATE";

static void *
arena_allocate(void *user, size_t bytes)
{
    return wr_arena_alloc(user, bytes);
}

static void
arena_release(void *user, void *pointer)
{
    (void)user;
    (void)pointer;
}

typedef struct walk {
    wr_tamper *tamper;
    uint32_t how, at, seen;
    bool collects;
} walk;

static bool
is_node(const ProtobufCMessage *m)
{
    return m->descriptor == &pg_query__node__descriptor;
}

static void
collect(wr_tamper *t, ProtobufCMessage *m)
{
    int kind = (int)((PgQuery__Node *)m)->node_case;
    for (uint32_t i = 0; i < t->graft_count; i++)
        if (kind == (int)((PgQuery__Node *)t->grafts[i])->node_case)
            return;
    if (t->graft_count < WR_COUNT(t->grafts))
        t->grafts[t->graft_count++] = m;
}

static void visit(walk *w, ProtobufCMessage *m);

/* What becomes of the message: itself, NULL, or another.  *empties: the list goes. */
static ProtobufCMessage *
change(walk *w, ProtobufCMessage *m, bool *empties)
{
    *empties = false;
    if (w->collects) {
        if (is_node(m))
            collect(w->tamper, m);
        return m;
    }
    uint32_t how = w->how;
    if (w->seen++ != w->at || how == WR_TAMPER_NOT)
        return m;
    *empties = how == WR_TAMPER_EMPTY;
    if (how < WR_TAMPER_GRAFT)
        return NULL;
    return is_node(m) ? w->tamper->grafts[(how - WR_TAMPER_GRAFT) % w->tamper->graft_count] : NULL;
}

static void
visit_list(walk *w, ProtobufCMessage **items, size_t *n)
{
    bool empties = false, any = false;
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++) {
        ProtobufCMessage *to = change(w, items[i], &empties);
        any |= empties;
        if (to == items[i])
            visit(w, to);
        if (to != NULL)
            items[kept++] = to;
    }
    *n = any ? 0 : kept;
}

static void
visit(walk *w, ProtobufCMessage *m)
{
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &m->descriptor->fields[i];
        char *at = (char *)m + field->offset, *quantifier = (char *)m + field->quantifier_offset;
        bool is_oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0, empties;
        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            visit_list(w, *(ProtobufCMessage ***)at, (size_t *)quantifier);
            continue;
        }
        if (is_oneof && *(uint32_t *)quantifier != field->id)
            continue;
        ProtobufCMessage **one = (ProtobufCMessage **)at, *was = *one;
        if (was == NULL)
            continue;
        *one = change(w, was, &empties);
        if (*one == was)
            visit(w, was);
        if (*one == NULL && is_oneof)
            *(uint32_t *)quantifier = 0;
    }
}

typedef struct answer_call {
    wr_tamper *tamper;
    weir_parse_give *give;
    void *to;
    wr_arena *arena;
} answer_call;

static ProtobufCMessage *
unpack(wr_arena *arena, const char *answer, size_t length)
{
    ProtobufCAllocator allocator = { arena_allocate, arena_release, arena };
    return protobuf_c_message_unpack(&pg_query__parse_result__descriptor, &allocator, length - HEAD,
                                     (const uint8_t *)answer + HEAD);
}

static weir_status
take_donor(void *to, const char *answer, size_t length)
{
    wr_tamper *tamper = to;
    walk w = { .tamper = tamper, .collects = true };
    wr_assert(answer[0] == 'P');
    visit(&w, unpack(&tamper->arena, answer, length));
    return WEIR_OK;
}

static weir_status
take_tree(void *to, const char *answer, size_t length)
{
    answer_call *call = to;
    walk w = { .tamper = call->tamper };
    if (answer[0] != 'P' || call->tamper->how == WR_TAMPER_NOT)
        return call->give(call->to, answer, length);
    ProtobufCMessage *tree = unpack(call->arena, answer, length);
    visit(&w, tree); /* they are counted */
    call->tamper->seen = w.seen;
    w.how = call->tamper->how;
    w.at = call->tamper->at;
    w.seen = 0;
    visit(&w, tree);
    size_t bytes = protobuf_c_message_get_packed_size(tree);
    char *changed = wr_alloc(NULL, HEAD + bytes);
    wr_assert(changed != NULL);
    memcpy(changed, answer, HEAD);
    protobuf_c_message_pack(tree, (uint8_t *)changed + HEAD);
    weir_status status = call->give(call->to, changed, HEAD + bytes);
    wr_free(changed);
    return status;
}

static weir_status
tamper_parse(void *user, weir_parse_step step, const char *text, size_t length,
             weir_parse_give *give, void *to, weir_error *err)
{
    wr_tamper *tamper = user;
    wr_arena arena;
    if (tamper->fails != WEIR_OK)
        return wr_error_set(err, tamper->fails, "no answer");
    if (tamper->instead[step] != NULL)
        return give(to, tamper->instead[step], tamper->instead_length[step]);
    if (step == WEIR_PARSE_TOKENS)
        return wr_sql_answer(step, text, length, give, to);
    wr_arena_init(&arena, NULL);
    answer_call call = { tamper, give, to, &arena };
    weir_status status = wr_sql_answer(step, text, length, take_tree, &call);
    wr_arena_fini(&arena);
    return status;
}

void
wr_tamper_init(wr_tamper *tamper)
{
    memset(tamper, 0, sizeof *tamper);
    tamper->parser = (weir_parser){ tamper_parse, tamper };
    wr_arena_init(&tamper->arena, NULL);
    weir_status status =
        wr_sql_answer(WEIR_PARSE_TREE, donor, sizeof donor - 1, take_donor, tamper);
    wr_assert(status == WEIR_OK);
}

void
wr_tamper_fini(wr_tamper *tamper)
{
    wr_arena_fini(&tamper->arena);
}
