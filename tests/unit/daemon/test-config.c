/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config.h"
#include "tests/lib/check.h"
#include "util/fdio.h"

static char path[] = "/tmp/vr-config-XXXXXX";
static struct vr_err err;

static void put(const char *text)
{
    CHECK_OK(vr_write_file_durable(path, text, strlen(text), 0600, &err), &err);
}

static void test_defaults(void **state)
{
    struct daemon_config c;
    put("");
    CHECK_OK(config_load(path, &c, &err), &err);
    assert_string_equal(c.state_dir, "/var/lib/vmreplica");
    assert_string_equal(c.socket_path, "/run/vmreplica/vmreplicad.sock");
    assert_int_equal(c.inventory_driver, CONFIG_STATIC);
    assert_int_equal(c.replica_format, CONFIG_AS_PRIMARY);
    assert_string_equal(c.libvirt_uri, "qemu:///system");
    assert_false(c.foreign || c.freeze);
    assert_string_equal(c.scratch_dir, "/var/lib/libvirt/qemu/vmreplica");
    assert_int_equal(c.scratch_reserve_bytes, 1ull << 30);
    assert_int_equal(c.freeze_s, 10);
    assert_int_equal(c.peer_port, VR_PEER_PORT);
    assert_int_equal(c.http_port, 0);
    assert_int_equal(c.https_port, 0);
    assert_int_equal(c.transfers, 2);
    assert_int_equal(c.log_level, VR_LOG_INFO);
    assert_int_equal(c.staging_reserve_bytes, 1ull << 30);
    assert_false(c.allow_plain_remote);
}

static void test_every_key(void **state)
{
    struct daemon_config c;
    put("[daemon]\nstate_dir = /s\nrun_dir = /r\ninventory = /i\nhost_name = a.example\n"
        "log_level = debug\n[inventory]\ndriver = both\nuri = test:///default\nforeign = yes\n"
        "scratch_dir = /x\nscratch_reserve = 3M\nqemu_user = q\nfreeze = yes\nfreeze_s = "
        "60\n[peer]\nlisten = ::\nport = 1\ncert = /pc\nkey = /pk\nca = /pa\n"
        "[http]\nlisten = 0.0.0.0\nport = 2\ntls_port = 3\ncert = /hc\nkey = /hk\nusers = /u\n"
        "allow_plain_remote = yes\n[socket]\npath = /sock\ngroup = adm\n[limits]\ntransfers = 4\n"
        "bandwidth = 10M\nstaging_reserve = 2G\ncommit_wait_s = 0\n"
        "read_rate = 1M\n"
        "[bandwidth]\nwindow = mon-fri 08:00-18:00 20 Mbit/s\nwindow = sat,sun 00:00-24:00 10M\n");
    CHECK_OK(config_load(path, &c, &err), &err);
    assert_string_equal(c.state_dir, "/s");
    assert_string_equal(c.run_dir, "/r");
    assert_string_equal(c.inventory, "/i");
    assert_string_equal(c.host_name, "a.example");
    assert_int_equal(c.log_level, VR_LOG_DEBUG);
    assert_int_equal(c.inventory_driver, CONFIG_BOTH);
    assert_string_equal(c.libvirt_uri, "test:///default");
    assert_true(c.foreign && c.freeze);
    assert_string_equal(c.scratch_dir, "/x");
    assert_string_equal(c.qemu_user, "q");
    assert_int_equal(c.windows.n, 2);
    assert_int_equal(c.windows.windows[0].bytes_s, 2500000);
    assert_int_equal(c.scratch_reserve_bytes, 3 << 20);
    assert_int_equal(c.freeze_s, 60);
    assert_string_equal(c.peer_listen, "::");
    assert_int_equal(c.peer_port, 1);
    assert_string_equal(c.peer_ca, "/pa");
    assert_int_equal(c.http_port, 2);
    assert_int_equal(c.https_port, 3);
    assert_string_equal(c.http_cert, "/hc");
    assert_string_equal(c.http_users, "/u");
    assert_string_equal(c.socket_path, "/sock");
    assert_string_equal(c.socket_group, "adm");
    assert_int_equal(c.transfers, 4);
    assert_int_equal(c.bandwidth_bytes_s, 10 << 20);
    assert_int_equal(c.commit_wait_s, 0);
    assert_int_equal(c.read_rate_bytes_s, 1 << 20);
}

static void test_https_borrows_the_peer_certificate(void **state)
{
    struct daemon_config c;
    put("[peer]\ncert = /pc\nkey = /pk\n[http]\ntls_port = 5\nusers = /u\n");
    CHECK_OK(config_load(path, &c, &err), &err);
    assert_string_equal(c.http_cert, "/pc");
    assert_string_equal(c.http_key, "/pk");
}

