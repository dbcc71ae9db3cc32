/* SPDX-License-Identifier: Apache-2.0 */
/* connector/input.c -- the buffer between a descriptor and a lane (see input_impl.h). */
#include "connector/input_impl.h"

#include <string.h>

void
wr_input_init(wr_input *input, wr_budget *budget)
{
    *input = (wr_input){ .budget = budget };
}

void
wr_input_fini(wr_input *input)
{
    wr_free(input->bytes);
    wr_input_init(input, input->budget);
}

void
wr_input_clear(wr_input *input, uint64_t offset)
{
    input->begin = input->end = input->looked = 0;
    input->offset = offset;
}

char *
wr_input_room(wr_input *input, size_t want, size_t *room)
{
    if (input->begin > 0) {
        memmove(input->bytes, input->bytes + input->begin, input->end - input->begin);
        input->end -= input->begin;
        input->begin = 0;
    }
    size_t need = WR_MIN(input->end + want, (size_t) WR_INPUT_BYTES_MAX);
    if (need > input->capacity && input->end >= input->capacity / 2) {
        size_t capacity = WR_MIN(WR_MAX(input->capacity * 2, need), (size_t) WR_INPUT_BYTES_MAX);
        char  *grown = wr_realloc(input->budget, input->bytes, capacity);
        if (grown == NULL)
            return NULL;
        input->bytes = grown;
        input->capacity = capacity;
    }
    *room = input->capacity - input->end;
    return input->bytes + input->end;
}

wr_input_state
wr_input_feed(wr_input *input, wr_source_ctx *ctx, wr_lane *lane, bool last, weir_status *status)
{
    size_t held = input->end - input->begin, used = 0;
    if (held == 0 || (!last && held == input->looked))
        return WR_INPUT_EMPTY;
    if (!ctx->has_room(ctx))
        return WR_INPUT_FULL;
    *status = ctx->feed(ctx, lane, input->bytes + input->begin, held, last, NULL, &used);
    wr_assert(used <= held);
    input->begin += used;
    input->offset += used;
    input->looked = held - used;
    if (*status != WEIR_OK)
        return WR_INPUT_FAILED;
    if (input->looked > 0 && !ctx->has_room(ctx)) {
        input->looked = 0; /* it stopped for want of room, perhaps */
        return WR_INPUT_FULL;
    }
    return WR_INPUT_EMPTY;
}
