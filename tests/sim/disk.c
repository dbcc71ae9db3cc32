/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/disk.c -- a disk in memory that keeps no more than it promised.
 *
 * Place       the linker sends the calls that the checkpoint store makes (open, write, fdatasync, rename ...) here
 *             (--wrap); those on other paths and descriptors go on to the system.
 * Model       what was written is there for whoever reads until the crash.  After it: of a file, what fdatasync
 *             covered, and of the rest any 512-byte sectors, or none, or a shorter file; of the directory, what fsync covered, and
 *             of the creations, renames and removals since either the first so many or any of them.  An fdatasync that
 *             failed has marked the pages clean: the next one keeps nothing and says that all is well.
 * Faults      EIO and ENOSPC by chance, from reads and everything else; a crash at the n-th operation, a write then
 *             being half done; a flipped bit while nobody looks.
 */
#include "sim/sim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FD_BASE = 1 << 20, HANDLES_MAX = 64, ENTRIES_MAX = 4096, NAME_MAX_BYTES = 96, SECTOR = 512 };

typedef struct inode {
    struct inode *next; /* of all there ever were */
    char         *data, *kept;
    size_t        size, kept_size, capacity;
    bool          clean; /* an fdatasync has nothing to do */
} inode;

typedef struct entry {
    char   name[NAME_MAX_BYTES];
    inode *file;
} entry;

typedef struct listing {
    entry    entries[ENTRIES_MAX];
    uint32_t count;
} listing;

typedef enum pending_kind { PENDING_CREATE, PENDING_RENAME, PENDING_UNLINK } pending_kind;
typedef struct pending {
    pending_kind kind;
    char         name[NAME_MAX_BYTES], to[NAME_MAX_BYTES];
    inode       *file;
} pending;

typedef struct handle {
    bool          used, directory;
    inode        *file;
    size_t        at;
    entry        *listed; /* of a directory stream: what it found when it began */
    uint32_t      listed_count, listed_at;
    struct dirent found;
} handle;

struct sim_disk {
    sim_world      *world;
    inode          *inodes;
    listing         live, kept;
    pending        *pending;
    uint32_t        pending_count, pending_capacity;
    handle          handles[HANDLES_MAX];
    uint64_t        operations;
    sim_disk_faults faults;
};

static sim_disk *disk; /* the one in use */

/* --- files and listings --- */

static void *
sim_alloc(void *old, size_t bytes)
{
    void *p = realloc(old, bytes > 0 ? bytes : 1);
    if (p == NULL)
        abort();
    return p;
}

static inode *
inode_create(sim_disk *d)
{
    inode *f = sim_alloc(NULL, sizeof *f);
    memset(f, 0, sizeof *f);
    f->next = d->inodes;
    d->inodes = f;
    return f;
}

static void
inode_resize(inode *f, size_t size)
{
    if (size > f->capacity) {
        f->capacity = size + size / 2 + 256;
        f->data = sim_alloc(f->data, f->capacity);
    }
    if (size > f->size)
        memset(f->data + f->size, 0, size - f->size);
    f->size = size;
    f->clean = false;
}

static void
inode_keep(inode *f)
{
    f->kept = sim_alloc(f->kept, f->size);
    if (f->size > 0)
        memcpy(f->kept, f->data, f->size);
    f->kept_size = f->size;
}

static entry *
entry_find(listing *l, const char *name)
{
    for (uint32_t i = 0; i < l->count; i++)
        if (strcmp(l->entries[i].name, name) == 0)
            return &l->entries[i];
    return NULL;
}

static void
entry_put(listing *l, const char *name, inode *file)
{
    entry *e = entry_find(l, name);
    if (e == NULL) {
        wr_assert(l->count < ENTRIES_MAX);
        e = &l->entries[l->count++];
        snprintf(e->name, sizeof e->name, "%s", name);
    }
    e->file = file;
}

static void
entry_remove(listing *l, const char *name)
{
    entry *e = entry_find(l, name);
    if (e == NULL)
        return;
    memmove(e, e + 1, (size_t) (&l->entries[l->count] - (e + 1)) * sizeof *e);
    l->count--;
}

static void
listing_copy(listing *to, const listing *from)
{
    memcpy(to->entries, from->entries, from->count * sizeof from->entries[0]);
    to->count = from->count;
}

