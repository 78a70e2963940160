/* SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <signal.h>
#include <string.h>

#include "cli/cli.h"
#include "vr_config.h"

int main(int argc, char **argv)
{
    struct vr_err err = VR_ERR_INIT;
    struct cli cli;
    int words;
    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        cli_help(argc < 2 ? stderr : stdout);
        return argc < 2 ? vr_kind_exit_code(VR_E_INVALID) : 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("vmreplica " VR_VERSION);
        return 0;
    }
    const struct cli_command *c = cli_find_command(argc - 1, argv + 1, &words);
    if (!c) {
        return cli_fail(
            vr_fail(&err, VR_E_INVALID, "'%s' is no command; see 'vmreplica --help'", argv[1]),
            &err);
    }
    int r = cli_parse(c, argc - words, argv + words, &cli, &err);
    if (r < 0) {
        return cli_fail(r, &err);
    }
    if (cli_has(&cli, OPT_HELP)) {
        cli_command_help(c, stdout);
        return 0;
    }
    int code = c->run(&cli);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "vmreplica: cannot write the output\n");
        return code ? code : vr_kind_exit_code(VR_E_IO);
    }
    return code;
}
