/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/nexmark_fill.c -- Nexmark events as columns (see nexmark_gen.h).
 *
 * Bids, 46 of 50, are made column by column from their ids; people and auctions as boxed events.
 * In the combined table each kind's rows are scattered over columns that start all NULL.
 */
#include "connector/nexmark_gen.h"

#include "connector/nexmark_gen_impl.h"

#include <string.h>

typedef struct field {
    const char *name;
    uint8_t     type;    /* WR_INT8, WR_TEXT, WR_TIMESTAMP  */
    bool        costs;   /* a string that has to be made    */
    uint16_t    offset;  /* in wr_nexmark_event             */
} field;

#define AT(member) offsetof(wr_nexmark_event, member)
static const field person_fields[] = {
    { "id", WR_INT8, false, AT(person.id) },
    { "name", WR_TEXT, true, AT(person.name) },
    { "emailaddress", WR_TEXT, true, AT(person.email_address) },
    { "creditcard", WR_TEXT, true, AT(person.credit_card) },
    { "city", WR_TEXT, false, AT(person.city) },
    { "state", WR_TEXT, false, AT(person.state) },
    { "datetime", WR_TIMESTAMP, false, AT(time) },
    { "extra", WR_TEXT, true, AT(person.extra) },
};
static const field auction_fields[] = {
    { "id", WR_INT8, false, AT(auction.id) },
    { "itemname", WR_TEXT, true, AT(auction.item_name) },
    { "description", WR_TEXT, true, AT(auction.description) },
    { "initialbid", WR_INT8, false, AT(auction.initial_bid) },
    { "reserve", WR_INT8, false, AT(auction.reserve) },
    { "datetime", WR_TIMESTAMP, false, AT(time) },
    { "expires", WR_TIMESTAMP, false, AT(auction.expires) },
    { "seller", WR_INT8, false, AT(auction.seller) },
    { "category", WR_INT8, false, AT(auction.category) },
    { "extra", WR_TEXT, true, AT(auction.extra) },
};
static const field bid_fields[] = {
    { "auction", WR_INT8, false, AT(bid.auction) },
    { "bidder", WR_INT8, false, AT(bid.bidder) },
    { "price", WR_INT8, false, AT(bid.price) },
    { "channel", WR_TEXT, false, AT(bid.channel) },
    { "url", WR_TEXT, false, AT(bid.url) },
    { "datetime", WR_TIMESTAMP, false, AT(time) },
    { "extra", WR_TEXT, false, AT(bid.extra) },
};
enum { BID_AUCTION, BID_BIDDER, BID_PRICE, BID_CHANNEL, BID_URL, BID_TIME, BID_EXTRA };

enum { FIELDS_MAX = 10 };

static const struct {
    const char  *name;
    const field *fields;
    uint32_t     count, time;
    uint32_t     first; /* column of the combined table */
} kinds[] = {
    { "person", person_fields, WR_COUNT(person_fields), 6, 1 },
    { "auction", auction_fields, WR_COUNT(auction_fields), 5, 8 },
    { "bid", bid_fields, WR_COUNT(bid_fields), BID_TIME, 17 },
};
enum { ALL_EVENT_TYPE = 0, ALL_TIME = 23, ALL_COLUMNS = 24 };

/* The column of a kind's field in a table; -1: it has none. */
static int
column_of(wr_nexmark_kind table, int kind, uint32_t f)
{
    if (table != WR_NEXMARK_ALL)
        return (int) f;
    if (f == kinds[kind].time)
        return -1;
    return (int) (kinds[kind].first + f - (f > kinds[kind].time ? 1 : 0));
}

static wr_type
type_of(uint8_t id)
{
    wr_type type = WR_TYPE(id);
    if (id == WR_TIMESTAMP)
        type.modifier = 3;
    return type;
}

