/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/secret.h -- what secrets begin with, so that no message shows one, wherever in a file it was put.
 *
 * Place       config/substitute.c tells of each value that !secret stands for; reports, errors and log lines hide them.
 * State       one process-wide table of the newest under a mutex: beginnings, not values.
 * Invariants  H1  a text is never longer than before
 *             H2  a value under WR_SECRET_LEAST bytes is not looked for: it stands in every other word
 * Cost        without a secret in the process: one load a text.
 */
#pragma once

enum { WR_SECRET_LEAST = 4 };

/* From now on this value is hidden. */
void wr_secret_add(const char *value);
/* Each secret in text becomes ***; so does what is left of one where text was cut.  Letters of either case are the same. */
void wr_secret_hide(char *text);
