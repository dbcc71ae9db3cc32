/* SPDX-License-Identifier: Apache-2.0 */
/* state/versions.c -- arrays of versions by key, searched and pruned (see versions.h). */
#include "state/versions.h"

#include <stdlib.h>
#include <string.h>

enum { NEAR = 32 }; /* a version this near the end is put in its place at once */

/* What a key's row holds. */
typedef struct version_list {
    wr_version *items;
    uint32_t    first, count, capacity; /* items[first .. first + count) */
    uint32_t    unsorted;
    wr_time     armed; /* of its heap entry that counts; END: none */
    wr_time     cut;   /* the latest end there was                 */
} version_list;

static version_list *
list_of(const wr_versions *v, uint32_t id)
{
    return (version_list *) ((char *) wr_group_table_row(&v->keys, id) +
                             wr_group_user_offset(v->layout));
}

void
wr_versions_init(wr_versions *v, wr_budget *budget, const wr_key_layout *layout, int64_t reach)
{
    wr_assert(reach >= 0);
    *v = (wr_versions){ .budget = budget, .layout = layout, .reach = reach };
    wr_group_table_init(&v->keys, budget, layout, sizeof(version_list));
}

static void
free_lists(wr_versions *v)
{
    for (uint32_t id = 0; id < v->keys.high; id++)
        if ((wr_group_table_row(&v->keys, id)->flags & WR_GROUP_DEAD) == 0)
            wr_free(list_of(v, id)->items);
}

void
wr_versions_clear(wr_versions *v)
{
    free_lists(v);
    wr_group_table_reset(&v->keys);
    v->due_count = 0;
    v->count = 0;
}

void
wr_versions_fini(wr_versions *v)
{
    free_lists(v);
    wr_group_table_fini(&v->keys);
    wr_free(v->due);
    *v = (wr_versions){ 0 };
}

/* --- the heap of keys that may have something to let go --- */

static weir_status
due_push(wr_versions *v, wr_time time, uint32_t key)
{
    if (v->due_count == v->due_capacity) {
        uint32_t capacity = WR_MAX(16u, v->due_capacity * 2);
        void    *due = wr_realloc(v->budget, v->due, (size_t) capacity * sizeof *v->due);
        if (due == NULL)
            return WEIR_MEMORY;
        v->due = due;
        v->due_capacity = capacity;
    }
    uint32_t at = v->due_count++;
    for (; at > 0 && v->due[(at - 1) / 2].time > time; at = (at - 1) / 2)
        v->due[at] = v->due[(at - 1) / 2];
    v->due[at] = (wr_versions_due){ .time = time, .key = key };
    return WEIR_OK;
}

static void
due_pop(wr_versions *v)
{
    uint32_t        at = 0, n = --v->due_count;
    wr_versions_due last = v->due[n];
    while (2 * at + 1 < n) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < n && v->due[child + 1].time < v->due[child].time)
            child++;
        if (v->due[child].time >= last.time)
            break;
        v->due[at] = v->due[child];
        at = child;
    }
    v->due[at] = last;
}

/* --- lists --- */

