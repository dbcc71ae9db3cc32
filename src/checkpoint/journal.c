/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint/journal.c -- records beside the checkpoints of a store (see journal.h): putting and making durable.
 *
 * A group commit: what is put while a sync is under way becomes durable by the next one, all of it at once.  A record is
 * a frame: u64 epoch as the frame's sequence; payload: u8 length of the name, the name, the bytes.  Tickets count the bytes of
 * frames put in this run, so that a file's first frame gives those of all that follow it.
 */
#include "checkpoint/journal_impl.h"

#include "checkpoint/directory_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_BYTES = 64 << 20, KEPT_CAPACITY = 1 << 20 };

void
wr_journal_file_name(char name[STORE_NAME_MAX], uint64_t number)
{
    snprintf(name, STORE_NAME_MAX, "undo-%010llu.j", (unsigned long long)number);
}

static bool
file_name_parse(const char *name, uint64_t *number)
{
    unsigned long long n;
    int end = 0;
    if (sscanf(name, "undo-%20llu.j%n", &n, &end) != 1 || end == 0 || name[end] != '\0')
        return false;
    *number = n;
    return true;
}

/* --- opening --- */

static weir_status
files_add(wr_journal *j, journal_file file)
{
    if (j->file_count == j->file_capacity) {
        uint32_t capacity = WR_MAX(8u, 2 * j->file_capacity);
        journal_file *grown = wr_realloc(j->store->budget, j->files, capacity * sizeof *grown);
        if (grown == NULL)
            return WEIR_MEMORY;
        j->files = grown;
        j->file_capacity = capacity;
    }
    j->files[j->file_count++] = file;
    return WEIR_OK;
}

static weir_status
files_list(wr_journal *j, weir_error *err)
{
    wr_arena arena;
    uint64_t *numbers;
    uint32_t count;
    wr_arena_init(&arena, j->store->budget);
    weir_status status = wr_directory_numbers(j->store->directory, j->store->path, file_name_parse,
                                              &arena, &numbers, &count, err);
    for (uint32_t i = 0; status == WEIR_OK && i < count; i++)
        if (files_add(j, (journal_file){ .number = numbers[i] }) != WEIR_OK)
            status = wr_error_set(err, WEIR_MEMORY, "no memory to list %s", j->store->path);
    wr_arena_fini(&arena);
    WR_TRY(status);
    j->old_count = j->file_count;
    j->number = j->first = j->file_count > 0 ? j->files[j->file_count - 1].number + 1 : 1;
    return WEIR_OK;
}

