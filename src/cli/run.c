/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/run.c -- weir run: load, start, serve, wait for the end or a signal, stop cleanly.
 *
 * With --data the process also listens on DIR/weir.sock, for `weir why --server unix:DIR/weir.sock`
 * and its kin.
 */
#include "cli/cli.h"
#include "server/server.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAIT_MS = 100, FILES_MAX = 64, DESCRIPTORS = 4096 };

typedef struct run_options {
    cli_list files, inputs, outputs;
    int once, quiet, dev_kafka;
    const char *data_dir, *colour, *show, *format;
    long long workers, seed;
} run_options;

/* The view that --show follows. */
typedef struct shown {
    weir_subscription *sub;
    weir_pipeline *pipeline;
    cli_printer *printer;
    int wake_fd;
    bool ended, failed;
} shown;

typedef struct run_state {
    run_options options;
    weir *engine;
    weir_pipeline *pipelines[FILES_MAX];
    int count;
    server *face;
    parser *parser; /* NULL: clients' SQL is refused */
    int hangups; /* seen so far */
    weir_dev_kafka *broker;
    shown shown;
    cli_progress bar; /* of --once */
} run_state;

/* --- the parser of clients' SQL --- */

/* Before there are threads, and before files say whether anybody listens: it is let go then. */
static void
run_fork_parser(run_state *run)
{
    weir_error err = { 0 };
    if (!run->options.once && parser_open(NULL, &run->parser, &err) != WEIR_OK)
        cli_error(&err);
}

/* --- the practice broker --- */

/* Before the files are read: they say ${KAFKA}. */
static int
run_dev_kafka(run_state *run)
{
    weir_error err = { 0 };
    if (weir_dev_kafka_start(NULL, 4, &run->broker, &err) != WEIR_OK) {
        cli_error(&err);
        return CLI_CONNECT;
    }
    const char *brokers = weir_dev_kafka_brokers(run->broker);
    setenv("KAFKA", brokers, 1);
    if (!run->options.quiet)
        fprintf(stderr,
                "weir: practice Kafka at %s, in this process, for trying things out: it forgets "
                "everything at exit\n"
                "      and keeps only the newest 5 MB and 100,000 messages of each partition.\n",
                brokers);
    return CLI_OK;
}

/* --- --show --- */

/* From any thread. */
static void
show_wake(void *user)
{
    const shown *s = user;
    uint64_t one = 1;
    (void)!write(s->wake_fd, &one, sizeof one);
}

static int
show_open(run_state *run)
{
    shown *s = &run->shown;
    weir_column_info columns[CLI_COLUMNS_MAX];
    weir_subscribe_options o = { .snapshot = true, .wake = show_wake, .user = s };
    weir_error err = { 0 };
    cli_format format;
    if (!cli_format_parse(run->options.format, stdout, &format))
        return CLI_USAGE;
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    weir_status st = WEIR_QUERY_NO_RELATION;
    if (s->wake_fd < 0)
        st = wr_error_set(&err, WEIR_LIMIT, "cannot make a descriptor for --show: %s", strerror(errno));
    for (int i = run->count; i-- > 0 && st == WEIR_QUERY_NO_RELATION;) {
        st = weir_subscribe(run->pipelines[i], run->options.show, &o, &s->sub, &err);
        s->pipeline = run->pipelines[i];
    }
    if (st != WEIR_OK) {
        cli_error(&err);
        return st == WEIR_QUERY_NO_RELATION ? CLI_USAGE : CLI_FAILED;
    }
    uint32_t n = weir_subscription_columns(s->sub, columns, CLI_COLUMNS_MAX);
    s->printer = cli_printer_open(format, stdout, columns, n,
                                  weir_subscription_kind(s->sub) != WEIR_INSERT_ONLY, true);
    return s->printer != NULL ? CLI_OK : CLI_FAILED;
}

/* What has come since the last time.  False: standard output has gone, or it failed. */
static bool
show_pump(shown *s)
{
    weir_message m;
    weir_error err = { 0 };
    uint64_t count;
    bool good = true;
    if (s->sub == NULL)
        return true;
    (void)!read(s->wake_fd, &count, sizeof count);
    while (good && !s->ended && !cli_interrupted()) {
        bool over =
            weir_pipeline_state(s->pipeline, NULL) != WEIR_RUNNING; /* asked before the rows are */
        if (weir_subscription_next(s->sub, &m, &err) != WEIR_OK) {
            cli_error(&err);
            s->failed = true;
            return false;
        }
        if (m.event == WEIR_ROWS) {
            good = cli_printer_add(s->printer, m.rows) == 0;
            weir_rows_release(m.rows);
        } else if (m.event == WEIR_GAP) {
            cli_say("--show cannot keep up: %llu batches are left out", (unsigned long long)m.lost);
        } else if (m.event == WEIR_END || (m.event == WEIR_NOTHING && over)) {
            s->ended = true;
        } else if (m.event == WEIR_NOTHING) {
            break;
        }
    }
    return good && cli_printer_flush(s->printer) == 0;
}

