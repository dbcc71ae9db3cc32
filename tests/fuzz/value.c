/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/value.c -- text forms of every type: what is read and printed reads back as the same value. */
#include "data/value.h"
#include "fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    wr_type type = WR_TYPE(WR_BOOL + data[0] % (WR_ARRAY - WR_BOOL));
    wr_value value, again;
    wr_arena arena;
    wr_text text;
    weir_error err;
    wr_arena_init(&arena, NULL);
    wr_text_init(&text, NULL);
    if (type.id == WR_NUMERIC && size > 200)
        size = 200; /* huge numbers are slow, not wrong */
    if (wr_value_parse(type, (const char *)data + 1, size - 1, &arena, &value, &err) == WEIR_OK) {
        wr_value_print(&value, &text);
        wr_assert(wr_value_parse(type, wr_text_string(&text), text.length, &arena, &again, &err) ==
                  WEIR_OK);
        wr_assert(type.id == WR_JSON || wr_value_equal(&value, &again));
        wr_text_clear(&text);
        wr_value_print_json(&value, &text);
    }
    wr_text_fini(&text);
    wr_arena_fini(&arena);
    return 0;
}
