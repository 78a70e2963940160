# SPDX-License-Identifier: Apache-2.0
"""System calls of the daemons, and of their qemu-nbd, fail: a source that cannot be read, a replica that cannot be
read, staged or flushed, a commit that cannot be written, a disk that lies. strace injects the errors, for one file
each; they are counted, and none at all is a failure.

What a daemon asks of io_uring is not a system call. So h2 first runs without it, under strace; then with it, and with a
library that spoils requests (uringfault.c).
"""
import ctypes
import os
import signal
import subprocess
import time

from faultlab import Test, alter, await_true, expect, make_disk

DISK_MIB = 24
FAILED = 10
READS, WRITES = 'pread64,preadv', 'pwrite64,pwritev'


class Injector:
    """Errors for some files, in a daemon and its children, while the body runs."""

    def __init__(self, host, calls, rule, *paths):
        self.host, self.pid, self.injected = host, host.pid, 0
        self.log = os.path.join(host.lab.test.work, 'strace')
        self.command = ['strace', '-f', '-qq', '-o', self.log, '-p', str(self.pid), '-e', f'trace={calls}',
                        '-e', f'inject={calls}:{rule}', *[a for p in paths for a in ('-P', p)]]
        self.child = None

    def __enter__(self):
        open(self.log, 'w', encoding='ascii').close()
        self.child = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.PIPE, text=True)
        await_true('strace is attached', self.attached)
        return self

    def attached(self):
        expect(self.child.poll() is None, f'strace ended: {self.child.stderr.read() if self.child.poll() else ""}')
        for task in os.listdir(f'/proc/{self.pid}/task'):
            with open(f'/proc/{self.pid}/task/{task}/status', encoding='ascii', errors='replace') as f:
                if f'TracerPid:\t{self.child.pid}\n' not in f.read():
                    return False
        return True

    def __exit__(self, *_):
        self.child.send_signal(signal.SIGINT)
        self.child.wait()
        with open(self.log, encoding='utf-8', errors='replace') as f:
            self.injected = sum('(INJECTED)' in line for line in f)


class RingInjector:
    """Errors for one file, in what h2 asks of io_uring, while the body runs."""

    def __init__(self, host, verb, rule, path):
        self.control, self.rule, self.injected = host.env['URING_FAULTS'], f'{verb} {rule} {path}\n', 0

    def __enter__(self):
        with open(self.control + '.new', 'w', encoding='ascii') as f:
            f.write(self.rule)
        open(self.control + '.log', 'w', encoding='ascii').close()
        os.rename(self.control + '.new', self.control)
        return self

    def __exit__(self, *_):
        os.remove(self.control)
        with open(self.control + '.log', encoding='ascii') as f:
            self.injected = sum('INJECTED' in line for line in f)


def has_uring():
    """Containers often may not."""
    fd = ctypes.CDLL(None).syscall(425, 1, ctypes.create_string_buffer(120))  # io_uring_setup
    if fd >= 0:
        os.close(fd)
    return fd >= 0


