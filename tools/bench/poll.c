/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench/poll.c -- the client's floor: a bare loop over a topic, no decoding.
 *
 *   poll BROKERS TOPIC MESSAGES [batch]     prints messages, seconds of CPU, seconds of wall
 *
 * consumer_poll, or (batch) consume_batch_queue of 2,048.  The settings are those of connector/kafka, so that the ratio says what Weir
 * adds.
 */
#include "kafka_bench.h"

enum { BATCH = 2048 };

static long
batch_read(rd_kafka_queue_t *queue)
{
    rd_kafka_message_t *m[BATCH];
    long                good = 0;
    ssize_t             n = rd_kafka_consume_batch_queue(queue, 1000, m, BATCH);
    for (ssize_t i = 0; i < n; i++) {
        good += m[i]->err == 0;
        rd_kafka_message_destroy(m[i]);
    }
    return good;
}

static long
one_read(rd_kafka_t *rk)
{
    rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 1000);
    long                good = m != NULL && m->err == 0;
    if (m != NULL)
        rd_kafka_message_destroy(m);
    return good;
}

int
main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: poll BROKERS TOPIC MESSAGES [batch]\n");
        return 2;
    }
    long        want = atol(argv[3]), have = 0;
    bool        batch = argc > 4 && strcmp(argv[4], "batch") == 0;
    bench_clock clock;
    rd_kafka_t *rk = bench_consumer(argv[1]);
    int         partitions = bench_partitions(rk, argv[2]);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(rk);
    bench_begin(&clock);
    bench_assign(rk, argv[2], partitions);
    for (int silent = 0; have < want && silent < 30;) {
        long n = batch ? batch_read(queue) : one_read(rk);
        have += n;
        silent = n > 0 ? 0 : silent + 1;
    }
    bench_print(&clock, have);
    _exit(have >= want ? 0 : 1);
}
