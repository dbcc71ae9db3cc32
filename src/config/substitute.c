/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config/substitute.c -- ${VAR} and !secret, replaced inside single values after parsing.
 *
 * Text substitution before parsing lets a value change the file's structure; here a value stays one
 * value whatever the variable holds.
 */
#include "config/document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECRET_BYTES_MAX = 4096 };

typedef struct substitution {
    wr_arena *arena;
    wr_report *report;
} substitution;

/* One ${...} whose inside is [at, end); appends its value. */
static void
variable_expand(substitution *s, const wr_node *node, const char *at, const char *end, wr_text *to)
{
    size_t n = 0;
    while (at + n < end && (at[n] == '_' || (at[n] >= '0' && at[n] <= '9') ||
                            (at[n] >= 'A' && at[n] <= 'Z') || (at[n] >= 'a' && at[n] <= 'z')))
        n++;
    const char *rest = at + n;
    char name[128];
    snprintf(name, sizeof name, "%.*s", (int)n, at);
    bool has_default = end - rest >= 2 && rest[0] == ':' && rest[1] == '-';
    bool has_message = end - rest >= 2 && rest[0] == ':' && rest[1] == '?';
    if (n == 0 || n >= sizeof name || (rest != end && !has_default && !has_message)) {
        wr_node_error(s->report, node, WEIR_CONFIG_VARIABLE,
                      "write ${NAME}, ${NAME:-default} or ${NAME:?message}; $${ is a literal ${",
                      "cannot read `${%.*s}`", (int)WR_MIN(end - at, 60), at);
        return;
    }
    const char *value = getenv(name);
    if (value != NULL && (value[0] != '\0' || (!has_default && !has_message)))
        wr_text_puts(to, value);
    else if (has_default)
        wr_text_append(to, rest + 2, (size_t)(end - rest - 2));
    else if (has_message)
        wr_node_error(s->report, node, WEIR_CONFIG_VARIABLE, NULL, "variable %s is not set: %.*s",
                      name, (int)(end - rest - 2), rest + 2);
    else
        wr_node_error(s->report, node, WEIR_CONFIG_VARIABLE,
                      "set it in the environment, or give a default: ${NAME:-default}",
                      "variable %s is not set", name);
}

static void
scalar_substitute(substitution *s, wr_node *node)
{
    const char *dollar = strstr(node->text, "${");
    if (dollar == NULL)
        return;
    wr_text out;
    wr_text_init(&out, NULL);
    const char *at = node->text, *end = node->text + node->length;
    while (dollar != NULL) {
        if (dollar > at && dollar[-1] == '$') { /* $${ */
            wr_text_append(&out, at, (size_t)(dollar - at));
            wr_text_putc(&out, '{');
            at = dollar + 2;
        } else {
            const char *close = memchr(dollar, '}', (size_t)(end - dollar));
            if (close == NULL) {
                wr_node_error(s->report, node, WEIR_CONFIG_VARIABLE, NULL, "`${` without `}`");
                break;
            }
            wr_text_append(&out, at, (size_t)(dollar - at));
            variable_expand(s, node, dollar + 2, close, &out);
            at = close + 1;
        }
        dollar = strstr(at, "${");
    }
    wr_text_append(&out, at, (size_t)(end - at));
    const char *copy =
        wr_text_ok(&out) ? wr_arena_strndup(s->arena, wr_text_string(&out), out.length) : NULL;
    if (copy != NULL) {
        node->text = copy;
        node->length = out.length;
    } else
        wr_node_error(s->report, node, WEIR_MEMORY, NULL, "no memory for the variables here");
    wr_text_fini(&out);
}

/* Reads path into value; false when it is not there.  A file that others may read, or that is there and
 * cannot be read, is refused: the next place would have another secret. */
static bool
secret_file(substitution *s, const wr_node *node, const char *path, bool private, char *value)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return false;
    bool ok = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (!ok)
        wr_node_error(s->report, node, WEIR_CONFIG_FILE, NULL, "cannot read secret file \"%s\": %s",
                      path, fd < 0 ? strerror(errno) : "no plain file");
    if (ok && private && (st.st_mode & 077) != 0) {
        wr_node_error(s->report, node, WEIR_CONFIG_FILE, "chmod 600 it",
                      "secret file \"%s\" may be read by others", path);
        ok = false;
    }
    ssize_t n = 0, got = 1;
    while (ok && got != 0 && n < SECRET_BYTES_MAX) {
        got = read(fd, value + n, (size_t) (SECRET_BYTES_MAX - n));
        n += got > 0 ? got : 0;
        if (got < 0 && errno != EINTR) {
            wr_node_error(s->report, node, WEIR_CONFIG_FILE, NULL,
                          "cannot read secret file \"%s\": %s", path, strerror(errno));
            ok = false;
        }
    }
    if (fd >= 0)
        close(fd);
    while (n > 0 && (value[n - 1] == '\n' || value[n - 1] == '\r'))
        n--;
    value[n] = '\0';
    return true;
}

static void
secret_resolve(substitution *s, wr_node *node)
{
    char path[1024], value[SECRET_BYTES_MAX + 1];
    const char *name = node->text, *dir = getenv("CREDENTIALS_DIRECTORY");
    bool found = false;
    if (name[0] == '\0' || strchr(name, '/') != NULL || name[0] == '.') {
        wr_node_error(s->report, node, WEIR_CONFIG_VALUE, NULL, "`%s` is not a secret's name",
                      name);
        return;
    }
    if (dir != NULL) {
        snprintf(path, sizeof path, "%s/%s", dir, name);
        found = secret_file(s, node, path, false, value);
    }
    if (!found) {
        const char *slash = strrchr(node->file, '/');
        snprintf(path, sizeof path, "%.*ssecrets/%s",
                 slash != NULL ? (int)(slash + 1 - node->file) : 0, node->file, name);
        found = secret_file(s, node, path, true, value);
    }
    const char *env = found ? NULL : getenv(name);
    if (env != NULL) {
        snprintf(value, sizeof value, "%s", env);
        found = true;
    }
    if (!found) {
        wr_node_error(s->report, node, WEIR_CONFIG_VARIABLE,
                      "put it in $CREDENTIALS_DIRECTORY, in secrets/NAME beside the file (mode "
                      "0600), or in the environment",
                      "secret `%s` is not found", name);
        return;
    }
    const char *copy = wr_arena_strdup(s->arena, value);
    if (copy != NULL) {
        node->text = copy;
        node->length = strlen(copy);
    }
}

static void
node_substitute(substitution *s, wr_node *node)
{
    if (node->kind == WR_NODE_SCALAR) {
        if (node->secret)
            secret_resolve(s, node);
        else
            scalar_substitute(s, node);
        return;
    }
    for (uint32_t i = 0; i < node->count; i++) {
        const char *key = node->kind == WR_NODE_MAP ? node->keys[i]->text : "";
        if (strcmp(key, "sql") != 0 && strcmp(key, "columns") != 0 && strcmp(key, "tests") != 0)
            node_substitute(s, node->items[i]);
    }
}

void
wr_document_substitute(wr_node *node, wr_arena *arena, wr_report *report)
{
    substitution s = { arena, report };
    if (node != NULL)
        node_substitute(&s, node);
}
