# SPDX-License-Identifier: Apache-2.0
"""The replica's file system runs full: while differences are staged, and when a commit needs room. The job is suspended
and says how much is missing, the last generation stays as it was, and when space was freed the job goes on by itself.
"""
import os
import re

import mounts
from faultlab import MIB, Test, expect, make_disk

DISK_MIB = 48
SUSPENDED = 5
REL_SUSPENDED = 11
GOES_ON_S = 240  # every minute it is tried again; a try may find somebody looking at an image


def holes(test, name):
    """A disk whose images are nearly empty: a commit has to allocate."""
    return [make_disk(os.path.join(test.work, f'{name}-{n}.{form}'), form, DISK_MIB, 1)
            for n, form in (('vda', 'raw'), ('vdb', 'qcow2'))]


def write_source(lab, disk, mib):
    path, form = lab.disks_of('h1')[disk]
    make_noise = path + '.noise'
    with open(make_noise, 'wb') as f:
        f.write(os.urandom(mib * MIB))
    mounts.run('qemu-io', '-f', form, '-c', f'write -q -s {make_noise} 4M {mib}M', path)
    os.remove(make_noise)


class Full:
    """One lab whose file system runs full, in one way; all wait for their minute together."""

    def __init__(self, test, name, reserve, fs_mib, mkfs=()):
        self.test, self.name = test, name
        self.lab, self.disk = mounts.make_lab(
            test, name, DISK_MIB, fs_mib=fs_mib, settings=('--config', f'limits.staging_reserve={reserve}'),
            disks=holes(test, name), state_too=False, mkfs=mkfs)
        self.old = self.lab.contents('h2')
        self.job = None

    def suspended(self):
        h1 = self.lab.h1
        job = h1.await_job(self.job, lambda j: j['finished_state'] or j['state'] == SUSPENDED, 'it is suspended')
        print(f'# {self.name}: {job["status"]}', flush=True)
        expect(job['state'] == SUSPENDED, f'job {job["state_text"]}: {job["status"]} {job["error_text"]}')
        expect(re.search(r'\d+ (bytes|MiB)', job['status']), f'no amount is named: {job["status"]}')
        expect(re.search(r'space|free', job['status']), f'it does not say why: {job["status"]}')
        rel = h1.rel()
        expect(rel['state'] == REL_SUSPENDED, f'state {rel["state_text"]}')
        self.untouched()

    def untouched(self):
        self.lab.check_whole()
        expect(self.lab.contents('h2') == self.old, 'the replica changed')

    def goes_on(self):
        self.lab.h1.await_end(self.job, seconds=GOES_ON_S)
        expect(self.lab.contents('h2') == self.lab.contents('h1'), 'the disks are not equal')
        self.lab.check_whole()
        expect(self.lab.h1.rel()['state'] == 3, f'state {self.lab.h1.rel()["state_text"]}')


def below_reserve(full):
    """Free space sinks below what must stay free."""
    full.disk.fill(44 * MIB)
    write_source(full.lab, 0, 30)
    full.job = full.lab.h1.resync()


def no_byte_left(full):
    """Somebody else takes the last byte while differences arrive."""
    write_source(full.lab, 0, 14)
    full.lab.h1.must('bandwidth', bandwidth=2 * MIB)
    full.job = full.lab.h1.resync()
    full.lab.h1.await_job(full.job, lambda j: j['progress']['bytes_sent'] > 2 * MIB, 'it sends')
    full.disk.fill(0)
    full.lab.h1.must('bandwidth', bandwidth=0)


def at_commit(full, disk):
    """What is staged fits; what the commit must allocate does not."""
    write_source(full.lab, disk, 14)
    full.disk.fill(20 * MIB)
    full.job = full.lab.h1.resync()


def grown(full):
    """Images have room for what they were, not for what their disks have become."""
    for path, form in full.lab.disks_of('h1'):
        mounts.run('qemu-img', 'resize', '-q', '-f', form, path, '+16M')
    path, form = full.lab.disks_of('h1')[1]
    mounts.run('qemu-io', '-f', form, '-c', f'write -q -P 7 {DISK_MIB}M 14M', path)
    write_source(full.lab, 0, 1)
    full.disk.fill(20 * MIB)
    full.job = full.lab.h1.resync()


def added(full):
    """A new disk has no data, but its image needs some space: this is not found out when it is made."""
    h1, path = full.lab.h1, os.path.join(full.test.work, f'{full.name}-vdc.qcow2')
    make_disk(path, 'qcow2', DISK_MIB, 0)
    h1.kill()
    with open(os.path.join(h1.dir, 'inventory.conf'), 'r+', encoding='utf-8') as f:
        text = re.sub(r'^(disk\.vda = )', f'disk.vdc = qcow2:{path}\n\\1', f.read(), count=1, flags=re.M)
        f.seek(0)
        f.write(text)
    h1.start()
    full.disk.fill(128 << 10)
    full.job = h1.resync()


def main():
    mounts.enter_namespace('diskfull')
    test = Test('diskfull', ('mkfs.ext4', 'mount', 'umount'))
    mounts.probe(test)
    ways = (('staging, below the reserve', 'a', '16M', 160, (), below_reserve),
            ('staging, not a byte left', 'b', '0', 96, (), no_byte_left),
            ('commit, holes of a raw image', 'c', '0', 96, (), lambda f: at_commit(f, 0)),
            ('commit, clusters of a qcow2 image', 'd', '0', 96, (), lambda f: at_commit(f, 1)),
            ('commit, a disk that grew', 'e', '0', 96, (), grown),
            ('commit, a new disk', 'f', '0', 96, ('-m', '0'), added))  # nothing is kept for root
    waiting = []
    for what, name, reserve, fs_mib, mkfs, begin in ways:
        full = Full(test, name, reserve, fs_mib, mkfs)
        with test.scenario(f'full, {what}: suspended, the amount is named, the replica is untouched'):
            begin(full)
            full.suspended()
            waiting.append((what, full))
    for _, full in waiting:
        full.disk.empty()
    for what, full in waiting:
        with test.scenario(f'full, {what}: with space it goes on by itself'):
            full.goes_on()
    test.finish()


main()
