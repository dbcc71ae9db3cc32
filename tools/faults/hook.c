/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/faults/hook.c -- makes the n-th allocation or system call of Weir fail, come short, or be its last.
 *
 * Place       linked into build/faults/weir with --wrap=NAME for each function below: every call of
 *             Weir's own files goes through here, none of its libraries' does, and the engine holds
 *             nothing of it.  tools/faults/run.py drives it.
 * State       a table in a shared file (WEIR_FAULT_TABLE): each place, which is a stack of return
 *             addresses, with how often it was passed and how often it failed.  It outlives any death.
 * Environment WEIR_FAULT  "KIND PLACE N HOW ERROR": the N-th time (from 1) that PLACE (hexadecimal) is
 *             passed, or the N-th call of KIND when PLACE is 0 (*: of what changes files).  HOW: once, on
 *             (all allocations, or all calls of that kind, from there on), short (one byte is moved),
 *             kill, torn (half of it is written, then kill).  ERROR: a number of errno.
 *             " + " and another: for what is only done when something has failed.
 *             WEIR_FAULT_SLOW  "BYTES MICROSECONDS": reads of regular files move at most so much and take so long.
 *             WEIR_FAULT_DEPTH  how many return addresses make a place (4).
 */
#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/memory.h"

enum { PLACES = 1 << 14, FRAMES = 8, KINDS = 64, NAME_BYTES = 24, PLANS = 2 };

typedef struct fault_place {
    _Atomic uint64_t id; /* 0: free */
    _Atomic uint64_t passed, failed;
    uint32_t         kind, frames;
    uint64_t         stack[FRAMES]; /* relative to the start of the program */
} fault_place;

typedef struct fault_table {
    uint64_t         magic;
    _Atomic uint64_t passed[KINDS], changes, fired;
    char             names[KINDS][NAME_BYTES];
    fault_place      places[PLACES];
} fault_table;

/* What changes files: KIND *, what a kill may come before. */
#define FILE_KINDS(X)                                                                              \
    X(open) X(openat) X(write) X(fsync) X(fdatasync) X(ftruncate) X(posix_fallocate) X(rename)     \
    X(renameat) X(unlink) X(unlinkat) X(mkdir)
#define IO_KINDS(X)                                                                                \
    X(fopen) X(opendir) X(fdopendir) X(readdir) X(close) X(read) X(pread) X(flock) X(lseek)        \
    X(fstat) X(stat) X(access) \
    X(socket) X(connect) X(bind) X(listen) X(accept4) X(send) X(recv) X(getaddrinfo) X(eventfd)    \
    X(epoll_create1) X(epoll_ctl) X(dup) X(pthread_create)
#define ALLOC_KINDS(X)                                                                             \
    X(wr_alloc) X(wr_calloc) X(wr_realloc) X(wr_strdup) X(wr_strndup) X(wr_arena_alloc)            \
    X(wr_arena_calloc) X(wr_arena_strdup) X(wr_arena_strndup) X(wr_arena_printf) X(wr_budget_create)

typedef enum kind {
#define X(name) KIND_##name,
    FILE_KINDS(X) KIND_FILE_END, /* its number is not used for a call */
    IO_KINDS(X) KIND_IO_END,
    ALLOC_KINDS(X) KIND_END
#undef X
} kind;
_Static_assert((int) KIND_END < (int) KINDS, "room for all kinds");
static const char *const kind_names[KINDS] = {
#define X(name) [KIND_##name] = #name,
    FILE_KINDS(X) IO_KINDS(X) ALLOC_KINDS(X)
#undef X
};

typedef enum how { HOW_NONE, HOW_ONCE, HOW_ON, HOW_SHORT, HOW_KILL, HOW_TORN } how;

typedef struct fault_plan {
    int          kind; /* -1: any that changes files */
    uint64_t     place, nth;
    how          how;
    int          error;
    _Atomic bool on; /* HOW_ON has begun */
} fault_plan;

static struct {
    pthread_once_t once;
    fault_table   *table;
    uint32_t       depth, plan_count;
    fault_plan     plans[PLANS];
    size_t         slow_bytes;
    unsigned       slow_us;
} fault = { .once = PTHREAD_ONCE_INIT };

extern char __executable_start;

