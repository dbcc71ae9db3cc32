/* SPDX-License-Identifier: Apache-2.0 */
/* support/scratch.c -- folders that go (see scratch.h). */
#include "support/scratch.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void
scratch_remove(const char *path)
{
    char           below[512];
    DIR           *dir = opendir(path);
    struct dirent *e;
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        snprintf(below, sizeof below, "%s/%s", path, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && unlink(below) != 0)
            scratch_remove(below);
    }
    if (dir != NULL)
        closedir(dir);
    rmdir(path);
}

void
scratch_begin(char path[SCRATCH_PATH_MAX], const char *name)
{
    snprintf(path, SCRATCH_PATH_MAX, "/tmp/weir-%s-%d", name, (int) getpid());
    scratch_remove(path);
}
