# SPDX-License-Identifier: Apache-2.0
"""Facts that figures mean nothing without."""
import os
import re
import shutil
import subprocess
import time

TOOLS = [("rsync", ["rsync", "--version"]), ("nbdcopy", ["nbdcopy", "--version"]),
         ("nbdkit", ["nbdkit", "--version"]), ("qemu-img", ["qemu-img", "--version"]),
         ("casync", ["casync", "--version"]), ("fio", ["fio", "--version"])]


def version(command):
    if not shutil.which(command[0]):
        return None
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    m = re.search(r"\d+(\.\d+)*", done.stdout)
    return m.group(0) if m else "?"


def first(path, pattern, default="?"):
    try:
        with open(path, encoding="ascii", errors="replace") as f:
            m = re.search(pattern, f.read(), re.M)
            return m.group(1).strip() if m else default
    except OSError:
        return default


def file_system(folder):
    done = subprocess.run(["df", "--output=fstype", folder], stdout=subprocess.PIPE, text=True, check=False)
    return done.stdout.split("\n")[1].strip() if done.returncode == 0 else "?"


def facts(args, command):
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "command": " ".join(command),
        "mib": args.mib,
        "quick": args.quick,
        "cpu": first("/proc/cpuinfo", r"^model name\s*: (.*)"),
        "cpus": os.cpu_count(),
        "memory_mib": int(first("/proc/meminfo", r"^MemTotal:\s+(\d+)", "0")) >> 10,
        "kernel": os.uname().release,
        "machine": os.uname().machine,
        "fs": file_system(args.dir),
        "disk_bytes": args.mib << 20,
        "versions": {name: v for name, c in TOOLS if (v := version(c))},
        "order": {},
    }
