/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/loop.c -- the event loop over libevent (see loop.h).
 *
 * Timers are ours, not libevent's, because they count on the injected clock: a binary heap ordered
 * by (time, order of setting).  libevent is asked to wait no longer than the first of them.
 */
#include "base/loop.h"

#include "base/thread.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct post {
    void (*fn)(void *user);
    void  *user;
} post;

struct wr_loop {
    wr_budget         *budget;
    wr_clock          *clock;
    struct event_base *base;
    struct event      *wake_event, *limit_event;
    int                wake_fd;
    _Atomic uint32_t   woken; /* 1: the eventfd is written and not yet read */
    wr_timer         **heap;  /* heap[1..count] */
    uint32_t           timer_count, timer_capacity;
    uint64_t           order;
    bool               served;
    wr_mutex           lock; /* posts */
    post              *posts;
    uint32_t           post_count, post_capacity;
};

/* The loop whose callbacks this thread runs: to wake it, no system call is needed. */
static _Thread_local const wr_loop *running;

struct wr_watch {
    wr_loop      *loop;
    struct event *event;
    int           fd, events;
    bool          is_signal;
    void        (*ready)(void *user, int events);
    void         *user;
};

/* --- life --- */

static void
loop_woken(evutil_socket_t fd, short what, void *arg)
{
    wr_loop *loop = arg;
    uint64_t n;
    (void) what;
    ssize_t got = read(fd, &n, sizeof n);
    (void) got; /* empty when a wake was served already */
    atomic_exchange(&loop->woken, 0);
}

static void
loop_limit(evutil_socket_t fd, short what, void *arg)
{
    (void) fd;
    (void) what;
    (void) arg; /* the wait is over; timers are looked at by wr_loop_run */
}

weir_status
wr_loop_create(wr_budget *budget, wr_clock *clock, wr_loop **out, weir_error *err)
{
    wr_loop *loop = wr_calloc(budget, 1, sizeof *loop);
    if (loop == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for an event loop");
    loop->budget = budget;
    loop->clock = clock;
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    wr_mutex_init(&loop->lock);
    struct event_config *config = event_config_new();
    if (config != NULL) {
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_PRECISE_TIMER);
        loop->base = event_base_new_with_config(config);
        event_config_free(config);
    }
    if (loop->base != NULL && loop->wake_fd >= 0) {
        loop->wake_event =
            event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, loop_woken, loop);
        loop->limit_event = event_new(loop->base, -1, 0, loop_limit, loop);
    }
    if (loop->wake_event == NULL || loop->limit_event == NULL ||
        event_add(loop->wake_event, NULL) != 0) {
        wr_loop_destroy(loop);
        return wr_error_set(err, WEIR_LIMIT, "cannot make an event loop: %s", strerror(errno));
    }
    *out = loop;
    return WEIR_OK;
}

void
wr_loop_destroy(wr_loop *loop)
{
    if (loop == NULL)
        return;
    wr_assert(loop->timer_count == 0);
    if (loop->wake_event != NULL)
        event_free(loop->wake_event);
    if (loop->limit_event != NULL)
        event_free(loop->limit_event);
    if (loop->base != NULL)
        event_base_free(loop->base);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    wr_mutex_fini(&loop->lock);
    wr_free(loop->heap);
    wr_free(loop->posts);
    wr_free(loop);
}

wr_clock *
wr_loop_clock(wr_loop *loop)
{
    return loop->clock;
}

/* --- waking and posting --- */

void
wr_loop_wake(wr_loop *loop)
{
    uint64_t one = 1;
    if (running == loop) { /* L3: it looks at everything before it waits again */
        loop->served = true;
        return;
    }
    if (atomic_exchange(&loop->woken, 1) != 0)
        return; /* L3: the written eventfd has not been read yet */
    ssize_t wrote;
    do
        wrote = write(loop->wake_fd, &one, sizeof one);
    while (wrote < 0 && errno == EINTR);
    wr_assert(wrote == sizeof one || errno == EAGAIN); /* EAGAIN: full, so readable */
}