wr_schema *
wr_nexmark_schema(wr_arena *arena, wr_nexmark_kind table)
{
    bool       all = table == WR_NEXMARK_ALL;
    wr_schema *s = wr_schema_create(arena, all ? ALL_COLUMNS : kinds[table].count);
    if (s == NULL)
        return NULL;
    for (int k = 0; k < (int) WR_COUNT(kinds); k++)
        for (uint32_t f = 0; f < kinds[k].count; f++) {
            int c = column_of(table, k, f);
            if ((!all && k != (int) table) || c < 0)
                continue;
            const field *from = &kinds[k].fields[f];
            s->fields[c] = (wr_field){ .type = type_of(from->type),
                                        .not_null = !all,
                                        .watermark_offset = WR_NO_WATERMARK };
            s->fields[c].name =
                all ? wr_arena_printf(arena, "%s_%s", kinds[k].name, from->name) : from->name;
            if (s->fields[c].name == NULL)
                return NULL;
        }
    if (all) {
        s->fields[ALL_EVENT_TYPE] =
            (wr_field){ .name = "event_type", .type = WR_TYPE(WR_INT4), .not_null = true,
                        .watermark_offset = WR_NO_WATERMARK };
        s->fields[ALL_TIME] =
            (wr_field){ .name = "datetime", .type = type_of(WR_TIMESTAMP), .not_null = true,
                        .watermark_offset = WR_NO_WATERMARK };
    }
    s->time_column = all ? ALL_TIME : (int32_t) kinds[table].time;
    return s;
}

/* The rows of a batch under construction. */
typedef struct rows {
    uint32_t count;
    uint64_t ids[WR_BATCH_ROWS_MAX];
    uint16_t places[WR_BATCH_ROWS_MAX]; /* of one kind in the combined table */
} rows;

/* Of each 50 ids, those that a table is made of. */
static const struct {
    uint32_t least, span;
} parts[] = {
    [WR_NEXMARK_PERSON] = { 0, NEXMARK_PERSONS },
    [WR_NEXMARK_AUCTION] = { NEXMARK_PERSONS, NEXMARK_AUCTIONS },
    [WR_NEXMARK_BID] = { NEXMARK_PERSONS + NEXMARK_AUCTIONS,
                         NEXMARK_PROPORTIONS - NEXMARK_PERSONS - NEXMARK_AUCTIONS },
    [WR_NEXMARK_ALL] = { 0, NEXMARK_PROPORTIONS },
};

/* Which events there are; returns how many were looked at. */
static uint64_t
rows_find(const wr_nexmark *g, wr_nexmark_kind table, uint64_t first, uint64_t count, rows *r)
{
    bool     in_order = g->config.out_of_order_group == 1, all = table == WR_NEXMARK_ALL;
    uint64_t looked = 0, next = g->config.first_event_id + g->config.first_event_number + first;
    uint32_t found = 0, rest = (uint32_t) (next % NEXMARK_PROPORTIONS);
    uint32_t least = parts[table].least, span = parts[table].span;
    if (in_order)
        for (; looked < count && found < WR_BATCH_ROWS_MAX; looked++) {
            r->ids[found] = next++;
            found += rest - least < span;
            rest = rest + 1 == NEXMARK_PROPORTIONS ? 0 : rest + 1;
        }
    else
        for (; looked < count && found < WR_BATCH_ROWS_MAX; looked++) {
            uint64_t id = g->config.first_event_id + nexmark_adjusted(g, first + looked);
            r->ids[found] = id;
            found += all || nexmark_kind(id) == table;
        }
    r->count = found;
    return looked;
}

static inline wr_time
time_of(const wr_nexmark *g, uint64_t id)
{
    return nexmark_time(g, id - g->config.first_event_id);
}

static wr_column *
column_make(wr_budget *budget, uint8_t type, uint32_t count, bool empty)
{
    wr_column *c = wr_column_create(budget, type_of(type), count);
    if (c == NULL || !empty)
        return c;
    if (wr_column_need_valid(c) != WEIR_OK) {
        wr_column_release(c);
        return NULL;
    }
    memset(c->valid, 0, (count + 63) / 64 * sizeof *c->valid);
    memset(c->data, 0, count * wr_column_width(c));
    return c;
}

#define EACH_ROW(T, expression)                                                                    \
    do {                                                                                           \
        T *to = c->data;                                                                           \
        if (at == NULL)                                                                            \
            for (uint32_t i = 0; i < count; i++)                                                   \
                to[i] = (expression);                                                              \
        else                                                                                       \
            for (uint32_t i = 0; i < count; i++)                                                   \
                to[at[i]] = (expression);                                                          \
    } while (0)

