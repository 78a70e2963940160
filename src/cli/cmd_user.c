/* SPDX-License-Identifier: Apache-2.0 */
/* Users of HTTPS, in the daemon's file of users. */
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/show.h"
#include "model/states.h"
#include "net/users.h"
#include "util/buf.h"
#include "util/fdio.h"
#include "util/num.h"

static const char *file_of(const struct cli *cli)
{
    return cli_has(cli, OPT_FILE) ? cli->value[OPT_FILE] : CLI_USERS;
}

static void wipe(char **secret)
{
    if (*secret) {
        explicit_bzero(*secret, strlen(*secret));
        free(*secret);
    }
}

static int read_password(const struct cli *cli, char **ret, struct vr_err *err)
{
    if (cli_has(cli, OPT_PASSWORD_FILE)) {
        int r =
            vr_read_secret_file(cli->value[OPT_PASSWORD_FILE], USERS_PASSWORD_MAX, ret, NULL, err);
        if (r == 0) {
            (*ret)[strcspn(*ret, "\r\n")] = '\0';
        }
        return r;
    }
    _cleanup_(wipe) char *first = NULL;
    _cleanup_(wipe) char *again = NULL;
    int r = client_prompt_password("new password", &first, err);
    if (r == 0) {
        r = client_prompt_password("once more", &again, err);
    }
    if (r != 0) {
        return r;
    }
    if (strcmp(first, again) != 0) {
        return vr_fail(err, VR_E_INVALID, "the two passwords are not the same");
    }
    *ret = TAKE_PTR(first);
    return 0;
}

static int parse_role(const struct cli *cli, int *ret, struct vr_err *err)
{
    static const struct {
        const char *word;
        int role;
    } roles[] = {{"viewer", USERS_VIEWER},
                 {"operator", USERS_OPERATOR},
                 {"admin", USERS_ADMINISTRATOR},
                 {"administrator", USERS_ADMINISTRATOR}};
    const char *word = cli_has(cli, OPT_ROLE) ? cli->value[OPT_ROLE] : "viewer";
    for (size_t i = 0; i < VR_COUNT(roles); i++) {
        if (strcmp(word, roles[i].word) == 0) {
            *ret = roles[i].role;
            return 0;
        }
    }
    return vr_fail(err, VR_E_INVALID, "'%s' is no role: viewer, operator or admin", word);
}

/* --attribute none alone: none from now on. */
static struct users_attributes attributes_of(const struct cli *cli)
{
    bool none = cli->nattributes == 1 && strcmp(cli->attributes[0], "none") == 0;
    return (struct users_attributes){none ? 0 : cli->nattributes, cli->attributes};
}

int cmd_user_add(struct cli *cli)
{
    struct vr_err err = VR_ERR_INIT;
    struct users_attributes attributes = attributes_of(cli);
    _cleanup_(wipe) char *password = NULL;
    int role = 0;
    int r = parse_role(cli, &role, &err);
    if (r == 0 && !cli_has(cli, OPT_NO_PASSWORD)) {
        r = read_password(cli, &password, &err);
    }
    if (r == 0) {
        r = users_add(file_of(cli), cli->args[0], role, password,
                      cli->nattributes ? &attributes : NULL, &err);
    }
    if (r < 0) {
        return cli_fail(r, &err);
    }
    printf("%s is %s now, in %s\n", cli->args[0], vr_role_text(role), file_of(cli));
    return 0;
}

int cmd_user_remove(struct cli *cli)
{
    struct vr_err err = VR_ERR_INIT;
    int r = users_remove(file_of(cli), cli->args[0], &err);
    if (r < 0) {
        return cli_fail(r, &err);
    }
    printf("%s removed from %s\n", cli->args[0], file_of(cli));
    return 0;
}

static void set_attributes(struct table *t, const struct users *u, size_t user)
{
    struct vr_buf b;
    const char *key, *value;
    vr_buf_init(&b, USERS_FILE_MAX);
    for (size_t i = 0; (value = users_attribute(u, user, i, &key)); i++) {
        vr_buf_printf(&b, "%s%s=%s", i ? " " : "", key, value);
    }
    table_set(t, 2, vr_buf_cstr(&b) ? (const char *)b.data : "");
    vr_buf_deinit(&b);
}

int cmd_user_list(struct cli *cli)
{
    static const char *const head[] = {"USER", "ROLE", "ATTRIBUTES"};
    struct vr_err err = VR_ERR_INIT;
    _cleanup_(users_freep) struct users *u = NULL;
    int r = users_load(file_of(cli), &u, &err);
    if (r < 0) {
        return cli_fail(r, &err);
    }
    struct table t;
    table_init(&t, VR_COUNT(head), head);
    for (size_t i = 0; i < users_count(u); i++) {
        int role = 0;
        const char *name = users_list(u, i, &role);
        table_row(&t);
        table_set(&t, 0, name);
        table_set(&t, 1, vr_role_text(role));
        set_attributes(&t, u, i);
    }
    table_print(&t, stdout);
    table_deinit(&t);
    return 0;
}
