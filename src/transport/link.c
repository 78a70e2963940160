/* SPDX-License-Identifier: Apache-2.0 */
/* Every call on a link goes through here: the limit of a frame is checked once, for every driver.
 */
#include "transport/link.h"

int link_send(struct link *l,
              uint8_t type,
              const void *head,
              size_t head_len,
              const void *body,
              size_t body_len,
              struct vr_err *err)
{
    if (head_len > LINK_FRAME_MAX || body_len > LINK_FRAME_MAX - head_len) {
        return vr_fail(err, VR_E_LIMIT, "frame of type %u: %zu + %zu bytes are more than %u", type,
                       head_len, body_len, LINK_FRAME_MAX);
    }
    return l->ops->send(l, type, head, head_len, body, body_len, err);
}

int link_send_buf(struct link *l,
                  uint8_t type,
                  const struct vr_buf *head,
                  const void *body,
                  size_t body_len,
                  struct vr_err *err)
{
    int r = vr_buf_check(head, err);
    return r < 0 ? r : link_send(l, type, head->data, head->len, body, body_len, err);
}

int link_recv(struct link *l,
              uint8_t *ret_type,
              const uint8_t **ret_data,
              size_t *ret_len,
              struct vr_err *err)
{
    return l->ops->recv(l, ret_type, ret_data, ret_len, err);
}

int link_flush(struct link *l, struct vr_err *err)
{
    return l->ops->flush(l, err);
}

size_t link_pending(struct link *l)
{
    return l->ops->pending(l);
}

int link_wait(struct link *l, int wake_fd, int timeout_ms, struct vr_err *err)
{
    return l->ops->wait(l, wake_fd, timeout_ms, err);
}

void link_counters(struct link *l, uint64_t *ret_out, uint64_t *ret_in)
{
    l->ops->counters(l, ret_out, ret_in);
}

void link_close(struct link *l)
{
    if (l) {
        l->ops->close(l);
    }
}
