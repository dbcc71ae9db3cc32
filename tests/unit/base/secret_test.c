/* SPDX-License-Identifier: Apache-2.0 */
/* secret_test.c -- H1, H2 of base/secret.h, and that errors and log lines hide what they are given. */
#include "support/test.h"

#include "base/log.h"
#include "base/secret.h"
#include "base/status.h"

#include <stdio.h>
#include <string.h>

static const char pem[] = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\nQXyz\n";

static const struct {
    const char *text, *hidden;
} rows[] = {
    { "nothing in here", "nothing in here" },
    { "hunter2-token", "***" },
    { "a \"hunter2-token\" and hunter2-token again", "a \"***\" and *** again" },
    { "in capitals HUNTER2-TOKEN.", "in capitals ***." },
    { "hunter2-to", "***" },                    /* the text was cut */
    { "hunter2-to goes on", "hunter2-to goes on" }, /* another word */
    { "abc", "abc" },                           /* H2 */
    { "", "" },
};

static void
each_is_hidden(void **state) /* H1, H2 */
{
    (void)state;
    wr_secret_add("hunter2-token");
    wr_secret_add("hunter2-token");
    wr_secret_add("abc");
    for (size_t i = 0; i < WR_COUNT(rows); i++) {
        char text[128];
        snprintf(text, sizeof text, "%s", rows[i].text);
        wr_secret_hide(text);
        assert_string_equal(text, rows[i].hidden);
    }
}

static void
a_long_one_hides_what_follows(void **state)
{
    char text[512];
    (void)state;
    wr_secret_add(pem);
    snprintf(text, sizeof text, "\"%s\" is no file", pem);
    wr_secret_hide(text);
    assert_string_equal(text, "\"***");
    snprintf(text, sizeof text, "\"%.40s", pem); /* as messages cut what they quote */
    wr_secret_hide(text);
    assert_string_equal(text, "\"***");
}

static char logged[4096];

static void
log_take(void *user, const char *line, size_t length)
{
    (void)user;
    snprintf(logged, sizeof logged, "%.*s", (int)length, line);
}

static void
errors_and_log_lines_hide_them(void **state)
{
    weir_error err = { 0 };
    (void)state;
    wr_secret_add("hunter2-token");
    (void)wr_error_set(&err, WEIR_CONNECT, "cannot reach %s", "hunter2-token:9092");
    wr_error_hint(&err, "is %s up?", "hunter2-token");
    assert_string_equal(err.text, "cannot reach ***:9092");
    assert_string_equal(err.hint, "is *** up?");
    wr_log_set_sink(log_take, NULL);
    wr_log(WR_LOG_WARN, "test", "cannot reach %s", "hunter2-token:9092");
    wr_log_set_sink(NULL, NULL);
    assert_non_null(strstr(logged, "cannot reach ***:9092"));
    assert_null(strstr(logged, "hunter2"));
}

static void
the_oldest_make_room(void **state)
{
    char text[64];
    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "secret-number-%04d", i);
        wr_secret_add(text);
    }
    snprintf(text, sizeof text, "it is secret-number-0999");
    wr_secret_hide(text);
    assert_string_equal(text, "it is ***");
}

WR_TESTS = {
    WR_TEST(each_is_hidden),
    WR_TEST(a_long_one_hides_what_follows),
    WR_TEST(errors_and_log_lines_hide_them),
    WR_TEST(the_oldest_make_room),
    { NULL, NULL },
};
