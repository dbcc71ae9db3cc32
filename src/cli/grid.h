/* SPDX-License-Identifier: Apache-2.0 */
/* cli/grid.h -- a small table, and lines on a screen that has an edge: for `ls` and `top`. */
#pragma once

#include "cli/status.h"

enum { GRID_CELL_BYTES = 64, GRID_COLUMNS_MAX = 16 };

/* Text to the left, numbers (cells that begin with a blank) to the right. */
typedef struct grid {
    int columns, rows, capacity;
    char (*cells)[GRID_CELL_BYTES];
} grid;
/* Borrows cells. */
void grid_add(grid *g, const char *const *cells);
/* A line a row. */
void grid_write(const grid *g, wr_text *to);
void grid_fini(grid *g);

typedef struct screen {
    FILE *to;
    int columns, rows; /* 0: without end */
    int head;          /* the line that is bold, from 0 */
    bool live;         /* what stood there is overwritten */
} screen;
/* Lines of text; what lies beyond the edges is cut, control characters are shown. */
void screen_put(const screen *s, wr_text *text);
