/* SPDX-License-Identifier: Apache-2.0 */
#include "resync/lane_common.h"

#include "transport/msg.h"

int lane_ping(struct link *link, uint64_t now_us, uint64_t *last_us, struct vr_err *err)
{
    if (now_us - *last_us < MSG_PING_EVERY_US) {
        return 0;
    }
    *last_us = now_us;
    return link_send(link, MSG_PING, NULL, 0, NULL, 0, err);
}

int lane_give_up(struct link *link, int r, const struct vr_err *err)
{
    struct vr_buf b;
    vr_buf_init(&b, 4096);
    msg_put_fail(&b, r, vr_err_text(err));
    if (!b.failed && link_send(link, MSG_FAIL, b.data, b.len, NULL, 0, NULL) == 0) {
        (void)!link_flush(link, NULL);
    }
    vr_buf_deinit(&b);
    return r;
}

int lane_peer_failed(const char *who, const void *p, size_t n, struct vr_err *err)
{
    struct msg_fail m;
    int r = msg_get_fail(p, n, &m, err);
    return r < 0 ? r : vr_fail(err, (enum vr_err_kind)m.kind, "%s: %.200s", who, m.text);
}