class Errors:
    injector = Injector

    def __init__(self, test):
        self.test = test
        disks = [make_disk(os.path.join(test.work, 'vda.raw'), 'raw', DISK_MIB, 6),
                 make_disk(os.path.join(test.work, 'vdb.qcow2'), 'qcow2', DISK_MIB, 6)]
        self.lab = test.lab('lab', '--config', 'limits.retry_first_s=1', disks=disks)
        self.h1, self.h2 = self.lab.h1, self.lab.h2
        self.total = 0

    def restart(self, **env):
        self.h2.kill(signal.SIGTERM)
        self.h2.env = {**os.environ, **env}
        self.h2.start()

    def path(self, name):
        return os.path.join(self.lab.replica_dir(), name)

    def runs(self):
        return [self.path(f'{prefix}00000{i}') for prefix in ('run-', 'sealed-') for i in range(1, 5)]

    def change(self):
        for path, form in self.lab.disks_of('h1'):
            alter(self.test.random, path, form, DISK_MIB, 40, 8)

    def faulty(self, host, calls, rule, *paths):
        """One resync with errors. Gives the contents before it, and the job as it stood in the end."""
        old = self.lab.contents('h2')
        self.change()
        with self.injector(host, calls, rule, *paths) as injector:
            job = self.begin()
            job = job if 'state' in job else self.h1.await_job(job['id'], lambda j: j['finished_state'] or 'next try' in j['status'], 'the job ends')
            time.sleep(0.1)
        expect(injector.injected > 0, 'not one error was injected')
        self.total += injector.injected
        return old, job

    def begin(self):
        """The job, or what it would have failed with when that was noticed before it began."""
        status, answer = self.h1.verb('resync')
        if status >= 400:
            return {'state': FAILED, 'state_text': 'refused', 'status': '', 'error_text': answer['detail']}
        return {'id': max(j['id'] for j in self.h1.get('jobs')['jobs'])}

    def completes(self):
        """A resync without errors."""
        job = self.h1.rel()['job']
        self.h1.await_end(job['id'] if job else self.h1.resync())
        self.lab.check_whole()
        expect(self.lab.contents('h2') == self.lab.contents('h1'), 'the disks are not equal')
        expect(self.h1.rel()['state'] == 3, f'state {self.h1.rel()["state_text"]}')

    # --- kinds of fault ---

    def fails(self, name, *fault, text='Input/output error'):
        """The job fails with the reason, the replica is the old one, and later all is well."""
        with self.test.scenario(f'{name}: the job fails with the reason, the replica stays'):
            old, job = self.faulty(*fault)
            expect(job['state'] == FAILED, f'job {job["state_text"]}: {job["status"]}')
            expect(text in job['error_text'], f'the reason: {job["error_text"]}')
            self.lab.check_whole()
            expect(self.lab.contents('h2') == old, 'the replica changed')
            self.completes()

    def retries(self, name, *fault, text='Input/output error'):
        """Between COMMIT and the intent: nothing was written to a disk, the job says why and tries again by itself."""
        with self.test.scenario(f'{name}: the job says why and is tried again'):
            old, job = self.faulty(*fault)
            expect('next try' in job['status'] and text in job['status'], f'job {job["state_text"]}: {job["status"]}')
            self.lab.check_whole()
            expect(self.lab.contents('h2') in (old, self.lab.contents('h1')), 'the replica is neither old nor new')
            self.completes()

    def blocks(self, name, *fault, text='Input/output error'):
        """The commit is blocked, nobody gets a disk, and a restart heals it."""
        with self.test.scenario(f'{name}: the commit is blocked, a restart finishes it'):
            old, job = self.faulty(*fault)
            sc = self.lab.sidecar()
            expect(sc['intent'] is not None, f'no intent stands: job {job["state_text"]}: {job["status"]}')
            shown = [d['file'] for d in sc['disks'] if os.path.exists(self.path(d['file']))]
            expect(not shown, f'can be started half-written: {shown}')
            said = job['error_text'] + job['status']
            expect('commit blocked' in said and text in said, f'the reason: {said}')
            new = self.lab.contents('h1')
            expect(new != old, 'nothing was to be done')
            self.h2.kill(signal.SIGTERM)
            self.h2.start()
            self.lab.check_whole()
            expect(self.lab.contents('h2') == new, 'after the restart the replica is not the new generation')
            self.completes()

    def harmless(self, name, *fault):
        with self.test.scenario(f'{name}: nothing happens'):
            _, job = self.faulty(*fault)
            expect(job['state'] == 7, f'job {job["state_text"]}: {job["status"]} {job["error_text"]}')
            self.completes()


