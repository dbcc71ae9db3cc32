/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/main.c -- seeds, one after another, in several processes: a seed that takes its process down is told as such.
 *
 *   sim [-n SEEDS] [-f FIRST] [-j PROCESSES] [-k MOST_FAILURES] [-q]   many seeds
 *   sim -s SEED [-v]                                                   one, with its trace
 *   sim -F FILE                                                        the seeds of a file, one a line
 *
 * Every 16th seed is run twice: the traces must be the same.  With 1,000 seeds or more each kind of fault must have been
 * met.  The closing line is "sim: N passed, N failed".
 */
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES_MAX = 64, SEEDS_A_PROCESS = 64 };

#define SIM_KIND(name) #name,
static const char *const kind_names[] = { SIM_KINDS(SIM_KIND) };
#undef SIM_KIND

typedef struct shared {
    _Atomic uint64_t next, passed, failed;
    uint64_t         at[PROCESSES_MAX]; /* the seed a process is at */
    uint64_t         seen[PROCESSES_MAX][SIM_KIND_COUNT];
} shared;

typedef struct options {
    uint64_t  first, count, *listed;
    uint32_t  processes;
    uint64_t  failures_max;
    bool      quiet;
} options;

static uint64_t
seed_of(const options *o, uint64_t n)
{
    return o->listed != NULL ? o->listed[n] : o->first + n;
}

static void
seed_run(uint64_t seed, bool twice, shared *all, uint32_t process)
{
    char     wrong[2000];
    uint64_t hash, again;
    all->at[process] = seed;
    bool ok = sim_run(seed, false, all->seen[process], &hash, wrong);
    if (ok && twice) {
        ok = sim_run(seed, false, all->seen[process], &again, wrong) && hash == again;
        if (!ok && wrong[0] == '\0')
            snprintf(wrong, sizeof wrong, "the same seed gave another trace");
    }
    if (!ok) {
        printf("seed %llu: %s\n", (unsigned long long) seed, wrong);
        fflush(stdout);
    }
    if (ok)
        all->passed++;
    else
        all->failed++;
}

/* A process takes seeds until there are none, or it has had its share. */
static void
process_main(const options *o, shared *all, uint32_t process)
{
    for (uint32_t n = 0; n < SEEDS_A_PROCESS; n++) {
        uint64_t at = all->next++;
        if (at >= o->count || all->failed >= o->failures_max)
            break;
        seed_run(seed_of(o, at), at % 16 == 0, all, process);
    }
}

static void
process_start(const options *o, shared *all, uint32_t process, pid_t *pids)
{
    fflush(stdout);
    pids[process] = fork();
    if (pids[process] != 0)
        return;
    process_main(o, all, process);
    fflush(stdout);
    _exit(0);
}

static void
many(const options *o, shared *all)
{
    pid_t pids[PROCESSES_MAX] = { 0 };
    uint32_t running = 0;
    for (uint32_t i = 0; i < o->processes; i++, running++)
        process_start(o, all, i, pids);
    while (running > 0) {
        int   status;
        pid_t pid = wait(&status);
        for (uint32_t i = 0; i < o->processes; i++) {
            if (pids[i] != pid)
                continue;
            running--;
            pids[i] = 0;
            if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
                printf("seed %llu: the process ended with %s %d\n", (unsigned long long) all->at[i],
                       WIFSIGNALED(status) ? "signal" : "status",
                       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
                all->failed++;
            }
            if (all->next < o->count && all->failed < o->failures_max) {
                process_start(o, all, i, pids);
                running++;
            }
        }
    }
}

static uint64_t
kinds_report(const options *o, const shared *all)
{
    uint64_t missing = 0;
    for (int k = 0; k < SIM_KIND_COUNT; k++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < o->processes; i++)
            sum += all->seen[i][k];
        if (!o->quiet)
            printf("  %-24s %llu\n", kind_names[k], (unsigned long long) sum);
        if (sum > 0)
            continue;
        missing++;
        if (o->count >= 1000)
            printf("never met: %s\n", kind_names[k]);
    }
    return o->count >= 1000 ? missing : 0;
}

static bool
seeds_read(options *o, const char *path)
{
    FILE *f = fopen(path, "re");
    char  line[256];
    if (f == NULL)
        return false;
    o->listed = calloc(100000, sizeof *o->listed);
    o->count = 0;
    while (o->listed != NULL && o->count < 100000 && fgets(line, sizeof line, f) != NULL)
        if (line[0] >= '0' && line[0] <= '9')
            o->listed[o->count++] = strtoull(line, NULL, 10);
    fclose(f);
    return o->listed != NULL;
}

static int
one(uint64_t seed, bool verbose)
{
    uint64_t seen[SIM_KIND_COUNT] = { 0 }, hash;
    char     wrong[2000];
    bool     ok = sim_run(seed, verbose, seen, &hash, wrong);
    printf("seed %llu: trace %016llx: %s\n", (unsigned long long) seed, (unsigned long long) hash, ok ? "ok" : wrong);
    return ok ? 0 : 1;
}

int
main(int argc, char **argv)
{
    options o = { .first = 1, .count = 1000, .processes = 2, .failures_max = 20 };
    bool    single = false, verbose = false;
    for (int c; (c = getopt(argc, argv, "n:f:j:k:s:F:vq")) != -1;)
        switch (c) {
        case 'n': o.count = strtoull(optarg, NULL, 10); break;
        case 'f': o.first = strtoull(optarg, NULL, 10); break;
        case 'j': o.processes = (uint32_t) WR_MIN(WR_MAX(atoi(optarg), 1), (int) PROCESSES_MAX); break;
        case 'k': o.failures_max = strtoull(optarg, NULL, 10); break;
        case 's': single = true; o.first = strtoull(optarg, NULL, 10); break;
        case 'F':
            if (!seeds_read(&o, optarg)) {
                fprintf(stderr, "sim: cannot read %s\n", optarg);
                return 2;
            }
            break;
        case 'v': verbose = true; break;
        case 'q': o.quiet = true; break;
        default: fprintf(stderr, "usage: sim [-n SEEDS] [-f FIRST] [-j PROCESSES] [-k MOST] [-F FILE] [-q] | -s SEED [-v]\n"); return 2;
        }
    if (single)
        return one(o.first, verbose);
    shared *all = mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        return 2;
    many(&o, all);
    uint64_t missing = kinds_report(&o, all);
    printf("sim: %llu passed, %llu failed\n", (unsigned long long) all->passed, (unsigned long long) (all->failed + missing));
    return all->failed + missing > 0;
}
