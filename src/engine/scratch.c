/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/scratch.c -- a directory for checkpoints that live no longer than one test.
 *
 * The files in it are removed with it; it has no directories of its own.
 */
#include "engine/engine_impl.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

weir_status
wr_scratch_make(char path[WR_SCRATCH_PATH], weir_error *err)
{
    static const char pattern[WR_SCRATCH_PATH] = "/tmp/weir-XXXXXX";
    memcpy(path, pattern, sizeof pattern);
    if (mkdtemp(path) != NULL)
        return WEIR_OK;
    path[0] = '\0';
    return wr_error_set(err, WEIR_CHECKPOINT, "cannot make a directory in /tmp");
}

void
wr_scratch_remove(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        char file[WR_SCRATCH_PATH + sizeof e->d_name + 1];
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        if (e->d_name[0] != '.')
            unlink(file);
    }
    if (d != NULL)
        closedir(d);
    rmdir(path);
}
