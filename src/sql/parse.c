/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/parse.c -- the one caller of libpg_query: tokens and parse trees into an arena.
 *
 * Place       below the token pass and the binder; above nothing but the library.
 * Invariants  T1, T2 (tree_impl.h)
 *             T3  the parser runs on 16 MB of stack, of a thread of its own or of one that parses many
 *                 statements: the caps of sql/scan.c keep it far from the end, whatever the caller's stack
 *             T4  a character cursor of the library becomes a byte offset before anyone sees it
 * Cost        about 35 us to parse a windowed aggregate, 60 us for a thread.
 */
#include "sql/tree_impl.h"

#include <pg_query.h>
#include <pthread.h>
#include <string.h>

enum { PARSE_STACK_BYTES = 16 << 20, CALLER_STACK_BYTES = 4 << 20 };

/* Where the stack of wr_sql_with_stack's thread begins; NULL on other threads. */
static _Thread_local const char *stack_begin;

/* protobuf-c takes its memory from the arena; nothing is freed one by one. */
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

/* Cursor (characters from 1; 0: unknown) to a byte offset. */
static int32_t
cursor_to_offset(const char *text, int cursor)
{
    if (cursor <= 0)
        return -1;
    const char *at = text;
    for (int i = 1; i < cursor && *at != '\0'; i++) {
        at++;
        while (((unsigned char)*at & 0xc0) == 0x80)
            at++;
    }
    return (int32_t)(at - text);
}

static weir_status
parse_error(const char *text, const PgQueryError *error, weir_error *err)
{
    const char *message = error->message != NULL ? error->message : "the parser failed";
    if (strstr(message, "memory exhausted") != NULL)
        return wr_error_at(err, WEIR_QUERY_TOO_COMPLEX, cursor_to_offset(text, error->cursorpos),
                           "the statement is nested too deeply");
    return wr_error_at(err, WEIR_QUERY_SYNTAX, cursor_to_offset(text, error->cursorpos), "%s",
                       message);
}

weir_status
wr_sql_tokenize(const char *text, wr_arena *arena, wr_sql_token **tokens, uint32_t *count,
                weir_error *err)
{
    ProtobufCAllocator allocator = { arena_allocate, arena_release, arena };
    PgQuery__ScanResult *unpacked = NULL;
    wr_sql_token *list = NULL;
    weir_status status = WEIR_MEMORY;
    PgQueryScanResult result = pg_query_scan(text);

    if (result.error != NULL) {
        status = parse_error(text, result.error, err);
        goto done;
    }
    unpacked = pg_query__scan_result__unpack(&allocator, result.pbuf.len,
                                             (const uint8_t *)result.pbuf.data);
    if (unpacked == NULL)
        goto done;
    list = wr_arena_calloc(arena, unpacked->n_tokens + 1, sizeof *list);
    if (list == NULL)
        goto done;
    for (size_t i = 0; i < unpacked->n_tokens; i++) {
        const PgQuery__ScanToken *t = unpacked->tokens[i];
        list[i] = (wr_sql_token){ t->start, t->end, t->token, t->keyword_kind };
    }
    *tokens = list;
    *count = (uint32_t)unpacked->n_tokens;
    status = WEIR_OK;
done:
    pg_query_free_scan_result(result);
    return status;
}

typedef struct parse_call {
    const char *text;
    PgQueryProtobufParseResult result;
    wr_arena *arena;
    PgQuery__ParseResult *tree;
} parse_call;

/* Both the parser and the unpacking recurse over the tree: both run on the large stack. */
static void *
parse_thread(void *user)
{
    parse_call *call = user;
    ProtobufCAllocator allocator = { arena_allocate, arena_release, call->arena };
    call->result = pg_query_parse_protobuf(call->text);
    if (call->result.error == NULL)
        call->tree = pg_query__parse_result__unpack(&allocator, call->result.parse_tree.len,
                                                    (const uint8_t *)call->result.parse_tree.data);
    return NULL;
}

/* Is what is left of this stack enough? */
static bool
stack_is_large(void)
{
    return stack_begin != NULL && (uintptr_t)stack_begin - (uintptr_t)__builtin_frame_address(0) <
                                      (uintptr_t)CALLER_STACK_BYTES;
}

typedef struct stack_call {
    void (*run)(void *user);
    void *user;
} stack_call;

static void *
stack_thread(void *user)
{
    stack_call *call = user;
    stack_begin = __builtin_frame_address(0);
    call->run(call->user);
    stack_begin = NULL;
    return NULL;
}

static bool
on_large_stack(size_t bytes, void *(*run)(void *user), void *user)
{
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    bool started = pthread_attr_setstacksize(&attributes, bytes) == 0 &&
                   pthread_create(&thread, &attributes, run, user) == 0;
    pthread_attr_destroy(&attributes);
    if (started)
        pthread_join(thread, NULL);
    return started;
}

void
wr_sql_with_stack(void (*run)(void *user), void *user)
{
    stack_call call = { run, user };
    if (!on_large_stack(PARSE_STACK_BYTES + CALLER_STACK_BYTES, stack_thread, &call))
        run(user);
}

weir_status
wr_sql_tree_parse(const char *text, wr_arena *arena, PgQuery__ParseResult **tree, weir_error *err)
{
    parse_call call = { .text = text, .arena = arena };
    weir_status status = WEIR_OK;
    if (stack_is_large())
        (void)parse_thread(&call);
    else if (!on_large_stack(PARSE_STACK_BYTES, parse_thread, &call))
        return wr_error_set(err, WEIR_MEMORY, "no thread could be started to parse the statement");

    if (call.result.error != NULL)
        status = parse_error(text, call.result.error, err);
    else if (call.tree == NULL)
        status = wr_error_set(err, WEIR_MEMORY, "the statement does not fit the memory budget");
    else
        *tree = call.tree;
    pg_query_free_protobuf_parse_result(call.result);
    return status;
}

static void
shift_field(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, wr_sql_shift shift,
            const void *user)
{
    char *at = (char *)message + field->offset;
    if (field->type == PROTOBUF_C_TYPE_INT32 && strcmp(field->name, "location") == 0) {
        int32_t *location = (int32_t *)at;
        *location = *location < 0 ? *location : shift(*location, user);
    } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t n = *(size_t *)((char *)message + field->quantifier_offset);
            ProtobufCMessage **items = *(ProtobufCMessage ***)at;
            for (size_t i = 0; i < n; i++)
                wr_sql_tree_shift(items[i], shift, user);
            return;
        }
        bool is_oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        if (is_oneof && *(uint32_t *)((char *)message + field->quantifier_offset) != field->id)
            return;
        if (*(ProtobufCMessage **)at != NULL)
            wr_sql_tree_shift(*(ProtobufCMessage **)at, shift, user);
    }
}

void
wr_sql_tree_shift(ProtobufCMessage *tree, wr_sql_shift shift, const void *user)
{
    for (unsigned i = 0; i < tree->descriptor->n_fields; i++)
        shift_field(tree, &tree->descriptor->fields[i], shift, user);
}
