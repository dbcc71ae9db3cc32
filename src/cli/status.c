/* SPDX-License-Identifier: Apache-2.0 */
/* cli/status.c -- reading a process's status (see status.h). */
#include "cli/status.h"

#include <string.h>
#include <time.h>

static wr_time
time_of(const char *iso)
{
    struct tm t = { 0 };
    const char *rest = iso != NULL ? strptime(iso, "%Y-%m-%dT%H:%M:%S", &t) : NULL;
    if (rest == NULL)
        return WR_TIME_START;
    wr_time us = (wr_time)timegm(&t) * 1000000, unit = 100000;
    if (*rest == '.')
        for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
            us += (*rest - '0') * unit;
    return us;
}

static part *
part_add(status *s)
{
    if (s->count == s->capacity) {
        uint32_t capacity = s->capacity > 0 ? s->capacity * 2 : 32;
        part *grown = wr_realloc(NULL, s->parts, capacity * sizeof *grown);
        if (grown == NULL)
            return NULL;
        s->parts = grown;
        s->capacity = capacity;
    }
    part *p = &s->parts[s->count++];
    memset(p, 0, sizeof *p);
    return p;
}

static double
amount(const request *m, const char *name)
{
    double n = 0;
    (void)request_number(m, name, &n);
    return n;
}

/* The items of one of a pipeline's lists. */
static bool
parts_read(status *s, const request *pipeline, const char *list_name, const char *kind)
{
    const request_member *list = request_find(pipeline, list_name);
    const char *item, *why;
    size_t n;
    request m;
    if (list == NULL || list->kind != REQUEST_RAW)
        return false;
    for (const char *at = list->text, *end = at + list->length;
         request_json_item(&at, end, &item, &n);) {
        part *p = part_add(s);
        if (p == NULL || !request_parse_json(item, n, &s->arena, &m, &why))
            return false;
        p->kind = kind;
        p->pipeline = request_string(pipeline, "name");
        p->state = request_string(pipeline, "state");
        p->name = request_string(&m, "name");
        p->rows_in = amount(&m, "rows_in");
        p->rows_out = amount(&m, request_find(&m, "rows_out") != NULL ? "rows_out" : "rows");
        p->bytes = amount(&m, "bytes");
        p->bad = amount(&m, "bad");
        p->late = amount(&m, "late");
        p->failed = amount(&m, "failed");
        p->errors = amount(&m, "errors");
        p->state_bytes = amount(&m, "state_bytes");
        p->state_keys = amount(&m, "state_keys");
        p->cpu_s = amount(&m, "cpu_s");
        p->watermark = request_string(&m, "watermark");
        p->watermark_us = time_of(p->watermark);
        p->blocked = request_flag(&m, "blocked");
        p->error = request_string(&m, "error");
        if (p->error != NULL)
            p->state = "failed";
        if (p->pipeline == NULL || p->state == NULL || p->name == NULL)
            return false;
    }
    return true;
}

bool
status_read(const char *json, size_t length, status *s)
{
    request top, pipeline;
    const char *why, *item;
    size_t n;
    memset(s, 0, sizeof *s);
    wr_arena_init(&s->arena, NULL);
    s->taken_us = wr_clock_monotonic(wr_clock_system());
    if (!request_parse_json(json, length, &s->arena, &top, &why))
        return false;
    s->version = request_string(&top, "version");
    s->memory_bytes = amount(&top, "memory_bytes");
    s->cpu_s = amount(&top, "cpu_s");
    s->uptime_s = amount(&top, "uptime_s");
    const request_member *list = request_find(&top, "pipelines");
    if (list == NULL || list->kind != REQUEST_RAW || s->version == NULL)
        return false;
    for (const char *at = list->text, *end = at + list->length;
         request_json_item(&at, end, &item, &n);) {
        if (!request_parse_json(item, n, &s->arena, &pipeline, &why))
            return false;
        const char *error = request_string(&pipeline, "error");
        s->error = error != NULL ? error : s->error;
        if (!parts_read(s, &pipeline, "sources", "source") ||
            !parts_read(s, &pipeline, "views", "view") ||
            !parts_read(s, &pipeline, "sinks", "sink"))
            return false;
    }
    return true;
}

void
status_fini(status *s)
{
    wr_arena_fini(&s->arena);
    wr_free(s->parts);
    s->parts = NULL;
    s->count = s->capacity = 0;
}

const part *
status_find(const status *s, const part *like)
{
    for (uint32_t i = 0; i < s->count; i++) {
        const part *p = &s->parts[i];
        if (strcmp(p->kind, like->kind) == 0 && strcmp(p->name, like->name) == 0 &&
            strcmp(p->pipeline, like->pipeline) == 0)
            return p;
    }
    return NULL;
}

static void
scaled(double n, double step, const char *const *units, char to[16])
{
    int unit = 0;
    while (n >= 999.5 && unit < 4) {
        n /= step;
        unit++;
    }
    snprintf(to, 16,
             unit == 0 || n >= 99.95 ? "%.0f%s"
             : n >= 9.995            ? "%.1f%s"
                                     : "%.2f%s",
             n, units[unit]);
}

void
status_bytes(double bytes, char to[16])
{
    static const char *const units[] = { " B", " KB", " MB", " GB", " TB" };
    scaled(bytes, 1000, units, to);
}

void
status_amount(double n, char to[16])
{
    static const char *const units[] = { "", " K", " M", " G", " T" };
    scaled(n, 1000, units, to);
}

void
status_notes(const part *p, char *to, size_t size)
{
    size_t at = 0;
    char n[16];
    const struct {
        const char *word;
        double count;
    } notes[] = {
        { "bad", p->bad }, { "late", p->late }, { "failed", p->failed }, { "errors", p->errors }
    };
    to[0] = '\0';
    if (p->blocked || p->error != NULL)
        at += (size_t)snprintf(to, size, p->error != NULL ? "FAILED: weir why " : "BLOCKED ");
    for (size_t i = 0; i < WR_COUNT(notes) && at < size; i++)
        if (notes[i].count > 0) {
            status_amount(notes[i].count, n);
            at += (size_t)snprintf(to + at, size - at, "%s %s ", n, notes[i].word);
        }
}

void
status_write_error(const status *s, wr_text *to)
{
    if (s->error != NULL)
        wr_text_printf(to, "failed: %s\n", s->error);
}

int
status_ask(client *c, status *out, FILE *raw)
{
    request answer;
    wr_text text;
    wr_text_init(&text, NULL);
    wr_text_puts(&text, "{\"op\":\"status\"");
    int rc = client_ask(c, &text, &answer);
    wr_text_fini(&text);
    if (rc != CLI_OK)
        return rc;
    const request_member *json = request_find(&answer, "json");
    if (json != NULL && raw != NULL)
        fprintf(raw, "%.*s\n", (int)json->length, json->text);
    if (json != NULL && status_read(json->text, json->length, out))
        return CLI_OK;
    if (json != NULL)
        status_fini(out);
    cli_say("the server's status cannot be read");
    return CLI_FAILED;
}
