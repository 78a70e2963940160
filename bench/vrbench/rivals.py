# SPDX-License-Identifier: Apache-2.0
"""Other tools that make a replica equal, or compare. Each: function(bench, site) -> figures of one run.

The caller has made the images differ and the cache warm or cold, and checks the replica afterwards. The client runs
on the source's side, the server on the replica's."""
import os
import re
import secrets
import subprocess

from vrbench import cache
from vrbench.meter import Meter
from vrbench.server import Server, free_port

PSK_USER = "bench"
CASYNC_PART = 16  # what it gets of the disk


def meter(site, server=None):
    return Meter([], [server.pid] if server else [], site.link if site.link.prefix else None)


def rsync(bench, site, fsync=False):
    """--no-whole-file: over a network that is the default; --inplace: as everybody runs it on disks."""
    bench.need("rsync")
    port, conf = free_port(), bench.path("rsyncd.conf")
    with open(conf, "w", encoding="utf-8") as f:
        own = "" if os.getuid() else "uid = 0\ngid = 0\n"  # others cannot choose
        f.write(f"use chroot = no\nport = {port}\naddress = {site.link.address(2)}\n{own}"
                f"[d]\npath = {os.path.dirname(site.replica)}\nread only = no\n")
    command = ["rsync", "-I", "--inplace", "--no-whole-file", "--stats"] + (["--fsync"] if fsync else [])
    log = bench.path("rsync.log")
    with Server(site.link, 2, ["rsync", "--daemon", "--no-detach", "--config", conf], port) as s:
        with meter(site, s) as m, open(log, "wb") as out:
            m.run(1, site.link.command(1, command + [
                site.source, f"rsync://{s.address}:{port}/d/{os.path.basename(site.replica)}"]), stdout=out)
            s.children_gone()
    figures = m.figures()
    if "out" not in figures:
        with open(log, encoding="utf-8", errors="replace") as f:
            n = dict(re.findall(r"Total bytes (sent|received): ([\d,]+)", f.read()))
        figures["out"], figures["back"] = (int(n[k].replace(",", "")) for k in ("sent", "received"))
    return figures


def rsync_fsync(bench, site):
    return rsync(bench, site, fsync=True)


def psk(bench):
    path = bench.path("psk")
    if not os.path.exists(path):
        with open(path, "w", encoding="ascii") as f:
            os.chmod(path, 0o600)
            f.write(f"{PSK_USER}:{secrets.token_hex(32)}\n")
    return path


def nbdkit(bench, site, plugin, tls=False):
    """(server, URI)"""
    bench.need("nbdkit")
    port = free_port()
    command = ["nbdkit", "-f", "-i", site.link.address(2), "-p", str(port)]
    if tls:
        command += ["--tls=require", f"--tls-psk={psk(bench)}"]
        uri = f"nbds://{PSK_USER}@{site.link.address(2)}:{port}/?tls-psk-file={psk(bench)}"
    else:
        uri = f"nbd://{site.link.address(2)}:{port}/"
    return Server(site.link, 2, command + plugin, port), uri


def nbdcopy(bench, site, tls=False):
    """A full copy, durable at its end."""
    bench.need("nbdcopy")
    server, uri = nbdkit(bench, site, ["file", site.replica], tls)
    with server as s, meter(site, s) as m:
        m.run(1, site.link.command(1, ["nbdcopy", "--flush", site.source, uri]))
    return m.figures()


def nbdcopy_tls(bench, site):
    return nbdcopy(bench, site, tls=True)


def convert(bench, site):
    """A full copy by qemu-img; it flushes at the end."""
    bench.need("qemu-img")
    server, uri = nbdkit(bench, site, ["file", site.replica])
    with server as s, meter(site, s) as m:
        m.run(1, site.link.command(1, ["qemu-img", "convert", "-n", "-W", "-m", "8", "-f", "raw", "-O", "raw",
                                       site.source, uri]))
    return m.figures()


def compare(bench, site):
    """Only compares, and reads the whole replica over the link."""
    bench.need("qemu-img")
    server, uri = nbdkit(bench, site, ["file", site.replica])
    with server as s, meter(site, s) as m:
        m.run(1, site.link.command(1, ["qemu-img", "compare", "-f", "raw", "-F", "raw", site.source, uri]))
    return m.figures()


def casync(bench, site):
    """A chunk store made of the source, then the replica extracted anew from it with the old one as seed. Both on
    this machine's file system: no bytes on a link to count. It takes so long that the first sixteenth has to do."""
    bench.need("casync")
    store, index, new = bench.path("store"), bench.path("source.caibx"), bench.path("extracted.img")
    mib = bench.mib // CASYNC_PART
    part = [bench.path("part-source.img"), bench.path("part-replica.img")]
    try:
        for path, whole in zip(part, (site.source, site.replica)):
            subprocess.run(["dd", f"if={whole}", f"of={path}", "bs=1M", f"count={mib}", "conv=sparse",
                            "status=none"], check=True)
            os.truncate(path, mib << 20)
        cache.warm(*part)
        with meter(site) as m:
            m.run(1, ["casync", "make", f"--store={store}", index, part[0]], stderr=subprocess.DEVNULL)
            m.run(2, ["casync", "extract", f"--store={store}", f"--seed={part[1]}", index, new],
                  stderr=subprocess.DEVNULL)
        if subprocess.run(["cmp", "-s", part[0], new], check=False).returncode:
            raise RuntimeError("casync's result differs from the source")
    finally:
        subprocess.run(["rm", "-rf", store, index, new, *part], check=False)
    figures = m.figures()
    for name in ("out", "back", "disk"):
        figures.pop(name, None)
    return figures
