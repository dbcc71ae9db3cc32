/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/zone.c -- time zones from the system's TZif files (RFC 8536).
 *
 * Place       timestamps in text, AT TIME ZONE.
 * State       a pool in BSS that zones are read into and never leave: about 2 KB a zone, and the
 *             system's files, with all their links, fill less than half of it.  Being part of the
 *             image it charges no budget, costs nothing until a zone is used, and needs no release.
 * Invariants  Z1  a name reaches only files below ZONE_DIRECTORY: letters, digits, + - _ and single
 *                 slashes, no part that begins with a point
 *             Z2  a zone found once is found at the same address ever after
 * Cost        a lookup is one hash probe; an offset one binary search, or the rule of the footer; a
 *             name that is no zone costs a lock and a probe of the list of files.
 * Threads: any.  Readers take no lock: slots are published by a release store.
 */
#include "data/datetime_impl.h"

#include "base/hash.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#define ZONE_DIRECTORY "/usr/share/zoneinfo"
enum {
    NAME_MAX_BYTES = 64,
    SLOTS = 2048,
    FILE_SLOTS = 4096,
    POOL_BYTES = 4 << 20,
    FILE_MAX = 64 * 1024
};

/* A day of the year on which summer time begins or ends, as a POSIX TZ string has it. */
typedef struct rule_day {
    char form; /* 'M': month.week.day, 'J': 1..365 without leap days, 'N': 0..365 */
    int month, week, day;
    int32_t seconds; /* local time of the change */
} rule_day;

struct wr_zone {
    char name[NAME_MAX_BYTES]; /* lower case */
    uint32_t count;
    const int64_t *times; /* seconds since 1970 at which kinds[i] begins */
    const uint8_t *kinds;
    const int32_t *offsets; /* by kind; kind 0 holds before the first time */
    bool has_rule, has_summer;
    int32_t winter_offset, summer_offset;
    rule_day summer_begins, summer_ends;
};

/* A zone of one offset has no struct: the pointer is the offset itself, made odd. */
static const wr_zone *
zone_fixed(int32_t offset)
{
    return (const wr_zone *)(((uintptr_t)(uint32_t)offset << 1) | 1);
}

static bool
zone_is_fixed(const wr_zone *zone, int32_t *offset)
{
    *offset = (int32_t)(uint32_t)((uintptr_t)zone >> 1);
    return ((uintptr_t)zone & 1) != 0;
}

/* ---- the pool ---- */

static _Alignas(16) char pool[POOL_BYTES];
static size_t pool_used;
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(const wr_zone *) slots[SLOTS];
static const char *file_names[FILE_SLOTS]; /* by lower-case name */

static void *
pool_alloc(size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t)15;
    if (bytes > POOL_BYTES - pool_used)
        return NULL;
    void *p = pool + pool_used;
    pool_used += bytes;
    return p;
}

/* The slot of name: its zone's, or the empty one where it would go; NULL when all are taken. */
static _Atomic(const wr_zone *) *
slot_of(const char *name, size_t length)
{
    size_t at = (size_t)wr_hash_bytes(name, length) % SLOTS;
    for (size_t i = 0; i < SLOTS; i++, at = (at + 1) % SLOTS) {
        const wr_zone *z = atomic_load_explicit(&slots[at], memory_order_acquire);
        if (z == NULL || strcmp(z->name, name) == 0)
            return &slots[at];
    }
    return NULL;
}

/* ---- POSIX TZ strings: "EST5EDT,M3.2.0,M11.1.0", "<+03>-3" ---- */

static bool
rule_number(const char **p, int max, int *out)
{
    int n = 0;
    if (!isdigit((unsigned char)**p))
        return false;
    for (; isdigit((unsigned char)**p); (*p)++)
        if ((n = n * 10 + (**p - '0')) > max)
            return false;
    *out = n;
    return true;
}

