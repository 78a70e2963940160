# SPDX-License-Identifier: Apache-2.0
"""For the fault tests of this folder: a lab of real daemons (tools/lab) that can be killed and looked at quickly.

A test is a script that makes a Test, says ok or not ok for each scenario, and leaves by Test.finish. What it started
it ends; its folder goes away unless KEEP is set.
"""
import atexit
import contextlib
import fcntl
import hashlib
import json
import os
import random
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), '..', '..', '..'))
LETTERS = 'abcdefgh'
START_S = 60
RELEASED_S = 60
MIB = 1 << 20
BLOCK = 64 << 10


class Failure(Exception):
    """Something was not as promised."""


def expect(condition, text):
    if not condition:
        raise Failure(text)


def run(*command, **options):
    """Runs a program that must succeed; gives what it printed."""
    done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, **options)
    expect(done.returncode == 0, f'{" ".join(map(str, command))[:200]}: exit {done.returncode}: {done.stdout[-500:]}')
    return done.stdout


def await_true(what, fn, seconds=60.0, step=0.02):
    until = time.monotonic() + seconds
    while True:
        value = fn()
        if value:
            return value
        if time.monotonic() > until:
            raise Failure(f'not within {seconds:.0f} s: {what}')
        time.sleep(step)


def is_locked(path):
    """Does anybody hold one of QEMU's locks? Asked without taking one, which others might run into."""
    with open(path, 'rb') as f:
        for first in (100, 200):  # what is in use, and what is not shared
            lock = struct.pack('hhqqi4x', fcntl.F_WRLCK, os.SEEK_SET, first, 8, 0)
            if struct.unpack('hhqqi4x', fcntl.fcntl(f, fcntl.F_OFD_GETLK, lock))[0] != fcntl.F_UNLCK:
                return True
    return False


def run_when_released(path, *command):
    """As run, for an image that a daemon may still have open: a job has failed, or is suspended, for one host before
    the other one's qemu-nbd has ended; and it may be tried again."""
    until = time.monotonic() + RELEASED_S
    while True:
        await_true(f'nobody has {path} open', lambda: not is_locked(path), RELEASED_S)
        try:
            return run(*command)
        except Failure as e:
            if 'Failed to get' not in str(e) or time.monotonic() > until:
                raise


class Test:
    """The run of one script: its build folder, temporary folder, labs and outcomes."""

    def __init__(self, name, tools=()):
        if len(sys.argv) != 2:
            sys.exit(f'usage: {name}.sh BUILD')
        self.name = name
        self.build = os.path.realpath(sys.argv[1])
        os.environ['PATH'] = os.environ['PATH'] + ':/usr/sbin:/sbin'
        for tool in ('qemu-img', 'qemu-io', 'qemu-nbd', 'jq', *tools):
            if not shutil.which(tool):
                self.skip(name, f'no {tool} here')
                sys.exit(77)
        self.sanitized = bool(os.environ.get('VR_SANITIZED')) or os.path.basename(self.build) == 'build-san'
        seed = int(os.environ.get('SEED', '0')) or random.SystemRandom().randrange(1, 1 << 31)
        print(f'# SEED={seed}', flush=True)
        self.random = random.Random(seed)
        self.work = tempfile.mkdtemp(prefix='vrf.', dir='/tmp')  # short: sockets are in there
        self.labs, self.at_end, self.failed, self.passed = [], [], 0, 0
        atexit.register(self.cleanup)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def cleanup(self):
        for lab in self.labs:
            lab.down()
        for fn in reversed(self.at_end):
            fn()
        if not os.environ.get('KEEP'):
            shutil.rmtree(self.work, ignore_errors=True)

    def ok(self, name):
        self.passed += 1
        print(f'ok {name}', flush=True)

    def not_ok(self, name, why):
        self.failed += 1
        print(f'not ok {name}\n    ' + str(why).replace('\n', '\n    '), flush=True)
        for lab in self.labs:
            lab.tell_logs()

    @staticmethod
    def skip(name, why):
        print(f'skip {name}: {why}', flush=True)

    @contextlib.contextmanager
    def scenario(self, name):
        """not ok when the body fails; name may be a function, called afterwards."""
        try:
            yield
        except (Failure, OSError, subprocess.SubprocessError, KeyError, ValueError) as e:
            where = traceback.extract_tb(e.__traceback__)
            lines = ', '.join(f'{os.path.basename(f.filename)}:{f.lineno}' for f in where[-4:])
            self.not_ok(name() if callable(name) else name, f'{type(e).__name__}: {e} ({lines})')
        else:
            self.ok(name() if callable(name) else name)

    def lab(self, name, *arguments, **options):
        lab = Lab(self, os.path.join(self.work, name), arguments, **options)
        self.labs.append(lab)
        return lab

    def finish(self):
        sys.exit(1 if self.failed or not self.passed else 0)


