/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check-records [--frozen] A B: are two raw images an instant of what the test guest writes? Every
 * record whole and in its slot, no slot behind its time, B at most one record behind A (with
 * --frozen: not at all). Says the newest record; exit 1 with what is wrong.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "records.h"

#define COMPLAINTS_MAX 5

static unsigned complaints;

#define COMPLAIN(...)                                                                              \
    do {                                                                                           \
        if (complaints++ < COMPLAINTS_MAX) {                                                       \
            printf(__VA_ARGS__);                                                                   \
        }                                                                                          \
    } while (0)

struct image {
    const char *path;
    uint64_t newest, slots;
    uint64_t *seq; /* of each slot, 0: none */
};

static bool is_zero(const struct record *r)
{
    static const struct record zero;
    return memcmp(r, &zero, sizeof zero) == 0;
}

static void look_at(struct image *i, const struct record *r, uint64_t slot, uint64_t disk)
{
    if (is_zero(r)) {
        return;
    }
    if (memcmp(r->magic, RECORD_MAGIC, sizeof r->magic) != 0 || r->sum != record_sum(r)) {
        COMPLAIN("%s: slot %llu is damaged\n", i->path, (unsigned long long)slot);
        return;
    }
    if (r->slot != slot || r->disk != disk || (i->newest && r->slots != i->slots)) {
        COMPLAIN("%s: slot %llu has a record of disk %llu, slot %llu\n", i->path,
                 (unsigned long long)slot, (unsigned long long)r->disk,
                 (unsigned long long)r->slot);
        return;
    }
    i->slots = r->slots;
    i->seq[slot] = r->seq;
    i->newest = r->seq > i->newest ? r->seq : i->newest;
}

static bool read_image(struct image *i, uint64_t disk)
{
    struct record r;
    FILE *f = fopen(i->path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0) {
        printf("cannot open %s\n", i->path);
        return false;
    }
    uint64_t n = (uint64_t)ftell(f) / sizeof r;
    rewind(f);
    i->seq = calloc(n + 1, sizeof *i->seq);
    bool ok = i->seq != NULL;
    for (uint64_t slot = 0; ok && slot < n; slot++) {
        ok = fread(&r, sizeof r, 1, f) == 1;
        /* What lies behind the slots is no record, and the business of others. */
        if (ok && (i->slots == 0 || slot < i->slots)) {
            look_at(i, &r, slot, disk);
        }
    }
    fclose(f);
    return ok;
}

static void check_order(const struct image *i)
{
    if (i->newest == 0) {
        COMPLAIN("%s: no record\n", i->path);
    }
    for (uint64_t slot = 0; slot < i->slots; slot++) {
        uint64_t behind = (i->newest % i->slots + i->slots - slot) % i->slots;
        uint64_t want = i->newest > behind ? i->newest - behind : 0;
        if (i->seq[slot] != want) {
            COMPLAIN("%s: slot %llu has record %llu, not %llu\n", i->path, (unsigned long long)slot,
                     (unsigned long long)i->seq[slot], (unsigned long long)want);
        }
    }
}

int main(int argc, char **argv)
{
    bool frozen = argc > 1 && strcmp(argv[1], "--frozen") == 0;
    if (argc != 3 + frozen) {
        printf("usage: check-records [--frozen] A B\n");
        return 2;
    }
    struct image a = {.path = argv[1 + frozen]}, b = {.path = argv[2 + frozen]};
    if (!read_image(&a, 0) || !read_image(&b, 1)) {
        return 2;
    }
    check_order(&a);
    check_order(&b);
    if (b.newest != a.newest && (frozen || b.newest + 1 != a.newest)) {
        COMPLAIN("the disks are not of one instant: %llu and %llu\n", (unsigned long long)a.newest,
                 (unsigned long long)b.newest);
    }
    printf("newest %llu %llu, %u complaints\n", (unsigned long long)a.newest,
           (unsigned long long)b.newest, complaints);
    free(a.seq);
    free(b.seq);
    return complaints ? 1 : 0;
}
