/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's REST interface, over its socket or HTTPS. A password is read from a file or a
 * terminal, never from argv, and is sent in clear to no host but this one.
 */
#pragma once
#include <signal.h>

#include "cli/cli.h"
#include "util/cleanup.h"

struct client;

VR_MUST_CHECK int client_new(const struct cli *cli, struct client **ret, struct vr_err *err);
void client_free(struct client *c);
DEFINE_CLEANUP(struct client *, client_free)

/*
 * Asks path ("vms", "vms/%s/resync" already escaped by client_path). body: borrowed, NULL: none.
 * *ret_json: the answer's object, owned. The error is the server's: its kind, its words. PEER: the
 * daemon cannot be reached.
 */
VR_MUST_CHECK int client_ask(struct client *c,
                             const char *method,
                             const char *path,
                             const json_t *body,
                             json_t **ret_json,
                             struct vr_err *err);
/* "a/<name %-escaped>/b"; after may be "". Owned. NULL: no memory. */
char *client_path(struct client *c, const char *before, const char *name, const char *after);
/* %-escaped. Owned; free it. NULL: no memory. */
char *client_escape(struct client *c, const char *text);
/* A whole GET for commands that only show: with --json prints the answer and sets *ret_json NULL.
 */
VR_MUST_CHECK int client_get(struct client *c,
                             const struct cli *cli,
                             const char *path,
                             json_t **ret_json,
                             struct vr_err *err);
/* A request under way ends (PEER) soon after *flag is set. Borrowed. */
void client_stop_when(struct client *c, const volatile sig_atomic_t *flag);
/* From the terminal without echo. Owned; wipe it. */
VR_MUST_CHECK int client_prompt_password(const char *prompt, char **ret, struct vr_err *err);
/* What a report of a dry run says that a resynchronization would cost, on stdout. */
void show_forecast(const json_t *report);
/* --every as the member interval_s, when it was given. */
VR_MUST_CHECK int cli_set_every(json_t *body, const struct cli *cli, struct vr_err *err);
/* The error of an answer that is no success: a problem+json, or only a status. */
int client_problem(const json_t *json, long status, struct vr_err *err);