int __real_open(const char *path, int flags, ...);
int __real_close(int fd);
ssize_t __real_write(int fd, const void *bytes, size_t length);
int __real_ftruncate(int fd, off_t length);

/* --- set-up --- */

static int
kind_of(const char *name)
{
    for (int k = 0; k < (int) KIND_END; k++)
        if (kind_names[k] != NULL && strcmp(kind_names[k], name) == 0)
            return k;
    return -1;
}

static bool
fault_read_plan(const char *text, fault_plan *plan)
{
    static const char *const hows[] = { "none", "once", "on", "short", "kill", "torn" };
    char                     name[NAME_BYTES], how_name[8];
    unsigned long long       place, nth;
    if (sscanf(text, "%23s %llx %llu %7s %d", name, &place, &nth, how_name, &plan->error) != 5)
        return false;
    plan->kind = kind_of(name);
    plan->place = place;
    plan->nth = nth;
    for (int i = 0; i < 6; i++)
        if (strcmp(how_name, hows[i]) == 0)
            plan->how = (how) i;
    return plan->how != HOW_NONE;
}

static void
fault_read_plans(const char *text)
{
    while (text != NULL && fault.plan_count < PLANS && fault_read_plan(text, &fault.plans[fault.plan_count])) {
        fault.plan_count++;
        const char *next = strstr(text, " + ");
        text = next != NULL ? next + 3 : NULL;
    }
}

static void
fault_begin(void)
{
    const char *path = getenv("WEIR_FAULT_TABLE"), *depth = getenv("WEIR_FAULT_DEPTH"),
               *slow = getenv("WEIR_FAULT_SLOW");
    fault.depth = depth != NULL ? (uint32_t) atoi(depth) : 4;
    if (fault.depth < 1 || fault.depth > FRAMES)
        fault.depth = FRAMES;
    if (slow != NULL)
        (void) sscanf(slow, "%zu %u", &fault.slow_bytes, &fault.slow_us);
    fault_read_plans(getenv("WEIR_FAULT"));
    int fd = path != NULL ? __real_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644) : -1;
    if (fd < 0)
        return;
    void *at = __real_ftruncate(fd, sizeof(fault_table)) == 0
                   ? mmap(NULL, sizeof(fault_table), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                   : MAP_FAILED;
    __real_close(fd);
    if (at == MAP_FAILED)
        return;
    fault.table = at;
    fault.table->magic = sizeof(fault_table);
    for (int k = 0; k < (int) KIND_END; k++)
        if (kind_names[k] != NULL)
            snprintf(fault.table->names[k], NAME_BYTES, "%s", kind_names[k]);
}

/* --- when it crashes all the same: where --- */

#ifndef __SANITIZE_ADDRESS__ /* which tells more */
static void
crashed(int signal)
{
    void *frames[24];
    char  line[32];
    int   n = backtrace(frames, 24);
    for (int i = 2; i < n; i++) {
        int length = snprintf(line, sizeof line, "%s%lx%s", i == 2 ? "\ncrash at " : " ",
                              (unsigned long) ((uintptr_t) frames[i] - (uintptr_t) &__executable_start),
                              i == n - 1 ? "\n" : "");
        (void) !__real_write(STDERR_FILENO, line, (size_t) length);
    }
    raise(signal); /* the handler stood for one time */
}

__attribute__((constructor)) static void
crash_watch(void)
{
    struct sigaction act = { .sa_handler = crashed, .sa_flags = (int) (SA_RESETHAND | SA_NODEFER) };
    if (getenv("WEIR_FAULT_TABLE") == NULL)
        return;
    sigaction(SIGSEGV, &act, NULL);
    sigaction(SIGBUS, &act, NULL);
    sigaction(SIGABRT, &act, NULL);
    sigaction(SIGFPE, &act, NULL);
}
#endif

/* --- where we are --- */

typedef struct frame {
    struct frame *up;
    uintptr_t     from;
} frame;

/* The end of this thread's stack, beyond which no frame lies. */
static uintptr_t
stack_end(void)
{
    static _Thread_local uintptr_t end;
    if (end == 0) {
        pthread_attr_t attr;
        void          *low;
        size_t         bytes;
        if (pthread_getattr_np(pthread_self(), &attr) == 0) {
            if (pthread_attr_getstack(&attr, &low, &bytes) == 0)
                end = (uintptr_t) low + bytes;
            pthread_attr_destroy(&attr);
        }
    }
    return end;
}

