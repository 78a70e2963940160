/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor of a compare: reads a raw image once and computes every tag with the library, as each
 * end of a transfer does, and nothing else.   bench-digest-floor FILE
 */
#include "resync/reader.h"
#include "util/num.h"
#include "util/vtime.h"

static int run(const char *path, struct vr_err *err)
{
    static const uint8_t key[32] = {1};
    struct vr_uuid id = {{1}};
    _cleanup_(block_closep) struct block_dev *dev = NULL;
    _cleanup_(digest_freep) struct digest *d = NULL;
    _cleanup_(reader_freep) struct reader *r = NULL;
    struct node_tags *tags = malloc(sizeof *tags);
    int x = tags ? 0 : vr_fail_nomem(err);
    if (x == 0) {
        x = block_file_open(path, BLOCK_READ_ONLY, &dev, err);
    }
    if (x == 0) {
        x = digest_new(key, key, key, &id, &id, 0, &d, err);
    }
    if (x == 0) {
        x = reader_new(dev, 0, d, NULL, &r, err);
    }
    uint64_t start = vr_mono_us(), data = 0;
    while (x == 0 && reader_pos(r) < dev->size_bytes) {
        struct reader_item item;
        x = reader_next(r, &item, tags, err);
        data += item.len;
    }
    if (x == 0) {
        double s = (double)(vr_mono_us() - start) / 1e6;
        printf("%llu bytes of data in %.3f s, %.2f GB/s\n", (unsigned long long)data, s,
               (double)data / s / 1e9);
    }
    free(tags);
    return x;
}

int main(int argc, char **argv)
{
    struct vr_err err = VR_ERR_INIT;
    if (argc != 2 || run(argv[1], &err) < 0) {
        fprintf(stderr, "bench-digest-floor: %s\n", argc == 2 ? vr_err_text(&err) : "one FILE");
        return 1;
    }
    return 0;
}
