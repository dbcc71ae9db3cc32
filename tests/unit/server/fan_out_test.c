/* SPDX-License-Identifier: Apache-2.0 */
/* fan_out_test.c -- U1..U3 of server/out.c: rows made once for all who get them, whole however they go out. */
#include "rig.h"
#include "support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LARGE = 20000 };

/* [["+",[n,"aaa..."]]] with `bytes` letters, another one each time. */
static void
rows_text(wr_text *to, uint32_t n, size_t bytes)
{
    wr_text_printf(to, "[[\"+\",[%u,\"", n);
    for (size_t i = 0; i < bytes; i++)
        wr_text_putc(to, (char)('a' + n % 26));
    wr_text_puts(to, "\"]]]");
}

static void
publish(uint32_t n, size_t bytes)
{
    wr_text json, pack;
    uint32_t length = (uint32_t)bytes;
    wr_text_init(&json, NULL);
    wr_text_init(&pack, NULL);
    rows_text(&json, n, bytes);
    wr_text_append(&pack,
                   (unsigned char[]){ 0x91, 0x92, 0xa1, '+', 0x92, (unsigned char)(n & 127), 0xdb,
                                      0, 0, (unsigned char)(length >> 8), (unsigned char)length },
                   11);
    for (size_t i = 0; i < bytes; i++)
        wr_text_putc(&pack, (char)('a' + n % 26));
    engine_rows(1, wr_text_string(&json), json.length, wr_text_string(&pack), pack.length);
    wr_text_fini(&json);
    wr_text_fini(&pack);
}

static void
expect_rows(int fd, uint32_t n, size_t bytes)
{
    wr_text want;
    wr_text_init(&want, NULL);
    wr_text_printf(&want, "{\"id\":1,\"op\":\"rows\",\"cursor\":\"c%u\",\"rows\":", n + 1);
    rows_text(&want, n, bytes);
    wr_text_puts(&want, "}");
    EXPECT(fd, wr_text_string(&want));
    wr_text_fini(&want);
}

/* The next frame has the n-th rows. */
static void
expect_packed(int fd, uint32_t n, size_t bytes)
{
    wr_arena arena;
    request m;
    wr_arena_init(&arena, NULL);
    assert_true(frame_of(fd, &arena, &m));
    const request_member *rows = request_find(&m, "rows");
    assert_non_null(rows);
    assert_int_equal(rows->length, bytes + 11);
    assert_int_equal((unsigned char)rows->text[5], n & 127);
    assert_int_equal(rows->text[bytes + 10], 'a' + (int)(n % 26));
    wr_arena_fini(&arena);
}

static void
rows_are_made_once_for_all(void **state) /* U1 */
{
    enum { CLIENTS = 40, PACKED = 4, MESSAGES = 30 };
    int json[CLIENTS], packed[PACKED];
    wr_arena arena;
    request schema;
    rig r;
    rig_start(&r, NULL);
    wr_arena_init(&arena, NULL);
    for (int i = 0; i < CLIENTS; i++)
        json[i] = subscribed(&r, "");
    for (int i = 0; i < PACKED; i++) {
        packed[i] = wire_connect(r.tcp);
        wire_send(packed[i], pack_sub, pack_sub_bytes);
        assert_true(frame_of(packed[i], &arena, &schema));
    }
    for (uint32_t n = 0; n < MESSAGES; n++) /* short bodies are copied, long ones shared */
        publish(n, n % 3 == 0 ? 10 : LARGE + n);
    for (uint32_t n = 0; n < MESSAGES; n++) {
        for (int i = 0; i < CLIENTS; i++)
            expect_rows(json[i], n, n % 3 == 0 ? 10 : LARGE + n);
        for (int i = 0; i < PACKED; i++)
            expect_packed(packed[i], n, n % 3 == 0 ? 10 : LARGE + n);
    }
    assert_int_equal(engine_encodings(), 2 * MESSAGES);
    for (int i = 0; i < CLIENTS; i++)
        close(json[i]);
    for (int i = 0; i < PACKED; i++)
        close(packed[i]);
    wr_arena_fini(&arena);
    rig_stop(&r);
    assert_int_equal(engine_open_subscriptions(), 0);
}

