/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kafka_test.c -- the Kafka source and sink against the practice broker in this process: round trips,
 * positions, groups, errors.  What a mock cannot show is tested against a real broker elsewhere.
 */
#include "base/zone.h"
#include "connector/dev_kafka.h"
#include "support/lanes.h"
#include "support/sinks.h"
#include "support/test.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char columns[] = "id int8, name text";
static char       settings[512];

static int
setup(void **state)
{
    static const char *const topics[] = { "in", "out", NULL };
    wr_dev_kafka_config      config = { .topics = topics, .partitions = 3 };
    weir_error               err;
    return wr_dev_kafka_start(&config, &err) == WEIR_OK ? 0 : 1;
}

static int
teardown(void **state)
{
    wr_dev_kafka_stop();
    return 0;
}

static const char *
with(const char *topic, const char *more)
{
    snprintf(settings, sizeof settings, "brokers=%s; topic=%s%s%s", wr_dev_kafka_bootstrap(), topic,
             *more != '\0' ? "; " : "", more);
    return settings;
}

static const char *
source_with(const char *topic, const char *more)
{
    char all[256];
    snprintf(all, sizeof all, "properties=fetch.wait.max.ms:5,session.timeout.ms:6000,heartbeat.interval.ms:200%s%s", *more != '\0' ? "; " : "", more);
    return with(topic, all);
}

/* Rows {"id":from..to-1}. */
static const char *
rows(int from, int to)
{
    static char text[1 << 18];
    size_t      n = 0;
    text[0] = '\0';
    for (int i = from; i < to; i++)
        n += (size_t) snprintf(text + n, sizeof text - n, "{\"id\":%d,\"name\":\"n%d\"}\n", i, i);
    return text;
}

static void
produce(const char *topic, const char *text)
{
    wr_sinks s;
    wr_sinks_open(&s, "kafka", with(topic, "key=id"), "json", columns);
    assert_int_equal(wr_sinks_write(&s, text, NULL, 10000), WR_FLOW_NEXT);
    assert_int_equal(wr_sinks_flush(&s, 10000), WR_FLOW_NEXT);
    wr_sinks_close(&s);
}

/* Each id below `count` is there once, in all lanes of up to two sources together. */
static void
expect_once(wr_lanes **l, int sources, int count)
{
    uint8_t *seen = calloc((size_t) count, 1);
    for (int s = 0; s < sources; s++)
        for (uint32_t i = 0; i < l[s]->lane_count; i++) {
            const char *p = wr_text_string(&l[s]->lanes[i].rows);
            for (; *p != '\0'; p = strchr(p, '\n') + 1) {
                int id = atoi(p);
                assert_in_range(id, 0, count - 1);
                if (seen[id]++ != 0)
                    fail_msg("%d came twice", id);
            }
        }
    for (int i = 0; i < count; i++)
        if (seen[i] != 1)
            fail_msg("%d came %d times", i, seen[i]);
    free(seen);
}

static void
rows_go_out_and_come_back(void **state)
{
    wr_lanes l, *all = &l;
    produce("in", rows(0, 1000));
    wr_lanes_open(&l, "kafka", source_with("in", ""), "json", columns, WR_LANES_BOUNDED | WR_LANES_META);
    assert_true(wr_lanes_run(&l, 10000, NULL));
    assert_int_equal(l.flow, WR_FLOW_DONE);
    assert_int_equal(l.lane_count, 3);
    expect_once(&all, 1, 1000);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(l.lanes[i].ended);
        assert_true(l.lanes[i].row_count > 200); /* keys are spread */
        char key[16]; /* the key is the column's text */
        const char *rows_text = wr_text_string(&l.lanes[i].rows);
        const char *last = rows_text + l.lanes[i].rows.length - 1;
        while (last > rows_text && last[-1] != '\n')
            last--;
        snprintf(key, sizeof key, "%d", atoi(last));
        assert_string_equal(wr_text_string(&l.lanes[i].last_key), key);
    }
    wr_lanes_close(&l);
}

static void
empty_topic_is_over_at_once(void **state)
{
    wr_lanes l;
    wr_lanes_open(&l, "kafka", source_with("in", ""), "json", columns, WR_LANES_BOUNDED);
    assert_true(wr_lanes_run(&l, 10000, NULL));
    assert_int_equal(l.flow, WR_FLOW_DONE);
    assert_int_equal(l.lane_count, 3);
    assert_int_equal(wr_lanes_row_count(&l), 0);
    wr_lanes_close(&l);
}

static bool
all_caught_up(wr_lanes *l)
{
    uint32_t up = 0;
    for (uint32_t i = 0; i < l->lane_count; i++)
        up += l->lanes[i].caught_up;
    return l->lane_count == 3 && up == 3;
}

static void
new_messages_are_followed(void **state)
{
    wr_lanes l, *all = &l;
    produce("in", rows(0, 10));
    wr_lanes_open(&l, "kafka", source_with("in", ""), "json", columns, 0);
    assert_true(wr_lanes_run(&l, 10000, all_caught_up));
    assert_int_equal(wr_lanes_row_count(&l), 10);
    produce("in", rows(10, 20));
    assert_true(wr_lanes_run_rows(&l, 10000, 20));
    expect_once(&all, 1, 20);
    wr_text text;
    wr_text_init(&text, NULL);
    l.ops->describe(l.self, &text);
    assert_non_null(strstr(wr_text_string(&text), "in/2: at offset "));
    wr_text_fini(&text);
    wr_lanes_close(&l);
}

