/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/line.h -- raw lines: each is the value of the one text column.  Encoding writes the one
 * text column, a line a row; a newline in it becomes "\n".
 */
#pragma once

#include "format/format.h"

typedef struct wr_line_decode_config {
    int64_t record_bytes_max; /* 0: WR_RECORD_BYTES_MAX */
} wr_line_decode_config;

extern const wr_decoder_ops wr_line_decoder_ops;
extern const wr_encoder_ops wr_line_encoder_ops;
