/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "util/err.h"
#include "util/num.h"

#define GAP 2

/* --- text on a terminal --- */

/* Names are UTF-8 whatever the environment says, so widths are asked of a locale of our own. */
static locale_t utf8(void)
{
    static locale_t l;
    if (!l) {
        l = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
    }
    return l;
}

/* The character at text: its bytes and columns. What is no character is one byte in one column. */
static size_t next_char(const char *text, size_t *ret_columns)
{
    mbstate_t st = {0};
    wchar_t wc;
    size_t n = mbrtowc(&wc, text, strlen(text), &st);
    if (n == 0 || n > 4) {
        *ret_columns = 1;
        return 1;
    }
    int w = wcwidth(wc);
    *ret_columns = w < 0 ? 1 : (size_t)w;
    return n;
}

/* How many bytes of text fit into `columns`, and how many columns they take. */
static size_t fitting(const char *text, size_t columns, size_t *ret_columns)
{
    locale_t l = utf8(), old = l ? uselocale(l) : NULL;
    size_t bytes = 0, used = 0;
    while (text[bytes]) {
        size_t w, n = next_char(text + bytes, &w);
        if (used + w > columns) {
            break;
        }
        bytes += n;
        used += w;
    }
    if (old) {
        uselocale(old);
    }
    *ret_columns = used;
    return bytes;
}

size_t text_columns(const char *text)
{
    size_t used;
    (void)fitting(text, SIZE_MAX, &used);
    return used;
}

size_t text_put(const char *text, size_t columns, FILE *f)
{
    size_t used, bytes = fitting(text, columns, &used);
    if (!text[bytes]) {
        fputs(text, f);
        return used;
    }
    if (columns == 0) {
        return 0;
    }
    bytes = fitting(text, columns - 1, &used);
    fprintf(f, "%.*s~", (int)bytes, text);
    return used + 1;
}

size_t terminal_columns(FILE *f)
{
    struct winsize ws = {0};
    if (!isatty(fileno(f))) {
        return 0;
    }
    if (ioctl(fileno(f), TIOCGWINSZ, &ws) < 0 || ws.ws_col == 0) {
        return 80;
    }
    return ws.ws_col;
}

char *text_clean(const char *text)
{
    char *copy = strdup(text);
    for (char *p = copy; p && *p; p++) {
        bool c1 = (unsigned char)p[0] == 0xc2 && (unsigned char)p[1] < 0xa0 && p[1] != 0;
        if ((unsigned char)*p < 0x20 || *p == 0x7f || c1) {
            p[c1] = *p = '?';
        }
    }
    return copy;
}

/* Bytes until a word that does not fit into `columns` begins; at least one character. */
static size_t line_break(const char *text, size_t columns)
{
    size_t used, bytes = fitting(text, columns, &used), at = bytes;
    if (!text[bytes]) {
        return bytes;
    }
    while (at > 0 && text[at] != ' ') {
        at--;
    }
    return at ? at : bytes ? bytes : 1;
}

void text_line(const char *name, const char *text, size_t columns, FILE *f)
{
    size_t room = columns > TEXT_NAME_COLUMNS + 10 ? columns - TEXT_NAME_COLUMNS : SIZE_MAX;
    char *clean = text_clean(text);
    const char *p = clean ? clean : "(out of memory)";
    do {
        size_t n = line_break(p, room);
        fprintf(f, "%-*s%.*s\n", TEXT_NAME_COLUMNS, name, (int)n, p);
        name = "";
        p += n;
        p += *p == ' ';
    } while (*p);
    free(clean);
}

/* --- tables --- */

void table_init(struct table *t, size_t ncols, const char *const *headings)
{
    vr_assert(ncols <= TABLE_COLUMNS_MAX);
    *t = (struct table){.ncols = ncols};
    table_row(t);
    for (size_t i = 0; i < ncols; i++) {
        table_set(t, i, headings[i]);
    }
}

void table_deinit(struct table *t)
{
    for (size_t i = 0; i < t->nrows * t->ncols; i++) {
        free(t->cells[i]);
    }
    for (size_t i = 0; i < t->nrows; i++) {
        free(t->notes[i]);
    }
    free(t->cells);
    free(t->notes);
    *t = (struct table){0};
}

void table_row(struct table *t)
{
    if (t->failed) {
        return;
    }
    if (t->nrows == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 16;
        char **cells = reallocarray(t->cells, cap * t->ncols, sizeof(*cells));
        t->cells = cells ? cells : t->cells;
        char **notes = cells ? reallocarray(t->notes, cap, sizeof(*notes)) : NULL;
        if (!notes) {
            t->failed = true;
            return;
        }
        t->notes = notes;
        t->cap = cap;
    }
    for (size_t i = 0; i < t->ncols; i++) {
        t->cells[t->nrows * t->ncols + i] = NULL;
    }
    t->notes[t->nrows] = NULL;
    t->nrows++;
}

