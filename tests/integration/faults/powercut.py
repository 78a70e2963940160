# SPDX-License-Identifier: Apache-2.0
"""The replica's host loses power: its file system is shut down with everything that is not on the disk yet, then
mounted again. A generation that was reported as completed must be there; otherwise the replica is at the old or at the
new one.

So that this can fail: with a library that makes every fsync do nothing, a loss must be noticed. CUTS says how many.
"""
import fcntl
import os
import shutil
import signal
import struct
import subprocess
import sys
import time

from faultlab import MIB, Failure, Ledger, Test, alter, await_true, expect, make_disk, run

EXT4_IOC_SHUTDOWN = 0x8004587d
NO_LOG_FLUSH = 2
DISK_MIB = 32
CONTROL_TRIES = 5
NOTHING_SYNCED = ('/usr/lib/x86_64-linux-gnu/libeatmydata.so', '/usr/lib/aarch64-linux-gnu/libeatmydata.so',
                  '/usr/lib/libeatmydata.so', '/usr/lib64/libeatmydata.so')


class Disk:
    """An ext4 file system in a file; state and replicas of h2 are on it."""

    def __init__(self, test, name):
        self.image, self.at = os.path.join(test.work, name + '.ext4'), os.path.join(test.work, name)
        with open(self.image, 'wb') as f:
            f.truncate(384 * MIB)
        run('mkfs.ext4', '-q', '-F', self.image)
        os.mkdir(self.at)
        self.mount()
        test.at_end.append(lambda: subprocess.run(['umount', '-l', self.at], check=False, stderr=subprocess.DEVNULL))

    def mount(self):
        run('mount', '-o', 'loop', self.image, self.at)

    def cut(self, host):
        """The host stops where it is, what is not on the disk is lost, and then it is gone."""
        os.kill(host.pid, signal.SIGSTOP)
        await_true('stopped', lambda: stopped(host.pid), 10, 0.001)
        fd = os.open(self.at, os.O_RDONLY)
        fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack('I', NO_LOG_FLUSH))
        os.close(fd)
        host.kill()
        await_true('unmounted', lambda: subprocess.run(['umount', self.at], check=False,
                                                       stderr=subprocess.DEVNULL).returncode == 0, 10)
        self.mount()


def stopped(pid):
    """No thread can tell the other host of errors any more: D ends in T."""
    for task in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{task}/stat', encoding='ascii', errors='replace') as f:
            if f.read().rsplit(')', 1)[1].split()[0] not in 'TD':
                return False
    return True


def make_lab(test, name, env=None):
    disks = [make_disk(os.path.join(test.work, name + '-vda.raw'), 'raw', DISK_MIB, 8),
             make_disk(os.path.join(test.work, name + '-vdb.qcow2'), 'qcow2', DISK_MIB, 8)]
    lab = test.lab(name, '--config', 'limits.retry_first_s=1', '--no-replica', disks=disks)
    disk = Disk(test, name + '-fs')
    h1, h2 = lab.h1, lab.h2
    h2.kill(signal.SIGTERM)
    state, lab.storage['h2'] = os.path.join(disk.at, 'state'), os.path.join(disk.at, 'replicas')
    shutil.copytree(os.path.join(h2.dir, 'state'), state)
    os.mkdir(lab.storage['h2'])
    run('sed', '-i', f's|^state_dir = .*|state_dir = {state}|', h2.conf)
    os.sync()
    h2.env = env
    h2.start()
    status, answer = h2.call('POST', 'authorizations', {'host': 'h1.localhost', 'storage': lab.storage['h2']})
    expect(status in (200, 201, 204), f'authorization: {answer}')
    h1.must('enable', to=lab.env['H2_PEER'])
    await_true('the initial replication', lambda: h1.rel()['state'] == 3 and not h1.rel()['job'])
    for i, d in enumerate(lab.sidecar()['disks']):
        lab.env[f'H2_DISK_{i}'] = os.path.join(lab.replica_dir(), d['file'])
    os.sync()
    return lab, disk


def change(test, lab, blocks):
    for path, form in lab.disks_of('h1'):
        alter(test.random, path, form, DISK_MIB, blocks)