/* One column of bids; at NULL: row i is the i-th. */
static weir_status
bid_column_fill(const wr_nexmark *g, int f, const uint64_t *ids, const uint64_t *states,
                const uint16_t *at, uint32_t count, wr_column *c)
{
    switch (f) {
    case BID_AUCTION: EACH_ROW(int64_t, nexmark_bid_auction(ids[i], states[i])); break;
    case BID_BIDDER: EACH_ROW(int64_t, nexmark_bid_bidder(ids[i], states[i])); break;
    case BID_PRICE:
        EACH_ROW(int64_t, nexmark_price(g, nexmark_draw(states[i], DRAW_PRICE)));
        break;
    case BID_CHANNEL: EACH_ROW(wr_string, g->channels[nexmark_bid_channel(states[i])]); break;
    case BID_URL: EACH_ROW(wr_string, g->urls[nexmark_bid_channel(states[i])]); break;
    case BID_TIME: EACH_ROW(wr_time, time_of(g, ids[i])); break;
    case BID_EXTRA: EACH_ROW(wr_string, nexmark_bid_extra(g, states[i])); break;
    default: wr_unreachable();
    }
    if (f == BID_URL || f == BID_EXTRA)
        return wr_column_adopt_buffer(c, g->pool);
    return WEIR_OK;
}

static weir_status
bids_fill(const wr_nexmark *g, wr_column *const *columns, const uint64_t *ids, const uint16_t *at,
          uint32_t count)
{
    uint64_t states[WR_BATCH_ROWS_MAX];
    for (uint32_t i = 0; i < count; i++)
        states[i] = nexmark_state(g, ids[i]);
    for (int f = 0; f < (int) WR_COUNT(bid_fields); f++)
        if (columns[f] != NULL)
            WR_TRY(bid_column_fill(g, f, ids, states, at, count, columns[f]));
    return WEIR_OK;
}

static weir_status
field_put(const wr_nexmark *g, const field *f, const wr_nexmark_event *e, wr_column *c,
          uint32_t row)
{
    const char *from = (const char *) e + f->offset;
    if (f->type != WR_TEXT) {
        memcpy((int64_t *) c->data + row, from, sizeof(int64_t));
        return WEIR_OK;
    }
    wr_string s;
    memcpy(&s, from, sizeof s);
    const char *pool = g->pool->bytes;
    bool        pooled = s.length > WR_STRING_INLINE_MAX && s.pointer >= pool &&
                  s.pointer < pool + g->pool->capacity;
    if (s.length > WR_STRING_INLINE_MAX && !pooled)
        return wr_column_set_string(c, row, s.pointer, s.length);
    wr_column_set_view(c, row, s);
    return pooled ? wr_column_adopt_buffer(c, g->pool) : WEIR_OK;
}

static weir_status
boxed_fill(const wr_nexmark *g, int kind, wr_column *const *columns, const uint64_t *ids,
           const uint16_t *at, uint32_t count)
{
    const field *fields = kinds[kind].fields;
    bool         strings = false;
    for (uint32_t f = 0; f < kinds[kind].count; f++)
        strings |= columns[f] != NULL && fields[f].costs;
    for (uint32_t i = 0; i < count; i++) {
        wr_nexmark_event e;
        wr_nexmark_make(g, ids[i], ids[i] - g->config.first_event_id, strings, &e);
        for (uint32_t f = 0; f < kinds[kind].count; f++)
            if (columns[f] != NULL)
                WR_TRY(field_put(g, &fields[f], &e, columns[f], at != NULL ? at[i] : i));
    }
    return WEIR_OK;
}

static weir_status
kind_fill(const wr_nexmark *g, int kind, wr_column *const *columns, const uint64_t *ids,
          const uint16_t *at, uint32_t count)
{
    return kind == WR_NEXMARK_BID ? bids_fill(g, columns, ids, at, count)
                                  : boxed_fill(g, kind, columns, ids, at, count);
}

/* Make the needed columns of one kind in the batch; columns[f] NULL where nobody reads. */
static weir_status
kind_open(wr_batch *b, wr_budget *budget, wr_nexmark_kind table, int kind, uint64_t needed,
          wr_column **columns, bool *any)
{
    *any = false;
    for (uint32_t f = 0; f < kinds[kind].count; f++) {
        int c = column_of(table, kind, f);
        columns[f] = NULL;
        if (c < 0 || ((needed >> c) & 1) == 0)
            continue;
        columns[f] = column_make(budget, kinds[kind].fields[f].type, b->row_count,
                                 table == WR_NEXMARK_ALL);
        if (columns[f] == NULL)
            return WEIR_MEMORY;
        b->columns[c] = columns[f];
        *any = true;
    }
    return WEIR_OK;
}

