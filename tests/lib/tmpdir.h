/* SPDX-License-Identifier: Apache-2.0 */
/* Removes the directory a test made, with everything in it. */
#pragma once
#include <ftw.h>
#include <stdio.h>

static inline int
tmpdir_remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    return remove(path);
}

static inline void tmpdir_remove(const char *dir)
{
    (void)!nftw(dir, tmpdir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
