# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy between two hosts: counts bytes, and cuts connections at an exact one."""
import select
import socket
import struct
import threading


class Proxy:
    """Listens on a port of its own; `sent` and `received` are what the connecting side sent and got."""

    def __init__(self, port):
        self.target = ('127.0.0.1', port)
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.sent = self.received = self.cuts = 0
        self.cut_at = None  # bytes sent
        self.lock = threading.Lock()
        self.sockets = set()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(near,), daemon=True).start()

    def serve(self, near):
        try:
            far = socket.create_connection(self.target)
        except OSError:
            near.close()
            return
        with self.lock:
            self.sockets |= {near, far}
        try:
            self.carry(near, far)
        except OSError:
            pass
        with self.lock:
            self.sockets -= {near, far}
        near.close()
        far.close()

    def carry(self, near, far):
        while True:
            for s in select.select([near, far], [], [])[0]:
                data = s.recv(1 << 16)
                if not data:
                    return
                if s is far:
                    self.received += len(data)
                    near.sendall(data)
                    continue
                if self.cut_at is not None and self.sent + len(data) >= self.cut_at:
                    far.sendall(data[:self.cut_at - self.sent])
                    self.sent, self.cut_at = self.cut_at, None
                    self.cut()
                    return
                self.sent += len(data)
                far.sendall(data)

    def cut(self):
        """Every connection is reset."""
        with self.lock:
            self.cuts += 1
            for s in self.sockets:
                try:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def forget(self):
        self.sent = self.received = 0
