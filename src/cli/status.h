/* SPDX-License-Identifier: Apache-2.0 */
/* cli/status.h -- what a running process says of itself (weir_status_json), as rows for `ls` and
 * `top`. */
#pragma once

#include "base/clock.h"
#include "cli/client.h"

typedef struct part {
    const char *pipeline, *kind, *name, *state; /* kind: source, view, sink */
    double rows_in, rows_out, bytes, bad, late, failed, errors, state_bytes, state_keys, cpu_s;
    const char *watermark; /* ISO 8601; NULL: none */
    wr_time watermark_us;
    const char *error; /* a view that has failed: why; NULL */
    bool blocked;
} part;

typedef struct status {
    wr_arena arena;
    const char *version, *error; /* error: of a pipeline that failed; NULL */
    double memory_bytes, cpu_s, uptime_s;
    int64_t taken_us; /* monotonic */
    part *parts;
    uint32_t count, capacity;
} status;

/* json: the member of the answer to "status".  False: it cannot be read.  status_fini in both
 * cases. */
bool status_read(const char *json, size_t length, status *out);
void status_fini(status *s);
/* A status of the process; its JSON too when raw is given.  0, or an exit code (then nothing to free). */
int status_ask(client *c, status *out, FILE *raw);
/* What is wrong with it, and what did not come out, in a few words; "": nothing. */
void status_notes(const part *p, char *to, size_t size);
/* A line that says why a pipeline failed, if one has. */
void status_write_error(const status *s, wr_text *to);
/* The same part in another status; NULL: it was not there. */
const part *status_find(const status *s, const part *like);
/* 12345678 as "12.3 MB"; 1234567 as "1.23 M". */
void status_bytes(double bytes, char to[16]);
void status_amount(double n, char to[16]);
