/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/nexmark_gen.c -- configuration, pools and boxed events (see nexmark_gen.h).
 */
#include "connector/nexmark_gen.h"

#include "connector/nexmark_gen_impl.h"

#include <stdio.h>
#include <string.h>

enum { URL_BYTES_MAX = 96, STRING_BYTES_MIN = 3, SPECIAL_ODDS = 13 };

static const char *const first_names[] = { "Peter", "Paul", "Luke",  "John",   "Saul",  "Vicky",
                                           "Kate",  "Julie", "Sarah", "Deiter", "Walter" };
static const char *const last_names[] = { "Shultz", "Abrams", "Spencer", "White", "Bartels",
                                          "Walton", "Smith",  "Jones",   "Noris" };
static const char *const cities[] = { "Phoenix", "Los Angeles", "San Francisco", "Boise",
                                      "Portland", "Bend", "Redmond", "Seattle", "Kent",
                                      "Cheyenne" };
static const char *const states[] = { "AZ", "CA", "ID", "OR", "WA", "WY" };
static const char *const hot_channels[] = { "Google", "Facebook", "Baidu", "Apple" };
_Static_assert(WR_COUNT(hot_channels) == NEXMARK_HOT_CHANNELS, "all have a url");

/* --- configuration --- */

void
wr_nexmark_config_init(wr_nexmark_config *config)
{
    *config = (wr_nexmark_config){
        .rate = 10000,
        .base_time = 1767225600 * 1000000LL, /* 2026-01-01 */
        .out_of_order_group = 1,
        .generators = 1,
        .first_event_id = 1,
        .first_event_number = 1,
    };
}

static uint64_t
config_events(const wr_nexmark_config *config)
{
    return config->max_events != 0 ? config->max_events : WR_NEXMARK_EVENTS_MAX;
}

void
wr_nexmark_config_split(const wr_nexmark_config *config, uint32_t index, uint32_t count,
                        wr_nexmark_config *part)
{
    wr_assert(count >= 1 && index < count);
    uint64_t all = config_events(config), each = all / count;
    *part = *config;
    part->generators = config->generators * count;
    part->first_event_id = config->first_event_id + each * index;
    part->max_events = index + 1 < count ? each : all - each * (count - 1);
}

uint64_t
wr_nexmark_count(const wr_nexmark *nexmark)
{
    return nexmark->count;
}

wr_time
wr_nexmark_watermark(const wr_nexmark *nexmark, uint64_t n)
{
    uint64_t number = nexmark->config.first_event_number + n;
    uint64_t group = nexmark->config.out_of_order_group;
    return nexmark_time(nexmark, number / group * group);
}

/* --- random strings --- */

/* Letters, one in thirteen of them `special`; 3 to max - 1 long, blanks at the ends cut. */
static size_t
put_string(wr_random *random, char *to, uint32_t max, char special)
{
    enum { ODDS = SPECIAL_ODDS * 26, DRAW_LETTERS = 4 };
    size_t   length = STRING_BYTES_MIN + wr_random_below(random, max - STRING_BYTES_MIN);
    uint64_t bits = 0;
    for (size_t i = 0; i < length; i++, bits >>= 16) {
        if (i % DRAW_LETTERS == 0)
            bits = wr_random_next(random);
        uint32_t pick = (uint32_t) (bits & 0xffff) * ODDS >> 16;
        to[i] = pick < 26 ? special : (char) ('a' + pick % 26);
    }
    size_t start = 0;
    while (start < length && to[start] == ' ')
        start++;
    while (length > start && to[length - 1] == ' ')
        length--;
    memmove(to, to + start, length - start);
    return length - start;
}

static size_t
put_text(char *to, const char *text)
{
    size_t length = strlen(text);
    memcpy(to, text, length);
    return length;
}

/* --- pools --- */

static size_t
put_url(wr_random *random, char *to, int channel)
{
    size_t n = put_text(to, "https://www.nexmark.com/");
    for (int part = 0; part < 3; part++) {
        n += put_string(random, to + n, 5, '_');
        to[n++] = '/';
    }
    n += put_text(to + n, "item.htm?query=1");
    if (channel >= 0 && wr_random_below(random, 10) > 0) {
        uint32_t reversed = 0; /* Java's abs(reverse(k)): the least int stays as it is */
        for (int bit = 0; bit < 32; bit++)
            reversed |= (((uint32_t) channel >> bit) & 1) << (31 - bit);
        int64_t id = (int32_t) reversed;
        id = id < 0 && id != INT32_MIN ? -id : id;
        n += (size_t) snprintf(to + n, URL_BYTES_MAX - n, "&channel_id=%lld", (long long) id);
    }
    return n;
}

