/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epochs_test.c -- whole states across workers: marks of epochs in subscriptions (engine/subscribe.c,
 * runtime/epochs.h, runtime/coordinator.c).
 *
 * Players move between teams, and teams are counted by their size.  Whoever moves leaves one worker's group
 * and enters another's, so that sums are wrong for a moment; at a mark they are right.
 */
#include "support/test.h"
#include "weir/weir.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PLAYERS = 400, TEAMS = 40, MOVES = 60, SIZES = PLAYERS + 1 };

static const char pipeline_text[] =
    "name: league\n"
    "sources:\n"
    "  players: { push: {}, key: id, columns: \"id bigint, team bigint\" }\n"
    "views:\n"
    "  teams: { retain: 10min, sql: \"SELECT team, count(*) AS n FROM players GROUP BY team\"%s }\n"
    "  sizes: { retain: 10min, sql: \"SELECT n, count(*) AS teams FROM teams GROUP BY n\" }\n"
    "  moves: { retain: 10min, sql: \"SELECT id, team FROM players\" }\n"
    "serve: { epoch_interval: %s }\n";

static weir          *engine;
static weir_pipeline *pipeline;
static char           folder[64];
static unsigned       seed;

static void
start(uint32_t workers, const char *interval, const char *limits, bool data)
{
    weir_error   err = { 0 };
    weir_report *report = weir_report_open();
    char         text[2048];
    snprintf(text, sizeof text, pipeline_text, limits, interval);
    snprintf(folder, sizeof folder, "/tmp/weir-epochs-XXXXXX");
    assert_non_null(mkdtemp(folder));
    weir_options o = { .workers = workers, .data_dir = data ? folder : NULL, .checkpoint_us = 30000 };
    assert_int_equal(weir_open(&o, &engine, &err), WEIR_OK);
    assert_int_equal(weir_pipeline_load(engine, "league", text, NULL, NULL, report, &pipeline), WEIR_OK);
    weir_report_close(report);
    assert_int_equal(weir_pipeline_start(pipeline, &err), WEIR_OK);
    seed = 7;
}

static void
finish(void)
{
    char command[128];
    weir_close(engine);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

static void
push_text(const char *rows, size_t length)
{
    weir_error err = { 0 };
    size_t     taken = 0;
    for (int i = 0; i < 60000 && length > 0; i++) {
        (void) !weir_push(pipeline, "players", rows, length, &taken, &err);
        rows += taken;
        length -= taken;
        usleep(taken == 0 ? 1000 : 0);
    }
    assert_int_equal(length, 0);
}

static unsigned
draw(unsigned below)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % below;
}

/* Everybody gets a team, or `count` get another. */
static void
push_moves(int count)
{
    static char text[PLAYERS * 48];
    size_t      at = 0;
    for (int i = 0; i < (count == 0 ? PLAYERS : count); i++)
        at += (size_t) snprintf(text + at, 48, "{\"id\":%u,\"team\":%u}\n",
                                count == 0 ? (unsigned) i : draw(PLAYERS), draw(TEAMS));
    push_text(text, at);
}

/* --- a reader that adds up --- */

typedef struct sum {
    weir_subscription *s;
    bool     by_key, sizes;
    int64_t  rows[SIZES]; /* of a key: its value where it stands, of all that stand the sum; 0: none */
    int64_t  saved[SIZES];
    int      touched[SIZES]; /* in this epoch */
    uint64_t epoch, marks, wrong; /* wrong: looks between marks that saw no whole state */
    bool     ended, twice;   /* twice: a key came more than once in an epoch */
    int      since;          /* messages with rows since the mark */
    char     cursor[256];
} sum;

static void
sum_open(sum *t, const char *cursor, bool snapshot, bool epochs)
{
    weir_error             err = { 0 };
    weir_subscribe_options o = { .snapshot = snapshot, .cursor = cursor, .upserts = t->by_key, .epochs = epochs };
    assert_int_equal(weir_subscribe(pipeline, t->sizes ? "sizes" : "teams", &o, &t->s, &err), WEIR_OK);
}

/* (team, n) or (n, teams): how many players that makes. */
static int64_t
players(const sum *t)
{
    int64_t all = 0;
    for (int k = 0; k < SIZES; k++)
        all += t->sizes ? k * t->rows[k] : t->rows[k];
    return all;
}

static void
sum_row(sum *t, weir_rows *rows, uint32_t r)
{
    int     key = atoi(weir_rows_text(rows, r, 0));
    int     diff = weir_rows_diff(rows, r);
    int64_t value = diff < 0 && t->by_key ? 0 : atoll(weir_rows_text(rows, r, 1));
    assert_in_range(key, 0, SIZES - 1);
    t->rows[key] = t->by_key ? value : t->rows[key] + diff * value;
    t->twice = t->twice || ++t->touched[key] > 1;
}

