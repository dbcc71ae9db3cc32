/* SPDX-License-Identifier: Apache-2.0 */
/* nexmark_gen_test.c -- X1..X3 of connector/nexmark_gen.h, and the statistics of the events. */
#include "support/test.h"

#include "base/hash.h"
#include "connector/nexmark_gen.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { EVENTS = 200000 };

static wr_nexmark_config
config_make(uint64_t seed, uint32_t group)
{
    wr_nexmark_config c;
    wr_nexmark_config_init(&c);
    c.seed = seed;
    c.out_of_order_group = group;
    c.max_events = EVENTS;
    return c;
}

static wr_nexmark *
wr_nexmark_make(uint64_t seed, uint32_t group)
{
    wr_nexmark_config c = config_make(seed, group);
    wr_nexmark       *g = wr_nexmark_create(NULL, &c);
    assert_non_null(g);
    return g;
}

static bool
string_is(const wr_string *s, const char *text)
{
    return s->length == strlen(text) && memcmp(wr_string_data(s), text, s->length) == 0;
}

static void
skeleton_is_the_originals(void **state)
{
    (void) state;
    wr_nexmark      *g = wr_nexmark_make(42, 1);
    wr_nexmark_event e;
    wr_nexmark_get(g, 0, &e); /* event number 1, id 2: the first is an auction */
    assert_int_equal(e.id, 2);
    assert_int_equal(e.kind, WR_NEXMARK_AUCTION);
    assert_int_equal(e.auction.id, 1001);
    assert_int_equal(e.time, 1767225600000000); /* 100 us on, cut to milliseconds */
    wr_nexmark_get(g, 9, &e);
    assert_int_equal(e.time, 1767225600001000);
    wr_nexmark_get(g, 48, &e); /* id 50 */
    assert_int_equal(e.kind, WR_NEXMARK_PERSON);
    assert_int_equal(e.person.id, 1001);
    wr_nexmark_get(g, 51, &e); /* id 53: the last of three auctions */
    assert_int_equal(e.kind, WR_NEXMARK_AUCTION);
    assert_int_equal(e.auction.id, 1005);
    assert_int_equal(wr_nexmark_watermark(g, 9), 1767225600001000);
    assert_int_equal(wr_nexmark_count(g), EVENTS);
    wr_nexmark_destroy(g);
}

static void
kinds_and_ids_follow_the_proportions(void **state)
{
    (void) state;
    wr_nexmark *g = wr_nexmark_make(1, 1);
    uint64_t    counts[3] = { 0, 0, 0 };
    int64_t     person = 1000, auction = 1000;
    wr_time     time = 0;
    for (uint64_t n = 0; n < EVENTS; n++) {
        wr_nexmark_event e;
        wr_nexmark_get(g, n, &e);
        counts[e.kind]++;
        assert_true(e.time >= time);
        time = e.time;
        if (e.kind == WR_NEXMARK_PERSON)
            assert_int_equal(e.person.id, ++person);
        else if (e.kind == WR_NEXMARK_AUCTION)
            assert_int_equal(e.auction.id, ++auction);
    }
    assert_int_equal(counts[WR_NEXMARK_PERSON], EVENTS * 2 / 100);
    assert_in_range(counts[WR_NEXMARK_AUCTION], EVENTS * 6 / 100 - 2, EVENTS * 6 / 100 + 2);
    assert_in_range(counts[WR_NEXMARK_BID], EVENTS * 92 / 100 - 2, EVENTS * 92 / 100 + 2);
    wr_nexmark_destroy(g);
}

static void
assert_near(double value, double wanted, double by)
{
    if (fabs(value - wanted) > by)
        print_error("%g is not within %g of %g\n", value, by, wanted);
    assert_true(fabs(value - wanted) <= by);
}

