/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_group_test.c -- the Kafka source where partitions and brokers come and go: what is committed, and who is at an end. */
#include "connector/kafka_impl.h"

#include "support/lanes.h"
#include "support/sinks.h"
#include "support/test.h"

#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>

enum { PARTITIONS = 3 };

static const char               columns[] = "id int8";
static char                     settings[512];
static rd_kafka_t              *rk;
static rd_kafka_mock_cluster_t *cluster;

static int
setup(void **state)
{
    char             text[128];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "3", text, sizeof text);
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    cluster = rd_kafka_mock_cluster_new(rk, 1);
    return rd_kafka_mock_topic_create(cluster, "in", PARTITIONS, 1) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

static int
teardown(void **state)
{
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(rk);
    return 0;
}

static const char *
with(const char *more)
{
    snprintf(settings, sizeof settings, "brokers=%s; topic=in%s%s", rd_kafka_mock_cluster_bootstraps(cluster),
             *more != '\0' ? "; " : "", more);
    return settings;
}

static const char *
source_with(const char *more)
{
    char all[256];
    snprintf(all, sizeof all, "properties=fetch.wait.max.ms:5,session.timeout.ms:6000,heartbeat.interval.ms:200%s%s",
             *more != '\0' ? "; " : "", more);
    return with(all);
}

static void
produce(int from, int to)
{
    char     text[4096];
    size_t   n = 0;
    wr_sinks s;
    for (int i = from; i < to; i++)
        n += (size_t) snprintf(text + n, sizeof text - n, "{\"id\":%d}\n", i);
    wr_sinks_open(&s, "kafka", with("key=id"), "json", columns);
    assert_int_equal(wr_sinks_write(&s, text, NULL, 10000), WR_FLOW_NEXT);
    assert_int_equal(wr_sinks_flush(&s, 10000), WR_FLOW_NEXT);
    wr_sinks_close(&s);
}

static bool
all_caught_up(wr_lanes *l)
{
    uint32_t up = 0;
    for (uint32_t i = 0; i < l->lane_count; i++)
        up += l->lanes[i].caught_up && !l->lanes[i].ended;
    return up == PARTITIONS;
}

static bool
none_caught_up(wr_lanes *l)
{
    for (uint32_t i = 0; i < l->lane_count; i++)
        if (l->lanes[i].caught_up)
            return false;
    return true;
}

static void
freeze(wr_lanes *l, wr_epoch epoch)
{
    wr_snapshot_writer snapshot;
    wr_lanes_freeze(l, &snapshot);
    l->ops->frozen_epoch(l->self, epoch);
    wr_snapshot_writer_fini(&snapshot);
}

/* Markers of transactions stand between the last message and the end: a partition is at its end all the same when the
 * brokers are back. */
static void
an_end_behind_a_marker_is_an_end(void **state)
{
    wr_lanes l;
    produce(0, 30);
    wr_lanes_open(&l, "kafka", source_with(""), "json", columns, 0);
    assert_true(wr_lanes_run_rows(&l, 20000, 30));
    assert_true(wr_lanes_run(&l, 20000, all_caught_up));
    kafka_consumer *c = ((kafka_source *) l.self)->consumer;
    for (int i = 0; i < PARTITIONS; i++)
        c->partitions[i].eof++; /* as the client tells it behind a marker, which the practice broker has not */
    rd_kafka_mock_broker_set_down(cluster, 1);
    assert_true(wr_lanes_run(&l, 20000, none_caught_up));
    rd_kafka_mock_broker_set_up(cluster, 1);
    assert_true(wr_lanes_run(&l, 10000, all_caught_up));
    wr_lanes_close(&l);
}

/* Partitions go to another member, which commits what it has read, and come back: what was frozen before is not committed
 * over that. */
