/* SPDX-License-Identifier: Apache-2.0 */
/* over_calls_test.c -- V1..V3 of operator/over.c and what PostgreSQL says of over_*.c. */
#include "support/test.h"

#include "operator/over.h"
#include "support/optest.h"

#include <stdio.h>
#include <string.h>

typedef struct over_case {
    const char *function;
    const char *args[3];  /* a column, "*", "#3" int4, "#null", "$text", "" none */
    const char *partition, *order;
    const char *mode, *start, *end; /* up, uf: unbounded; c: the row; -n, +n */
    const char *exclude;
    bool        filter;   /* WHERE b */
    const char *expected; /* a result a row */
} over_case;

#include "unit/operator/over_rows.h"

enum { CALLS_MAX = 16 };

static const char *const over_names[] = {
    [WR_OVER_ROW_NUMBER] = "row_number",   [WR_OVER_RANK] = "rank",
    [WR_OVER_DENSE_RANK] = "dense_rank",   [WR_OVER_PERCENT_RANK] = "percent_rank",
    [WR_OVER_CUME_DIST] = "cume_dist",     [WR_OVER_NTILE] = "ntile",
    [WR_OVER_LAG] = "lag",                 [WR_OVER_LEAD] = "lead",
    [WR_OVER_FIRST_VALUE] = "first_value", [WR_OVER_LAST_VALUE] = "last_value",
    [WR_OVER_NTH_VALUE] = "nth_value",
};

/* Columns by name, "a, b desc nulls last"; order may be NULL. */
static uint32_t
columns_read(wr_optest *t, const wr_schema *in, const char *text, uint32_t *columns, wr_sort_key *order)
{
    uint32_t count = 0;
    while (*text != '\0') {
        size_t      length = strcspn(text, ",");
        const char *part = wr_arena_strndup(wr_optest_arena(t), text, length);
        part += strspn(part, " ");
        int32_t c = wr_schema_find(in, wr_arena_strndup(wr_optest_arena(t), part, strcspn(part, " ")));
        assert_true(c >= 0);
        if (columns != NULL)
            columns[count] = (uint32_t) c;
        if (order != NULL) {
            bool down = strstr(part, " desc") != NULL;
            order[count] = (wr_sort_key){ (uint32_t) c, down, strstr(part, "nulls first") != NULL ||
                                                                  (down && strstr(part, "nulls last") == NULL) };
        }
        count++;
        text += length + (text[length] == ',');
    }
    return count;
}

static wr_expr *
arg_read(wr_optest *t, const wr_schema *in, const char *text)
{
    if (text[0] == '#')
        return wr_optest_constant(t, "int4", strcmp(text, "#null") == 0 ? NULL : text + 1);
    return text[0] == '$' ? wr_optest_constant(t, "text", text + 1) : wr_optest_column(t, in, text);
}

static wr_frame_end
end_read(wr_optest *t, const wr_schema *in, const wr_over_spec *spec, const char *text)
{
    wr_frame_end end = { .offset = wr_value_null(WR_TYPE(WR_INT8)) };
    if (text[0] == 'u') {
        end.unbounded = true;
        end.following = text[1] == 'f';
    } else if (text[0] != 'c') {
        const char *type = "int8";
        end.following = text[0] == '+';
        if (spec->mode == WR_FRAME_RANGE)
            switch (in->fields[spec->order[0].column].type.id) {
            case WR_FLOAT8: type = "float8"; break;
            case WR_NUMERIC: type = "numeric"; break;
            case WR_TIMESTAMP:
            case WR_DATE:
            case WR_TIME:
            case WR_INTERVAL: type = "interval"; break;
            default: break;
            }
        end.offset = wr_optest_constant(t, type, text + 1)->constant;
    }
    return end;
}

static void
function_read(wr_over_spec *spec, const char *name)
{
    wr_type    types[4] = { { 0 } }, wanted[4];
    weir_error err;
    for (uint32_t f = 1; f < WR_COUNT(over_names); f++)
        if (strcmp(over_names[f], name) == 0)
            spec->function = (wr_over_function) f;
    switch (spec->function) {
    case WR_OVER_AGGREGATE:
        for (uint32_t i = 0; i < spec->arg_count; i++)
            types[i] = spec->args[i]->type;
        if (wr_aggregate_resolve(name, types, spec->arg_count, &spec->aggregate, wanted, &spec->result,
                                 &err) != WEIR_OK)
            fail_msg("%s", err.text);
        break;
    case WR_OVER_PERCENT_RANK:
    case WR_OVER_CUME_DIST: spec->result = WR_TYPE(WR_FLOAT8); break;
    case WR_OVER_NTILE: spec->result = WR_TYPE(WR_INT4); break;
    case WR_OVER_ROW_NUMBER:
    case WR_OVER_RANK:
    case WR_OVER_DENSE_RANK: spec->result = WR_TYPE(WR_INT8); break;
    default: spec->result = spec->args[0]->type;
    }
}

