/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request_test.c -- requests from JSON and MessagePack: Q1..Q3 of server/request.h.
 *
 * Bytes stand in exact-size heap blocks, so that a read past the end is an error under ASan.
 */
#include "server/request.h"
#include "support/test.h"

#include <stdio.h>

typedef bool (*parse_fn)(const char *bytes, size_t length, wr_arena *arena, request *out,
                         const char **why);

typedef struct parsed {
    wr_arena arena;
    char *bytes;
    request request;
    const char *why;
    bool ok;
} parsed;

static void
parsed_make(parsed *p, parse_fn parse, const char *bytes, size_t length)
{
    wr_arena_init(&p->arena, NULL);
    p->bytes = wr_alloc(NULL, length);
    memcpy(p->bytes, bytes, length);
    p->why = NULL;
    p->ok = parse(p->bytes, length, &p->arena, &p->request, &p->why);
}

static void
parsed_free(parsed *p)
{
    wr_arena_fini(&p->arena);
    wr_free(p->bytes);
}

#define JSON(text) &p, request_parse_json, text, sizeof(text) - 1
#define PACK(text) &p, request_parse_msgpack, text, sizeof(text) - 1

/* ---- JSON that is good ------------------------------------------------------------------------
 */

static void
json_members_of_every_kind_are_read(void **state)
{
    parsed p;
    int64_t whole;
    double number;
    parsed_make(JSON(" {\"op\" : \"sub\",\"id\":7, "
                     "\"half\":-1.5e-1,\"yes\":true,\"no\":false,\"nil\":null,\"rows\":[{\"a\":\"]}"
                     "\"},[1]]}\r "));
    assert_true(p.ok);
    assert_int_equal(p.request.count, 7);
    assert_string_equal(request_string(&p.request, "op"), "sub");
    assert_true(request_whole(&p.request, "id", &whole));
    assert_int_equal(whole, 7);
    assert_true(request_number(&p.request, "half", &number));
    assert_true(number == -0.15);
    assert_false(request_whole(&p.request, "half", &whole));
    assert_true(request_flag(&p.request, "yes"));
    assert_false(request_flag(&p.request, "no"));
    assert_int_equal(request_find(&p.request, "nil")->kind, REQUEST_NULL);
    const request_member *rows = request_find(&p.request, "rows");
    assert_int_equal(rows->kind, REQUEST_RAW);
    assert_memory_equal(rows->text, "[{\"a\":\"]}\"},[1]]", rows->length);
    assert_null(request_find(&p.request, "absent"));
    assert_null(request_string(&p.request, "id"));
    parsed_free(&p);
}

static void
json_strings_are_unescaped(void **state)
{
    parsed p;
    parsed_make(
        JSON("{\"s\":\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\\ud83d\\ude00\xc3\xa9\"}"));
    assert_true(p.ok);
    assert_string_equal(request_string(&p.request, "s"),
                        "a\"\\/\b\f\n\r\t\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa9");
    parsed_free(&p);
}

static void
json_empty_object_and_empty_names_are_good(void **state)
{
    parsed p;
    parsed_make(JSON("{ }"));
    assert_true(p.ok);
    assert_int_equal(p.request.count, 0);
    parsed_free(&p);
    parsed_make(JSON("{\"\":\"\"}"));
    assert_true(p.ok);
    assert_string_equal(request_string(&p.request, ""), "");
    parsed_free(&p);
}

static void
json_numbers_follow_the_grammar(void **state)
{
    static const struct {
        const char *text;
        double value;
    } good[] = { { "0", 0 },         { "-0", 0 },
                 { "10", 10 },       { "1.25", 1.25 },
                 { "1e3", 1000 },    { "1E+3", 1000 },
                 { "1.5e-1", 0.15 }, { "9007199254740992", 0x1p53 } };
    for (size_t i = 0; i < WR_COUNT(good); i++) {
        char text[64];
        double value;
        parsed p;
        int n = snprintf(text, sizeof text, "{\"n\":%s}", good[i].text);
        parsed_make(&p, request_parse_json, text, (size_t)n);
        assert_true(p.ok);
        assert_true(request_number(&p.request, "n", &value));
        assert_true(value == good[i].value);
        parsed_free(&p);
    }
}