static void
offsets_of_others_are_not_taken_back(void **state)
{
    wr_lanes a, b, reader;
    bool     others[PARTITIONS] = { false };
    produce(0, 30);
    wr_lanes_open(&a, "kafka", source_with("group=g"), "json", columns, 0);
    assert_true(wr_lanes_run_rows(&a, 20000, 30));
    freeze(&a, 1);
    a.ops->committed(a.self, 1);
    produce(30, 60);
    assert_true(wr_lanes_run_rows(&a, 20000, 60));
    freeze(&a, 2); /* its checkpoint takes long */
    wr_lanes_open(&b, "kafka", source_with("group=g"), "json", columns, 0);
    for (int i = 0; i < 1000 && (b.lane_count == 0 || !b.lanes[0].caught_up || a.coming); i++) {
        wr_lanes_run(&a, 10, NULL);
        wr_lanes_run(&b, 10, NULL);
    }
    assert_in_range(b.lane_count, 1, PARTITIONS - 1);
    produce(60, 90);
    for (int i = 0; i < 50; i++) {
        wr_lanes_run(&a, 10, NULL);
        wr_lanes_run(&b, 10, NULL);
    }
    freeze(&b, 1);
    b.ops->committed(b.self, 1);
    for (uint32_t i = 0; i < b.lane_count; i++)
        others[b.lanes[i].partition] = true;
    wr_lanes_close(&b);
    assert_true(wr_lanes_run(&a, 30000, all_caught_up));
    a.ops->committed(a.self, 2); /* now it is durable */
    wr_lanes_close(&a);
    wr_lanes_open(&reader, "kafka", source_with("group=g; start=committed"), "json", columns, WR_LANES_BOUNDED);
    assert_true(wr_lanes_run(&reader, 20000, NULL));
    assert_int_equal(reader.flow, WR_FLOW_DONE);
    for (uint32_t i = 0; i < reader.lane_count; i++)
        if (others[reader.lanes[i].partition])
            assert_int_equal(reader.lanes[i].row_count, 0);
    wr_lanes_close(&reader);
}

/* Both run for a while; whoever wants a checkpoint gets one. */
static void
both_run(wr_lanes *a, wr_lanes *b, bool (*until)(wr_lanes *a, wr_lanes *b))
{
    for (int i = 0; i < 1000 && !until(a, b); i++) {
        wr_lanes_run(a, 10, NULL);
        wr_lanes_answer(a);
        wr_lanes_run(b, 10, NULL);
        wr_lanes_answer(b);
    }
    assert_true(until(a, b));
}

static bool
both_have_some(wr_lanes *a, wr_lanes *b)
{
    uint32_t of_a = 0, of_b = 0;
    for (uint32_t i = 0; i < a->lane_count; i++)
        of_a += !a->lanes[i].ended && a->lanes[i].caught_up;
    for (uint32_t i = 0; i < b->lane_count; i++)
        of_b += !b->lanes[i].ended && b->lanes[i].caught_up;
    return of_a > 0 && of_b > 0 && of_a + of_b == PARTITIONS && !a->coming && !b->coming;
}

static bool
has_none(wr_lanes *l)
{
    wr_text why;
    wr_text_init(&why, NULL);
    bool away = l->ops->away(l->self, &why);
    assert_true(away == (strstr(wr_text_string(&why), "none of the 3 partitions of topic in is this instance's") != NULL));
    wr_text_fini(&why);
    return away;
}

/* What was read of a partition since the last checkpoint is put into one before it goes to somebody else.  That he begins
 * behind it a real broker shows (tools/kafka_group.py): this one takes no offsets while it deals out partitions. */
static void
partitions_go_with_what_was_read_of_them(void **state)
{
    wr_lanes a, b;
    produce(0, 30);
    wr_lanes_open(&a, "kafka", source_with("group=g"), "json", columns, 0);
    assert_true(wr_lanes_run_rows(&a, 20000, 30)); /* and no checkpoint has it */
    kafka_consumer *c = ((kafka_source *) a.self)->consumer;
    wr_lanes_open(&b, "kafka", source_with("group=g"), "json", columns, 0);
    assert_true(has_none(&b));
    assert_false(has_none(&a));
    both_run(&a, &b, both_have_some);
    assert_false(has_none(&b));
    assert_int_equal(a.wanted, 1);
    assert_int_equal(c->durable, 1);
    for (int i = 0; i < PARTITIONS; i++)
        assert_int_equal(c->partitions[i].durable, c->partitions[i].position);
    assert_int_equal(b.wanted, 0); /* it has read nothing */
    wr_lanes_close(&b);
    wr_lanes_close(&a);
}