/* One message; false: nothing there. */
static bool
sum_step(sum *t)
{
    weir_error   err = { 0 };
    weir_message m;
    assert_int_equal(weir_subscription_next(t->s, &m, &err), WEIR_OK);
    switch (m.event) {
    case WEIR_ROWS:
        for (uint32_t r = 0; r < weir_rows_count(m.rows); r++)
            sum_row(t, m.rows, r);
        weir_rows_release(m.rows);
        t->since++;
        t->wrong += t->marks > 0 && players(t) != PLAYERS;
        return true;
    case WEIR_PROGRESS:
        if (m.epoch == 0)
            return true;
        assert_true(m.epoch > t->epoch);
        assert_true(m.cursor[0] != '\0');
        t->epoch = m.epoch;
        t->marks += players(t) != 0; /* before the first player there are none */
        if (players(t) != PLAYERS && players(t) != 0)
            fail_msg("epoch %d has %d players", (int) m.epoch, (int) players(t));
        memcpy(t->cursor, m.cursor, sizeof t->cursor);
        memcpy(t->saved, t->rows, sizeof t->saved);
        memset(t->touched, 0, sizeof t->touched);
        t->since = 0;
        return true;
    case WEIR_END: t->ended = true; return true;
    case WEIR_GAP: fail_msg("rows were lost"); return true;
    case WEIR_NOTHING: return false;
    }
    return false;
}

static void
sum_read(sum *t, int ms)
{
    for (int quiet = 0; quiet < ms && !t->ended;)
        if (!sum_step(t)) {
            quiet++;
            usleep(1000);
        } else
            quiet = 0;
}

/* Until the next mark, without a push. */
static void
sum_step_to_mark(sum *t)
{
    uint64_t marks = t->marks;
    for (int i = 0; i < 60000 && t->marks == marks; i++)
        usleep(sum_step(t) ? 0 : 1000);
    assert_true(t->marks > marks);
}

/* Until so many marks have come; there is news for each. */
static void
sum_await(sum *t, uint64_t marks)
{
    for (int i = 0; i < 60000 && t->marks < marks && !t->ended; i++) {
        if (i % 16 == 15)
            push_moves(3);
        usleep(sum_step(t) ? 0 : 1000);
    }
    assert_true(t->marks >= marks || t->ended);
}

static void
play(sum *t, int moves)
{
    for (int i = 0; i < moves; i++) {
        push_moves(1 + (int) draw(20));
        for (int k = 0; k < 20; k++)
            usleep(sum_step(t) ? 0 : 200);
    }
}

static void
marks_stand_at_whole_states(void **state)
{
    (void) state;
    for (int way = 0; way < 4; way++) { /* one level or two; a data directory, whose checkpoints are epochs, too */
        sum t = { .sizes = way % 2 == 1 };
        start(3, "15ms", "", way >= 2);
        sum_open(&t, NULL, true, false);
        push_moves(0);
        sum_await(&t, 1);
        for (int i = 0; i < 50 && (i == 0 || t.wrong == 0 || t.marks < 3); i++) { /* who stands still sees little */
            play(&t, MOVES);
            sum_await(&t, t.marks + 1);
        }
        assert_true(t.wrong > 0); /* else nothing was to be seen */
        assert_true(t.marks >= 3);
        weir_unsubscribe(t.s);
        finish();
    }
}

static void
whole_epochs_alone_are_given_out(void **state)
{
    (void) state;
    for (int way = 0; way < 8; way++) {
        sum t = { .sizes = way % 2 == 1, .by_key = way % 4 >= 2 };
        start(way < 4 ? 3 : 1, "15ms", "", false);
        sum_open(&t, NULL, true, true);
        push_moves(0);
        sum_await(&t, 1);
        assert_int_equal(t.wrong, 0);
        for (int i = 0; i < MOVES; i++) {
            push_moves(1 + (int) draw(20));
            usleep(1000);
            while (sum_step(&t)) { /* what is there ends with a mark */
            }
            assert_int_equal(t.since, 0);
        }
        sum_await(&t, 3);
        if (t.by_key)
            assert_false(t.twice);
        weir_error err = { 0 };
        assert_int_equal(weir_push_end(pipeline, "players", &err), WEIR_OK);
        sum_read(&t, 30000);
        assert_true(t.ended);
        assert_int_equal(t.since, 0); /* the end is whole */
        assert_int_equal(players(&t), PLAYERS);
        weir_unsubscribe(t.s);
        finish();
    }
}

