/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/sandbox.c -- a process gives up all it can: descriptors, privileges, memory, and nearly every system call.
 *
 * Place       called by the keeper and the parsers of server/parser.h, after fork, single-threaded.
 * Invariants  X1  after sandbox_enter: read and write on descriptor 0; memory that cannot be executed; futex, clock,
 *                 yield; exit.  Every other call, and every other architecture's, ends the process at once
 *             X2  a process that cannot be locked in says so and does not go on
 */
#include "server/parser_impl.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#endif

/* Sanitizers map terabytes of shadow, and take their time. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

enum {
    ADDRESS_SPACE = 1 << 30,
    STACK_BYTES = 64 << 20,
#ifdef SANITIZED
    CPU_SECONDS = 60,
#else
    CPU_SECONDS = 4,
#endif
    X32_CALLS = 0x40000000, /* numbers from here on are another architecture's */
};

void
sandbox_close_from(unsigned first)
{
    if (syscall(SYS_close_range, first, ~0u, 0) == 0)
        return;
    struct rlimit limit;
    rlim_t end = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY
                     ? limit.rlim_cur
                     : 1 << 16;
    for (rlim_t fd = first; fd < end; fd++)
        close((int)fd);
}

bool
sandbox_attach(pid_t parent)
{
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && prctl(PR_SET_DUMPABLE, 0) == 0 &&
           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && getppid() == parent;
}

static bool
limit_set(int what, rlim_t most)
{
    struct rlimit limit;
    if (getrlimit(what, &limit) != 0)
        return false;
    if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > most)
        limit.rlim_max = most;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(what, &limit) == 0;
}

bool
sandbox_limit(void)
{
    bool ok = limit_set(RLIMIT_STACK, STACK_BYTES) && limit_set(RLIMIT_CPU, CPU_SECONDS) &&
              limit_set(RLIMIT_FSIZE, 0) && limit_set(RLIMIT_NPROC, 0) &&
              limit_set(RLIMIT_CORE, 0) && limit_set(RLIMIT_NOFILE, 1);
#ifndef SANITIZED
    ok = ok && limit_set(RLIMIT_AS, ADDRESS_SPACE);
#endif
    return ok;
}

#ifdef THIS_ARCH
#define LOAD(field)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_ARG(n)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n]))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_##what)
#define ALLOW(call)  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), RETURN(ALLOW)
/* The first argument is 0. */
#define ALLOW_ON_0(call)                                                                           \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 4), LOAD_ARG(0),                            \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), RETURN(ALLOW), RETURN(KILL_PROCESS)
/* The third argument does not ask for memory that can be executed. */
#define ALLOW_DATA(call)                                                                           \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 4), LOAD_ARG(2),                            \
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0), RETURN(ALLOW), RETURN(KILL_PROCESS)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the low half of an argument comes first");

bool
sandbox_enter(void)
{
    struct sock_filter filter[] = {
        LOAD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 1, 0),
        RETURN(KILL_PROCESS),
        LOAD(nr),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_CALLS, 0, 1),
        RETURN(KILL_PROCESS),
        ALLOW_ON_0(read),
        ALLOW_ON_0(write),
        ALLOW_DATA(mmap),
        ALLOW_DATA(mprotect),
        ALLOW(munmap),
        ALLOW(mremap),
        ALLOW(madvise),
        ALLOW(brk),
        ALLOW(futex),
        ALLOW(clock_gettime),
        ALLOW(sched_yield),
        ALLOW(rt_sigreturn),
        ALLOW(restart_syscall),
        ALLOW(exit),
        ALLOW(exit_group),
#ifdef SANITIZED
        ALLOW(sigaltstack), /* at each longjmp */
#endif
        RETURN(KILL_PROCESS),
    };
    struct sock_fprog program = { sizeof filter / sizeof filter[0], filter };
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}
#else
bool
sandbox_enter(void)
{
    return false;
}
#endif
