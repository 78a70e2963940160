/* SPDX-License-Identifier: Apache-2.0 */
/* Names of disks in one text, a space between them: what a relationship leaves out. A host keeps
 * thousands of relationships, and few of them leave out anything. */
#pragma once
#include "model/model.h"

bool vr_names_have(const char *names, const char *name);
/* INVALID: no name (vr_name_ok). LIMIT: there is no room for it. Both leave the names as they
 * are. */
int vr_names_add(char names[VR_NAMES_MAX], const char *name, struct vr_err *err);
/* The next name from *at on, which begins at the text; false: no more. */
bool vr_names_next(const char **at, char ret_name[VR_NAME_MAX]);
uint32_t vr_names_count(const char *names);
