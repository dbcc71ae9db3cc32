/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/nexmark_gen_impl.h -- the arithmetic of single fields, shared by nexmark_gen.c (boxed
 * events) and nexmark_fill.c (columns), so that both give the same.
 *
 * Each field of an event draws from a place of its own: draw k of event id is
 * mix(state(id) + k * golden), so that a column can be made without the ones before it.
 */
#pragma once

#include "connector/nexmark_gen.h"

#include "base/random.h"

#include <string.h>

enum {
    NEXMARK_PERSONS = 1, /* of each NEXMARK_PROPORTIONS ids */
    NEXMARK_AUCTIONS = 3,
    NEXMARK_PROPORTIONS = 50,
    NEXMARK_IN_FLIGHT_AUCTIONS = 100,
    NEXMARK_ACTIVE_PEOPLE = 1000,
    NEXMARK_ID_LEAD = 10, /* AUCTION_ID_LEAD and PERSON_ID_LEAD */
    NEXMARK_HOT_BATCH = 100,
    NEXMARK_FIRST_ID = 1000, /* of persons and of auctions */
    NEXMARK_FIRST_CATEGORY = 10,
    NEXMARK_CATEGORIES = 5,
    NEXMARK_HOT_CHANNELS = 4,
    NEXMARK_CHANNELS = 10000,
    NEXMARK_EXTRA_BYTES = 1 << 20,
    NEXMARK_EXTRA_MAX = 1024, /* longer than any extra */
    NEXMARK_POWERS = 256,
};

/* Which draw each field takes. */
enum { DRAW_AUCTION = 1, DRAW_BIDDER, DRAW_PRICE, DRAW_CHANNEL, DRAW_BID_EXTRA };
enum {
    DRAW_SELLER = 1,
    DRAW_CATEGORY,
    DRAW_INITIAL_BID,
    DRAW_RESERVE,
    DRAW_EXPIRES,
    DRAW_AUCTION_EXTRA,
    DRAW_ITEM_NAME,
    DRAW_DESCRIPTION
};
enum { DRAW_NAME = 1, DRAW_EMAIL, DRAW_CARD, DRAW_CITY, DRAW_PERSON_EXTRA };

struct wr_nexmark {
    wr_nexmark_config config;
    uint64_t          count;
    double            delay_us; /* between events */
    uint64_t          key;      /* the seed, mixed */
    double            powers[NEXMARK_POWERS]; /* 100 * 2^(i/256) */
    wr_buffer        *pool;     /* NEXMARK_EXTRA_BYTES letters, then the urls */
    wr_string         channels[NEXMARK_HOT_CHANNELS + NEXMARK_CHANNELS];
    wr_string         urls[NEXMARK_HOT_CHANNELS + NEXMARK_CHANNELS];
};

static inline uint64_t
nexmark_adjusted(const wr_nexmark *g, uint64_t n)
{
    uint64_t number = g->config.first_event_number + n, group = g->config.out_of_order_group;
    if (group == 1)
        return number;
    return number / group * group + number * 953 % group;
}

static inline wr_time
nexmark_time(const wr_nexmark *g, uint64_t adjusted)
{
    int64_t us = (int64_t) ((double) adjusted * g->delay_us);
    return g->config.base_time + us / 1000 * 1000;
}

static inline wr_nexmark_kind
nexmark_kind(uint64_t id)
{
    uint64_t rest = id % NEXMARK_PROPORTIONS;
    return rest < NEXMARK_PERSONS                      ? WR_NEXMARK_PERSON
           : rest < NEXMARK_PERSONS + NEXMARK_AUCTIONS ? WR_NEXMARK_AUCTION
                                                       : WR_NEXMARK_BID;
}

static inline uint64_t
nexmark_state(const wr_nexmark *g, uint64_t id)
{
    return wr_mix64(g->key ^ (id * 0xd1342543de82ef95u));
}

static inline uint64_t
nexmark_draw(uint64_t state, uint64_t k)
{
    return wr_mix64(state + k * 0x9e3779b97f4a7c15u);
}

/* Uniform in [0, bound) from a draw's high bits. */
static inline uint64_t
nexmark_below(uint64_t draw, uint64_t bound)
{
    return (uint64_t) (((unsigned __int128) draw * bound) >> 64);
}

