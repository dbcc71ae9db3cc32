/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/soak/feeder.c -- rows for a soak at any rate, in messages of many, and the answers they must give.
 *
 *   feeder BROKERS TOPIC PARTITIONS KEYS EVERY SEED
 *
 * A row is {"id":I,"k":K,"v":V,"ts":T}: I counts from 0, K is below KEYS, V has I's remainder by EVERY, T is the wall's clock less up to 0.8 s.
 * Rows are made when they are due, whatever becomes of them after; who is not read as fast as that keeps them waiting here.
 *
 * Orders come on standard input, one a line:
 *   rate R       rows a second from now on; -1: as many as are read
 *   hot 0|1      nine rows in ten are of key 0
 *   silent P     partition P gets none (-1: each gets some)
 *   read N       rows that have been read: from now on no more than AHEAD beyond them are sent (the practice Kafka keeps 5 MiB a
 *                partition, compressed some 450,000 rows)
 *   raw P TEXT   a message as it stands
 *   flush        a row of each key a minute ahead in each partition, all is sent, the answers are told
 * On standard output: "I T" of each row whose I has the greatest remainder by EVERY, as it is made; at a flush one line of JSON:
 * {"events", "ahead" (ms), "windows": [[start, k, n, sum(v)]], "panes": [[start, n, max(v)]], "keys": [[n, sum(v)]]}.
 */
#include <errno.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    WINDOW_MS = 5000,
    PANE_MS = 2000,
    JITTER_MS = 800,
    PARTITIONS_MAX = 16,
    MESSAGE_BYTES = 16 << 10,
    ROW_BYTES = 128,
    AHEAD = 400000,
    TICK_MS = 5,
    ORDER_BYTES = 1 << 20,
};
static const size_t waiting_max = (size_t)1 << 30;

/* What rows of one window and key, of one pane or of one key add up to. */
typedef struct cell {
    int64_t count, sum, top;
} cell;

/* Cells by time: `width` of them each `ms`, from `base` on. */
typedef struct table {
    cell *cells;
    int64_t base;
    size_t ms, width, count;
} table;

typedef struct message {
    struct message *next;
    size_t bytes;
    int rows, partition;
    char text[];
} message;

static struct {
    rd_kafka_t *client;
    rd_kafka_topic_t *topic;
    int partitions, every, silent;
    int64_t keys;
    bool hot, bounded, ended;
    double rate, due;
    uint64_t seed;
    int64_t events, sent, read;
    int64_t flush_ms; /* the time of the last rows, while they are on their way */
    table windows, panes;
    cell *by_key;
    message *first, **last;
    size_t waiting; /* bytes between first and last */
} feed = { .silent = -1, .last = &feed.first };

/* Rows on their way into a message, one a partition. */
static struct {
    char text[MESSAGE_BYTES + ROW_BYTES];
    size_t bytes;
    int rows;
} open_messages[PARTITIONS_MAX];

static void
die(const char *words)
{
    fprintf(stderr, "feeder: %s\n", words);
    exit(1);
}

static int64_t
clock_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint64_t
draw(uint64_t below)
{
    feed.seed ^= feed.seed >> 12;
    feed.seed ^= feed.seed << 25;
    feed.seed ^= feed.seed >> 27;
    return (feed.seed * 0x2545F4914F6CDD1Dull >> 33) % below;
}

/* --- what the answers are --- */

static cell *
table_cell(table *t, int64_t ms, size_t at)
{
    if (t->cells == NULL)
        t->base = (ms - 60000) / (int64_t)t->ms * (int64_t)t->ms;
    size_t i = (size_t)(ms - t->base) / t->ms;
    if (i >= t->count) {
        size_t count = i + 256;
        t->cells = realloc(t->cells, count * t->width * sizeof(cell));
        if (t->cells == NULL)
            die("no memory for the answers");
        memset(t->cells + t->count * t->width, 0, (count - t->count) * t->width * sizeof(cell));
        t->count = count;
    }
    return &t->cells[i * t->width + at];
}

static void
cell_add(cell *c, int64_t v)
{
    c->count++;
    c->sum += v;
    c->top = c->count == 1 || v > c->top ? v : c->top;
}

