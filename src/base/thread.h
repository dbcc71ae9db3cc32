/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/thread.h -- named threads, mutexes, conditions: pthreads with the impossible errors asserted.
 *
 * Place       runtime/ and server/ start threads here and nowhere else, so that each has a name in
 *             `top` and a stack of known size.
 */
#pragma once

#include "base/memory.h"

#include <pthread.h>

typedef struct wr_thread {
    pthread_t id;
    bool      started;
    char      name[16];
    void    (*main)(void *user);
    void     *user;
} wr_thread;

enum { WR_THREAD_STACK_BYTES = 1 << 20 };

/* Run main(user) on a new thread.  The struct stays where it is until the join.  LIMIT: none to be had. */
weir_status wr_thread_start(wr_thread *thread, const char *name, void (*main)(void *user),
                            void *user, weir_error *err);
void        wr_thread_join(wr_thread *thread); /* nothing when it was never started */

typedef struct wr_mutex {
    pthread_mutex_t m;
} wr_mutex;
void wr_mutex_init(wr_mutex *mutex);
void wr_mutex_fini(wr_mutex *mutex);

static inline void
wr_mutex_lock(wr_mutex *mutex)
{
    int rc = pthread_mutex_lock(&mutex->m);
    wr_assert(rc == 0);
}
static inline void
wr_mutex_unlock(wr_mutex *mutex)
{
    int rc = pthread_mutex_unlock(&mutex->m);
    wr_assert(rc == 0);
}

/* A condition; its timed wait counts on the machine's monotonic clock. */
typedef struct wr_cond {
    pthread_cond_t c;
} wr_cond;
void wr_cond_init(wr_cond *cond);
void wr_cond_fini(wr_cond *cond);
void wr_cond_wait(wr_cond *cond, wr_mutex *mutex);
/* False when timeout_us passed first.  Look at what you wait for again either way. */
bool wr_cond_wait_for(wr_cond *cond, wr_mutex *mutex, int64_t timeout_us);
void wr_cond_signal(wr_cond *cond);
void wr_cond_broadcast(wr_cond *cond);