static uint32_t
stack_walk(const frame *f, uint64_t stack[FRAMES])
{
    uint32_t  n = 0;
    uintptr_t end = stack_end();
    while (n < fault.depth && (uintptr_t) f % 8 == 0 && (uintptr_t) f + sizeof *f <= end) {
        uintptr_t from = f->from;
        if (from < (uintptr_t) &__executable_start || from - (uintptr_t) &__executable_start > UINT32_MAX)
            break; /* a library's */
        stack[n++] = from - (uintptr_t) &__executable_start;
        if ((uintptr_t) f->up <= (uintptr_t) f)
            break;
        f = f->up;
    }
    return n;
}

static fault_place *
place_find(kind k, const frame *f)
{
    uint64_t stack[FRAMES] = { 0 }, id = 0x9e3779b97f4a7c15u + (uint64_t) k;
    uint32_t n = stack_walk(f, stack);
    for (uint32_t i = 0; i < n; i++)
        id = (id ^ stack[i]) * 0xff51afd7ed558ccdu + (id >> 29);
    id |= id == 0;
    for (uint32_t i = 0; i < PLACES; i++) {
        fault_place *p = &fault.table->places[(id + i) % PLACES];
        uint64_t     was = 0;
        if (atomic_compare_exchange_strong(&p->id, &was, id)) {
            p->kind = (uint32_t) k;
            p->frames = n;
            memcpy(p->stack, stack, sizeof stack);
            return p;
        }
        if (was == id)
            return p;
    }
    abort(); /* more places than the table holds */
}

/* --- what happens --- */

static bool
same_class(int planned, kind k)
{
    if (planned < 0)
        return k < KIND_FILE_END;
    if (planned > KIND_IO_END)
        return k > KIND_IO_END;
    return (int) k == planned;
}

/* One call, counted: the how-many-th at its place, of its kind, of all that change files (0: none). */
typedef struct fault_call {
    kind     kind;
    uint64_t id, at_place, of_kind, change;
} fault_call;

static bool
plan_strikes(fault_plan *p, const fault_call *c)
{
    bool now;
    if (p->place != 0)
        now = c->id == p->place && c->at_place == p->nth;
    else if (p->kind < 0)
        now = c->change == p->nth;
    else
        now = (int) c->kind == p->kind && c->of_kind == p->nth;
    if (now && p->how == HOW_ON)
        atomic_store(&p->on, true);
    return now || (atomic_load_explicit(&p->on, memory_order_relaxed) && same_class(p->kind, c->kind) &&
                   (c->change != 0 || c->kind != KIND_write)); /* not what wakes a thread */
}

/* Count this call and say what becomes of it.  changes: a file. */
static how
fault_pass_file(kind k, const frame *f, bool changes)
{
    int error = errno;
    (void) pthread_once(&fault.once, fault_begin);
    if (fault.table == NULL)
        return HOW_NONE;
    fault_place *p = place_find(k, f);
    fault_call   c = { .kind = k,
                       .id = atomic_load(&p->id),
                       .at_place = atomic_fetch_add(&p->passed, 1) + 1,
                       .of_kind = atomic_fetch_add(&fault.table->passed[k], 1) + 1,
                       .change = changes ? atomic_fetch_add(&fault.table->changes, 1) + 1 : 0 };
    fault_plan *plan = NULL;
    errno = error;
    for (uint32_t i = 0; i < fault.plan_count && plan == NULL; i++)
        if (plan_strikes(&fault.plans[i], &c))
            plan = &fault.plans[i];
    if (plan == NULL)
        return HOW_NONE;
    atomic_fetch_add(&p->failed, 1);
    atomic_fetch_add(&fault.table->fired, 1);
    if (plan->how == HOW_KILL || (plan->how == HOW_TORN && k != KIND_write))
        (void) raise(SIGKILL);
    errno = plan->error;
    return plan->how == HOW_ON ? HOW_ONCE : plan->how;
}

static how
fault_pass(kind k, const frame *f)
{
    return fault_pass_file(k, f, k < KIND_FILE_END);
}

#define HERE ((const frame *) __builtin_frame_address(0))