/* ---- JSON that is bad -------------------------------------------------------------------------
 */

typedef struct bad {
    const char *name, *bytes;
    size_t length;
    const char *why; /* part of the sentence */
} bad;

#define BAD(name, bytes, why)                                                                      \
    {                                                                                              \
        name, bytes, sizeof(bytes) - 1, why                                                        \
    }

static const bad bad_json[] = {
    BAD("nothing", "", "one JSON object"),
    BAD("blanks", "  \t ", "one JSON object"),
    BAD("a list", "[1]", "one JSON object"),
    BAD("a string", "\"op\"", "one JSON object"),
    BAD("a byte order mark", "\xef\xbb\xbf{}", "one JSON object"),
    BAD("an open brace", "{", "name in quotes"),
    BAD("a name without quotes", "{op:\"sub\"}", "name in quotes"),
    BAD("a name in single quotes", "{'op':1}", "name in quotes"),
    BAD("a name that is a number", "{1:1}", "name in quotes"),
    BAD("no colon", "{\"op\" \"sub\"}", "colon"),
    BAD("no value", "{\"op\":}", "neither"),
    BAD("no value at the end", "{\"op\":", "value is missing"),
    BAD("no comma", "{\"a\":1 \"b\":2}", "comma"),
    BAD("a comma too many", "{\"a\":1,}", "name in quotes"),
    BAD("a semicolon", "{\"a\":1;\"b\":2}", "comma"),
    BAD("no end", "{\"a\":1", "does not end"),
    BAD("two objects", "{}{}", "something follows"),
    BAD("a word after", "{} x", "something follows"),
    BAD("a NUL after", "{}\0", "something follows"),
    BAD("a NUL before", "\0{}", "one JSON object"),
    BAD("a repeated name", "{\"op\":\"sub\",\"op\":\"push\"}", "twice"),
    BAD("a name repeated by an escape", "{\"op\":1,\"\\u006fp\":2}", "twice"),
    BAD("True", "{\"a\":True}", "neither"),
    BAD("truer", "{\"a\":truer}", "comma"),
    BAD("nul", "{\"a\":nul}", "neither"),
    BAD("NaN", "{\"a\":NaN}", "neither"),
    BAD("Infinity", "{\"a\":Infinity}", "neither"),
    BAD("a plus sign", "{\"a\":+1}", "neither"),
    BAD("a leading zero", "{\"a\":01}", "comma"),
    BAD("a dot first", "{\"a\":.5}", "neither"),
    BAD("a dot last", "{\"a\":5.}", "neither"),
    BAD("no exponent", "{\"a\":1e}", "neither"),
    BAD("a lone minus", "{\"a\":-}", "neither"),
    BAD("hexadecimal", "{\"a\":0x10}", "comma"),
    BAD("a number beyond double", "{\"a\":1e999}", "finite"),
    BAD("a number of 65 digits",
        "{\"a\":11111111111111111111111111111111111111111111111111111111111111111}", "too long"),
    BAD("a string without end", "{\"a\":\"b}", "does not end"),
    BAD("a string that ends in a backslash", "{\"a\":\"b\\", "does not end"),
    BAD("an escaped last quote", "{\"a\":\"b\\\"}", "does not end"),
    BAD("an unknown escape", "{\"a\":\"\\x41\"}", "escape"),
    BAD("half an escape", "{\"a\":\"\\u00\"}", "escape"),
    BAD("an escape that is no hex", "{\"a\":\"\\u00zz\"}", "escape"),
    BAD("an escaped NUL", "{\"a\":\"x\\u0000y\"}", "NUL"),
    BAD("a NUL in a string", "{\"a\":\"x\0y\"}", "NUL"),
    BAD("a NUL in a name", "{\"o\0p\":1}", "NUL"),
    BAD("a line break in a string", "{\"a\":\"x\ny\"}", "control"),
    BAD("a tab in a string", "{\"a\":\"x\ty\"}", "control"),
    BAD("a high surrogate alone", "{\"a\":\"\\ud83d\"}", "surrogate"),
    BAD("a high surrogate before a letter", "{\"a\":\"\\ud83dx\"}", "surrogate"),
    BAD("two high surrogates", "{\"a\":\"\\ud83d\\ud83d\"}", "surrogate"),
    BAD("a low surrogate alone", "{\"a\":\"\\ude00\"}", "surrogate"),
    BAD("a continuation byte alone", "{\"a\":\"\x80\"}", "UTF-8"),
    BAD("an overlong slash", "{\"a\":\"\xc0\xaf\"}", "UTF-8"),
    BAD("a surrogate in UTF-8", "{\"a\":\"\xed\xa0\x80\"}", "UTF-8"),
    BAD("beyond the last code point", "{\"a\":\"\xf4\x90\x80\x80\"}", "UTF-8"),
    BAD("a sequence cut by the quote", "{\"a\":\"\xe2\x82\"}", "UTF-8"),
    BAD("Latin-1 in a name", "{\"\xe9\":1}", "UTF-8"),
    BAD("a list without end", "{\"a\":[1,2}", "closed by another kind"),
    BAD("an object without end", "{\"a\":{\"b\":1}", "does not end"),
    BAD("a list cut off", "{\"a\":[1,2", "does not end"),
    BAD("a string without end in a list", "{\"a\":[\"1,2]}", "does not end"),
    BAD("brackets crossed", "{\"a\":[{]}}", "closed by another kind"),
    BAD("a comment", "{/* */\"a\":1}", "name in quotes"),
};

