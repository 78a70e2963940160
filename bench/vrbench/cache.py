# SPDX-License-Identifier: Apache-2.0
"""The page cache before a run: made warm or cold, never left to chance."""
import os
import subprocess

from vrbench.bench import Missing


def warm(*paths):
    """Everything on disk, and both read once: at the same time, as a run will."""
    os.sync()
    procs = [subprocess.Popen(["cat", p], stdout=subprocess.DEVNULL) for p in paths]
    if any([p.wait() for p in procs]):
        raise OSError(f"cannot read {' and '.join(paths)}")


def cold():
    """Everything on disk, and nothing of it in memory. Needs root."""
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
            f.write("3")
    except OSError as e:
        raise Missing(f"cannot drop the page cache: {e}") from e
