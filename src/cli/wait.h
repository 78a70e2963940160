/* SPDX-License-Identifier: Apache-2.0 */
/* Staying with a job until it has ended. */
#pragma once
#include "cli/client.h"
#include "cli/show.h"

/*
 * Shows the job's progress on stderr (one line that changes on a terminal, a line now and then
 * elsewhere); with --json prints the finished job on stdout instead. Returns the exit code: 0 only
 * when the job completed. Ctrl-C leaves the job alone and says how to go on.
 */
int job_wait(struct client *c, const struct cli *cli, uint64_t id, const char *vm);
/* One line: "comparing  71%  [####..]  38.0 MiB/s  eta 14m". Returns buf. */
const char *progress_line(const json_t *job, const struct gauge *g, char *buf, size_t cap);