weir_status
wr_loop_post(wr_loop *loop, void (*fn)(void *user), void *user)
{
    weir_status status = WEIR_OK;
    wr_mutex_lock(&loop->lock);
    if (loop->post_count == loop->post_capacity) {
        uint32_t capacity = WR_MAX(loop->post_capacity * 2, 8u);
        post    *grown = wr_realloc(loop->budget, loop->posts, capacity * sizeof *grown);
        if (grown == NULL)
            status = WEIR_MEMORY;
        else {
            loop->posts = grown;
            loop->post_capacity = capacity;
        }
    }
    if (status == WEIR_OK)
        loop->posts[loop->post_count++] = (post){ fn, user };
    wr_mutex_unlock(&loop->lock);
    if (status == WEIR_OK)
        wr_loop_wake(loop);
    return status;
}

static void
loop_serve_posts(wr_loop *loop)
{
    wr_mutex_lock(&loop->lock);
    post    *posts = loop->posts;
    uint32_t count = loop->post_count;
    if (count > 0) {
        loop->posts = NULL;
        loop->post_count = loop->post_capacity = 0;
    }
    wr_mutex_unlock(&loop->lock);
    if (count == 0)
        return;
    for (uint32_t i = 0; i < count; i++)
        posts[i].fn(posts[i].user);
    wr_free(posts);
    loop->served = true;
}

/* --- timers: a binary heap --- */

static bool
timer_before(const wr_timer *a, const wr_timer *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void
heap_put(wr_loop *loop, wr_timer *t, uint32_t at)
{
    loop->heap[at] = t;
    t->position = at;
}

static void
heap_up(wr_loop *loop, wr_timer *t, uint32_t at)
{
    for (; at > 1 && timer_before(t, loop->heap[at / 2]); at /= 2)
        heap_put(loop, loop->heap[at / 2], at);
    heap_put(loop, t, at);
}

static void
heap_down(wr_loop *loop, wr_timer *t, uint32_t at)
{
    for (;;) {
        uint32_t child = at * 2;
        if (child > loop->timer_count)
            break;
        if (child < loop->timer_count && timer_before(loop->heap[child + 1], loop->heap[child]))
            child++;
        if (!timer_before(loop->heap[child], t))
            break;
        heap_put(loop, loop->heap[child], at);
        at = child;
    }
    heap_put(loop, t, at);
}

void
wr_timer_init(wr_timer *timer, wr_loop *loop, void (*fire)(void *user), void *user)
{
    *timer = (wr_timer){ .loop = loop, .fire = fire, .user = user };
}

weir_status
wr_timer_set(wr_timer *timer, wr_time at)
{
    wr_loop *loop = timer->loop;
    if (timer->position == 0 && loop->timer_count + 1 >= loop->timer_capacity) {
        uint32_t   capacity = WR_MAX(loop->timer_capacity * 2, 16u);
        wr_timer **grown = wr_realloc(loop->budget, loop->heap, capacity * sizeof(wr_timer *));
        if (grown == NULL)
            return WEIR_MEMORY;
        loop->heap = grown;
        loop->timer_capacity = capacity;
    }
    wr_timer_cancel(timer);
    timer->at = at;
    timer->order = loop->order++;
    heap_up(loop, timer, ++loop->timer_count);
    return WEIR_OK;
}

weir_status
wr_timer_set_after(wr_timer *timer, int64_t us)
{
    wr_time now = wr_clock_monotonic(timer->loop->clock), at;
    if (__builtin_add_overflow(now, WR_MAX(us, (int64_t) 0), &at))
        at = WR_TIME_END;
    return wr_timer_set(timer, at);
}

void
wr_timer_cancel(wr_timer *timer)
{
    wr_loop *loop = timer->loop;
    uint32_t at = timer->position;
    if (at == 0)
        return;
    wr_assert(loop->heap[at] == timer);
    timer->position = 0;
    wr_timer *last = loop->heap[loop->timer_count--];
    if (last == timer)
        return;
    if (at > 1 && timer_before(last, loop->heap[at / 2]))
        heap_up(loop, last, at);
    else
        heap_down(loop, last, at);
}

wr_time
wr_loop_next_timer(const wr_loop *loop)
{
    return loop->timer_count > 0 ? loop->heap[1]->at : WR_TIME_END;
}

/* Timers set while serving wait for the next turn, so that one that re-arms itself cannot hold us. */
static void
loop_serve_timers(wr_loop *loop)
{
    uint64_t until = loop->order;
    if (loop->timer_count == 0)
        return;
    wr_time now = wr_clock_monotonic(loop->clock);
    while (loop->timer_count > 0) {
        wr_timer *t = loop->heap[1];
        if (t->at > now || t->order >= until)
            return; /* L2 */
        wr_timer_cancel(t);
        loop->served = true;
        t->fire(t->user);
    }
}

/* --- running --- */

bool
wr_loop_run(wr_loop *loop, int64_t timeout_us)
{
    const wr_loop *before = running;
    running = loop;
    loop->served = false;
    loop_serve_posts(loop);
    loop_serve_timers(loop);
    int64_t wait = loop->served ? 0 : timeout_us;
    if (wait != 0 && loop->timer_count > 0) {
        int64_t due = loop->heap[1]->at - wr_clock_monotonic(loop->clock);
        due = WR_MAX(due, (int64_t) 0);
        wait = wait < 0 ? due : WR_MIN(wait, due);
    }
    if (wait == 0)
        event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NONBLOCK); /* else it stays while anything is ready */
    else {
        if (wait > 0) {
            struct timeval limit = { wait / 1000000, wait % 1000000 };
            event_add(loop->limit_event, &limit);
        }
        event_base_loop(loop->base, EVLOOP_ONCE);
        if (wait > 0)
            event_del(loop->limit_event);
    }
    loop_serve_posts(loop);
    loop_serve_timers(loop);
    running = before;
    return loop->served;
}

