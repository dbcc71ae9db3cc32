/* SPDX-License-Identifier: Apache-2.0 */
/* cli/grid.c -- rows laid out, lines put on a screen (see grid.h). */
#include "cli/grid.h"

#include <string.h>

static char *
grid_row(grid *g)
{
    if ((g->rows + 1) * g->columns > g->capacity) {
        int capacity = WR_MAX(g->capacity * 2, 64 * g->columns);
        char(*grown)[GRID_CELL_BYTES] = wr_realloc(NULL, g->cells, (size_t)capacity * GRID_CELL_BYTES);
        if (grown == NULL)
            return NULL;
        g->cells = grown;
        g->capacity = capacity;
    }
    char *row = g->cells[g->rows++ * g->columns];
    memset(row, 0, (size_t)g->columns * GRID_CELL_BYTES);
    return row;
}

void
grid_add(grid *g, const char *const *cells)
{
    char *row = grid_row(g);
    for (int c = 0; row != NULL && c < g->columns; c++)
        snprintf(row + c * GRID_CELL_BYTES, GRID_CELL_BYTES, "%s", cells[c]);
}

void
grid_write(const grid *g, wr_text *to)
{
    int widths[GRID_COLUMNS_MAX] = { 0 };
    for (int r = 0; r < g->rows; r++)
        for (int c = 0; c < g->columns; c++) {
            const char *cell = g->cells[r * g->columns + c];
            widths[c] = WR_MAX(widths[c], cli_columns(cell) - (cell[0] == ' '));
        }
    for (int r = 0; r < g->rows; r++)
        for (int c = 0; c < g->columns; c++) {
            const char *cell = g->cells[r * g->columns + c];
            bool last = c + 1 == g->columns, right = cell[0] == ' ';
            int pad = widths[c] - (cli_columns(cell) - right);
            wr_text_printf(to, "%*s%s%*s%s", right ? pad : 0, "", cell + right, right || last ? 0 : pad, "",
                           last ? "\n" : "  ");
        }
}

void
grid_fini(grid *g)
{
    wr_free(g->cells);
    *g = (grid){ 0 };
}

/* One line, without its end. */
static void
line_put(const screen *s, const char *at, const char *end)
{
    char shown[8];
    int used = 0, columns;
    while (at < end) {
        at += cli_shown(at, (size_t)(end - at), shown, &columns);
        used += columns;
        if (s->columns > 0 && used > s->columns)
            return;
        fputs(shown, s->to);
    }
}

void
screen_put(const screen *s, wr_text *text)
{
    const char *at = wr_text_string(text), *end = at + text->length;
    for (int line = 0; at < end && (s->rows == 0 || line < s->rows); line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop != NULL ? stop : end;
        bool bold = line == s->head && cli_colour(s->to);
        fputs(bold ? "\033[1m" : "", s->to);
        line_put(s, at, stop);
        fputs(bold ? "\033[0m" : "", s->to);
        fputs(s->live ? "\033[K\n" : "\n", s->to);
        at = stop < end ? stop + 1 : end;
    }
}