static void
listing_apply(listing *l, const pending *p)
{
    switch (p->kind) {
    case PENDING_CREATE: entry_put(l, p->name, p->file); break;
    case PENDING_RENAME:
        entry_remove(l, p->name);
        entry_put(l, p->to, p->file);
        break;
    case PENDING_UNLINK: entry_remove(l, p->name); break;
    }
}

static void
directory_change(sim_disk *d, pending_kind kind, const char *name, const char *to, inode *file)
{
    if (d->pending_count == d->pending_capacity) {
        d->pending_capacity = d->pending_capacity * 2 + 64;
        d->pending = sim_alloc(d->pending, d->pending_capacity * sizeof *d->pending);
    }
    pending *p = &d->pending[d->pending_count++];
    *p = (pending){ .kind = kind, .file = file };
    snprintf(p->name, sizeof p->name, "%s", name);
    snprintf(p->to, sizeof p->to, "%s", to);
    listing_apply(&d->live, p);
}

/* --- life --- */

sim_disk *
sim_disk_create(sim_world *w)
{
    sim_disk *d = calloc(1, sizeof *d); /* its listings are large and nearly empty */
    if (d == NULL)
        abort();
    d->world = w;
    return d;
}

void
sim_disk_destroy(sim_disk *d)
{
    for (inode *f = d->inodes, *next; f != NULL; f = next) {
        next = f->next;
        free(f->data);
        free(f->kept);
        free(f);
    }
    if (disk == d)
        disk = NULL;
    sim_disk_reopen(d);
    free(d->pending);
    free(d);
}

void
sim_disk_use(sim_disk *d)
{
    disk = d;
}

sim_disk_faults *
sim_disk_set(sim_disk *d)
{
    return &d->faults;
}

uint64_t
sim_disk_operations(const sim_disk *d)
{
    return d->operations;
}

void
sim_disk_reopen(sim_disk *d)
{
    for (int i = 0; i < HANDLES_MAX; i++)
        free(d->handles[i].listed);
    memset(d->handles, 0, sizeof d->handles);
}

/* --- crashes --- */

/* What is left of a file that was not synced. */
static void
inode_tear(sim_disk *d, inode *f)
{
    sim_world *w = d->world;
    bool       same = f->size == f->kept_size && (f->size == 0 || memcmp(f->data, f->kept, f->size) == 0);
    int64_t    how = same ? 0 : sim_below(w, 4);
    size_t     least = WR_MIN(f->size, f->kept_size), most = WR_MAX(f->size, f->kept_size);
    if (same)
        return;
    sim_saw(w, SIM_DISK_TORN);
    if (how == 0) { /* nothing of it */
        inode_resize(f, f->kept_size);
        if (f->kept_size > 0)
            memcpy(f->data, f->kept, f->kept_size);
        return;
    }
    if (how == 1) /* all of it */
        return;
    size_t size = how == 2 ? f->size : least + (size_t) sim_below(w, (int64_t) (most - least) + 1);
    inode_resize(f, size);
    for (size_t at = 0; at < size; at += SECTOR) {
        size_t n = WR_MIN((size_t) SECTOR, size - at);
        if (sim_chance(w, 8))
            continue;
        size_t old = at < f->kept_size ? WR_MIN(n, f->kept_size - at) : 0;
        if (old > 0)
            memcpy(f->data + at, f->kept + at, old);
        memset(f->data + at + old, 0, n - old);
    }
}

void
sim_disk_crash(sim_disk *d)
{
    sim_world *w = d->world;
    bool       any = sim_chance(w, 8);
    uint32_t   first = (uint32_t) sim_below(w, (int64_t) d->pending_count + 1), lost = 0;
    for (uint32_t i = 0; i < d->pending_count; i++) {
        bool there = any ? sim_chance(w, 8) : i < first;
        lost += !there;
        if (there)
            listing_apply(&d->kept, &d->pending[i]);
    }
    if (lost > 0)
        sim_saw(w, SIM_DISK_ENTRY_LOST);
    d->pending_count = 0;
    listing_copy(&d->live, &d->kept);
    for (uint32_t i = 0; i < d->live.count; i++) {
        inode *f = d->live.entries[i].file;
        inode_tear(d, f);
        inode_keep(f);
        f->clean = true;
    }
    sim_trace(w, "disk: a crash leaves %u names, %u changes of the directory are lost", d->live.count, lost);
}

