/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aggregate_property_test.c -- random windows over random rows out of order, against the
 * definition: a row is in each window that holds its time and whose end + lateness lies after the
 * watermark it met.
 */
#include "support/test.h"

#include "base/random.h"
#include "unit/operator/aggregate_case.h"

enum { ROWS = 120, KEYS = 4, WINDOWS = 4000 };

typedef struct cell {
    int64_t  start, end, sum, max;
    uint32_t key, count, distinct;
    bool     seen[8];
} cell;

typedef struct oracle {
    cell     cells[WINDOWS];
    uint32_t count;
    uint64_t rows_late, windows_late;
} oracle;

static cell *
oracle_cell(oracle *o, int64_t start, int64_t end, uint32_t key)
{
    for (uint32_t i = 0; i < o->count; i++)
        if (o->cells[i].start == start && o->cells[i].end == end && o->cells[i].key == key)
            return &o->cells[i];
    assert_true(o->count < WINDOWS);
    cell *c = &o->cells[o->count++];
    *c = (cell){ .start = start, .end = end, .key = key, .max = INT64_MIN };
    return c;
}

/* In whole seconds: does [start, end) belong to the spec, and hold t? */
static bool
is_window(wr_window_kind kind, int64_t size, int64_t slide, int64_t start, int64_t end, int64_t t)
{
    if (t < start || t >= end)
        return false;
    if (kind == WR_WINDOW_CUMULATE)
        return ((start % size) + size) % size == 0 && end - start <= size &&
               (end - start) % slide == 0;
    return end - start == size && ((start % slide) + slide) % slide == 0;
}

static void
oracle_add(oracle *o, wr_window_kind kind, int64_t size, int64_t slide, int64_t lateness, int64_t w,
           uint32_t key, int64_t v, int64_t t)
{
    bool any = false;
    for (int64_t start = t - size; start <= t; start++)
        for (int64_t end = t + 1; end <= t + size; end++) {
            if (!is_window(kind, size, slide, start, end, t))
                continue;
            if (end + lateness <= w) {
                o->windows_late++;
                continue;
            }
            any = true;
            cell *c = oracle_cell(o, start, end, key);
            c->count++;
            c->sum += v;
            c->max = WR_MAX(c->max, v);
            c->distinct += !c->seen[v];
            c->seen[v] = true;
        }
    o->rows_late += !any;
}

static void
run(uint64_t seed)
{
    static const wr_window_kind kinds[] = { WR_WINDOW_TUMBLE, WR_WINDOW_HOP, WR_WINDOW_CUMULATE };
    wr_random                   random;
    agg_case                    c;
    oracle                     *o = wr_calloc(NULL, 1, sizeof *o);
    wr_text                     rows, expected;
    wr_random_init(&random, seed);
    wr_window_kind kind = kinds[seed % 3];
    int64_t        slide = 1 + (int64_t) wr_random_below(&random, 5);
    int64_t size = kind == WR_WINDOW_TUMBLE     ? slide
                   : kind == WR_WINDOW_CUMULATE ? slide * (1 + (int64_t)wr_random_below(&random, 4))
                                                : slide + (int64_t)wr_random_below(&random, 9);
    int64_t        delay = (int64_t) wr_random_below(&random, 6), w = INT64_MIN / 4, greatest = 0;
    bool           changes = wr_random_below(&random, 3) == 0;
    bool           update = wr_random_below(&random, 3) == 0;
    bool           distinct = wr_random_below(&random, 4) == 0;
    int64_t        lateness = update ? (int64_t) wr_random_below(&random, 8) : 0;
    case_begin(&c, "k int4, v int8, ts timestamp");
    case_window(&c, kind, (double) size, (double) slide, "ts");
    case_key(&c, "start");
    case_key(&c, "end");
    case_key(&c, "k");
    case_call(&c, "count", NULL);
    case_call(&c, "sum", "v");
    if (seed % 2 == 0)
        case_call(&c, "max", "v");
    if (distinct)
        case_call(&c, "count", "v")->distinct = true;
    c.config.emit = changes ? WR_EMIT_CHANGES : WR_EMIT_FINAL;
    c.config.late = update ? WR_LATE_UPDATE : WR_LATE_DROP;
    c.config.lateness_us = (uint64_t) WR_OPTEST_S(lateness);
    char output[128];
    snprintf(output, sizeof output, "s timestamp, e timestamp, k int4, n int8, t numeric%s%s",
             seed % 2 == 0 ? ", m int8" : "", distinct ? ", d int8" : "");
    wr_optest *t = case_ready(&c, &wr_aggregate_ops, output, "k");
    wr_optest_delay(t, 0, "ts", WR_OPTEST_S(delay));
    wr_text_init(&rows, NULL);
    wr_text_init(&expected, NULL);
    for (int i = 0; i < ROWS; i++) {
        int64_t  at = i / 2 + (int64_t) wr_random_below(&random, 10) - 5;
        uint32_t key = (uint32_t) wr_random_below(&random, KEYS);
        int64_t  v = (int64_t) wr_random_below(&random, 8);
        oracle_add(o, kind, size, slide, lateness, w, key, v, at);
        greatest = i == 0 ? at : WR_MAX(greatest, at);
        w = greatest - delay;
        wr_text_printf(&rows, "%u|%lld|@%lld;", key, (long long) v, (long long) at);
        if (wr_random_below(&random, 12) == 0 || i + 1 == ROWS) {
            wr_optest_rows(t, 0, wr_text_string(&rows));
            wr_text_clear(&rows);
        }
    }
    for (uint32_t i = 0; i < o->count; i++) {
        const cell *e = &o->cells[i];
        wr_text_printf(&expected, "@%lld|@%lld|%u|%u|%lld", (long long)e->start, (long long)e->end,
                       e->key, e->count, (long long)e->sum);
        if (seed % 2 == 0)
            wr_text_printf(&expected, "|%lld", (long long) e->max);
        if (distinct)
            wr_text_printf(&expected, "|%u", e->distinct);
        wr_text_puts(&expected, ";");
    }
    wr_optest_end(t);
    wr_optest_expect(t, wr_text_string(&expected));
    wr_optest_count(t, rows_late, o->rows_late);
    wr_optest_count(t, windows_late, o->windows_late);
    wr_text_fini(&rows);
    wr_text_fini(&expected);
    wr_free(o);
    print_message("seed %llu: kind %d size %lld slide %lld delay %lld lateness %lld%s%s\n",
                  (unsigned long long) seed, kind, (long long) size, (long long) slide,
                  (long long) delay, (long long) lateness, changes ? " changes" : "",
                  distinct ? " distinct" : "");
    wr_optest_verify(t);
}

static void
windows_equal_their_definition(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 48; seed++)
        run(seed);
}

WR_TESTS = { WR_TEST(windows_equal_their_definition), { NULL, NULL } };
