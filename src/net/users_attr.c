/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind a user's hash: by what else he is known, and which VMs he is limited to. */
#include <ctype.h>
#include <string.h>

#include "net/users_int.h"
#include "util/num.h"

#define CERT_DIGITS 64

/* Visible ASCII, and nothing that would end the field. */
static bool is_plain(const char *s)
{
    for (; *s; s++) {
        if (!isgraph((unsigned char)*s) || *s == ':') {
            return false;
        }
    }
    return true;
}

/* "local@domain", "primary/instance@REALM" */
static bool has_one_at(const char *s)
{
    const char *at = strchr(s, '@');
    return at && at != s && at[1] && !strchr(at + 1, '@') && is_plain(s);
}

static bool read_vm(const char *text, char *ret)
{
    struct vr_uuid id;
    if (!vr_uuid_parse(text, &id) || vr_uuid_is_nil(&id)) {
        return false;
    }
    vr_uuid_text(&id, ret);
    return true;
}

/* SHA-256 in hexadecimal digits; `vmreplica certs show` and others put colons between them. */
static bool read_cert(const char *text, char *ret)
{
    size_t n = 0;
    for (; *text; text++) {
        if (*text == ':') {
            continue;
        }
        if (n == CERT_DIGITS || !isxdigit((unsigned char)*text)) {
            return false;
        }
        ret[n++] = (char)toupper((unsigned char)*text);
    }
    ret[n] = '\0';
    return n == CERT_DIGITS;
}

static bool read_at(const char *text, char *ret)
{
    if (!has_one_at(text) || strlen(text) > USERS_VALUE_MAX) {
        return false;
    }
    memcpy(ret, text, strlen(text) + 1);
    return true;
}

static const struct {
    const char *word;
    bool (*read)(const char *text, char *ret);
    const char *must;
} keys[] = {
    [USERS_VM] = {"vm", read_vm, "vm= must be the UUID of a virtual machine"},
    [USERS_CERT] = {"cert", read_cert, "cert= must be the SHA-256 of a certificate, 64 digits"},
    [USERS_EMAIL] = {"email", read_at, "email= must be an address such as ann@example.org"},
    [USERS_PRINCIPAL] = {"principal", read_at, "principal= must be one such as ann@EXAMPLE.ORG"},
};

static const char *read_word(const char *word, enum users_key *ret_key, char *ret_value)
{
    const char *eq = strchr(word, '=');
    size_t n = eq ? (size_t)(eq - word) : 0;
    for (size_t k = 0; eq && k < VR_COUNT(keys); k++) {
        if (strlen(keys[k].word) == n && strncmp(keys[k].word, word, n) == 0) {
            *ret_key = (enum users_key)k;
            return keys[k].read(eq + 1, ret_value) ? NULL : keys[k].must;
        }
    }
    return "behind the hash stand vm=, cert=, email= and principal=";
}

const char *users_attribute_text(const char *word, char *ret)
{
    char value[USERS_VALUE_MAX + 1];
    enum users_key key;
    const char *why = read_word(word, &key, value);
    if (!why) {
        snprintf(ret, USERS_VALUE_MAX + 16, "%s=%s", keys[key].word, value);
    }
    return why;
}

/* A user's VMs are his alone; what he is known by is nobody else's. */
static const char *judge(const struct users *u, enum users_key key, const char *value)
{
    size_t vms = 0;
    for (size_t i = 0; i < u->nattributes; i++) {
        const struct user_attribute *a = &u->attributes[i];
        if (key != USERS_VM && a->key == key && strcmp(a->value, value) == 0) {
            return "somebody is known by this certificate, address or principal already";
        }
        vms += a->key == USERS_VM && a->user == u->n;
    }
    return key == USERS_VM && vms >= VR_SCOPE_MAX ? "more than 64 virtual machines" : NULL;
}

const char *users_attribute_add(struct users *u, const char *word)
{
    struct user_attribute a = {.user = u->n};
    const char *why = read_word(word, &a.key, a.value);
    why = why ? why : judge(u, a.key, a.value);
    if (why) {
        return why;
    }
    if (u->nattributes == USERS_ATTRIBUTES_MAX) {
        return "more than 4096 attributes in all";
    }
    if (u->nattributes == u->cap) {
        size_t cap = u->cap ? 2 * u->cap : 16;
        struct user_attribute *more = realloc(u->attributes, cap * sizeof *more);
        if (!more) {
            return "out of memory";
        }
        u->attributes = more;
        u->cap = cap;
    }
    u->attributes[u->nattributes++] = a;
    return NULL;
}

void users_who(const struct users *u, size_t index, struct users_who *ret)
{
    *ret = (struct users_who){.role = u->user[index].role};
    memcpy(ret->name, u->user[index].name, sizeof ret->name);
    for (size_t i = 0; i < u->nattributes; i++) {
        const struct user_attribute *a = &u->attributes[i];
        if (a->user == index && a->key == USERS_VM && ret->scope.n < VR_SCOPE_MAX) {
            ret->scope.limited = true;
            ret->scope.n += vr_uuid_parse(a->value, &ret->scope.vm[ret->scope.n]);
        }
    }
}

bool users_known_by(const struct users *u,
                    enum users_key key,
                    const char *value,
                    struct users_who *ret)
{
    for (size_t i = 0; i < u->nattributes; i++) {
        const struct user_attribute *a = &u->attributes[i];
        if (a->key == key && key != USERS_VM && strcmp(a->value, value) == 0) {
            users_who(u, a->user, ret);
            return true;
        }
    }
    return false;
}

const char *users_attribute(const struct users *u, size_t index, size_t i, const char **ret_word)
{
    for (size_t k = 0; k < u->nattributes; k++) {
        const struct user_attribute *a = &u->attributes[k];
        if (a->user == index && i-- == 0) {
            *ret_word = keys[a->key].word;
            return a->value;
        }
    }
    return NULL;
}
