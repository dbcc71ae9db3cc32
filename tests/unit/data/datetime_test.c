/* SPDX-License-Identifier: Apache-2.0 */
/* datetime_test.c -- dates, times, intervals and zones against PostgreSQL's answers; D1, D2, P1,
 * Z1. */
#include "support/test.h"

#include "data/datetime.h"
#include "unit/data/datetime_rows.h"

static weir_status
interval_row(const char *op, const char *a, const char *b, wr_text *to)
{
    wr_interval x, y;
    bool compare = strcmp(op, "icmp") == 0;
    WR_TRY(wr_interval_parse(a, strlen(a), !compare && *b != '\0' ? b : NULL, &x, NULL));
    if (compare) {
        WR_TRY(wr_interval_parse(b, strlen(b), NULL, &y, NULL));
        wr_text_put_int(to, wr_interval_compare(&x, &y));
        return WEIR_OK;
    }
    wr_interval_print(&x, to);
    WR_TRY(wr_interval_parse(wr_text_string(to), to->length, NULL, &y, NULL)); /* I1 */
    assert_memory_equal(&x, &y, sizeof x);
    return WEIR_OK;
}

/* A timestamp and something done to it. */
static weir_status
timestamp_row(const char *op, const char *a, const char *b, wr_text *to)
{
    bool zoned = strcmp(op, "tstz") == 0;
    wr_time t, other;
    wr_interval interval;
    size_t n = strlen(b);
    WR_TRY(wr_timestamp_parse(a, strlen(a), zoned, &t, NULL));
    if (strcmp(op, "age") == 0) {
        WR_TRY(wr_timestamp_parse(b, n, false, &other, NULL));
        wr_time_age(t, other, &interval);
        wr_interval_print(&interval, to);
        return WEIR_OK;
    }
    if (strcmp(op, "trunc") == 0) {
        if (!wr_time_truncate(b, n, t, &t))
            return WEIR_ROW_TYPE;
    } else if (strcmp(op, "plus") == 0) {
        WR_TRY(wr_interval_parse(b, n, NULL, &interval, NULL));
        if (!wr_time_add_interval(t, &interval, &t))
            return WEIR_ROW_OVERFLOW;
    } else if (strcmp(op, "at") == 0 || strcmp(op, "to") == 0) {
        const wr_zone *zone = wr_zone_find(b, n);
        if (zone == NULL)
            return WEIR_ROW_TYPE;
        t = *op == 'a' ? t + wr_zone_offset_at(zone, t) * WR_US_PER_SECOND
                       : wr_zone_to_utc(zone, t);
    }
    wr_timestamp_print(t, zoned, to);
    WR_TRY(wr_timestamp_parse(wr_text_string(to), to->length, zoned, &other, NULL)); /* D1 */
    assert_int_equal(t, other);
    return WEIR_OK;
}

static weir_status
row_evaluate(const char *const row[4], wr_text *to)
{
    const char *op = row[0], *a = row[1];
    int32_t days;
    int64_t us;
    if (strcmp(op, "iv") == 0 || strcmp(op, "icmp") == 0)
        return interval_row(op, a, row[2], to);
    if (strcmp(op, "date") == 0) {
        WR_TRY(wr_date_parse(a, strlen(a), &days, NULL));
        wr_date_print(days, to);
    } else if (strcmp(op, "time") == 0) {
        WR_TRY(wr_timeofday_parse(a, strlen(a), &us, NULL));
        wr_timeofday_print(us, to);
    } else {
        return timestamp_row(op, a, row[2], to);
    }
    return WEIR_OK;
}

static void
answers_are_postgresqls(void **state)
{
    (void)state;
    wr_text text;
    wr_text_init(&text, NULL);
    for (size_t i = 0; i < WR_COUNT(datetime_rows); i++) {
        const char *const *row = datetime_rows[i];
        wr_text_clear(&text);
        weir_status status = row_evaluate(row, &text);
        const char *got = status == WEIR_OK         ? wr_text_string(&text)
                          : status == WEIR_ROW_TYPE ? "!type"
                                                    : "!overflow";
        if (strcmp(got, row[3]) != 0)
            fail_msg("%s(%s, %s): %s, want %s", row[0], row[1], row[2], got, row[3]);
    }
    wr_text_fini(&text);
}

static void
iso_form_has_t_and_z(void **state)
{
    (void)state;
    wr_text text;
    wr_text_init(&text, NULL);
    wr_timestamp_print_iso(1767225600LL * WR_US_PER_SECOND, true, &text);
    wr_text_putc(&text, ' ');
    wr_timestamp_print_iso(1767225600LL * WR_US_PER_SECOND + 250000, false, &text);
    wr_text_putc(&text, ' ');
    wr_timestamp_print_iso(WR_TIME_POSINF, true, &text);
    assert_string_equal(wr_text_string(&text),
                        "2026-01-01T00:00:00Z 2026-01-01T00:00:00.25 infinity");
    wr_text_fini(&text);
}