sim_disk *
sim_disk_after_crash(sim_disk *d)
{
    sim_disk *out = sim_disk_create(d->world);
    for (uint32_t i = 0; i < d->kept.count; i++) {
        const inode *from = d->kept.entries[i].file;
        inode       *f = inode_create(out);
        inode_resize(f, from->kept_size);
        if (from->kept_size > 0)
            memcpy(f->data, from->kept, from->kept_size);
        inode_keep(f);
        entry_put(&out->live, d->kept.entries[i].name, f);
    }
    listing_copy(&out->kept, &out->live);
    out->faults.quiet = true;
    return out;
}

enum { NUMBERED = sizeof "ckpt-0000000000" - 1 };

/* Data of that checkpoint is there: one that was being removed may be a name alone. */
static bool
has_data(const sim_disk *d, const char *manifest)
{
    for (uint32_t i = 0; i < d->live.count; i++) {
        const char *name = d->live.entries[i].name;
        if (strncmp(name, manifest, NUMBERED) == 0 && strcmp(name + strlen(name) - 2, ".d") == 0)
            return true;
    }
    return false;
}

bool
sim_disk_rot(sim_disk *d)
{
    sim_world *w = d->world;
    entry     *manifests[2] = { NULL, NULL }; /* the two newest */
    for (uint32_t i = 0; i < d->live.count; i++) {
        entry *e = &d->live.entries[i];
        if (strncmp(e->name, "ckpt-", 5) != 0 || strcmp(e->name + strlen(e->name) - 2, ".m") != 0)
            continue;
        if (manifests[0] == NULL || strcmp(e->name, manifests[0]->name) > 0) {
            manifests[1] = manifests[0];
            manifests[0] = e;
        } else if (manifests[1] == NULL || strcmp(e->name, manifests[1]->name) > 0)
            manifests[1] = e;
    }
    if (manifests[1] == NULL || manifests[0]->file->size == 0 || !has_data(d, manifests[1]->name))
        return false;
    entry *victim = manifests[0];
    for (uint32_t i = 0; i < d->live.count && sim_chance(w, 8); i++) /* or its data */
        if (strncmp(d->live.entries[i].name, victim->name, NUMBERED) == 0 && d->live.entries[i].file->size > 0)
            victim = &d->live.entries[i];
    inode *f = victim->file;
    size_t at = (size_t) sim_below(w, (int64_t) f->size);
    f->data[at] = (char) (f->data[at] ^ (1 << sim_below(w, 8)));
    inode_keep(f);
    sim_trace(w, "disk: a bit of %s flips", victim->name);
    return true;
}

/* --- faults --- */

typedef enum op_kind { OP_READ, OP_GROW, OP_CHANGE } op_kind; /* reads; takes room; changes otherwise */

/* Before an operation: 0, or errno. */
static int
disk_operation(sim_disk *d, op_kind kind, const char *what, const char *name)
{
    sim_world *w = d->world;
    if (d->faults.quiet)
        return 0;
    if (w->crashed)
        return EIO;
    if (kind == OP_READ) {
        if (wr_random_below(&w->random, 1024) >= d->faults.read_eio_1024)
            return 0;
        sim_trace(w, "disk: EIO reading %s", name);
        sim_saw(w, SIM_DISK_READ_EIO);
        return EIO;
    }
    d->operations++;
    sim_trace(w, "disk: %s %s", what, name);
    if (d->faults.kill_at != 0 && d->operations >= d->faults.kill_at) {
        d->faults.kill_at = 0;
        w->crashed = true;
        sim_saw(w, SIM_KILL_DISK);
        sim_trace(w, "disk: the process dies here");
        return EIO;
    }
    if (wr_random_below(&w->random, 1024) < d->faults.eio_1024) {
        sim_trace(w, "disk: EIO");
        sim_saw(w, SIM_DISK_EIO);
        return EIO;
    }
    if (kind == OP_GROW && wr_random_below(&w->random, 1024) < d->faults.full_1024) {
        sim_trace(w, "disk: ENOSPC");
        sim_saw(w, SIM_DISK_FULL);
        return ENOSPC;
    }
    return 0;
}

