/* SPDX-License-Identifier: Apache-2.0 */
/* log_test.c -- base/log.h: forms, levels, the limit on repeats. */
#include "support/test.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

static char             lines[8192];
static wr_clock_virtual clock;

static void
collect(void *user, const char *line, size_t length)
{
    (void) user;
    strncat(lines, line, length);
    strcat(lines, "\n");
}

static void
begin(wr_log_form form)
{
    lines[0] = '\0';
    wr_clock_virtual_init(&clock, 1767225600000000); /* 2026-01-01 */
    wr_log_set_clock(&clock.clock);
    wr_log_set_form(form);
    wr_log_set_sink(collect, NULL);
    wr_log_set_level(WR_LOG_INFO);
}

static void
end(void)
{
    wr_log_set_sink(NULL, NULL);
    wr_log_set_clock(NULL);
    wr_log_set_form(WR_LOG_AUTO);
}

static void
a_line_is_json_or_logfmt(void **state)
{
    begin(WR_LOG_JSON);
    wr_log(WR_LOG_WARN, "store", "cannot write \"%s\"\n", "x\\y");
    assert_string_equal(lines, "{\"time\":\"2026-01-01T00:00:00.000Z\",\"level\":\"warn\",\"part\":\"store\","
                               "\"message\":\"cannot write \\\"x\\\\y\\\"\\n\"}\n");
    begin(WR_LOG_TEXT);
    wr_log(WR_LOG_INFO, "store", "opened");
    assert_string_equal(lines, "2026-01-01T00:00:00.000Z level=info part=store msg=\"opened\"\n");
    end();
}

static void
below_the_level_nothing_is_written(void **state)
{
    begin(WR_LOG_TEXT);
    wr_log(WR_LOG_DEBUG, "store", "x");
    assert_string_equal(lines, "");
    wr_log_set_level(WR_LOG_ERROR);
    wr_log(WR_LOG_WARN, "store", "x");
    assert_string_equal(lines, "");
    end();
}

static uint32_t
count(const char *word)
{
    uint32_t n = 0;
    for (const char *p = lines; (p = strstr(p, word)) != NULL; p++)
        n++;
    return n;
}

static void
repeats_are_held_back_and_counted(void **state)
{
    begin(WR_LOG_TEXT);
    for (int i = 0; i < 26; i++) {
        if (i == 25)
            wr_clock_virtual_set(&clock, clock.now + 10000000);
        wr_log(WR_LOG_WARN, "kafka", "broker %d is away", i);
        if (i == 24) {
            assert_int_equal(count("is away"), 10);
            wr_log(WR_LOG_WARN, "kafka", "another thing");
            assert_int_equal(count("another"), 1);
        }
    }
    assert_int_equal(count("is away"), 11);
    assert_int_equal(count("15 more lines"), 1);
    end();
}

static void
a_long_line_is_cut_and_stays_whole(void **state)
{
    char text[6000];
    begin(WR_LOG_JSON);
    memset(text, '"', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    wr_log(WR_LOG_ERROR, "x", "%s", text);
    size_t length = strlen(lines);
    assert_true(length <= 2049);
    assert_string_equal(lines + length - 3, "\"}\n");
    end();
}

WR_TESTS = {
    WR_TEST(a_line_is_json_or_logfmt),
    WR_TEST(below_the_level_nothing_is_written),
    WR_TEST(repeats_are_held_back_and_counted),
    WR_TEST(a_long_line_is_cut_and_stays_whole),
    { NULL, NULL },
};
