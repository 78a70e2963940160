/* SPDX-License-Identifier: Apache-2.0 */
#include "util/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/vtime.h"

static const char *log_program = "vmreplica";
static enum vr_log_level log_max = VR_LOG_INFO;
static bool log_journal;

void vr_log_init(const char *program, enum vr_log_level max_level, bool journal_prefix)
{
    log_program = program;
    log_max = max_level;
    log_journal = journal_prefix;
}

static const char *level_name(enum vr_log_level level)
{
    static const char *const names[] = {[VR_LOG_ERROR] = "error",
                                        [VR_LOG_WARNING] = "warning",
                                        [VR_LOG_NOTICE] = "notice",
                                        [VR_LOG_INFO] = "info",
                                        [VR_LOG_DEBUG] = "debug"};
    return names[level];
}

void vr_log(enum vr_log_level level, const char *id, const char *fmt, ...)
{
    if (level > log_max) {
        return;
    }
    char line[2048], when[VR_ISO_TIME_LEN];
    int n = log_journal ? snprintf(line, sizeof line, "<%d>%s: ", (int)level, id)
                        : snprintf(line, sizeof line,
                                   "%s %s %s %s: ", vr_iso_time(vr_wall_us(), when, sizeof when),
                                   log_program, level_name(level), id);
    va_list ap;
    va_start(ap, fmt);
    int m = vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, ap);
    va_end(ap);
    size_t len = (size_t)n + (m > 0 ? (size_t)m : 0);
    if (len > sizeof line - 2) {
        len = sizeof line - 2;
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)line[i] < 0x20) {
            line[i] = ' '; /* one event stays one line */
        }
    }
    line[len++] = '\n';
    /* The log may be gone (closed pipe): the service goes on. */
    ssize_t ignored = write(STDERR_FILENO, line, len);
    (void)ignored;
}

const char *vr_log_quote(const char *s, char *buf, size_t cap)
{
    size_t o = 0;
    for (; s && *s && o + 5 < cap; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x20 || c == 0x7f || c == '"' || c == '\\') {
            o += (size_t)snprintf(buf + o, cap - o, "\\x%02x", c);
        } else {
            buf[o++] = (char)c;
        }
    }
    buf[o] = '\0';
    return buf;
}
