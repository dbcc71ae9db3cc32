/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench/fetch.c -- what a fetcher of our own would cost: the protocol over a plain socket, records in place.
 *
 *   fetch BROKER TOPIC MESSAGES     prints messages, seconds of CPU, seconds of wall; then what they add up to
 *
 * Asks one broker (host:port) for a topic's partitions (Metadata 1) and their beginnings (ListOffsets 1), then fetches (Fetch 4)
 * with the sizes of connector/kafka.  The next fetch is on its way while the records of the last one are read: where it
 * begins stands in the heads of the batches.  Batches are of version 2, plain or lz4, their CRC-32C is checked; a record is seen
 * as (key, value, offset, timestamp) in the buffer it came in.  All partitions must be led by that broker.
 *
 * A measuring tool: no groups, no TLS, no compacted or transactional topics, no second try.
 */
#include "kafka_bench.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <lz4frame.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <nmmintrin.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    API_FETCH = 1,
    API_OFFSETS = 2,
    API_METADATA = 3,
    PARTITIONS_MAX = 64,
    PARTITION_BYTES = 1 << 20,
    FETCH_BYTES = 4 << 20,
    FETCH_WAIT_MS = 100,
    BATCH_HEAD = 61, /* from the base offset to the count of records */
    LZ4 = 3,
    CONTROL = 1 << 5,
};

/* A record in its buffer.  NULL: no key, no value. */
typedef struct record {
    const uint8_t *key, *value;
    size_t         key_length, value_length;
    int64_t        offset, timestamp;
} record;

typedef struct partition {
    int32_t number;
    int64_t offset; /* the next one to ask for */
    int64_t from;   /* of what is read: batches may begin before what was asked for */
} partition;

typedef struct fetcher {
    int                          fd;
    const char                  *topic;
    partition                    partitions[PARTITIONS_MAX];
    int32_t                      partition_count, correlation;
    uint8_t                     *in, *next, *plain; /* a response, the one after it, an unpacked batch */
    size_t                       in_bytes, next_bytes, plain_bytes;
    LZ4F_decompressionContext_t lz4;
    long                         records;
    uint64_t                     sum; /* of all that a record says */
} fetcher;

static void
fail(const char *what)
{
    fprintf(stderr, "fetch: %s\n", what);
    exit(1);
}

/* --- bytes --- */

/* A reader that fails on what is too short. */
typedef struct reader {
    const uint8_t *p, *end;
} reader;

static const uint8_t *
take(reader *r, size_t n)
{
    const uint8_t *p = r->p;
    if ((size_t) (r->end - p) < n)
        fail("an answer ends too early");
    r->p += n;
    return p;
}

static int16_t
get16(reader *r)
{
    const uint8_t *p = take(r, 2);
    return (int16_t) (p[0] << 8 | p[1]);
}

static int32_t
get32(reader *r)
{
    uint32_t v;
    memcpy(&v, take(r, 4), 4);
    return (int32_t) ntohl(v);
}

static int64_t
get64(reader *r)
{
    uint64_t high = (uint32_t) get32(r);
    return (int64_t) (high << 32 | (uint32_t) get32(r));
}

static void
skip_string(reader *r)
{
    int16_t n = get16(r);
    take(r, n > 0 ? (size_t) n : 0);
}

/* A zigzag varint. */
static inline int64_t
varint(reader *r)
{
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        uint8_t b = *take(r, 1);
        v |= (uint64_t) (b & 127) << shift;
        if (b < 128)
            return (int64_t) (v >> 1) ^ -(int64_t) (v & 1);
    }
    fail("a number has no end");
    return 0;
}

/* A request under construction. */
typedef struct request {
    uint8_t bytes[8192];
    size_t  length;
} request;

static void
put(request *q, const void *bytes, size_t n)
{
    if (q->length + n > sizeof q->bytes)
        fail("a request is too long");
    memcpy(q->bytes + q->length, bytes, n);
    q->length += n;
}

static void
put16(request *q, int v)
{
    put(q, (uint8_t[]){ (uint8_t) (v >> 8), (uint8_t) v }, 2);
}