/* The process has died in this operation: what the crash leaves is fixed now. */
static int
disk_failed(sim_disk *d, int code, bool crashed_before)
{
    if (d->world->crashed && !crashed_before && !d->faults.quiet)
        sim_disk_crash(d);
    errno = code;
    return -1;
}

#define FAULT(d, kind, what, name)                                                                 \
    bool crashed_before = (d)->world->crashed;                                                     \
    int  fault = disk_operation(d, kind, what, name)

/* --- descriptors --- */

static bool
ours(int fd)
{
    return fd >= FD_BASE;
}

static handle *
handle_of(int fd)
{
    wr_assert(disk != NULL && fd - FD_BASE < HANDLES_MAX && disk->handles[fd - FD_BASE].used);
    return &disk->handles[fd - FD_BASE];
}

static int
handle_open(sim_disk *d, bool directory, inode *file)
{
    for (int i = 0; i < HANDLES_MAX; i++)
        if (!d->handles[i].used) {
            d->handles[i] = (handle){ .used = true, .directory = directory, .file = file };
            return FD_BASE + i;
        }
    errno = EMFILE;
    return -1;
}

static const char *
name_of(const sim_disk *d, const inode *f)
{
    for (uint32_t i = 0; i < d->live.count; i++)
        if (d->live.entries[i].file == f)
            return d->live.entries[i].name;
    return "(removed)";
}

/* --- the calls --- */

int     __real_open(const char *path, int flags, ...);
int     __real_openat(int at, const char *path, int flags, ...);
int     __real_close(int fd);
ssize_t __real_read(int fd, void *to, size_t n);
ssize_t __real_write(int fd, const void *from, size_t n);
int     __real_fstat(int fd, struct stat *st);
int     __real_ftruncate(int fd, off_t size);
int     __real_fdatasync(int fd);
int     __real_fsync(int fd);
int     __real_posix_fallocate(int fd, off_t at, off_t n);
int     __real_renameat(int from, const char *name, int to, const char *as);
int     __real_unlinkat(int at, const char *name, int flags);
int     __real_mkdir(const char *path, mode_t mode);
int     __real_flock(int fd, int what);
DIR    *__real_fdopendir(int fd);
struct dirent *__real_readdir(DIR *dir);
void    __real_rewinddir(DIR *dir);
int     __real_closedir(DIR *dir);
int     __real_faccessat(int at, const char *path, int how, int flags);
int     __wrap_open(const char *path, int flags, ...);
int     __wrap_openat(int at, const char *path, int flags, ...);
int     __wrap_close(int fd);
ssize_t __wrap_read(int fd, void *to, size_t n);
ssize_t __wrap_write(int fd, const void *from, size_t n);
int     __wrap_fstat(int fd, struct stat *st);
int     __wrap_ftruncate(int fd, off_t size);
int     __wrap_fdatasync(int fd);
int     __wrap_fsync(int fd);
int     __wrap_posix_fallocate(int fd, off_t at, off_t n);
int     __wrap_renameat(int from, const char *name, int to, const char *as);
int     __wrap_unlinkat(int at, const char *name, int flags);
int     __wrap_mkdir(const char *path, mode_t mode);
int     __wrap_flock(int fd, int what);
DIR    *__wrap_fdopendir(int fd);
struct dirent *__wrap_readdir(DIR *dir);
void    __wrap_rewinddir(DIR *dir);
int     __wrap_closedir(DIR *dir);
int     __wrap_faccessat(int at, const char *path, int how, int flags);

static bool
path_is_ours(const char *path)
{
    return strncmp(path, SIM_DISK, sizeof SIM_DISK - 1) == 0;
}

int
__wrap_open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    if (!path_is_ours(path))
        return __real_open(path, flags, mode);
    wr_assert(disk != NULL && (flags & O_DIRECTORY) != 0);
    FAULT(disk, OP_READ, "open", path);
    return fault != 0 ? disk_failed(disk, fault, crashed_before) : handle_open(disk, true, NULL);
}

