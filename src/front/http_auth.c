/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is calling. TCP: HTTP Basic (RFC 7617) against config.verify. Unix socket: the peer's
 * credentials as the kernel knows them, which no client can forge: uid 0 and the daemon's own user
 * are administrators, members of the socket's group operators, nobody else gets in.
 */
#include "front/http_impl.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GROUPS_MAX 256
#define PASSWORD_MAX 1024

static bool peer_in_group(int fd, gid_t primary, gid_t wanted)
{
    if (primary == wanted) {
        return true;
    }
    gid_t groups[GROUPS_MAX];
    socklen_t len = sizeof(groups);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0) {
        return false;
    }
    for (size_t i = 0; i < len / sizeof(groups[0]); i++) {
        if (groups[i] == wanted) {
            return true;
        }
    }
    return false;
}

static void name_of_uid(uid_t uid, char *name, size_t cap)
{
    struct passwd pw, *found = NULL;
    char buf[4096];
    if (getpwuid_r(uid, &pw, buf, sizeof(buf), &found) == 0 && found) {
        snprintf(name, cap, "%s", found->pw_name);
        return;
    }
    snprintf(name, cap, "uid %lu", (unsigned long)uid);
}

static unsigned authenticate_peer(const struct http_listener *l,
                                  struct http_request *r,
                                  struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred cred;
    socklen_t len = sizeof(cred);
    if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
        return MHD_HTTP_FORBIDDEN;
    }
    if (cred.uid == 0 || cred.uid == geteuid()) {
        r->role = VR_ROLE_ADMIN;
    } else if (peer_in_group(info->connect_fd, cred.gid, l->group)) {
        r->role = VR_ROLE_OPERATOR;
    } else {
        return MHD_HTTP_FORBIDDEN;
    }
    name_of_uid(cred.uid, r->user, sizeof(r->user));
    return 0;
}

static void free_secret(char *secret)
{
    if (secret) {
        explicit_bzero(secret, strlen(secret));
        MHD_free(secret);
    }
}

static unsigned authenticate_basic(const struct http_config *config,
                                   struct http_request *r,
                                   struct MHD_Connection *connection)
{
    char *password = NULL;
    char *user = MHD_basic_auth_get_username_password(connection, &password);
    enum vr_role role = VR_ROLE_NONE;
    unsigned status = MHD_HTTP_UNAUTHORIZED;
    if (user && password && *user && strlen(user) < sizeof(r->user) &&
        strlen(password) <= PASSWORD_MAX &&
        config->verify(config->verify_ctx, user, password, &role) == 0 && role > VR_ROLE_NONE) {
        r->role = role;
        snprintf(r->user, sizeof(r->user), "%s", user);
        status = 0;
    }
    free_secret(password);
    free_secret(user);
    return status;
}

unsigned http_authenticate(struct http_listener *l,
                           struct http_request *r,
                           struct MHD_Connection *connection)
{
    if (l->kind == HTTP_UNIX) {
        return authenticate_peer(l, r, connection);
    }
    return authenticate_basic(&l->server->config, r, connection);
}