/* Cut off anywhere, resumed at the mark. */
static void
a_cursor_of_a_mark_is_resumed_at(void **state)
{
    (void) state;
    for (int way = 0; way < 4; way++) {
        sum t = { .sizes = true, .by_key = way % 2 == 1 };
        start(3, "15ms", "", false);
        sum_open(&t, NULL, true, way >= 2);
        push_moves(0);
        sum_await(&t, 1);
        for (int cut = 0; cut < 15; cut++) {
            push_moves(30);
            for (int k = 0; k < 3 * (cut + 1); k++)
                usleep(sum_step(&t) ? 0 : 300);
            weir_unsubscribe(t.s);
            memcpy(t.rows, t.saved, sizeof t.rows);
            memset(t.touched, 0, sizeof t.touched);
            t.since = 0;
            sum_open(&t, t.cursor, false, way >= 2);
        }
        sum_await(&t, t.marks + 1);
        weir_unsubscribe(t.s);
        finish();
    }
}

static bool
metric_is_zero(const char *name)
{
    char      *text = NULL, line[128];
    weir_error err = { 0 };
    assert_int_equal(weir_metrics(engine, &text, &err), WEIR_OK);
    snprintf(line, sizeof line, "\n%s{pipeline=\"league\"} ", name);
    const char *at = strstr(text, line);
    assert_non_null(at);
    bool zero = atof(at + strlen(line)) == 0;
    weir_free(text);
    return zero;
}

/* An epoch larger than half of the ring is given out in pieces, and is whole at its mark. */
static void
an_epoch_that_is_too_large_comes_in_pieces(void **state)
{
    (void) state;
    for (int way = 0; way < 2; way++) {
        sum t = { .by_key = way == 1 };
        start(2, "500ms", ", buffer: 64KiB", false);
        sum_open(&t, NULL, true, true);
        push_moves(0);
        sum_step_to_mark(&t);
        assert_true(metric_is_zero("weir_epochs_split_total"));
        for (int i = 0; i < 2000 && metric_is_zero("weir_epochs_split_total"); i++) {
            push_moves(40);
            usleep(200);
            while (sum_step(&t)) {
            }
        }
        assert_false(metric_is_zero("weir_epochs_split_total"));
        assert_false(metric_is_zero("weir_epoch_fill_ratio"));
        sum_await(&t, t.marks + 2);
        weir_unsubscribe(t.s);
        finish();
    }
}

/* From now on: nothing before the first mark, and then what changes by whole epochs: sums stay. */
static void
who_comes_later_begins_at_a_mark(void **state)
{
    (void) state;
    start(3, "15ms", "", false);
    sum first = { .sizes = true }, later = { .sizes = true };
    sum_open(&first, NULL, true, false);
    push_moves(0);
    sum_await(&first, 1);
    push_moves(50);
    sum_open(&later, NULL, false, true);
    weir_message m = { 0 };
    weir_error   err = { 0 };
    for (int i = 0; i < 30000 && m.event != WEIR_PROGRESS; i++) {
        push_moves(5);
        assert_int_equal(weir_subscription_next(later.s, &m, &err), WEIR_OK);
        assert_int_not_equal(m.event, WEIR_ROWS);
        usleep(1000);
        (void) sum_step(&first);
    }
    assert_true(m.epoch > 0);
    for (int i = 0; i < 20000 && first.epoch < m.epoch; i++)
        usleep(sum_step(&first) ? 0 : 1000);
    assert_int_equal(first.epoch, m.epoch); /* both stand at one place of the input */
    memcpy(later.rows, first.saved, sizeof later.rows);
    for (int i = 0; i < 20; i++) {
        push_moves(20);
        sum_await(&later, later.marks + 1);
    }
    weir_unsubscribe(first.s);
    weir_unsubscribe(later.s);
    finish();
}

/* Nobody reads by epochs, or nothing happens: none are ended. */
static void
epochs_are_ended_for_those_who_read_by_them(void **state)
{
    (void) state;
    start(3, "10ms", "", false);
    push_moves(0);
    usleep(100000);
    assert_true(metric_is_zero("weir_epochs_total"));
    sum t = { .sizes = true };
    sum_open(&t, NULL, true, false);
    sum_await(&t, 1);
    uint64_t epoch = 0;
    for (int i = 0; i < 50 && t.epoch != epoch; i++) { /* what was pushed last may still be under way */
        epoch = t.epoch;
        sum_read(&t, 200);
    }
    assert_int_equal(t.epoch, epoch);
    weir_unsubscribe(t.s);
    finish();
}

WR_TESTS = { WR_TEST(marks_stand_at_whole_states),
             WR_TEST(whole_epochs_alone_are_given_out),
             WR_TEST(a_cursor_of_a_mark_is_resumed_at),
             WR_TEST(an_epoch_that_is_too_large_comes_in_pieces),
             WR_TEST(who_comes_later_begins_at_a_mark),
             WR_TEST(epochs_are_ended_for_those_who_read_by_them),
             { NULL, NULL } };