static bool
description_has(wr_lanes *l, const char *what)
{
    wr_text text;
    wr_text_init(&text, NULL);
    l->ops->describe(l->self, &text);
    bool has = strstr(wr_text_string(&text), what) != NULL;
    wr_text_fini(&text);
    return has;
}

static bool
is_paused(wr_lanes *l)
{
    return description_has(l, "not fetched for now");
}

/* Rows come in while a partition is held and paused: it gives the rest, each once, and its end anew. */
static void
a_held_partition_is_paused_and_goes_on(void **state)
{
    wr_lanes l, *all = &l;
    produce("in", rows(0, 600));
    wr_lanes_open(&l, "kafka", source_with("in", ""), "json", columns, 0);
    assert_true(wr_lanes_run(&l, 10000, all_caught_up));
    for (int round = 1; round <= 3; round++) {
        wr_lane *held = wr_lanes_lane(&l, round % 3);
        uint32_t before = held->row_count;
        held->held = true;
        produce("in", rows(round * 600, round * 600 + 300));
        assert_true(wr_lanes_run(&l, 10000, is_paused));
        assert_true(held->row_count - before < 300);
        before = held->row_count;
        produce("in", rows(round * 600 + 300, round * 600 + 600));
        assert_false(wr_lanes_run(&l, 300, NULL));
        assert_int_equal(held->row_count, before);
        held->held = held->caught_up = false;
        assert_true(wr_lanes_run_rows(&l, 10000, (uint32_t) (round + 1) * 600));
        assert_true(wr_lanes_run(&l, 10000, all_caught_up)); /* its end is told again */
        assert_false(is_paused(&l));
    }
    expect_once(&all, 1, 2400);
    wr_lanes_close(&l);
}

/* The same when the shard has no room, at any place, within a batch of messages too. */
static void
a_full_shard_pauses_its_partitions(void **state)
{
    wr_lanes l, *all = &l;
    produce("in", rows(0, 2000));
    wr_lanes_open(&l, "kafka", source_with("in", ""), "json", columns, 0);
    for (uint32_t upto = 301; upto < 2000; upto += 601) {
        l.room = upto - wr_lanes_row_count(&l);
        assert_true(wr_lanes_run_rows(&l, 10000, upto));
        for (int i = 0; i < 1000 && !is_paused(&l); i++)
            usleep(10000);
        assert_true(is_paused(&l));
        assert_int_equal(wr_lanes_row_count(&l), upto);
    }
    l.room = -1;
    assert_true(wr_lanes_run_rows(&l, 10000, 2000));
    assert_true(wr_lanes_run(&l, 10000, all_caught_up));
    expect_once(&all, 1, 2000);
    wr_lanes_close(&l);
}

/* What the client's threads hold is seen, is bounded by queue_bytes, and goes when the partitions are paused. */
static void
the_client_s_memory_is_counted(void **state)
{
    static char fat[200000];
    wr_zone    *zone = wr_zone_acquire();
    if (zone == NULL)
        return; /* this build's allocator cannot tell */
    wr_zone_release(zone);
    uint64_t before = wr_zones_bytes(), most = 0;
    wr_lanes l;
    size_t   n = 0;
    for (int i = 0; i < 40; i++)
        n += (size_t) snprintf(fat + n, sizeof fat - n, "{\"id\":%d,\"name\":\"%04000d\"}\n", i, i);
    for (int i = 0; i < 60; i++) /* 9.6 MB over three partitions */
        produce("in", fat);
    for (int try = 0; try < 10 && most <= 500000; try++) { /* who stands still sees none of it */
        wr_lanes_open(&l, "kafka", source_with("in", "queue_bytes=4MiB"), "json", columns, 0);
        l.room = 1;
        assert_true(wr_lanes_run_rows(&l, 10000, 1));
        for (int i = 0; i < 3000 && !is_paused(&l); i++) {
            most = WR_MAX(most, wr_zones_bytes() - before);
            usleep(1000);
        }
        assert_true(description_has(&l, "the Kafka client holds "));
        l.room = -1;
        assert_true(wr_lanes_run_rows(&l, 20000, 40 * 60));
        wr_lanes_close(&l);
        assert_true(wr_zones_bytes() <= before);
    }
    assert_true(most > 500000);
    assert_true(most < 14 << 20); /* the queue, and a fetch of a broker */
}

/* Given back and taken again while it was paused: nothing stays paused. */
static void
a_paused_partition_can_be_given_back(void **state)
{
    wr_lanes a, b;
    produce("in", rows(0, 300));
    wr_lanes_open(&a, "kafka", source_with("in", "group=p"), "json", columns, 0);
    assert_true(wr_lanes_run_rows(&a, 20000, 300));
    for (uint32_t i = 0; i < a.lane_count; i++)
        a.lanes[i].held = true;
    produce("in", rows(300, 600));
    assert_true(wr_lanes_run(&a, 10000, is_paused));
    wr_lanes_open(&b, "kafka", source_with("in", "group=p"), "json", columns, 0);
    for (int i = 0; i < 1000 && (b.lane_count == 0 || !b.lanes[0].caught_up); i++) {
        wr_lanes_run(&a, 10, NULL);
        wr_lanes_answer(&a);
        wr_lanes_run(&b, 10, NULL);
        wr_lanes_answer(&b);
    }
    assert_true(b.lane_count > 0);
    wr_lanes_close(&b);
    for (uint32_t i = 0; i < a.lane_count; i++)
        a.lanes[i].held = false;
    assert_true(wr_lanes_run(&a, 20000, all_caught_up));
    assert_false(is_paused(&a));
    wr_lanes_close(&a);
}

