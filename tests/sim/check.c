/* SPDX-License-Identifier: Apache-2.0 */
/* sim/check.c -- what a sink got against what the oracle says: T1, T2, T3, T8 of sim.h. */
#include "sim/sim.h"

#include <stdlib.h>
#include <string.h>

/* A row of a log, in its place. */
typedef struct placed {
    const char *text, *key;
    int64_t     diff;
    uint32_t    at;
} placed;

static int
by_text_and_place(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    int           order = strcmp(x->text, y->text);
    return order != 0 ? order : x->at < y->at ? -1 : x->at > y->at;
}

static placed *
log_sorted(const sim_sink *s, const sim_log *l, wr_arena *arena)
{
    placed *out = wr_arena_calloc(arena, l->count + 1, sizeof *out);
    for (uint32_t i = 0; i < l->count; i++)
        out[i] = (placed){ s->entries[l->ids[i]].text, s->entries[l->ids[i]].key, s->entries[l->ids[i]].diff, i };
    if (l->count > 0)
        qsort(out, l->count, sizeof *out, by_text_and_place);
    return out;
}

/* Equal rows added up: *count different ones, each with what is left of it in diff.  T3: never below nothing. */
static bool
log_folded(sim_world *w, const sim_sink *s, placed *rows, uint32_t *count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *count; i++) {
        if (kept == 0 || strcmp(rows[kept - 1].text, rows[i].text) != 0)
            rows[kept++] = (placed){ rows[i].text, NULL, rows[i].diff, rows[i].at };
        else
            rows[kept - 1].diff += rows[i].diff;
        if (rows[kept - 1].diff < 0) {
            sim_wrong(w, "T3: sink %s: taken back without having been given: %s", s->name, rows[i].text);
            return false;
        }
    }
    *count = kept;
    return true;
}

/* T2: the folded exact log is the answer. */
static bool
check_exact(sim_world *w, const sim_sink *s, const placed *rows, uint32_t count, const sim_answer *want)
{
    uint32_t i = 0, n = 0;
    while (i < count || n < want->count) {
        if (i < count && rows[i].diff == 0) {
            i++;
            continue;
        }
        int order = i == count ? 1 : n == want->count ? -1 : strcmp(rows[i].text, want->rows[n]);
        if (order != 0) {
            sim_wrong(w, "T2: sink %s: %s: %s", s->name, order < 0 ? "too much" : "missing",
                      order < 0 ? rows[i].text : want->rows[n]);
            return false;
        }
        uint32_t same = 1;
        while (n + same < want->count && strcmp(want->rows[n + same], want->rows[n]) == 0)
            same++;
        if (rows[i].diff != (int64_t) same) {
            sim_wrong(w, "T2: sink %s: %lld times, not %u: %s", s->name, (long long) rows[i].diff, same, rows[i].text);
            return false;
        }
        n += same;
        i++;
    }
    return true;
}

/* T1: at least the answer; where rows are never taken back, nothing else. */
static bool
check_raw(sim_world *w, const sim_sink *s, const sim_view *v, const sim_answer *want, wr_arena *arena)
{
    const placed *rows = log_sorted(s, &s->raw, arena);
    uint32_t      i = 0;
    for (uint32_t n = 0; n < want->count; n++) {
        while (i < s->raw.count && strcmp(rows[i].text, want->rows[n]) < 0) {
            if (!v->changes) {
                sim_wrong(w, "T1: sink %s got what it should not: %s", s->name, rows[i].text);
                return false;
            }
            i++;
        }
        if (i == s->raw.count || strcmp(rows[i].text, want->rows[n]) != 0) {
            sim_wrong(w, "T1: sink %s never got %s", s->name, want->rows[n]);
            return false;
        }
        if (n + 1 == want->count || strcmp(want->rows[n], want->rows[n + 1]) != 0) {
            while (i < s->raw.count && strcmp(rows[i].text, want->rows[n]) == 0)
                i++;
        }
    }
    if (i < s->raw.count && !v->changes) {
        sim_wrong(w, "T1: sink %s got what it should not: %s", s->name, rows[i].text);
        return false;
    }
    return true;
}

/* Which rows are late hangs on how partitions interleaved: but each is in its window or late, and once. */
static bool
check_kept(sim_world *w, const sim_sink *s, const placed *rows, uint32_t count, const sim_sink *late)
{
    int64_t in_windows = 0, total = 0;
    char    last[128] = "";
    for (uint32_t i = 0; i < w->sources[0].partition_count; i++)
        total += w->sources[0].partitions[i].row_count;
    for (uint32_t i = 0; i < count; i++) {
        long long start, k, n;
        char      key[128];
        if (rows[i].diff == 0)
            continue;
        if (sscanf(rows[i].text, "%lld|%lld|%lld|", &start, &k, &n) != 3 || rows[i].diff != 1) {
            sim_wrong(w, "T2: sink %s: %lld times %s", s->name, (long long) rows[i].diff, rows[i].text);
            return false;
        }
        snprintf(key, sizeof key, "%lld|%lld", start, k);
        if (strcmp(key, last) == 0) {
            sim_wrong(w, "T2: sink %s: two rows of one group: %s", s->name, rows[i].text);
            return false;
        }
        memcpy(last, key, sizeof last);
        in_windows += n;
    }
    if (late->exact.count > 0)
        sim_saw(w, SIM_ROWS_LATE);
    if (in_windows + (int64_t) late->exact.count == total)
        return true;
    sim_wrong(w, "T6: sink %s: %lld rows in windows and %u late are not the %lld there were", s->name,
              (long long) in_windows, late->exact.count, (long long) total);
    return false;
}