static void test_every_refusal_names_its_line(void **state)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"[deamon]\n", ":1: unknown section '[deamon]'"},
        {"port = 1\n", ":1: key before the first section"},
        {"[peer]\nprot = 1\n", ":2: unknown key 'prot' in [peer]"},
        {"[peer]\nstate_dir = /x\n", ":2: unknown key 'state_dir' in [peer]"},
        {"[peer]\nport = 1\n[http]\n[peer]\nport = 2\n", ":5: port is already in line 2"},
        {"[daemon]\nstate_dir = s\n", ":2: state_dir: 's' is not an absolute path"},
        {"[daemon]\nstate_dir =\n", ":2: state_dir: '' is not an absolute path"},
        {"[daemon]\nhost_name = a b\n", ":2: host_name = 'a b' is not a name"},
        {"[daemon]\nlog_level = loud\n", ":2: log_level = 'loud'"},
        {"[inventory]\ndriver = xen\n", ":2: driver = 'xen' is none of static, libvirt, both"},
        {"[inventory]\nuri = qemu+ssh://host/system\n", ":2: uri = 'qemu+ssh://host/system'"},
        {"[inventory]\nuri = /run/libvirt\n", ":2: uri = "},
        {"[inventory]\nfreeze_s = 61\n", ":2: freeze_s = 61 is not between 1 and 60"},
        {"[inventory]\nscratch_dir = /0123456789012345678901234567890123456789"
         "0123456789012345\n",
         ":2: scratch_dir: path longer than 55"},
        {"[inventory]\nforeign = maybe\n", ":2: foreign: 'maybe'"},
        {"[peer]\nlisten = localhost\n", ":2: listen = 'localhost' is not a numeric"},
        {"[peer]\nport = 65536\n", ":2: port = 65536 is not between 0 and 65535"},
        {"[peer]\nport = -1\n", ":2: port = -1 is not a number"},
        {"[limits]\ntransfers = 0\n", ":2: transfers = 0 is not between 1 and 64"},
        {"[limits]\ntransfers = two\n", ":2: transfers = two is not a number"},
        {"[limits]\nbandwidth = fast\n", ":2: bandwidth = fast is not a size"},
        {"[limits]\nbandwidth = 2T\n", ":2: bandwidth = 2T is not between"},
        {"[limits]\ncommit_wait_s = 86401\n", ":2: commit_wait_s"},
        {"[limits]\nread_rate = 50\n", ":2: read_rate = 50 is less than 1M"},
        {"[limits]\nread_rate = 1048575\n", ":2: read_rate = 1048575 is less"},
        {"[limits]\nwrite_latency = 101\n", ":2: write_latency = 101 is not between 0 and 100"},
        {"[bandwidth]\nwindow = mon-fri 08:00 1M\n", ":2: window: 'mon-fri 08:00 1M' has no times"},
        {"[bandwidth]\nwindow = mon 08:00-18:00 1M\nwindow = daily 17:59-18:01 2M\n",
         ":3: window: 'daily 17:59-18:01 2M' overlaps 'mon 08:00-18:00 1M'"},
        {"[bandwidth]\nrate = 1M\n", ":2: unknown key 'rate' in [bandwidth]"},
        {"[http]\nallow_plain_remote = maybe\n", ":2: allow_plain_remote: 'maybe' is neither"},
        {"[http]\nlisten = 0.0.0.0\nport = 80\nusers = /u\n",
         ":3: [http] port would serve passwords"},
        {"[http]\nport = 80\n", ":2: [http] serves a port but names no 'users'"},
        {"[http]\nport = 80\ntls_port = 80\nusers = /u\n", ":3: [http] port and tls_port"},
        {"[http]\nkey = /k\n", ":2: [http] cert and key"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct daemon_config c;
        put(cases[i].text);
        CHECK_FAILS(config_load(path, &c, &err), &err, VR_E_INVALID, cases[i].part);
        assert_non_null(strstr(err.text, path));
    }
}

static void test_plain_http_where_it_is_allowed(void **state)
{
    struct daemon_config c;
    put("[http]\nport = 80\nusers = /u\n");
    CHECK_OK(config_load(path, &c, &err), &err);
    put("[http]\nlisten = ::1\nport = 80\nusers = /u\n");
    CHECK_OK(config_load(path, &c, &err), &err);
    put("[http]\nlisten = 0.0.0.0\ntls_port = 443\nusers = /u\n");
    CHECK_OK(config_load(path, &c, &err), &err);
    put("[http]\nlisten = ::\nport = 80\nusers = /u\nallow_plain_remote = yes\n");
    CHECK_OK(config_load(path, &c, &err), &err);
}

int main(void)
{
    vr_assert(mkstemp(path) >= 0);
    const struct CMUnitTest tests[] = {
        T(test_defaults), T(test_every_key), T(test_https_borrows_the_peer_certificate),
        T(test_every_refusal_names_its_line), T(test_plain_http_where_it_is_allowed)};
    int r = RUN(tests);
    (void)unlink(path);
    return r;
}
