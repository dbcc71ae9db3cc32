/* SPDX-License-Identifier: Apache-2.0 */
/*
 * support/scratch.h -- a folder that one test process has to itself.
 */
#pragma once

enum { SCRATCH_PATH_MAX = 64 };

/* The folder NAME of this process, which is not there: path says where, and whatever stood there has gone. */
void scratch_begin(char path[SCRATCH_PATH_MAX], const char *name);
/* The folder and everything in it; nothing, where there is none. */
void scratch_remove(const char *path);
