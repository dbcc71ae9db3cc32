/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench/poll.c -- the client's floor: a bare consumer_poll loop over a topic, no decoding.
 *
 *   poll BROKERS TOPIC MESSAGES     prints messages, seconds of CPU, seconds of wall
 *
 * The same fetch settings as connector/kafka's defaults, so that the ratio says what Weir adds.
 */
#include <librdkafka/rdkafka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double
cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

int
main(int argc, char **argv)
{
    char text[512];
    struct timespec a, b;
    const struct rd_kafka_metadata *meta;
    static const char *const settings[][2] = {
        { "group.id", "weir-bench-poll" },
        { "enable.auto.commit", "false" },
        { "auto.offset.reset", "earliest" },
        { "fetch.message.max.bytes", "1048576" },
        { "fetch.max.bytes", "4194304" },
        { "queued.max.messages.kbytes", "65536" },
        { "check.crcs", "true" },
    };
    if (argc != 4) {
        fprintf(stderr, "usage: poll BROKERS TOPIC MESSAGES\n");
        return 2;
    }
    long want = atol(argv[3]), have = 0;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], text, sizeof text) !=
            RD_KAFKA_CONF_OK) {
            fprintf(stderr, "%s\n", text);
            return 1;
        }
    rd_kafka_conf_set(conf, "bootstrap.servers", argv[1], text, sizeof text);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, argv[2], NULL);
    if (rd_kafka_metadata(rk, 0, topic, &meta, 10000) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return 1;
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(meta->topics[0].partition_cnt);
    for (int p = 0; p < meta->topics[0].partition_cnt; p++)
        rd_kafka_topic_partition_list_add(list, argv[2], p)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_metadata_destroy(meta);
    double cpu = cpu_seconds();
    clock_gettime(CLOCK_MONOTONIC, &a);
    rd_kafka_assign(rk, list);
    while (have < want) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 5000);
        if (m == NULL)
            break;
        have += m->err == 0;
        rd_kafka_message_destroy(m);
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("%ld %.3f %.3f\n", have, cpu_seconds() - cpu,
           (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9);
    fflush(stdout);
    _exit(have == want ? 0 : 1);
}