static int
version_compare(const void *a, const void *b)
{
    const wr_version *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    if (x->own != y->own)
        return x->own < y->own ? -1 : 1;
    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

/* V1 */
static void
list_sort(version_list *l)
{
    if (l->unsorted == 0)
        return;
    qsort(l->items + l->first, l->count, sizeof *l->items, version_compare);
    l->unsorted = 0;
}

static weir_status
list_reserve(wr_versions *v, version_list *l)
{
    if (l->first + l->count < l->capacity)
        return WEIR_OK;
    if (l->first > l->count) { /* more was let go than is left */
        memmove(l->items, l->items + l->first, l->count * sizeof *l->items);
        l->first = 0;
        return WEIR_OK;
    }
    if (l->capacity > UINT32_MAX / 4)
        return WEIR_MEMORY;
    uint32_t capacity = WR_MAX(2u, l->capacity * 2);
    void    *items = wr_realloc(v->budget, l->items, (size_t) capacity * sizeof *l->items);
    if (items == NULL)
        return WEIR_MEMORY;
    l->items = items;
    l->capacity = capacity;
    return WEIR_OK;
}

static void
list_insert(version_list *l, const wr_version *version)
{
    wr_version *end = l->items + l->first + l->count, *at = end;
    uint32_t    near = 0;
    while (near < NEAR && at > l->items + l->first && version_compare(&at[-1], version) > 0) {
        at--;
        near++;
    }
    if (l->unsorted > 0 || near == NEAR) {
        *end = *version;
        l->unsorted++;
    } else {
        memmove(at + 1, at, (size_t) (end - at) * sizeof *at);
        *at = *version;
    }
    l->count++;
}

static wr_time
time_plus(wr_time t, int64_t by)
{
    wr_time sum;
    return by == INT64_MAX || __builtin_add_overflow(t, by, &sum) ? WR_TIME_END : sum;
}

/* V3: when something of the list may go at the earliest. */
static wr_time
list_due(const wr_versions *v, const version_list *l)
{
    const wr_version *items = l->items + l->first;
    wr_time           due = WR_TIME_END;
    for (uint32_t i = 0; l->unsorted > 0 && i < l->count; i++)
        due = WR_MIN(due, items[i].time); /* not known: look when the first is passed */
    if (l->unsorted > 0)
        return due;
    if (l->count > 1)
        due = items[1].time;
    if (l->count > 0 && items[0].gone)
        due = WR_MIN(due, items[0].time);
    return l->count > 0 ? WR_MIN(due, time_plus(items[0].time, v->reach)) : due;
}

static weir_status
list_arm(wr_versions *v, version_list *l, wr_time due, uint32_t id)
{
    if (due >= l->armed)
        return WEIR_OK;
    l->armed = due;
    return due_push(v, due, id);
}

weir_status
wr_versions_add(wr_versions *v, const wr_row_keys *keys, uint16_t which, const wr_version *version)
{
    uint32_t id, created, made = 0;
    WR_TRY(wr_group_table_find(&v->keys, keys, &which, 1, &id, &created, &made));
    version_list *l = list_of(v, id);
    WR_TRY(list_reserve(v, l));
    bool more = l->count > 0;
    if (made > 0) {
        l->armed = WR_TIME_END;
        l->cut = WR_TIME_START;
    }
    if (version->gone)
        l->cut = WR_MAX(l->cut, version->time);
    list_insert(l, version);
    v->count++;
    /* the new version may push the one before it out, or grow too old itself */
    wr_time due = more || version->gone ? version->time : WR_TIME_END;
    due = WR_MIN(due, time_plus(version->time, v->reach));
    if (more && l->unsorted == 0)
        due = WR_MIN(due, list_due(v, l));
    return list_arm(v, l, due, id);
}

/* How many items of the sorted list lie at or before t (strict: before t). */
static uint32_t
list_search(const version_list *l, wr_time t, bool strict)
{
    const wr_version *items = l->items + l->first;
    uint32_t          low = 0, high = l->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (strict ? items[middle].time < t : items[middle].time <= t)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t
wr_versions_find(wr_versions *v, const wr_row_keys *keys, uint16_t which, wr_time t, bool strict)
{
    uint32_t id;
    wr_group_table_peek(&v->keys, keys, &which, 1, &id);
    if (id == UINT32_MAX)
        return WR_VERSION_NONE;
    version_list *l = list_of(v, id);
    list_sort(l);
    const wr_version *items = l->items + l->first;
    for (uint32_t i = list_search(l, t, strict); i-- > 0;) {
        if (time_plus(items[i].time, v->reach) < t)
            break;
        if (items[i].from <= t)
            return items[i].gone ? WR_VERSION_NONE : items[i].row;
    }
    return WR_VERSION_NONE;
}

wr_version_last
wr_versions_last(wr_versions *v, const wr_row_keys *keys, uint16_t which)
{
    uint32_t id;
    wr_group_table_peek(&v->keys, keys, &which, 1, &id);
    if (id == UINT32_MAX)
        return (wr_version_last){ .time = WR_TIME_START };
    version_list *l = list_of(v, id);
    list_sort(l);
    wr_assert(l->count > 0);
    const wr_version *last = &l->items[l->first + l->count - 1];
    return (wr_version_last){ .time = last->time, .stands = !last->gone };
}

wr_time
wr_versions_cut(const wr_versions *v, const wr_row_keys *keys, uint16_t which)
{
    uint32_t id;
    wr_group_table_peek(&v->keys, keys, &which, 1, &id);
    return id == UINT32_MAX ? WR_TIME_START : list_of(v, id)->cut;
}

/* --- pruning --- */

/* May the first item of the sorted list go? */
static bool
first_goes(const wr_versions *v, const version_list *l, wr_time watermark)
{
    const wr_version *items = l->items + l->first;
    if (l->count == 0)
        return false;
    if (time_plus(items[0].time, v->reach) < watermark ||
        (items[0].gone && items[0].time < watermark))
        return true;
    /* the later one must be seen from the watermark on */
    return l->count > 1 && items[1].time < watermark && items[1].from <= watermark;
}

static weir_status
list_done(wr_versions *v, version_list *l, uint32_t id)
{
    if (l->count > 0) {
        wr_time due = list_due(v, l);
        if (l->count > 1 && !l->items[l->first].gone && l->items[l->first + 1].from > due)
            due = l->items[l->first + 1].from;
        return list_arm(v, l, due, id);
    }
    wr_free(l->items);
    return wr_group_table_remove(&v->keys, id);
}

weir_status
wr_versions_prune(wr_versions *v, wr_time watermark, uint32_t *rows, uint32_t max, uint32_t *count)
{
    *count = 0;
    while (v->due_count > 0 && v->due[0].time < watermark) {
        uint32_t id = v->due[0].key;
        if (*count == max)
            return WEIR_OK;
        version_list *l = list_of(v, id);
        if ((wr_group_table_row(&v->keys, id)->flags & WR_GROUP_DEAD) != 0 ||
            l->armed != v->due[0].time) {
            due_pop(v);
            continue;
        }
        list_sort(l);
        while (*count < max && first_goes(v, l, watermark)) {
            rows[(*count)++] = l->items[l->first].row;
            l->first++;
            l->count--;
            v->count--;
        }
        if (first_goes(v, l, watermark))
            return WEIR_OK; /* the rows are full: the key stays first */
        due_pop(v);
        l->armed = WR_TIME_END;
        WR_TRY(list_done(v, l, id));
    }
    if (wr_group_table_wasteful(&v->keys))
        return wr_group_table_compact(&v->keys, NULL, NULL);
    return WEIR_OK;
}
