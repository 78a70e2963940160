/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables and texts on a terminal, in its columns: names are UTF-8, and a character may take two of
 * them or none. Everything from outside is made free of control characters.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 16
#define TEXT_NAME_COLUMNS 16

size_t text_columns(const char *text);
/* At most `columns` of it; what is cut ends in '~'. Returns the columns that were printed. */
size_t text_put(const char *text, size_t columns, FILE *f);
/* "name        text", broken between words when there are `columns` (0: there is no end). */
void text_line(const char *name, const char *text, size_t columns, FILE *f);
/* A copy without control characters, to be freed. NULL: no memory. */
char *text_clean(const char *text);
/* Of the terminal f is; 0: it is none. */
size_t terminal_columns(FILE *f);

/* How a column gives way on a terminal that is too narrow. */
struct table_col {
    size_t min;    /* it may be cut down to so many columns; 0: it is not cut */
    unsigned drop; /* the greatest is left out first; 0: never */
};

struct table {
    size_t ncols, nrows, cap;
    char **cells;                 /* nrows * ncols, owned; the first row are the headings */
    char **notes;                 /* nrows, owned; NULL: none */
    const struct table_col *cols; /* borrowed; NULL: nothing gives way */
    bool failed;                  /* no memory: sticky */
};

void table_init(struct table *t, size_t ncols, const char *const *headings);
void table_deinit(struct table *t);
/* Starts a row; its cells are set by table_set, "-" otherwise. */
void table_row(struct table *t);
void table_set(struct table *t, size_t col, const char *text);
/* A line of its own below the row; "": none. */
void table_note(struct table *t, const char *text);
void table_print(const struct table *t, FILE *f);
/* No line is longer than `columns` (0: there is no limit). */
void table_print_fit(const struct table *t, size_t columns, FILE *f);