/* The columns of one kind in the combined table: NULL but for the rows of that kind. */
static weir_status
part_fill(const wr_nexmark *g, wr_budget *budget, int kind, uint64_t needed, rows *r, wr_batch *b)
{
    wr_column *columns[FIELDS_MAX];
    uint64_t   ids[WR_BATCH_ROWS_MAX];
    uint32_t   count = 0;
    bool       any;
    WR_TRY(kind_open(b, budget, WR_NEXMARK_ALL, kind, needed, columns, &any));
    if (!any)
        return WEIR_OK;
    for (uint32_t i = 0; i < r->count; i++)
        if ((int) nexmark_kind(r->ids[i]) == kind) {
            ids[count] = r->ids[i];
            r->places[count++] = (uint16_t) i;
        }
    for (uint32_t f = 0; f < kinds[kind].count; f++)
        for (uint32_t i = 0; columns[f] != NULL && i < count; i++)
            wr_bitmap_set(columns[f]->valid, r->places[i]);
    return kind_fill(g, kind, columns, ids, r->places, count);
}

static weir_status
all_fill(const wr_nexmark *g, wr_budget *budget, uint64_t needed, rows *r, wr_batch *b)
{
    if (((needed >> ALL_EVENT_TYPE) & 1) != 0) {
        wr_column *c = column_make(budget, WR_INT4, r->count, false);
        if (c == NULL)
            return WEIR_MEMORY;
        b->columns[ALL_EVENT_TYPE] = c;
        for (uint32_t i = 0; i < r->count; i++)
            ((int32_t *) c->data)[i] = (int32_t) nexmark_kind(r->ids[i]);
    }
    if (((needed >> ALL_TIME) & 1) != 0) {
        wr_column *c = column_make(budget, WR_TIMESTAMP, r->count, false);
        if (c == NULL)
            return WEIR_MEMORY;
        b->columns[ALL_TIME] = c;
        for (uint32_t i = 0; i < r->count; i++)
            ((wr_time *) c->data)[i] = time_of(g, r->ids[i]);
    }
    for (int kind = 0; kind < (int) WR_COUNT(kinds); kind++)
        WR_TRY(part_fill(g, budget, kind, needed, r, b));
    return WEIR_OK;
}

static void
times_set(const wr_nexmark *g, const rows *r, wr_batch *b)
{
    uint64_t least = UINT64_MAX, most = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        least = WR_MIN(least, r->ids[i]);
        most = WR_MAX(most, r->ids[i]);
    }
    if (r->count > 0) {
        b->time_min = time_of(g, least);
        b->time_max = time_of(g, most);
    }
}

weir_status
wr_nexmark_fill(const wr_nexmark *nexmark, wr_budget *budget, wr_nexmark_kind table,
                uint64_t needed, uint64_t first, uint64_t count, wr_batch **out, uint64_t *taken)
{
    rows       *r = wr_alloc(budget, sizeof *r);
    wr_column  *columns[FIELDS_MAX];
    bool        any, all = table == WR_NEXMARK_ALL;
    weir_status status = WEIR_MEMORY;
    wr_batch   *b = wr_batch_create(budget, all ? ALL_COLUMNS : kinds[table].count);
    wr_assert(first <= nexmark->count && count <= nexmark->count - first);
    if (r == NULL || b == NULL)
        goto done;
    *taken = rows_find(nexmark, table, first, count, r);
    b->row_count = b->physical_count = r->count;
    times_set(nexmark, r, b);
    if (all) {
        WR_TRY_GOTO(all_fill(nexmark, budget, needed, r, b));
    } else {
        WR_TRY_GOTO(kind_open(b, budget, table, (int) table, needed, columns, &any));
        WR_TRY_GOTO(kind_fill(nexmark, (int) table, columns, r->ids, NULL, r->count));
    }
    *out = b;
    b = NULL;
    status = WEIR_OK;
done:
    wr_batch_release(b);
    wr_free(r);
    return status;
}
