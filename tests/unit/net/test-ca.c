/* SPDX-License-Identifier: Apache-2.0 */
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/ca.h"
#include "net/pem.h"
#include "tests/lib/check.h"
#include "tests/lib/tmpdir.h"
#include "util/fdio.h"
#include "util/vtime.h"

static char dir[] = "/tmp/vr-ca-XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[4][160];
    static unsigned turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

static void test_whole_way(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct stat st;
    struct cert_status cs;
    const char *names[] = {"h1.example", "h1.site.example"};
    CHECK_OK(cert_request(in_dir("h1"), names, 2, &err), &err);
    assert_int_equal(stat(in_dir("h1/key.pem"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    CHECK_OK(ca_sign(in_dir("ca"), in_dir("h1/request.pem"), in_dir("h1.pem"), CERT_DAYS, &err),
             &err);
    CHECK_FAILS(cert_status(in_dir("h1"), &cs, &err), &err, VR_E_NOT_FOUND, "cert.pem");
    CHECK_OK(cert_install(in_dir("h1"), in_dir("h1.pem"), in_dir("ca/ca.pem"), &err), &err);
    CHECK_OK(cert_status(in_dir("h1"), &cs, &err), &err);
    assert_string_equal(cs.names, "h1.example, h1.site.example");
    assert_string_equal(cs.issuer, "CN=test CA");
    assert_string_equal(cs.subject, "CN=h1.example");
    assert_string_equal(cs.warning, "");
    assert_in_range(cs.days_left, CERT_DAYS - 1, CERT_DAYS);
    assert_int_equal(strlen(cs.fingerprint), 32 * 3 - 1);
    assert_true(cs.not_before_us < vr_wall_us() && cs.not_after_us > vr_wall_us());
}

static void test_status_warns(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct cert_status cs;
    const char *name = "h2.example";
    CHECK_OK(cert_request(in_dir("h2"), &name, 1, &err), &err);
    CHECK_OK(ca_sign(in_dir("ca"), in_dir("h2/request.pem"), in_dir("h2.pem"), 20, &err), &err);
    CHECK_OK(cert_install(in_dir("h2"), in_dir("h2.pem"), in_dir("ca/ca.pem"), &err), &err);
    CHECK_OK(cert_status(in_dir("h2"), &cs, &err), &err);
    assert_non_null(strstr(cs.warning, "ends in "));
    assert_int_equal(chmod(in_dir("h2/key.pem"), 0644), 0);
    CHECK_OK(cert_status(in_dir("h2"), &cs, &err), &err);
    assert_non_null(strstr(cs.warning, "chmod 600"));
}

static void test_renewal_keeps_the_key(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    const char *name = "h3.example";
    _cleanup_(vr_freep) char *before = NULL;
    _cleanup_(vr_freep) char *after = NULL;
    CHECK_OK(cert_request(in_dir("h3"), &name, 1, &err), &err);
    CHECK_OK(vr_read_file(in_dir("h3/key.pem"), 10000, &before, NULL, &err), &err);
    CHECK_OK(cert_request(in_dir("h3"), &name, 1, &err), &err);
    CHECK_OK(vr_read_file(in_dir("h3/key.pem"), 10000, &after, NULL, &err), &err);
    assert_string_equal(before, after);
}

static void test_install_refuses(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    const char *name = "h4.example";
    CHECK_OK(cert_request(in_dir("h4"), &name, 1, &err), &err);
    CHECK_OK(cert_request(in_dir("h5"), &name, 1, &err), &err);
    CHECK_OK(ca_sign(in_dir("ca"), in_dir("h4/request.pem"), in_dir("h4.pem"), 20, &err), &err);
    CHECK_FAILS(cert_install(in_dir("h5"), in_dir("h4.pem"), in_dir("ca/ca.pem"), &err), &err,
                VR_E_INVALID, "does not fit");
    CHECK_FAILS(cert_install(in_dir("h4"), in_dir("h4.pem"), in_dir("other/ca.pem"), &err), &err,
                VR_E_INVALID, "not signed by");
    assert_int_equal(access(in_dir("h4/cert.pem"), F_OK), -1);
    assert_int_equal(access(in_dir("h4/ca.pem"), F_OK), -1);
}

static void test_init_refuses(void **state)
{
    struct vr_err err;
    struct stat st;
    char name[66];
    CHECK_FAILS(ca_init(in_dir("ca"), "again", &err), &err, VR_E_EXISTS, "already");
    CHECK_FAILS(ca_init(in_dir("ca9"), "", &err), &err, VR_E_INVALID, "1 to 64");
    memset(name, 'n', 65);
    name[65] = '\0';
    CHECK_FAILS(ca_init(in_dir("ca9"), name, &err), &err, VR_E_INVALID, "1 to 64");
    CHECK_FAILS(ca_init(in_dir("ca9"), "a\nb", &err), &err, VR_E_INVALID, "printable");
    assert_int_equal(stat(in_dir("ca/ca-key.pem"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_request_refuses(void **state)
{
    struct vr_err err;
    const char *bad = "a name", *many[33];
    CHECK_FAILS(cert_request(in_dir("x"), &bad, 1, &err), &err, VR_E_INVALID, "'a name'");
    CHECK_FAILS(cert_request(in_dir("x"), &bad, 0, &err), &err, VR_E_INVALID, "1 to 32");
    for (int i = 0; i < 33; i++) {
        many[i] = "h.example";
    }
    CHECK_FAILS(cert_request(in_dir("x"), many, 33, &err), &err, VR_E_INVALID, "1 to 32");
}

/* A request as another tool might make it. */
static void write_request(const char *path,
                          gnutls_x509_subject_alt_name_t type,
                          const void *san,
                          unsigned len,
                          unsigned count,
                          unsigned rsa_bits)
{
    gnutls_x509_crq_t crq;
    gnutls_x509_privkey_t key;
    gnutls_datum_t pem;
    if (rsa_bits) {
        assert_int_equal(gnutls_x509_privkey_init(&key), 0);
        assert_int_equal(gnutls_x509_privkey_generate(key, GNUTLS_PK_RSA, rsa_bits, 0), 0);
    } else {
        assert_int_equal(pem_make_key(&key, NULL), 0);
    }
    assert_int_equal(gnutls_x509_crq_init(&crq), 0);
    assert_int_equal(gnutls_x509_crq_set_version(crq, 1), 0);
    assert_int_equal(gnutls_x509_crq_set_key(crq, key), 0);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(
            gnutls_x509_crq_set_subject_alt_name(crq, type, san, len, GNUTLS_FSAN_APPEND), 0);
    }
    assert_int_equal(gnutls_x509_crq_sign2(crq, key, GNUTLS_DIG_SHA256, 0), 0);
    assert_int_equal(gnutls_x509_crq_export2(crq, GNUTLS_X509_FMT_PEM, &pem), 0);
    assert_int_equal(vr_write_file_durable(path, pem.data, pem.size, 0644, NULL), 0);
    gnutls_free(pem.data);
    gnutls_x509_crq_deinit(crq);
    gnutls_x509_privkey_deinit(key);
}

static void test_sign_refuses(void **state)
{
    struct vr_err err;
    const char *ca = in_dir("ca");
    char req[160], out[160];
    snprintf(req, sizeof req, "%s", in_dir("odd.req"));
    snprintf(out, sizeof out, "%s", in_dir("odd.pem"));
    write_request(req, GNUTLS_SAN_DNSNAME, "*.d.example", 11, 1, 0);
    CHECK_FAILS(ca_sign(ca, req, out, 10, &err), &err, VR_E_INVALID, "not a plain host name");
    write_request(req, GNUTLS_SAN_DNSNAME, "a_b.example", 11, 1, 0);
    CHECK_FAILS(ca_sign(ca, req, out, 10, &err), &err, VR_E_INVALID, "not a plain host name");
    write_request(req, GNUTLS_SAN_IPADDRESS, "\x0a\0\0\1", 4, 1, 0);
    CHECK_FAILS(ca_sign(ca, req, out, 10, &err), &err, VR_E_INVALID, "not a host name");
    write_request(req, GNUTLS_SAN_DNSNAME, "h.example", 9, 0, 0);
    CHECK_FAILS(ca_sign(ca, req, out, 10, &err), &err, VR_E_INVALID, "no host name");
    write_request(req, GNUTLS_SAN_DNSNAME, "h.example", 9, 33, 0);
    CHECK_FAILS(ca_sign(ca, req, out, 10, &err), &err, VR_E_LIMIT, "more than 32");
    write_request(req, GNUTLS_SAN_DNSNAME, "h.example", 9, 1, 1024);
    CHECK_FAILS(ca_sign(ca, req, out, 10, &err), &err, VR_E_INVALID, "too weak");
    CHECK_FAILS(ca_sign(ca, in_dir("ca/ca.pem"), out, 10, &err), &err, VR_E_INVALID,
                "not a certificate request");
    CHECK_FAILS(ca_sign(ca, req, out, 0, &err), &err, VR_E_INVALID, "1 to 3650");
    CHECK_FAILS(ca_sign(ca, req, out, 3651, &err), &err, VR_E_INVALID, "1 to 3650");
    CHECK_FAILS(ca_sign(in_dir("none"), req, out, 3, &err), &err, VR_E_NOT_FOUND, "CA");
    assert_int_equal(access(out, F_OK), -1);
}

static void test_certificate_never_outlives_its_ca(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct cert_status cs;
    const char *name = "h6.example";
    gnutls_x509_crt_t ca = NULL;
    CHECK_OK(cert_request(in_dir("h6"), &name, 1, &err), &err);
    CHECK_OK(ca_sign(in_dir("ca"), in_dir("h6/request.pem"), in_dir("h6.pem"), 3650, &err), &err);
    CHECK_OK(cert_install(in_dir("h6"), in_dir("h6.pem"), in_dir("ca/ca.pem"), &err), &err);
    CHECK_OK(cert_status(in_dir("h6"), &cs, &err), &err);
    CHECK_OK(pem_load_crt(in_dir("ca/ca.pem"), &ca, &err), &err);
    assert_true(cs.not_after_us / 1000000 <= (uint64_t)gnutls_x509_crt_get_expiration_time(ca));
    gnutls_x509_crt_deinit(ca);
}

/* "good.example\0.evil.example" is not "good.example". */
static void test_nul_inside_a_name(void **state)
{
    static const char name[] = "good.example!.evil.example";
    struct cert_names *names = malloc(sizeof *names);
    gnutls_x509_crt_t crt;
    gnutls_x509_privkey_t key;
    gnutls_datum_t der;
    struct vr_err err = VR_ERR_INIT;
    assert_int_equal(pem_make_key(&key, NULL), 0);
    assert_int_equal(gnutls_x509_crt_init(&crt), 0);
    assert_int_equal(gnutls_x509_crt_set_version(crt, 3), 0);
    assert_int_equal(gnutls_x509_crt_set_serial(crt, "\x41", 1), 0);
    assert_int_equal(gnutls_x509_crt_set_activation_time(crt, 1), 0);
    assert_int_equal(gnutls_x509_crt_set_expiration_time(crt, 2000000000), 0);
    assert_int_equal(gnutls_x509_crt_set_key(crt, key), 0);
    assert_int_equal(
        gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name, sizeof name - 1, 0), 0);
    assert_int_equal(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0), 0);
    assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der), 0);
    gnutls_x509_crt_deinit(crt);
    uint8_t *mark = memmem(der.data, der.size, name, sizeof name - 1);
    assert_non_null(mark);
    mark[strlen("good.example")] = '\0';
    assert_int_equal(gnutls_x509_crt_init(&crt), 0);
    assert_int_equal(gnutls_x509_crt_import(crt, &der, GNUTLS_X509_FMT_DER), 0);
    CHECK_OK(cert_get_names(crt, names, &err), &err);
    assert_int_equal(names->n, 0);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
    gnutls_free(der.data);
    free(names);
}

static int teardown(void **state)
{
    tmpdir_remove(dir);
    return 0;
}

static int setup(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    vr_assert(mkdtemp(dir));
    CHECK_OK(ca_init(in_dir("ca"), "test CA", &err), &err);
    CHECK_OK(ca_init(in_dir("other"), "other CA", &err), &err);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_whole_way),
                                       T(test_status_warns),
                                       T(test_renewal_keeps_the_key),
                                       T(test_install_refuses),
                                       T(test_init_refuses),
                                       T(test_request_refuses),
                                       T(test_sign_refuses),
                                       T(test_certificate_never_outlives_its_ca),
                                       T(test_nul_inside_a_name)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
