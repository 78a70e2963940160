/* SPDX-License-Identifier: Apache-2.0 */
#include "net/gss.h"

#include <gnutls/gnutls.h>
#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <stdlib.h>
#include <string.h>

#include "util/fdio.h"

#define KEYTAB_MAX (1u << 20)
#define SERVICE "HTTP/"

struct gss_acceptor {
    gss_cred_id_t cred;
};

/* The library's words for a status; the mechanism's say more when there are any. */
static const char *status_text(OM_uint32 major, OM_uint32 minor, char *buf, size_t cap)
{
    OM_uint32 m, more = 0;
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    OM_uint32 code = minor ? minor : major;
    if (gss_display_status(&m, code, minor ? GSS_C_MECH_CODE : GSS_C_GSS_CODE, GSS_C_NO_OID, &more,
                           &text) == GSS_S_COMPLETE) {
        snprintf(buf, cap, "%.*s", (int)text.length, (const char *)text.value);
    } else {
        snprintf(buf, cap, "status %u/%u", major, minor);
    }
    gss_release_buffer(&m, &text);
    return buf;
}

static int check_keytab(const char *path, struct vr_err *err)
{
    char *bytes;
    size_t n;
    int r = vr_read_secret_file(path, KEYTAB_MAX, &bytes, &n, err);
    if (r == 0) {
        gnutls_memset(bytes, 0, n);
        free(bytes);
    }
    return r;
}

int gss_acceptor_new(const char *keytab,
                     const char *replay_cache,
                     struct gss_acceptor **ret,
                     struct vr_err *err)
{
    char tab[4200], cache[4200], why[200];
    gss_key_value_element_desc elements[] = {{"keytab", tab}, {"rcache", cache}};
    const gss_key_value_set_desc store = {2, elements};
    static gss_OID_desc spnego = {6, (void *)(uintptr_t) "\x2b\x06\x01\x05\x05\x02"};
    gss_OID_desc both[] = {*gss_mech_krb5, spnego};
    gss_OID_set_desc krb5 = {1, gss_mech_krb5}, mechs = {2, both};
    int r = check_keytab(keytab, err);
    if (r < 0) {
        return vr_wrap(err, r, "keytab");
    }
    if (snprintf(tab, sizeof tab, "FILE:%s", keytab) >= (int)sizeof tab ||
        snprintf(cache, sizeof cache, "file2:%s", replay_cache) >= (int)sizeof cache) {
        return vr_fail(err, VR_E_LIMIT, "the keytab's path is too long");
    }
    _cleanup_(gss_acceptor_freep) struct gss_acceptor *a = calloc(1, sizeof *a);
    if (!a) {
        return vr_fail_nomem(err);
    }
    OM_uint32 minor;
    OM_uint32 major = gss_acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, &mechs,
                                            GSS_C_ACCEPT, &store, &a->cred, NULL, NULL);
    if (major == GSS_S_COMPLETE) {
        major = gss_set_neg_mechs(&minor, a->cred, &krb5); /* below SPNEGO, nothing else */
    }
    if (major != GSS_S_COMPLETE) {
        return vr_fail(err, VR_E_INVALID, "keytab '%s': %s", keytab,
                       status_text(major, minor, why, sizeof why));
    }
    *ret = TAKE_PTR(a);
    return 0;
}

void gss_acceptor_free(struct gss_acceptor *a)
{
    OM_uint32 minor;
    if (a) {
        gss_release_cred(&minor, &a->cred);
        free(a);
    }
}

static int name_text(gss_name_t name,
                     char ret[static GSS_PRINCIPAL_MAX],
                     gss_OID *ret_type,
                     struct vr_err *err)
{
    OM_uint32 minor;
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    int r = 0;
    if (gss_display_name(&minor, name, &text, ret_type) != GSS_S_COMPLETE ||
        text.length >= GSS_PRINCIPAL_MAX || memchr(text.value, 0, text.length)) {
        r = vr_fail(err, VR_E_AUTH, "a name that is too long, or none");
    } else {
        memcpy(ret, text.value, text.length);
        ret[text.length] = '\0';
    }
    gss_release_buffer(&minor, &text);
    return r;
}

static bool same_oid(gss_const_OID a, gss_const_OID b)
{
    return a && a->length == b->length && memcmp(a->elements, b->elements, a->length) == 0;
}