class Host:
    """One daemon."""

    def __init__(self, lab, name):
        self.lab, self.name, self.dir = lab, name, os.path.join(lab.dir, name)
        self.conf = os.path.join(self.dir, 'vmreplicad.conf')
        self.prefix, self.env = [], None
        self.child = None

    @property
    def socket_path(self):
        return self.lab.env[f'{self.name.upper()}_SOCKET']

    @property
    def pid(self):
        with open(os.path.join(self.dir, 'pid'), encoding='ascii') as f:
            return int(f.read().split()[0])

    @property
    def peer_port(self):
        return int(self.lab.env[f'{self.name.upper()}_PEER'].rsplit(':', 1)[1])

    def kill(self, number=signal.SIGKILL):
        """Ends the daemon and waits until it is gone."""
        pid = self.pid
        fd = os.pidfd_open(pid)
        try:
            os.kill(pid, number)
            expect(select.select([fd], [], [], START_S)[0], f'{self.name} does not end')
        finally:
            os.close(fd)
        if self.child:
            self.child.wait()
            self.child = None
        os.remove(os.path.join(self.dir, 'pid'))

    def spawn(self):
        with open(os.path.join(self.dir, 'log'), 'ab') as log:
            self.child = subprocess.Popen(
                [*self.prefix, os.path.join(self.lab.test.build, 'vmreplicad'), '--config', self.conf],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=self.env)
        pid = self.child.pid
        with open(f'/proc/{pid}/stat', encoding='ascii', errors='replace') as f:
            began = f.read().rsplit(')', 1)[1].split()[19]
        with open(os.path.join(self.dir, 'pid'), 'w', encoding='ascii') as f:  # 'lab down' knows it, too
            f.write(f'{pid} {began}\n')

    def ready(self):
        expect(self.child.poll() is None, f'{self.name} ended by itself ({self.child.returncode}): {self.tail()}')
        try:
            return self.get('jobs') is not None
        except OSError:
            return False

    def start(self):
        self.spawn()
        await_true(f'{self.name} is ready', self.ready, START_S, 0.005)

    def tail(self, n=5):
        with open(os.path.join(self.dir, 'log'), encoding='utf-8', errors='replace') as f:
            return ''.join(f.readlines()[-n:])

    def log_size(self):
        return os.path.getsize(os.path.join(self.dir, 'log'))

    # --- what it says ---

    def call(self, method, path, body=None):
        """(status, JSON)"""
        data = b'' if body is None else json.dumps(body).encode()
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(self.socket_path)
            s.sendall(f'{method} /api/v1/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n'
                      f'Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n'.encode() + data)
            answer = b''
            while chunk := s.recv(1 << 16):
                answer += chunk
        head, _, text = answer.partition(b'\r\n\r\n')
        if not head:
            raise ConnectionError('no answer')
        return int(head.split()[1]), json.loads(text) if text.strip() else {}

    def get(self, path):
        status, answer = self.call('GET', path)
        expect(status == 200, f'{self.name}: GET {path}: {status} {answer}')
        return answer

    def verb(self, verb, **body):
        return self.call('POST', f'vms/{self.lab.vm_id}/{verb}', body)

    def must(self, verb, **body):
        status, answer = self.verb(verb, **body)
        expect(status in (200, 202, 204), f'{self.name}: {verb}: {status} {answer}')
        return answer

    def resync(self, **body):
        """The job's number."""
        self.must('resync', **body)
        return max(j['id'] for j in self.get('jobs')['jobs'])

    def job(self, number):
        return self.get(f'jobs/{number}')['job']

    def rel(self, number=0):
        for r in self.get('relationships')['relationships']:
            if r['vm_id'] == self.lab.vm_id and r['number'] == number:
                return r
        raise Failure(f'{self.name} has no relationship {number}')

    def await_job(self, number, fn, what, seconds=90.0, step=0.02):
        last = {}

        def there():
            last.clear()
            last.update(self.job(number))
            return fn(last)
        try:
            await_true(what, there, seconds, step)
        except Failure as e:
            raise Failure(f'{e}; job {number} is {last.get("state_text")}: {last.get("status")}') from None
        return last

    def await_end(self, number, state=7, seconds=90.0):
        job = self.await_job(number, lambda j: j['finished_state'], 'the job ends', seconds)
        expect(job['state'] == state, f'job {number} ended {job["state_text"]}: {job["status"]} {job["error_text"]}')
        return job

    def kick(self, **body):
        """A job that waits after a lost link starts at once: what a person may do, too."""
        if self.verb('pause', **body)[0] in (200, 202, 204):
            self.verb('resume', **body)


