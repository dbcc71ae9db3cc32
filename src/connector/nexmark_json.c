/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/nexmark_json.c -- Nexmark events as JSON records (see nexmark_gen.h).
 *
 * No string of an event holds a quote, a backslash or a control character, so none is escaped; room
 * is reserved once an event and bytes are stored without further checks.
 */
#include "connector/nexmark_gen.h"

#include "data/datetime.h"

#include <string.h>

enum { RECORD_BYTES_MAX = 2048 }; /* the longest auction has about 1,050 */

typedef struct writer {
    char *at;
    bool  iso; /* times with T and Z */
} writer;

static inline void
put(writer *w, const char *text, size_t length)
{
    memcpy(w->at, text, length);
    w->at += length;
}
#define PUT(w, literal) put((w), (literal), sizeof(literal) - 1)

static void
put_string(writer *w, const wr_string *s)
{
    *w->at++ = '"';
    put(w, wr_string_data(s), s->length);
    *w->at++ = '"';
}

static void
put_long(writer *w, int64_t value)
{
    char  digits[20];
    char *p = digits + sizeof digits;
    for (uint64_t v = (uint64_t) value; p == digits + sizeof digits || v != 0; v /= 10)
        *--p = (char) ('0' + v % 10);
    put(w, p, (size_t) (digits + sizeof digits - p));
}

static void
put_digits(writer *w, int64_t value, int count)
{
    for (int i = count - 1; i >= 0; i--, value /= 10)
        w->at[i] = (char) ('0' + value % 10);
    w->at += count;
}

static void
put_time(writer *w, wr_time time)
{
    wr_civil c;
    wr_civil_from_time(time, &c);
    *w->at++ = '"';
    put_digits(w, c.year, 4);
    *w->at++ = '-';
    put_digits(w, c.month, 2);
    *w->at++ = '-';
    put_digits(w, c.day, 2);
    *w->at++ = w->iso ? 'T' : ' ';
    put_digits(w, c.hour, 2);
    *w->at++ = ':';
    put_digits(w, c.minute, 2);
    *w->at++ = ':';
    put_digits(w, c.second, 2);
    *w->at++ = '.';
    put_digits(w, c.us / 1000, 3);
    if (w->iso)
        *w->at++ = 'Z';
    *w->at++ = '"';
}

/* What all kinds end with. */
static void
put_tail(writer *w, wr_time time, const wr_string *extra)
{
    PUT(w, ",\"dateTime\":");
    put_time(w, time);
    PUT(w, ",\"extra\":");
    put_string(w, extra);
    *w->at++ = '}';
}

static void
put_person(writer *w, const wr_nexmark_event *e)
{
    const wr_nexmark_person *p = &e->person;
    PUT(w, "{\"id\":");
    put_long(w, p->id);
    PUT(w, ",\"name\":");
    put_string(w, &p->name);
    PUT(w, ",\"emailAddress\":");
    put_string(w, &p->email_address);
    PUT(w, ",\"creditCard\":");
    put_string(w, &p->credit_card);
    PUT(w, ",\"city\":");
    put_string(w, &p->city);
    PUT(w, ",\"state\":");
    put_string(w, &p->state);
    put_tail(w, e->time, &p->extra);
}

static void
put_auction(writer *w, const wr_nexmark_event *e)
{
    const wr_nexmark_auction *a = &e->auction;
    PUT(w, "{\"id\":");
    put_long(w, a->id);
    PUT(w, ",\"itemName\":");
    put_string(w, &a->item_name);
    PUT(w, ",\"description\":");
    put_string(w, &a->description);
    PUT(w, ",\"initialBid\":");
    put_long(w, a->initial_bid);
    PUT(w, ",\"reserve\":");
    put_long(w, a->reserve);
    PUT(w, ",\"dateTime\":");
    put_time(w, e->time);
    PUT(w, ",\"expires\":");
    put_time(w, a->expires);
    PUT(w, ",\"seller\":");
    put_long(w, a->seller);
    PUT(w, ",\"category\":");
    put_long(w, a->category);
    PUT(w, ",\"extra\":");
    put_string(w, &a->extra);
    *w->at++ = '}';
}

static void
put_bid(writer *w, const wr_nexmark_event *e)
{
    const wr_nexmark_bid *b = &e->bid;
    PUT(w, "{\"auction\":");
    put_long(w, b->auction);
    PUT(w, ",\"bidder\":");
    put_long(w, b->bidder);
    PUT(w, ",\"price\":");
    put_long(w, b->price);
    PUT(w, ",\"channel\":");
    put_string(w, &b->channel);
    PUT(w, ",\"url\":");
    put_string(w, &b->url);
    put_tail(w, e->time, &b->extra);
}

static void
put_event(writer *w, const wr_nexmark_event *e)
{
    switch (e->kind) {
    case WR_NEXMARK_PERSON: put_person(w, e); break;
    case WR_NEXMARK_AUCTION: put_auction(w, e); break;
    case WR_NEXMARK_BID: put_bid(w, e); break;
    case WR_NEXMARK_ALL: wr_unreachable();
    }
}

static bool
writer_open(writer *w, wr_text *to, bool iso)
{
    if (!wr_text_reserve(to, RECORD_BYTES_MAX))
        return false;
    *w = (writer){ .at = to->data + to->length, .iso = iso };
    return true;
}

static void
writer_close(writer *w, wr_text *to)
{
    size_t written = (size_t) (w->at - (to->data + to->length));
    wr_assert(written <= RECORD_BYTES_MAX);
    *w->at = '\0';
    to->length += written;
}

void
wr_nexmark_print_json_plain(const wr_nexmark_event *event, wr_text *to)
{
    writer w;
    if (!writer_open(&w, to, true))
        return;
    put_event(&w, event);
    writer_close(&w, to);
}

void
wr_nexmark_print_json(const wr_nexmark_event *event, wr_text *to)
{
    writer w;
    if (!writer_open(&w, to, false))
        return;
    switch (event->kind) {
    case WR_NEXMARK_PERSON: PUT(&w, "{\"event_type\":0,\"person\":"); break;
    case WR_NEXMARK_AUCTION: PUT(&w, "{\"event_type\":1,\"person\":null,\"auction\":"); break;
    case WR_NEXMARK_BID:
        PUT(&w, "{\"event_type\":2,\"person\":null,\"auction\":null,\"bid\":");
        break;
    case WR_NEXMARK_ALL: wr_unreachable();
    }
    put_event(&w, event);
    if (event->kind == WR_NEXMARK_PERSON)
        PUT(&w, ",\"auction\":null,\"bid\":null");
    else if (event->kind == WR_NEXMARK_AUCTION)
        PUT(&w, ",\"bid\":null");
    *w.at++ = '}';
    writer_close(&w, to);
}