static wr_over_spec
spec_read(wr_optest *t, const wr_schema *in, const over_case *c)
{
    uint32_t    *partition = wr_arena_alloc(wr_optest_arena(t), 8 * sizeof *partition);
    wr_sort_key *order = wr_arena_alloc(wr_optest_arena(t), 8 * sizeof *order);
    wr_over_spec spec = { .partition = partition, .order = order, .mode = WR_FRAME_RANGE };
    spec.partition_count = columns_read(t, in, c->partition, partition, NULL);
    spec.order_count = columns_read(t, in, c->order, NULL, order);
    for (uint32_t a = 0; a < 3 && c->args[a][0] != '\0' && c->args[a][0] != '*'; a++)
        spec.args[spec.arg_count++] = arg_read(t, in, c->args[a]);
    function_read(&spec, c->function);
    spec.filter = c->filter ? wr_optest_column(t, in, "b") : NULL;
    if (strcmp(c->mode, "rows") == 0)
        spec.mode = WR_FRAME_ROWS;
    else if (strcmp(c->mode, "groups") == 0)
        spec.mode = WR_FRAME_GROUPS;
    spec.exclude = strcmp(c->exclude, "current row") == 0 ? WR_EXCLUDE_CURRENT_ROW
                   : strcmp(c->exclude, "group") == 0     ? WR_EXCLUDE_GROUP
                   : strcmp(c->exclude, "ties") == 0      ? WR_EXCLUDE_TIES
                                                          : WR_EXCLUDE_NOTHING;
    spec.start = end_read(t, in, &spec, c->start);
    spec.end = end_read(t, in, &spec, c->end);
    return spec;
}

/* Result `row` of a case. */
static void
expected_append(const over_case *c, uint32_t row, wr_text *to)
{
    const char *at = c->expected;
    for (; row > 0; row--)
        at = strchr(at, '|') + 1;
    wr_text_append(to, at, strcspn(at, "|"));
}

static wr_optest *
over_ready(wr_over_config *config, const wr_schema **in)
{
    wr_optest *t = wr_optest_create();
    *in = wr_optest_schema(t, over_columns);
    *config = (wr_over_config){ .time_column = -1, .input = *in };
    return t;
}

/* The input's columns, then one a call. */
static void
over_operator(wr_optest *t, wr_over_config *config)
{
    uint32_t   n = config->input->field_count;
    wr_schema *out = wr_schema_create(wr_optest_arena(t), n + config->call_count);
    for (uint32_t i = 0; i < n; i++)
        out->fields[i] = config->input->fields[i];
    for (uint32_t i = 0; i < config->call_count; i++)
        out->fields[n + i] = (wr_field){ .name = "r", .type = config->calls[i].result };
    config->output = out;
    wr_optest_operator(t, &wr_over_ops, config, out);
}

static void
calls_run(const over_case *cases, uint32_t count)
{
    wr_over_config   config;
    wr_over_spec     specs[CALLS_MAX];
    const wr_schema *in;
    wr_text          rows, expected;
    wr_optest       *t = over_ready(&config, &in);
    for (uint32_t i = 0; i < count; i++)
        specs[i] = spec_read(t, in, &cases[i]);
    config.call_count = count;
    config.calls = specs;
    over_operator(t, &config);
    wr_optest_port(t, 0, in, NULL);
    wr_text_init(&rows, NULL);
    wr_text_init(&expected, NULL);
    for (uint32_t r = 0; r < WR_COUNT(over_rows); r++) {
        wr_text_printf(&rows, "%s;", over_rows[r]);
        wr_text_puts(&expected, over_rows[r]);
        for (uint32_t i = 0; i < count; i++) {
            wr_text_putc(&expected, '|');
            expected_append(&cases[i], r, &expected);
        }
        wr_text_putc(&expected, ';');
        if (r == 4 || r + 1 == WR_COUNT(over_rows)) {
            wr_optest_rows(t, 0, wr_text_string(&rows));
            wr_text_clear(&rows);
        }
    }
    wr_optest_end(t);
    wr_optest_expect(t, wr_text_string(&expected));
    wr_text_fini(&rows);
    wr_text_fini(&expected);
    wr_optest_verify(t);
}