static void
bids_have_the_originals_statistics(void **state)
{
    (void) state;
    wr_nexmark *g = wr_nexmark_make(7, 1);
    double      bids = 0, hot_auction = 0, hot_bidder = 0, hot_channel = 0, log_sum = 0,
           extra = 0, early = 0, with_id = 0, others = 0;
    int64_t last_auction = 1000, last_person = 1000;
    for (uint64_t n = 0; n < EVENTS; n++) {
        wr_nexmark_event e;
        wr_nexmark_get(g, n, &e);
        if (e.kind == WR_NEXMARK_AUCTION)
            last_auction = e.auction.id;
        if (e.kind == WR_NEXMARK_PERSON)
            last_person = e.person.id;
        if (e.kind != WR_NEXMARK_BID || n < EVENTS / 4)
            continue;
        const wr_nexmark_bid *b = &e.bid;
        bids++;
        hot_auction += b->auction % 100 == 0; /* and one in 111 of the others */
        hot_bidder += b->bidder % 100 == 1;
        early += b->auction > last_auction;
        assert_true(b->auction <= last_auction + 10 && b->auction >= last_auction - 100);
        assert_true(b->bidder - 1000 <= last_person + 10 && b->bidder - 1000 > last_person - 1100);
        assert_true(b->price >= 100 && b->price <= 100000000);
        log_sum += log10((double) b->price);
        extra += b->extra.length;
        assert_true(b->extra.length >= 54 && b->extra.length < 82);
        bool hot = string_is(&b->channel, "Google") || string_is(&b->channel, "Facebook") ||
                   string_is(&b->channel, "Baidu") || string_is(&b->channel, "Apple");
        hot_channel += hot;
        others += !hot;
        char url[128];
        snprintf(url, sizeof url, "%.*s", (int) b->url.length, wr_string_data(&b->url));
        assert_memory_equal(url, "https://www.nexmark.com/", 24);
        assert_non_null(strstr(url, "/item.htm?query=1"));
        with_id += strstr(url, "&channel_id=") != NULL;
    }
    assert_near(hot_auction / bids, 0.5 + 0.5 / 111, 0.01);
    assert_near(hot_bidder / bids, 0.75 + 0.25 / 100, 0.01);
    assert_near(hot_channel / bids, 0.5, 0.01);
    assert_near(with_id / others, 0.9, 0.02);
    assert_near(log_sum / bids, 5, 0.02); /* log-uniform from 2 to 8 */
    assert_near(extra / bids, 54 + 13.5, 0.2);
    assert_near(early / bids, 0.045, 0.01); /* before their auction */
    wr_nexmark_destroy(g);
}

static void
auctions_and_people_look_as_they_should(void **state)
{
    (void) state;
    wr_nexmark *g = wr_nexmark_make(7, 1);
    double      auctions = 0, hot_seller = 0, life = 0, bytes = 0, people = 0, person_bytes = 0;
    uint64_t    categories[5] = { 0 };
    for (uint64_t n = EVENTS / 4; n < EVENTS; n++) {
        wr_nexmark_event e;
        wr_nexmark_get(g, n, &e);
        if (e.kind == WR_NEXMARK_AUCTION) {
            const wr_nexmark_auction *a = &e.auction;
            auctions++;
            hot_seller += a->seller % 100 == 0;
            life += (double) (a->expires - e.time);
            assert_true(a->expires > e.time && a->reserve > a->initial_bid);
            assert_true(a->item_name.length < 20 && a->description.length < 100);
            assert_in_range(a->category, 10, 14);
            categories[a->category - 10]++;
            bytes += 48 + a->item_name.length + a->description.length + a->extra.length;
        } else if (e.kind == WR_NEXMARK_PERSON) {
            const wr_nexmark_person *p = &e.person;
            people++;
            assert_int_equal(p->credit_card.length, 19);
            assert_int_equal(p->state.length, 2);
            assert_non_null(memchr(wr_string_data(&p->name), ' ', p->name.length));
            assert_non_null(
                memchr(wr_string_data(&p->email_address), '@', p->email_address.length));
            person_bytes += 8 + p->name.length + p->email_address.length + p->credit_card.length +
                            p->city.length + p->state.length + p->extra.length;
        }
    }
    assert_near(hot_seller / auctions, 0.75 + 0.25 / 100, 0.02);
    assert_near(life / auctions, 166600, 3000); /* the time of 1,666 events, and a bit */
    assert_near(bytes / auctions, 500, 5);
    assert_near(person_bytes / people, 200, 2);
    for (int i = 0; i < 5; i++)
        assert_near((double) categories[i] / auctions, 0.2, 0.02);
    wr_nexmark_destroy(g);
}

