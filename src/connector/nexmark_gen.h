/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/nexmark_gen.h -- the Nexmark event generator: people, auctions and bids of an auction
 * house, with the parameters and the arithmetic of the nexmark/nexmark (Flink) generator.
 *
 * Place       under the nexmark source, the practice data of `weir`, and the benchmarks.
 * State       none that moves: event n is a function of the configuration and n alone, so that any
 *             range can be made by any thread, again and again.  Randomness is splitmix64 started
 *             at (seed, event id), where the original draws from an unseeded generator.
 * Numbers     Index n counts from 0 and is event number first_event_number + n of its generator.
 *             adjusted = floor(number / g) * g + number * 953 mod g, g = out_of_order_group;
 *             event id = first_event_id + adjusted; id mod 50: 0 person, 1..3 auction, 4..49 bid.
 *             time = base_time + floor(adjusted * 1e6 * generators / rate) us, cut to milliseconds.
 * Invariants  X1  the same configuration and n give the same bytes, on any machine
 *             X2  wr_nexmark_fill gives the rows that wr_nexmark_event describes
 *             X3  in order (g = 1), the parts of a split have disjoint event ids, together those of
 *                 the whole; an event's fields other than times depend on (seed, id) alone
 * Kept        bidder ids run 1,000 ahead of person ids, and channel 1 has the id -2147483648.
 * Cost        a bid of all columns 30 ns, of two 12 ns; an event in a box 50 ns, as JSON 150 ns.
 */
#pragma once

#include "data/batch.h"

typedef enum wr_nexmark_kind {
    WR_NEXMARK_PERSON,
    WR_NEXMARK_AUCTION,
    WR_NEXMARK_BID,
    WR_NEXMARK_ALL, /* of tables: the three in one, with event_type 0, 1, 2 */
} wr_nexmark_kind;

/* max_events 0 means "without end", which is this many. */
#define WR_NEXMARK_EVENTS_MAX (1ull << 48)

typedef struct wr_nexmark_config {
    uint64_t seed;
    uint64_t rate;               /* events a second of event time, all generators together    */
    uint64_t max_events;         /* of this generator; 0: WR_NEXMARK_EVENTS_MAX               */
    wr_time  base_time;          /* of event number 0; whole milliseconds                     */
    uint32_t out_of_order_group; /* 1: in order                                               */
    uint32_t generators;         /* that share the rate, each on a timeline of its own        */
    uint64_t first_event_id;     /* 1 unless split                                            */
    uint64_t first_event_number; /* 1                                                         */
} wr_nexmark_config;

/* The original's: 10,000 events/s, in order, one generator, without end; base time 2026-01-01. */
void wr_nexmark_config_init(wr_nexmark_config *config);
/* Part `index` of `count`: max_events / count of the ids each, the last one takes the rest. */
void wr_nexmark_config_split(const wr_nexmark_config *config, uint32_t index, uint32_t count,
                             wr_nexmark_config *part);

/* Configuration and pools (2 MB of strings), immutable: any thread may use it.  rate,
 * out_of_order_group and generators are at least 1.  Returns owned; NULL: no memory. */
typedef struct wr_nexmark wr_nexmark;
wr_nexmark *wr_nexmark_create(wr_budget *budget, const wr_nexmark_config *config);
void        wr_nexmark_destroy(wr_nexmark *nexmark); /* NULL is allowed; batches keep the pool */

/* How many events there are: n < this.  Less than max_events if times would leave 36,000 years. */
uint64_t wr_nexmark_count(const wr_nexmark *nexmark);
/* No event from n on has an earlier time. */
wr_time  wr_nexmark_watermark(const wr_nexmark *nexmark, uint64_t n);

typedef struct wr_nexmark_person {
    int64_t   id;
    wr_string name, email_address, credit_card, city, state, extra;
} wr_nexmark_person;

typedef struct wr_nexmark_auction {
    int64_t   id;
    wr_string item_name, description;
    int64_t   initial_bid, reserve;
    wr_time   expires;
    int64_t   seller, category;
    wr_string extra;
} wr_nexmark_auction;

typedef struct wr_nexmark_bid {
    int64_t   auction, bidder, price;
    wr_string channel, url, extra;
} wr_nexmark_bid;

/* Views point into the pools or into scratch: the struct stays where it was made. */
typedef struct wr_nexmark_event {
    wr_nexmark_kind kind;
    uint64_t        id;   /* the event's, not the person's */
    wr_time         time; /* whole milliseconds            */
    union {
        wr_nexmark_person  person;
        wr_nexmark_auction auction;
        wr_nexmark_bid     bid;
    };
    char scratch[160];
} wr_nexmark_event;

void wr_nexmark_get(const wr_nexmark *nexmark, uint64_t n, wr_nexmark_event *out);

/*
 * The columns of a table: the original's names in lower case, as SQL reads them unquoted.
 *   PERSON   id name emailaddress creditcard city state datetime extra
 *   AUCTION  id itemname description initialbid reserve datetime expires seller category extra
 *   BID      auction bidder price channel url datetime extra
 *   ALL      event_type, then the columns above as person_id ... auction_id ... bid_extra without
 *            their datetime (NULL where the event is of another kind), then datetime
 * bigint, text and timestamp(3), all NOT NULL but those of ALL.  NULL: no memory.
 */
wr_schema *wr_nexmark_schema(wr_arena *arena, wr_nexmark_kind table);
/*
 * The rows of a table among the events [first, first + count), at most WR_BATCH_ROWS_MAX of them.
 * needed: bit i = column i is made, the others are absent.  *taken: how many events were looked at,
 * all of count unless the batch was full.  Times are set, watermarks are the caller's.
 * *out is owned, and has no rows when none was there.  Errors: WEIR_MEMORY.
 */
weir_status wr_nexmark_fill(const wr_nexmark *nexmark, wr_budget *budget, wr_nexmark_kind table,
                            uint64_t needed, uint64_t first, uint64_t count, wr_batch **out,
                            uint64_t *taken);

/* The JSON record of the one Kafka topic, {"event_type":2,"person":null,"auction":null,"bid":{...}}
 * with times as "2026-01-01 00:00:00.000".  No newline. */
void wr_nexmark_print_json(const wr_nexmark_event *event, wr_text *to);
/* The event alone: {"auction":1000,...,"dateTime":"2026-01-01T00:00:00.000Z","extra":"..."}. */
void wr_nexmark_print_json_plain(const wr_nexmark_event *event, wr_text *to);