static void
calls_give_postgresqls_answers(void **state)
{
    (void) state;
    for (uint32_t i = 0; i < WR_COUNT(over_cases); i += CALLS_MAX)
        calls_run(&over_cases[i], (uint32_t) WR_MIN(WR_COUNT(over_cases) - i, (size_t) CALLS_MAX));
}

/* --- rows that end by time --- */

/* row_number and the running sum in the partition of (ts, k); n rows of it are k's. */
static wr_optest *
timed_ready(wr_over_config *config, wr_over_spec *specs)
{
    static const uint32_t keys[] = { 1, 0 };
    wr_optest            *t = wr_optest_create();
    const wr_schema      *in = wr_optest_schema(t, "k text, ts timestamp, v int8");
    *config = (wr_over_config){ .time_column = 1, .input = in, .call_count = 2, .calls = specs,
                                .keys = keys, .key_count = 2 };
    static const over_case cases[] = {
        { "row_number", { "", "", "" }, "k, ts", "v", "", "up", "c", "", false, "" },
        { "sum", { "v", "", "" }, "ts, k", "v", "", "up", "c", "", false, "" },
    };
    for (uint32_t i = 0; i < 2; i++)
        specs[i] = spec_read(t, in, &cases[i]);
    over_operator(t, config);
    wr_optest_port(t, 0, in, "ts, k");
    return t;
}

static void
partitions_come_out_when_their_time_has_passed(void **state) /* V1, V2, V3 */
{
    (void) state;
    wr_over_config config;
    wr_over_spec   specs[2];
    wr_optest     *t = timed_ready(&config, specs);
    wr_optest_want_late(t);
    wr_optest_rows(t, 0, "a|@10|3; b|@10|5; a|@10|1; a|@20|7; a|null|2; a|infinity|9");
    wr_optest_watermark(t, 0, WR_OPTEST_S(10));
    wr_optest_expect(t, "");
    wr_optest_rows(t, 0, "a|@10|2; a|@9.999999|100");
    wr_optest_expect_port(t, WR_PORT_LATE, "a|@9.999999|100");
    wr_optest_watermark(t, 0, WR_OPTEST_S(10.5));
    wr_optest_expect(t, "a|@10|1|1|1; a|@10|2|2|3; a|@10|3|3|6; b|@10|5|1|5");
    wr_optest_rows(t, 0, "a|@20|-7; a|@11|11; a|@10|1; b|null|4");
    wr_optest_expect_port(t, WR_PORT_LATE, "a|@10|1");
    wr_optest_watermark(t, 0, WR_OPTEST_S(30));
    wr_optest_expect(t, "a|@11|11|1|11; a|@20|-7|1|-7; a|@20|7|2|0");
    wr_optest_end(t);
    wr_optest_expect(t, "a|null|2|1|2; b|null|4|1|4; a|infinity|9|1|9");
    wr_optest_count(t, rows_late, 2);
    wr_optest_verify(t);
}

static void
lateness_is_by_row_order(void **state) /* V2 */
{
    (void) state;
    wr_over_config config;
    wr_over_spec   specs[2];
    wr_optest     *t = timed_ready(&config, specs);
    wr_optest_delay(t, 0, "ts", WR_OPTEST_S(5));
    config.time_offset = 1;
    wr_optest_rows(t, 0, "a|@10|1; a|@14|2; a|@9|3; a|@15|4; a|@10|5; a|@11|6; a|@14|7; b|@16|8; a|@11|9");
    wr_optest_end(t);
    wr_optest_expect(t, "a|@10|1|1|1; a|@14|2|1|2; a|@14|7|2|9; a|@15|4|1|4; a|@11|6|1|6; b|@16|8|1|8");
    wr_optest_count(t, rows_late, 3);
    wr_optest_verify(t);
}

/* --- rows that cannot be answered --- */

static wr_optest *
quotient_ready(wr_over_config *config, wr_over_spec *spec)
{
    wr_optest       *t = wr_optest_create();
    const wr_schema *in = wr_optest_schema(t, "a int8, b int8");
    *config = (wr_over_config){ .time_column = -1, .input = in, .call_count = 1, .calls = spec };
    *spec = (wr_over_spec){ .arg_count = 1, .mode = WR_FRAME_RANGE,
                            .start = { .unbounded = true },
                            .end = { .unbounded = true, .following = true } };
    spec->args[0] = wr_optest_call(t, "/", wr_optest_column(t, in, "a"), wr_optest_column(t, in, "b"));
    function_read(spec, "sum");
    over_operator(t, config);
    wr_optest_port(t, 0, in, NULL);
    return t;
}