/* [+-]h[:mm[:ss]] */
static bool
rule_clock(const char **p, int hour_max, int32_t *seconds)
{
    int hour, minute = 0, second = 0;
    bool negative = **p == '-';
    *p += **p == '-' || **p == '+';
    if (!rule_number(p, hour_max, &hour))
        return false;
    if (**p == ':' && (++*p, !rule_number(p, 59, &minute)))
        return false;
    if (**p == ':' && (++*p, !rule_number(p, 59, &second)))
        return false;
    *seconds = hour * 3600 + minute * 60 + second;
    if (negative)
        *seconds = -*seconds;
    return true;
}

static bool
rule_name(const char **p)
{
    const char *start = *p;
    if (**p == '<') {
        while (**p != '>' && **p != '\0')
            ++*p;
        return *(*p)++ == '>';
    }
    while (isalpha((unsigned char)**p))
        ++*p;
    return *p - start >= 3;
}

static bool
rule_day_read(const char **p, rule_day *d)
{
    *d = (rule_day){ .form = 'N', .seconds = 7200 };
    if (**p == 'M') {
        d->form = *(*p)++;
        if (!rule_number(p, 12, &d->month) || d->month < 1 || *(*p)++ != '.' ||
            !rule_number(p, 5, &d->week) || d->week < 1 || *(*p)++ != '.' ||
            !rule_number(p, 6, &d->day))
            return false;
    } else {
        if (**p == 'J')
            d->form = *(*p)++;
        if (!rule_number(p, 365, &d->day))
            return false;
    }
    if (**p == '/') {
        ++*p;
        return rule_clock(p, 167, &d->seconds);
    }
    return true;
}

static bool
rule_read(const char *p, wr_zone *z)
{
    int32_t west;
    if (!rule_name(&p) || !rule_clock(&p, 24, &west))
        return false;
    z->winter_offset = z->summer_offset = -west;
    z->has_summer = *p != '\0';
    if (!z->has_summer)
        return true;
    if (!rule_name(&p))
        return false;
    z->summer_offset = z->winter_offset + 3600;
    if (*p != ',' && *p != '\0') {
        if (!rule_clock(&p, 24, &west))
            return false;
        z->summer_offset = -west;
    }
    return *p++ == ',' && rule_day_read(&p, &z->summer_begins) && *p++ == ',' &&
           rule_day_read(&p, &z->summer_ends) && *p == '\0';
}