static void
out_of_order_stays_within_its_group(void **state)
{
    (void) state;
    enum { GROUP = 100 };
    wr_nexmark *g = wr_nexmark_make(3, GROUP);
    bool        seen[2 * GROUP] = { false };
    bool        disorder = false;
    wr_time     last = 0;
    for (uint64_t n = GROUP - 1; n < 3 * GROUP - 1; n++) { /* event numbers 100..299 */
        wr_nexmark_event e;
        wr_nexmark_get(g, n, &e);
        uint64_t adjusted = e.id - 1;
        assert_int_equal(adjusted / GROUP, (n + 1) / GROUP);
        assert_false(seen[adjusted - GROUP]);
        seen[adjusted - GROUP] = true;
        disorder |= e.time < last;
        last = e.time;
        assert_true(e.time >= wr_nexmark_watermark(g, n));
    }
    assert_true(disorder);
    wr_nexmark_destroy(g);
}

/* --- X1: the bytes --- */

static uint64_t
json_hash(const wr_nexmark *g, uint64_t from, uint64_t count, bool times)
{
    wr_text       text;
    XXH64_state_t state;
    XXH64_reset(&state, 0);
    wr_text_init(&text, NULL);
    for (uint64_t n = from; n < from + count; n++) {
        wr_nexmark_event e;
        wr_nexmark_get(g, n, &e);
        if (!times) {
            if (e.kind == WR_NEXMARK_AUCTION)
                e.auction.expires = 0;
            e.time = 0;
        }
        wr_text_clear(&text);
        wr_nexmark_print_json(&e, &text);
        wr_nexmark_print_json_plain(&e, &text);
        XXH64_update(&state, text.data, text.length);
    }
    wr_text_fini(&text);
    return XXH64_digest(&state);
}

static void
same_seed_gives_the_same_bytes(void **state) /* X1 */
{
    (void) state;
    wr_nexmark *a = wr_nexmark_make(42, 1), *b = wr_nexmark_make(42, 1), *c = wr_nexmark_make(43, 1);
    uint64_t    first = json_hash(a, 1000, 1000, true);
    (void) json_hash(b, 5000, 3000, true); /* the past leaves no trace */
    assert_true(json_hash(b, 1000, 1000, true) == first);
    assert_true(json_hash(c, 1000, 1000, true) != first);
    assert_true(json_hash(a, 1001, 1000, true) != first);
    assert_true(first == 0x8431c3c4380d62d0u); /* on every machine, in every build */
    wr_nexmark_destroy(a);
    wr_nexmark_destroy(b);
    wr_nexmark_destroy(c);
}

static void
splits_have_the_events_of_the_whole(void **state) /* X3 */
{
    (void) state;
    enum { PARTS = 3 };
    wr_nexmark_config whole = config_make(42, 1), part;
    wr_nexmark       *g = wr_nexmark_create(NULL, &whole);
    uint64_t          next = 0;
    for (uint32_t i = 0; i < PARTS; i++) {
        wr_nexmark_config_split(&whole, i, PARTS, &part);
        wr_nexmark *p = wr_nexmark_create(NULL, &part);
        uint64_t    count = wr_nexmark_count(p);
        assert_true(json_hash(p, 0, 2000, false) == json_hash(g, next, 2000, false));
        assert_true(json_hash(p, count - 100, 100, false) ==
                    json_hash(g, next + count - 100, 100, false));
        wr_nexmark_event e; /* a timeline of its own, at a third of the rate */
        wr_nexmark_get(p, 1000, &e);
        assert_int_equal(e.time - whole.base_time, 300000);
        next += count;
        wr_nexmark_destroy(p);
    }
    assert_int_equal(next, EVENTS);
    wr_nexmark_destroy(g);
}

