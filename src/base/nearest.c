/* SPDX-License-Identifier: Apache-2.0 */
/* base/nearest.c -- the name that was meant (see nearest.h). */
#include "base/nearest.h"

#include "base/status.h"

#include <string.h>

enum { EDITS_MAX = 3, LENGTH_MAX = 63, PREFIX_MIN = 3, PREFIX_COST = 2 * EDITS_MAX + 2 };

uint32_t
wr_edit_distance(const char *a, const char *b, uint32_t limit)
{
    size_t n = strlen(a), m = strlen(b);
    if (n > LENGTH_MAX || m > LENGTH_MAX || n > m + limit || m > n + limit)
        return limit + 1;
    uint8_t d[LENGTH_MAX + 1][LENGTH_MAX + 1];
    for (size_t i = 0; i <= n; i++)
        d[i][0] = (uint8_t)i;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = (uint8_t)j;
    for (size_t i = 1; i <= n; i++)
        for (size_t j = 1; j <= m; j++) {
            uint32_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            best = WR_MIN(best, d[i - 1][j] + 1u);
            best = WR_MIN(best, d[i][j - 1] + 1u);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = WR_MIN(best, d[i - 2][j - 2] + 1u);
            d[i][j] = (uint8_t)best;
        }
    return d[n][m] <= limit ? d[n][m] : limit + 1;
}

void
wr_nearest_init(wr_nearest *nearest, const char *name)
{
    *nearest = (wr_nearest){ .name = name, .cost = UINT32_MAX };
}

void
wr_nearest_offer(wr_nearest *nearest, const char *candidate)
{
    size_t length = strlen(nearest->name);
    uint32_t limit = length < 2 ? 0 : (uint32_t)WR_MIN(length / 2, (size_t)EDITS_MAX);
    uint32_t edits = wr_edit_distance(nearest->name, candidate, limit);
    uint32_t cost = UINT32_MAX;
    if (edits <= limit)
        cost = 2 * edits + (strlen(candidate) != length);
    else if (length >= PREFIX_MIN && strncmp(candidate, nearest->name, length) == 0)
        cost = PREFIX_COST;
    if (cost >= nearest->cost)
        return;
    nearest->cost = cost;
    nearest->best = candidate;
}
