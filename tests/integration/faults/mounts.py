# SPDX-License-Identifier: Apache-2.0
"""Replicas of h2 on a small ext4 file system of their own, which can run full or lose its power. Mounts are made in a
mount namespace, so that nothing is left behind whatever happens.
"""
import fcntl
import os
import shutil
import signal
import struct
import subprocess
import sys

from faultlab import MIB, Failure, await_true, expect, make_disk, run

EXT4_IOC_SHUTDOWN = 0x8004587d
NO_LOG_FLUSH = 2


def enter_namespace(name):
    """Starts the script anew in a mount namespace of its own."""
    if os.geteuid() != 0:
        print(f'skip {name}: needs root, for mounts')
        sys.exit(77)
    if os.environ.pop('FAULT_NAMESPACE', '') != str(os.getpid()):
        os.environ['FAULT_NAMESPACE'] = str(os.getpid())
        os.execvp('unshare', ['unshare', '-m', sys.executable, *sys.argv])
    run('mount', '--make-rprivate', '/')


class Disk:
    """An ext4 file system in a file, mounted."""

    def __init__(self, test, name, mib=384, mkfs=()):
        self.image, self.at = os.path.join(test.work, name + '.ext4'), os.path.join(test.work, name)
        with open(self.image, 'wb') as f:
            f.truncate(mib * MIB)
        run('mkfs.ext4', '-q', '-F', *mkfs, self.image)
        os.mkdir(self.at)
        self.mount()
        test.at_end.append(lambda: subprocess.run(['umount', '-l', self.at], check=False, stderr=subprocess.DEVNULL))

    def mount(self):
        run('mount', '-o', 'loop', self.image, self.at)

    def free(self):
        v = os.statvfs(self.at)
        return v.f_bavail * v.f_frsize

    def fill(self, leave):
        """Takes all space but so many bytes."""
        with open(os.path.join(self.at, 'filler'), 'ab') as f:
            while (more := self.free() - leave) > 0:
                os.posix_fallocate(f.fileno(), f.tell(), max(more - (more >> 6), 4096))
                f.seek(0, os.SEEK_END)

    def empty(self):
        os.remove(os.path.join(self.at, 'filler'))

    def cut(self, host):
        """The host stops where it is, what is not on the disk is lost, and then it is gone."""
        os.kill(host.pid, signal.SIGSTOP)
        await_true('stopped', lambda: stopped(host.pid), step=0.001)
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


def make_lab(test, name, mib, env=None, fs_mib=384, settings=(), disks=None, state_too=True, mkfs=()):
    """A lab with replicas, and state, of h2 on such a file system: (lab, Disk)"""
    disks = disks or [make_disk(os.path.join(test.work, name + '-vda.raw'), 'raw', mib, mib // 4),
                      make_disk(os.path.join(test.work, name + '-vdb.qcow2'), 'qcow2', mib, mib // 4)]
    lab = test.lab(name, '--config', 'limits.retry_first_s=1', '--no-replica', *settings, disks=disks)
    disk = Disk(test, name + '-fs', fs_mib, mkfs)
    h1, h2 = lab.h1, lab.h2
    h2.kill(signal.SIGTERM)
    state, lab.storage['h2'] = os.path.join(disk.at, 'state'), os.path.join(disk.at, 'replicas')
    if state_too:
        shutil.copytree(os.path.join(h2.dir, 'state'), state)
        run('sed', '-i', f's|^state_dir = .*|state_dir = {state}|', h2.conf)
    os.mkdir(lab.storage['h2'])
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


def probe(test):
    """Containers often may not mount."""
    try:
        disk = Disk(test, 'probe')
        fd = os.open(disk.at, os.O_RDONLY)
        fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack('I', NO_LOG_FLUSH))
        os.close(fd)
        run('umount', disk.at)
    except (Failure, OSError) as e:
        test.skip(test.name, f'no file system can be mounted and shut down here: {e}')
        sys.exit(77)
