/* SPDX-License-Identifier: Apache-2.0 */
/* What a person does to the primary's disks: one grows, shrinks, is added or taken out. */
#include <stdlib.h>

#include "tests/sim/acts.h"
#include "util/num.h"

#define DISKS_MOST 4 /* as many as a stamp tells apart */
#define SIZE_LEAST (64 * VR_KIB)

/*
 * Copies that people carried are of other disks then, and refused, which is tested elsewhere: only
 * replicas that have a generation, or were never anything but empty images.
 */
static bool may_reshape(struct world *w)
{
    bool plain = w->counts[SIM_SEEDS] + w->counts[SIM_EXPORT] + w->counts[SIM_CREATED] == 0;
    bool may = w->counts[SIM_REMOVED] == 0 && !source_locked(w);
    for (int at = 0; at < 2 && may; at++) {
        const struct vr_rel *rel = host_rel(&w->host[at], (uint8_t)at);
        may = !rel || !rel->is_source || w->host[at + 1].must || plain;
    }
    return may;
}

static void fill_some(struct world *w, uint32_t disk, uint64_t from)
{
    uint64_t size = w->size[disk];
    uint8_t buf[9000];
    for (unsigned n = (unsigned)rng_below(&w->rng, 3); n > 0 && from < size; n--) {
        uint64_t off = from + rng_below(&w->rng, size - from);
        uint64_t len = VR_MIN(rng_below(&w->rng, sizeof buf), size - off);
        rng_fill(&w->rng, buf, len);
        fs_poke(source_disk(w, disk), off, buf, len);
    }
}

static uint64_t some_bytes(struct world *w)
{
    uint64_t unit = rng_chance(&w->rng, 50) ? 512 : 65536;
    return unit * (1 + rng_below(&w->rng, 20));
}

static void grow(struct world *w, uint32_t disk)
{
    uint64_t had = w->size[disk];
    w->size[disk] += some_bytes(w);
    fs_set_size(source_disk(w, disk), w->size[disk]);
    fill_some(w, disk, had);
    world_note(w, SIM_GROWN);
}

static void shrink(struct world *w, uint32_t disk)
{
    uint64_t less = some_bytes(w);
    if (w->size[disk] < SIZE_LEAST + less) {
        return;
    }
    w->size[disk] -= less;
    fs_set_size(source_disk(w, disk), w->size[disk]);
    world_note(w, SIM_SHRUNK);
}

/* Sometimes under the name of one that was there before. */
static void add(struct world *w)
{
    char name[32], letter = 'a';
    struct fs *f = &w->host[0].fs;
    bool again = rng_chance(&w->rng, 30);
    while (fs_lookup(f, SRC_DIR, image_name(letter, false, name)) ||
           (!again && letter <= w->last_letter)) {
        letter++;
    }
    if (w->ndisks == DISKS_MOST || letter > 'z') {
        return;
    }
    uint32_t i = w->ndisks++;
    w->letter[i] = letter;
    w->last_letter = VR_MAX(w->last_letter, letter);
    w->size[i] = SIZE_LEAST + some_bytes(w);
    (void)fs_make(f, SRC_DIR, name, w->size[i]);
    fill_some(w, i, 0);
    world_note(w, SIM_ADDED);
}

static void take_out(struct world *w, uint32_t disk)
{
    char name[32];
    if (w->ndisks == 1) {
        return;
    }
    fs_remove(&w->host[0].fs, SRC_DIR, image_name(w->letter[disk], false, name));
    w->ndisks--;
    for (uint32_t i = disk; i < w->ndisks; i++) {
        w->letter[i] = w->letter[i + 1];
        w->size[i] = w->size[i + 1];
    }
    world_note(w, SIM_TAKEN_OUT);
}

void reshape(struct world *w)
{
    uint32_t disk = (uint32_t)rng_below(&w->rng, w->ndisks);
    if (!may_reshape(w)) {
        return;
    }
    switch (rng_below(&w->rng, 6)) {
    case 0:
        shrink(w, disk);
        break;
    case 1:
        add(w);
        break;
    case 2:
        take_out(w, disk);
        break;
    default:
        grow(w, disk);
        break;
    }
    world_log(w, "the VM has %u disks, vd%c of %llu bytes", (unsigned)w->ndisks, w->letter[0],
              (unsigned long long)w->size[0]);
    world_note(w, SIM_RESHAPED);
    source_changed(w);
}