/* Seconds since 1970, local time, of the change in a year. */
static int64_t
rule_day_at(const rule_day *d, int64_t year)
{
    int64_t day;
    if (d->form == 'M') {
        day = wr_days_from_civil(year, d->month, 1);
        int weekday = (int)(((day + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
        int first = (d->day - weekday + 7) % 7, last = wr_month_days(year, d->month) - 1;
        int in_month = first + (d->week - 1) * 7;
        day += in_month > last ? in_month - 7 : in_month;
    } else {
        day = wr_days_from_civil(year, 1, 1);
        day += d->form == 'N' ? d->day : d->day - 1 + (wr_year_is_leap(year) && d->day >= 60);
    }
    return day * 86400 + d->seconds;
}

static int32_t
rule_offset_at(const wr_zone *z, int64_t seconds)
{
    wr_civil c;
    if (!z->has_summer)
        return z->winter_offset;
    wr_civil_from_time((seconds + z->winter_offset) * WR_US_PER_SECOND, &c);
    int64_t begins = rule_day_at(&z->summer_begins, c.year) - z->winter_offset;
    int64_t ends = rule_day_at(&z->summer_ends, c.year) - z->summer_offset;
    bool summer =
        begins < ends ? seconds >= begins && seconds < ends : seconds >= begins || seconds < ends;
    return summer ? z->summer_offset : z->winter_offset;
}

/* ---- TZif ---- */

static uint32_t
read_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

typedef struct tzif_block {
    uint32_t isut, isstd, leap, times, kinds, chars;
    size_t bytes; /* of the data, after the header */
} tzif_block;

/* A header at p, and that its data lie within `left`. */
static bool
tzif_block_read(const uint8_t *p, size_t left, size_t time_bytes, tzif_block *b)
{
    if (left < 44 || memcmp(p, "TZif", 4) != 0)
        return false;
    *b = (tzif_block){ read_u32(p + 20),
                       read_u32(p + 24),
                       read_u32(p + 28),
                       read_u32(p + 32),
                       read_u32(p + 36),
                       read_u32(p + 40),
                       0 };
    if (b->times > FILE_MAX || b->kinds > 256 || b->chars > FILE_MAX || b->leap > FILE_MAX ||
        b->isstd > 256 || b->isut > 256)
        return false;
    b->bytes = b->times * (time_bytes + 1) + b->kinds * 6 + b->chars + b->leap * (time_bytes + 4) +
               b->isstd + b->isut;
    return b->bytes <= left - 44;
}

/* Times, kinds and offsets of a version 2 block whose data begin at p. */
static bool
tzif_fill(const uint8_t *p, const tzif_block *b, wr_zone *z)
{
    int64_t *times = pool_alloc(b->times * sizeof *times);
    uint8_t *kinds = pool_alloc(b->times);
    int32_t *offsets = pool_alloc(b->kinds * sizeof *offsets);
    if (times == NULL || kinds == NULL || offsets == NULL)
        return false;
    for (uint32_t i = 0; i < b->times; i++, p += 8) {
        times[i] = (int64_t)((uint64_t)read_u32(p) << 32 | read_u32(p + 4));
        if (i > 0 && times[i] <= times[i - 1])
            return false;
    }
    for (uint32_t i = 0; i < b->times; i++)
        if ((kinds[i] = *p++) >= b->kinds)
            return false;
    for (uint32_t i = 0; i < b->kinds; i++, p += 6) {
        offsets[i] = (int32_t)read_u32(p);
        if (offsets[i] < -93600 || offsets[i] > 93600)
            return false;
    }
    z->count = b->times;
    z->times = times;
    z->kinds = kinds;
    z->offsets = offsets;
    return true;
}

static bool
zone_decode(const uint8_t *p, size_t bytes, wr_zone *z)
{
    tzif_block block;
    const uint8_t *end = p + bytes;
    if (!tzif_block_read(p, bytes, 4, &block) || p[4] < '2')
        return false;
    p += 44 + block.bytes;
    if (!tzif_block_read(p, (size_t)(end - p), 8, &block) || block.leap > 0 || block.kinds == 0)
        return false;
    if (!tzif_fill(p + 44, &block, z))
        return false;
    p += 44 + block.bytes;
    char footer[128];
    size_t length = 0;
    if (p < end && *p++ == '\n')
        while (p < end && *p != '\n' && length < sizeof footer - 1)
            footer[length++] = (char)*p++;
    footer[length] = '\0';
    z->has_rule = length > 0 && rule_read(footer, z);
    return length == 0 || z->has_rule;
}

/* ---- files ---- */

/* Z1 */
static bool
name_is_safe(const char *name, size_t length)
{
    if (length == 0 || length >= NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c == '/' && (i == 0 || i == length - 1 || name[i - 1] == '/'))
            return false;
        if (!isalnum(c) && c != '/' && c != '_' && c != '+' && c != '-')
            return false;
    }
    return strncasecmp(name, "right/", 6) != 0; /* those count leap seconds */
}

/* The slot of a lower-case name among the files: its spelling on disk, or the empty place for it.
 */
static const char **
file_slot(const char *key)
{
    size_t at = (size_t)wr_hash_bytes(key, strlen(key)) % FILE_SLOTS;
    while (file_names[at] != NULL && strcasecmp(file_names[at], key) != 0)
        at = (at + 1) % FILE_SLOTS;
    return &file_names[at];
}

static void
file_add(const char *name)
{
    char key[NAME_MAX_BYTES];
    size_t length = strlen(name);
    for (size_t i = 0; i <= length; i++)
        key[i] = (char)tolower((unsigned char)name[i]);
    const char **slot = file_slot(key);
    char *copy = *slot == NULL ? pool_alloc(length + 1) : NULL;
    if (copy != NULL)
        *slot = memcpy(copy, name, length + 1);
}

/* All files below ZONE_DIRECTORY/prefix, at most two directories down. */
static void
files_list(const char *prefix, int depth, int *left)
{
    char path[sizeof ZONE_DIRECTORY + 1 + NAME_MAX_BYTES];
    snprintf(path, sizeof path, ZONE_DIRECTORY "/%s", prefix);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return;
    for (struct dirent *e; *left > 0 && (e = readdir(dir)) != NULL;) {
        char name[NAME_MAX_BYTES];
        int length = snprintf(name, sizeof name, "%s%s", prefix, e->d_name);
        if (length < 0 || length >= NAME_MAX_BYTES - 1 || !name_is_safe(name, (size_t)length))
            continue;
        if (e->d_type == DT_DIR && depth < 2) {
            memcpy(name + length, "/", 2);
            files_list(name, depth + 1, left);
        } else if (e->d_type != DT_DIR) {
            file_add(name);
            --*left;
        }
    }
    closedir(dir);
}

/* Opens the file of a name in any case; -1 when there is none.  Exact names go straight to the
 * disk; the list is made for the first that is not there, so that wrong names cost no more than a
 * probe. */
static int
zone_open(const char *name, const char *key)
{
    char path[sizeof ZONE_DIRECTORY + 1 + NAME_MAX_BYTES];
    static bool listed;
    if (!listed) {
        snprintf(path, sizeof path, ZONE_DIRECTORY "/%s", name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
            return fd;
        int left = FILE_SLOTS / 2;
        files_list("", 0, &left);
        listed = true;
    }
    const char *file = *file_slot(key);
    if (file == NULL)
        return -1;
    snprintf(path, sizeof path, ZONE_DIRECTORY "/%s", file);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* Under the lock: nobody else uses the buffer.  The list of files may grow the pool, so what a bad
 * file took is given back only from after the reading. */
static const wr_zone *
zone_load(const char *name, const char *key)
{
    static uint8_t bytes[FILE_MAX];
    int fd = zone_open(name, key);
    size_t length = 0;
    ssize_t got = 0;
    if (fd < 0)
        return NULL;
    while (length < sizeof bytes && (got = read(fd, bytes + length, sizeof bytes - length)) > 0)
        length += (size_t)got;
    close(fd);
    size_t before = pool_used;
    wr_zone *z = pool_alloc(sizeof *z);
    if (z != NULL) {
        memset(z, 0, sizeof *z);
        memcpy(z->name, key, strlen(key) + 1);
    }
    if (z == NULL || got != 0 || !zone_decode(bytes, length, z)) {
        pool_used = before;
        return NULL;
    }
    return z;
}

static const wr_zone *
zone_get(const char *name, size_t length)
{
    char key[NAME_MAX_BYTES];
    if (!name_is_safe(name, length))
        return NULL;
    for (size_t i = 0; i < length; i++)
        key[i] = (char)tolower((unsigned char)name[i]);
    key[length] = '\0';
    _Atomic(const wr_zone *) *slot = slot_of(key, length);
    const wr_zone *found = slot != NULL ? atomic_load(slot) : NULL;
    if (found != NULL || slot == NULL)
        return found;
    char given[NAME_MAX_BYTES];
    memcpy(given, name, length);
    given[length] = '\0';
    pthread_mutex_lock(&pool_lock);
    slot = slot_of(key, length);
    found = slot != NULL ? atomic_load(slot) : NULL;
    if (slot != NULL && found == NULL) {
        found = zone_load(given, key);
        if (found != NULL)
            atomic_store_explicit(slot, found, memory_order_release); /* Z2 */
    }
    pthread_mutex_unlock(&pool_lock);
    return found;
}

const wr_zone *
wr_zone_find(const char *name, size_t length)
{
    int32_t offset;
    char text[NAME_MAX_BYTES];
    if (wr_zone_abbreviation(name, length, &offset))
        return zone_fixed(offset);
    const wr_zone *zone = zone_get(name, length);
    if (zone != NULL || length == 0 || length >= sizeof text || memchr(name, '\0', length) != NULL)
        return zone;
    /* "UTC+3", "+03": POSIX's spelling, where the offset counts west. */
    memcpy(text, name, length);
    text[length] = '\0';
    const char *p = text;
    if (isalpha((unsigned char)*p) || *p == '<')
        if (!rule_name(&p))
            return NULL;
    return rule_clock(&p, 24, &offset) && *p == '\0' ? zone_fixed(-offset) : NULL;
}

/* ---- offsets ---- */

int32_t
wr_zone_offset_at(const wr_zone *z, wr_time utc)
{
    int32_t fixed;
    if (zone_is_fixed(z, &fixed))
        return fixed;
    int64_t seconds = utc / WR_US_PER_SECOND - (utc % WR_US_PER_SECOND < 0);
    if (z->has_rule && (z->count == 0 || seconds >= z->times[z->count - 1]))
        return rule_offset_at(z, WR_MAX(WR_MIN(seconds, 1ll << 43), -(1ll << 43)));
    if (z->count == 0 || seconds < z->times[0])
        return z->offsets[0];
    uint32_t low = 0, high = z->count; /* times[low] <= seconds < times[high] */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (z->times[middle] <= seconds)
            low = middle;
        else
            high = middle;
    }
    return z->offsets[z->kinds[low]];
}

bool
wr_zone_is_constant(const wr_zone *z)
{
    int32_t fixed;
    if (zone_is_fixed(z, &fixed))
        return true;
    for (uint32_t i = 0; i < z->count; i++)
        if (z->offsets[z->kinds[i]] != z->offsets[0])
            return false;
    return !z->has_rule || (!z->has_summer && (z->count == 0 || z->winter_offset == z->offsets[0]));
}

void
wr_zone_offsets(const wr_zone *z, int32_t *least, int32_t *most)
{
    if (zone_is_fixed(z, least)) {
        *most = *least;
        return;
    }
    *least = *most = z->offsets[0];
    for (uint32_t i = 0; i < z->count; i++) {
        *least = WR_MIN(*least, z->offsets[z->kinds[i]]);
        *most = WR_MAX(*most, z->offsets[z->kinds[i]]);
    }
    if (z->has_rule) {
        *least = WR_MIN(*least, z->winter_offset);
        *most = WR_MAX(*most, z->winter_offset);
    }
    if (z->has_rule && z->has_summer) {
        *least = WR_MIN(*least, z->summer_offset);
        *most = WR_MAX(*most, z->summer_offset);
    }
}

wr_time
wr_zone_to_utc(const wr_zone *z, wr_time local)
{
    if (!wr_time_in_range(local))
        return local;
    int32_t before = wr_zone_offset_at(z, local - WR_US_PER_DAY);
    int32_t after =
        wr_zone_offset_at(z, WR_MIN(local, WR_TIME_POSINF - WR_US_PER_DAY) + WR_US_PER_DAY);
    wr_time by_before = local - before * WR_US_PER_SECOND,
            by_after = local - after * WR_US_PER_SECOND;
    if (before == after)
        return by_before;
    /* Around a change: a time that exists twice is the later one (winter time), a time that the
     * clocks skipped is counted as if they had not. */
    if (wr_zone_offset_at(z, by_after) == after)
        return by_after;
    return by_before;
}
