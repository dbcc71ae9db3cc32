/* SPDX-License-Identifier: Apache-2.0 */
/* engine/dev.c -- the practice Kafka broker, as the public header has it (see connector/dev_kafka.h). */
#include "connector/dev_kafka.h"
#include "engine/engine_impl.h"

struct weir_dev_kafka {
    const char *brokers;
};

weir_status
weir_dev_kafka_start(const char *const *topics, uint32_t partitions, weir_dev_kafka **broker,
                     weir_error *err)
{
    wr_dev_kafka_config config = { .topics = topics, .partitions = partitions };
    weir_dev_kafka *b = wr_calloc(NULL, 1, sizeof *b);
    if (b == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for a broker");
    weir_status status = wr_dev_kafka_start(&config, err);
    if (status != WEIR_OK) {
        wr_free(b);
        return status;
    }
    b->brokers = wr_dev_kafka_bootstrap();
    *broker = b;
    return WEIR_OK;
}

const char *
weir_dev_kafka_brokers(const weir_dev_kafka *broker)
{
    return broker->brokers;
}

void
weir_dev_kafka_stop(weir_dev_kafka *broker)
{
    if (broker == NULL)
        return;
    wr_dev_kafka_stop();
    wr_free(broker);
}
