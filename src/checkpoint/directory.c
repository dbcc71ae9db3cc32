/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint/directory.c -- names in a store's directory, and its files' writes and removals (see directory_impl.h).
 */
#include "checkpoint/directory_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void (*wr_store_before_io)(const char *what, const char *path);

/* --- files --- */

void
wr_file_before(const char *what, const char *name)
{
    if (wr_store_before_io != NULL)
        wr_store_before_io(what, name);
}

bool
wr_file_write(int fd, const char *name, const void *bytes, size_t length)
{
    const char *at = bytes;
    if (length > 0)
        wr_file_before("write", name);
    while (length > 0) {
        ssize_t n = write(fd, at, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        length -= (size_t)n;
    }
    return true;
}

bool
wr_file_remove(int directory, const char *name)
{
    wr_file_before("unlink", name);
    return unlinkat(directory, name, 0) == 0 || errno == ENOENT;
}

weir_status
wr_file_failed(const char *name, int error, weir_error *err)
{
    bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
    return wr_error_set(err, full ? WEIR_DISK_FULL : WEIR_CHECKPOINT, "cannot write %s: %s", name,
                        strerror(error));
}

/* --- the directory --- */

weir_status
wr_directory_list(int directory, const char *path, DIR **out, weir_error *err)
{
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *out = fd >= 0 ? fdopendir(fd) : NULL;
    if (*out != NULL)
        return WEIR_OK;
    weir_status status =
        wr_error_set(err, WEIR_CHECKPOINT, "cannot list %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return status;
}

static int
ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Room for one number more. */
static bool
numbers_reserve(wr_arena *arena, uint64_t **numbers, uint32_t count, uint32_t *capacity)
{
    if (count < *capacity)
        return true;
    *capacity = WR_MAX(*capacity * 2, 16u);
    uint64_t *grown = wr_arena_alloc(arena, *capacity * sizeof *grown);
    if (grown != NULL && count > 0)
        memcpy(grown, *numbers, count * sizeof *grown);
    *numbers = grown;
    return grown != NULL;
}

weir_status
wr_directory_numbers(int directory, const char *path,
                     bool (*number_of)(const char *name, uint64_t *number), wr_arena *arena,
                     uint64_t **numbers, uint32_t *count, weir_error *err)
{
    DIR *dir;
    uint64_t number;
    uint32_t capacity = 0;
    bool room = true;
    *numbers = NULL;
    *count = 0;
    WR_TRY(wr_directory_list(directory, path, &dir, err));
    for (struct dirent *e; room && (e = readdir(dir)) != NULL;) {
        if (!number_of(e->d_name, &number))
            continue;
        room = numbers_reserve(arena, numbers, *count, &capacity);
        if (room)
            (*numbers)[(*count)++] = number;
    }
    closedir(dir);
    if (!room)
        return wr_error_set(err, WEIR_MEMORY, "no memory to list %s", path);
    if (*count > 0)
        qsort(*numbers, *count, sizeof **numbers, ascending);
    return WEIR_OK;
}

weir_status
wr_directory_sync(int directory, const char *path, weir_error *err)
{
    wr_file_before("fsync", path);
    if (fsync(directory) != 0)
        return wr_error_set(err, WEIR_CHECKPOINT, "cannot sync %s: %s", path, strerror(errno));
    return WEIR_OK;
}