static void
answers_write(void)
{
    const char *comma = "";
    printf("{\"events\":%" PRId64 ",\"ahead\":%" PRId64 ",\"windows\":[", feed.events,
           feed.flush_ms);
    for (size_t i = 0; i < feed.windows.count * feed.windows.width; i++) {
        const cell *c = &feed.windows.cells[i];
        if (c->count == 0)
            continue;
        printf("%s[%" PRId64 ",%zu,%" PRId64 ",%" PRId64 "]", comma,
               feed.windows.base + (int64_t)(i / feed.windows.width) * WINDOW_MS,
               i % feed.windows.width, c->count, c->sum);
        comma = ",";
    }
    printf("],\"panes\":[");
    comma = "";
    for (size_t i = 0; i < feed.panes.count; i++) {
        const cell *c = &feed.panes.cells[i];
        if (c->count == 0)
            continue;
        printf("%s[%" PRId64 ",%" PRId64 ",%" PRId64 "]", comma,
               feed.panes.base + (int64_t)i * PANE_MS, c->count, c->top);
        comma = ",";
    }
    printf("],\"keys\":[");
    for (int64_t k = 0; k < feed.keys; k++)
        printf("%s[%" PRId64 ",%" PRId64 "]", k > 0 ? "," : "", feed.by_key[k].count,
               feed.by_key[k].sum);
    printf("]}\n");
    fflush(stdout);
}

/* --- rows and messages --- */

static void
message_queue(int partition, const char *text, size_t bytes, int rows)
{
    message *m = malloc(sizeof *m + bytes);
    if (m == NULL || feed.waiting > waiting_max)
        die("rows are not read as fast as they come: 1 GiB of them waits");
    *m = (message){ .bytes = bytes, .rows = rows, .partition = partition };
    memcpy(m->text, text, bytes);
    *feed.last = m;
    feed.last = &m->next;
    feed.waiting += bytes;
}

static void
message_close(int partition)
{
    if (open_messages[partition].rows > 0)
        message_queue(partition, open_messages[partition].text, open_messages[partition].bytes,
                      open_messages[partition].rows);
    open_messages[partition].bytes = 0;
    open_messages[partition].rows = 0;
}

/* "2026-01-01T00:00:00" of a second. */
static const char *
second_text(int64_t second)
{
    static struct {
        int64_t second;
        char text[24];
    } kept[8];
    int i = (int)(second % 8);
    if (kept[i].second != second) {
        time_t at = second;
        struct tm t;
        gmtime_r(&at, &t);
        strftime(kept[i].text, sizeof kept[i].text, "%Y-%m-%dT%H:%M:%S", &t);
        kept[i].second = second;
    }
    return kept[i].text;
}

static void
row_make(int partition, int64_t k, int64_t v, int64_t ts)
{
    int64_t id = feed.events++;
    v = v * feed.every + id % feed.every;
    cell_add(table_cell(&feed.windows, ts, (size_t)k), v);
    cell_add(table_cell(&feed.panes, ts, 0), v);
    cell_add(&feed.by_key[k], v);
    if (id % feed.every == feed.every - 1)
        printf("%" PRId64 " %" PRId64 "\n", id, ts);
    if (open_messages[partition].bytes > MESSAGE_BYTES)
        message_close(partition);
    open_messages[partition].bytes += (size_t)snprintf(
        open_messages[partition].text + open_messages[partition].bytes, ROW_BYTES,
        "{\"id\":%" PRId64 ",\"k\":%" PRId64 ",\"v\":%" PRId64 ",\"ts\":\"%s.%03dZ\"}\n", id, k, v,
        second_text(ts / 1000), (int)(ts % 1000));
    open_messages[partition].rows++;
}

static int
any_partition(void)
{
    int p = (int)draw((uint64_t)(feed.partitions - (feed.silent >= 0)));
    return feed.silent >= 0 && p >= feed.silent ? p + 1 : p;
}

/* The rows that are due after `ms` more. */
static void
rows_make(int64_t ms)
{
    int64_t now = clock_ms(CLOCK_REALTIME);
    feed.due = feed.rate < 0 ? (double)(AHEAD - (feed.events - feed.read))
                             : feed.due + feed.rate * (double)ms / 1000;
    for (; feed.due >= 1; feed.due--) {
        int64_t k = feed.hot && draw(10) > 0 ? 0 : (int64_t)draw((uint64_t)feed.keys);
        row_make(any_partition(), k, (int64_t)draw(1000), now - (int64_t)draw(JITTER_MS));
    }
    for (int p = 0; p < feed.partitions; p++)
        message_close(p);
    fflush(stdout);
}

static void
messages_send(void)
{
    while (feed.first != NULL && (!feed.bounded || feed.sent - feed.read < AHEAD)) {
        message *m = feed.first;
        if (rd_kafka_produce(feed.topic, m->partition, RD_KAFKA_MSG_F_COPY, m->text, m->bytes, NULL,
                             0, NULL) != 0)
            break; /* its queue is full */
        feed.sent += m->rows;
        feed.waiting -= m->bytes;
        if ((feed.first = m->next) == NULL)
            feed.last = &feed.first;
        free(m);
    }
    rd_kafka_poll(feed.client, 0);
}