/* Counted from 0, before NEXMARK_FIRST_ID is added. */
static inline int64_t
nexmark_last_person(uint64_t id)
{
    return (int64_t) (id / NEXMARK_PROPORTIONS);
}
static inline int64_t
nexmark_last_auction(uint64_t id)
{
    int64_t epoch = (int64_t) (id / NEXMARK_PROPORTIONS);
    int64_t rest = (int64_t) (id % NEXMARK_PROPORTIONS);
    if (rest < NEXMARK_PERSONS)
        return (epoch - 1) * NEXMARK_AUCTIONS + NEXMARK_AUCTIONS - 1;
    return epoch * NEXMARK_AUCTIONS +
           WR_MIN(rest - NEXMARK_PERSONS, (int64_t) NEXMARK_AUCTIONS - 1);
}
/* One of the last 1,000 people, or of the next ten. */
static inline int64_t
nexmark_next_person(uint64_t id, uint64_t draw)
{
    int64_t people = nexmark_last_person(id) + 1;
    int64_t active = WR_MIN(people, (int64_t) NEXMARK_ACTIVE_PEOPLE);
    return people - active +
           (int64_t) nexmark_below(draw, (uint64_t) (active + NEXMARK_ID_LEAD));
}
/* One of the last 100 auctions, or of the next ten. */
static inline int64_t
nexmark_next_auction(int64_t last, uint64_t draw)
{
    int64_t least = WR_MAX(last - NEXMARK_IN_FLIGHT_AUCTIONS, (int64_t) 0);
    return least + (int64_t) nexmark_below(draw, (uint64_t) (last - least + 1 + NEXMARK_ID_LEAD));
}

/*
 * round(10^(6u) * 100), u uniform in [0, 1): 10^(6u) = 2^(19.93u), whose exponent splits into whole
 * powers of two, 256ths from a table, and the rest by four terms of the series (error 2e-12).
 * Additions and multiplications only, hence the same everywhere.
 */
static inline int64_t
nexmark_price(const wr_nexmark *g, uint64_t draw)
{
    const double log2_of_million = 19.931568569324174, ln2 = 0.6931471805599453;
    double       unit = (double) (int64_t) (draw >> 11) * 0x1.0p-53;
    double       t = unit * (log2_of_million * NEXMARK_POWERS);
    int32_t      k = (int32_t) t;
    double       y = (t - (double) k) * (ln2 / NEXMARK_POWERS), whole;
    double       p = 1 + y * (1 + y * (1.0 / 2 + y * (1.0 / 6)));
    uint64_t     bits = (uint64_t) (1023 + ((uint32_t) k / NEXMARK_POWERS)) << 52;
    memcpy(&whole, &bits, sizeof whole);
    return (int64_t) (whole * (g->powers[(uint32_t) k % NEXMARK_POWERS] * p) + 0.5);
}

static inline int64_t
nexmark_bid_auction(uint64_t id, uint64_t state)
{
    uint64_t draw = nexmark_draw(state, DRAW_AUCTION);
    int64_t  last = (int64_t) (id / NEXMARK_PROPORTIONS) * NEXMARK_AUCTIONS + NEXMARK_AUCTIONS - 1;
    int64_t  hot = (int64_t) ((uint64_t) last / NEXMARK_HOT_BATCH * NEXMARK_HOT_BATCH);
    int64_t  other = nexmark_next_auction(last, draw << 1);
    return ((draw >> 63) != 0 ? hot : other) + NEXMARK_FIRST_ID;
}
static inline int64_t
nexmark_bid_bidder(uint64_t id, uint64_t state)
{
    uint64_t draw = nexmark_draw(state, DRAW_BIDDER);
    uint64_t last = id / NEXMARK_PROPORTIONS;
    int64_t  hot = (int64_t) (last / NEXMARK_HOT_BATCH * NEXMARK_HOT_BATCH) + 1;
    int64_t  other = nexmark_next_person(id, draw << 2);
    return ((draw >> 62) != 0 ? hot : other) + 2 * NEXMARK_FIRST_ID; /* twice: see Kept */
}
/* Index into channels and urls. */
static inline uint32_t
nexmark_bid_channel(uint64_t state)
{
    uint64_t draw = nexmark_draw(state, DRAW_CHANNEL);
    uint32_t other = NEXMARK_HOT_CHANNELS + (uint32_t) nexmark_below(draw << 1, NEXMARK_CHANNELS);
    uint32_t hot = (uint32_t) nexmark_below(draw << 1, NEXMARK_HOT_CHANNELS);
    return (draw >> 63) != 0 ? hot : other;
}

/* Letters that bring a record of `used` bytes up to `wanted`, a fifth more or less. */
static inline wr_string
nexmark_extra(const wr_nexmark *g, uint64_t draw, int used, int wanted)
{
    if (used > wanted)
        return wr_string_make("", 0);
    int      lack = wanted - used;
    int      delta = (2 * lack + 5) / 10; /* round(0.2 * lack) */
    uint64_t length = (uint64_t) (lack - delta) + ((draw >> 32) * (2 * (uint64_t) delta) >> 32);
    uint64_t at = (draw & UINT32_MAX) * (NEXMARK_EXTRA_BYTES - NEXMARK_EXTRA_MAX) >> 32;
    return wr_string_make(g->pool->bytes + at, length);
}
static inline wr_string
nexmark_bid_extra(const wr_nexmark *g, uint64_t state)
{
    return nexmark_extra(g, nexmark_draw(state, DRAW_BID_EXTRA), 32, 100);
}

/* Fill an event of known id; the strings that cost time only when asked for. */
void wr_nexmark_make(const wr_nexmark *g, uint64_t id, uint64_t adjusted, bool strings,
                  wr_nexmark_event *out);