static void
calendar_is_its_own_inverse(void **state)
{
    (void)state;
    for (wr_time t = -210866803200000000; t < 9223000000000000000 - 1234567890123456;
         t += 1234567890123456) {
        wr_civil c;
        wr_time back;
        wr_civil_from_time(t, &c);
        assert_in_range(c.month, 1, 12);
        assert_in_range(c.day, 1, 31);
        assert_true(wr_time_from_civil(&c, &back));
        assert_int_equal(t, back);
    }
    assert_int_equal(wr_days_from_civil(1970, 1, 1), 0);
    assert_int_equal(wr_days_from_civil(2000, 3, 1), 11017);
}

static void
infinities_stay(void **state) /* D2 */
{
    (void)state;
    const wr_time all[] = { WR_TIME_START, WR_TIME_NEGINF, WR_TIME_POSINF, WR_TIME_END };
    wr_interval month = { .months = 1, .days = 1, .us = 1 }, age;
    for (size_t i = 0; i < WR_COUNT(all); i++) {
        wr_time t;
        assert_true(wr_time_add_interval(all[i], &month, &t) && t == all[i]);
        assert_true(wr_time_truncate("century", 7, all[i], &t) && t == all[i]);
        wr_time_age(all[i], 0, &age);
        assert_int_equal(age.months, 0);
        assert_int_equal(wr_zone_to_utc(wr_zone_find("EST", 3), all[i]), all[i]);
    }
}

static void
zone_names_cannot_escape(void **state) /* Z1 */
{
    (void)state;
    static const char *const bad[] = {
        "",          "/etc/passwd",    "../zoneinfo/UTC", "Europe/../UTC",
        "Europe",    "./UTC",          "Europe//Berlin",  "right/UTC",
        "tzdata.zi", "Europe/Berlin/", "No/Such",         "EST5EDT,bad"
    };
    for (size_t i = 0; i < WR_COUNT(bad); i++)
        assert_null(wr_zone_find(bad[i], strlen(bad[i])));
    assert_null(wr_zone_find("UTC\0x", 5));
    assert_ptr_equal(wr_zone_find("Europe/Berlin", 13), wr_zone_find("EUROPE/BERLIN", 13)); /* Z2 */
    assert_non_null(wr_zone_find("UTC", 3));
}

static void
hostile_text_is_a_status(void **state)
{
    (void)state;
    char text[600];
    wr_time t;
    int32_t days;
    int64_t us;
    wr_interval interval;
    weir_error err;
    uint64_t seed = 42;
    static const char alphabet[] = "0123456789-:/. +TZPYMDHWjanbcag\xff\t,e";
    for (int i = 0; i < 100000; i++) {
        size_t length = (size_t)(i % 40);
        for (size_t k = 0; k < length; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            text[k] = alphabet[(seed >> 33) % (sizeof alphabet - 1)];
        }
        (void)!wr_timestamp_parse(text, length, i % 2 == 0, &t, &err);
        (void)!wr_date_parse(text, length, &days, &err);
        (void)!wr_timeofday_parse(text, length, &us, &err);
        (void)!wr_interval_parse(text, length, NULL, &interval, &err);
    }
    memset(text, '9', sizeof text);
    assert_int_not_equal(wr_timestamp_parse(text, sizeof text, true, &t, &err), WEIR_OK);
    assert_int_not_equal(wr_interval_parse(text, 150, NULL, &interval, &err), WEIR_OK);
}

/* As a time, too: dates past all timestamps are apart, in order, and where no timestamp's midnight is. */
static void
dates_past_all_timestamps_keep_their_order(void **state)
{
    (void)state;
    static const int64_t days[] = { WR_DATE_NEGINF, -2440588, -1, 0, 1, 106751990, 106751991, 106751992, 213503983, 2145031948, WR_DATE_POSINF };
    wr_time before = WR_TIME_START;
    for (size_t i = 0; i < WR_COUNT(days); i++) {
        wr_time t = wr_date_time(days[i]);
        assert_true(t > before);
        assert_int_equal(wr_time_date(t), days[i]);
        before = t;
    }
    assert_true(wr_date_time(106751991) == 106751991 * WR_US_PER_DAY);
    assert_true(wr_date_time(WR_DATE_NEGINF) == WR_TIME_NEGINF);
    assert_true(wr_date_time(WR_DATE_POSINF) == WR_TIME_POSINF);
}

WR_TESTS = {
    WR_TEST(dates_past_all_timestamps_keep_their_order),
    WR_TEST(answers_are_postgresqls),
    WR_TEST(iso_form_has_t_and_z),
    WR_TEST(calendar_is_its_own_inverse),
    WR_TEST(infinities_stay),
    WR_TEST(zone_names_cannot_escape),
    WR_TEST(hostile_text_is_a_status),
    { NULL, NULL },
};
