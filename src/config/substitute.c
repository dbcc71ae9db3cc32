/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config/substitute.c -- ${VAR} and !secret, replaced inside single values after parsing.
 *
 * Text substitution before parsing lets a value change the file's structure; here a value stays one
 * value whatever the variable holds.
 */
#include "config/document.h"

#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECRET_BYTES_MAX = 64 << 10 };

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

/* What a secret must be: without a value a token would open to everybody, and what is cut would be another secret. */
static const char *
secret_fault(const wr_text *value)
{
    if (value->length == 0)
        return "is empty";
    if (value->length > SECRET_BYTES_MAX)
        return "is longer than 64 KiB";
    if (memchr(value->data, '\0', value->length) != NULL)
        return "holds a NUL byte";
    return NULL;
}

/* Line ends at its end belong to the file. */
static void
line_ends_drop(wr_text *value)
{
    while (value->length > 0 && (value->data[value->length - 1] == '\n' || value->data[value->length - 1] == '\r'))
        value->length--;
}

/* NULL: no plain file, or its bytes cannot be read (errno). */
static const char *
secret_read(int fd, bool private, wr_text *value)
{
    struct stat st;
    char block[4096];
    ssize_t n = 1;
    if (fstat(fd, &st) != 0)
        return strerror(errno);
    if (!S_ISREG(st.st_mode))
        return "it is no plain file";
    if (private && (st.st_mode & 077) != 0)
        return "others may read it: chmod 600 it";
    while (n != 0 && value->length <= SECRET_BYTES_MAX + 1) { /* one more for a line's end */
        n = read(fd, block, sizeof block);
        if (n < 0 && errno != EINTR)
            return strerror(errno);
        if (n > 0)
            wr_text_append(value, block, (size_t)n);
    }
    line_ends_drop(value);
    return NULL;
}

/* Reads path into value; false when it is not there.  A file that others may read, or that is there and
 * cannot be read, is refused: the next place would have another secret.  private: it lies beside the pipeline file, where
 * a link may be anybody's; the credentials' directory is the service manager's, and there some make links of them. */
static bool
secret_file(substitution *s, const wr_node *node, const char *path, bool private, wr_text *value)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (private ? O_NOFOLLOW : 0)); /* a pipe has no writer to wait for */
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return false;
    const char *why = fd >= 0         ? secret_read(fd, private, value)
                      : errno == ELOOP ? "it is a symbolic link"
                                       : strerror(errno);
    if (fd >= 0)
        close(fd);
    if (why == NULL && (why = secret_fault(value)) != NULL)
        wr_node_error(s->report, node, WEIR_CONFIG_VALUE, NULL, "secret file \"%s\" %s", path, why);
    else if (why != NULL)
        wr_node_error(s->report, node, WEIR_CONFIG_FILE, NULL, "cannot read secret file \"%s\": %s", path, why);
    return true;
}

static bool
secret_find(substitution *s, const wr_node *node, wr_text *value)
{
    char path[PATH_MAX];
    const char *name = node->text, *dir = getenv("CREDENTIALS_DIRECTORY"), *slash = strrchr(node->file, '/'),
               *env = getenv(name), *why;
    if (dir != NULL && snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path &&
        secret_file(s, node, path, false, value))
        return true;
    int n = snprintf(path, sizeof path, "%.*ssecrets/%s", slash != NULL ? (int)(slash + 1 - node->file) : 0,
                     node->file, name);
    if (n < (int)sizeof path && secret_file(s, node, path, true, value))
        return true;
    if (env == NULL)
        return false;
    wr_text_puts(value, env);
    if ((why = secret_fault(value)) != NULL)
        wr_node_error(s->report, node, WEIR_CONFIG_VALUE, NULL, "secret `%s` of the environment %s", name, why);
    return true;
}

static void
secret_resolve(substitution *s, wr_node *node)
{
    wr_text value;
    const char *name = node->text;
    if (name[0] == '\0' || strchr(name, '/') != NULL || name[0] == '.') {
        wr_node_error(s->report, node, WEIR_CONFIG_VALUE, NULL, "`%s` is not a secret's name",
                      name);
        return;
    }
    wr_text_init(&value, NULL);
    if (!secret_find(s, node, &value))
        wr_node_error(s->report, node, WEIR_CONFIG_VARIABLE,
                      "put it in $CREDENTIALS_DIRECTORY, in secrets/NAME beside the file (mode "
                      "0600), or in the environment",
                      "secret `%s` is not found", name);
    const char *copy = wr_text_ok(&value) ? wr_arena_strndup(s->arena, wr_text_string(&value), value.length) : NULL;
    if (copy == NULL) {
        wr_node_error(s->report, node, WEIR_MEMORY, NULL, "no memory for the secret here");
    } else if (copy[0] != '\0') {
        wr_secret_add(copy);
        node->text = copy;
        node->length = strlen(copy);
    }
    wr_text_fini(&value);
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