/* The client stops fetching when its queues are full; once they are read it begins again, not a second later. */
static void
full_queues_do_not_stop_the_fetching(void **state)
{
    enum { ROWS = 12000, ROW_BYTES = 1000, WRITE_ROWS = 200, DRAINS = 2, TRIES = 10, SOON_US = 500000 };
    char    *text = malloc(WRITE_ROWS * (ROW_BYTES + 64)), *at;
    uint64_t seed = 1;
    wr_sinks out;
    wr_lanes l;
    wr_sinks_open(&out, "kafka", with("in", "key=id"), "json", columns);
    for (int i = 0; i < ROWS; i += WRITE_ROWS) {
        at = text;
        for (int k = i; k < i + WRITE_ROWS; k++) {
            at += sprintf(at, "{\"id\":%d,\"name\":\"", k);
            for (int b = 0; b < ROW_BYTES; b++) { /* nothing to compress */
                seed = seed * 6364136223846793005 + 1442695040888963407;
                *at++ = (char) ('0' + (seed >> 58) % 10 + (seed >> 33) % 40);
                at[-1] = at[-1] == '\\' ? 'x' : at[-1];
            }
            at += sprintf(at, "\"}\n");
        }
        assert_int_equal(wr_sinks_write(&out, text, NULL, 10000), WR_FLOW_NEXT);
    }
    assert_int_equal(wr_sinks_flush(&out, 10000), WR_FLOW_NEXT);
    wr_sinks_close(&out);
    free(text);

    int64_t least = INT64_MAX;
    for (int try = 0; try < TRIES && least > SOON_US; try++) { /* a machine that stands still is late, too */
        wr_lanes_open(&l, "kafka", source_with("in", "queue_bytes=4MiB"), "json", columns, 0);
        assert_true(wr_lanes_run_rows(&l, 10000, 1));
        for (int i = 0; i < DRAINS; i++) {
            usleep(150000); /* fill */
            while ((l.flow = l.ops->poll(l.self, &l.ctx)) == WR_FLOW_NEXT)
                ;
            uint32_t had = wr_lanes_row_count(&l);
            int64_t  begin = wr_clock_monotonic(l.ctx.clock);
            assert_true(had > 0);
            if (had == ROWS)
                break; /* it did not run dry: who reads was the slower one, and nothing is known */
            assert_true(wr_lanes_run_rows(&l, 10000, had + 1));
            least = WR_MIN(least, wr_clock_monotonic(l.ctx.clock) - begin);
        }
        assert_true(wr_lanes_run_rows(&l, 20000, ROWS));
        wr_lanes_close(&l);
    }
    assert_in_range(least, 0, SOON_US); /* 8 ms; 840 where the client is left to itself */
}

static void
latest_begins_at_the_end(void **state)
{
    wr_lanes l;
    produce("in", rows(0, 10));
    wr_lanes_open(&l, "kafka", source_with("in", "start=latest"), "json", columns, 0);
    assert_true(wr_lanes_run(&l, 10000, all_caught_up));
    assert_int_equal(wr_lanes_row_count(&l), 0);
    produce("in", rows(10, 13));
    assert_true(wr_lanes_run_rows(&l, 10000, 3));
    wr_lanes_close(&l);
}

/* Stopped after any number of rows, restored by one shard or by two: each row once. */
static void
restore_goes_on_at_the_next_row(void **state)
{
    wr_sinks out;
    wr_sinks_open(&out, "kafka", with("in", ""), "line", "v text"); /* several rows a message */
    assert_int_equal(
        wr_sinks_write(&out, "{\"v\":\"[{\\\"id\\\":0},{\\\"id\\\":1},{\\\"id\\\":2},{\\\"id\\\":3}]\"}"
                             "{\"v\":\"{\\\"id\\\":4}\"}{\"v\":\"{\\\"id\\\":5} {\\\"id\\\":6}\"}", NULL, 10000),
        WR_FLOW_NEXT);
    assert_int_equal(wr_sinks_flush(&out, 10000), WR_FLOW_NEXT);
    wr_sinks_close(&out);
    for (int stop = 0; stop <= 7; stop++) {
        wr_lanes           l, again, beside, *all[3] = { &l, &again, &beside };
        wr_snapshot_writer snapshot;
        bool               two = stop % 2 == 1;
        wr_lanes_open(&l, "kafka", source_with("in", ""), "json", columns, WR_LANES_BOUNDED);
        l.room = stop;
        wr_lanes_run(&l, 2000, NULL);
        assert_int_equal(wr_lanes_row_count(&l), stop);
        wr_lanes_freeze(&l, &snapshot);
        wr_lanes_open(&again, "kafka", source_with("in", ""), "json", columns,
                      WR_LANES_BOUNDED | (two ? WR_LANES_FIRST_OF_TWO : 0));
        if (two) {
            wr_lanes_open_beside(&beside, &again, settings, columns);
            wr_lanes_restore(&beside, &snapshot);
        }
        wr_lanes_restore(&again, &snapshot);
        for (bool over = false; !over;) {
            wr_lanes_run(&again, 20, NULL);
            if (two)
                wr_lanes_run(&beside, 20, NULL);
            over = again.flow == WR_FLOW_DONE && (!two || beside.flow == WR_FLOW_DONE);
        }
        expect_once(all, two ? 3 : 2, 7);
        if (two)
            wr_lanes_close(&beside);
        wr_lanes_close(&again);
        wr_lanes_close(&l);
        wr_snapshot_writer_fini(&snapshot);
    }
}

