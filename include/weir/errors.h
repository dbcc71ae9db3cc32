/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir/errors.h -- every way a call can fail, declared once.
 *
 * The range of a code says who must act, and the runtime switches on the range alone, so that a new
 * error behaves right by its number:
 *   1xxx configuration  whoever runs Weir       4xxx outside world  retry, back off
 *   2xxx query          its author              5xxx limit          back-pressure, then the policy
 *   3xxx row            dead-letter, go on      6xxx checkpoint     recover from an older one
 *                                               9xxx our bug        abort
 */
#pragma once

#include <stdint.h>

/* X(name, code, text) -- the text is the sentence printed when nothing more is known. */
#define WEIR_ERROR_TABLE(X)                                                                        \
    X(OK, 0, "no error")                                                                           \
    X(CONFIG, 1000, "the configuration is wrong")                                                  \
    X(CONFIG_SYNTAX, 1001, "the file is not valid YAML")                                           \
    X(CONFIG_UNKNOWN_KEY, 1002, "unknown key")                                                     \
    X(CONFIG_DUPLICATE_KEY, 1003, "the key stands twice")                                          \
    X(CONFIG_VALUE, 1004, "the value does not fit the option")                                     \
    X(CONFIG_MISSING, 1005, "a required key is missing")                                           \
    X(CONFIG_VARIABLE, 1006, "a variable is not set")                                              \
    X(CONFIG_REFERENCE, 1007, "no relation of that name")                                          \
    X(CONFIG_FILE, 1008, "the file cannot be read")                                                \
    X(USAGE, 1100, "wrong use of the command line")                                                \
    X(STATE_RUNNING, 1200, "the pipeline is running already")                                      \
    X(STATE_STOPPED, 1201, "the pipeline is not running")                                          \
    X(QUERY, 2000, "the query is wrong")                                                           \
    X(QUERY_SYNTAX, 2001, "syntax error")                                                          \
    X(QUERY_TRAP, 2002, "the text parses but means something else")                                \
    X(QUERY_TOO_COMPLEX, 2003, "the query is too long or too deep")                                \
    X(QUERY_NO_RELATION, 2004, "relation does not exist")                                          \
    X(QUERY_NO_COLUMN, 2005, "column does not exist")                                              \
    X(QUERY_AMBIGUOUS, 2006, "column reference is ambiguous")                                      \
    X(QUERY_NO_FUNCTION, 2007, "function does not exist")                                          \
    X(QUERY_TYPE, 2008, "types do not fit")                                                        \
    X(QUERY_GROUPING, 2009, "the column must stand in GROUP BY or in an aggregate")                \
    X(QUERY_WINDOW, 2010, "the window is not valid")                                               \
    X(QUERY_UNBOUNDED, 2011, "the state of the query has no bound")                                \
    X(QUERY_UNSUPPORTED, 2012, "not supported")                                                    \
    X(QUERY_CARDINALITY, 2013, "more than one row returned by a subquery used as an expression")   \
    X(CANCELLED, 2014, "the query was cancelled")                                                  \
    X(ROW, 3000, "the row cannot be processed")                                                    \
    X(ROW_DECODE, 3001, "the record cannot be decoded")                                            \
    X(ROW_TYPE, 3002, "invalid input for the type")                                                \
    X(ROW_NULL, 3003, "NULL in a column declared NOT NULL")                                        \
    X(ROW_OVERFLOW, 3004, "value out of range")                                                    \
    X(ROW_DIVISION_BY_ZERO, 3005, "division by zero")                                              \
    X(ROW_INVALID_ARGUMENT, 3006, "invalid argument")                                              \
    X(ROW_TOO_LARGE, 3007, "larger than the limit (a value has at most 64 MiB, an array 1,048,576 items)")                                  \
    X(ROW_ENCODING, 3008, "invalid byte sequence for UTF-8")                                       \
    X(ROW_FUTURE, 3009, "the event time lies too far in the future")                               \
    X(ROW_LATE, 3010, "the row came after the watermark had passed its window")                    \
    X(CONNECT, 4000, "cannot connect")                                                             \
    X(READ, 4001, "cannot read")                                                                   \
    X(WRITE, 4002, "cannot write")                                                                 \
    X(TIMEOUT, 4003, "timed out")                                                                  \
    X(AUTH, 4004, "not allowed")                                                                   \
    X(CLOSED, 4005, "the other side closed")                                                       \
    X(REMOTE, 4006, "the remote system reports an error")                                          \
    X(LIMIT, 5000, "a limit is reached")                                                           \
    X(MEMORY, 5001, "the memory budget is used up")                                                \
    X(DISK_FULL, 5002, "no space left")                                                            \
    X(TOO_MANY, 5003, "too many")                                                                  \
    X(CHECKPOINT, 6000, "the checkpoint failed")                                                   \
    X(CHECKPOINT_UNREADABLE, 6001, "the checkpoint cannot be read")                                \
    X(CHECKPOINT_CORRUPT, 6002, "the checkpoint is damaged")                                       \
    X(CHECKPOINT_MISMATCH, 6003, "the checkpoint belongs to another pipeline")                     \
    X(SNAPSHOT_REQUIRED, 6004, "the cursor is too old or unknown: start from a snapshot")          \
    X(INTERNAL, 9000, "internal error")

typedef enum weir_status_code {
#define X(name, code, text) WEIR_##name = code,
    WEIR_ERROR_TABLE(X)
#undef X
} weir_status_code;

/* Every fallible call is declared to return WEIR_STATUS; ignoring the result does not compile. */
typedef weir_status_code weir_status;
#define WEIR_MUST_CHECK __attribute__((warn_unused_result))

enum { WEIR_ERROR_TEXT_MAX = 512 };

/*
 * weir_error -- what happened, for people.  The caller's storage, fixed size, never allocated.
 * `line` and `column` count from 1 and are 0 where there is no place; `offset` counts bytes from 0
 * in the statement and is -1 where there is none.
 */
typedef struct weir_error {
    weir_status_code code;
    int32_t          line, column;
    int32_t          offset;
    char             text[WEIR_ERROR_TEXT_MAX]; /* what happened, the value in quotes */
    char             hint[256];                 /* what to do about it, or empty       */
} weir_error;

/* The name of a code ("QUERY_SYNTAX") and its sentence.  Both live for ever. */
const char *weir_status_name(weir_status_code code);
const char *weir_status_text(weir_status_code code);