static void
put32(request *q, int32_t v)
{
    uint32_t n = htonl((uint32_t) v);
    put(q, &n, 4);
}

static void
put64(request *q, int64_t v)
{
    put32(q, (int32_t) (v >> 32));
    put32(q, (int32_t) v);
}

static void
put_string(request *q, const char *s)
{
    put16(q, (int) strlen(s));
    put(q, s, strlen(s));
}

/* --- the connection --- */

static void
request_begin(fetcher *f, request *q, int api, int version)
{
    q->length = 0;
    put32(q, 0); /* its length */
    put16(q, api);
    put16(q, version);
    put32(q, ++f->correlation);
    put_string(q, "weir-bench");
}

static void
request_send(fetcher *f, request *q)
{
    uint32_t n = htonl((uint32_t) q->length - 4);
    memcpy(q->bytes, &n, 4);
    for (size_t at = 0; at < q->length;) {
        ssize_t done = send(f->fd, q->bytes + at, q->length - at, MSG_NOSIGNAL);
        if (done <= 0)
            fail("the broker has gone");
        at += (size_t) done;
    }
}

static void
receive(fetcher *f, void *to, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t done = recv(f->fd, (uint8_t *) to + at, n - at, MSG_WAITALL);
        if (done <= 0)
            fail("the broker has gone");
        at += (size_t) done;
    }
}

/* The answer to the request that was sent last, into f->next; a reader behind its head. */
static reader
answer(fetcher *f)
{
    uint32_t n;
    receive(f, &n, sizeof n);
    n = ntohl(n);
    if (n > f->next_bytes) {
        free(f->next);
        f->next_bytes = n * 2;
        if ((f->next = malloc(f->next_bytes)) == NULL)
            fail("no memory");
    }
    receive(f, f->next, n);
    reader r = { f->next, f->next + n };
    if (get32(&r) != f->correlation)
        fail("an answer to another question");
    return r;
}

