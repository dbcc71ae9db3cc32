/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/http.c -- the head of an HTTP request; a prefix may not be whole where all of it was refused (P2). */
#include "base/status.h"
#include "fuzz/fuzz.h"
#include "server/http_parse.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    http_request whole, part;
    char path[256];
    http_result result = http_parse((const char *)data, size, &whole);
    http_result half = http_parse((const char *)data, size / 2, &part);
    wr_assert(half != HTTP_REFUSED || result == HTTP_REFUSED);
    if (result == HTTP_WHOLE)
        (void)http_decode(whole.path, path, sizeof path);
    return 0;
}
