/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates of the hosts, without the daemon. Each command says what comes next. */
#include "cli/cli.h"

#include <unistd.h>

#include "cli/show.h"
#include "cli/status.h"
#include "net/ca.h"
#include "util/num.h"
#include "util/vtime.h"

static const char *dir_of(const struct cli *cli)
{
    return cli_has(cli, OPT_DIR) ? cli->value[OPT_DIR] : CLI_CERT_DIR;
}

static const char *ca_dir_of(const struct cli *cli)
{
    return cli_has(cli, OPT_CA_DIR) ? cli->value[OPT_CA_DIR] : CLI_CA_DIR;
}

int cmd_certs_init(struct cli *cli)
{
    struct vr_err err = VR_ERR_INIT;
    const char *dir = ca_dir_of(cli);
    int r = ca_init(dir, cli->nargs ? cli->args[0] : "vmreplica CA", &err);
    if (r < 0) {
        return cli_fail(r, &err);
    }
    printf("CA made in %s; keep ca-key.pem off the hosts\n"
           "next, on every host: vmreplica certs request\n",
           dir);
    return 0;
}

int cmd_certs_request(struct cli *cli)
{
    struct vr_err err = VR_ERR_INIT;
    char host[256] = "";
    const char *dir = dir_of(cli);
    if (cli->nnames == 0) {
        if (gethostname(host, sizeof(host) - 1) < 0 || !*host) {
            return cli_fail(vr_fail(&err, VR_E_INVALID, "this host has no name: give --name"),
                            &err);
        }
        cli->names[cli->nnames++] = host;
    }
    int r = cert_request(dir, cli->names, (unsigned)cli->nnames, &err);
    if (r < 0) {
        return cli_fail(r, &err);
    }
    printf("%s/request.pem made for %s\n"
           "next, where the CA is: vmreplica certs sign request.pem --out cert.pem\n",
           dir, cli->names[0]);
    return 0;
}

int cmd_certs_sign(struct cli *cli)
{
    struct vr_err err = VR_ERR_INIT;
    uint64_t days = CERT_DAYS;
    const char *out = cli_has(cli, OPT_OUT) ? cli->value[OPT_OUT] : "cert.pem";
    if (cli_has(cli, OPT_DAYS) && !vr_parse_u64(cli->value[OPT_DAYS], 1, CERT_DAYS_MAX, &days)) {
        return cli_fail(
            vr_fail(&err, VR_E_INVALID, "--days: give a number from 1 to %d", CERT_DAYS_MAX), &err);
    }
    int r = ca_sign(ca_dir_of(cli), cli->args[0], out, (unsigned)days, &err);
    if (r < 0) {
        return cli_fail(r, &err);
    }
    printf("%s signed\n"
           "next, on that host: vmreplica certs install %s ca.pem\n",
           out, out);
    return 0;
}

int cmd_certs_install(struct cli *cli)
{
    struct vr_err err = VR_ERR_INIT;
    int r = cert_install(dir_of(cli), cli->args[0], cli->args[1], &err);
    if (r < 0) {
        return cli_fail(r, &err);
    }
    printf("certificate in place in %s\n", dir_of(cli));
    return 0;
}

int cmd_certs_status(struct cli *cli)
{
    struct vr_err err = VR_ERR_INIT;
    struct cert_status s;
    char until[VR_ISO_TIME_LEN];
    int r = cert_status(dir_of(cli), &s, &err);
    if (r < 0) {
        cli_fail(r, &err);
        return STATUS_UNKNOWN;
    }
    printf("names        %s\nissuer       %s\nvalid until  %s (%d days)\nfingerprint  %s\n",
           s.names, s.issuer, vr_iso_time(s.not_after_us, until, sizeof(until)), s.days_left,
           s.fingerprint);
    if (s.warning[0]) {
        printf("warning      %s\n", s.warning);
    }
    return s.days_left < 0 ? STATUS_CRITICAL : s.warning[0] ? STATUS_WARNING : STATUS_OK;
}