weir_status
wr_journal_open(wr_store *store, wr_journal **out, weir_error *err)
{
    wr_journal *j = wr_calloc(store->budget, 1, sizeof *j);
    if (j == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory to open %s", store->path);
    j->store = store;
    j->fd = -1;
    wr_mutex_init(&j->lock);
    wr_text_init(&j->pending, store->budget);
    wr_text_init(&j->writing, store->budget);
    weir_status status = files_list(j, err);
    if (status != WEIR_OK) {
        wr_journal_close(j);
        return status;
    }
    *out = j;
    return WEIR_OK;
}

void
wr_journal_close(wr_journal *j)
{
    if (j == NULL)
        return;
    if (j->fd >= 0)
        close(j->fd);
    wr_text_fini(&j->pending);
    wr_text_fini(&j->writing);
    wr_free(j->files);
    wr_mutex_fini(&j->lock);
    wr_free(j);
}

bool
wr_journal_is_empty(const wr_journal *j)
{
    return j->old_count == 0;
}

/* --- putting --- */

/* With the lock held: room for a frame of so much. */
static weir_status
pending_reserve(wr_journal *j, size_t payload)
{
    if (wr_text_reserve(&j->pending, wr_frame_bytes(payload)))
        return WEIR_OK;
    j->pending.failed = false; /* what is there is whole */
    return WEIR_MEMORY;
}

bool
wr_journal_has_room(wr_journal *j)
{
    wr_mutex_lock(&j->lock);
    bool has = j->pending.length + j->under_way < WR_JOURNAL_PENDING_BYTES_MAX;
    wr_mutex_unlock(&j->lock);
    return has;
}

weir_status
wr_journal_put(wr_journal *j, const wr_journal_record *r, uint64_t *ticket)
{
    size_t name_length = strlen(r->name), payload = 1 + name_length + r->length;
    wr_assert(name_length <= UINT8_MAX && r->length <= WR_JOURNAL_RECORD_BYTES_MAX);
    wr_mutex_lock(&j->lock);
    weir_status status = pending_reserve(j, payload);
    if (status == WEIR_OK) {
        wr_frame_begin(&j->pending, FRAME_RECORD, r->epoch, payload);
        wr_text_putc(&j->pending, (char)name_length);
        wr_text_append(&j->pending, r->name, name_length);
        wr_text_append(&j->pending, r->bytes, r->length);
        wr_frame_end(&j->pending, payload);
        j->pending_epoch = WR_MAX(j->pending_epoch, r->epoch);
        j->put += wr_frame_bytes(payload);
        atomic_fetch_add_explicit(&j->bytes, wr_frame_bytes(payload), memory_order_relaxed);
        *ticket = j->put;
    }
    wr_mutex_unlock(&j->lock);
    return status;
}

/* With the lock held, room made: a frame that is no record. */
static void
pending_frame(wr_journal *j, frame_type type, const void *payload, size_t length)
{
    wr_frame_begin(&j->pending, type, 0, length);
    wr_text_append(&j->pending, payload, length);
    wr_frame_end(&j->pending, length);
    j->put += wr_frame_bytes(length);
    atomic_fetch_add_explicit(&j->bytes, wr_frame_bytes(length), memory_order_relaxed);
}

weir_status
wr_journal_anew(wr_journal *j)
{
    wr_mutex_lock(&j->lock);
    wr_assert(j->put == 0);
    weir_status status = pending_reserve(j, sizeof j->first);
    if (status == WEIR_OK)
        pending_frame(j, FRAME_ANEW, &j->first, sizeof j->first);
    wr_mutex_unlock(&j->lock);
    return status;
}

weir_status
wr_journal_floor(wr_journal *j, uint64_t *ticket)
{
    wr_mutex_lock(&j->lock);
    weir_status status = pending_reserve(j, sizeof j->first);
    if (status == WEIR_OK) {
        pending_frame(j, FRAME_FLOOR, &j->first, sizeof j->first);
        j->floor = *ticket = j->put;
    }
    wr_mutex_unlock(&j->lock);
    return status;
}

uint64_t
wr_journal_durable(const wr_journal *j)
{
    return atomic_load_explicit(&j->durable, memory_order_acquire);
}

uint64_t
wr_journal_put_so_far(const wr_journal *journal)
{
    wr_journal *j = (wr_journal *)(uintptr_t)journal; /* its lock */
    wr_mutex_lock(&j->lock);
    uint64_t put = j->put;
    wr_mutex_unlock(&j->lock);
    return put;
}

uint64_t
wr_journal_bytes(const wr_journal *j)
{
    return atomic_load_explicit(&j->bytes, memory_order_relaxed);
}

/* --- making durable --- */

/* False: it is still there. */
static bool
file_remove(wr_journal *j, uint64_t number)
{
    char name[STORE_NAME_MAX];
    wr_journal_file_name(name, number);
    return wr_file_remove(j->store->directory, name);
}

/* With the lock held: forget file i. */
static void
files_forget(wr_journal *j, uint32_t i)
{
    j->file_count--;
    memmove(&j->files[i], &j->files[i + 1], (j->file_count - i) * sizeof *j->files);
}

void
wr_journal_forget_from(wr_journal *j, uint32_t i)
{
    wr_mutex_lock(&j->lock);
    for (uint32_t k = j->old_count; k > i; k--)
        if (file_remove(j, j->files[k - 1].number)) {
            files_forget(j, k - 1);
            j->old_count--;
        }
    wr_mutex_unlock(&j->lock);
}

/* A file that takes what is to be written. */
static weir_status
file_ready(wr_journal *j, weir_error *err)
{
    char name[STORE_NAME_MAX];
    if (j->fd >= 0 && j->fd_epoch >= j->writing_epoch && j->fd_bytes < FILE_BYTES)
        return WEIR_OK;
    if (j->fd >= 0)
        close(j->fd);
    wr_journal_file_name(name, j->number);
    wr_file_before("open", name);
    j->fd = openat(j->store->directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (j->fd < 0 && errno == EEXIST) /* one that could not be removed */
        j->number++;
    if (j->fd < 0)
        return wr_file_failed(name, errno, err);
    j->fd_number = j->number++;
    j->fd_epoch = j->writing_epoch;
    j->fd_bytes = 0;
    wr_mutex_lock(&j->lock);
    weir_status status =
        files_add(j, (journal_file){ .number = j->fd_number, .newest = j->fd_epoch });
    wr_mutex_unlock(&j->lock);
    return status == WEIR_OK ? WEIR_OK : wr_error_set(err, status, "no memory to write %s", name);
}

/* J2: where the file begins. */
static bool
file_write_from(wr_journal *j, const char *name)
{
    wr_text            head;
    const journal_from from = { j->first, j->writing_end - j->writing.length };
    wr_text_init(&head, j->store->budget);
    wr_frame_begin(&head, FRAME_FROM, 0, sizeof from);
    wr_text_append(&head, &from, sizeof from);
    wr_frame_end(&head, sizeof from);
    errno = ENOMEM;
    bool written = wr_text_ok(&head) && wr_file_write(j->fd, name, head.data, head.length);
    wr_text_fini(&head);
    return written;
}

static weir_status
file_write(wr_journal *j, weir_error *err)
{
    char name[STORE_NAME_MAX];
    wr_journal_file_name(name, j->fd_number);
    if ((j->fd_bytes == 0 && !file_write_from(j, name)) ||
        !wr_file_write(j->fd, name, j->writing.data, j->writing.length))
        return wr_file_failed(name, errno, err);
    wr_file_before("fdatasync", name);
    if (fdatasync(j->fd) != 0)
        return wr_file_failed(name, errno, err);
    return j->fd_bytes == 0 ? wr_directory_sync(j->store->directory, j->store->path, err) : WEIR_OK;
}

/* J2.  One in which nothing is durable yet goes at once: a disk that is full would be full of them. */
static void
file_abandon(wr_journal *j)
{
    if (j->fd < 0)
        return;
    close(j->fd);
    j->fd = -1;
    if (j->fd_bytes > 0)
        return;
    (void) file_remove(j, j->fd_number);
    wr_mutex_lock(&j->lock);
    if (j->file_count > 0 && j->files[j->file_count - 1].number == j->fd_number)
        files_forget(j, j->file_count - 1);
    wr_mutex_unlock(&j->lock);
}

/* What was there at open does not count any more, once the floor is durable.  False: some of it is still there, and the file
 * with the floor has to be. */
static bool
old_files_remove(wr_journal *j)
{
    wr_mutex_lock(&j->lock);
    for (uint32_t i = j->old_count; i > 0 && j->floor != 0 && wr_journal_durable(j) >= j->floor; i--)
        if (file_remove(j, j->files[i - 1].number)) {
            files_forget(j, i - 1);
            j->old_count--;
        }
    bool gone = j->old_count == 0;
    wr_mutex_unlock(&j->lock);
    return gone;
}

weir_status
wr_journal_sync(wr_journal *j, weir_error *err)
{
    wr_mutex_lock(&j->lock);
    if (j->writing.length == 0) { /* else it failed before */
        wr_text empty = j->writing;
        j->writing = j->pending;
        j->pending = empty;
        j->under_way = j->writing.length;
        j->writing_epoch = j->pending_epoch;
        j->writing_end = j->put;
    }
    wr_mutex_unlock(&j->lock);
    if (j->writing.length == 0)
        return WEIR_OK;
    weir_status status = file_ready(j, err);
    if (status == WEIR_OK)
        status = file_write(j, err);
    if (status != WEIR_OK) {
        file_abandon(j);
        return status;
    }
    const uint64_t from = wr_frame_bytes(sizeof(journal_from));
    if (j->fd_bytes == 0)
        atomic_fetch_add_explicit(&j->bytes, from, memory_order_relaxed);
    wr_mutex_lock(&j->lock);
    j->fd_bytes += j->writing.length;
    if (j->file_count > 0 && j->files[j->file_count - 1].number == j->fd_number)
        j->files[j->file_count - 1].bytes = from + j->fd_bytes;
    if (j->writing.capacity > KEPT_CAPACITY)
        wr_text_fini(&j->writing);
    else
        wr_text_clear(&j->writing);
    j->under_way = 0;
    wr_mutex_unlock(&j->lock);
    atomic_store_explicit(&j->durable, j->writing_end, memory_order_release);
    (void) old_files_remove(j);
    return WEIR_OK;
}

/* A file none of whose records counts any more is forgotten; its number, 0: none. */
static uint64_t
files_take_old(wr_journal *j, wr_epoch oldest)
{
    uint64_t number = 0;
    wr_mutex_lock(&j->lock);
    for (uint32_t i = j->old_count; i < j->file_count && number == 0; i++) {
        journal_file f = j->files[i];
        if (f.newest >= oldest || f.bytes == 0) /* being written */
            continue;
        number = f.number;
        atomic_fetch_sub_explicit(&j->bytes, f.bytes, memory_order_relaxed);
        files_forget(j, i);
    }
    wr_mutex_unlock(&j->lock);
    return number;
}

void
wr_journal_drop(wr_journal *j, wr_epoch oldest)
{
    if (!old_files_remove(j))
        return;
    for (uint64_t number; (number = files_take_old(j, oldest)) != 0;)
        (void) file_remove(j, number); /* else its epochs say that it does not count */
}
