/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reproducible disk images for the bench.
 *   bench-mkimg create FILE MIB SEED              half incompressible, 20 % text, 30 % holes
 *   bench-mkimg alter FILE PERMILLE UNIT SEED     PERMILLE/1000 of its UNIT-sized pieces become
 *                                                 random bytes: the same number with every seed
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/fdio.h"
#include "util/num.h"

#define PIECE (64u << 10)

static uint64_t state;

static uint64_t next_random(void) /* splitmix64 */
{
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void random_bytes(uint8_t *p, size_t n)
{
    for (size_t i = 0; i + 8 <= n; i += 8) {
        uint64_t v = next_random();
        memcpy(p + i, &v, 8);
    }
}

/* Lines such as a log has: about 1:3 under a fast compressor. */
static void log_text(uint8_t *p, size_t n)
{
    static const char *const words[] = {"accepted", "connection", "closed", "timeout", "replica",
                                        "session",  "opened",     "disk",   "read",    "written"};
    for (size_t at = 0; at < n;) {
        char line[160];
        uint64_t r = next_random();
        int len =
            snprintf(line, sizeof line, "%010u host%02u daemon[%u]: %s %s status=%u id=%08x\n",
                     (unsigned)(r % 4000000000u), (unsigned)(r >> 7 & 15),
                     1000 + (unsigned)(r >> 11 & 255), words[r >> 19 & 7], words[(r >> 23) % 10],
                     (unsigned)(r >> 31 & 3) * 100, (unsigned)next_random());
        size_t take = VR_MIN((size_t)len, n - at);
        memcpy(p + at, line, take);
        at += take;
    }
}

static int create(int fd, uint64_t size, struct vr_err *err)
{
    static const uint64_t want[3] = {50, 20, 30};
    uint64_t made[3] = {0};
    static uint8_t buf[PIECE];
    if (ftruncate(fd, (off_t)size) < 0) {
        return vr_fail_errno(err, VR_E_IO, "truncate");
    }
    for (uint64_t off = 0; off < size;) {
        uint64_t run = VR_MIN((uint64_t)PIECE << (next_random() % 9), size - off);
        int kind = 0;
        for (int k = 1; k < 3; k++) { /* the kind that is furthest behind its share */
            if (made[k] * want[kind] < made[kind] * want[k]) {
                kind = k;
            }
        }
        for (uint64_t at = 0; at < run && kind != 2; at += PIECE) {
            size_t n = (size_t)VR_MIN((uint64_t)PIECE, run - at);
            if (kind == 0) {
                random_bytes(buf, n);
            } else {
                log_text(buf, n);
            }
            int r = vr_pwrite_full(fd, buf, n, off + at, err);
            if (r < 0) {
                return r;
            }
        }
        made[kind] += run;
        off += run;
    }
    return vr_fsync(fd, err);
}

/* Selection sampling: each piece with the share of those still wanted among those still to come. */
static int alter(int fd, uint64_t permille, uint64_t unit, struct vr_err *err)
{
    uint64_t size = (uint64_t)lseek(fd, 0, SEEK_END), units = size / unit;
    uint64_t wanted = units * permille / 1000;
    uint8_t *buf = malloc(unit);
    if (!buf) {
        return vr_fail_nomem(err);
    }
    int r = 0;
    for (uint64_t i = 0; r == 0 && i < units; i++) {
        if (next_random() % (units - i) < wanted) {
            wanted--;
            random_bytes(buf, unit);
            r = vr_pwrite_full(fd, buf, unit, i * unit, err);
        }
    }
    free(buf);
    return r < 0 ? r : vr_fsync(fd, err);
}

int main(int argc, char **argv)
{
    struct vr_err err = VR_ERR_INIT;
    uint64_t n[3] = {0};
    int r = -1;
    bool numbers = true;
    for (int i = 3; i < argc && i < 6; i++) {
        numbers = numbers && vr_parse_u64(argv[i], 0, UINT32_MAX, &n[i - 3]);
    }
    if (argc == 5 && numbers && strcmp(argv[1], "create") == 0) {
        _cleanup_(vr_closep) int fd = open(argv[2], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        state = n[1];
        r = create(fd, n[0] * VR_MIB, &err);
    } else if (argc == 6 && numbers && n[1] && strcmp(argv[1], "alter") == 0) {
        _cleanup_(vr_closep) int fd = open(argv[2], O_RDWR | O_CLOEXEC);
        state = n[2];
        r = alter(fd, n[0], n[1], &err);
    } else {
        fprintf(stderr, "usage: create FILE MIB SEED | alter FILE PERMILLE UNIT SEED\n");
        return 2;
    }
    if (r < 0) {
        fprintf(stderr, "bench-mkimg: %s\n", vr_err_text(&err));
    }
    return r < 0 ? 2 : 0;
}
