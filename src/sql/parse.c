/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/parse.c -- the one caller of libpg_query: tokens and parse trees into an arena.
 *
 * Place       below the token pass and the binder; above nothing but the library.
 * Invariants  T1, T2 (tree_impl.h)
 *             T3  the parser runs on 16 MB of stack, of a thread of its own or of one that parses many
 *                 statements: the caps of sql/scan.c keep it far from the end, whatever the caller's stack
 *             T4  a character cursor of the library becomes a byte offset before anyone sees it
 *             T5  a stranger's text is not given to the library here: bytes come back, as wr_sql_answer of another
 *                 process wrote them, and are unpacked once sql/message.c has passed them
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
parse_error(const char *text, const char *message, int cursor, weir_error *err)
{
    if (message == NULL)
        message = "the parser failed";
    if (strstr(message, "memory exhausted") != NULL)
        return wr_error_at(err, WEIR_QUERY_TOO_COMPLEX, cursor_to_offset(text, cursor),
                           "the statement is nested too deeply");
    return wr_error_at(err, WEIR_QUERY_SYNTAX, cursor_to_offset(text, cursor), "%s", message);
}

/* --- a stranger's text (T5) ---
 *
 * An answer is a byte that says what it is, four that say at which character (errors), the least significant first,
 * and bytes: a message of protobuf, or an error's text.
 */

enum { ANSWER_TOKENS = 'T', ANSWER_TREE = 'P', ANSWER_ERROR = 'E', ANSWER_HEAD = 5, ANSWER_WORDS_MAX = 400 };

static weir_status
answer_give(char what, int cursor, const char *bytes, size_t length, weir_parse_give *give, void *to)
{
    char *answer = wr_alloc(NULL, ANSWER_HEAD + length);
    if (answer == NULL)
        return WEIR_MEMORY;
    answer[0] = what;
    for (int i = 0; i < 4; i++)
        answer[1 + i] = (char)((uint32_t)cursor >> 8 * i);
    memcpy(answer + ANSWER_HEAD, bytes, length);
    weir_status status = give(to, answer, ANSWER_HEAD + length);
    wr_free(answer);
    return status;
}

static weir_status
answer_give_error(const PgQueryError *error, weir_parse_give *give, void *to)
{
    const char *words = error->message != NULL ? error->message : "";
    return answer_give(ANSWER_ERROR, error->cursorpos, words, strlen(words), give, to);
}

weir_status
wr_sql_answer(weir_parse_step step, const char *text, size_t length, weir_parse_give *give, void *to)
{
    weir_status status;
    char *copy = wr_strndup(NULL, text, length);
    if (copy == NULL)
        return WEIR_MEMORY;
    if (step == WEIR_PARSE_TOKENS) {
        PgQueryScanResult r = pg_query_scan(copy);
        status = r.error != NULL ? answer_give_error(r.error, give, to)
                                 : answer_give(ANSWER_TOKENS, 0, r.pbuf.data, r.pbuf.len, give, to);
        pg_query_free_scan_result(r);
    } else {
        PgQueryProtobufParseResult r = pg_query_parse_protobuf(copy);
        status = r.error != NULL ? answer_give_error(r.error, give, to)
                                 : answer_give(ANSWER_TREE, 0, r.parse_tree.data, r.parse_tree.len,
                                               give, to);
        pg_query_free_protobuf_parse_result(r);
    }
    wr_free(copy);
    return status;
}

/* An answer on its way into the arena. */
typedef struct foreign_call {
    const char *text;
    char what; /* that is waited for */
    const ProtobufCMessageDescriptor *descriptor;
    wr_arena *arena;
    ProtobufCMessage *message;
    weir_error *err;
} foreign_call;

typedef struct unpack_call {
    foreign_call *call;
    const uint8_t *bytes;
    size_t length;
} unpack_call;

static weir_status
foreign_error(const foreign_call *call, const char *answer, size_t length)
{
    char words[ANSWER_WORDS_MAX + 1];
    uint32_t cursor = 0;
    size_t n = WR_MIN(length - ANSWER_HEAD, (size_t)ANSWER_WORDS_MAX);
    for (int i = 0; i < 4; i++)
        cursor |= (uint32_t)(uint8_t)answer[1 + i] << 8 * i;
    for (size_t i = 0; i < n; i++) /* no control characters for terminals and logs */
        words[i] = (unsigned char)answer[ANSWER_HEAD + i] < ' ' ? ' ' : answer[ANSWER_HEAD + i];
    while (n > 0 && !wr_sql_is_text(words, n))
        n--;
    words[n] = '\0';
    return parse_error(call->text, n > 0 ? words : NULL,
                       cursor <= WEIR_PARSE_TEXT_MAX ? (int)cursor : 0, call->err);
}

/* On the large stack, like the parser: unpacking recurses. */
static void *
foreign_unpack(void *user)
{
    unpack_call *u = user;
    ProtobufCAllocator allocator = { arena_allocate, arena_release, u->call->arena };
    u->call->message =
        protobuf_c_message_unpack(u->call->descriptor, &allocator, u->length, u->bytes);
    return NULL;
}

static bool on_stack(void *(*run)(void *user), void *user);