def system_calls(e):
    e.restart(VMREPLICA_BUFFERED='1')
    h1, h2 = e.h1, e.h2
    raw, qcow2 = (path for path, _ in e.lab.disks_of('h1'))
    r_raw, r_qcow2 = (path for path, _ in e.lab.disks_of('h2'))
    runs = e.runs()
    e.fails('source raw, a read gives EIO', h1, READS, 'error=EIO:when=3', raw)
    e.fails('source qcow2, reads give EIO', h1, READS, 'error=EIO:when=2+', qcow2)
    e.fails('replica raw, a read gives EIO', h2, READS, 'error=EIO:when=3', r_raw)
    e.fails('replica qcow2, reads give EIO', h2, READS, 'error=EIO:when=2+', r_qcow2)
    e.completes()
    e.fails('staging, a write gives EIO', h2, WRITES, 'error=EIO:when=1', *runs)
    e.retries('staging, a flush gives EIO', h2, 'fdatasync,fsync', 'error=EIO:when=1', *runs)
    e.blocks('redo raw, a write gives EIO', h2, WRITES, 'error=EIO:when=2', r_raw + '.unready')
    e.blocks('redo qcow2, writes give EIO', h2, WRITES, 'error=EIO:when=1+', r_qcow2 + '.unready')
    e.blocks('redo raw, the flush gives EIO', h2, 'fdatasync,fsync', 'error=EIO:when=1', r_raw + '.unready')
    for i in range(3):  # which tables are between two states then is a matter of chance
        e.blocks(f'redo qcow2, the flush gives EIO ({i + 1})', h2, 'fdatasync,fsync', 'error=EIO:when=1+',
                 r_qcow2 + '.unready')
    e.blocks('redo raw, a write is lost', h2, 'pwrite64', 'retval=512:when=2', r_raw + '.unready',
             text='gives back other bytes')
    e.harmless('EINTR in reads of the source', h1, READS, 'error=EINTR:when=1+3', raw)
    e.harmless('EINTR in reads and writes of the replica', h2, READS + ',' + WRITES, 'error=EINTR:when=1+3', r_raw,
               r_raw + '.unready', *runs)


def ring(test, e):
    e.injector = RingInjector
    e.restart(LD_PRELOAD=os.path.join(test.build, 'tests', 'integration', 'uringfault.so'),
              URING_FAULTS=os.path.join(test.work, 'uringfaults'))
    staging, unready = e.path('run-000001'), e.lab.disks_of('h2')[0][0] + '.unready'
    # What is staged last is on its way when COMMIT comes.
    e.retries('staging in the ring, a write gives EIO', e.h2, 'write', 'eio 1 once', staging)
    e.retries('staging in the ring, writes give EIO', e.h2, 'write', 'eio 2 on', staging)
    e.fails('staging in the ring, a write is lost', e.h2, 'write', 'lost 2 once', staging,
            text='what was staged cannot be committed')
    e.blocks('redo raw in the ring, a write gives EIO', e.h2, 'write', 'eio 2 once', unready)
    e.blocks('redo raw in the ring, writes give EIO', e.h2, 'write', 'eio 1 on', unready)
    e.blocks('redo raw in the ring, a write is lost', e.h2, 'write', 'lost 2 once', unready, text='gives back other bytes')
    e.blocks('readback raw in the ring, reads give EIO', e.h2, 'read', 'eio 1 on', unready)


def main():
    test = Test('ioerrors', ('strace',))
    if subprocess.run(['strace', '-o', os.devnull, '-e', 'inject=getppid:error=EIO', 'true'], check=False,
                      stderr=subprocess.DEVNULL).returncode != 0:
        test.skip('ioerrors', 'strace may not trace here')
        raise SystemExit(77)
    e = Errors(test)
    system_calls(e)
    if test.sanitized:
        test.skip('errors in the ring', 'a sanitizer wants to be loaded first')
    elif not has_uring():
        test.skip('errors in the ring', 'no io_uring here')
    else:
        ring(test, e)
    print(f'# {e.total} errors injected', flush=True)
    test.finish()


main()
