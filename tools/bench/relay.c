/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench/relay.c -- the client's floor from topic to topic: poll, produce, no decoding.
 *
 *   relay BROKERS FROM TO MESSAGES [batch] [quiet]     prints messages, seconds of CPU, seconds of wall
 *
 * consumer_poll one message, produce its value (copied, without a key), count its delivery, until all are delivered.  batch: 256 at
 * a time into produce_batch; quiet: told of failures alone.  Settings as connector/kafka's defaults.
 */
#include "kafka_bench.h"

enum { BATCH = 256 };

static long delivered, failed;

static void
on_delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *user)
{
    delivered += m->err == 0;
    failed += m->err != 0;
}

int
main(int argc, char **argv)
{
    static const char *const produce[][2] = {
        { "enable.idempotence", "true" },
        { "partitioner", "murmur2_random" },
        { "message.timeout.ms", "0" },
        { "compression.codec", "lz4" },
        { "linger.ms", "5" },
        { "queue.buffering.max.messages", "200000" },
        { "queue.buffering.max.kbytes", "131072" },
    };
    if (argc < 5) {
        fprintf(stderr, "usage: relay BROKERS FROM TO MESSAGES [batch] [quiet]\n");
        return 2;
    }
    bool batch = argc > 5 && strcmp(argv[5], "batch") == 0, quiet = strcmp(argv[argc - 1], "quiet") == 0;
    long want = atol(argv[4]), have = 0;
    bench_clock clock;
    rd_kafka_t *in = bench_consumer(argv[1]);
    rd_kafka_conf_t *conf = bench_conf(argv[1]);
    for (size_t i = 0; i < sizeof produce / sizeof produce[0]; i++)
        bench_set(conf, produce[i][0], produce[i][1]);
    bench_set(conf, "delivery.report.only.error", quiet ? "true" : "false");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivered);
    rd_kafka_t *out = bench_client(RD_KAFKA_PRODUCER, conf);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(out, argv[3], NULL);
    rd_kafka_message_t *held[BATCH], send[BATCH];
    int partitions = bench_partitions(in, argv[2]);
    bench_begin(&clock);
    bench_assign(in, argv[2], partitions);
    while (have < want) {
        int n = 0;
        while (n < (batch ? BATCH : 1) && have + n < want) {
            rd_kafka_message_t *m = rd_kafka_consumer_poll(in, n == 0 ? 5000 : 0);
            if (m == NULL)
                break;
            if (m->err == 0) {
                send[n] = (rd_kafka_message_t){ .payload = m->payload, .len = m->len };
                held[n++] = m;
            } else {
                rd_kafka_message_destroy(m);
            }
        }
        if (n == 0)
            continue;
        int done = 0;
        while (done < n) {
            if (batch)
                done += rd_kafka_produce_batch(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                                               send + done, n - done);
            else
                done += rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, send[0].payload,
                                         send[0].len, NULL, 0, NULL) == 0;
            rd_kafka_poll(out, done < n ? 10 : 0);
        }
        for (int i = 0; i < n; i++)
            rd_kafka_message_destroy(held[i]);
        have += n;
    }
    while (rd_kafka_outq_len(out) > 0)
        rd_kafka_poll(out, 10);
    bench_print(&clock, quiet ? have - failed : delivered);
    return failed == 0 ? 0 : 1;
}
