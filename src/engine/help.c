/* SPDX-License-Identifier: Apache-2.0 */
/* engine/help.c -- help made from the registries: functions, aggregates, connectors, formats. */
#include "engine/engine_impl.h"
#include "expr/function.h"

#include <string.h>

typedef struct help {
    wr_text     to;
    bool        json, any;
    const char *topic;
} help;

static void
print_function(const wr_function *f, void *user)
{
    help *h = user;
    bool  prefix = f->name[0] < 'A' || f->name[0] > 'z' || f->name[0] == '^' || f->name[0] == '[';
    if (h->json) {
        wr_text_puts(&h->to, h->any ? ",\n{\"name\":" : "{\"name\":");
        wr_text_put_json(&h->to, f->name, strlen(f->name));
        wr_text_puts(&h->to, ",\"topic\":");
        wr_text_put_json(&h->to, f->topic != NULL ? f->topic : "", f->topic != NULL ? strlen(f->topic) : 0);
        wr_text_puts(&h->to, ",\"doc\":");
        wr_text_put_json(&h->to, f->doc != NULL ? f->doc : "", f->doc != NULL ? strlen(f->doc) : 0);
        wr_text_puts(&h->to, "}");
        h->any = true;
        return;
    }
    if (h->topic == NULL || f->topic == NULL || strcmp(h->topic, f->topic) != 0) {
        wr_text_printf(&h->to, "\n%s\n", f->topic != NULL ? f->topic : "other");
        h->topic = f->topic;
    }
    size_t began = h->to.length;
    wr_text_puts(&h->to, "  ");
    if (prefix && f->arg_count == 2) {
        wr_type_print(f->args[0], &h->to);
        wr_text_printf(&h->to, " %s ", f->name);
        wr_type_print(f->args[1], &h->to);
    } else {
        wr_text_printf(&h->to, "%s(", f->name);
        for (uint32_t a = 0; a < f->arg_count; a++) {
            wr_text_puts(&h->to, a > 0 ? ", " : "");
            if (f->args[a].id >= WR_ANY)
                wr_text_puts(&h->to, f->args[a].id == WR_ANYARRAY ? "anyarray" : f->args[a].id == WR_ANYELEMENT ? "anyelement" : "any");
            else
                wr_type_print(f->args[a], &h->to);
        }
        wr_text_puts(&h->to, f->variadic ? ", ...)" : ")");
    }
    while (h->to.length - began < 46 && wr_text_ok(&h->to))
        wr_text_putc(&h->to, ' ');
    wr_text_printf(&h->to, " %s\n", f->doc != NULL ? f->doc : "");
}

static void
print_aggregate(const wr_aggregate *a, void *user)
{
    help *h = user;
    if (h->json) {
        wr_text_puts(&h->to, h->any ? ",\n{\"name\":" : "{\"name\":");
        wr_text_put_json(&h->to, a->name, strlen(a->name));
        wr_text_puts(&h->to, ",\"doc\":");
        wr_text_put_json(&h->to, a->doc != NULL ? a->doc : "", a->doc != NULL ? strlen(a->doc) : 0);
        wr_text_puts(&h->to, "}");
        h->any = true;
        return;
    }
    size_t began = h->to.length;
    wr_text_printf(&h->to, "  %s(", a->name);
    for (uint32_t i = 0; i < a->arg_count; i++) {
        wr_text_puts(&h->to, i > 0 ? ", " : "");
        if (a->args[i].id >= WR_ANY)
            wr_text_puts(&h->to, "any");
        else
            wr_type_print(a->args[i], &h->to);
    }
    wr_text_putc(&h->to, ')');
    while (h->to.length - began < 46 && wr_text_ok(&h->to))
        wr_text_putc(&h->to, ' ');
    wr_text_printf(&h->to, " %s%s\n", a->doc != NULL ? a->doc : "", a->retract == NULL ? " (cannot retract)" : "");
}

static bool
help_named(help *h, const char *topic)
{
    const wr_source_ops  *source = wr_source_find(topic);
    const wr_sink_ops    *sink = wr_sink_find(topic);
    const wr_decoder_ops *decoder = wr_decoder_find(topic);
    const wr_encoder_ops *encoder = wr_encoder_find(topic);
    if (source != NULL) {
        wr_text_printf(&h->to, "source %s -- %s\n", topic, source->doc);
        wr_options_help(source->options, &h->to);
    }
    if (sink != NULL) {
        wr_text_printf(&h->to, "sink %s -- %s\n", topic, sink->doc);
        wr_options_help(sink->options, &h->to);
    }
    if (decoder != NULL) {
        wr_text_printf(&h->to, "format %s, read\n", topic);
        wr_options_help(decoder->options, &h->to);
    }
    if (encoder != NULL) {
        wr_text_printf(&h->to, "format %s, written\n", topic);
        wr_options_help(encoder->options, &h->to);
    }
    return source != NULL || sink != NULL || decoder != NULL || encoder != NULL;
}

weir_status
weir_help(const char *topic, weir_text_format format, char **text, weir_error *err)
{
    help h = { .json = format == WEIR_TEXT_JSON };
    wr_text_init(&h.to, NULL);
    if (h.json)
        wr_text_puts(&h.to, "[");
    if (strcmp(topic, "functions") == 0) {
        wr_function_each(print_function, &h);
    } else if (strcmp(topic, "aggregates") == 0) {
        wr_aggregate_each(print_aggregate, &h);
    } else if (!help_named(&h, topic)) {
        wr_text_fini(&h.to);
        weir_status st = wr_error_set(err, WEIR_USAGE, "there is no help on \"%.60s\"", topic);
        wr_error_hint(err, "a verb, functions, aggregates, a connector (kafka, file, tcp, nexmark, stdout) or a format (json, csv, msgpack, line)");
        return st;
    }
    if (h.json)
        wr_text_puts(&h.to, "]\n");
    *text = wr_text_take(&h.to, NULL);
    return *text != NULL ? WEIR_OK : wr_error_set(err, WEIR_MEMORY, "no memory for the help");
}
