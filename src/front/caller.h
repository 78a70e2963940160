/* SPDX-License-Identifier: Apache-2.0 */
/* The caller of a request, as struct api_ops takes it. */
#pragma once
#include <stdio.h>

#include "front/http.h"
#include "model/api.h"

static inline struct api_caller front_caller(const struct http_request *r)
{
    struct api_caller who = {.role = http_role(r), .scope = *http_scope(r)};
    snprintf(who.user, sizeof(who.user), "%s", http_user(r));
    return who;
}