static void
refused(parse_fn parse, const bad *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        parsed p;
        parsed_make(&p, parse, rows[i].bytes, rows[i].length);
        if (p.ok || p.why == NULL || strstr(p.why, rows[i].why) == NULL)
            fail_msg("%s: %s", rows[i].name,
                     p.ok            ? "was taken"
                     : p.why != NULL ? p.why
                                     : "no reason");
        parsed_free(&p);
    }
}

static void
json_malformed_requests_are_refused(void **state) /* Q2 */
{
    refused(request_parse_json, bad_json, WR_COUNT(bad_json));
}

static void
json_cut_at_any_byte_is_refused(void **state) /* Q1 */
{
    static const char good[] = "{\"op\":\"push\",\"id\":-1.5e3,\"t\":true,\"n\":null,\"s\":"
                               "\"\\ud83d\\ude00\xc3\xa9\",\"rows\":[{\"a\":[1,\"]\"]}]}";
    for (size_t n = 0; n < sizeof good - 1; n++) {
        parsed p;
        parsed_make(&p, request_parse_json, good, n);
        assert_false(p.ok);
        assert_non_null(p.why);
        parsed_free(&p);
    }
}

static void
json_with_any_byte_changed_never_overruns(void **state) /* Q1 */
{
    static const char good[] =
        "{\"op\":\"sub\",\"id\":12,\"s\":\"\\u00e9\xc3\xa9\",\"rows\":[{\"a\":\"b\"},2]}";
    for (size_t at = 0; at < sizeof good - 1; at++)
        for (int byte = 0; byte < 256; byte++) {
            char bytes[sizeof good];
            parsed p;
            memcpy(bytes, good, sizeof good);
            bytes[at] = (char)byte;
            parsed_make(&p, request_parse_json, bytes, sizeof good - 1);
            assert_true(p.ok || p.why != NULL);
            parsed_free(&p);
        }
}

/* {"a":[[[...]]]} of the depth given */
static bool
json_nested(size_t depth)
{
    size_t n = 5 + 2 * depth + 1;
    char *bytes = wr_alloc(NULL, n);
    memcpy(bytes, "{\"a\":", 5);
    memset(bytes + 5, '[', depth);
    memset(bytes + 5 + depth, ']', depth);
    bytes[n - 1] = '}';
    parsed p;
    parsed_make(&p, request_parse_json, bytes, n);
    bool ok = p.ok;
    parsed_free(&p);
    wr_free(bytes);
    return ok;
}

static void
json_nests_so_deep_and_no_deeper(void **state)
{
    assert_true(json_nested(1));
    assert_true(json_nested(SERVER_JSON_DEPTH_MAX));
    assert_false(json_nested(SERVER_JSON_DEPTH_MAX + 1));
    assert_false(json_nested(1 << 20));
}

