/* SPDX-License-Identifier: Apache-2.0 */
#include "resync/hint.h"

#include <stdlib.h>
#include <string.h>

#include "resync/digest.h"
#include "transport/msg.h"
#include "util/num.h"

#define CHUNK 4096u /* nodes; a chunk without any costs next to nothing on the wire */

struct hint {
    struct layout layout;
    uint64_t taken; /* nodes that HINT frames told about */
    uint64_t words[];
};

int hint_new(const struct vr_peer_request *open, struct hint **ret, struct vr_err *err)
{
    struct layout l;
    layout_init(&l, open);
    if (l.nodes > MSG_HINT_NODES_MAX) {
        return vr_fail(err, VR_E_LIMIT, "the disks are too large to tell what changed: %llu MiB",
                       (unsigned long long)l.nodes);
    }
    struct hint *h = calloc(1, sizeof *h + (size_t)vr_div_up(l.nodes, 64) * sizeof h->words[0]);
    if (!h) {
        return vr_fail_nomem(err);
    }
    h->layout = l;
    *ret = h;
    return 0;
}

void hint_free(struct hint *h)
{
    free(h);
}

void hint_add(struct hint *h, uint64_t first, uint64_t count)
{
    vr_assert(count <= h->layout.nodes && first <= h->layout.nodes - count);
    for (uint64_t n = first; n < first + count;) {
        if (n % 64 == 0 && first + count - n >= 64) {
            h->words[n / 64] = UINT64_MAX;
            n += 64;
        } else {
            h->words[n / 64] |= 1ull << (n % 64);
            n++;
        }
    }
}

void hint_mark(struct hint *h, uint16_t disk, uint64_t off, uint64_t len)
{
    uint64_t size = h->layout.size[disk];
    if (off >= size || len == 0) {
        return;
    }
    uint64_t last = off + VR_MIN(len, size - off) - 1;
    uint64_t first = layout_node(&h->layout, disk, off);
    hint_add(h, first, layout_node(&h->layout, disk, last) - first + 1);
}

void hint_mark_disk(struct hint *h, uint16_t disk)
{
    hint_mark(h, disk, 0, h->layout.size[disk]);
}

bool hint_has(const struct hint *h, uint64_t node)
{
    return h->words[node / 64] >> (node % 64) & 1;
}

uint64_t hint_run(const struct hint *h, uint64_t node, uint64_t end)
{
    bool in = hint_has(h, node);
    uint64_t n = node, alike = in ? UINT64_MAX : 0;
    while (n < end && hint_has(h, n) == in) {
        n += n % 64 == 0 && h->words[n / 64] == alike ? 64 : 1;
    }
    return VR_MIN(n, end) - node;
}

bool hint_has_any(const struct hint *h, uint64_t first, uint64_t count)
{
    return hint_has(h, first) || hint_run(h, first, first + count) < count;
}

/* --- on the wire --- */

static bool is_empty(const struct hint *h, uint64_t first, uint64_t end)
{
    return !hint_has_any(h, first, end - first);
}

/* Chunks with nothing, or chunks with something, from `first` on. */
static uint64_t stretch_end(const struct hint *h, uint64_t first, bool *ret_empty)
{
    uint64_t nodes = h->layout.nodes, end = VR_MIN(first + CHUNK, nodes);
    *ret_empty = is_empty(h, first, end);
    uint64_t most = *ret_empty ? nodes : VR_MIN(first + MSG_HINT_NODES, nodes);
    while (end < most && is_empty(h, end, VR_MIN(end + CHUNK, nodes)) == *ret_empty) {
        end = VR_MIN(end + CHUNK, most);
    }
    return end;
}

int hint_send(const struct hint *h, struct link *link, struct vr_err *err)
{
    uint8_t bits[MSG_HINT_NODES / 8];
    struct vr_buf b;
    int r = 0;
    vr_buf_init(&b, 64);
    for (uint64_t at = 0, end; r == 0 && at < h->layout.nodes; at = end) {
        bool empty;
        end = stretch_end(h, at, &empty);
        struct msg_range m = {at, end - at};
        size_t n = empty ? 0 : (size_t)vr_div_up(m.count, 8);
        for (size_t i = 0; i < n; i++) { /* CHUNK is a multiple of 64: words begin here */
            bits[i] = (uint8_t)(h->words[at / 64 + i / 8] >> (i % 8 * 8));
        }
        vr_buf_reset(&b);
        msg_put_range(&b, &m);
        r = link_send_buf(link, MSG_HINT, &b, bits, n, err);
    }
    vr_buf_deinit(&b);
    return r;
}

int hint_take(struct hint *h, const void *p, size_t n, bool *ret_whole, struct vr_err *err)
{
    struct msg_hint m;
    int r = msg_get_hint(p, n, &m, err);
    if (r < 0) {
        return r;
    }
    if (m.first != h->taken || m.count > h->layout.nodes - m.first) {
        return vr_fail(err, VR_E_PROTOCOL, "the primary host tells what changed out of order");
    }
    for (uint64_t i = 0; m.bits && i < m.count; i++) {
        if (m.bits[i / 8] >> (i % 8) & 1) {
            hint_add(h, m.first + i, 1);
        }
    }
    h->taken += m.count;
    *ret_whole = h->taken == h->layout.nodes;
    return 0;
}
