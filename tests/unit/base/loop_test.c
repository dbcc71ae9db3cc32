/* SPDX-License-Identifier: Apache-2.0 */
/* loop_test.c -- L1..L3 of base/loop.h: timers on the injected clock, wakes, descriptors, signals. */
#include "support/test.h"

#include "base/loop.h"
#include "base/thread.h"

#include <signal.h>
#include <unistd.h>

static wr_clock_virtual virtual_clock;
static wr_loop         *loop;
static char             trace[64];

static void
begin(bool virtual)
{
    wr_clock_virtual_init(&virtual_clock, 1000);
    trace[0] = '\0';
    assert_int_equal(wr_loop_create(NULL, virtual ? &virtual_clock.clock : wr_clock_system(), &loop, NULL),
                     WEIR_OK);
}

static void
end(void)
{
    wr_loop_destroy(loop);
}

static void
note(void *user)
{
    strcat(trace, user);
}

static void
timers_fire_in_order_on_the_injected_clock(void **state)
{
    wr_timer a, b, c;
    begin(true);
    wr_timer_init(&a, loop, note, "a");
    wr_timer_init(&b, loop, note, "b");
    wr_timer_init(&c, loop, note, "c");
    assert_int_equal(wr_loop_next_timer(loop), WR_TIME_END);
    assert_int_equal(wr_timer_set(&b, 1020), WEIR_OK);
    assert_int_equal(wr_timer_set_after(&a, 10), WEIR_OK);
    assert_int_equal(wr_timer_set(&c, 1020), WEIR_OK);
    assert_int_equal(wr_loop_next_timer(loop), 1010);
    assert_false(wr_loop_run(loop, 0));
    assert_string_equal(trace, "");
    wr_clock_virtual_set(&virtual_clock, 1009);
    wr_loop_run(loop, 0);
    assert_string_equal(trace, ""); /* L2 */
    wr_clock_virtual_set(&virtual_clock, 1020);
    assert_true(wr_loop_run(loop, 0));
    assert_string_equal(trace, "abc");
    assert_false(wr_loop_run(loop, 0));
    assert_false(wr_timer_is_set(&a));
    end();
}

static void
timers_move_and_are_cancelled(void **state)
{
    enum { TIMERS = 50 };
    wr_timer timers[TIMERS];
    begin(true);
    for (int i = 0; i < TIMERS; i++) {
        wr_timer_init(&timers[i], loop, note, "x");
        assert_int_equal(wr_timer_set(&timers[i], 2000 + (i * 37) % TIMERS), WEIR_OK);
    }
    for (int i = 0; i < TIMERS; i += 2)
        wr_timer_cancel(&timers[i]);
    for (int i = 1; i < TIMERS; i += 4) /* 13 of 25 move out of reach */
        assert_int_equal(wr_timer_set(&timers[i], 9000 + i), WEIR_OK);
    wr_clock_virtual_set(&virtual_clock, 3000);
    wr_loop_run(loop, 0);
    assert_int_equal(strlen(trace), 12);
    assert_int_equal(wr_loop_next_timer(loop), 9001);
    for (int i = 0; i < TIMERS; i++)
        wr_timer_cancel(&timers[i]);
    end();
}

static wr_timer again;

static void
rearm(void *user)
{
    note(user);
    assert_int_equal(wr_timer_set(&again, 1000), WEIR_OK); /* due already */
}

static void
a_timer_that_rearms_itself_fires_once_a_turn(void **state)
{
    begin(true);
    wr_timer_init(&again, loop, rearm, "r");
    assert_int_equal(wr_timer_set(&again, 1000), WEIR_OK);
    wr_loop_run(loop, 0);
    assert_true(strlen(trace) <= 2);
    wr_timer_cancel(&again);
    end();
}

static void
waker(void *user)
{
    usleep(20000);
    assert_int_equal(wr_loop_post(loop, note, "p"), WEIR_OK);
}

static void
a_wake_ends_the_wait(void **state)
{
    wr_thread t = { 0 };
    begin(false);
    wr_loop_wake(loop); /* L3: before the wait */
    wr_loop_run(loop, -1);
    assert_int_equal(wr_thread_start(&t, "waker", waker, NULL, NULL), WEIR_OK);
    while (trace[0] == '\0')
        wr_loop_run(loop, -1);
    wr_thread_join(&t);
    assert_string_equal(trace, "p");
    end();
}

static void
a_wait_ends_at_the_next_timer(void **state)
{
    wr_timer t;
    begin(false);
    wr_timer_init(&t, loop, note, "t");
    int64_t begun = wr_clock_monotonic(wr_clock_system());
    assert_int_equal(wr_timer_set_after(&t, 5000), WEIR_OK);
    while (trace[0] == '\0')
        wr_loop_run(loop, 10000000);
    int64_t took = wr_clock_monotonic(wr_clock_system()) - begun;
    assert_true(took >= 5000 && took < 9000000);
    end();
}

