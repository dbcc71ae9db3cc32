/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/instance.c -- who this instance is: a name kept in the data directory.
 *
 * A consumer group that knows its members by name gives a restarted one its partitions back at once,
 * where it would wait for a session to time out.  The data directory's lock sees to it that no two use one name.
 */
#include "engine/engine_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ID_BYTES = 8, ID_DIGITS = 2 * ID_BYTES };

static void
directories_make(const char *path)
{
    char part[1024];
    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        (void)mkdir(part, 0755);
    }
    (void)mkdir(path, 0755); /* the store says so when it is not there */
}

/* Reads DIR/INSTANCE, or makes it (one that a crash left unfinished, too).  false: neither works. */
static bool
instance_name(const char *dir, char *name)
{
    char path[1100];
    unsigned char random[ID_BYTES];
    directories_make(dir);
    snprintf(path, sizeof path, "%s/INSTANCE", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        return false; /* it may be there: another name would not be this instance's */
    size_t have = 0;
    for (ssize_t n = 1; fd >= 0 && n != 0 && have < ID_DIGITS;) {
        n = read(fd, name + have, ID_DIGITS - have);
        have += n > 0 ? (size_t)n : 0;
        if (n < 0 && errno != EINTR) {
            close(fd);
            return false;
        }
    }
    if (fd >= 0)
        close(fd);
    if (have == ID_DIGITS) {
        name[ID_DIGITS] = '\0';
        return true;
    }
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return false;
    for (int i = 0; i < ID_BYTES; i++)
        snprintf(name + 2 * i, 3, "%02x", random[i]);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool ok = fd >= 0 && write(fd, name, ID_DIGITS) == ID_DIGITS && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

void
wr_pipeline_name_instance(weir_pipeline *p)
{
    char name[ID_DIGITS + 1];
    if (p->data_dir == NULL || p->spec == NULL || !instance_name(p->data_dir, name))
        return;
    for (uint32_t s = 0; s < p->spec->source_count; s++) {
        const wr_option *o =
            p->spec->sources[s].ops != NULL ? p->spec->sources[s].ops->options : NULL;
        for (; o != NULL && o->name != NULL; o++) {
            const char **place =
                (const char **)(void *)((char *)p->spec->sources[s].config + o->offset);
            if (strcmp(o->name, "instance_id") == 0 && *place == NULL)
                *place = wr_arena_printf(&p->arena, "weir-%s-%s", name, p->spec->sources[s].name);
        }
    }
}
