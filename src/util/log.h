/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of the daemon: one line an event on standard error, "<N>" priority prefix understood by
 * the journal when VR_LOG_JOURNAL is chosen. Only daemon, front and cli log; lower layers return
 * errors.
 *     vr_log(VR_LOG_WARNING, "peer-lost", "rel=%s peer=%s: will retry in %u s", ...);
 * Never a secret; text from outside goes through vr_log_quote.
 */
#pragma once
#include "util/err.h"

enum vr_log_level {
    VR_LOG_ERROR = 3,
    VR_LOG_WARNING = 4,
    VR_LOG_NOTICE = 5,
    VR_LOG_INFO = 6,
    VR_LOG_DEBUG = 7
};

void vr_log_init(const char *program, enum vr_log_level max_level, bool journal_prefix);
/* id: stable message id, lower case with dashes. Thread-safe; one write per line. */
void vr_log(enum vr_log_level level, const char *id, const char *fmt, ...) VR_PRINTF(3, 4);
/* Escapes control characters and quotes; returns buf. */
const char *vr_log_quote(const char *s, char *buf, size_t cap);