static void
snapshot_of_another_topic_is_refused(void **state)
{
    wr_lanes           l;
    wr_snapshot_writer snapshot;
    wr_snapshot_reader r;
    wr_lanes_open(&l, "kafka", source_with("in", ""), "json", columns, WR_LANES_BOUNDED);
    assert_true(wr_lanes_run(&l, 10000, NULL));
    wr_lanes_freeze(&l, &snapshot);
    wr_lanes_close(&l);
    wr_lanes_open(&l, "kafka", source_with("out", ""), "json", columns, WR_LANES_BOUNDED);
    wr_snapshot_reader_init(&r, snapshot.bytes.data, snapshot.bytes.length, WR_GROUPS_ALL);
    assert_true(wr_snapshot_next(&r));
    assert_int_equal(l.ops->restore(l.self, &r), WEIR_CHECKPOINT_MISMATCH);
    wr_lanes_close(&l);
    wr_snapshot_writer_fini(&snapshot);
}

static void
group_commits_what_is_durable(void **state)
{
    wr_lanes           l, *all = &l;
    wr_snapshot_writer snapshot;
    produce("in", rows(0, 30));
    wr_lanes_open(&l, "kafka", source_with("in", "group=g"), "json", columns, 0);
    assert_true(wr_lanes_run_rows(&l, 20000, 30));
    wr_lanes_freeze(&l, &snapshot);
    l.ops->frozen_epoch(l.self, 1);
    produce("in", rows(30, 40));
    assert_true(wr_lanes_run_rows(&l, 10000, 40));
    expect_once(&all, 1, 40);
    l.ops->committed(l.self, 1); /* the first thirty, not the rest */
    wr_lanes_close(&l);
    wr_snapshot_writer_fini(&snapshot);
    wr_lanes_open(&l, "kafka", source_with("in", "group=g"), "json", columns, 0);
    assert_true(wr_lanes_run_rows(&l, 20000, 10));
    assert_false(wr_lanes_run_rows(&l, 100, 11));
    for (uint32_t i = 0; i < l.lane_count; i++) {
        const char *p = wr_text_string(&l.lanes[i].rows);
        for (; *p != '\0'; p = strchr(p, '\n') + 1)
            assert_true(atoi(p) >= 30);
    }
    wr_lanes_close(&l);
    /* the same by start: committed, and without a group's offsets an error */
    wr_lanes_open(&l, "kafka", source_with("in", "group=g; start=committed"), "json", columns,
                  WR_LANES_BOUNDED);
    assert_true(wr_lanes_run(&l, 10000, NULL));
    assert_int_equal(wr_lanes_row_count(&l), 10);
    wr_lanes_close(&l);
    wr_lanes_open(&l, "kafka", source_with("in", "group=other; start=committed"), "json", columns,
                  WR_LANES_BOUNDED);
    assert_true(wr_lanes_run(&l, 10000, NULL));
    assert_int_equal(l.flow, WR_FLOW_FAIL);
    assert_non_null(strstr(l.ctx.error.text, "has committed no offset"));
    wr_lanes_close(&l);
}

static void
two_members_share_the_partitions(void **state)
{
    wr_lanes           a, b;
    wr_snapshot_writer snapshot;
    produce("in", rows(0, 30));
    wr_lanes_open(&a, "kafka", source_with("in", "group=g"), "json", columns, 0);
    assert_true(wr_lanes_run_rows(&a, 20000, 30));
    assert_true(wr_lanes_run(&a, 20000, all_caught_up));
    wr_lanes_open(&b, "kafka", source_with("in", "group=g; start=latest"), "json", columns, 0);
    /* the second joins: the first gives back, both get some; which hears of it first is the broker's affair */
    for (int i = 0; i < 1000 && (b.lane_count == 0 || !b.lanes[0].caught_up || a.coming); i++) {
        wr_lanes_run(&a, 10, NULL);
        wr_lanes_answer(&a);
        wr_lanes_run(&b, 10, NULL);
        wr_lanes_answer(&b);
    }
    assert_true(b.lane_count > 0 && b.lane_count < 3);
    uint32_t ended = 0;
    for (uint32_t i = 0; i < a.lane_count; i++)
        ended += a.lanes[i].ended;
    assert_true(ended > 0);
    assert_int_equal(a.lost, 0); /* the watermark waits for what is assigned instead */
    assert_false(a.coming);
    /* what was read of those given away is in the state: it is not read again when they come back */
    wr_lanes_freeze(&a, &snapshot);
    wr_lanes_close(&b);
    wr_lanes_close(&a);
    wr_lanes_open(&a, "kafka", source_with("in", "group=g"), "json", columns, 0);
    wr_lanes_restore(&a, &snapshot);
    assert_true(wr_lanes_run(&a, 20000, all_caught_up));
    assert_int_equal(a.lane_count, 3);
    assert_int_equal(wr_lanes_row_count(&a), 0);
    wr_lanes_close(&a);
    wr_snapshot_writer_fini(&snapshot);
}