static weir_status
foreign_take(void *to, const char *answer, size_t length)
{
    foreign_call *call = to;
    if (length < ANSWER_HEAD || length > WEIR_PARSE_ANSWER_MAX)
        return wr_error_set(call->err, WEIR_READ, "the parser's answer has %zu bytes", length);
    if (answer[0] == ANSWER_ERROR)
        return foreign_error(call, answer, length);
    if (answer[0] != call->what)
        return wr_error_set(call->err, WEIR_READ, "the parser's answer is not one to the question");
    wr_sql_message_limits limits = { .depth_max = WR_SQL_TREE_DEPTH_MAX,
                                     .memory_max = WR_SQL_TREE_MEMORY_MAX,
                                     .location_max = (int32_t)strlen(call->text) };
    unpack_call u = { call, (const uint8_t *)answer + ANSWER_HEAD, length - ANSWER_HEAD };
    WR_TRY(wr_sql_message_check(call->descriptor, u.bytes, u.length, &limits, call->err));
    if (!on_stack(foreign_unpack, &u) || call->message == NULL)
        return wr_error_set(call->err, WEIR_MEMORY, "the statement does not fit the memory budget");
    return WEIR_OK;
}

static weir_status
foreign_parse(const weir_parser *parser, weir_parse_step step, foreign_call *call)
{
    weir_status status = parser->parse(parser->user, step, call->text, strlen(call->text),
                                       foreign_take, call, call->err);
    if (status == WEIR_OK && call->message == NULL)
        return wr_error_set(call->err, WEIR_READ, "the parser gave no answer");
    return status;
}

/* --- tokens --- */

static weir_status
tokens_list(const PgQuery__ScanResult *result, wr_arena *arena, wr_sql_token **tokens,
            uint32_t *count)
{
    wr_sql_token *list = wr_arena_calloc(arena, result->n_tokens + 1, sizeof *list);
    if (list == NULL)
        return WEIR_MEMORY;
    for (size_t i = 0; i < result->n_tokens; i++) {
        const PgQuery__ScanToken *t = result->tokens[i];
        list[i] = (wr_sql_token){ t->start, t->end, t->token, t->keyword_kind };
    }
    *tokens = list;
    *count = (uint32_t)result->n_tokens;
    return WEIR_OK;
}

static weir_status
foreign_tokenize(const char *text, const weir_parser *parser, wr_arena *arena,
                 wr_sql_token **tokens, uint32_t *count, weir_error *err)
{
    foreign_call call = { .text = text,
                          .what = ANSWER_TOKENS,
                          .descriptor = &pg_query__scan_result__descriptor,
                          .arena = arena,
                          .err = err };
    WR_TRY(foreign_parse(parser, WEIR_PARSE_TOKENS, &call));
    const PgQuery__ScanResult *result = (const PgQuery__ScanResult *)call.message;
    int32_t end = 0;
    for (size_t i = 0; i < result->n_tokens; i++) {
        const PgQuery__ScanToken *t = result->tokens[i];
        if (t->start < end || t->end < t->start)
            return wr_error_set(err, WEIR_READ, "the parser's answer has words out of order");
        end = t->end;
    }
    return tokens_list(result, arena, tokens, count);
}

weir_status
wr_sql_tokenize(const char *text, const weir_parser *parser, wr_arena *arena,
                wr_sql_token **tokens, uint32_t *count, weir_error *err)
{
    if (parser != NULL)
        return foreign_tokenize(text, parser, arena, tokens, count, err);
    ProtobufCAllocator allocator = { arena_allocate, arena_release, arena };
    weir_status status = WEIR_MEMORY;
    PgQueryScanResult result = pg_query_scan(text);
    if (result.error != NULL) {
        status = parse_error(text, result.error->message, result.error->cursorpos, err);
    } else {
        PgQuery__ScanResult *unpacked = pg_query__scan_result__unpack(
            &allocator, result.pbuf.len, (const uint8_t *)result.pbuf.data);
        if (unpacked != NULL)
            status = tokens_list(unpacked, arena, tokens, count);
    }
    pg_query_free_scan_result(result);
    return status;
}

/* --- trees --- */

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

/* Here, where there is enough of it. */
static bool
on_stack(void *(*run)(void *user), void *user)
{
    if (!stack_is_large())
        return on_large_stack(PARSE_STACK_BYTES, run, user);
    (void)run(user);
    return true;
}

static weir_status
foreign_tree_parse(const char *text, const weir_parser *parser, wr_arena *arena,
                   PgQuery__ParseResult **tree, weir_error *err)
{
    foreign_call call = { .text = text,
                          .what = ANSWER_TREE,
                          .descriptor = &pg_query__parse_result__descriptor,
                          .arena = arena,
                          .err = err };
    WR_TRY(foreign_parse(parser, WEIR_PARSE_TREE, &call));
    WR_TRY(wr_sql_tree_check((const PgQuery__ParseResult *)call.message, err));
    *tree = (PgQuery__ParseResult *)call.message;
    return WEIR_OK;
}

weir_status
wr_sql_tree_parse(const char *text, const weir_parser *parser, wr_arena *arena,
                  PgQuery__ParseResult **tree, weir_error *err)
{
    if (parser != NULL)
        return foreign_tree_parse(text, parser, arena, tree, err);
    parse_call call = { .text = text, .arena = arena };
    weir_status status = WEIR_OK;
    if (!on_stack(parse_thread, &call))
        return wr_error_set(err, WEIR_MEMORY, "no thread could be started to parse the statement");

    if (call.result.error != NULL)
        status = parse_error(text, call.result.error->message, call.result.error->cursorpos, err);
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