/* The exit code. */
static int
show_close(shown *s)
{
    weir_unsubscribe(s->sub);
    int rc = cli_printer_close(s->printer, false);
    if (s->wake_fd >= 0)
        close(s->wake_fd);
    return s->failed ? CLI_FAILED : rc;
}

/* --- load, start, wait --- */

/* Checkpoints, metrics and paths go by a pipeline's name. */
static int
names_differ(const run_state *run)
{
    const cli_list *files = &run->options.files;
    for (int i = 1; i < run->count; i++) {
        const char *name = weir_pipeline_name(run->pipelines[i]);
        for (int k = 0; k < i; k++) {
            if (strcmp(weir_pipeline_name(run->pipelines[k]), name) == 0) {
                cli_say("%s and %s: both pipelines are called %s; give one of them another `name`",
                        files->items[k], files->items[i], name);
                return CLI_CONFIG;
            }
        }
    }
    return CLI_OK;
}

static int
run_load(run_state *run)
{
    const run_options *o = &run->options;
    weir_report *report = weir_report_open();
    if (report == NULL) {
        cli_say("%s", weir_status_text(WEIR_MEMORY));
        return CLI_FAILED;
    }
    weir_status first = WEIR_OK;
    for (int i = 0; i < o->files.count; i++) {
        weir_status st = weir_pipeline_load(
            run->engine, o->files.items[i], NULL, o->inputs.count > 0 ? o->inputs.items : NULL,
            o->outputs.count > 0 ? o->outputs.items : NULL, report, &run->pipelines[i]);
        first = first == WEIR_OK ? st : first;
    }
    run->count = o->files.count;
    cli_report(report, o->files.items[0], first);
    weir_report_close(report);
    if (first == WEIR_OK)
        return names_differ(run);
    return first == WEIR_MEMORY ? CLI_FAILED : CLI_CONFIG;
}

