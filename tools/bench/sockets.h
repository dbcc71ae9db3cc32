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
    double seconds;
} settings;

/* --- sockets.c --- */

/* `weir run` of a pipeline, in a process of its own. */
typedef struct process {
    pid_t pid;
    char file[64], log[64];
} process;
void process_start(process *p, const settings *s, const char *pipeline, bool once);
double process_cpu(const process *p); /* seconds so far, user and system, all threads */
double process_wait(process *p);      /* until it ends by itself: all its seconds */
void process_stop(process *p);        /* SIGTERM, and wait */
long process_rss_kb(const process *p);

int port_free(void);
int port_listen(int *port); /* a socket that listens */
int port_connect(int port); /* waits until somebody listens */
void send_all(int fd, const char *bytes, size_t length);
double median(double *values, int count); /* sorts them */
double now_seconds(void);                 /* monotonic */

/* --- the parts --- */
void in_run(const settings *s);
void out_run(const settings *s);
