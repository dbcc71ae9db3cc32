/* SPDX-License-Identifier: Apache-2.0 */
/* nearest_test.c -- N1 and N2 of base/nearest.h. */
#include "support/test.h"

#include "base/nearest.h"

#include <string.h>

static const char *
nearest_of(const char *name, const char *const *names)
{
    wr_nearest nearest;
    wr_nearest_init(&nearest, name);
    for (; *names != NULL; names++)
        wr_nearest_offer(&nearest, *names);
    return nearest.best;
}

static void
edits_are_counted(void **state)
{
    char longest[64], longer[65];
    (void) state;
    assert_int_equal(wr_edit_distance("topic", "topic", 3), 0);
    assert_int_equal(wr_edit_distance("topik", "topic", 3), 1);
    assert_int_equal(wr_edit_distance("tpoic", "topic", 3), 1); /* a swap */
    assert_int_equal(wr_edit_distance("kitten", "sitting", 3), 3);
    assert_int_equal(wr_edit_distance("abc", "xyzzy", 3), 4);
    assert_int_equal(wr_edit_distance("", "abc", 3), 3);
    assert_int_equal(wr_edit_distance("", "abcd", 3), 4);
    memset(longest, 'a', 63);
    longest[63] = '\0';
    memset(longer, 'a', 64);
    longer[64] = '\0';
    assert_int_equal(wr_edit_distance(longest, longest, 3), 0);
    assert_int_equal(wr_edit_distance(longest, longer, 3), 4);
}

static void
no_more_edits_than_half_of_the_name(void **state) /* N1 */
{
    static const char *const names[] = { "orders", "bids", "k", "data-dir", NULL };
    (void) state;
    assert_string_equal(nearest_of("ordres", names), "orders");
    assert_string_equal(nearest_of("orders", names), "orders");
    assert_string_equal(nearest_of("bods", names), "bids");
    assert_string_equal(nearest_of("ibda", names), "bids");  /* two of four */
    assert_null(nearest_of("boxx", names));                  /* three of four */
    assert_null(nearest_of("v", names));                     /* all of it */
    assert_null(nearest_of("", names));
    assert_string_equal(nearest_of("data", names), "data-dir");
    assert_null(nearest_of("da", names));
}

static void
of_equally_near_ones_the_longer_alike(void **state) /* N2 */
{
    static const char *const names[] = { "sums", "sun", "sup", NULL };
    (void) state;
    assert_string_equal(nearest_of("sum", names), "sun"); /* not "sums", not "sup" */
}

WR_TESTS = { WR_TEST(edits_are_counted), WR_TEST(no_more_edits_than_half_of_the_name),
             WR_TEST(of_equally_near_ones_the_longer_alike), { NULL, NULL } };
