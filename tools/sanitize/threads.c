/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/sanitize/threads.c -- C11's threads, mutexes and conditions by way of POSIX's, in builds with ThreadSanitizer.
 *
 * librdkafka starts its threads with thrd_create and locks with mtx_lock; the sanitizer of this compiler knows POSIX's calls alone: a thread
 * it has not seen begin has no state and falls at its first malloc, and a lock it has not seen orders nothing.  Linked into every
 * program of a build with SAN=tsan, these stand before glibc's of the same names, which are the same objects under another type.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t), "a C11 mutex holds a POSIX one");
_Static_assert(sizeof(cnd_t) >= sizeof(pthread_cond_t), "a C11 condition holds a POSIX one");

typedef struct beginning {
    thrd_start_t run;
    void *with;
} beginning;

static int
result(int code)
{
    switch (code) {
    case 0: return thrd_success;
    case EBUSY: return thrd_busy;
    case ETIMEDOUT: return thrd_timedout;
    case ENOMEM: return thrd_nomem;
    default: return thrd_error;
    }
}

static void *
begin(void *given)
{
    beginning b = *(beginning *)given;
    free(given);
    return (void *)(intptr_t)b.run(b.with);
}

int
thrd_create(thrd_t *thread, thrd_start_t run, void *with)
{
    beginning *b = malloc(sizeof *b);
    if (b == NULL)
        return thrd_nomem;
    *b = (beginning){ run, with };
    int code = pthread_create(thread, NULL, begin, b);
    if (code != 0)
        free(b);
    return result(code);
}

int
thrd_join(thrd_t thread, int *told)
{
    void *value = NULL;
    int code = pthread_join(thread, &value);
    if (told != NULL)
        *told = (int)(intptr_t)value;
    return result(code);
}

int
mtx_init(mtx_t *m, int kind)
{
    pthread_mutexattr_t as;
    pthread_mutexattr_init(&as);
    if (kind & mtx_recursive)
        pthread_mutexattr_settype(&as, PTHREAD_MUTEX_RECURSIVE);
    int code = pthread_mutex_init((pthread_mutex_t *)m, &as);
    pthread_mutexattr_destroy(&as);
    return result(code);
}

int
mtx_lock(mtx_t *m)
{
    return result(pthread_mutex_lock((pthread_mutex_t *)m));
}

int
mtx_trylock(mtx_t *m)
{
    return result(pthread_mutex_trylock((pthread_mutex_t *)m));
}

int
mtx_unlock(mtx_t *m)
{
    return result(pthread_mutex_unlock((pthread_mutex_t *)m));
}

void
mtx_destroy(mtx_t *m)
{
    pthread_mutex_destroy((pthread_mutex_t *)m);
}

int
cnd_init(cnd_t *c)
{
    return result(pthread_cond_init((pthread_cond_t *)c, NULL));
}

int
cnd_signal(cnd_t *c)
{
    return result(pthread_cond_signal((pthread_cond_t *)c));
}

int
cnd_broadcast(cnd_t *c)
{
    return result(pthread_cond_broadcast((pthread_cond_t *)c));
}

int
cnd_wait(cnd_t *c, mtx_t *m)
{
    return result(pthread_cond_wait((pthread_cond_t *)c, (pthread_mutex_t *)m));
}

int
cnd_timedwait(cnd_t *c, mtx_t *m, const struct timespec *until)
{
    return result(pthread_cond_timedwait((pthread_cond_t *)c, (pthread_mutex_t *)m, until));
}

void
cnd_destroy(cnd_t *c)
{
    pthread_cond_destroy((pthread_cond_t *)c);
}
