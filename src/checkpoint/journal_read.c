/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint/journal_read.c -- reading back what a journal says (see journal.h: J1, J4).
 *
 * The newest file that has a floor says which files count.  It was put behind what took the older files' place: where
 * that is torn there is no floor, and the older files count still.
 */
#include "checkpoint/journal_impl.h"

#include <string.h>

static weir_status
file_read(wr_journal *j, uint64_t number, wr_arena *arena, const char **bytes, size_t *length,
          weir_error *err)
{
    char name[STORE_NAME_MAX];
    wr_text why;
    wr_journal_file_name(name, number);
    wr_text_init(&why, j->store->budget);
    bool read = wr_store_read_file(j->store, name, UINT64_MAX, arena, bytes, length, &why);
    weir_status status = read ? WEIR_OK : arena->failed ? WEIR_MEMORY : WEIR_CHECKPOINT;
    if (!read)
        (void)wr_error_set(err, status, "%s/%s", j->store->path, wr_text_string(&why));
    wr_text_fini(&why);
    return status;
}

/* The floor that stands in a file's bytes; 0: none. */
static uint64_t
floor_in(const char *bytes, size_t length)
{
    frame f;
    size_t at = 0;
    uint64_t floor = 0;
    while (wr_frame_next(bytes, length, &at, &f))
        if (f.type == FRAME_FLOOR && f.length == sizeof floor)
            memcpy(&floor, f.payload, sizeof floor);
    return floor;
}

/* *after: how many files there are up to the newest that has a floor. */
static weir_status
find_floor(wr_journal *j, uint64_t *floor, uint32_t *after, weir_error *err)
{
    *floor = 0;
    *after = 0;
    for (uint32_t i = j->old_count; i > 0 && *floor == 0; i--) {
        wr_arena arena;
        const char *bytes;
        size_t length;
        wr_arena_init(&arena, j->store->budget);
        weir_status status = file_read(j, j->files[i - 1].number, &arena, &bytes, &length, err);
        if (status == WEIR_OK)
            *floor = floor_in(bytes, length);
        *after = *floor != 0 ? i : 0;
        wr_arena_fini(&arena);
        WR_TRY(status);
    }
    return WEIR_OK;
}

typedef weir_status record_visit(void *user, const wr_journal_record *record);

/* How far a run's frames have been read. */
typedef struct reading {
    uint64_t run, reached; /* ticket */
    uint64_t at;           /* ticket of what was read last of this file */
    bool counted;          /* false: its tickets are not known          */
} reading;

/* J2: false: it was read in the file before. */
static bool
frame_is_new(reading *r, const frame *f, size_t bytes)
{
    journal_from from;
    if (f->type == FRAME_FROM && f->length == sizeof from) {
        memcpy(&from, f->payload, sizeof from);
        r->reached = from.run == r->run ? r->reached : 0;
        r->run = from.run;
        r->at = from.ticket;
        r->counted = true;
        return false;
    }
    r->at += bytes;
    if (!r->counted)
        return true;
    bool is_new = r->at > r->reached;
    r->reached = WR_MAX(r->at, r->reached);
    return is_new;
}

static weir_status
frame_visit(const frame *f, record_visit *visit, void *user)
{
    char name[UINT8_MAX + 1];
    size_t name_length = f->length > 0 ? (unsigned char)f->payload[0] : 0;
    if (f->type != FRAME_RECORD || f->length < 1 + name_length)
        return WEIR_OK; /* a floor */
    memcpy(name, f->payload + 1, name_length);
    name[name_length] = '\0';
    return visit(user, &(wr_journal_record){ .name = name,
                                             .epoch = f->sequence,
                                             .bytes = f->payload + 1 + name_length,
                                             .length = f->length - 1 - name_length });
}

/* J5: another one's records were put behind those that are read: it did not come to its floor. */
static bool
begins_anew(const char *bytes, size_t length)
{
    frame f;
    size_t at = 0;
    bool there = wr_frame_next(bytes, length, &at, &f);
    if (there && f.type == FRAME_FROM)
        there = wr_frame_next(bytes, length, &at, &f);
    return there && f.type == FRAME_ANEW;
}

/* may_end: where it begins anew.  *over: so it does, and does not count, nor does what follows. */
static weir_status
file_visit(wr_journal *j, uint64_t number, bool may_end, bool *over, reading *r, record_visit *visit, void *user,
           wr_text *told, weir_error *err)
{
    wr_arena arena;
    const char *bytes;
    size_t length, at;
    frame f;
    char name[STORE_NAME_MAX];
    wr_arena_init(&arena, j->store->budget);
    weir_status status = file_read(j, number, &arena, &bytes, &length, err);
    *over = status == WEIR_OK && may_end && begins_anew(bytes, length);
    at = *over ? length : 0;
    r->counted = false;
    for (size_t was = at; status == WEIR_OK && wr_frame_next(bytes, length, &at, &f); was = at) {
        if (frame_is_new(r, &f, at - was))
            status = frame_visit(&f, visit, user);
        if (status != WEIR_OK)
            (void)wr_error_set(err, status, "cannot read what the sinks were told: %s",
                               weir_status_text(status));
    }
    if (status == WEIR_OK && at != length) {
        wr_journal_file_name(name, number);
        wr_text_printf(told, "%s%s: %zu of %zu bytes cannot be read", told->length > 0 ? "; " : "",
                       name, length - at, length);
    }
    wr_arena_fini(&arena);
    return status;
}

weir_status
wr_journal_read(wr_journal *j, record_visit *visit, void *user, wr_text *told, weir_error *err)
{
    uint64_t floor;
    uint32_t after;
    reading r = { 0 };
    bool seen = false, over = false;
    WR_TRY(find_floor(j, &floor, &after, err));
    for (uint32_t i = 0; i < j->old_count && !over; i++) {
        if (j->files[i].number < floor)
            continue;
        WR_TRY(file_visit(j, j->files[i].number, seen && i >= after, &over, &r, visit, user, told, err));
        seen = true;
        if (over)
            wr_journal_forget_from(j, i);
    }
    return WEIR_OK;
}