class Lab:
    """Hosts h1, h2, ... and a VM on h1 with a replica on h2."""

    def __init__(self, test, path, arguments, disks=()):
        self.test, self.dir = test, path
        os.environ['VMREPLICA_BUILD'] = test.build
        disks = [a for d in disks for a in ('--disk', d)]
        try:
            run(os.path.join(ROOT, 'tools', 'lab'), 'up', path, *arguments, *disks)
        except Failure as e:
            test.not_ok('a lab', e)
            test.finish()
        self.env = {}
        self.read_env()
        self.vm_id, self.vm_name = self.env['VM_ID'], self.env['VM_NAME']
        self.storage, self.digests = {}, {}
        with open(os.path.join(path, 'hosts'), encoding='ascii') as f:
            self.hosts = {n: Host(self, n) for n in f.read().split()}

    def __getattr__(self, name):
        hosts = self.__dict__.get('hosts', {})
        if name not in hosts:
            raise AttributeError(name)
        return hosts[name]

    def read_env(self):
        with open(os.path.join(self.dir, 'env'), encoding='utf-8') as f:
            for line in f:
                key, _, value = line.rstrip('\n').partition('=')
                self.env[key] = value.strip("'")

    def down(self):
        subprocess.run([os.path.join(ROOT, 'tools', 'lab'), 'down', self.dir], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        for h in self.hosts.values():
            if h.child:
                h.child.wait()

    def tell_logs(self):
        for h in self.hosts.values():
            for line in h.tail(6).splitlines():
                print(f'    {h.name}: {line[:500]}', flush=True)

    def replica_dir(self, host='h2'):
        return os.path.join(self.storage.get(host) or os.path.join(self.dir, host, 'replicas'), self.vm_id)

    def sidecar(self, host='h2'):
        with open(os.path.join(self.replica_dir(host), 'vmreplica.sidecar'), encoding='utf-8') as f:
            return json.loads(f.readline())

    def disks_of(self, host):
        """[(path, format)] of the VM's disks on that host."""
        found, i = [], 0
        while path := self.env.get(f'{host.upper()}_DISK_{i}'):
            found.append((path, 'qcow2' if path.endswith('.qcow2') else 'raw'))
            i += 1
        return found

    def contents(self, host, locking='on'):
        """One text that is equal exactly when all disks have the same contents. Locking off: others read them, too."""
        return ' '.join(self.digest(path, form, locking) for path, form in self.disks_of(host))

    def digest(self, path, form, locking):
        st = os.stat(path)
        stamp = (st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns)
        if self.digests.get(path, (None, None))[0] != stamp:
            self.digests[path] = (stamp, self.digest_anew(path, form, locking))
        return self.digests[path][1]

    def digest_anew(self, path, form, locking):
        if form == 'raw':
            return file_digest(path)
        plain = os.path.join(self.dir, 'plain')
        command = ('qemu-img', 'convert', '--image-opts', '-O', 'raw',
                   f'driver={form},file.driver=file,file.locking={locking},file.filename={path}', plain)
        if locking == 'on':
            run_when_released(path, *command)
        else:
            run(*command)
        try:
            return file_digest(plain)
        finally:
            os.remove(plain)

    def check_whole(self, host='h2'):
        """What holds for a replica that nobody works on: no begun commit, every image under its name."""
        sc = self.sidecar(host)
        expect(sc['intent'] is None, 'an intent is left')
        names = os.listdir(self.replica_dir(host))
        for d in sc['disks']:
            expect(d['file'] in names, f'image {d["file"]} is missing: {names}')
            expect(d['file'] + '.unready' not in names, f'{d["file"]} is there twice: {names}')
            if d['format'] == 'qcow2':
                image = os.path.join(self.replica_dir(host), d['file'])
                self.check_image(image)
        return sc

    def check_image(self, image):
        """Leaked clusters (exit 3) are space, no damage: power was cut between a reference count and the table that
        needs it, which QEMU writes in this order."""
        try:
            run_when_released(image, 'qemu-img', 'check', '-q', image)
        except Failure as e:
            if ': exit 3: ' not in str(e):
                raise

    def recover(self, host='h2'):
        """As a person does without a daemon."""
        return run(os.path.join(self.test.build, 'vmreplica'), 'recover', self.replica_dir(host))


class Ledger:
    """Which contents each generation of the replica has, and which ones h1 held since the last completed job."""

    def __init__(self, lab):
        self.lab, self.known, self.candidates = lab, {}, set()
        self.count = {'old': 0, 'new': 0}

    def source_changed(self):
        self.candidates.add(self.lab.contents('h1'))

    def check(self):
        """The replica, at rest, is at one generation whole, and the sidecar names it."""
        uuid, now = self.lab.check_whole()['generation']['uuid'], self.lab.contents('h2')
        if uuid in self.known:
            expect(now == self.known[uuid], f'generation {uuid} has other contents than it had: {now}')
            self.count['old'] += 1
            return
        expect(now in self.candidates, f'generation {uuid} is nothing that h1 ever held: {now}, not {self.candidates}')
        self.known[uuid] = now
        self.count['new'] += 1

    def completed(self):
        """After a job that completed: both sides are equal, and agree on what that is called."""
        sc, now = self.lab.check_whole(), self.lab.contents('h2')
        uuid = sc['generation']['uuid']
        expect(now == self.lab.contents('h1'), 'the job completed and the disks are not equal')
        expect(self.lab.h1.rel()['generation']['uuid'] == uuid, 'both sides name other generations')
        self.known, self.candidates = {uuid: now}, set()


def file_digest(path):
    h = hashlib.sha256()
    with open(path, 'rb', buffering=0) as f:
        while chunk := f.read(4 * MIB):
            h.update(chunk)
    return h.hexdigest()[:16]


def make_disk(path, form, mib, data_mib):
    """An image, with bytes nothing can compress at its beginning."""
    run('qemu-img', 'create', '-q', '-f', form, path, f'{mib}M')
    noise = path + '.noise'
    with open(noise, 'wb') as f:
        f.write(os.urandom(data_mib * MIB))
    if data_mib:
        run('qemu-io', '-f', form, '-c', f'write -q -s {noise} 0 {data_mib}M', path)
    os.remove(noise)
    return f'{path}:{form}'


def alter(rng, path, form, mib, blocks, zeroes=2):
    """Writes blocks of 64 KiB at random places, and some zeroes."""
    if form == 'raw':
        with open(path, 'r+b', buffering=0) as f:
            for i in range(blocks):
                f.seek(rng.randrange(mib * MIB // BLOCK) * BLOCK)
                f.write(rng.randbytes(BLOCK) if i >= zeroes else bytes(BLOCK))
        return
    noise = path + '.noise'
    with open(noise, 'wb') as f:
        f.write(rng.randbytes(BLOCK * 4))
    commands = []
    for i in range(blocks // 4):
        at = rng.randrange(mib * MIB // BLOCK - 4) * BLOCK
        what = f'write -q -z {at} {BLOCK}' if i < zeroes else f'write -q -s {noise} {at} {4 * BLOCK}'
        commands += ['-c', what]
    run('qemu-io', '-f', form, *commands, path)
    os.remove(noise)
