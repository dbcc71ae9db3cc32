/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/kafka_memory.c -- what a client of librdkafka holds, counted and charged (design 12.3).
 *
 * The client's threads enter a zone (base/zone.h) as they start, by its own interceptor: fetched messages, requests and
 * metadata are allocated there.  What our threads have it copy (messages to be sent) its owner adds.  A source reserves
 * its queue's bytes beforehand, for that much the client may take at any time; the budget "kafka" is charged the
 * greater of the reservation and what is held.
 *
 * Bounds      of a source: queued.max.messages.kbytes a partition (queue_bytes over the partitions), one fetch more of each
 *             (fetch.message.max.bytes) and one under way a broker (fetch.max.bytes); of a sink: queue_bytes, and twice the
 *             requests under way.  When the charge is refused (`refused`) a sink takes no more rows until what is under way is
 *             acknowledged; a source reads on, for that is what frees.
 */
#include "config/options.h"
#include "connector/kafka_impl.h"

enum { LOOK_US = 200000, SLACK_BYTES = 256 << 10 };

static rd_kafka_resp_err_t
on_thread_start(rd_kafka_t *rk, rd_kafka_thread_type_t type, const char *name, void *user)
{
    const kafka_memory *m = user;
    wr_zone_enter(m->zone);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t
on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *user, char *text, size_t size)
{
    return rd_kafka_interceptor_add_on_thread_start(rk, "weir", on_thread_start, user);
}

weir_status
wr_kafka_memory_init(kafka_memory *m, wr_budget *parent, weir_error *err)
{
    m->budget = wr_budget_create(parent, "kafka", 0);
    if (m->budget == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for a Kafka client");
    m->zone = wr_zone_acquire();
    return WEIR_OK;
}

void
wr_kafka_memory_watch(kafka_memory *m, rd_kafka_conf_t *conf)
{
    if (m->zone != NULL)
        (void) rd_kafka_conf_interceptor_add_on_new(conf, "weir", on_new, m);
}

bool
wr_kafka_memory_reserve(kafka_memory *m, uint64_t bytes)
{
    wr_assert(m->charged == 0);
    if (!wr_budget_charge(m->budget, bytes))
        return false;
    m->reserved = m->charged = bytes;
    return true;
}

void
wr_kafka_memory_look(kafka_memory *m, wr_clock *clock, uint64_t more)
{
    int64_t now = wr_clock_monotonic(clock);
    if (m->looked_at != 0 && now - m->looked_at < LOOK_US)
        return;
    m->looked_at = WR_MAX(now, (int64_t) 1);
    uint64_t held = wr_zone_bytes(m->zone) + more;
    atomic_store_explicit(&m->held, held, memory_order_relaxed);
    uint64_t wanted = WR_MAX(m->reserved, held);
    bool     no = false;
    if (wanted > m->charged + SLACK_BYTES) {
        no = !wr_budget_charge(m->budget, wanted - m->charged);
        m->charged = no ? m->charged : wanted;
    } else if (wanted < m->charged) {
        wr_budget_discharge(m->budget, m->charged - wanted);
        m->charged = wanted;
    }
    atomic_store_explicit(&m->refused, no, memory_order_relaxed);
}

void
wr_kafka_memory_fini(kafka_memory *m)
{
    if (m->budget == NULL)
        return;
    wr_budget_discharge(m->budget, m->charged);
    wr_budget_destroy(m->budget);
    wr_zone_release(m->zone);
}

void
wr_kafka_memory_describe(const kafka_memory *m, wr_text *to)
{
    if (m->zone == NULL)
        return; /* another allocator tells nothing */
    wr_text_puts(to, "the Kafka client holds ");
    wr_bytes_print(atomic_load_explicit(&m->held, memory_order_relaxed), to);
    if (m->reserved > 0) {
        wr_text_puts(to, " of the ");
        wr_bytes_print(m->reserved, to);
        wr_text_puts(to, " set aside for it");
    }
    wr_text_puts(to, atomic_load_explicit(&m->refused, memory_order_relaxed)
                         ? ", and the pipeline's memory is used up\n"
                         : "\n");
}
