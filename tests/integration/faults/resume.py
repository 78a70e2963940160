# SPDX-License-Identifier: Apache-2.0
"""A resync that was interrupted half-way sends again at most 1 % of what was staged, one window and the digests; and
when the source changed in between, the result is one instant. Interrupted by killing either side, by pause, by cutting
the connection. The bytes are counted by a proxy between the hosts.
"""
import os
import threading
import time

from faultlab import BLOCK, MIB, Test, await_true, expect, make_disk
from proxy import Proxy

DISK_MIB = 96
SMALL_MIB = 16
RATE = 80 * MIB
WINDOW = 16 * MIB
OVERHEAD = 2 * MIB  # TLS, frames, what is asked about digests


class Resumer:
    def __init__(self, test):
        self.test = test
        self.disks = [make_disk(os.path.join(test.work, 'vda.raw'), 'raw', DISK_MIB, 4),
                      make_disk(os.path.join(test.work, 'vdb.qcow2'), 'qcow2', SMALL_MIB, 2)]
        self.lab = test.lab('lab', '--config', 'limits.retry_first_s=1', '--no-replica', disks=self.disks)
        self.h1, self.h2 = self.lab.h1, self.lab.h2
        self.proxy = Proxy(self.h2.peer_port)
        self.enable()

    def enable(self):
        storage = os.path.join(self.h2.dir, 'replicas')
        status, answer = self.h2.call('POST', 'authorizations', {'host': 'h1.localhost', 'storage': storage})
        expect(status in (200, 201, 204), f'authorization: {answer}')
        self.h1.must('enable', to=f'h2.localhost:{self.proxy.port}')
        await_true('the initial replication', lambda: self.h1.rel()['state'] == 3 and not self.h1.rel()['job'])
        for i, d in enumerate(self.lab.sidecar()['disks']):
            self.lab.env[f'H2_DISK_{i}'] = os.path.join(self.lab.replica_dir(), d['file'])

    def staged(self):
        """Bytes in the staging runs; nobody writes them now."""
        at = self.lab.replica_dir()
        return sum(os.path.getsize(os.path.join(at, n)) for n in os.listdir(at) if n.startswith('run-'))

    def settle(self):
        """Waits until h2 has nothing more to write down."""
        last, since = -1, time.monotonic()
        until = since + 5
        while time.monotonic() < until:
            now = self.staged()
            if now != last:
                last, since = now, time.monotonic()
            elif time.monotonic() - since > 0.15:
                break
            time.sleep(0.03)
        return last

    def new_source(self):
        path = self.lab.disks_of('h1')[0][0]
        with open(path, 'r+b', buffering=0) as f:
            for _ in range(DISK_MIB // 4):
                f.write(os.urandom(4 * MIB))

    def change_source(self):
        """Here and there, where it was sent already and where it was not. Gives the bytes changed."""
        path, n = self.lab.disks_of('h1')[0][0], 24
        with open(path, 'r+b', buffering=0) as f:
            for i in range(n):
                f.seek(i * (DISK_MIB * MIB // n))
                f.write(os.urandom(BLOCK))
        return n * BLOCK

    def half_way(self, job):
        half = DISK_MIB * MIB // 2
        self.h1.await_job(job, lambda j: j['progress']['bytes_sent'] >= half, 'half is sent', step=0.005)

    # --- interruptions: each leaves the job waiting, or paused, or h1 down ---

    def kill_h1(self, job):
        self.half_way(job)
        self.h1.kill()
        return self.h1.start

    def kill_h2(self, job):
        self.half_way(job)
        self.h2.kill()
        return self.h2.start

    def pause(self, job):
        self.half_way(job)
        self.h1.must('pause')
        expect(self.h1.job(job)['state'] == 5, 'not suspended')
        return lambda: self.h1.must('resume')

    def cut(self, job):
        cuts = self.proxy.cuts
        self.proxy.cut_at = DISK_MIB * MIB // 2
        await_true('the connection is cut', lambda: self.proxy.cuts > cuts)
        self.h1.await_job(job, lambda j: j['state'] == 3, 'it waits for the link')
        return lambda: None

    # --- the promise ---

    def one(self, name, interrupt, changed):
        told = {}
        with self.test.scenario(lambda: f'{name}{", source changed" if changed else ""}: ' + ', '.join(
                f'{k} {v / MIB:.2f} MiB' for k, v in told.items())):
            self.new_source()
            old = self.lab.contents('h2')
            self.h1.must('bandwidth', bandwidth=RATE)
            self.proxy.forget()
            job = self.h1.resync()
            go_on = interrupt(job)
            more = self.change_source() if changed else 0
            self.proxy.forget()
            told['staged'] = staged = self.settle()
            expect(staged > DISK_MIB * MIB // 4, f'only {staged} bytes were staged: nothing was interrupted')
            expect(self.lab.contents('h2') == old, 'the replica changed before a commit')
            self.h1_rate(0, interrupt)
            go_on()
            self.h1.await_end(job)
            told['sent after it'] = self.proxy.sent
            told['allowed'] = allowed = DISK_MIB * MIB - staged + staged // 100 + more + WINDOW + OVERHEAD
            expect(self.proxy.sent <= allowed, f'{self.proxy.sent} bytes were sent, {allowed} are allowed')
            expect(allowed < DISK_MIB * MIB, 'the bound says nothing')
            expect(self.lab.contents('h2') == self.lab.contents('h1'), 'the disks are not equal')
            expect(self.staged() == 0, 'staging is left')

    def h1_rate(self, rate, interrupt):
        if interrupt != self.kill_h1:
            self.h1.must('bandwidth', bandwidth=rate)


def main():
    threading.stack_size(256 << 10)
    test = Test('resume')
    r = Resumer(test)
    for name, interrupt in (('h1 killed', r.kill_h1), ('h2 killed', r.kill_h2), ('paused', r.pause),
                            ('connection cut', r.cut)):
        for changed in (False, True):
            r.one(name, interrupt, changed)
    test.finish()


main()