void table_set(struct table *t, size_t col, const char *text)
{
    vr_assert(col < t->ncols);
    if (t->failed) {
        return;
    }
    char **cell = &t->cells[(t->nrows - 1) * t->ncols + col];
    free(*cell);
    *cell = *text ? text_clean(text) : NULL;
    t->failed = *text && !*cell;
}

void table_note(struct table *t, const char *text)
{
    if (!t->failed && *text) {
        char **note = &t->notes[t->nrows - 1];
        free(*note);
        *note = text_clean(text);
        t->failed = !*note;
    }
}

struct fit {
    bool shown[TABLE_COLUMNS_MAX];
    size_t natural[TABLE_COLUMNS_MAX], width[TABLE_COLUMNS_MAX];
    bool empty[TABLE_COLUMNS_MAX];
};

static void measure(const struct table *t, struct fit *fit)
{
    *fit = (struct fit){0};
    for (size_t col = 0; col < t->ncols; col++) {
        fit->shown[col] = fit->empty[col] = true;
        for (size_t row = 0; row < t->nrows; row++) {
            const char *cell = t->cells[row * t->ncols + col];
            size_t n = text_columns(cell ? cell : "-");
            fit->natural[col] = VR_MAX(fit->natural[col], n);
            fit->empty[col] = fit->empty[col] && (row == 0 || !cell);
        }
        fit->width[col] = fit->natural[col];
    }
}

static size_t total(const struct table *t, const struct fit *fit)
{
    size_t sum = 0;
    for (size_t col = 0; col < t->ncols; col++) {
        sum += fit->shown[col] ? fit->width[col] + GAP : 0;
    }
    return sum ? sum - GAP : 0;
}

/* The column to leave out next: what says nothing, then what matters least; ncols: none may. */
static size_t least(const struct table *t, const struct fit *fit)
{
    size_t found = t->ncols;
    unsigned worst = 0;
    for (size_t col = 0; col < t->ncols; col++) {
        unsigned drop = t->cols[col].drop, cost = drop + (fit->empty[col] ? 1000 : 0);
        if (fit->shown[col] && drop > 0 && cost > worst) {
            worst = cost;
            found = col;
        }
    }
    return found;
}

/* Narrows what may be narrowed, leaves out what has to be, and gives back what is left. */
static void make_fit(const struct table *t, struct fit *fit, size_t columns)
{
    size_t sum = total(t, fit), col;
    if (columns == 0 || sum <= columns || !t->cols) {
        return;
    }
    for (col = 0; col < t->ncols; col++) {
        size_t min = t->cols[col].min;
        fit->width[col] = min ? VR_MIN(min, fit->natural[col]) : fit->natural[col];
    }
    while ((sum = total(t, fit)) > columns && (col = least(t, fit)) < t->ncols) {
        fit->shown[col] = false;
    }
    for (col = 0; col < t->ncols && sum < columns; col++) {
        size_t more = VR_MIN(fit->natural[col] - fit->width[col], columns - sum);
        fit->width[col] += fit->shown[col] ? more : 0;
        sum += fit->shown[col] ? more : 0;
    }
}

static void print_row(const struct table *t, const struct fit *fit, size_t row, size_t max, FILE *f)
{
    size_t at = 0, end = 0; /* where the cell begins, and where the line ends */
    for (size_t col = 0; col < t->ncols; col++) {
        const char *cell = t->cells[row * t->ncols + col];
        if (!fit->shown[col]) {
            continue;
        }
        size_t left = max > at ? max - at : 0;
        size_t room = max ? VR_MIN(fit->width[col], left) : fit->width[col];
        fprintf(f, "%*s", room ? (int)(at - end) : 0, "");
        end = room ? at + text_put(cell ? cell : "-", room, f) : end;
        at += fit->width[col] + GAP;
    }
    fputc('\n', f);
    if (t->notes[row] && (max == 0 || max > 4)) {
        fputs("    ", f);
        text_put(t->notes[row], max ? max - 4 : SIZE_MAX, f);
        fputc('\n', f);
    }
}

void table_print(const struct table *t, FILE *f)
{
    table_print_fit(t, 0, f);
}

void table_print_fit(const struct table *t, size_t columns, FILE *f)
{
    struct fit fit;
    measure(t, &fit);
    make_fit(t, &fit, columns);
    for (size_t row = 0; row < t->nrows; row++) {
        print_row(t, &fit, row, t->cols ? columns : 0, f);
    }
    if (t->failed) {
        fprintf(f, "(incomplete: out of memory)\n");
    }
}