static bool
json_members(int count)
{
    char bytes[2048];
    size_t n = 0;
    for (int i = 0; i < count; i++)
        n +=
            (size_t)snprintf(bytes + n, sizeof bytes - n, "%c\"m%d\":%d", i == 0 ? '{' : ',', i, i);
    bytes[n++] = '}';
    parsed p;
    parsed_make(&p, request_parse_json, bytes, n);
    bool ok = p.ok;
    parsed_free(&p);
    return ok;
}

static void
json_has_so_many_members_and_no_more(void **state)
{
    assert_true(json_members(SERVER_MEMBERS_MAX));
    assert_false(json_members(SERVER_MEMBERS_MAX + 1));
}

static void
no_memory_is_a_refusal(void **state)
{
    static const char good[] = "{\"op\":\"0123456789012345678901234567890123456789\"}";
    static const char packed[] = "\x81\xa2op\xa3sub";
    wr_budget *budget = wr_budget_create(NULL, "test", 1);
    wr_arena arena;
    request r;
    const char *why;
    wr_arena_init(&arena, budget);
    assert_false(request_parse_json(good, sizeof good - 1, &arena, &r, &why));
    assert_string_equal(why, "out of memory");
    assert_false(request_parse_msgpack(packed, sizeof packed - 1, &arena, &r, &why));
    assert_string_equal(why, "out of memory");
    wr_arena_fini(&arena);
    wr_budget_destroy(budget);
}

/* ---- lists ------------------------------------------------------------------------------------
 */

static void
json_items_come_one_by_one(void **state)
{
    static const char list[] = "[ [\"+\",[7,null]] , \"a\\\"]\",-1.5,true,null,{\"x\":[]} ]";
    static const char *const want[] = { "[\"+\",[7,null]]", "\"a\\\"]\"", "-1.5", "true", "null",
                                        "{\"x\":[]}" };
    const char *at = list, *end = list + sizeof list - 1, *item;
    size_t n, count = 0;
    while (request_json_item(&at, end, &item, &n)) {
        assert_int_equal(n, strlen(want[count]));
        assert_memory_equal(item, want[count], n);
        count++;
    }
    assert_int_equal(count, WR_COUNT(want));
    at = "[]";
    assert_false(request_json_item(&at, at + 2, &item, &n));
    at = "7";
    assert_false(request_json_item(&at, at + 1, &item, &n));
}

static void
json_item_text_is_unescaped(void **state)
{
    wr_arena arena;
    wr_arena_init(&arena, NULL);
    assert_string_equal(request_json_text("\"a\\n\"", 5, &arena), "a\n");
    assert_string_equal(request_json_text("-1.5", 4, &arena), "-1.5");
    assert_null(request_json_text("\"\\q\"", 4, &arena));
    wr_arena_fini(&arena);
}

/* ---- MessagePack ------------------------------------------------------------------------------
 */

static void
pack_members_of_every_kind_are_read(void **state)
{
    static const struct {
        const char *name;
        double value;
    } numbers[] = { { "fix", 7 },      { "neg", -1 },
                    { "u8", 200 },     { "u16", 256 },
                    { "u32", 65536 },  { "u64", 4294967296.0 },
                    { "i8", -2 },      { "i16", -256 },
                    { "i32", -65536 }, { "i64", -4294967296.0 },
                    { "f32", 1.5 },    { "f64", -2.5 } };
    parsed p;
    double value;
    int64_t whole;
    parsed_make(
        PACK("\xde\x00\x12\xa2op\xa3sub\xa3"
             "fix\x07\xa3neg\xff\xa2u8\xcc\xc8\xa3u16\xcd\x01\x00\xa3u32\xce\x00\x01\x00\x00"
             "\xa3u64\xcf\x00\x00\x00\x01\x00\x00\x00\x00\xa2i8\xd0\xfe\xa3i16\xd1\xff\x00\xa3i32"
             "\xd2\xff\xff\x00\x00"
             "\xa3i64\xd3\xff\xff\xff\xff\x00\x00\x00\x00\xa3"
             "f32\xca\x3f\xc0\x00\x00\xa3"
             "f64\xcb\xc0\x04\x00\x00\x00\x00\x00\x00"
             "\xa1t\xc3\xa1n\xc0\xa4list\x93\x01\x92\x02\xa1x\x81\xa1k\xc2\xa2s8\xd9\x02hi\xa3"
             "bin\xc4\x02yo"));
    if (!p.ok)
        fail_msg("%s", p.why);
    assert_string_equal(request_string(&p.request, "op"), "sub");
    for (size_t i = 0; i < WR_COUNT(numbers); i++) {
        assert_true(request_number(&p.request, numbers[i].name, &value));
        assert_true(value == numbers[i].value);
    }
    assert_true(request_whole(&p.request, "i64", &whole));
    assert_int_equal(whole, -4294967296);
    assert_true(request_flag(&p.request, "t"));
    assert_int_equal(request_find(&p.request, "n")->kind, REQUEST_NULL);
    assert_int_equal(request_find(&p.request, "list")->kind, REQUEST_RAW);
    assert_int_equal(request_find(&p.request, "list")->length, 10);
    assert_string_equal(request_string(&p.request, "s8"), "hi");
    assert_string_equal(request_string(&p.request, "bin"), "yo");
    parsed_free(&p);
}