static void
tombstones_and_changes(void **state)
{
    wr_sinks   s;
    wr_lanes   l;
    weir_error err;
    assert_int_equal(wr_sinks_try(&s, "kafka", with("out", "key=id"), "json", columns, WR_UPSERT, &err),
                     WEIR_OK);
    assert_int_equal(wr_sinks_write(&s, "{\"id\":1,\"name\":\"x\"}{\"id\":1}", (int64_t[]){ 1, -1 }, 10000),
                     WR_FLOW_NEXT);
    assert_int_equal(wr_sinks_flush(&s, 10000), WR_FLOW_NEXT);
    wr_sinks_close(&s);
    wr_lanes_open(&l, "kafka", source_with("out", ""), "json", "id int8, name text, _op text", WR_LANES_BOUNDED);
    assert_true(wr_lanes_run(&l, 10000, NULL));
    assert_int_equal(wr_lanes_row_count(&l), 1);
    for (uint32_t i = 0; i < 3; i++)
        if (l.lanes[i].row_count > 0) {
            assert_string_equal(wr_text_string(&l.lanes[i].rows), "1|x|+\n");
            assert_string_equal(wr_text_string(&l.lanes[i].bad), "3001 a message without a value <1>\n");
        }
    wr_lanes_close(&l);
    assert_int_equal(wr_sinks_try(&s, "kafka", with("out", "key=name"), "json", columns, WR_UPSERT, &err),
                     WEIR_CONFIG_VALUE);
    wr_sinks_close(&s);
    assert_int_equal(wr_sinks_try(&s, "kafka", with("out", "key=nope"), "json", columns, WR_INSERT_ONLY, &err),
                     WEIR_CONFIG_REFERENCE);
    wr_sinks_close(&s);
}

/* What is deleted by key leaves as a message without a value, and comes back as the deletion of its key. */
static void
tombstones_come_back(void **state)
{
    wr_sinks   s;
    wr_lanes   l;
    weir_error err;
    assert_int_equal(wr_sinks_try(&s, "kafka", with("out", "key=id"), "json", columns, WR_UPSERT, &err),
                     WEIR_OK);
    assert_int_equal(wr_sinks_write(&s, "{\"id\":1,\"name\":\"x\"}{\"id\":1}{\"id\":1,\"name\":\"y\"}{\"id\":1}",
                                    (int64_t[]){ 1, -1, 1, -1 }, 10000),
                     WR_FLOW_NEXT);
    assert_int_equal(wr_sinks_flush(&s, 10000), WR_FLOW_NEXT);
    wr_sinks_close(&s);
    for (int again = 0; again < 2; again++) {
        wr_lanes_open(&l, "kafka", source_with("out", ""), "json", "id int8, name text, _op text",
                      WR_LANES_BOUNDED | WR_LANES_KEYED);
        assert_true(wr_lanes_run(&l, 10000, NULL));
        assert_int_equal(wr_lanes_row_count(&l), 4);
        for (uint32_t i = 0; i < 3; i++)
            if (l.lanes[i].row_count > 0) {
                assert_string_equal(wr_text_string(&l.lanes[i].rows), "1|x|+\n-1\n1|y|+\n-1\n");
                assert_int_equal(l.lanes[i].bad_count, 0);
                assert_int_equal(l.lanes[i].last_offset, 3);
            }
        wr_lanes_close(&l);
    }
}

static void
keys_and_headers(void **state)
{
    wr_sinks s;
    wr_lanes l;
    wr_sinks_open(&s, "kafka", with("out", "key=id,name; headers=source:weir,v:1; compression=zstd"), "json", columns);
    assert_int_equal(wr_sinks_write(&s, "{\"id\":7,\"name\":\"x\\\"y\"}", NULL, 10000), WR_FLOW_NEXT);
    assert_int_equal(wr_sinks_flush(&s, 10000), WR_FLOW_NEXT);
    wr_sinks_close(&s);
    wr_lanes_open(&l, "kafka", source_with("out", ""), "json", columns, WR_LANES_BOUNDED | WR_LANES_META);
    assert_true(wr_lanes_run(&l, 10000, NULL));
    assert_int_equal(wr_lanes_row_count(&l), 1);
    for (uint32_t i = 0; i < 3; i++)
        if (l.lanes[i].row_count > 0)
            assert_string_equal(wr_text_string(&l.lanes[i].last_key), "[7,\"x\\\"y\"]");
    wr_lanes_close(&l);
}