/* More pieces than one call sends, and a client that takes them in small bites, some in the middle of one. */
static void
what_a_client_takes_in_bites_is_whole(void **state) /* U1, U2 */
{
    enum { MESSAGES = 400 };
    char bite[4097];
    wr_text got, want;
    rig r;
    rig_start(&r, NULL);
    wr_text_init(&got, NULL);
    wr_text_init(&want, NULL);
    int slow = subscribed(&r, ""), fast = subscribed(&r, "");
    for (uint32_t n = 0; n < MESSAGES; n++) {
        size_t bytes = n % 2 == 0 ? 1100 + n : 3 * n;
        publish(n, bytes);
        wr_text_printf(&want, "{\"id\":1,\"op\":\"rows\",\"cursor\":\"c%u\",\"rows\":", n + 1);
        rows_text(&want, n, bytes);
        wr_text_puts(&want, "}\n");
    }
    for (uint32_t n = 0; n < MESSAGES; n++)
        expect_rows(fast, n, n % 2 == 0 ? 1100 + n : 3 * n);
    while (got.length < want.length) {
        size_t some = 1 + got.length * 2654435761u % (sizeof bite - 1);
        if (some > want.length - got.length)
            some = want.length - got.length;
        assert_true(wire_read(slow, bite, some));
        wr_text_append(&got, bite, some);
    }
    assert_memory_equal(got.data, want.data, want.length);
    wr_text_fini(&got);
    wr_text_fini(&want);
    close(slow);
    close(fast);
    rig_stop(&r);
}

static double
memory_held(int control)
{
    static const char name[] = "\\nweir_server_memory_bytes ";
    wire_say(control, "{\"op\":\"metrics\"}");
    const char *line = line_of(control), *at = strstr(line, name);
    if (at == NULL)
        fail_msg("no memory in: %.500s", line);
    return strtod(at + strlen(name), NULL);
}

/* One that takes nothing holds what it was given up to the limit, once however many they are, and no pipeline's rows;
 * the others go on, and what is kept for late comers goes with the last subscription. */
static void
who_takes_nothing_holds_up_nobody_and_little(void **state) /* U3 */
{
    enum { STUCK = 30, MESSAGES = 600, MIB = 1 << 20 };
    int stuck[STUCK];
    rig r;
    rig_start(&r, NULL);
    for (int i = 0; i < STUCK; i++)
        stuck[i] = subscribed(&r, "");
    int fast = subscribed(&r, "");
    for (uint32_t n = 0; n < MESSAGES; n++)
        publish(n, LARGE);
    for (uint32_t n = 0; n < MESSAGES; n++)
        expect_rows(fast, n, LARGE);
    int control = wire_connect(r.tcp); /* whoever says nothing for long is shut out */
    double held = memory_held(control);
    if (held <= 0 ||
        held > 14.0 * MIB) /* the same megabyte for all that are stuck, and what is kept */
        fail_msg("%.0f bytes are held", held);
    close(fast);
    for (int i = 0; i < STUCK; i++) {
        expect_rows(stuck[i], 0, LARGE);
        close(stuck[i]);
    }
    for (int i = 0; i < 3000 && engine_open_subscriptions() > 0; i++)
        usleep(10 * 1000);
    held = memory_held(control);
    if (held > 1.0 * MIB)
        fail_msg("%.0f bytes are held for nobody", held);
    close(control);
    rig_stop(&r);
}

WR_TESTS = {
    WR_TEST(rows_are_made_once_for_all),
    WR_TEST(what_a_client_takes_in_bites_is_whole),
    WR_TEST(who_takes_nothing_holds_up_nobody_and_little),
    { NULL, NULL },
};