static void
json_has_the_form_of_the_topic(void **state)
{
    (void) state;
    wr_nexmark *g = wr_nexmark_make(42, 1);
    wr_text     text;
    uint64_t    bid_bytes = 0, bids = 0;
    wr_text_init(&text, NULL);
    for (uint64_t n = 0; n < 5000; n++) {
        wr_nexmark_event e;
        wr_nexmark_get(g, n, &e);
        wr_text_clear(&text);
        wr_nexmark_print_json(&e, &text);
        const char *starts[] = {
            "{\"event_type\":0,\"person\":{\"id\":",
            "{\"event_type\":1,\"person\":null,\"auction\":{\"id\":",
            "{\"event_type\":2,\"person\":null,\"auction\":null,\"bid\":{\"auction\":",
        };
        const char *ends[] = { "\"},\"auction\":null,\"bid\":null}", "\"},\"bid\":null}", "\"}}" };
        assert_memory_equal(text.data, starts[e.kind], strlen(starts[e.kind]));
        assert_string_equal(text.data + text.length - strlen(ends[e.kind]), ends[e.kind]);
        if (e.kind == WR_NEXMARK_BID) {
            bids++;
            bid_bytes += text.length;
        }
    }
    assert_in_range(bid_bytes / bids, 295, 320); /* 308 measured elsewhere */
    wr_nexmark_event e;
    wr_nexmark_get(g, 2, &e);
    wr_text_clear(&text);
    wr_nexmark_print_json_plain(&e, &text);
    char expected[512];
    snprintf(expected, sizeof expected,
             "{\"auction\":%lld,\"bidder\":%lld,\"price\":%lld,"
             "\"channel\":\"%.*s\",\"url\":\"%.*s\","
             "\"dateTime\":\"2026-01-01T00:00:00.000Z\",\"extra\":\"%.*s\"}",
             (long long) e.bid.auction, (long long) e.bid.bidder, (long long) e.bid.price,
             (int) e.bid.channel.length, wr_string_data(&e.bid.channel), (int) e.bid.url.length,
             wr_string_data(&e.bid.url), (int) e.bid.extra.length, wr_string_data(&e.bid.extra));
    assert_string_equal(text.data, expected);
    wr_text_fini(&text);
    wr_nexmark_destroy(g);
}

/* --- X2: columns --- */

static int64_t
long_at(const wr_batch *b, uint32_t c, uint32_t row)
{
    wr_value v;
    assert_int_equal(wr_column_get_value(b->columns[c], row, NULL, &v), WEIR_OK);
    assert_false(v.is_null);
    return v.integer;
}

static void
assert_text_at(const wr_batch *b, uint32_t c, uint32_t row, const wr_string *text)
{
    wr_value v;
    assert_int_equal(wr_column_get_value(b->columns[c], row, NULL, &v), WEIR_OK);
    assert_false(v.is_null);
    assert_true(wr_string_equal(&v.string, text));
}

/* Columns from `at` on are those of the event's kind; the time column, if any, is `time`. */
static void
assert_row_is(const wr_batch *b, uint32_t row, const wr_nexmark_event *e, uint32_t at, int time)
{
    if (e->kind == WR_NEXMARK_PERSON) {
        const wr_nexmark_person *p = &e->person;
        const wr_string         *texts[] = { &p->name, &p->email_address, &p->credit_card, &p->city,
                                             &p->state };
        assert_int_equal(long_at(b, at++, row), p->id);
        for (int i = 0; i < 5; i++)
            assert_text_at(b, at++, row, texts[i]);
        at += (int) at == time;
        assert_text_at(b, at, row, &p->extra);
    } else if (e->kind == WR_NEXMARK_AUCTION) {
        const wr_nexmark_auction *a = &e->auction;
        assert_int_equal(long_at(b, at++, row), a->id);
        assert_text_at(b, at++, row, &a->item_name);
        assert_text_at(b, at++, row, &a->description);
        assert_int_equal(long_at(b, at++, row), a->initial_bid);
        assert_int_equal(long_at(b, at++, row), a->reserve);
        at += (int) at == time;
        assert_int_equal(long_at(b, at++, row), a->expires);
        assert_int_equal(long_at(b, at++, row), a->seller);
        assert_int_equal(long_at(b, at++, row), a->category);
        assert_text_at(b, at, row, &a->extra);
    } else {
        const wr_nexmark_bid *bid = &e->bid;
        assert_int_equal(long_at(b, at++, row), bid->auction);
        assert_int_equal(long_at(b, at++, row), bid->bidder);
        assert_int_equal(long_at(b, at++, row), bid->price);
        assert_text_at(b, at++, row, &bid->channel);
        assert_text_at(b, at++, row, &bid->url);
        at += (int) at == time;
        assert_text_at(b, at, row, &bid->extra);
    }
    assert_int_equal(long_at(b, (uint32_t) time, row), e->time);
}

