/* SPDX-License-Identifier: Apache-2.0 */
/* engine/help.c -- help made from the registries: functions, aggregates, connectors, formats. */
#include "engine/engine_impl.h"
#include "expr/function.h"

#include <string.h>

typedef struct help {
    wr_text to;
    bool json, any;
    const char *topic;
} help;

/* A type of a signature, which may be one of the pseudo types. */
static void
put_type(wr_text *to, wr_type type)
{
    static const char *const pseudo[] = { "any", "anyelement", "anyarray", "anynonarray" };
    if (type.id >= WR_ANY && type.id - WR_ANY < (int) WR_COUNT(pseudo))
        wr_text_puts(to, pseudo[type.id - WR_ANY]);
    else
        wr_type_print(type, to);
}

static void
put_args(wr_text *to, const wr_type *args, uint32_t count, bool variadic)
{
    wr_text_putc(to, '(');
    for (uint32_t a = 0; a < count; a++) {
        wr_text_puts(to, a > 0 ? ", " : "");
        put_type(to, args[a]);
    }
    wr_text_puts(to, variadic ? ", ...)" : ")");
}

static void
put_member(help *h, const char *name, const char *value)
{
    wr_text_printf(&h->to, ",\"%s\":", name);
    wr_text_put_json(&h->to, value != NULL ? value : "", value != NULL ? strlen(value) : 0);
}

/* One object of the list: what it is called, how it is written, what it gives, what it does. */
static void
put_json(help *h, const char *name, const char *topic, const char *call, const char *doc)
{
    wr_text_puts(&h->to, h->any ? ",\n{\"name\":" : "{\"name\":");
    wr_text_put_json(&h->to, name, strlen(name));
    if (topic != NULL)
        put_member(h, "topic", topic);
    put_member(h, "call", call);
    put_member(h, "doc", doc);
    h->any = true;
}

static void
put_line(help *h, const char *call, const char *doc, const char *more)
{
    wr_text_printf(&h->to, "  %-44s %s%s\n", call, doc != NULL ? doc : "", more);
}

/* An operator stands between its arguments, or before its only one. */
static void
put_call(wr_text *to, const wr_function *f)
{
    bool symbol = strchr("+-*/%<>=~!@#&|^?[", f->name[0]) != NULL;
    if (symbol && f->arg_count == 2) {
        put_type(to, f->args[0]);
        wr_text_printf(to, " %s ", f->name);
        put_type(to, f->args[1]);
    } else if (symbol && f->arg_count == 1) {
        wr_text_printf(to, "%s ", f->name);
        put_type(to, f->args[0]);
    } else {
        wr_text_puts(to, f->name);
        put_args(to, f->args, f->arg_count, f->variadic);
    }
}

static void
print_function(const wr_function *f, void *user)
{
    help       *h = user;
    const char *topic = f->topic != NULL ? f->topic : "other";
    wr_text     call;
    if (strcmp(topic, "internal") == 0 || strcmp(topic, "cast") == 0)
        return; /* what only the binder names; casts are written x::type */
    wr_text_init(&call, NULL);
    put_call(&call, f);
    if (h->json) {
        put_json(h, f->name, topic, wr_text_string(&call), f->doc);
        wr_text_clear(&call);
        put_type(&call, f->result);
        put_member(h, "result", wr_text_string(&call));
        wr_text_puts(&h->to, ",\"args\":[");
        for (uint32_t a = 0; a < f->arg_count; a++) {
            wr_text_clear(&call);
            put_type(&call, f->args[a]);
            wr_text_puts(&h->to, a > 0 ? "," : "");
            wr_text_put_json(&h->to, wr_text_string(&call), call.length);
        }
        wr_text_printf(&h->to, "],\"optional\":%u,\"variadic\":%s}", f->optional,
                       f->variadic ? "true" : "false");
    } else {
        if (h->topic == NULL || strcmp(h->topic, topic) != 0)
            wr_text_printf(&h->to, "\n%s\n", topic);
        put_line(h, wr_text_string(&call), f->doc, "");
    }
    h->topic = topic;
    wr_text_fini(&call);
}

static void
print_aggregate(const wr_aggregate *a, void *user)
{
    help   *h = user;
    wr_text call;
    if (strchr(a->name, ' ') != NULL) /* "mode desc": what only the binder names */
        return;
    wr_text_init(&call, NULL);
    wr_text_puts(&call, a->name);
    put_args(&call, a->args, a->arg_count, false);
    if (h->json) {
        put_json(h, a->name, NULL, wr_text_string(&call), a->doc);
        wr_text_clear(&call);
        put_type(&call, a->result);
        put_member(h, "result", wr_text_string(&call));
        wr_text_printf(&h->to, ",\"retract\":%s}", a->retract != NULL ? "true" : "false");
    } else {
        put_line(h, wr_text_string(&call), a->doc, a->retract == NULL ? " (cannot retract)" : "");
    }
    wr_text_fini(&call);
}

static bool
help_named(help *h, const char *topic)
{
    const wr_source_ops *source =
        strcmp(topic, "push") == 0 ? &wr_push_source_ops : wr_source_find(topic);
    const wr_sink_ops *sink = wr_sink_find(topic);
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
        wr_error_hint(err, "a verb, functions, aggregates, a connector (kafka, file, tcp, ...) "
                           "or a format (json, csv, ...)");
        return st;
    }
    if (h.json)
        wr_text_puts(&h.to, "]\n");
    *text = wr_text_take(&h.to, NULL);
    return *text != NULL ? WEIR_OK : wr_error_set(err, WEIR_MEMORY, "no memory for the help");
}