bool
sim_check_sink(sim_world *w, sim_sink *s, const sim_view *v, bool late)
{
    wr_arena arena;
    uint32_t count = s->exact.count;
    bool     windows = v->kind == SIM_TUMBLE || v->kind == SIM_TUMBLE_CHANGES;
    wr_arena_init(&arena, NULL);
    placed *rows = log_sorted(s, &s->exact, &arena);
    bool    ok = log_folded(w, s, rows, &count);
    if (ok && w->class == SIM_LANES_LATE && windows)
        ok = late || check_kept(w, s, rows, count, s + 1);
    else if (ok) {
        sim_answer want = sim_oracle(w, v, late, &arena);
        if (late && want.count > 0)
            sim_saw(w, SIM_ROWS_LATE);
        ok = check_exact(w, s, rows, count, &want) && check_raw(w, s, v, &want, &arena);
    }
    wr_arena_fini(&arena);
    return ok;
}

/* --- T8 --- */

static int
by_key_and_place(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    int           order = strcmp(x->key, y->key);
    return order != 0 ? order : x->at < y->at ? -1 : x->at > y->at;
}

/* The rows that the outside holds by key: the last one of each, unless it took the key away; sorted by text. */
static placed *
log_by_key(const sim_sink *s, uint32_t *count, wr_arena *arena)
{
    placed  *rows = log_sorted(s, &s->raw, arena);
    uint32_t kept = 0;
    if (s->raw.count > 0)
        qsort(rows, s->raw.count, sizeof *rows, by_key_and_place);
    for (uint32_t i = 0; i < s->raw.count; i++)
        if ((i + 1 == s->raw.count || strcmp(rows[i].key, rows[i + 1].key) != 0) && rows[i].diff > 0)
            rows[kept++] = rows[i];
    if (kept > 0)
        qsort(rows, kept, sizeof *rows, by_text_and_place);
    *count = kept;
    return rows;
}

/* k|n|sv|hi as k|large: in the same order, for k comes first and once. */
static const char *
flag_text(const char *group, wr_arena *arena)
{
    long long k, n, sum;
    int       read = sscanf(group, "%lld|%lld|%lld|", &k, &n, &sum);
    wr_assert(read >= 2);
    return wr_arena_printf(arena, "%lld|%s", k, read < 3 ? "null" : sum > SIM_LARGE ? "t" : "f");
}

bool
sim_check_keyed(sim_world *w, const sim_sink *keyed, const sim_sink *changes, bool flags)
{
    wr_arena arena;
    uint32_t have, count = changes->exact.count, n = 0;
    wr_arena_init(&arena, NULL);
    const placed *rows = log_by_key(keyed, &have, &arena);
    placed       *want = log_sorted(changes, &changes->exact, &arena);
    bool          ok = log_folded(w, changes, want, &count);
    for (uint32_t i = 0; ok && i < count; i++) {
        if (want[i].diff == 0)
            continue;
        const char *text = flags ? flag_text(want[i].text, &arena) : want[i].text;
        ok = n < have && strcmp(rows[n].text, text) == 0;
        if (!ok)
            sim_wrong(w, "T8: sink %s holds %s, not %s", keyed->name, n < have ? rows[n].text : "no more", text);
        n++;
    }
    if (ok && n < have) {
        sim_wrong(w, "T8: sink %s holds what is not there: %s", keyed->name, rows[n].text);
        ok = false;
    }
    wr_arena_fini(&arena);
    return ok;
}

static int
by_words(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

bool
sim_check_summed(sim_world *w, const sim_sink *keyed, const sim_sink *windows)
{
    wr_arena arena;
    uint32_t have, count = windows->exact.count, n[SIM_KEYS_MAX] = { 0 }, keys = 0;
    wr_arena_init(&arena, NULL);
    const placed *rows = log_by_key(keyed, &have, &arena);
    placed       *each = log_sorted(windows, &windows->exact, &arena);
    const char   *want[SIM_KEYS_MAX];
    bool          ok = log_folded(w, windows, each, &count);
    for (uint32_t i = 0; ok && i < count; i++) {
        long long start, k = SIM_KEYS_MAX;
        wr_assert(sscanf(each[i].text, "%lld|%lld|", &start, &k) == 2 && k >= 0 && k < SIM_KEYS_MAX);
        n[k] += (uint32_t) each[i].diff;
    }
    for (uint32_t k = 0; k < SIM_KEYS_MAX; k++)
        if (n[k] > 0)
            want[keys++] = wr_arena_printf(&arena, "%u|%u", k, n[k]);
    qsort(want, keys, sizeof *want, by_words);
    for (uint32_t i = 0; ok && i < WR_MAX(keys, have); i++) {
        const char *it = i < have ? rows[i].text : "no more", *should = i < keys ? want[i] : "no more";
        ok = strcmp(it, should) == 0;
        if (!ok)
            sim_wrong(w, "T8: sink %s holds %s, not %s", keyed->name, it, should);
    }
    wr_arena_fini(&arena);
    return ok;
}
