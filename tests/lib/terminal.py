#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command on a terminal of COLUMNSxROWS and writes what it sent there to stdout.

    terminal.py 80x24 COMMAND...                  until it ends
    terminal.py --looks N [--then 60x10] --signal SIGINT 80x24 COMMAND...
        the N-th time it draws the whole view the terminal gets another size; N times later the signal is sent

Exits as the command does; 99 when it does not end."""
import argparse
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

BOUND_S = 90


def set_size(fd, text):
    columns, rows = map(int, text.split('x'))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('size')
    parser.add_argument('--looks', type=int, default=0)
    parser.add_argument('--then')
    parser.add_argument('--signal')
    parser.add_argument('command', nargs=argparse.REMAINDER)
    a = parser.parse_args()
    ready, go = os.pipe()
    pid, fd = pty.fork()
    if pid == 0:
        os.read(ready, 1)  # the size is there first
        os.execvp(a.command[0], a.command)
    set_size(fd, a.size)
    os.write(go, b'x')
    got, until, wanted = b'', time.monotonic() + BOUND_S, a.looks
    while time.monotonic() < until:
        if not select.select([fd], [], [], 0.2)[0]:
            continue
        try:
            more = os.read(fd, 65536)
        except OSError:  # the command's end
            more = b''
        if not more:
            break
        got += more
        if a.looks and got.count(b'\033[H') >= wanted:
            if a.then:
                set_size(fd, a.then)
                wanted, a.then = wanted + a.looks, None
            else:
                os.kill(pid, getattr(signal, a.signal))
                a.looks = 0
    else:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        sys.exit(99)
    sys.stdout.buffer.write(got)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == '__main__':
    main()