static const bad bad_pack[] = {
    BAD("nothing", "", "one map"),
    BAD("a list", "\x91\x01", "one map"),
    BAD("a number", "\x07", "one map"),
    BAD("JSON", "{\"op\":\"sub\"}", "one map"),
    BAD("a map without its member", "\x81", "cut off"),
    BAD("a member without value",
        "\x81\xa1"
        "a",
        "cut off"),
    BAD("a name that is a number", "\x81\x01\x02", "name is not a string"),
    BAD("a name that is nil", "\x81\xc0\x02", "name is not a string"),
    BAD("a name that is a list", "\x81\x90\x02", "name is not a string"),
    BAD("bytes after the map", "\x80\x00", "follows the map"),
    BAD("a repeated name",
        "\x82\xa1"
        "a\x01\xa1"
        "a\x02",
        "twice"),
    BAD("the type that is never used",
        "\x81\xa1"
        "a\xc1",
        "type that requests do not have"),
    BAD("an extension",
        "\x81\xa1"
        "a\xd4\x01\x00",
        "type that requests do not have"),
    BAD("a timestamp",
        "\x81\xa1"
        "a\xd6\xff\x00\x00\x00\x00",
        "type that requests do not have"),
    BAD("a long extension",
        "\x81\xa1"
        "a\xc9\xff\xff\xff\xff\x01",
        "type that requests do not have"),
    BAD("NaN",
        "\x81\xa1"
        "a\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",
        "finite"),
    BAD("infinity",
        "\x81\xa1"
        "a\xca\x7f\x80\x00\x00",
        "finite"),
    BAD("a string longer than the message",
        "\x81\xa1"
        "a\xd9\x05"
        "bcd",
        "larger than the message"),
    BAD("a string of 4 GB",
        "\x81\xa1"
        "a\xdb\xff\xff\xff\xff"
        "b",
        "larger than the message"),
    BAD("bytes of 4 GB",
        "\x81\xa1"
        "a\xc6\xff\xff\xff\xff"
        "b",
        "larger than the message"),
    BAD("a name of 4 GB",
        "\x81\xdb\xff\xff\xff\xff"
        "b",
        "larger than the message"),
    BAD("a list of 4 G items",
        "\x81\xa1"
        "a\xdd\xff\xff\xff\xff\x01",
        "larger than the message"),
    BAD("a list of 268 M items",
        "\x81\xa1"
        "a\xdd\x10\x00\x00\x00",
        "larger than the message"),
    BAD("a map of 4 G members",
        "\xdf\xff\xff\xff\xff\xa1"
        "a\x01",
        "cut off"),
    BAD("a map of 4 G members inside",
        "\x81\xa1"
        "a\xdf\xff\xff\xff\xff\x01",
        "larger than the message"),
    BAD("a list cut off",
        "\x81\xa1"
        "a\x93\x01\x02",
        "larger than the message"),
    BAD("a list cut off inside",
        "\x81\xa1"
        "a\x93\x01\x02\xcd",
        "cut off"),
    BAD("a length cut off",
        "\x81\xa1"
        "a\xda\x01",
        "cut off"),
    BAD("a number cut off",
        "\x81\xa1"
        "a\xcf\x00\x00",
        "cut off"),
    BAD("bad UTF-8 in a string",
        "\x81\xa1"
        "a\xa2\xc3\x28",
        "UTF-8"),
    BAD("bad UTF-8 in a name", "\x81\xa1\xff\x01", "UTF-8"),
    BAD("a NUL in a string",
        "\x81\xa1"
        "a\xa3x\0y",
        "NUL"),
    BAD("a NUL in a name",
        "\x81\xa2"
        "a\0\x01",
        "NUL"),
};

