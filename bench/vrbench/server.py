# SPDX-License-Identifier: Apache-2.0
"""Servers of rivals: started for one run, on the replica's side."""
import re
import socket
import subprocess
import time

START_S = 20


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listens(pid, port):
    try:
        with open(f"/proc/{pid}/net/tcp", encoding="ascii") as f:
            return re.search(rf"^\s*\d+: [0-9A-F]+:{port:04X} \S+ 0A ", f.read(), re.M) is not None
    except OSError:
        return False


class Server:
    """with Server(link, side, [...], port) as s: s.pid, s.address, s.port"""

    def __init__(self, link, side, command, port):
        self.address, self.port = link.address(side), port
        self.command = link.command(side, command)

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE)
        self.pid = self.process.pid
        end = time.monotonic() + START_S
        while not listens(self.pid, self.port):
            if self.process.poll() is not None or time.monotonic() > end:
                self.__exit__()
                raise RuntimeError(f"{' '.join(self.command)} did not start: "
                                   + self.process.stderr.read().decode(errors="replace")[-300:])
            time.sleep(0.01)
        return self

    def children_gone(self):
        """A server that has a child for each client is done when the child is."""
        end = time.monotonic() + START_S
        path = f"/proc/{self.pid}/task/{self.pid}/children"
        while time.monotonic() < end:
            with open(path, encoding="ascii") as f:
                if not f.read().strip():
                    return
            time.sleep(0.005)

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