static void
rows_whose_arguments_fail_are_left_out(void **state)
{
    (void) state;
    wr_over_config config;
    wr_over_spec   spec;
    wr_optest     *t = quotient_ready(&config, &spec);
    wr_optest_want_bad(t);
    wr_optest_rows(t, 0, "6|2; 1|0; 8|4; 3|0");
    wr_optest_expect_port(t, WR_PORT_BAD, "null|null|ROW_DIVISION_BY_ZERO|division by zero|{\"a\": 1, \"b\": 0}|@0"
                          "; null|null|ROW_DIVISION_BY_ZERO|division by zero|{\"a\": 3, \"b\": 0}|@0");
    wr_optest_end(t);
    wr_optest_expect(t, "6|2|5; 8|4|5");
    wr_optest_count(t, rows_failed, 2);
    wr_optest_verify(t);
}

static void
a_failed_row_ends_the_query_where_it_shall(void **state)
{
    (void) state;
    wr_over_config config;
    wr_over_spec   spec;
    wr_optest     *t = quotient_ready(&config, &spec);
    wr_optest_fail_rows(t);
    wr_optest_rows(t, 0, "6|2; 1|0");
    wr_optest_expect_failure(t, WEIR_ROW_DIVISION_BY_ZERO);
    wr_optest_verify(t);
}

static void
retractions_are_refused(void **state)
{
    (void) state;
    wr_over_config config;
    wr_over_spec   spec;
    wr_optest     *t = quotient_ready(&config, &spec);
    wr_optest_rows(t, 0, "6|2; [-1] 6|2");
    wr_optest_expect_failure(t, WEIR_QUERY_UNSUPPORTED);
    wr_optest_verify(t);
}

/* Frames wider than a batch, more than one batch out. */
static void
many_rows(void **state)
{
    (void) state;
    enum { ROWS = 10000, WIDTH = 100 };
    static const over_case cases[] = {
        { "max", { "v", "", "" }, "", "id", "rows", "-99", "c", "", false, "" },
        { "sum", { "v", "", "" }, "", "id", "rows", "-99", "c", "", false, "" },
        { "lag", { "v", "#5000", "" }, "", "id", "", "up", "c", "", false, "" },
    };
    wr_over_config config;
    wr_over_spec   specs[WR_COUNT(cases)];
    wr_text        rows, expected;
    wr_optest     *t = wr_optest_create();
    const wr_schema *in = wr_optest_schema(t, "id int8, v int8");
    int64_t         values[ROWS];
    config = (wr_over_config){ .time_column = -1, .input = in, .call_count = WR_COUNT(cases), .calls = specs };
    for (uint32_t i = 0; i < WR_COUNT(cases); i++)
        specs[i] = spec_read(t, in, &cases[i]);
    over_operator(t, &config);
    wr_optest_port(t, 0, in, NULL);
    wr_text_init(&rows, NULL);
    wr_text_init(&expected, NULL);
    for (int64_t i = 0; i < ROWS; i++) {
        int64_t most = INT64_MIN, sum = 0;
        values[i] = i * 7919 % 1000;
        for (int64_t j = WR_MAX(i - WIDTH + 1, 0); j <= i; j++) {
            most = WR_MAX(most, values[j]);
            sum += values[j];
        }
        wr_text_printf(&rows, "%lld|%lld;", (long long) i, (long long) values[i]);
        wr_text_printf(&expected, "%lld|%lld|%lld|%lld|", (long long) i, (long long) values[i], (long long) most,
                       (long long) sum);
        if (i < 5000)
            wr_text_puts(&expected, "null;");
        else
            wr_text_printf(&expected, "%lld;", (long long) values[i - 5000]);
    }
    wr_optest_rows(t, 0, wr_text_string(&rows));
    wr_optest_end(t);
    wr_optest_expect(t, wr_text_string(&expected));
    wr_text_fini(&rows);
    wr_text_fini(&expected);
    wr_optest_verify(t);
}

WR_TESTS = { WR_TEST(calls_give_postgresqls_answers),
             WR_TEST(partitions_come_out_when_their_time_has_passed),
             WR_TEST(lateness_is_by_row_order),
             WR_TEST(rows_whose_arguments_fail_are_left_out),
             WR_TEST(a_failed_row_ends_the_query_where_it_shall),
             WR_TEST(retractions_are_refused),
             WR_TEST(many_rows),
             { NULL, NULL } };