static void
columns_are_the_events(void **state) /* X2 */
{
    (void) state;
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    for (uint32_t group = 1; group <= 50; group += 49)
        for (int table = WR_NEXMARK_PERSON; table <= WR_NEXMARK_ALL; table++) {
            wr_nexmark *g = wr_nexmark_make(5, group);
            wr_schema  *schema = wr_nexmark_schema(&arena, (wr_nexmark_kind) table);
            uint64_t    n = 777, taken, end = n + 9000;
            uint32_t    batches = 0;
            while (n < end) {
                wr_batch *b;
                assert_int_equal(wr_nexmark_fill(g, NULL, (wr_nexmark_kind) table, UINT64_MAX, n,
                                                 end - n, &b, &taken),
                                 WEIR_OK);
                wr_batch_check(b);
                assert_int_equal(b->column_count, schema->field_count);
                wr_time  least = WR_TIME_END, most = WR_TIME_START;
                uint32_t row = 0;
                for (uint64_t k = n; k < n + taken; k++) {
                    static const uint32_t firsts[] = { 1, 8, 17 };
                    wr_nexmark_event      e;
                    wr_nexmark_get(g, k, &e);
                    if (table != WR_NEXMARK_ALL && (int) e.kind != table)
                        continue;
                    assert_row_is(b, row, &e, table == WR_NEXMARK_ALL ? firsts[e.kind] : 0,
                                  schema->time_column);
                    if (table == WR_NEXMARK_ALL) {
                        assert_int_equal(long_at(b, 0, row), e.kind);
                        assert_int_equal(wr_column_is_null(b->columns[1], row), e.kind != 0);
                        assert_int_equal(wr_column_is_null(b->columns[10], row), e.kind != 1);
                        assert_int_equal(wr_column_is_null(b->columns[22], row), e.kind != 2);
                    }
                    least = WR_MIN(least, e.time);
                    most = WR_MAX(most, e.time);
                    row++;
                }
                assert_int_equal(row, b->row_count);
                assert_int_equal(b->time_min, least);
                assert_int_equal(b->time_max, most);
                assert_true(taken == end - n || row == WR_BATCH_ROWS_MAX);
                n += taken;
                batches++;
                wr_batch_release(b);
            }
            assert_int_equal(batches, table < WR_NEXMARK_BID ? 1 : 3);
            wr_nexmark_destroy(g);
        }
    wr_arena_fini(&arena);
}

static void
only_needed_columns_are_made(void **state)
{
    (void) state;
    wr_nexmark *g = wr_nexmark_make(5, 1);
    for (int table = WR_NEXMARK_PERSON; table <= WR_NEXMARK_ALL; table++) {
        uint64_t  taken;
        wr_batch *whole, *some;
        assert_int_equal(wr_nexmark_fill(g, NULL, (wr_nexmark_kind) table, UINT64_MAX, 100, 4000,
                                         &whole, &taken),
                         WEIR_OK);
        for (uint32_t c = 0; c < whole->column_count; c++) {
            assert_int_equal(wr_nexmark_fill(g, NULL, (wr_nexmark_kind) table, 1ull << c, 100,
                                             4000, &some, &taken),
                             WEIR_OK);
            wr_batch_check(some);
            for (uint32_t k = 0; k < some->column_count; k++)
                assert_int_equal(some->columns[k] != NULL, k == c);
            for (uint32_t row = 0; row < some->row_count; row++) {
                wr_value a, b;
                assert_int_equal(wr_column_get_value(some->columns[c], row, NULL, &a), WEIR_OK);
                assert_int_equal(wr_column_get_value(whole->columns[c], row, NULL, &b), WEIR_OK);
                assert_int_equal(a.is_null, b.is_null);
                if (a.is_null)
                    continue;
                if (a.type.id == WR_TEXT)
                    assert_true(wr_string_equal(&a.string, &b.string));
                else
                    assert_int_equal(a.integer, b.integer);
            }
            wr_batch_release(some);
        }
        wr_batch_release(whole);
    }
    wr_nexmark_destroy(g);
}