/* Rows of a batch go out as few messages and come back one by one, however they stand in there. */
static void
several_rows_a_message(void **state)
{
    static const struct {
        const char *format, *settings;
    } ways[] = {
        { "json", "rows_per_message=7" },
        { "json", "rows_per_message=7; rows_as=array" },
        { "msgpack", "rows_per_message=7" },
        { "msgpack", "rows_per_message=7; rows_as=array" },
        { "msgpack", "rows_per_message=7; rows_as=array; headers=a:b" },
    };
    for (size_t w = 0; w < WR_COUNT(ways); w++) {
        wr_sinks s;
        wr_lanes l, *all = &l;
        int      messages = 0;
        wr_dev_kafka_stop();
        assert_int_equal(setup(state), 0);
        wr_sinks_open(&s, "kafka", with("out", ways[w].settings), ways[w].format, columns);
        assert_int_equal(wr_sinks_write(&s, rows(0, 100), NULL, 10000), WR_FLOW_NEXT);
        assert_int_equal(wr_sinks_flush(&s, 10000), WR_FLOW_NEXT);
        wr_sinks_close(&s);
        wr_lanes_open(&l, "kafka", source_with("out", ""), ways[w].format, columns, WR_LANES_BOUNDED | WR_LANES_META);
        assert_true(wr_lanes_run(&l, 10000, NULL));
        assert_int_equal(l.flow, WR_FLOW_DONE);
        expect_once(&all, 1, 100);
        for (uint32_t i = 0; i < 3; i++)
            messages += (int) l.lanes[i].last_offset + 1;
        assert_int_equal(messages, 15);
        wr_lanes_close(&l);
    }
}

/* No message is larger than it may be; one row that is goes alone. */
static void
messages_have_a_size(void **state)
{
    static char text[1 << 20];
    wr_sinks    s;
    wr_lanes    l, *all = &l;
    size_t      n = 0;
    int         messages = 0;
    for (int i = 0; i < 40; i++)
        n += (size_t) snprintf(text + n, sizeof text - n, "{\"id\":%d,\"name\":\"%0*d\"}\n", i, i == 20 ? 9000 : 1000, i);
    wr_sinks_open(&s, "kafka", with("out", "rows_per_message=1000; rows_as=array; properties=message.max.bytes:10000"),
                  "json", columns);
    assert_int_equal(wr_sinks_write(&s, text, NULL, 10000), WR_FLOW_NEXT);
    assert_int_equal(wr_sinks_flush(&s, 10000), WR_FLOW_NEXT);
    wr_sinks_close(&s);
    wr_lanes_open(&l, "kafka", source_with("out", ""), "json", columns, WR_LANES_BOUNDED | WR_LANES_META);
    assert_true(wr_lanes_run(&l, 10000, NULL));
    expect_once(&all, 1, 40);
    for (uint32_t i = 0; i < 3; i++)
        messages += (int) l.lanes[i].last_offset + 1;
    assert_in_range(messages, 11, 12);
    wr_lanes_close(&l);
}

static void
rows_with_a_key_are_a_message_each(void **state)
{
    static const struct {
        const char *settings, *format;
        weir_status status;
        const char *text;
    } wrong[] = {
        { "rows_per_message=2; key=id", "json", WEIR_CONFIG_VALUE, "rows with a key are a message each" },
        { "rows_as=array", "json", WEIR_CONFIG_MISSING, "wants rows_per_message" },
        { "rows_as=array; rows_per_message=2", "csv", WEIR_CONFIG_VALUE, "for json and msgpack, not for csv" },
    };
    for (size_t i = 0; i < WR_COUNT(wrong); i++) {
        wr_sinks   s;
        weir_error err;
        assert_int_equal(wr_sinks_try(&s, "kafka", with("out", wrong[i].settings), wrong[i].format, columns,
                                      WR_INSERT_ONLY, &err),
                         wrong[i].status);
        assert_non_null(strstr(err.text, wrong[i].text));
        wr_sinks_close(&s);
    }
}

static void
bad_records_do_not_disturb(void **state)
{
    wr_sinks s;
    wr_lanes l;
    wr_sinks_open(&s, "kafka", with("out", ""), "line", "v text");
    assert_int_equal(wr_sinks_write(&s, "{\"v\":\"{\\\"id\\\":1}\"}{\"v\":\"garbage\"}{\"v\":\"{\\\"id\\\":\\\"x\\\"}\"}"
                                        "{\"v\":\"{\\\"id\\\":\"}{\"v\":\"{\\\"id\\\":2}\"}", NULL, 10000),
                     WR_FLOW_NEXT);
    assert_int_equal(wr_sinks_flush(&s, 10000), WR_FLOW_NEXT);
    wr_sinks_close(&s);
    wr_lanes_open(&l, "kafka", source_with("out", ""), "json", columns, WR_LANES_BOUNDED);
    assert_true(wr_lanes_run(&l, 10000, NULL));
    uint32_t bad = 0;
    for (uint32_t i = 0; i < 3; i++)
        bad += l.lanes[i].bad_count;
    assert_int_equal(wr_lanes_row_count(&l), 2);
    assert_int_equal(bad, 3);
    wr_lanes_close(&l);
}

static void
unknown_topics_and_brokers_are_told(void **state)
{
    wr_lanes   l;
    weir_error err;
    wr_dev_kafka_stop();
    assert_int_equal(wr_lanes_try(&l, "kafka", "brokers=127.0.0.1:1; topic=in", "json", columns, 0, &err),
                     WEIR_CONNECT);
    assert_non_null(strstr(err.text, "cannot reach Kafka at 127.0.0.1:1"));
    assert_non_null(strstr(err.hint, "nobody listens there"));
    wr_lanes_close(&l);
}