static void
pools_fill(wr_nexmark *g)
{
    wr_random random;
    char     *at = g->pool->bytes;
    wr_random_init(&random, g->key);
    for (uint32_t i = 0; i < NEXMARK_EXTRA_BYTES; i++)
        *at++ = (char) ('a' + wr_random_below(&random, 26));
    for (int i = 0; i < NEXMARK_HOT_CHANNELS + NEXMARK_CHANNELS; i++) {
        int    channel = i - NEXMARK_HOT_CHANNELS;
        char   name[32];
        size_t length = put_url(&random, at, channel);
        g->urls[i] = wr_string_make(at, length);
        at += length;
        if (channel < 0)
            g->channels[i] = wr_string_make(hot_channels[i], strlen(hot_channels[i]));
        else
            g->channels[i] =
                wr_string_make(name, (size_t) snprintf(name, sizeof name, "channel-%d", channel));
        wr_assert(g->channels[i].length <= WR_STRING_INLINE_MAX);
    }
    g->pool->length = (size_t) (at - g->pool->bytes);
    wr_assert(g->pool->length <= g->pool->capacity);
}

/* Newton's method is exact enough to be the same everywhere: IEEE division and addition alone. */
static double
square_root(double x)
{
    double r = 1 + (x - 1) / 2;
    for (int i = 0; i < 6; i++)
        r = (r + x / r) / 2;
    return r;
}

/* powers[i] = 100 * 2^(i/256), each a product of the roots that i's bits name. */
static void
powers_fill(double *powers)
{
    double root = 2;
    for (int i = 0; i < NEXMARK_POWERS; i++)
        powers[i] = 100;
    for (int bit = NEXMARK_POWERS / 2; bit > 0; bit /= 2) {
        root = square_root(root);
        for (int i = 0; i < NEXMARK_POWERS; i++)
            powers[i] *= (i & bit) != 0 ? root : 1;
    }
}

wr_nexmark *
wr_nexmark_create(wr_budget *budget, const wr_nexmark_config *config)
{
    wr_assert(config->rate >= 1 && config->out_of_order_group >= 1 && config->generators >= 1);
    wr_nexmark *g = wr_alloc(budget, sizeof *g);
    if (g == NULL)
        return NULL;
    size_t url_bytes = (size_t) (NEXMARK_HOT_CHANNELS + NEXMARK_CHANNELS) * URL_BYTES_MAX;
    g->pool = wr_buffer_create(budget, NEXMARK_EXTRA_BYTES + url_bytes);
    if (g->pool == NULL) {
        wr_free(g);
        return NULL;
    }
    g->pool->kind = WR_BUFFER_POOL;
    g->config = *config;
    g->delay_us = 1e6 / (double) config->rate * config->generators;
    g->count = WR_MIN(config_events(config), (uint64_t) (0x1p60 / g->delay_us)); /* times fit */
    g->key = wr_mix64(config->seed + 0x9e3779b97f4a7c15u);
    powers_fill(g->powers);
    pools_fill(g);
    return g;
}

void
wr_nexmark_destroy(wr_nexmark *nexmark)
{
    if (nexmark == NULL)
        return;
    wr_buffer_release(nexmark->pool);
    wr_free(nexmark);
}

/* --- events --- */

static wr_string
pick(const char *const *from, size_t count, uint64_t draw)
{
    const char *text = from[nexmark_below(draw, count)];
    return wr_string_make(text, strlen(text));
}

static void
person_make(const wr_nexmark *g, uint64_t state, bool strings, wr_nexmark_event *e)
{
    wr_nexmark_person *p = &e->person;
    uint64_t           draw = nexmark_draw(state, DRAW_CITY);
    p->id = nexmark_last_person(e->id) + NEXMARK_FIRST_ID;
    p->city = pick(cities, WR_COUNT(cities), draw);
    p->state = pick(states, WR_COUNT(states), draw << 32);
    if (!strings)
        return;
    char *at = e->scratch, *start = at;
    draw = nexmark_draw(state, DRAW_NAME);
    at += put_text(at, first_names[nexmark_below(draw, WR_COUNT(first_names))]);
    *at++ = ' ';
    at += put_text(at, last_names[nexmark_below(draw << 32, WR_COUNT(last_names))]);
    p->name = wr_string_make(start, (size_t) (at - start));

    wr_random random;
    wr_random_init(&random, nexmark_draw(state, DRAW_EMAIL));
    start = at;
    at += put_string(&random, at, 7, ' ');
    *at++ = '@';
    at += put_string(&random, at, 5, ' ');
    at += put_text(at, ".com");
    p->email_address = wr_string_make(start, (size_t) (at - start));

    start = at;
    draw = nexmark_draw(state, DRAW_CARD);
    for (int part = 0; part < 4; part++, draw <<= 16) {
        uint32_t four = (uint32_t) ((draw >> 48) * 10000 >> 16);
        at += snprintf(at, 6, part < 3 ? "%04u " : "%04u", four % 10000);
    }
    p->credit_card = wr_string_make(start, (size_t) (at - start));
    int used = 8 + (int) (p->name.length + p->email_address.length + p->credit_card.length +
                          p->city.length + p->state.length);
    p->extra = nexmark_extra(g, nexmark_draw(state, DRAW_PERSON_EXTRA), used, 200);
}

