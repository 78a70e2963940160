# SPDX-License-Identifier: Apache-2.0
"""The connection of a granted PREFLIGHT is kept for the transfer: counted by a proxy between the hosts. When it is cut
before the transfer's request has come through, the transfer connects anew, at once. None is left afterwards."""
import os

from faultlab import MIB, Test, await_true, expect, make_disk
from proxy import Proxy

DISK_MIB = 8


class Keeper:
    def __init__(self, test):
        self.test = test
        disk = make_disk(os.path.join(test.work, 'vda.raw'), 'raw', DISK_MIB, 2)
        # One that had to be queued again would be heard of as a lost link, and would wait.
        self.lab = test.lab('lab', '--config', 'limits.retry_first_s=30', '--no-replica', disks=[disk])
        self.h1, self.h2 = self.lab.h1, self.lab.h2
        self.proxy = Proxy(self.h2.peer_port)
        storage = os.path.join(self.h2.dir, 'replicas')
        status, answer = self.h2.call('POST', 'authorizations', {'host': 'h1.localhost', 'storage': storage})
        expect(status in (200, 201, 204), f'authorization: {answer}')
        self.h1.must('enable', to=f'h2.localhost:{self.proxy.port}')
        await_true('the initial replication', lambda: self.h1.rel()['state'] == 3 and not self.h1.rel()['job'])
        for i, d in enumerate(self.lab.sidecar()['disks']):
            self.lab.env[f'H2_DISK_{i}'] = os.path.join(self.lab.replica_dir(), d['file'])
        # What the connecting side sends: its part of the handshake and the question; then would come OPEN.
        self.none_left()
        status, answer = self.h1.call('POST', 'peers/test', {'host': f'h2.localhost:{self.proxy.port}'})
        expect(status in (200, 202, 204), f'peer test: {status} {answer}')
        self.none_left()
        self.open_record = self.proxy.records + 1
        expect(self.open_record >= 3, f'only {self.open_record} records')

    def resync(self):
        path = self.lab.disks_of('h1')[0][0]
        with open(path, 'r+b', buffering=0) as f:
            f.write(os.urandom(MIB))
        self.proxy.forget()
        self.h1.await_end(self.h1.resync())
        expect(self.lab.contents('h2') == self.lab.contents('h1'), 'the disks are not equal')

    def none_left(self):
        await_true('no connection is left', lambda: not self.proxy.sockets)

    def one_connection(self):
        self.resync()
        expect(self.proxy.connections == 1, f'{self.proxy.connections} connections were made')
        self.none_left()

    def cut_before_open(self):
        cuts, before = self.proxy.cuts, self.h1.get('events')['events']
        self.proxy.cut_record = self.open_record
        self.resync()
        expect(self.proxy.cuts == cuts + 1, 'nothing was cut')
        expect(self.proxy.connections == 2, f'{self.proxy.connections} connections were made')
        heard = [e['id'] for e in self.h1.get('events')['events'] if e not in before]
        expect(heard and 'link-lost' not in heard, f'it was heard of: {heard}')
        self.none_left()

    def cut_in_the_question(self):
        """Nothing was granted: the caller is told, nothing starts."""
        cuts = self.proxy.cuts
        self.proxy.forget()
        self.proxy.cut_record = self.open_record - 1
        status, answer = self.h1.verb('resync')
        expect(status >= 400, f'accepted: {answer}')
        expect(self.proxy.cuts == cuts + 1 and self.proxy.connections == 1, 'not what was to be cut')
        self.none_left()


def main():
    test = Test('kept')
    k = Keeper(test)
    for name in ('one_connection', 'cut_before_open', 'cut_in_the_question', 'one_connection'):
        with test.scenario(name.replace('_', ' ')):
            getattr(k, name)()
    test.finish()


main()
