# SPDX-License-Identifier: Apache-2.0
"""What the work cannot do without, each part by itself."""
import json
import os
import subprocess
import sys

from vrbench import rivals
from vrbench.bench import Missing
from vrbench.meter import Meter

DIRECT = [(1 << 20, 8), (256 << 10, 32), (1 << 20, 32)]  # bytes and depth: the best of them counts


def cats(source, replica):
    with Meter() as m:
        m.run_both(["cat", source], ["cat", replica])
    return m.figures()


def digests(bench, source, replica):
    program = bench.program("floor")
    with Meter() as m:
        m.run_both([program, "digest", source], [program, "digest", replica])
    return m.figures()


def differences(bench, pair, case):
    """Records the floors of what differs; the pair is equal afterwards."""
    packed = pair.floor("pack")
    bench.add(case, "differences packed", wall=packed["seconds"], out=packed["packed"],
              differing=packed["differing"])
    staged = bench.path("staged")
    for _ in range(2):  # memory that a hypervisor took back is dear to touch: the second time counts
        once = pair.floor("stage", staged)
        os.unlink(staged)
    again = pair.mend()
    bench.add(case, "differences written once", wall=once["seconds"])
    bench.add(case, "differences written twice", wall=once["seconds"] + again["seconds"])
    return packed


def tls_transfer(bench, site, size):
    """size bytes through nbdkit's TLS, from memory to nowhere."""
    bench.need("nbdcopy")
    server, uri = rivals.nbdkit(bench, site, ["null", f"size={max(size // 4096, 1) * 4096}"], tls=True)
    with server as s, rivals.meter(site, s) as m:
        m.run(1, site.link.command(1, ["nbdcopy", "--no-extents", uri, "null:"]))
    figures = m.figures()
    figures.pop("disk")
    return figures


RECEIVE = """import socket, sys
s = socket.create_server((sys.argv[1], 0))
print(s.getsockname()[1], flush=True)
c, left, room = s.accept()[0], int(sys.argv[2]), bytearray(1 << 20)
while left > 0 and (n := c.recv_into(room)):
    left -= n
c.sendall(b"x" if left <= 0 else b"")"""
SEND = """import socket, sys, time
left, data, start = int(sys.argv[3]), memoryview(bytes(1 << 20)), time.monotonic()
c = socket.create_connection((sys.argv[1], int(sys.argv[2])))
c.setsockopt(socket.SOL_SOCKET, 32, 32 << 20)  # SO_SNDBUFFORCE, as src/net/tcp.c does: tcp_wmem's limit fills no long line
while left > 0:
    left -= c.send(data[:left])
assert c.recv(1) == b"x"
print(time.monotonic() - start)"""


def stream(link, size):
    """Seconds that size bytes take over one plain TCP connection, from connecting to the word that they are there."""
    receive = subprocess.Popen(link.command(2, [sys.executable, "-c", RECEIVE, link.address(2), str(size)]),
                               stdout=subprocess.PIPE, text=True)
    try:
        port = receive.stdout.readline().strip()
        done = subprocess.run(link.command(1, [sys.executable, "-c", SEND, link.address(2), port, str(size)]),
                              stdout=subprocess.PIPE, text=True, check=True)
    finally:
        receive.kill()
        receive.wait()
        receive.stdout.close()
    return float(done.stdout)


def extents(path):
    """(offset, length) of a file's data."""
    with open(path, "rb") as f:
        end, at = os.fstat(f.fileno()).st_size, 0
        while at < end:
            try:
                at = os.lseek(f.fileno(), at, os.SEEK_DATA)
            except OSError:
                return
            stop = os.lseek(f.fileno(), at, os.SEEK_HOLE)
            yield at, stop - at
            at = stop


def io_log(bench, path, step):
    """For fio: the data of a file once, in order; not its holes."""
    log = bench.path(os.path.basename(path) + ".iolog")
    with open(log, "w", encoding="ascii") as f:
        f.write(f"fio version 2 iolog\n{path} add\n{path} open\n")
        for off, length in extents(path):
            for at in range(off, off + length, step):
                f.write(f"{path} read {at} {min(step, off + length - at)}\n")
        f.write(f"{path} close\n")
    return log


# Buffers of huge pages: a virtio disk takes far more requests at once that way, and we have them, too.
FIO_ENV = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def fio_wall(bench, paths, step, depth, engine="io_uring"):
    command = ["fio", "--output-format=json", f"--ioengine={engine}", "--direct=1", f"--iodepth={depth}",
               "--readonly"]
    for i, path in enumerate(paths):
        command += [f"--name=read{i}", f"--read_iolog={io_log(bench, path, step)}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                          env={**os.environ, **FIO_ENV})
    if done.returncode:
        raise Missing("fio failed: " + done.stderr.strip()[-200:])
    jobs = json.loads(done.stdout[done.stdout.index("{"):])["jobs"]
    want = sum(-(-n // step) for p in paths for _, n in extents(p))
    got = sum(j["read"]["total_ios"] for j in jobs)  # its bytes leave out those in flight at the end
    if got < want:
        raise RuntimeError(f"fio did {got} reads of {want}")
    return max(j["read"]["runtime"] for j in jobs) / 1000


def storage(bench, paths, settings=None):
    """(seconds, (engine, step, depth)): the data of all paths at once, past the page cache. Without settings, the best
    of several."""
    bench.need("fio")
    if settings:
        engine, step, depth = settings
        return fio_wall(bench, paths, step, depth, engine), settings
    engine, seen = "io_uring", []
    for step, depth in DIRECT:
        try:
            wall = fio_wall(bench, paths, step, depth, engine)
        except Missing:
            if engine != "io_uring":
                raise
            engine = "libaio"  # a kernel or a sandbox without io_uring
            wall = fio_wall(bench, paths, step, depth, engine)
        seen.append((wall, (engine, step, depth)))
    return min(seen)