/* A call that fails with -1 (or FAILED) and errno. */
#define WRAP(type, name, failed, params, args)                                                     \
    type __real_##name params;                                                                     \
    type __wrap_##name params;                                                                     \
    type __wrap_##name params                                                                      \
    {                                                                                              \
        how h = fault_pass(KIND_##name, HERE);                                                     \
        return h == HOW_ONCE ? (failed) : __real_##name args;                                      \
    }

WRAP(FILE *, fopen, NULL, (const char *path, const char *mode), (path, mode))
WRAP(DIR *, opendir, NULL, (const char *path), (path))
WRAP(DIR *, fdopendir, NULL, (int fd), (fd))
WRAP(struct dirent *, readdir, NULL, (DIR * dir), (dir))
WRAP(int, fsync, -1, (int fd), (fd))
WRAP(int, fdatasync, -1, (int fd), (fd))
WRAP(int, ftruncate, -1, (int fd, off_t length), (fd, length))
WRAP(int, posix_fallocate, errno, (int fd, off_t at, off_t length), (fd, at, length))
WRAP(int, rename, -1, (const char *from, const char *to), (from, to))
WRAP(int, renameat, -1, (int a, const char *from, int b, const char *to), (a, from, b, to))
WRAP(int, unlink, -1, (const char *path), (path))
WRAP(int, unlinkat, -1, (int dir, const char *path, int flags), (dir, path, flags))
WRAP(int, mkdir, -1, (const char *path, mode_t mode), (path, mode))
WRAP(int, flock, -1, (int fd, int what), (fd, what))
WRAP(off_t, lseek, -1, (int fd, off_t at, int whence), (fd, at, whence))
WRAP(int, fstat, -1, (int fd, struct stat *st), (fd, st))
WRAP(int, stat, -1, (const char *path, struct stat *st), (path, st))
WRAP(int, access, -1, (const char *path, int mode), (path, mode))
WRAP(int, socket, -1, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(int, connect, -1, (int fd, const struct sockaddr *to, socklen_t length), (fd, to, length))
WRAP(int, bind, -1, (int fd, const struct sockaddr *to, socklen_t length), (fd, to, length))
WRAP(int, listen, -1, (int fd, int backlog), (fd, backlog))
WRAP(int, accept4, -1, (int fd, struct sockaddr *from, socklen_t *length, int flags), (fd, from, length, flags))
WRAP(int, getaddrinfo, EAI_AGAIN,
     (const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **list),
     (host, port, hints, list))
WRAP(int, eventfd, -1, (unsigned count, int flags), (count, flags))
WRAP(int, epoll_create1, -1, (int flags), (flags))
WRAP(int, epoll_ctl, -1, (int epoll, int what, int fd, struct epoll_event *event), (epoll, what, fd, event))
WRAP(int, dup, -1, (int fd), (fd))
WRAP(int, pthread_create, EAGAIN,
     (pthread_t * thread, const pthread_attr_t *attr, void *(*main)(void *), void *user),
     (thread, attr, main, user))

WRAP(void *, wr_alloc, NULL, (wr_budget * budget, size_t bytes), (budget, bytes))
WRAP(void *, wr_calloc, NULL, (wr_budget * budget, size_t count, size_t bytes), (budget, count, bytes))
WRAP(void *, wr_realloc, NULL, (wr_budget * budget, void *ptr, size_t bytes), (budget, ptr, bytes))
WRAP(char *, wr_strdup, NULL, (wr_budget * budget, const char *text), (budget, text))
WRAP(char *, wr_strndup, NULL, (wr_budget * budget, const char *text, size_t length), (budget, text, length))
/* An arena that refuses remembers it. */
#define WRAP_ARENA(type, name, params, args)                                                       \
    type __real_##name params;                                                                     \
    type __wrap_##name params;                                                                     \
    type __wrap_##name params                                                                      \
    {                                                                                              \
        how h = fault_pass(KIND_##name, HERE);                                                     \
        arena->failed |= h == HOW_ONCE;                                                            \
        return h == HOW_ONCE ? NULL : __real_##name args;                                          \
    }
WRAP_ARENA(void *, wr_arena_alloc, (wr_arena * arena, size_t bytes), (arena, bytes))
WRAP_ARENA(void *, wr_arena_calloc, (wr_arena * arena, size_t count, size_t bytes), (arena, count, bytes))
WRAP_ARENA(char *, wr_arena_strdup, (wr_arena * arena, const char *text), (arena, text))
WRAP_ARENA(char *, wr_arena_strndup, (wr_arena * arena, const char *text, size_t length), (arena, text, length))
WRAP(wr_budget *, wr_budget_create, NULL, (wr_budget * parent, const char *name, uint64_t limit),
     (parent, name, limit))

char *__wrap_wr_arena_printf(wr_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *
__wrap_wr_arena_printf(wr_arena *arena, const char *format, ...)
{
    va_list args;
    char   *text = NULL, *copy;
    if (fault_pass(KIND_wr_arena_printf, HERE) == HOW_ONCE) {
        arena->failed = true;
        return NULL;
    }
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    copy = text != NULL ? wr_arena_strdup(arena, text) : NULL;
    free(text);
    return copy;
}

/* --- a close that fails has closed all the same --- */

int __wrap_close(int fd);
int
__wrap_close(int fd)
{
    how h = fault_pass(KIND_close, HERE);
    int error = errno, rc = __real_close(fd);
    if (h != HOW_ONCE)
        return rc;
    errno = error;
    return -1;
}

/* --- a mode when there is one --- */

static mode_t
mode_of(int flags, va_list args)
{
    return (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
}

int __wrap_open(const char *path, int flags, ...);
int
__wrap_open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return fault_pass(KIND_open, HERE) == HOW_ONCE ? -1 : __real_open(path, flags, mode);
}

int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);
int
__wrap_openat(int dir, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return fault_pass(KIND_openat, HERE) == HOW_ONCE ? -1 : __real_openat(dir, path, flags, mode);
}

/* --- what moves bytes may come short, or be torn --- */

static size_t
shortened(how h, size_t length)
{
    return h == HOW_SHORT && length > 1 ? 1 : h == HOW_TORN ? length / 2 : length;
}

static void
die_if(how h)
{
    if (h == HOW_TORN)
        (void) raise(SIGKILL);
}

/* Descriptor 0 is none that is written to, but the parser's of clients' SQL, which may ask the system nothing more. */
static bool
is_file(int fd)
{
    struct stat st;
    if (fd == STDIN_FILENO)
        return false;
    int         error = errno;
    bool        is = __real_fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    errno = error;
    return is;
}

ssize_t __real_read(int fd, void *bytes, size_t length);
ssize_t __wrap_read(int fd, void *bytes, size_t length);
ssize_t
__wrap_read(int fd, void *bytes, size_t length)
{
    how h = fault_pass(KIND_read, HERE);
    if (h == HOW_ONCE)
        return -1;
    if (fault.slow_bytes > 0 && is_file(fd)) {
        usleep(fault.slow_us);
        length = WR_MIN(length, fault.slow_bytes);
    }
    die_if(h);
    return __real_read(fd, bytes, shortened(h, length));
}

ssize_t __real_pread(int fd, void *bytes, size_t length, off_t at);
ssize_t __wrap_pread(int fd, void *bytes, size_t length, off_t at);
ssize_t
__wrap_pread(int fd, void *bytes, size_t length, off_t at)
{
    how h = fault_pass(KIND_pread, HERE);
    die_if(h);
    return h == HOW_ONCE ? -1 : __real_pread(fd, bytes, shortened(h, length), at);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t length);
ssize_t
__wrap_write(int fd, const void *bytes, size_t length)
{
    how h = fault_pass_file(KIND_write, HERE, is_file(fd));
    if (h == HOW_ONCE)
        return -1;
    ssize_t n = __real_write(fd, bytes, shortened(h, length));
    die_if(h);
    return n;
}

ssize_t __real_recv(int fd, void *bytes, size_t length, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t length, int flags);
ssize_t
__wrap_recv(int fd, void *bytes, size_t length, int flags)
{
    how h = fault_pass(KIND_recv, HERE);
    return h == HOW_ONCE ? -1 : __real_recv(fd, bytes, shortened(h, length), flags);
}

ssize_t __real_send(int fd, const void *bytes, size_t length, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t length, int flags);
ssize_t
__wrap_send(int fd, const void *bytes, size_t length, int flags)
{
    how h = fault_pass(KIND_send, HERE);
    return h == HOW_ONCE ? -1 : __real_send(fd, bytes, shortened(h, length), flags);
}