static int      ready_events;
static uint32_t ready_count;

static void
ready(void *user, int events)
{
    char c;
    ready_events = events;
    ready_count++;
    if (user != NULL && read(*(int *) user, &c, 1) != 1)
        fail();
}

static void
descriptors_are_watched(void **state)
{
    int       fds[2];
    wr_watch *in, *out;
    begin(true);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(wr_watch_create(loop, fds[0], ready, &fds[0], &in), WEIR_OK);
    assert_int_equal(wr_watch_set(in, WR_WATCH_READ), WEIR_OK);
    ready_count = 0;
    assert_false(wr_loop_run(loop, 0));
    assert_int_equal(write(fds[1], "ab", 2), 2);
    wr_loop_run(loop, 0);
    wr_loop_run(loop, 0);
    assert_int_equal(ready_count, 2); /* level-triggered, persistent */
    assert_false(wr_loop_run(loop, 0));
    assert_int_equal(wr_watch_set(in, WR_WATCH_READ | WR_WATCH_ONCE), WEIR_OK);
    assert_int_equal(write(fds[1], "cd", 2), 2);
    wr_loop_run(loop, 0);
    wr_loop_run(loop, 0);
    assert_int_equal(ready_count, 3);
    assert_int_equal(wr_watch_create(loop, fds[1], ready, NULL, &out), WEIR_OK);
    assert_int_equal(wr_watch_set(out, WR_WATCH_WRITE | WR_WATCH_ONCE), WEIR_OK);
    wr_loop_run(loop, 0);
    assert_int_equal(ready_events, WR_WATCH_WRITE);
    wr_watch_destroy(in);
    wr_watch_destroy(out);
    close(fds[0]);
    close(fds[1]);
    end();
}

static void
an_edge_is_told_once(void **state)
{
    int       fds[2];
    char      all[8];
    wr_watch *in;
    begin(true);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "a", 1), 1);
    assert_int_equal(wr_watch_create(loop, fds[0], ready, NULL, &in), WEIR_OK);
    assert_int_equal(wr_watch_set(in, WR_WATCH_READ | WR_WATCH_EDGE), WEIR_OK);
    ready_count = 0;
    wr_loop_run(loop, 0);
    wr_loop_run(loop, 0);
    assert_int_equal(ready_count, 1); /* what was there already; nobody has read it */
    assert_int_equal(read(fds[0], all, sizeof all), 1);
    assert_int_equal(wr_watch_set(in, WR_WATCH_READ | WR_WATCH_EDGE), WEIR_OK);
    assert_false(wr_loop_run(loop, 0));
    assert_int_equal(write(fds[1], "b", 1), 1);
    wr_loop_run(loop, 0);
    assert_int_equal(ready_count, 2); /* what has come since */
    wr_watch_destroy(in);
    close(fds[0]);
    close(fds[1]);
    end();
}

static void
wake_itself(void *user)
{
    note(user);
    wr_loop_wake(loop);
}

/* L3: a wake by a callback is one, too: the run does not wait again. */
static void
a_callback_may_wake_its_own_loop(void **state)
{
    begin(false);
    assert_int_equal(wr_loop_post(loop, wake_itself, "w"), WEIR_OK);
    wr_loop_run(loop, -1);
    assert_string_equal(trace, "w");
    wr_timer t;
    wr_timer_init(&t, loop, wake_itself, "t");
    assert_int_equal(wr_timer_set_after(&t, 1000), WEIR_OK);
    while (strcmp(trace, "wt") != 0)
        wr_loop_run(loop, -1);
    end();
}

static void
got_signal(void *user, int signal)
{
    *(int *) user = signal;
}

static void
signals_are_callbacks(void **state)
{
    int       got = 0;
    wr_watch *w;
    begin(false);
    assert_int_equal(wr_watch_signal(loop, SIGUSR1, got_signal, &got, &w), WEIR_OK);
    raise(SIGUSR1);
    for (int i = 0; i < 100 && got == 0; i++)
        wr_loop_run(loop, 1000);
    assert_int_equal(got, SIGUSR1);
    wr_watch_destroy(w);
    end();
}

WR_TESTS = {
    WR_TEST(timers_fire_in_order_on_the_injected_clock),
    WR_TEST(timers_move_and_are_cancelled),
    WR_TEST(a_timer_that_rearms_itself_fires_once_a_turn),
    WR_TEST(a_wake_ends_the_wait),
    WR_TEST(a_wait_ends_at_the_next_timer),
    WR_TEST(descriptors_are_watched),
    WR_TEST(an_edge_is_told_once),
    WR_TEST(a_callback_may_wake_its_own_loop),
    WR_TEST(signals_are_callbacks),
    { NULL, NULL },
};