static void
auction_make(const wr_nexmark *g, uint64_t state, uint64_t adjusted, bool strings,
             wr_nexmark_event *e)
{
    wr_nexmark_auction *a = &e->auction;
    a->id = nexmark_last_auction(e->id) + NEXMARK_FIRST_ID;
    a->initial_bid = nexmark_price(g, nexmark_draw(state, DRAW_INITIAL_BID));
    a->reserve = a->initial_bid + nexmark_price(g, nexmark_draw(state, DRAW_RESERVE));
    /* When will 100 more auctions have been made? */
    uint64_t ahead = NEXMARK_IN_FLIGHT_AUCTIONS * NEXMARK_PROPORTIONS / NEXMARK_AUCTIONS;
    int64_t  horizon_ms = (nexmark_time(g, adjusted + ahead) - e->time) / 1000;
    uint64_t spread = (uint64_t) WR_MAX(2 * horizon_ms, (int64_t) 1);
    a->expires = e->time + 1000 * (1 + (wr_time) nexmark_below(
                                           nexmark_draw(state, DRAW_EXPIRES), spread));
    uint64_t draw = nexmark_draw(state, DRAW_SELLER);
    int64_t  hot = nexmark_last_person(e->id) / NEXMARK_HOT_BATCH * NEXMARK_HOT_BATCH;
    a->seller = NEXMARK_FIRST_ID +
                ((draw >> 62) != 0 ? hot : nexmark_next_person(e->id, draw << 2));
    a->category = NEXMARK_FIRST_CATEGORY +
                  (int64_t) nexmark_below(nexmark_draw(state, DRAW_CATEGORY), NEXMARK_CATEGORIES);
    if (!strings)
        return;
    wr_random random;
    wr_random_init(&random, nexmark_draw(state, DRAW_ITEM_NAME));
    size_t name = put_string(&random, e->scratch, 20, ' ');
    wr_random_init(&random, nexmark_draw(state, DRAW_DESCRIPTION));
    size_t description = put_string(&random, e->scratch + name, 100, ' ');
    a->item_name = wr_string_make(e->scratch, name);
    a->description = wr_string_make(e->scratch + name, description);
    a->extra = nexmark_extra(g, nexmark_draw(state, DRAW_AUCTION_EXTRA),
                             8 + (int) (name + description) + 5 * 8, 500);
}

static void
bid_make(const wr_nexmark *g, uint64_t state, wr_nexmark_event *e)
{
    wr_nexmark_bid *b = &e->bid;
    uint32_t        channel = nexmark_bid_channel(state);
    b->auction = nexmark_bid_auction(e->id, state);
    b->bidder = nexmark_bid_bidder(e->id, state);
    b->price = nexmark_price(g, nexmark_draw(state, DRAW_PRICE));
    b->channel = g->channels[channel];
    b->url = g->urls[channel];
    b->extra = nexmark_bid_extra(g, state);
}

void
wr_nexmark_make(const wr_nexmark *g, uint64_t id, uint64_t adjusted, bool strings,
             wr_nexmark_event *out)
{
    uint64_t state = nexmark_state(g, id);
    out->kind = nexmark_kind(id);
    out->id = id;
    out->time = nexmark_time(g, adjusted);
    switch (out->kind) {
    case WR_NEXMARK_PERSON: person_make(g, state, strings, out); break;
    case WR_NEXMARK_AUCTION: auction_make(g, state, adjusted, strings, out); break;
    case WR_NEXMARK_BID: bid_make(g, state, out); break;
    case WR_NEXMARK_ALL: wr_unreachable();
    }
}

void
wr_nexmark_get(const wr_nexmark *nexmark, uint64_t n, wr_nexmark_event *out)
{
    wr_assert(n < nexmark->count);
    uint64_t adjusted = nexmark_adjusted(nexmark, n);
    wr_nexmark_make(nexmark, nexmark->config.first_event_id + adjusted, adjusted, true, out);
}
