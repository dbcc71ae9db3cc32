/* SPDX-License-Identifier: Apache-2.0 */
/* base/secret.c -- hiding secrets in messages (see secret.h). */
#include "base/secret.h"

#include "base/thread.h"

#include <string.h>
#include <strings.h>

enum { HEAD_BYTES = 64, SECRETS = 256, CUT_LEAST = 8 };

typedef struct secret {
    char head[HEAD_BYTES];
    size_t length; /* of head */
    bool longer;   /* the value goes on behind it */
} secret;

static struct {
    wr_mutex lock;
    _Atomic uint32_t count; /* ever added: the oldest make room */
    secret all[SECRETS];
} known = { .lock = { PTHREAD_MUTEX_INITIALIZER } };

static const char mask[] = "***";
_Static_assert(sizeof mask - 1 < WR_SECRET_LEAST, "H1");

void
wr_secret_add(const char *value)
{
    size_t n = strlen(value);
    secret s = { .length = WR_MIN(n, (size_t) HEAD_BYTES), .longer = n > HEAD_BYTES };
    if (n < WR_SECRET_LEAST)
        return; /* H2 */
    memcpy(s.head, value, s.length);
    wr_mutex_lock(&known.lock);
    uint32_t count = atomic_load(&known.count);
    bool     is_new = true;
    for (uint32_t i = 0; i < WR_MIN(count, (uint32_t) SECRETS) && is_new; i++)
        is_new = known.all[i].length != s.length || known.all[i].longer != s.longer ||
                 memcmp(known.all[i].head, s.head, s.length) != 0;
    if (is_new) {
        known.all[count % SECRETS] = s;
        atomic_store(&known.count, count + 1);
    }
    wr_mutex_unlock(&known.lock);
}

/* How many of the `left` bytes at `at` are this secret; 0: none. */
static size_t
secret_bytes(const secret *s, const char *at, size_t left)
{
    if (left >= s->length)
        return strncasecmp(at, s->head, s->length) != 0 ? 0 : s->longer ? left : s->length;
    return left >= CUT_LEAST && strncasecmp(at, s->head, left) == 0 ? left : 0;
}

void
wr_secret_hide(char *text)
{
    uint32_t count = atomic_load(&known.count);
    if (count == 0)
        return;
    wr_mutex_lock(&known.lock);
    for (char *at = text, *end = text + strlen(text); at < end; at++) {
        size_t n = 0;
        for (uint32_t i = 0; i < WR_MIN(count, (uint32_t) SECRETS); i++)
            n = WR_MAX(n, secret_bytes(&known.all[i], at, (size_t) (end - at)));
        if (n == 0)
            continue;
        memcpy(at, mask, sizeof mask - 1);
        memmove(at + sizeof mask - 1, at + n, (size_t) (end - at) - n + 1);
        end -= n - (sizeof mask - 1);
        at += sizeof mask - 2; /* to its last star */
    }
    wr_mutex_unlock(&known.lock);
}