static void
broker_connect(fetcher *f, const char *broker)
{
    char             host[256];
    struct addrinfo *list, hints = { .ai_socktype = SOCK_STREAM };
    int              one = 1;
    const char      *colon = strrchr(broker, ':');
    if (colon == NULL || (size_t) (colon - broker) >= sizeof host)
        fail("a broker is host:port");
    snprintf(host, sizeof host, "%.*s", (int) (colon - broker), broker);
    if (getaddrinfo(host, colon + 1, &hints, &list) != 0)
        fail("no such host");
    f->fd = socket(list->ai_family, list->ai_socktype, 0);
    if (f->fd < 0 || connect(f->fd, list->ai_addr, list->ai_addrlen) != 0)
        fail("the broker cannot be reached");
    setsockopt(f->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    freeaddrinfo(list);
}

/* --- where partitions are and begin --- */

static void
partitions_ask(fetcher *f)
{
    request q;
    request_begin(f, &q, API_METADATA, 1);
    put32(&q, 1);
    put_string(&q, f->topic);
    request_send(f, &q);
    reader r = answer(f);
    for (int32_t n = get32(&r); n > 0; n--) { /* brokers: id, host, port, rack */
        get32(&r);
        skip_string(&r);
        get32(&r);
        skip_string(&r);
    }
    get32(&r); /* the controller */
    if (get32(&r) != 1 || get16(&r) != 0)
        fail("no such topic");
    skip_string(&r);
    take(&r, 1);
    f->partition_count = get32(&r);
    if (f->partition_count > PARTITIONS_MAX)
        fail("too many partitions");
    for (int32_t i = 0; i < f->partition_count; i++) {
        get16(&r);
        f->partitions[i].number = get32(&r);
        get32(&r); /* its leader */
        for (int list = 0; list < 2; list++)
            take(&r, (size_t) get32(&r) * 4);
    }
}

static void
offsets_ask(fetcher *f)
{
    request q;
    request_begin(f, &q, API_OFFSETS, 1);
    put32(&q, -1);
    put32(&q, 1);
    put_string(&q, f->topic);
    put32(&q, f->partition_count);
    for (int32_t i = 0; i < f->partition_count; i++) {
        put32(&q, f->partitions[i].number);
        put64(&q, -2); /* the earliest */
    }
    request_send(f, &q);
    reader r = answer(f);
    get32(&r);
    skip_string(&r);
    for (int32_t n = get32(&r); n > 0; n--) {
        int32_t number = get32(&r);
        if (get16(&r) != 0)
            fail("a partition has no beginning");
        get64(&r);
        int64_t offset = get64(&r);
        for (int32_t i = 0; i < f->partition_count; i++)
            if (f->partitions[i].number == number)
                f->partitions[i].offset = offset;
    }
}

static void
fetch_ask(fetcher *f)
{
    request q;
    request_begin(f, &q, API_FETCH, 4);
    put32(&q, -1);
    put32(&q, FETCH_WAIT_MS);
    put32(&q, 1);
    put32(&q, FETCH_BYTES);
    put(&q, "\0", 1); /* read uncommitted */
    put32(&q, 1);
    put_string(&q, f->topic);
    put32(&q, f->partition_count);
    for (int32_t i = 0; i < f->partition_count; i++) { /* who came last goes first */
        const partition *p = &f->partitions[(i + f->correlation) % f->partition_count];
        put32(&q, p->number);
        put64(&q, p->offset);
        put32(&q, PARTITION_BYTES);
    }
    request_send(f, &q);
}

/* --- batches --- */

static uint32_t
crc32c(const uint8_t *p, size_t n)
{
    uint64_t sum = 0xffffffff, word;
    for (; n >= sizeof word; n -= sizeof word, p += sizeof word) {
        memcpy(&word, p, sizeof word);
        sum = _mm_crc32_u64(sum, word);
    }
    while (n-- > 0)
        sum = _mm_crc32_u8((uint32_t) sum, *p++);
    return ~(uint32_t) sum;
}

/* What is done with a record: here, all of it is added up. */
static inline void
record_see(fetcher *f, const record *r)
{
    f->records++;
    f->sum += (uint64_t) r->offset + (uint64_t) r->timestamp + r->key_length + r->value_length +
              (r->value_length > 0 ? r->value[r->value_length / 2] : 0);
}

static void
records_read(fetcher *f, reader r, int32_t count, int64_t base, int64_t time, int64_t from)
{
    for (int32_t i = 0; i < count; i++) {
        record  seen;
        reader  one = r;
        int64_t n = varint(&one);
        if (n < 0)
            fail("a record has no length");
        one.end = one.p + n;
        if (one.end > r.end)
            fail("a record ends too early");
        r.p = one.end;
        take(&one, 1);
        seen.timestamp = time + varint(&one);
        seen.offset = base + varint(&one);
        int64_t length = varint(&one);
        seen.key_length = length > 0 ? (size_t) length : 0;
        seen.key = length < 0 ? NULL : take(&one, seen.key_length);
        length = varint(&one);
        seen.value_length = length > 0 ? (size_t) length : 0;
        seen.value = length < 0 ? NULL : take(&one, seen.value_length);
        if (seen.offset >= from) /* the headers are not looked at */
            record_see(f, &seen);
    }
}

/* The records of an lz4 batch, unpacked into f->plain. */
static reader
unpack(fetcher *f, reader packed)
{
    size_t have = 0;
    LZ4F_resetDecompressionContext(f->lz4);
    while (packed.p < packed.end) {
        if (f->plain_bytes - have < 1 << 16) {
            f->plain_bytes = f->plain_bytes * 2 + (1 << 20);
            if ((f->plain = realloc(f->plain, f->plain_bytes)) == NULL)
                fail("no memory");
        }
        size_t out = f->plain_bytes - have, in = (size_t) (packed.end - packed.p);
        size_t more = LZ4F_decompress(f->lz4, f->plain + have, &out, packed.p, &in, NULL);
        if (LZ4F_isError(more) || (in == 0 && out == 0))
            fail("a batch cannot be unpacked");
        have += out;
        packed.p += in;
    }
    return (reader){ f->plain, f->plain + have };
}

/* The batch of `length` bytes at p: the offset after its last record. */
static int64_t
batch_next(const uint8_t *p)
{
    reader  r = { p, p + BATCH_HEAD };
    int64_t base = get64(&r);
    take(&r, 15); /* length, epoch, magic, crc, attributes */
    return base + get32(&r) + 1;
}

static void
batch_read(fetcher *f, const uint8_t *p, size_t length, int64_t from)
{
    reader  r = { p, p + length };
    int64_t base = get64(&r);
    take(&r, 8);
    if (*take(&r, 1) != 2)
        fail("a batch of an old version");
    uint32_t crc = (uint32_t) get32(&r);
    if (crc32c(r.p, (size_t) (r.end - r.p)) != crc)
        fail("a batch is damaged");
    int16_t attributes = get16(&r);
    take(&r, 4);
    int64_t time = get64(&r);
    take(&r, 8 + 8 + 2 + 4);
    int32_t count = get32(&r);
    if ((attributes & CONTROL) != 0)
        return;
    if ((attributes & 7) == LZ4)
        r = unpack(f, r);
    else if ((attributes & 7) != 0)
        fail("a batch is packed in a way unknown here");
    records_read(f, r, count, base, time, from);
}

/* --- fetches --- */

typedef void batch_visit(fetcher *f, partition *p, const uint8_t *batch, size_t length);

static void
batches_visit(fetcher *f, partition *p, reader r, batch_visit *visit)
{
    while (r.end - r.p >= BATCH_HEAD) {
        reader head = { r.p + 8, r.end };
        size_t length = 12 + (size_t) (uint32_t) get32(&head);
        if ((size_t) (r.end - r.p) < length)
            break; /* the broker cuts the last one */
        visit(f, p, take(&r, length), length);
    }
}

static void
response_visit(fetcher *f, reader r, batch_visit *visit)
{
    get32(&r); /* throttled */
    get32(&r); /* topics: ours */
    skip_string(&r);
    for (int32_t n = get32(&r); n > 0; n--) {
        int32_t number = get32(&r), i = 0;
        if (get16(&r) != 0)
            fail("a partition cannot be fetched");
        get64(&r);
        get64(&r);
        int32_t aborted = get32(&r);
        take(&r, aborted > 0 ? (size_t) aborted * 16 : 0);
        int32_t bytes = get32(&r);
        while (f->partitions[i].number != number)
            if (++i == f->partition_count)
                fail("an unknown partition");
        const uint8_t *batches = take(&r, bytes > 0 ? (size_t) bytes : 0);
        batches_visit(f, &f->partitions[i], (reader){ batches, r.p }, visit);
    }
}

static void
visit_next(fetcher *f, partition *p, const uint8_t *batch, size_t length)
{
    int64_t next = batch_next(batch);
    p->offset = next > p->offset ? next : p->offset;
}

static void
visit_records(fetcher *f, partition *p, const uint8_t *batch, size_t length)
{
    batch_read(f, batch, length, p->from);
}

/* Fetch until `want` records were seen. */
static void
run(fetcher *f, long want)
{
    fetch_ask(f);
    while (f->records < want) {
        reader r = answer(f);
        uint8_t *bytes = f->in;
        size_t   size = f->in_bytes;
        f->in = f->next;
        f->in_bytes = f->next_bytes;
        f->next = bytes;
        f->next_bytes = size;
        for (int32_t i = 0; i < f->partition_count; i++)
            f->partitions[i].from = f->partitions[i].offset;
        response_visit(f, r, visit_next);
        fetch_ask(f);
        response_visit(f, r, visit_records);
    }
}

int
main(int argc, char **argv)
{
    fetcher     f = { 0 };
    bench_clock clock;
    if (argc != 4) {
        fprintf(stderr, "usage: fetch BROKER TOPIC MESSAGES\n");
        return 2;
    }
    f.topic = argv[2];
    if (LZ4F_isError(LZ4F_createDecompressionContext(&f.lz4, LZ4F_VERSION)))
        fail("no memory");
    broker_connect(&f, argv[1]);
    partitions_ask(&f);
    offsets_ask(&f);
    bench_begin(&clock);
    run(&f, atol(argv[3]));
    bench_print(&clock, f.records);
    printf("sum %" PRIu64 "\n", f.sum);
    return 0;
}