def complete_and_cut(test, lab, disk):
    """A job that was reported as completed, and at once no power. Gives what the recovery said."""
    change(test, lab, test.random.randrange(8, 60))
    job = lab.h1.resync()
    lab.h1.await_job(job, lambda j: j['finished_state'], 'the job ends', step=0.001)
    disk.cut(lab.h2)
    expect(lab.h1.job(job)['state'] == 7, f'job {job}: {lab.h1.job(job)["status"]}')
    return lab.recover()


def after_completion(test, cuts):
    lab, disk = make_lab(test, 'lab')
    ledger = Ledger(lab)
    with test.scenario(f'{cuts} power cuts right after a job completed: nothing is lost'):
        for _ in range(cuts):
            said = complete_and_cut(test, lab, disk)
            expect('warning' not in said, f'recover: {said}')
            ledger.completed()
            lab.h2.start()
            expect(lab.h1.rel()['state'] == 3, f'state {lab.h1.rel()["state_text"]}')
    return lab, disk, ledger


def at_random(test, lab, disk, ledger, cuts):
    redo = 0
    with test.scenario(lambda: f'{cuts} power cuts at random, {redo} in the redo: old {ledger.count["old"]}, '
                       f'new {ledger.count["new"]}'):
        for i in range(cuts):
            change(test, lab, test.random.randrange(16, 80))
            ledger.source_changed()
            lab.h1.must('bandwidth', bandwidth=test.random.choice((0, 0, 24 * MIB)))
            job = lab.h1.resync()
            aim(test, lab, i)
            disk.cut(lab.h2)
            redo += lab.sidecar()['intent'] is not None
            lab.recover()
            ledger.check()
            lab.h2.start()
            if not lab.h1.job(job)['finished_state']:
                lab.h1.kick()
            lab.h1.await_end(job)
            ledger.completed()
        expect(redo > 0, 'no cut hit a redo')


def aim(test, lab, i):
    if i % 2 == 0:
        time.sleep(test.random.uniform(0, 0.4))
        return
    until = time.monotonic() + 3
    while lab.sidecar()['intent'] is None and time.monotonic() < until:
        time.sleep(0.001)
    time.sleep(test.random.uniform(0, 0.05))


def control(test):
    library = next((p for p in NOTHING_SYNCED if os.path.exists(p)), None)
    if not library:
        test.skip('without fsync a power cut loses a generation', 'no libeatmydata here')
        return
    if test.sanitized:
        test.skip('without fsync a power cut loses a generation', 'a sanitizer wants to be loaded first')
        return
    lab, disk = make_lab(test, 'unsafe', {**os.environ, 'LD_PRELOAD': library})
    tries = 0
    with test.scenario(lambda: f'control: without fsync a power cut loses a generation, noticed at try {tries}'):
        for tries in range(1, CONTROL_TRIES + 1):
            ledger = Ledger(lab)
            try:
                complete_and_cut(test, lab, disk)
                ledger.completed()
                lab.h2.start()
            except (Failure, OSError) as e:
                print(f'# noticed: {e}', flush=True)
                return
        raise Failure(f'{tries} cuts without fsync and nothing lost: this test cannot fail')


def main():
    if os.geteuid() != 0:
        print('skip powercut: needs root, for mounts')
        sys.exit(77)
    if os.environ.pop('POWERCUT_NAMESPACE', '') != str(os.getppid()):
        os.environ['POWERCUT_NAMESPACE'] = str(os.getppid())
        os.execvp('unshare', ['unshare', '-m', sys.executable, *sys.argv])
    run('mount', '--make-rprivate', '/')
    test = Test('powercut', ('mkfs.ext4', 'mount', 'umount'))
    probe(test)
    cuts = int(os.environ.get('CUTS', '10'))
    with_lab = after_completion(test, cuts)
    at_random(test, *with_lab, cuts)
    control(test)
    test.finish()


def probe(test):
    """Containers often may not mount."""
    try:
        disk = Disk(test, 'probe')
        fd = os.open(disk.at, os.O_RDONLY)
        fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack('I', NO_LOG_FLUSH))
        os.close(fd)
        run('umount', disk.at)
    except (Failure, OSError) as e:
        test.skip('powercut', f'no file system can be mounted and shut down here: {e}')
        sys.exit(77)


main()
