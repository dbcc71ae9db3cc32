/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig.h -- the server under test, on an engine of its own that does what a test says.
 *
 * The engine here has one pipeline "p" (and "q" when asked) with a view "v", a source "in" and a
 * sink.  Tests publish messages; subscriptions read them in order.  The other end of the wire is a
 * plain socket with a deadline of 30 s.
 */
#pragma once

#include "base/text.h"
#include "server/request.h"
#include "server/server.h"

/* ---- the engine -------------------------------------------------------------------------------
 */

void engine_reset(void);
void engine_two_pipelines(void);
void engine_set_state(weir_state state, const char *why);
/* `count` rows, as the protocol has them: a JSON list, and MessagePack (NULL: none). */
void engine_rows(uint32_t count, const char *json, size_t json_length, const char *pack,
                 size_t pack_length);
void engine_row(int64_t value); /* [["+",[value,"x"]]] */
void engine_progress(int64_t watermark);
void engine_gap(uint64_t lost);
void engine_end(void);
void engine_fail_subscriptions(void); /* the next read fails */
void engine_push_room(size_t bytes);  /* what weir_push takes from now on */
const char *engine_pushed(void);      /* all it has taken */
bool engine_has_pushed(const char *all); /* waits until it has taken that */
void engine_hold(bool hold);             /* checkpoints do not end meanwhile */
bool engine_begins_checkpoint(uint32_t number); /* waits for the first, second, ... */
uint32_t engine_open_subscriptions(void);
uint32_t engine_open_rows(void);
uint32_t engine_encodings(void); /* how often rows were asked for their bytes */

/* ---- the server -------------------------------------------------------------------------------
 */

typedef struct rig {
    server *face;
    char dir[64], tcp[96], http[96]; /* unix:/... */
} rig;

void rig_start(rig *r, const char *token); /* NULL: none */
/* The same in two steps: the directory and the addresses, then the server as `serve` says. */
void rig_make(rig *r);
void rig_start_as(rig *r, const weir_serve *serve);
void rig_stop(rig *r);

/* ---- a client ---------------------------------------------------------------------------------
 */

int wire_connect(const char *where);
void wire_send(int fd, const void *bytes, size_t length);
void wire_say(int fd, const char *line); /* with a line break */
/* The next line without its break; valid until the next call.  NULL: the end, or nothing within 30
 * s. */
const char *wire_line(int fd);
/* The next `length` bytes; false: the end came first. */
bool wire_read(int fd, void *bytes, size_t length);
/* Has the server closed (within 30 s), whatever it still sent? */
bool wire_closed(int fd);
/* Nothing comes within ms. */
bool wire_silent(int fd, int ms);
/* An HTTP answer: its status; the body (NUL-ended) in body when not NULL.  0: none. */
int wire_http(int fd, const char *ask, char *body, size_t size);

/* ---- what every test of sessions says ---------------------------------------------------------
 */

#define RIG_SCHEMA                                                                                 \
    "{\"id\":1,\"op\":\"schema\",\"kind\":\"upsert\",\"columns\":[[\"n\",\"bigint\"],["            \
    "\"te\\\"xt\",\"text\"]],\"key\":[\"n\"]}"
#define EXPECT(fd, want) assert_string_equal(line_of(fd), want)
/* As wire_line; "(the end)" where there is none. */
const char *line_of(int fd);
/* A connection subscribed to "v" as id 1, the schema read; more: further members, each after a
 * comma. */
int subscribed(const rig *r, const char *more);
/* {"op":"sub","id":1,"view":"v"} as a MessagePack frame. */
extern const char pack_sub[];
extern const size_t pack_sub_bytes;
/* The next MessagePack frame as a map, its bytes in arena.  False: there is none, or it is no map.
 */
bool frame_of(int fd, wr_arena *arena, request *out);
