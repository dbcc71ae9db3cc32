/* SPDX-License-Identifier: Apache-2.0 */
/* connector/registry.c -- sources and sinks by name, sorted.  A new one is a row here. */
#include "connector/file.h"
#include "connector/kafka.h"
#include "connector/nexmark.h"
#include "connector/tcp.h"

#include <string.h>

static const wr_source_ops *const sources[] = {
    &wr_file_source_ops,
    &wr_kafka_source_ops,
    &wr_nexmark_source_ops,
    &wr_tcp_source_ops,
};
static const wr_sink_ops *const sinks[] = {
    &wr_file_sink_ops,
    &wr_kafka_sink_ops,
    &wr_stdout_sink_ops,
};

const wr_source_ops *
wr_source_find(const char *name)
{
    for (size_t i = 0; i < WR_COUNT(sources); i++)
        if (strcmp(sources[i]->name, name) == 0)
            return sources[i];
    return NULL;
}

const wr_sink_ops *
wr_sink_find(const char *name)
{
    for (size_t i = 0; i < WR_COUNT(sinks); i++)
        if (strcmp(sinks[i]->name, name) == 0)
            return sinks[i];
    return NULL;
}

const wr_source_ops *const *
wr_source_all(uint32_t *count)
{
    *count = WR_COUNT(sources);
    return sources;
}

const wr_sink_ops *const *
wr_sink_all(uint32_t *count)
{
    *count = WR_COUNT(sinks);
    return sinks;
}