/* Clients and files share the limit on descriptors; the usual 1,024 is little. */
static void
raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < DESCRIPTORS) {
        limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
        (void)!setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static weir_status
add_data_socket(run_state *run, weir_error *err)
{
    char text[512];
    int n = snprintf(text, sizeof text, "unix:%s/weir.sock", run->options.data_dir);
    if (n > 5 + 107) {
        cli_say("%s/weir.sock is too long for a socket's path: there is none",
                run->options.data_dir);
        return WEIR_OK;
    }
    if (mkdir(run->options.data_dir, 0777) != 0 && errno != EEXIST)
        return WEIR_OK; /* the checkpoints' own opening says what is wrong */
    weir_serve serve = { .tcp = text };
    return server_add(run->face, &serve, err);
}

/* Listening comes first: an address in use is found before anything runs. */
static weir_status
run_listen(run_state *run, weir_error *err)
{
    bool wanted = run->options.data_dir != NULL;
    for (int i = 0; i < run->count; i++) {
        weir_serve serve;
        weir_pipeline_serve(run->pipelines[i], &serve);
        wanted |= serve.http != NULL || serve.tcp != NULL;
    }
    if (run->options.once || !wanted) {
        parser_close(run->parser);
        run->parser = NULL;
        return WEIR_OK;
    }
    raise_descriptors();
    WR_TRY(server_open(run->engine, &run->face, err));
    if (run->parser != NULL) {
        weir_parser callback = parser_callback(run->parser);
        weir_set_parser(run->engine, &callback);
        server_set_parser(run->face, run->parser);
    }
    for (int i = 0; i < run->count; i++) {
        weir_serve serve;
        weir_pipeline_serve(run->pipelines[i], &serve);
        WR_TRY(server_add(run->face, &serve, err));
    }
    if (server_has_tls(run->face) && !isatty(STDIN_FILENO)) /* a closed terminal still ends it */
        cli_catch_hangups();
    return run->options.data_dir != NULL ? add_data_socket(run, err) : WEIR_OK;
}

static int
run_start(run_state *run)
{
    weir_error err = { 0 };
    weir_status status = run_listen(run, &err);
    for (int i = 0; i < run->count && status == WEIR_OK && !cli_interrupted(); i++)
        status = weir_pipeline_start(run->pipelines[i], &err);
    if (status != WEIR_OK && cli_interrupted()) /* asked to stop: nobody asks any more why it could not begin */
        return CLI_INTERRUPTED;
    if (status == WEIR_OK && run->face != NULL)
        status = server_start(run->face, &err);
    if (status != WEIR_OK) {
        cli_error(&err);
        return cli_exit_code(status);
    }
    return run->options.show != NULL ? show_open(run) : CLI_OK;
}

/* --- progress of --once --- */

static void
progress_start(run_state *run)
{
    bool prints = run->options.show != NULL;
    for (int i = 0; i < run->count; i++)
        prints = prints || weir_pipeline_prints(run->pipelines[i]);
    cli_progress_start(&run->bar);
    if (!run->options.once || run->options.quiet || (prints && isatty(STDOUT_FILENO)))
        run->bar.on = false;
}

/* All pipelines together. */
static void
progress_show(run_state *run)
{
    weir_progress sum = { 0 };
    bool known = true, bytes = true;
    for (int i = 0; i < run->count && run->bar.on; i++) {
        weir_progress one;
        weir_pipeline_progress(run->pipelines[i], &one);
        sum.rows += one.rows;
        sum.bytes += one.bytes;
        sum.bytes_total += one.bytes_total;
        sum.fraction += one.fraction / run->count;
        known = known && one.fraction >= 0;
        bytes = bytes && one.bytes_total > 0;
    }
    sum.fraction = known ? sum.fraction : -1;
    sum.bytes_total = bytes ? sum.bytes_total : 0;
    cli_progress_show(&run->bar, &sum);
}

/* One look at all pipelines: CLI_OK when none runs any more, -1 when some do. */
static int
run_look(run_state *run)
{
    weir_error err = { 0 };
    int running = 0;
    for (int i = 0; i < run->count; i++) {
        weir_state state = weir_pipeline_state(run->pipelines[i], &err);
        running += state == WEIR_RUNNING;
        if (state == WEIR_FAILED) {
            cli_progress_clear(&run->bar);
            cli_say("pipeline %s failed: %s", weir_pipeline_name(run->pipelines[i]), err.text);
            if (err.hint[0] != '\0')
                cli_hint(err.hint);
            return cli_exit_code(err.code) == CLI_CONFIG ? CLI_FAILED : cli_exit_code(err.code);
        }
    }
    return running > 0 ? -1 : CLI_OK;
}

/* HUP: the certificates are read anew. */
static void
run_hangups(run_state *run)
{
    int seen = cli_hangups();
    if (seen != run->hangups && run->face != NULL)
        server_reload(run->face);
    run->hangups = seen;
}

/* Until a signal, or until no pipeline runs any more. */
/* Do the rows of all sinks go to a reader of standard output, and does nobody else look in? */
static bool
run_only_prints(const run_state *run)
{
    bool only = run->face == NULL && run->count > 0;
    for (int i = 0; i < run->count; i++)
        only = only && weir_pipeline_only_prints(run->pipelines[i]);
    return only;
}

static bool
reader_has_gone(void)
{
    struct pollfd to = { .fd = STDOUT_FILENO };
    return poll(&to, 1, 0) == 1 && (to.revents & POLLERR) != 0;
}

static int
run_wait(run_state *run)
{
    bool only_prints = run_only_prints(run);
    struct pollfd wake[2] = { { .fd = cli_signal_fd(), .events = POLLIN },
                              { .fd = run->shown.wake_fd, .events = POLLIN } };
    for (;;) {
        progress_show(run);
        int rc = run_look(run); /* before the rows: what comes after the end is not missed */
        if (!show_pump(&run->shown) || (only_prints && reader_has_gone()))
            return CLI_OK; /* the reader of the pipe has gone */
        if (rc >= 0)
            return rc;
        if (cli_interrupted())
            return CLI_INTERRUPTED;
        run_hangups(run);
        if (run->count == 1 && run->shown.sub == NULL) /* wakes at once when it ends */
            (void)!weir_pipeline_wait(run->pipelines[0], WAIT_MS * 1000, NULL);
        else
            poll(wake, 2, WAIT_MS);
    }
}

static int
run_stop(run_state *run, int rc)
{
    weir_error err = { 0 };
    for (int i = 0; i < run->count; i++)
        if (weir_pipeline_state(run->pipelines[i], NULL) == WEIR_RUNNING &&
            weir_pipeline_stop(run->pipelines[i], &err) != WEIR_OK) {
            cli_say("pipeline %s: %s", weir_pipeline_name(run->pipelines[i]), err.text);
            if (err.hint[0] != '\0')
                cli_hint(err.hint);
            rc = CLI_FAILED;
        }
    (void)show_pump(&run->shown);
    if (rc == CLI_INTERRUPTED && isatty(STDERR_FILENO) && !run->options.quiet)
        fputs("\nweir: stopped\n", stderr);
    return rc;
}

/* What did not come out, pipeline by pipeline. */
static void
say_left_out(run_state *run)
{
    for (int i = 0; i < run->count; i++) {
        weir_progress end;
        weir_pipeline_progress(run->pipelines[i], &end);
        cli_progress_left_out(&end, weir_pipeline_name(run->pipelines[i]));
    }
}

static int
run_follow(run_state *run)
{
    progress_start(run);
    int rc = run_wait(run);
    cli_progress_clear(&run->bar);
    rc = run_stop(run, rc);
    say_left_out(run);
    return rc;
}

static int
run_options_read(int argc, char **argv, run_options *o, int *done)
{
    cli_option options[] = {
        { "input", 'i', 'l', &o->inputs },      { "output", 'O', 'l', &o->outputs },
        { "once", 0, 'f', &o->once },           { "data", 'd', 's', &o->data_dir },
        { "workers", 'w', 'n', &o->workers },   { "seed", 0, 'n', &o->seed },
        { "color", 0, 's', &o->colour },        { "quiet", 'q', 'f', &o->quiet },
        { "show", 0, 's', &o->show },           { "format", 'o', 's', &o->format },
        { "dev-kafka", 0, 'f', &o->dev_kafka }, { 0 },
    };
    int rc = cli_parse(argc, argv, options, &o->files, done);
    if (rc != 0 || *done)
        return rc;
    cli_set_colour(o->colour);
    if (o->files.count == 0) {
        cli_say("which file? weir run FILE...");
        return CLI_USAGE;
    }
    if (o->workers < 0 || o->workers > 64) {
        cli_say("--workers wants 1 to 64, or 0 for one a core");
        return CLI_USAGE;
    }
    if (o->data_dir != NULL && o->data_dir[0] == '\0') { /* a variable that is not set, say */
        cli_say("--data wants a directory, not \"\"");
        return CLI_USAGE;
    }
    cli_format format;
    return o->show == NULL || cli_format_parse(o->format, stdout, &format) ? CLI_OK : CLI_USAGE;
}

static int
run_verb(int argc, char **argv)
{
    run_state run = { .options = { .colour = "auto", .seed = 1 }, .shown = { .wake_fd = -1 } };
    weir_error err = { 0 };
    int done, rc = run_options_read(argc, argv, &run.options, &done);
    if (rc != 0 || done)
        return rc;
    weir_options wo = { .workers = (uint32_t)run.options.workers,
                        .data_dir = run.options.data_dir,
                        .seed = (uint64_t)run.options.seed,
                        .once = run.options.once != 0 };
    run_fork_parser(&run);
    cli_catch_signals();
    if (run.options.dev_kafka)
        rc = run_dev_kafka(&run);
    if (rc == CLI_OK && weir_open(&wo, &run.engine, &err) != WEIR_OK) {
        cli_error(&err);
        rc = CLI_FAILED;
    }
    if (rc == CLI_OK)
        rc = run_load(&run);
    if (rc == CLI_OK)
        rc = run_start(&run);
    if (rc == CLI_OK)
        rc = run_follow(&run);
    else if (rc == CLI_INTERRUPTED)
        rc = run_stop(&run, rc); /* what had begun */
    server_close(run.face);
    parser_close(run.parser);
    int shown_rc = show_close(&run.shown);
    rc = rc == CLI_OK || rc == CLI_INTERRUPTED ? shown_rc : rc;
    weir_close(run.engine);
    weir_dev_kafka_stop(run.broker);
    return rc; /* asked to stop and stopped cleanly: OK */
}

const cli_verb cli_run = {
    "run",
    run_verb,
    "run pipelines until they end or are stopped",
    "usage: weir run [OPTIONS] FILE...\n"
    "\n"
    "  -i, --input SOURCE=FILE   read this file in place of a source (- is standard input)\n"
    "  -O, --output VIEW=FILE    write a view there, in place of the file's sinks (- is standard "
    "output)\n"
    "      --once                read what is there now, finish, exit\n"
    "      --show VIEW           print a view's rows as they come\n"
    "  -o, --format FORMAT       of --show: table, jsonl, csv, markdown or raw\n"
    "  -d, --data DIR            keep checkpoints in DIR, and a control socket DIR/weir.sock\n"
    "  -w, --workers N           worker threads (default: one a core, at most 8)\n"
    "      --dev-kafka           start the practice Kafka in this process; ${KAFKA} is its "
    "address\n"
    "      --seed N              seed of random() and generators\n"
    "  -q, --quiet               say less\n"
    "\n"
    "SIGTERM and SIGINT: intake stops, sinks are flushed, a last checkpoint is taken.  A second "
    "one: at once.\n"
    "\n"
    "  weir run auctions.yaml\n"
    "  weir run auctions.yaml --once --input bids=bids.jsonl --output per_auction=-\n",
};
