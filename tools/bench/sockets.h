/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench/sockets.h -- what the parts of the socket bench share (see sockets.c). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct settings {
    const char *weir; /* the program */
    uint64_t events, rate, seed, disorder;
    int runs;
    unsigned workers;
    const char *query, *part;
    bool fifo; /* latency: the processes of the measurement go before other work of the machine */
    double seconds, rate_in; /* rows a second of the latency part; 0: half of the most */
} settings;

/* --- sockets.c --- */

void go_first(void);

/* `weir run` of a pipeline, in a process of its own. */
typedef struct process {
    pid_t pid;
    char file[64], log[64];
} process;
void process_start(process *p, const settings *s, const char *pipeline, bool once);
double process_cpu(const process *p); /* seconds so far, user and system, all threads */
double process_wait(process *p);      /* until it ends by itself: all its seconds */
void process_stop(process *p);        /* SIGTERM, and wait */
void kill_wait(pid_t pid);            /* one of ours */

int port_free(void);
int port_listen(int *port); /* a socket that listens */
int port_connect(int port); /* waits until somebody listens */
void send_all(int fd, const char *bytes, size_t length);
double median(double *values, int count); /* sorts them */
double now_seconds(void);                 /* monotonic */

/* How long would something that is due at any moment have to wait for the processor? */
typedef struct gaps {
    double lost;   /* share of the time that a spinning thread did not have, in gaps above 10 us */
    double p99_us; /* one moment in a hundred waits longer */
    double max_us;
} gaps;
gaps gaps_measure(double seconds);

/* --- the parts --- */
void in_run(const settings *s);
void out_run(const settings *s);
void latency_run(const settings *s);