static void
schema_names_are_what_sql_reads(void **state)
{
    (void) state;
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    wr_schema *bid = wr_nexmark_schema(&arena, WR_NEXMARK_BID);
    wr_schema *all = wr_nexmark_schema(&arena, WR_NEXMARK_ALL);
    assert_int_equal(wr_schema_find(bid, "datetime"), bid->time_column);
    assert_true(bid->fields[0].not_null);
    assert_int_equal(wr_schema_find(all, "event_type"), 0);
    assert_int_equal(wr_schema_find(all, "person_id"), 1);
    assert_int_equal(wr_schema_find(all, "auction_id"), 8);
    assert_int_equal(wr_schema_find(all, "bid_auction"), 17);
    assert_int_equal(wr_schema_find(all, "bid_extra"), 22);
    assert_int_equal(wr_schema_find(all, "datetime"), 23);
    for (uint32_t i = 0; i < all->field_count; i++)
        assert_non_null(all->fields[i].name);
    wr_arena_fini(&arena);
}

static void
batches_outlive_the_generator(void **state)
{
    (void) state;
    wr_nexmark *g = wr_nexmark_make(5, 1);
    wr_batch   *b;
    uint64_t    taken;
    assert_int_equal(wr_nexmark_fill(g, NULL, WR_NEXMARK_BID, UINT64_MAX, 0, 100, &b, &taken),
                     WEIR_OK);
    wr_nexmark_destroy(g);
    wr_batch_check(b);
    wr_batch *c = wr_batch_compact(NULL, b, true);
    assert_ptr_equal(b, c); /* pools are not copied */
    wr_batch_release(b);
    wr_batch_release(c);
}

static void
memory_failure_leaks_nothing(void **state)
{
    (void) state;
    wr_nexmark *g = wr_nexmark_make(5, 1);
    for (int table = WR_NEXMARK_PERSON; table <= WR_NEXMARK_ALL; table++) {
        weir_status status = WEIR_MEMORY;
        for (uint64_t limit = 64; status != WEIR_OK; limit += 512) {
            wr_budget *budget = wr_budget_create(NULL, "small", limit);
            wr_batch  *b = NULL;
            uint64_t   taken;
            status = wr_nexmark_fill(g, budget, (wr_nexmark_kind) table, UINT64_MAX, 0, 300, &b,
                                     &taken);
            assert_true(status == WEIR_OK || (status == WEIR_MEMORY && b == NULL));
            wr_batch_release(b);
            assert_int_equal(wr_budget_used(budget), 0);
            wr_budget_destroy(budget);
        }
    }
    wr_nexmark_destroy(g);
    wr_nexmark_config config = config_make(1, 1);
    wr_budget        *budget = wr_budget_create(NULL, "small", 1 << 20);
    assert_null(wr_nexmark_create(budget, &config));
    assert_int_equal(wr_budget_used(budget), 0);
    wr_budget_destroy(budget);
}

WR_TESTS = {
    WR_TEST(skeleton_is_the_originals),
    WR_TEST(kinds_and_ids_follow_the_proportions),
    WR_TEST(bids_have_the_originals_statistics),
    WR_TEST(auctions_and_people_look_as_they_should),
    WR_TEST(out_of_order_stays_within_its_group),
    WR_TEST(same_seed_gives_the_same_bytes),
    WR_TEST(splits_have_the_events_of_the_whole),
    WR_TEST(json_has_the_form_of_the_topic),
    WR_TEST(columns_are_the_events),
    WR_TEST(only_needed_columns_are_made),
    WR_TEST(schema_names_are_what_sql_reads),
    WR_TEST(batches_outlive_the_generator),
    WR_TEST(memory_failure_leaks_nothing),
    { NULL, NULL },
};
