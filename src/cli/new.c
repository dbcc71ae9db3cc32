/* SPDX-License-Identifier: Apache-2.0 */
/* cli/new.c -- weir new: a commented pipeline to start from; weir dev-kafka: the practice broker.
 */
#include "cli/cli.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

static const char kafka_agg[] =
    "# Counts per key in 10-second windows, from one Kafka topic to another.\n"
    "#   weir check FILE   weir test FILE   weir run FILE\n"
    "name: starter\n"
    "sources:\n"
    "  bids:\n"
    "    kafka: { brokers: \"${KAFKA:-localhost:9092}\", topic: bids, group: weir-starter, start: "
    "earliest }\n"
    "    format: json\n"
    "    columns: |\n"
    "      auction bigint NOT NULL,\n"
    "      price   numeric(12,2),\n"
    "      ts      timestamptz NOT NULL\n"
    "    # A row may come 5 seconds after a later one; windows wait so long before they close.\n"
    "    watermark: ts - interval '5 seconds'\n"
    "    late: dead_letter            # drop | dead_letter | update\n"
    "views:\n"
    "  per_auction:\n"
    "    emit: final                  # once, when the window closes; or: changes\n"
    "    sql: |\n"
    "      SELECT window_start, auction, count(*) AS bids, max(price) AS top\n"
    "      FROM tumble(bids, ts, interval '10 seconds')\n"
    "      GROUP BY window_start, auction\n"
    "sinks:\n"
    "  stats: { from: per_auction, kafka: { brokers: \"${KAFKA:-localhost:9092}\", topic: "
    "auction-stats, key: auction } }\n"
    "serve: { http: 127.0.0.1:8080, tcp: 127.0.0.1:7077 }\n"
    "tests:\n"
    "  - name: a window closes when the watermark passes it\n"
    "    given:\n"
    "      bids:\n"
    "        - { auction: 1, price: \"5.00\", ts: \"2026-01-01T00:00:01Z\" }\n"
    "        - { auction: 1, price: \"9.00\", ts: \"2026-01-01T00:00:16Z\" }\n"
    "    expect:\n"
    "      per_auction:\n"
    "        - { window_start: \"2026-01-01T00:00:00Z\", auction: 1, bids: 1, top: \"5.00\" }\n";

static const char join[] =
    "# Two streams joined in the same window: which auctions of a seller got a bid in the same ten "
    "seconds?\n"
    "name: joined\n"
    "sources:\n"
    "  auctions:\n"
    "    kafka: { brokers: \"${KAFKA:-localhost:9092}\", topic: auctions, group: weir-joined }\n"
    "    format: json\n"
    "    columns: |\n"
    "      id bigint NOT NULL,\n"
    "      seller bigint,\n"
    "      ts timestamptz NOT NULL\n"
    "    watermark: ts - interval '5 seconds'\n"
    "  bids:\n"
    "    kafka: { brokers: \"${KAFKA:-localhost:9092}\", topic: bids, group: weir-joined }\n"
    "    format: json\n"
    "    columns: |\n"
    "      auction bigint NOT NULL,\n"
    "      price bigint,\n"
    "      ts timestamptz NOT NULL\n"
    "    watermark: ts - interval '5 seconds'\n"
    "views:\n"
    "  sold:\n"
    "    sql: |\n"
    "      SELECT a.window_start, a.seller, b.auction, b.price\n"
    "      FROM tumble(auctions, ts, interval '10 seconds') a\n"
    "      JOIN tumble(bids, ts, interval '10 seconds') b\n"
    "        ON b.auction = a.id AND b.window_start = a.window_start AND b.window_end = "
    "a.window_end\n"
    "sinks:\n"
    "  out: { from: sold, stdout: { format: json } }\n"
    "tests:\n"
    "  - name: a bid in the same window finds its auction\n"
    "    given:\n"
    "      auctions: [ { id: 7, seller: 3, ts: \"2026-01-01T00:00:01Z\" } ]\n"
    "      bids: [ { auction: 7, price: 10, ts: \"2026-01-01T00:00:02Z\" }, { auction: 7, price: "
    "11, ts: \"2026-01-01T00:00:12Z\" } ]\n"
    "    expect:\n"
    "      sold: [ { window_start: \"2026-01-01T00:00:00Z\", seller: 3, auction: 7, price: 10 } "
    "]\n";

