/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of REST: JSON out (json.c) and strict bodies in (body.c). */
#pragma once
#include <jansson.h>

#include "front/rest/rest.h"

#define REST_SCHEMA "vmreplica/1"

/* Each gives a new reference, NULL without memory. */
json_t *rest_json_text(const char *text); /* bytes that are no UTF-8 become '?' */
json_t *rest_json_vm(const struct vr_vm *vm, enum vr_mode mode);
json_t *rest_json_rel(const struct api_rel *rel);
json_t *rest_json_job(const struct vr_job *job);
json_t *rest_json_report(const struct vr_report *report);
json_t *rest_json_event(const struct vr_event *event);
/* A relationship's statistics, the running window first. */
json_t *rest_json_stats(const struct api_rel *rel);
json_t *rest_json_settings(const struct vr_service *s);
json_t *rest_json_auth(const struct vr_auth_entry *entry);

/*
 * Fills *verb (its kind is set) from a JSON object; an empty text counts as {}. INVALID: not JSON,
 * a member that is unknown, missing, doubled or of the wrong type; *ret_member then names it (""
 * when it is not about one).
 */
VR_MUST_CHECK int rest_read_body(const char *text,
                                 size_t len,
                                 struct api_verb *verb,
                                 const char **ret_member,
                                 struct vr_err *err);
