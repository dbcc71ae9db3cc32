/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/log.h -- what happened, for whoever runs Weir: one line an event on standard error.
 *
 * On a terminal a line is logfmt (time level part message); elsewhere it is one JSON object.  A line
 * that repeats is limited: of each kind (level, part, format) the first 10 in 10 seconds are written, then
 * one line says how many were held back.
 *
 *     wr_log(WR_LOG_WARN, "checkpoint", "epoch %" PRIu64 " failed: %s", epoch, err.text);
 *
 * Threads: any.
 */
#pragma once

#include "base/clock.h"

#include <inttypes.h>

typedef enum wr_log_level { WR_LOG_DEBUG, WR_LOG_INFO, WR_LOG_WARN, WR_LOG_ERROR } wr_log_level;

/* part and format live for ever (they are literals): the limit knows lines by them. */
void wr_log(wr_log_level level, const char *part, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Below this nothing is written; the default is INFO. */
void         wr_log_set_level(wr_log_level level);
wr_log_level wr_log_level_now(void);
/* Where lines go and how; NULL restores the default (standard error).  line has no newline. */
void wr_log_set_sink(void (*write)(void *user, const char *line, size_t length), void *user);
typedef enum wr_log_form { WR_LOG_AUTO, WR_LOG_TEXT, WR_LOG_JSON } wr_log_form;
void wr_log_set_form(wr_log_form form);
void wr_log_set_clock(wr_clock *clock); /* NULL: the machine's */