static const char file[] = "# Filter a file of JSON lines:  weir run FILE < hits.jsonl\n"
                           "name: slow\n"
                           "sources:\n"
                           "  hits:\n"
                           "    file: { path: \"-\", format: json }\n"
                           "    columns: |\n"
                           "      path text,\n"
                           "      ms   bigint\n"
                           "views:\n"
                           "  slow:\n"
                           "    sql: SELECT path, ms FROM hits WHERE ms > 500\n"
                           "sinks:\n"
                           "  out: { from: slow, stdout: { format: json } }\n"
                           "tests:\n"
                           "  - name: fast hits are left out\n"
                           "    given: { hits: [ { path: /a, ms: 20 }, { path: /b, ms: 900 } ] }\n"
                           "    expect: { slow: [ { path: /b, ms: 900 } ] }\n";

static int
new_run(int argc, char **argv)
{
    cli_list rest = { 0 };
    int done;
    cli_option options[] = { { 0 } };
    int rc = cli_parse(argc, argv, options, &rest, &done);
    if (rc != 0 || done)
        return rc;
    const char *kind = rest.count > 0 ? rest.items[0] : "kafka-agg";
    const char *text = strcmp(kind, "kafka-agg") == 0 ? kafka_agg
                       : strcmp(kind, "join") == 0    ? join
                       : strcmp(kind, "file") == 0    ? file
                                                      : NULL;
    if (text == NULL) {
        cli_say("no starter is called \"%s\": kafka-agg, join or file", kind);
        return CLI_USAGE;
    }
    fputs(text, stdout);
    return CLI_OK;
}

const cli_verb cli_new = {
    "new",
    new_run,
    "write a commented pipeline to start from",
    "usage: weir new [kafka-agg | join | file]\n"
    "\n"
    "  weir new kafka-agg > auctions.yaml\n"
    "  weir new file > slow.yaml\n",
};

static int
dev_kafka_run(int argc, char **argv)
{
    cli_list rest = { 0 };
    int done;
    long long partitions = 4;
    cli_option options[] = { { "partitions", 'p', 'n', &partitions }, { 0 } };
    weir_dev_kafka *broker = NULL;
    weir_error err = { 0 };
    int rc = cli_parse(argc, argv, options, &rest, &done);
    if (rc != 0 || done)
        return rc;
    if (partitions < 1 || partitions > 64) {
        cli_say("--partitions wants 1 to 64");
        return CLI_USAGE;
    }
    cli_catch_signals();
    if (weir_dev_kafka_start(rest.items, (uint32_t)partitions, &broker, &err) != WEIR_OK) {
        cli_error(&err);
        return CLI_CONNECT;
    }
    fprintf(stderr, "weir: practice Kafka, in this process, for trying things out: it keeps only "
                    "the newest 5 MB and\n"
                    "      100,000 messages of each partition, has no security and forgets "
                    "everything at exit.\n");
    printf("%s\n", weir_dev_kafka_brokers(broker));
    fflush(stdout);
    struct pollfd wake = { .fd = cli_signal_fd(), .events = POLLIN };
    while (!cli_interrupted())
        poll(&wake, 1, -1);
    weir_dev_kafka_stop(broker);
    return CLI_OK;
}

const cli_verb cli_dev_kafka = {
    "dev-kafka",
    dev_kafka_run,
    "start the practice Kafka broker",
    "usage: weir dev-kafka [--partitions N] [TOPIC...]\n"
    "\n"
    "Prints its address (host:port) and runs until it is stopped.  Made of librdkafka's mock: it "
    "drops what is\n"
    "over 5 MB or 100,000 messages a partition.  Never keep data in it.\n"
    "\n"
    "  weir dev-kafka bids auctions\n"
    "  weir dev-kafka --partitions 1 bids\n",
};