int
__wrap_openat(int at, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    if (!ours(at))
        return __real_openat(at, path, flags, mode);
    wr_assert(handle_of(at)->directory);
    entry *e = entry_find(&disk->live, path);
    bool   makes = e == NULL && (flags & O_CREAT) != 0;
    FAULT(disk, makes ? OP_GROW : OP_READ, "create", path);
    if (fault != 0)
        return disk_failed(disk, fault, crashed_before);
    if ((flags & O_DIRECTORY) != 0)
        return handle_open(disk, true, NULL);
    if (e != NULL && (flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) {
        errno = EEXIST;
        return -1;
    }
    if (e == NULL && !makes) {
        errno = ENOENT;
        return -1;
    }
    inode *f = e != NULL ? e->file : inode_create(disk);
    if (makes)
        directory_change(disk, PENDING_CREATE, path, "", f);
    return handle_open(disk, false, f);
}

int
__wrap_faccessat(int at, const char *path, int how, int flags)
{
    if (!ours(at))
        return __real_faccessat(at, path, how, flags);
    FAULT(disk, OP_READ, "look for", path);
    if (fault != 0)
        return disk_failed(disk, fault, crashed_before);
    if (entry_find(&disk->live, path) != NULL)
        return 0;
    errno = ENOENT;
    return -1;
}

int
__wrap_close(int fd)
{
    if (!ours(fd))
        return __real_close(fd);
    memset(handle_of(fd), 0, sizeof(handle));
    return 0;
}

ssize_t
__wrap_read(int fd, void *to, size_t n)
{
    if (!ours(fd))
        return __real_read(fd, to, n);
    handle *h = handle_of(fd);
    FAULT(disk, OP_READ, "read", name_of(disk, h->file));
    if (fault != 0)
        return disk_failed(disk, fault, crashed_before);
    n = h->at < h->file->size ? WR_MIN(n, h->file->size - h->at) : 0;
    if (n > 1 && !disk->faults.quiet && sim_chance(disk->world, 2)) /* short */
        n = 1 + (size_t) sim_below(disk->world, (int64_t) n - 1);
    if (n > 0)
        memcpy(to, h->file->data + h->at, n);
    h->at += n;
    return (ssize_t) n;
}

ssize_t
__wrap_write(int fd, const void *from, size_t n)
{
    if (!ours(fd))
        return __real_write(fd, from, n);
    handle *h = handle_of(fd);
    FAULT(disk, OP_GROW, "write", name_of(disk, h->file));
    if (fault != 0 && (crashed_before || !disk->world->crashed) && fault != ENOSPC)
        return disk_failed(disk, fault, crashed_before);
    if (n > 1 && !disk->faults.quiet && (fault != 0 || sim_chance(disk->world, 2))) /* short, or half done */
        n = 1 + (size_t) sim_below(disk->world, (int64_t) n - 1);
    if (h->at + n > h->file->size)
        inode_resize(h->file, h->at + n);
    memcpy(h->file->data + h->at, from, n);
    h->file->clean = false;
    h->at += n;
    return fault != 0 ? disk_failed(disk, fault, crashed_before) : (ssize_t) n;
}

int
__wrap_fstat(int fd, struct stat *st)
{
    if (!ours(fd))
        return __real_fstat(fd, st);
    handle *h = handle_of(fd);
    memset(st, 0, sizeof *st);
    st->st_mode = h->directory ? S_IFDIR : S_IFREG;
    st->st_size = h->directory ? 0 : (off_t) h->file->size;
    return 0;
}

int
__wrap_ftruncate(int fd, off_t size)
{
    if (!ours(fd))
        return __real_ftruncate(fd, size);
    handle *h = handle_of(fd);
    FAULT(disk, OP_CHANGE, "truncate", name_of(disk, h->file));
    if (fault != 0)
        return disk_failed(disk, fault, crashed_before);
    if ((size_t) size != h->file->size)
        inode_resize(h->file, (size_t) size);
    return 0;
}

int
__wrap_fdatasync(int fd)
{
    if (!ours(fd))
        return __real_fdatasync(fd);
    handle *h = handle_of(fd);
    FAULT(disk, OP_CHANGE, "fdatasync", name_of(disk, h->file));
    if (fault != 0) {
        h->file->clean = !disk->world->crashed || h->file->clean; /* and the next one lies */
        return disk_failed(disk, fault, crashed_before);
    }
    if (!h->file->clean)
        inode_keep(h->file);
    h->file->clean = true;
    return 0;
}

int
__wrap_fsync(int fd)
{
    if (!ours(fd))
        return __real_fsync(fd);
    handle *h = handle_of(fd);
    if (!h->directory)
        return __wrap_fdatasync(fd);
    FAULT(disk, OP_CHANGE, "fsync", "the directory");
    if (fault != 0)
        return disk_failed(disk, fault, crashed_before);
    listing_copy(&disk->kept, &disk->live);
    disk->pending_count = 0;
    return 0;
}

int
__wrap_posix_fallocate(int fd, off_t at, off_t n)
{
    if (!ours(fd))
        return __real_posix_fallocate(fd, at, n);
    handle *h = handle_of(fd);
    FAULT(disk, OP_GROW, "fallocate", name_of(disk, h->file));
    if (fault != 0) {
        (void) disk_failed(disk, fault, crashed_before);
        return fault;
    }
    if ((size_t) (at + n) > h->file->size)
        inode_resize(h->file, (size_t) (at + n));
    return 0;
}

int
__wrap_renameat(int from, const char *name, int to, const char *as)
{
    if (!ours(from))
        return __real_renameat(from, name, to, as);
    FAULT(disk, OP_CHANGE, "rename", as);
    if (fault != 0)
        return disk_failed(disk, fault, crashed_before);
    entry *e = entry_find(&disk->live, name);
    if (e == NULL) {
        errno = ENOENT;
        return -1;
    }
    unsigned long long sequence;
    char               end;
    if (sscanf(as, "ckpt-%llu.%c", &sequence, &end) == 2 && end == 'm')
        disk->world->sequence_life[sequence % WR_COUNT(disk->world->sequence_life)] = disk->world->life;
    directory_change(disk, PENDING_RENAME, name, as, e->file);
    return 0;
}

int
__wrap_unlinkat(int at, const char *name, int flags)
{
    if (!ours(at))
        return __real_unlinkat(at, name, flags);
    FAULT(disk, OP_CHANGE, "unlink", name);
    if (fault != 0)
        return disk_failed(disk, fault, crashed_before);
    entry *e = entry_find(&disk->live, name);
    if (e == NULL) {
        errno = ENOENT;
        return -1;
    }
    directory_change(disk, PENDING_UNLINK, name, "", e->file);
    return 0;
}

int
__wrap_mkdir(const char *path, mode_t mode)
{
    return path_is_ours(path) ? 0 : __real_mkdir(path, mode);
}

int
__wrap_flock(int fd, int what)
{
    return ours(fd) ? 0 : __real_flock(fd, what);
}

/* A directory stream is its handle. */
static handle *
stream_of(DIR *dir)
{
    handle *h = (handle *) (void *) dir;
    return disk != NULL && h >= disk->handles && h < disk->handles + HANDLES_MAX ? h : NULL;
}

static void
stream_list(handle *h)
{
    const listing *l = &disk->live;
    h->listed = sim_alloc(h->listed, l->count * sizeof *h->listed);
    memcpy(h->listed, l->entries, l->count * sizeof *h->listed);
    h->listed_count = l->count;
    h->listed_at = 0;
}

DIR *
__wrap_fdopendir(int fd)
{
    if (!ours(fd))
        return __real_fdopendir(fd);
    stream_list(handle_of(fd));
    return (DIR *) (void *) handle_of(fd);
}

struct dirent *
__wrap_readdir(DIR *dir)
{
    handle *h = stream_of(dir);
    if (h == NULL)
        return __real_readdir(dir);
    if (h->listed_at == h->listed_count)
        return NULL;
    memset(&h->found, 0, sizeof h->found);
    snprintf(h->found.d_name, sizeof h->found.d_name, "%s", h->listed[h->listed_at++].name);
    return &h->found;
}

void
__wrap_rewinddir(DIR *dir)
{
    handle *h = stream_of(dir);
    if (h == NULL)
        __real_rewinddir(dir);
    else
        stream_list(h);
}

int
__wrap_closedir(DIR *dir)
{
    handle *h = stream_of(dir);
    if (h == NULL)
        return __real_closedir(dir);
    free(h->listed);
    memset(h, 0, sizeof *h);
    return 0;
}