static void
properties_come_from_a_list(void **state)
{
    static const char *const wrong[] = {
        "plugin.library.paths:x.so", "sasl.kerberos.kinit.cmd:sh", "enable.auto.commit:true",
        "bootstrap.servers:x", "group.id:x", "no.such.property:1", "ssl.ca.location:/no/such/file",
        "linger.ms:5", "acks:0", "compression.level:1", "fetch.wait.max.ms:often",
        "ssl.endpoint.identification.algorithm:none", "ssl.engine.location:x.so",
        "auto.offset.reset:earliest",
    };
    wr_lanes   l;
    weir_error err;
    for (size_t i = 0; i < WR_COUNT(wrong); i++) {
        char more[128];
        snprintf(more, sizeof more, "properties=%s", wrong[i]);
        if (wr_lanes_try(&l, "kafka", with("in", more), "json", columns, 0, &err) != WEIR_CONFIG_VALUE)
            fail_msg("%s was taken", wrong[i]);
        wr_lanes_close(&l);
    }
    assert_int_equal(wr_lanes_try(&l, "kafka", with("in", "start=timestamp"), "json", columns, 0, &err),
                     WEIR_CONFIG_MISSING);
    wr_lanes_close(&l);
    assert_int_equal(wr_lanes_try(&l, "kafka", with("in", "start=committed"), "json", columns, 0, &err),
                     WEIR_CONFIG_MISSING);
    wr_lanes_close(&l);
}

/* --- a cluster of the test's own, that can be made to fail --- */

static rd_kafka_t              *own_rk;
static rd_kafka_mock_cluster_t *own;

static int
own_setup(void **state)
{
    char text[128];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "3", text, sizeof text);
    own_rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    own = rd_kafka_mock_cluster_new(own_rk, 1);
    return rd_kafka_mock_topic_create(own, "in", 3, 1) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

static int
own_teardown(void **state)
{
    rd_kafka_mock_cluster_destroy(own);
    rd_kafka_destroy(own_rk);
    return 0;
}

static const char *
own_with(const char *more)
{
    snprintf(settings, sizeof settings, "brokers=%s; topic=in; %s", rd_kafka_mock_cluster_bootstraps(own),
             more);
    return settings;
}

static void
passing_errors_are_outlasted(void **state)
{
    wr_sinks s;
    wr_lanes l, *all = &l;
    rd_kafka_mock_push_request_errors(own, 0 /* Produce */, 3, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                                      RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
                                      RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE);
    wr_sinks_open(&s, "kafka", own_with("key=id"), "json", columns);
    assert_int_equal(wr_sinks_write(&s, rows(0, 300), NULL, 10000), WR_FLOW_NEXT);
    assert_int_equal(wr_sinks_flush(&s, 20000), WR_FLOW_NEXT);
    wr_sinks_close(&s);
    rd_kafka_mock_push_request_errors(own, 1 /* Fetch */, 2, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE);
    wr_lanes_open(&l, "kafka", own_with("properties=fetch.wait.max.ms:5"), "json", columns, WR_LANES_BOUNDED);
    assert_true(wr_lanes_run(&l, 20000, NULL));
    assert_int_equal(l.flow, WR_FLOW_DONE);
    expect_once(&all, 1, 300);
    wr_lanes_close(&l);
}

