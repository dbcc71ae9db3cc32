/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/request.c -- requests of the wire protocol, as JSON and as MessagePack. */
#include "fuzz/fuzz.h"
#include "server/request.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wr_arena arena;
    request r;
    const char *why;
    wr_arena_init(&arena, NULL);
    (void)request_parse_json((const char *)data, size, &arena, &r, &why);
    (void)request_parse_msgpack((const char *)data, size, &arena, &r, &why);
    wr_arena_fini(&arena);
    return 0;
}
