/* SPDX-License-Identifier: Apache-2.0 */
/* cli/main.c -- find the verb, run it; help and version. */
#include "cli/cli.h"

#include "base/nearest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const cli_verb cli_help, cli_version;
extern const cli_verb cli_run, cli_check, cli_test, cli_query, cli_sub, cli_explain, cli_why,
    cli_ls, cli_top, cli_new, cli_dev_kafka;

const cli_verb *const cli_verbs[] = { &cli_run,       &cli_check,   &cli_test, &cli_query, &cli_sub,
                                      &cli_explain,   &cli_why,     &cli_ls,   &cli_top,   &cli_new,
                                      &cli_dev_kafka, &cli_version, &cli_help, NULL };

static void
overview(FILE *to)
{
    fprintf(
        to,
        "weir %s -- continuous SQL over Kafka, sockets and files\n\nusage: weir VERB [OPTIONS]\n\n",
        weir_version());
    for (const cli_verb *const *v = cli_verbs; *v != NULL; v++)
        fprintf(to, "  %-10s %s\n", (*v)->name, (*v)->summary);
    fputs(
        "\n  weir new kafka-agg > a.yaml && weir test a.yaml && weir run a.yaml\n"
        "  weir query \"SELECT count(*) FROM read_json('hits.jsonl')\"\n"
        "\n`weir help VERB` says more; so does `weir help functions|aggregates|kafka|file|...`.\n",
        to);
}

static const cli_verb *
verb_find(const char *name)
{
    for (const cli_verb *const *v = cli_verbs; *v != NULL; v++)
        if (strcmp((*v)->name, name) == 0)
            return *v;
    return NULL;
}

static int
help_run(int argc, char **argv)
{
    if (argc < 2) {
        overview(stdout);
        return CLI_OK;
    }
    const cli_verb *v = verb_find(argv[1]);
    if (v != NULL) {
        fputs(v->help, stdout);
        return CLI_OK;
    }
    char *text = NULL;
    weir_error err = { 0 };
    bool json = argc > 2 && strcmp(argv[2], "--json") == 0;
    if (weir_help(argv[1], json ? WEIR_TEXT_JSON : WEIR_TEXT, &text, &err) != WEIR_OK) {
        cli_error(&err);
        return CLI_USAGE;
    }
    fputs(text, stdout);
    weir_free(text);
    return CLI_OK;
}

static int
version_run(int argc, char **argv)
{
    bool json = argc > 2 && strcmp(argv[1], "-o") == 0 && strcmp(argv[2], "json") == 0;
    if (json)
        printf("{\"version\":\"%s\"}\n", weir_version());
    else
        printf("weir %s\n", weir_version());
    return CLI_OK;
}

static const cli_verb cli_help = {
    "help",
    help_run,
    "say more about a verb, a connector, a format, the functions",
    "usage: weir help [VERB | functions | aggregates | CONNECTOR | FORMAT] [--json]\n"
    "\n"
    "  weir help run\n"
    "  weir help kafka\n",
};
static const cli_verb cli_version = {
    "version",
    version_run,
    "print the version",
    "usage: weir version [-o json]\n"
    "\n"
    "  weir version\n"
    "  weir version -o json\n",
};

/* Descriptors 0 to 2 that nobody gave us: no file that is opened later may be taken for standard output.  The lowest
 * free one is what open gives. */
static void
standard_reserve(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_RDWR);
}

static int
verb_run(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        overview(argc < 2 ? stderr : stdout);
        return argc < 2 ? CLI_USAGE : CLI_OK;
    }
    if (strcmp(argv[1], "--version") == 0)
        return version_run(1, argv);
    const cli_verb *v = verb_find(argv[1]);
    if (v != NULL)
        return v->run(argc - 1, argv + 1);
    wr_nearest nearest;
    wr_nearest_init(&nearest, argv[1]);
    for (const cli_verb *const *at = cli_verbs; *at != NULL; at++)
        wr_nearest_offer(&nearest, (*at)->name);
    cli_say("there is no verb \"%s\"", argv[1]);
    if (nearest.best != NULL)
        fprintf(stderr, "  did you mean: weir %s?\n", nearest.best);
    fputs("  try: weir help\n", stderr);
    return CLI_USAGE;
}

int
main(int argc, char **argv)
{
    standard_reserve();
    int rc = verb_run(argc, argv);
    errno = 0;
    bool written = fflush(stdout) == 0 && !ferror(stdout);
    return rc == CLI_OK && !written ? cli_write_error(cli_stream_error(stdout)) : rc;
}
