/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whole_changes_test.c -- a change of many batches is told, and resumed, as one (engine/subscribe.c,
 * runtime/output_impl.h: O4, runtime/whole.h).
 *
 * One row of `c` changes, and with it a row of the join for each of 9,000 orders, in all shards: whoever
 * reads stands before the change or behind it wherever there is a cursor.
 */
#include "support/test.h"
#include "weir/weir.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ORDERS = 9000, PER_PUSH = 1000, CHANGES = 4 };

static const char pipeline_text[] =
    "name: whole\n"
    "sources:\n"
    "  o: { push: {}, key: id, columns: \"id bigint, cust bigint\" }\n"
    "  c: { push: {}, key: cust, columns: \"cust bigint, name text\" }\n"
    "views:\n"
    "  named: { sql: \"SELECT o.id, c.name FROM o LEFT JOIN c ON c.cust = o.cust\" }\n"
    "  counted: { sql: \"SELECT name, count(*) AS n FROM named GROUP BY name\" }\n"
    "sinks:\n"
    "  out: { from: named, changes: upsert, file: { path: \"%s/out.jsonl\" } }\n";

static weir          *engine;
static weir_pipeline *pipeline;
static char           folder[64];

static void
start(uint32_t workers)
{
    weir_error   err = { 0 };
    weir_report *report = weir_report_open();
    char         text[2048];
    snprintf(folder, sizeof folder, "/tmp/weir-whole-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(text, sizeof text, pipeline_text, folder);
    assert_int_equal(weir_open(&(weir_options){ .workers = workers }, &engine, &err), WEIR_OK);
    assert_int_equal(weir_pipeline_load(engine, "whole", text, NULL, NULL, report, &pipeline), WEIR_OK);
    weir_report_close(report);
    assert_int_equal(weir_pipeline_start(pipeline, &err), WEIR_OK);
}

static void
finish(void)
{
    char path[128];
    weir_close(engine);
    snprintf(path, sizeof path, "%s/out.jsonl", folder);
    (void) unlink(path);
    (void) rmdir(folder);
}

static void
push(const char *source, const char *rows, size_t length)
{
    weir_error err = { 0 };
    size_t     taken = 0;
    for (int i = 0; i < 60000 && length > 0; i++) {
        (void) !weir_push(pipeline, source, rows, length, &taken, &err);
        rows += taken;
        length -= taken;
        usleep(taken == 0 ? 1000 : 0);
    }
    assert_int_equal(length, 0);
}

static void
push_orders(void)
{
    char *text = malloc(PER_PUSH * 64);
    assert_non_null(text);
    for (int from = 0; from < ORDERS; from += PER_PUSH) {
        size_t at = 0;
        for (int i = from; i < from + PER_PUSH; i++)
            at += (size_t) snprintf(text + at, 64, "{\"id\":%d,\"cust\":%d}\n", i, i % 2);
        push("o", text, at);
    }
    free(text);
}

static void
push_name(int cust, int number)
{
    char row[80];
    push("c", row, (size_t) snprintf(row, sizeof row, "{\"cust\":%d,\"name\":\"n%d\"}\n", cust, number));
}

/* --- a reader that keeps what stands --- */

typedef struct table {
    weir_subscription *s;
    int  state[ORDERS], saved[ORDERS]; /* number of the name; -1: NULL; -2: no row; saved: at the cursor */
    int  seen[ORDERS];                 /* rows that stand; not 1 within a change alone */
    char cursor[256];
    int  pieces, most;                 /* messages of the change under way; of the longest one */
} table;

static void
table_open(table *t, bool upserts, const char *cursor)
{
    weir_error             err = { 0 };
    weir_subscribe_options o = { .snapshot = cursor == NULL, .upserts = upserts, .cursor = cursor,
                                 .required = true };
    assert_int_equal(weir_subscribe(pipeline, "named", &o, &t->s, &err), WEIR_OK);
}

static void
table_init(table *t, bool upserts)
{
    memset(t, 0, sizeof *t);
    for (int i = 0; i < ORDERS; i++)
        t->state[i] = t->saved[i] = -2;
    table_open(t, upserts, NULL);
}

static int
name_number(const char *text)
{
    return text == NULL || text[0] != 'n' ? -1 : atoi(text + 1);
}

/* Wherever there is a cursor: each order stands once, and orders of one customer have one name. */
static void
check_whole(const table *t, bool upserts)
{
    for (int cust = 0; cust < 2; cust++)
        for (int i = cust; i < ORDERS; i += 2) {
            if (!upserts && t->seen[i] != 0 && t->seen[i] != 1)
                fail_msg("order %d stands %d times", i, t->seen[i]);
        }
}

static void
table_row(table *t, weir_rows *rows, uint32_t r, bool upserts)
{
    int id = atoi(weir_rows_text(rows, r, 0)), name = name_number(weir_rows_text(rows, r, 1));
    int diff = (int) weir_rows_diff(rows, r);
    assert_in_range(id, 0, ORDERS - 1);
    if (upserts && diff < 0)
        fail_msg("the key %d is said to be gone", id); /* no order ever goes */
    if (diff > 0 || upserts)
        t->state[id] = name;
    t->seen[id] += upserts ? 0 : diff;
}

/* The next message, when there is one. */
static weir_event
table_step(table *t, bool upserts)
{
    weir_error   err = { 0 };
    weir_message m;
    assert_int_equal(weir_subscription_next(t->s, &m, &err), WEIR_OK);
    assert_int_not_equal(m.event, WEIR_GAP);
    if (m.event == WEIR_NOTHING) {
        usleep(1000);
        return m.event;
    }
    if (m.event == WEIR_ROWS) {
        for (uint32_t r = 0; r < weir_rows_count(m.rows); r++)
            table_row(t, m.rows, r, upserts);
        weir_rows_release(m.rows);
        t->pieces++;
        t->most = t->pieces > t->most ? t->pieces : t->most;
    }
    if (m.cursor[0] == '\0') {
        assert_int_equal(m.event, WEIR_ROWS);
        return m.event;
    }
    check_whole(t, upserts);
    t->pieces = 0;
    memcpy(t->cursor, m.cursor, sizeof t->cursor);
    memcpy(t->saved, t->state, sizeof t->saved);
    return m.event;
}

/* Read `stop` messages with rows; true: nothing has come for a while instead. */
static bool
table_read(table *t, bool upserts, int stop)
{
    for (int quiet = 0; quiet < 300 && stop > 0;) {
        weir_event event = table_step(t, upserts);
        quiet = event == WEIR_NOTHING ? quiet + 1 : 0;
        stop -= event == WEIR_ROWS;
    }
    return stop > 0;
}

/* An order that has another name; -1: none. */
static int
other_name(const table *t, int even, int odd)
{
    for (int i = 0; i < ORDERS; i++)
        if (t->state[i] != (i % 2 == 0 ? even : odd))
            return i;
    return -1;
}

/* Read until these are the names; and then until nothing comes for a while: they stay. */
static void
await_names(table *t, bool upserts, int even, int odd)
{
    int other = other_name(t, even, odd);
    for (int quiet = 0; quiet < 60000 && (other >= 0 || t->pieces > 0);) {
        if (table_step(t, upserts) == WEIR_NOTHING)
            quiet++;
        else
            other = other_name(t, even, odd);
    }
    (void) table_read(t, upserts, INT_MAX);
    if ((other = other_name(t, even, odd)) >= 0)
        fail_msg("order %d has the name %d", other, t->state[other]);
    assert_int_equal(t->pieces, 0);
}

static void
no_reader_stands_within_a_change(void **state)
{
    (void) state;
    for (int way = 0; way < 4; way++) {
        bool  upserts = way % 2 == 1;
        table t;
        start(way < 2 ? 1 : 3);
        table_init(&t, upserts);
        push_orders();
        await_names(&t, upserts, -1, -1);
        for (int n = 1; n <= CHANGES; n++) {
            push_name(0, n);
            push_name(1, n + 100);
            await_names(&t, upserts, n, n + 100);
        }
        if (way == 0)
            assert_true(t.most > 1); /* there was something to keep together */
        weir_unsubscribe(t.s);
        finish();
    }
}

/* The reader is cut off after each number of messages, forgets what came after its last cursor, and
 * resumes there. */
static void
a_reader_that_is_cut_off_resumes_before_the_change(void **state)
{
    (void) state;
    for (int upserts = 0; upserts < 2; upserts++) {
        table t;
        start(3);
        table_init(&t, upserts);
        push_orders();
        await_names(&t, upserts, -1, -1);
        for (int n = 1; n <= CHANGES; n++) {
            push_name(0, n);
            for (int cut = 1; cut <= 3; cut++) {
                if (table_read(&t, upserts, cut))
                    break;
                weir_unsubscribe(t.s);
                memcpy(t.state, t.saved, sizeof t.state);
                for (int i = 0; i < ORDERS; i++)
                    t.seen[i] = t.saved[i] != -2;
                t.pieces = 0;
                table_open(&t, upserts, t.cursor);
            }
            await_names(&t, upserts, n, -1);
        }
        weir_unsubscribe(t.s);
        finish();
    }
}

/* --- a sink that writes by key --- */

static void
a_sink_by_key_writes_no_deletion_of_what_stands(void **state)
{
    (void) state;
    table t;
    char  path[128], line[256];
    int   last[ORDERS], lines = 0;
    start(3);
    table_init(&t, false);
    push_orders();
    for (int n = 1; n <= CHANGES; n++) {
        push_name(0, n);
        push_name(1, n);
        await_names(&t, false, n, n);
    }
    weir_unsubscribe(t.s);
    weir_error err = { 0 };
    assert_int_equal(weir_pipeline_stop(pipeline, &err), WEIR_OK);
    snprintf(path, sizeof path, "%s/out.jsonl", folder);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        const char *id = strstr(line, "\"id\":"), *name = strstr(line, "\"name\":\"n");
        assert_non_null(id);
        if (strstr(line, "\"_op\":\"-\"") != NULL || strstr(line, "\"_op\":\"d\"") != NULL)
            fail_msg("a deletion was written: %s", line);
        last[atoi(id + 5)] = name != NULL ? atoi(name + 9) : -1;
        lines++;
    }
    fclose(f);
    assert_true(lines >= ORDERS);
    for (int i = 0; i < ORDERS; i++)
        assert_int_equal(last[i], CHANGES);
    finish();
}

WR_TESTS = { WR_TEST(no_reader_stands_within_a_change),
             WR_TEST(a_reader_that_is_cut_off_resumes_before_the_change),
             WR_TEST(a_sink_by_key_writes_no_deletion_of_what_stands),
             { NULL, NULL } };