/* An instance that was away goes on where another one has come to; by its own offsets alone it goes where its checkpoint is. */
static void
a_checkpoint_goes_on_behind_what_others_have_read(void **state)
{
    for (int another = 0; another < 2; another++) {
        wr_lanes           l;
        wr_snapshot_writer snapshot;
        const char        *first = another ? "group=h; instance_id=one" : "group=g; instance_id=one";
        const char        *second = another ? "group=h; instance_id=two" : first;
        int                at = another * 90;
        produce(at, at + 30);
        wr_lanes_open(&l, "kafka", source_with(first), "json", columns, 0);
        assert_true(wr_lanes_run_rows(&l, 30000, (uint32_t) at + 30));
        wr_lanes_freeze(&l, &snapshot);
        l.ops->frozen_epoch(l.self, 1);
        l.ops->committed(l.self, 1);
        wr_lanes_close(&l);
        produce(at + 30, at + 60);
        wr_lanes_open(&l, "kafka", source_with(second), "json", columns, 0);
        assert_true(wr_lanes_run_rows(&l, 30000, 30));
        freeze(&l, 2);
        l.ops->committed(l.self, 2);
        wr_lanes_close(&l);
        produce(at + 60, at + 90);
        wr_lanes_open(&l, "kafka", source_with(first), "json", columns, 0);
        wr_lanes_restore(&l, &snapshot);
        assert_true(wr_lanes_run_rows(&l, 30000, another ? 30 : 60));
        assert_true(wr_lanes_run(&l, 10000, all_caught_up));
        assert_int_equal(wr_lanes_row_count(&l), another ? 30 : 60);
        wr_lanes_close(&l);
        wr_snapshot_writer_fini(&snapshot);
    }
}

/* A time before 1970 is before all messages, whatever its number means to a broker (-1 ms: the end). */
static void
a_start_before_1970_is_the_beginning(void **state)
{
    static const char *const times[] = { "1969-12-31 23:59:59.999", "1969-12-31 23:59:59.998", "1960-01-01",
                                         "-infinity", "1970-01-01" };
    produce(0, 30);
    for (size_t i = 0; i < WR_COUNT(times); i++) {
        wr_lanes l;
        char     more[128];
        snprintf(more, sizeof more, "start=timestamp; start_time=%s", times[i]);
        wr_lanes_open(&l, "kafka", source_with(more), "json", columns, WR_LANES_BOUNDED);
        assert_true(wr_lanes_run(&l, 20000, NULL));
        assert_int_equal(l.flow, WR_FLOW_DONE);
        assert_int_equal(wr_lanes_row_count(&l), 30);
        wr_lanes_close(&l);
    }
}

/* Brokers go while offsets are being committed: nobody answers, and the stop does not wait for that. */
static void
a_stop_does_not_wait_for_brokers_that_are_away(void **state)
{
    for (int known = 0; known < 2; known++) {
        wr_lanes l;
        produce(known * 30, known * 30 + 30);
        wr_lanes_open(&l, "kafka", source_with("group=g"), "json", columns, 0);
        assert_true(wr_lanes_run_rows(&l, 20000, 30));
        assert_true(wr_lanes_run(&l, 10000, all_caught_up));
        freeze(&l, 1);
        rd_kafka_mock_broker_set_down(cluster, 1);
        if (known)
            assert_true(wr_lanes_run(&l, 20000, none_caught_up));
        int64_t begun = wr_clock_monotonic(wr_clock_system());
        l.ops->committed(l.self, 1);
        wr_lanes_close(&l);
        assert_true(wr_clock_monotonic(wr_clock_system()) - begun < 30000000);
        rd_kafka_mock_broker_set_up(cluster, 1);
    }
}

#define KAFKA_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
WR_TESTS = {
    KAFKA_TEST(a_start_before_1970_is_the_beginning),
    KAFKA_TEST(an_end_behind_a_marker_is_an_end),
    KAFKA_TEST(offsets_of_others_are_not_taken_back),
    KAFKA_TEST(partitions_go_with_what_was_read_of_them),
    KAFKA_TEST(a_checkpoint_goes_on_behind_what_others_have_read),
    KAFKA_TEST(a_stop_does_not_wait_for_brokers_that_are_away),
    { NULL, NULL },
};