/* --- descriptors and signals --- */

static void
watch_fired(evutil_socket_t fd, short what, void *arg)
{
    wr_watch *w = arg;
    int       events = (what & EV_READ ? WR_WATCH_READ : 0) | (what & EV_WRITE ? WR_WATCH_WRITE : 0) |
                 (what & EV_CLOSED ? WR_WATCH_CLOSED : 0);
    w->loop->served = true;
    w->ready(w->user, w->is_signal ? (int) fd : events); /* may destroy w */
}

static wr_watch *
watch_make(wr_loop *loop, int fd, void (*ready)(void *, int), void *user)
{
    wr_watch *w = wr_calloc(loop->budget, 1, sizeof *w);
    if (w == NULL)
        return NULL;
    *w = (wr_watch){ .loop = loop, .fd = fd, .ready = ready, .user = user };
    return w;
}

weir_status
wr_watch_create(wr_loop *loop, int fd, void (*ready)(void *user, int events), void *user,
                wr_watch **watch)
{
    wr_watch *w = watch_make(loop, fd, ready, user);
    if (w == NULL)
        return WEIR_MEMORY;
    *watch = w;
    return WEIR_OK;
}

weir_status
wr_watch_set(wr_watch *watch, int events)
{
    if (watch->event != NULL && events == watch->events && (events & WR_WATCH_ONCE) == 0)
        return WEIR_OK;
    short what = (short) ((events & WR_WATCH_READ ? EV_READ : 0) |
                          (events & WR_WATCH_WRITE ? EV_WRITE : 0) |
                          (events & WR_WATCH_CLOSED ? EV_CLOSED : 0) |
                          (events & WR_WATCH_EDGE ? EV_ET : 0) |
                          (events & WR_WATCH_ONCE ? 0 : EV_PERSIST));
    if (watch->event != NULL)
        event_free(watch->event);
    watch->event = NULL;
    watch->events = events;
    if ((events & ~(WR_WATCH_ONCE | WR_WATCH_EDGE)) == 0)
        return WEIR_OK;
    watch->event = event_new(watch->loop->base, watch->fd, what, watch_fired, watch);
    if (watch->event == NULL)
        return WEIR_MEMORY;
    return event_add(watch->event, NULL) == 0 ? WEIR_OK : WEIR_LIMIT; /* not pollable: a plain file */
}

weir_status
wr_watch_signal(wr_loop *loop, int signal, void (*ready)(void *user, int signal), void *user,
                wr_watch **watch)
{
    wr_watch *w = watch_make(loop, signal, ready, user);
    if (w == NULL)
        return WEIR_MEMORY;
    w->is_signal = true;
    w->event = event_new(loop->base, signal, EV_SIGNAL | EV_PERSIST, watch_fired, w);
    if (w->event == NULL || event_add(w->event, NULL) != 0) {
        wr_watch_destroy(w);
        return WEIR_LIMIT;
    }
    *watch = w;
    return WEIR_OK;
}

void
wr_watch_destroy(wr_watch *watch)
{
    if (watch == NULL)
        return;
    if (watch->event != NULL)
        event_free(watch->event);
    wr_free(watch);
}
