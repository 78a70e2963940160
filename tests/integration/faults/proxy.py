# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy between two hosts: counts bytes, connections and TLS records, and cuts at an exact byte or record."""
import select
import socket
import struct
import threading

PROTECTED = 0x17  # type of a TLS record that is encrypted
ALERT_BYTES = 2 + 1 + 16  # the longest that may be a farewell: an alert, its type and tag


class Records:
    """Counts the encrypted TLS records of one direction of one connection, by their heads; no farewells."""

    def __init__(self):
        self.head, self.left, self.begun = b'', 0, 0

    def take(self, data):
        at = 0
        while at < len(data):
            skip = min(self.left, len(data) - at)
            at, self.left = at + skip, self.left - skip
            if self.left == 0:
                more = data[at:at + 5 - len(self.head)]
                self.head, at = self.head + more, at + len(more)
            if len(self.head) == 5:
                self.left = int.from_bytes(self.head[3:], 'big')
                self.begun += self.head[0] == PROTECTED and self.left > ALERT_BYTES
                self.head = b''


class Proxy:
    """Listens on a port of its own; `sent` and `received` are what the connecting side sent and got."""

    def __init__(self, port):
        self.target = ('127.0.0.1', port)
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.sent = self.received = self.cuts = 0
        self.connections = 0
        self.cut_at = None  # bytes sent
        self.records = 0  # encrypted ones the connecting side sent, over the latest connection
        self.cut_record = None  # the first of these that is not carried
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
            self.connections += 1
        try:
            self.carry(near, far)
        except OSError:
            pass
        with self.lock:
            self.sockets -= {near, far}
        near.close()
        far.close()

    def carry(self, near, far):
        records = Records()
        while True:
            for s in select.select([near, far], [], [])[0]:
                data = s.recv(1 << 16)
                if not data:
                    return
                if s is far:
                    self.received += len(data)
                    near.sendall(data)
                    continue
                records.take(data)
                self.records = records.begun
                if self.cut_record is not None and records.begun >= self.cut_record:
                    self.cut_record = None
                    self.cut()
                    return
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
        self.sent = self.received = self.connections = 0
