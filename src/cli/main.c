/* SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <signal.h>
#include <string.h>

#include "cli/cli.h"
#include "util/num.h"
#include "vr_config.h"

/* How many of argv[1..] are an option that says whom to ask and how to answer; these may come
 * first. */
static int leading_option(int argc, char **argv)
{
    static const enum cli_option first[] = {OPT_JSON, OPT_SOCKET,        OPT_URL,
                                            OPT_USER, OPT_PASSWORD_FILE, OPT_CA_FILE};
    for (size_t i = 0; argc > 1 && i < VR_COUNT(first); i++) {
        const struct cli_option_info *o = &cli_options[first[i]];
        size_t n = strlen(o->word);
        if (strncmp(argv[1], "--", 2) != 0 || strncmp(argv[1] + 2, o->word, n) != 0) {
            continue;
        }
        if (argv[1][n + 2] == '\0') {
            return o->arg ? 2 : 1;
        }
        if (argv[1][n + 2] == '=') {
            return 1;
        }
    }
    return 0;
}

/* `vmreplica --json jobs` is `vmreplica jobs --json`. */
static void move_leading_options(int argc, char **argv)
{
    for (int moved = 0, n; (n = leading_option(argc - moved, argv)) > 0 && moved + n < argc;
         moved += n) {
        for (int i = 0; i < n; i++) {
            char *option = argv[1];
            memmove(argv + 1, argv + 2, (size_t)(argc - 2) * sizeof argv[0]);
            argv[argc - 1] = option;
        }
    }
}

int main(int argc, char **argv)
{
    struct vr_err err = VR_ERR_INIT;
    struct cli cli;
    int words;
    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN);
    move_leading_options(argc, argv);
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