static void
flush_begin(void)
{
    feed.flush_ms = clock_ms(CLOCK_REALTIME) + 60000;
    feed.rate = feed.due = 0;
    for (int p = 0; p < feed.partitions; p++) {
        for (int64_t k = 0; k < feed.keys; k++)
            row_make(p, k, 0, feed.flush_ms);
        message_close(p);
    }
}

static void
flush_end(void)
{
    answers_write();
    feed.flush_ms = 0;
}

/* --- orders --- */

static void
order_take(char *line, size_t bytes)
{
    char *end;
    line[bytes] = 0;
    if (strncmp(line, "rate ", 5) == 0) {
        feed.rate = strtod(line + 5, NULL);
        feed.due = 0;
    } else if (strncmp(line, "hot ", 4) == 0) {
        feed.hot = line[4] == '1';
    } else if (strncmp(line, "silent ", 7) == 0) {
        feed.silent = atoi(line + 7);
    } else if (strncmp(line, "read ", 5) == 0) {
        feed.read = strtoll(line + 5, NULL, 10);
        feed.bounded = true;
    } else if (strncmp(line, "raw ", 4) == 0) {
        int partition = (int)strtol(line + 4, &end, 10);
        message_queue(partition, end + 1, (size_t)(line + bytes - end - 1), 0);
    } else if (strcmp(line, "flush") == 0) {
        flush_begin();
    } else {
        die("an order that it does not know");
    }
}

/* Takes the orders that have come; waits for one up to TICK_MS. */
static void
orders_read(void)
{
    static char kept[ORDER_BYTES];
    static size_t bytes;
    struct pollfd in = { .fd = 0, .events = POLLIN };
    if (poll(&in, 1, TICK_MS) <= 0)
        return;
    ssize_t n = read(0, kept + bytes, sizeof kept - bytes);
    if (n < 0 && errno == EINTR)
        return;
    feed.ended = n <= 0;
    bytes += n > 0 ? (size_t)n : 0;
    char *at = kept, *end;
    while ((end = memchr(at, '\n', bytes - (size_t)(at - kept))) != NULL) {
        order_take(at, (size_t)(end - at));
        at = end + 1;
    }
    bytes -= (size_t)(at - kept);
    memmove(kept, at, bytes);
}

static void
client_open(const char *brokers, const char *topic)
{
    static const char *const options[][2] = {
        { "linger.ms", "5" },
        { "compression.codec", "zstd" },
        { "message.max.bytes", "4000000" },
        { "reconnect.backoff.max.ms", "500" },
        { "max.in.flight.requests.per.connection",
          "1" }, /* rows keep their order through retries */
        { "request.timeout.ms", "120000" },
        { "socket.timeout.ms", "120000" },
        { "log_level", "2" },
    };
    char words[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool good = rd_kafka_conf_set(conf, "bootstrap.servers", brokers, words, sizeof words) ==
                RD_KAFKA_CONF_OK;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        good = good && rd_kafka_conf_set(conf, options[i][0], options[i][1], words, sizeof words) ==
                           RD_KAFKA_CONF_OK;
    feed.client = good ? rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof words) : NULL;
    feed.topic = feed.client != NULL ? rd_kafka_topic_new(feed.client, topic, NULL) : NULL;
    if (feed.topic == NULL)
        die(words);
}

int
main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: feeder BROKERS TOPIC PARTITIONS KEYS EVERY SEED\n");
        return 2;
    }
    feed.partitions = atoi(argv[3]);
    feed.keys = atoi(argv[4]);
    feed.every = atoi(argv[5]);
    feed.seed = (uint64_t)atoll(argv[6]) * 2 + 1;
    feed.windows = (table){ .ms = WINDOW_MS, .width = (size_t)feed.keys };
    feed.panes = (table){ .ms = PANE_MS, .width = 1 };
    feed.by_key = calloc((size_t)feed.keys, sizeof(cell));
    if (feed.by_key == NULL || feed.partitions > PARTITIONS_MAX)
        die("so many keys or partitions have no room");
    client_open(argv[1], argv[2]);
    int64_t at = clock_ms(CLOCK_MONOTONIC);
    while (!feed.ended) {
        int64_t now = clock_ms(CLOCK_MONOTONIC);
        rows_make(now - at);
        at = now;
        messages_send();
        if (feed.flush_ms != 0 && feed.first == NULL && rd_kafka_outq_len(feed.client) == 0)
            flush_end();
        orders_read();
    }
    return 0; /* the client's threads end with the process */
}