static void
lasting_errors_fail_with_the_brokers_words(void **state)
{
    wr_sinks s;
    rd_kafka_mock_push_request_errors(own, 0, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    wr_sinks_open(&s, "kafka", own_with("key=id"), "json", columns);
    assert_int_equal(wr_sinks_write(&s, rows(0, 1), NULL, 10000), WR_FLOW_NEXT);
    assert_int_equal(wr_sinks_flush(&s, 20000), WR_FLOW_FAIL);
    assert_int_equal(s.ctx.error.code, WEIR_AUTH);
    assert_non_null(strstr(s.ctx.error.text, "topic in: Broker: Topic authorization failed"));
    wr_sinks_close(&s);
}

static bool
none_caught_up(wr_lanes *l)
{
    for (uint32_t i = 0; i < l->lane_count; i++)
        if (l->lanes[i].caught_up)
            return false;
    return true;
}

/* While no broker can be reached a lane is not at its end: it must not become idle. */
static void
broker_goes_and_comes_back(void **state)
{
    wr_sinks s;
    wr_lanes l, *all = &l;
    wr_sinks_open(&s, "kafka", own_with("key=id"), "json", columns);
    assert_int_equal(wr_sinks_write(&s, rows(0, 30), NULL, 10000), WR_FLOW_NEXT);
    assert_int_equal(wr_sinks_flush(&s, 10000), WR_FLOW_NEXT);
    wr_lanes_open(&l, "kafka", own_with("properties=fetch.wait.max.ms:5"), "json", columns, 0);
    assert_true(wr_lanes_run(&l, 10000, all_caught_up));
    rd_kafka_mock_broker_set_down(own, 1);
    assert_true(wr_lanes_run(&l, 20000, none_caught_up));
    assert_int_equal(wr_sinks_write(&s, rows(30, 40), NULL, 1000), WR_FLOW_NEXT);
    assert_int_equal(wr_sinks_flush(&s, 200), WR_FLOW_WAIT);
    rd_kafka_mock_broker_set_up(own, 1);
    assert_int_equal(wr_sinks_flush(&s, 30000), WR_FLOW_NEXT);
    assert_true(wr_lanes_run_rows(&l, 20000, 40));
    assert_true(wr_lanes_run(&l, 20000, all_caught_up));
    expect_once(&all, 1, 40);
    wr_lanes_close(&l);
    wr_sinks_close(&s);
}

static void
lost_messages_are_told(void **state)
{
    wr_sinks           s;
    wr_lanes           l;
    wr_snapshot_writer snapshot;
    wr_sinks_open(&s, "kafka", own_with("key=id"), "json", columns);
    assert_int_equal(wr_sinks_write(&s, rows(0, 30), NULL, 10000), WR_FLOW_NEXT);
    assert_int_equal(wr_sinks_flush(&s, 10000), WR_FLOW_NEXT);
    wr_sinks_close(&s);
    for (int forgive = 0; forgive < 2; forgive++) {
        const char *more = forgive ? "on_gap=earliest; properties=fetch.wait.max.ms:5"
                                   : "properties=fetch.wait.max.ms:5";
        wr_snapshot_writer_init(&snapshot, NULL); /* as if the topic had been cut since */
        wr_snapshot_begin(&snapshot, WR_SNAPSHOT_GLOBAL);
        wr_snapshot_put_bytes(&snapshot, "in", 2);
        wr_snapshot_put_u64(&snapshot, 1);
        wr_snapshot_put_u64(&snapshot, 1);
        wr_snapshot_put_u64(&snapshot, 1000000);
        wr_snapshot_put_u64(&snapshot, 0);
        wr_snapshot_end(&snapshot);
        assert_int_equal(wr_snapshot_finish(&snapshot), WEIR_OK);
        wr_lanes_open(&l, "kafka", own_with(more), "json", columns, 0);
        wr_lanes_restore(&l, &snapshot);
        if (forgive) {
            assert_true(wr_lanes_run_rows(&l, 10000, 30));
        } else {
            assert_true(wr_lanes_run(&l, 10000, NULL));
            assert_int_equal(l.flow, WR_FLOW_FAIL);
            assert_non_null(strstr(l.ctx.error.text, "offset 1000000 is no longer there"));
        }
        wr_lanes_close(&l);
        wr_snapshot_writer_fini(&snapshot);
    }
}

/* The practice broker keeps 5 MB of a partition: a sink waits for a slow reader. */
static void
practice_broker_does_not_drop(void **state)
{
    wr_sinks s;
    wr_lanes l, *all = &l;
    enum { ROUNDS = 40, EACH = 3000 };
    wr_lanes_open(&l, "kafka", source_with("in", ""), "json", columns, 0);
    assert_true(wr_lanes_run(&l, 10000, all_caught_up));
    wr_sinks_open(&s, "kafka", with("in", "compression=none; headers=pad:"
                                          "0123456789012345678901234567890123456789012345678901234567890123456789"
                                          "0123456789012345678901234567890123456789012345678901234567890123456789"), "json", columns);
    bool held = false;
    for (int i = 0; i < ROUNDS; i++) {
        const char *text = rows(i * EACH, (i + 1) * EACH);
        while (wr_sinks_write(&s, text, NULL, 50) == WR_FLOW_AGAIN) {
            held = true;
            wr_lanes_run(&l, 30, NULL);
        }
    }
    while (wr_sinks_flush(&s, 50) != WR_FLOW_NEXT)
        wr_lanes_run(&l, 30, NULL);
    assert_true(wr_lanes_run_rows(&l, 20000, ROUNDS * EACH));
    expect_once(&all, 1, ROUNDS * EACH);
    assert_true(held);
    wr_sinks_close(&s);
    wr_lanes_close(&l);
}

#define OWN_TEST(fn) cmocka_unit_test_setup_teardown(fn, own_setup, own_teardown)
#define KAFKA_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
WR_TESTS = {
    KAFKA_TEST(rows_go_out_and_come_back),
    KAFKA_TEST(empty_topic_is_over_at_once),
    KAFKA_TEST(new_messages_are_followed),
    KAFKA_TEST(a_held_partition_is_paused_and_goes_on),
    KAFKA_TEST(a_full_shard_pauses_its_partitions),
    KAFKA_TEST(the_client_s_memory_is_counted),
    KAFKA_TEST(a_paused_partition_can_be_given_back),
    KAFKA_TEST(full_queues_do_not_stop_the_fetching),
    KAFKA_TEST(latest_begins_at_the_end),
    KAFKA_TEST(restore_goes_on_at_the_next_row),
    KAFKA_TEST(snapshot_of_another_topic_is_refused),
    KAFKA_TEST(group_commits_what_is_durable),
    KAFKA_TEST(two_members_share_the_partitions),
    KAFKA_TEST(tombstones_and_changes),
    KAFKA_TEST(tombstones_come_back),
    KAFKA_TEST(keys_and_headers),
    KAFKA_TEST(several_rows_a_message),
    KAFKA_TEST(messages_have_a_size),
    KAFKA_TEST(rows_with_a_key_are_a_message_each),
    KAFKA_TEST(bad_records_do_not_disturb),
    KAFKA_TEST(unknown_topics_and_brokers_are_told),
    KAFKA_TEST(properties_come_from_a_list),
    KAFKA_TEST(practice_broker_does_not_drop),
    OWN_TEST(passing_errors_are_outlasted),
    OWN_TEST(lasting_errors_fail_with_the_brokers_words),
    OWN_TEST(broker_goes_and_comes_back),
    OWN_TEST(lost_messages_are_told),
    { NULL, NULL },
};
