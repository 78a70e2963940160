/* SPDX-License-Identifier: Apache-2.0 */
#include "model/definition.h"

#include <stdio.h>
#include <string.h>

#include "util/num.h"

static const struct {
    const char *id, *text;
} rows[] = {
#define X(name, number, id, text) [(number)] = {id, text},
    VR_DEFINITION_NOTES(X)
#undef X
};

void vr_definition_note_add(struct vr_definition_notes *notes,
                            enum vr_definition_note why,
                            const char *what)
{
    for (uint32_t i = 0; i < notes->n; i++) {
        if (notes->note[i].why == why && strcmp(notes->note[i].what, what) == 0) {
            return;
        }
    }
    if (notes->n == VR_NOTES_MAX) {
        notes->more = true;
        return;
    }
    notes->note[notes->n].why = (uint8_t)why;
    snprintf(notes->note[notes->n++].what, VR_NOTE_WHAT_MAX, "%s", what);
}

const char *vr_definition_note_id(unsigned why)
{
    return why < VR_COUNT(rows) ? rows[why].id : NULL;
}

const char *vr_definition_note_text(unsigned why)
{
    return why < VR_COUNT(rows) ? rows[why].text : NULL;
}

const char *vr_nvram_text(unsigned state)
{
    static const char *const texts[] = {
#define X(name, number, text) [(number)] = (text),
        VR_NVRAMS(X)
#undef X
    };
    return state < VR_COUNT(texts) ? texts[state] : "unknown";
}

const char *vr_defined_id(unsigned state)
{
    static const char *const ids[] = {
#define X(name, number, id, text) [(number)] = (id),
        VR_DEFINED_STATES(X)
#undef X
    };
    return state < VR_COUNT(ids) ? ids[state] : "unknown";
}