static void
pack_malformed_requests_are_refused(void **state) /* Q2 */
{
    refused(request_parse_msgpack, bad_pack, WR_COUNT(bad_pack));
}

static const char good_pack[] =
    "\x85\xa2op\xa4push\xa2id\xcd\x01\x00\xa1"
    "f\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00\xa1t\xc3\xa4rows\x92\x81\xa1k\xa1v\x93\x01\xc0\xd9\x01x";

static void
pack_cut_at_any_byte_is_refused(void **state) /* Q1 */
{
    parsed p;
    parsed_make(PACK(good_pack));
    assert_true(p.ok);
    parsed_free(&p);
    for (size_t n = 0; n < sizeof good_pack - 1; n++) {
        parsed_make(&p, request_parse_msgpack, good_pack, n);
        assert_false(p.ok);
        assert_non_null(p.why);
        parsed_free(&p);
    }
}

static void
pack_with_any_byte_changed_never_overruns(void **state) /* Q1 */
{
    for (size_t at = 0; at < sizeof good_pack - 1; at++)
        for (int byte = 0; byte < 256; byte++) {
            char bytes[sizeof good_pack];
            parsed p;
            memcpy(bytes, good_pack, sizeof good_pack);
            bytes[at] = (char)byte;
            parsed_make(&p, request_parse_msgpack, bytes, sizeof good_pack - 1);
            assert_true(p.ok || p.why != NULL);
            parsed_free(&p);
        }
}

static bool
pack_nested(size_t depth)
{
    size_t n = 3 + depth + 1;
    char *bytes = wr_alloc(NULL, n);
    memcpy(bytes,
           "\x81\xa1"
           "a",
           3);
    memset(bytes + 3, 0x91, depth);
    bytes[n - 1] = 0x01;
    parsed p;
    parsed_make(&p, request_parse_msgpack, bytes, n);
    bool ok = p.ok;
    parsed_free(&p);
    wr_free(bytes);
    return ok;
}

static void
pack_nests_so_deep_and_no_deeper(void **state) /* Q1 */
{
    assert_true(pack_nested(SERVER_DEPTH_MAX));
    assert_false(pack_nested(SERVER_DEPTH_MAX + 1));
    assert_false(pack_nested(1 << 20));
}

static void
pack_length_of_a_value(void **state)
{
    assert_int_equal(request_msgpack_length("\x92\x01\xa1x\xff", "\x92\x01\xa1x\xff" + 5), 4);
    const char *bytes = "\x92\x01";
    assert_int_equal(request_msgpack_length(bytes, bytes + 2), 0);
    assert_int_equal(request_msgpack_length(bytes, bytes), 0);
}

WR_TESTS = {
    WR_TEST(json_members_of_every_kind_are_read),
    WR_TEST(json_strings_are_unescaped),
    WR_TEST(json_empty_object_and_empty_names_are_good),
    WR_TEST(json_numbers_follow_the_grammar),
    WR_TEST(json_malformed_requests_are_refused),
    WR_TEST(json_cut_at_any_byte_is_refused),
    WR_TEST(json_with_any_byte_changed_never_overruns),
    WR_TEST(json_nests_so_deep_and_no_deeper),
    WR_TEST(json_has_so_many_members_and_no_more),
    WR_TEST(no_memory_is_a_refusal),
    WR_TEST(json_items_come_one_by_one),
    WR_TEST(json_item_text_is_unescaped),
    WR_TEST(pack_members_of_every_kind_are_read),
    WR_TEST(pack_malformed_requests_are_refused),
    WR_TEST(pack_cut_at_any_byte_is_refused),
    WR_TEST(pack_with_any_byte_changed_never_overruns),
    WR_TEST(pack_nests_so_deep_and_no_deeper),
    WR_TEST(pack_length_of_a_value),
    { NULL, NULL },
};
