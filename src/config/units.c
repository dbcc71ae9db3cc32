/* SPDX-License-Identifier: Apache-2.0 */
/* config/units.c -- durations, sizes and rates: text in and out (see options.h). */
#include "config/options.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct unit {
    const char *name;
    double factor;
} unit;

static const unit durations[] = {
    { "us", 1 },         { "ms", 1e3 },        { "s", 1e6 },          { "sec", 1e6 },
    { "second", 1e6 },   { "seconds", 1e6 },   { "m", 60e6 },         { "min", 60e6 },
    { "minute", 60e6 },  { "minutes", 60e6 },  { "h", 3600e6 },       { "hour", 3600e6 },
    { "hours", 3600e6 }, { "d", 86400e6 },     { "day", 86400e6 },    { "days", 86400e6 },
    { "w", 604800e6 },   { "week", 604800e6 }, { "weeks", 604800e6 },
};
static const unit sizes[] = {
    { "B", 1 },
    { "kB", 1e3 },
    { "KB", 1e3 },
    { "MB", 1e6 },
    { "GB", 1e9 },
    { "TB", 1e12 },
    { "KiB", 1024 },
    { "MiB", 1048576.0 },
    { "GiB", 1073741824.0 },
    { "TiB", 1099511627776.0 },
};

/* Sum of number-unit pairs ("1h30m"); false when the text is anything else. */
static bool
units_parse(const char *text, const unit *units, size_t unit_count, double *sum)
{
    *sum = 0;
    const char *at = text;
    bool any = false;
    for (;;) {
        while (isspace((unsigned char)*at))
            at++;
        if (*at == '\0')
            return any;
        if (!isdigit((unsigned char)*at) && *at != '.')
            return false;
        char *end;
        double number = strtod(at, &end);
        if (end == at || !isfinite(number))
            return false;
        at = end;
        while (isspace((unsigned char)*at))
            at++;
        size_t n = 0, found = unit_count;
        while (isalpha((unsigned char)at[n]))
            n++;
        for (size_t i = 0; i < unit_count; i++)
            if (strlen(units[i].name) == n && memcmp(units[i].name, at, n) == 0)
                found = i;
        if (found == unit_count)
            return false;
        *sum += number * units[found].factor;
        at += n;
        any = true;
    }
}

weir_status
wr_duration_parse(const char *text, int64_t *us, weir_error *err)
{
    double sum;
    if (strcmp(text, "0") == 0) {
        *us = 0;
        return WEIR_OK;
    }
    if (!units_parse(text, durations, WR_COUNT(durations), &sum) || sum > 9e18) {
        weir_status s = wr_error_set(err, WEIR_CONFIG_VALUE, "`%.60s` is not a duration", text);
        wr_error_hint(err, "write a number and a unit: 250ms, 10s, 5min, 1h30m, 7d");
        return s;
    }
    *us = (int64_t)sum;
    return WEIR_OK;
}

weir_status
wr_bytes_parse(const char *text, int64_t *bytes, weir_error *err)
{
    double sum;
    if (strcmp(text, "0") == 0) {
        *bytes = 0;
        return WEIR_OK;
    }
    if (!units_parse(text, sizes, WR_COUNT(sizes), &sum) || sum > 9e18) {
        weir_status s = wr_error_set(err, WEIR_CONFIG_VALUE, "`%.60s` is not a size", text);
        wr_error_hint(err, "write a number and a unit: 512KB, 64MB, 2GB (powers of ten) or 64MiB");
        return s;
    }
    *bytes = (int64_t)sum;
    return WEIR_OK;
}

weir_status
wr_rate_parse(const char *text, double *per_second, weir_error *err)
{
    char *end;
    double number = strtod(text, &end), factor = 1;
    if (end != text && (*end == 'k' || *end == 'M')) {
        factor = *end == 'k' ? 1e3 : 1e6;
        end++;
    }
    const char *per = end;
    double span = strcmp(per, "/s") == 0     ? 1
                  : strcmp(per, "/min") == 0 ? 60
                  : strcmp(per, "/h") == 0   ? 3600
                                             : 0;
    if (end == text || span == 0 || !isfinite(number) || number < 0) {
        weir_status s = wr_error_set(err, WEIR_CONFIG_VALUE, "`%.60s` is not a rate", text);
        wr_error_hint(err, "write it like 20/s, 100k/s or 5/min");
        return s;
    }
    *per_second = number * factor / span;
    return WEIR_OK;
}

void
wr_duration_print(int64_t us, wr_text *to)
{
    double a = fabs((double)us);
    if (a < 1e3)
        wr_text_printf(to, "%lld us", (long long)us);
    else if (a < 1e6)
        wr_text_printf(to, "%.4g ms", (double)us / 1e3);
    else if (a < 120e6)
        wr_text_printf(to, "%.4g s", (double)us / 1e6);
    else if (a < 7200e6)
        wr_text_printf(to, "%.4g min", (double)us / 60e6);
    else if (a < 172800e6)
        wr_text_printf(to, "%.4g h", (double)us / 3600e6);
    else
        wr_text_printf(to, "%.4g days", (double)us / 86400e6);
}

void
wr_bytes_print(uint64_t bytes, wr_text *to)
{
    double b = (double)bytes;
    if (b < 1e3)
        wr_text_printf(to, "%llu B", (unsigned long long)bytes);
    else if (b < 1e6)
        wr_text_printf(to, "%.3g kB", b / 1e3);
    else if (b < 1e9)
        wr_text_printf(to, "%.3g MB", b / 1e6);
    else
        wr_text_printf(to, "%.3g GB", b / 1e9);
}