/* What the finished context says: by which mechanism, for which service, whose. */
static int judge(gss_ctx_id_t ctx, char ret_principal[static GSS_PRINCIPAL_MAX], struct vr_err *err)
{
    OM_uint32 minor, flags = 0;
    gss_name_t client = GSS_C_NO_NAME, service = GSS_C_NO_NAME;
    gss_OID mech = GSS_C_NO_OID, type = GSS_C_NO_OID;
    char target[GSS_PRINCIPAL_MAX];
    int open = 0, r;
    if (gss_inquire_context(&minor, ctx, &client, &service, NULL, &mech, &flags, NULL, &open) !=
            GSS_S_COMPLETE ||
        !open || !client || !service) {
        r = vr_fail(err, VR_E_AUTH, "the ticket says neither who nor for what");
    } else if (!same_oid(mech, gss_mech_krb5) || (flags & GSS_C_ANON_FLAG)) {
        r = vr_fail(err, VR_E_AUTH, "not Kerberos, or anonymous");
    } else {
        r = name_text(service, target, NULL, err);
        r = r < 0 || strncmp(target, SERVICE, strlen(SERVICE)) == 0
                ? r
                : vr_fail(err, VR_E_AUTH, "the ticket is for '%.100s', not for " SERVICE "...",
                          target);
        r = r < 0 ? r : name_text(client, ret_principal, &type, err);
    }
    gss_release_name(&minor, &client);
    gss_release_name(&minor, &service);
    return r;
}

static int reply_text(const gss_buffer_desc *reply, char **ret, struct vr_err *err)
{
    gnutls_datum_t in = {.data = reply->value, .size = (unsigned)reply->length}, out = {0};
    if (reply->length && gnutls_base64_encode2(&in, &out) < 0) {
        return vr_fail_nomem(err);
    }
    *ret = strndup(reply->length ? (const char *)out.data : "", out.size);
    gnutls_free(out.data);
    return *ret ? 0 : vr_fail_nomem(err);
}

static int accept_token(const struct gss_acceptor *a,
                        gss_buffer_desc *token,
                        char ret_principal[static GSS_PRINCIPAL_MAX],
                        char **ret_reply,
                        struct vr_err *err)
{
    OM_uint32 minor, m;
    gss_ctx_id_t ctx = GSS_C_NO_CONTEXT;
    gss_buffer_desc reply = GSS_C_EMPTY_BUFFER;
    char why[200];
    int r;
    OM_uint32 major =
        gss_accept_sec_context(&minor, &ctx, a->cred, token, GSS_C_NO_CHANNEL_BINDINGS, NULL, NULL,
                               &reply, NULL, NULL, NULL);
    if (major == GSS_S_CONTINUE_NEEDED) {
        r = vr_fail(err, VR_E_AUTH, "it wants a longer conversation");
    } else if (major != GSS_S_COMPLETE) {
        r = vr_fail(err, VR_E_AUTH, "%s", status_text(major, minor, why, sizeof why));
    } else {
        r = judge(ctx, ret_principal, err);
        r = r < 0 ? r : reply_text(&reply, ret_reply, err);
    }
    gss_release_buffer(&m, &reply);
    gss_delete_sec_context(&m, &ctx, GSS_C_NO_BUFFER);
    return r;
}

int gss_accept(const struct gss_acceptor *a,
               const char *token_base64,
               char ret_principal[static GSS_PRINCIPAL_MAX],
               char **ret_reply,
               struct vr_err *err)
{
    size_t n = strlen(token_base64);
    if (n == 0 || n > GSS_TOKEN_MAX) {
        return vr_fail(err, VR_E_AUTH, "a token has 1 to %u bytes", GSS_TOKEN_MAX);
    }
    _cleanup_(vr_freep) char *text = strdup(token_base64);
    if (!text) {
        return vr_fail_nomem(err);
    }
    gnutls_datum_t in = {.data = (unsigned char *)text, .size = (unsigned)n}, bytes = {0};
    if (gnutls_base64_decode2(&in, &bytes) < 0 || bytes.size == 0) {
        gnutls_free(bytes.data);
        return vr_fail(err, VR_E_AUTH, "the token is not base64");
    }
    gss_buffer_desc token = {.length = bytes.size, .value = bytes.data};
    int r = accept_token(a, &token, ret_principal, ret_reply, err);
    gnutls_free(bytes.data);
    return r;
}
