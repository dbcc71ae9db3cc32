/* SPDX-License-Identifier: Apache-2.0 */
/* base/thread.c -- pthreads behind names of ours (see thread.h). */
#include "base/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void *
thread_begin(void *arg)
{
    wr_thread *t = arg;
    pthread_setname_np(pthread_self(), t->name);
    t->main(t->user);
    return NULL;
}

weir_status
wr_thread_start(wr_thread *thread, const char *name, void (*main)(void *user), void *user,
                weir_error *err)
{
    pthread_attr_t attr;
    sigset_t       all, old;
    snprintf(thread->name, sizeof thread->name, "%s", name);
    thread->main = main;
    thread->user = user;
    int rc = pthread_attr_init(&attr);
    wr_assert(rc == 0);
    pthread_attr_setstacksize(&attr, WR_THREAD_STACK_BYTES);
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&thread->id, &attr, thread_begin, thread);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (rc != 0)
        return wr_error_set(err, WEIR_LIMIT, "cannot start thread \"%s\": %s", name, strerror(rc));
    thread->started = true;
    return WEIR_OK;
}

void
wr_thread_join(wr_thread *thread)
{
    if (!thread->started)
        return;
    int rc = pthread_join(thread->id, NULL);
    wr_assert(rc == 0);
    thread->started = false;
}

void
wr_mutex_init(wr_mutex *mutex)
{
    int rc = pthread_mutex_init(&mutex->m, NULL);
    wr_assert(rc == 0);
}

void
wr_mutex_fini(wr_mutex *mutex)
{
    int rc = pthread_mutex_destroy(&mutex->m);
    wr_assert(rc == 0);
}

void
wr_cond_init(wr_cond *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    int rc = pthread_cond_init(&cond->c, &attr);
    wr_assert(rc == 0);
    pthread_condattr_destroy(&attr);
}

void
wr_cond_fini(wr_cond *cond)
{
    int rc = pthread_cond_destroy(&cond->c);
    wr_assert(rc == 0);
}

void
wr_cond_wait(wr_cond *cond, wr_mutex *mutex)
{
    int rc = pthread_cond_wait(&cond->c, &mutex->m);
    wr_assert(rc == 0);
}

bool
wr_cond_wait_for(wr_cond *cond, wr_mutex *mutex, int64_t timeout_us)
{
    struct timespec at;
    int64_t         bounded = WR_MIN(WR_MAX(timeout_us, 0), (int64_t) 1000000 * 86400 * 365);
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += bounded / 1000000;
    at.tv_nsec += bounded % 1000000 * 1000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    int rc = pthread_cond_timedwait(&cond->c, &mutex->m, &at);
    wr_assert(rc == 0 || rc == ETIMEDOUT);
    return rc == 0;
}

void
wr_cond_signal(wr_cond *cond)
{
    pthread_cond_signal(&cond->c);
}

void
wr_cond_broadcast(wr_cond *cond)
{
    pthread_cond_broadcast(&cond->c);
}
