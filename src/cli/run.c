/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/run.c -- weir run: load, start, serve, wait for the end or a signal, stop cleanly.
 */
#include "cli/cli.h"
#include "server/server.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MS = 100 };

typedef struct run_options {
    cli_list    files, inputs, outputs;
    int         once, quiet;
    const char *data_dir, *colour, *memory;
    long long   workers, seed;
} run_options;

static int
run_load(weir *engine, const run_options *o, weir_pipeline **pipelines)
{
    weir_report *report = weir_report_open();
    if (report == NULL)
        return CLI_FAILED;
    for (int i = 0; i < o->files.count; i++)
        (void) !weir_pipeline_load(engine, o->files.items[i], NULL, o->inputs.count > 0 ? o->inputs.items : NULL,
                                   o->outputs.count > 0 ? o->outputs.items : NULL, report, &pipelines[i]);
    int bad = weir_report_errors(report) > 0;
    if (weir_report_count(report) > 0) {
        char *text = weir_report_print(report, cli_colour(stderr));
        fputs(text != NULL ? text : "", stderr);
        weir_free(text);
    }
    weir_report_close(report);
    return bad ? CLI_CONFIG : CLI_OK;
}

static int
run_start(weir_pipeline **pipelines, int count, server **face, weir *engine, bool once)
{
    weir_error err = { 0 };
    for (int i = 0; i < count; i++) {
        weir_serve serve;
        weir_pipeline_serve(pipelines[i], &serve);
        if (once || (serve.http == NULL && serve.tcp == NULL))
            continue;
        weir_status status = *face != NULL ? server_add(*face, &serve, &err) : server_open(engine, &serve, face, &err);
        if (status != WEIR_OK) {
            cli_error(&err);
            return cli_exit_code(status);
        }
    }
    for (int i = 0; i < count; i++) {
        weir_status status = weir_pipeline_start(pipelines[i], &err);
        if (status != WEIR_OK) {
            cli_error(&err);
            return cli_exit_code(status);
        }
    }
    return CLI_OK;
}

/* Until a signal, or until no pipeline runs any more. */
static int
run_wait(weir_pipeline **pipelines, int count)
{
    struct pollfd wake = { .fd = cli_signal_fd(), .events = POLLIN };
    weir_error    err = { 0 };
    for (;;) {
        int running = 0;
        for (int i = 0; i < count; i++) {
            weir_state state = weir_pipeline_state(pipelines[i], &err);
            running += state == WEIR_RUNNING;
            if (state == WEIR_FAILED) {
                fprintf(stderr, "weir: pipeline %s failed: %s\n", weir_pipeline_name(pipelines[i]), err.text);
                return cli_exit_code(err.code) == CLI_CONFIG ? CLI_FAILED : cli_exit_code(err.code);
            }
        }
        if (running == 0)
            return CLI_OK;
        if (cli_interrupted())
            return CLI_INTERRUPTED;
        if (count == 1) /* wakes at once when it ends */
            (void) !weir_pipeline_wait(pipelines[0], WAIT_MS * 1000, NULL);
        else
            poll(&wake, 1, WAIT_MS);
    }
}

static int
run_verb(int argc, char **argv)
{
    run_options o = { .colour = "auto", .seed = 1 };
    int         done;
    cli_option  options[] = {
        { "input", 'i', 'l', &o.inputs }, { "output", 'O', 'l', &o.outputs }, { "once", 0, 'f', &o.once },
        { "data", 'd', 's', &o.data_dir }, { "workers", 'w', 'n', &o.workers }, { "seed", 0, 'n', &o.seed },
        { "color", 0, 's', &o.colour },   { "quiet", 'q', 'f', &o.quiet },    { 0 },
    };
    int rc = cli_parse(argc, argv, options, &o.files, &done);
    if (rc != 0 || done)
        return rc;
    cli_set_colour(o.colour);
    if (o.files.count == 0) {
        cli_say("which file? weir run FILE...");
        return CLI_USAGE;
    }
    if (o.workers < 0 || o.workers > 64) {
        cli_say("--workers wants 1 to 64, or 0 for one a core");
        return CLI_USAGE;
    }
    weir_pipeline *pipelines[64] = { 0 };
    server        *face = NULL;
    weir          *engine = NULL;
    weir_error     err = { 0 };
    weir_options   wo = { .workers = (uint32_t) o.workers, .data_dir = o.data_dir, .seed = (uint64_t) o.seed, .once = o.once != 0 };
    cli_catch_signals();
    if (weir_open(&wo, &engine, &err) != WEIR_OK) {
        cli_error(&err);
        return CLI_FAILED;
    }
    rc = run_load(engine, &o, pipelines);
    if (rc == CLI_OK)
        rc = run_start(pipelines, o.files.count, &face, engine, o.once != 0);
    if (rc == CLI_OK) {
        rc = run_wait(pipelines, o.files.count);
        for (int i = 0; i < o.files.count; i++)
            if (weir_pipeline_state(pipelines[i], NULL) == WEIR_RUNNING && weir_pipeline_stop(pipelines[i], &err) != WEIR_OK) {
                cli_error(&err);
                rc = CLI_FAILED;
            }
        if (rc == CLI_INTERRUPTED && isatty(STDERR_FILENO) && !o.quiet)
            fputs("\nweir: stopped\n", stderr);
    }
    server_close(face);
    weir_close(engine);
    return rc == CLI_INTERRUPTED ? CLI_OK : rc; /* asked to stop and stopped cleanly */
}

const cli_verb cli_run = {
    "run", run_verb, "run pipelines until they end or are stopped",
    "usage: weir run [OPTIONS] FILE...\n"
    "\n"
    "  -i, --input SOURCE=FILE   read this file in place of a source (- is standard input)\n"
    "  -O, --output VIEW=FILE    write a view there, in place of the file's sinks (- is standard output)\n"
    "      --once                read what is there now, finish, exit\n"
    "  -d, --data DIR            keep checkpoints in DIR\n"
    "  -w, --workers N           worker threads (default: one a core, at most 8)\n"
    "      --seed N              seed of random() and generators\n"
    "\n"
    "SIGTERM and SIGINT: intake stops, sinks are flushed, a last checkpoint is taken.  A second one: at once.\n"
    "\n"
    "  weir run auctions.yaml\n"
    "  weir run auctions.yaml --once --input bids=bids.jsonl --output per_auction=-\n",
};
