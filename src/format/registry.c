/* SPDX-License-Identifier: Apache-2.0 */
/* format/registry.c -- the formats by name, sorted.  A new one is a row here. */
#include "format/format.h"

#include "format/csv.h"
#include "format/debezium.h"
#include "format/json.h"
#include "format/line.h"
#include "format/msgpack.h"

#include <string.h>

static const wr_decoder_ops *const decoders[] = {
    &wr_csv_decoder_ops,
    &wr_debezium_decoder_ops,
    &wr_json_decoder_ops,
    &wr_line_decoder_ops,
    &wr_msgpack_decoder_ops,
    &wr_tsv_decoder_ops,
};
static const wr_encoder_ops *const encoders[] = {
    &wr_csv_encoder_ops,
    &wr_json_encoder_ops,
    &wr_line_encoder_ops,
    &wr_msgpack_encoder_ops,
    &wr_tsv_encoder_ops,
};

const wr_decoder_ops *
wr_decoder_find(const char *name)
{
    for (size_t i = 0; i < WR_COUNT(decoders); i++)
        if (strcmp(decoders[i]->name, name) == 0)
            return decoders[i];
    return NULL;
}

const wr_encoder_ops *
wr_encoder_find(const char *name)
{
    for (size_t i = 0; i < WR_COUNT(encoders); i++)
        if (strcmp(encoders[i]->name, name) == 0)
            return encoders[i];
    return NULL;
}

const wr_decoder_ops *const *
wr_decoder_all(uint32_t *count)
{
    *count = WR_COUNT(decoders);
    return decoders;
}

const wr_encoder_ops *const *
wr_encoder_all(uint32_t *count)
{
    *count = WR_COUNT(encoders);
    return encoders;
}
