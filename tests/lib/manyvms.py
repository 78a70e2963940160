# SPDX-License-Identifier: Apache-2.0
"""Two real daemons (tools/lab) with as many VMs as wanted, for tests and benches of scale.

Everything goes the ways a user has: the inventory file, REST over the Unix socket, /proc. It is fast enough for
thousands of VMs with small disks."""
import concurrent.futures
import http.client
import json
import os
import re
import socket
import subprocess
import time
import uuid

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), '..', '..'))
MIB = 1 << 20
AT_ONCE = 16
POLL_S = 0.05
TICK = os.sysconf('SC_CLK_TCK')


class Refused(RuntimeError):
    """A daemon said no, or something ended badly."""


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__('localhost', timeout=120)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Process:
    """What /proc tells of a daemon."""

    def __init__(self, pid):
        self.pid = pid

    def status(self, name):
        with open(f'/proc/{self.pid}/status', encoding='ascii') as f:
            return int(re.search(rf'^{name}:\s+(\d+)', f.read(), re.M).group(1))

    def threads(self):
        return self.status('Threads')

    def rss(self):
        return self.status('VmRSS') << 10

    def peak(self):
        return self.status('VmHWM') << 10

    def own(self):
        return self.status('RssAnon') + self.status('RssShmem') << 10

    def reset_peak(self):
        with open(f'/proc/{self.pid}/clear_refs', 'w', encoding='ascii') as f:
            f.write('5')

    def fds(self):
        """What is open: a list of link texts."""
        found = []
        for fd in os.listdir(f'/proc/{self.pid}/fd'):
            try:
                found.append(os.readlink(f'/proc/{self.pid}/fd/{fd}'))
            except OSError:  # closed meanwhile
                pass
        return found

    def connections(self):
        """Established TCP connections."""
        ours = {m.group(1) for m in (re.match(r'socket:\[(\d+)\]', f) for f in self.fds()) if m}
        with open(f'/proc/{self.pid}/net/tcp', encoding='ascii') as f:
            rows = [line.split() for line in f.readlines()[1:]]
        return sum(1 for r in rows if r[3] == '01' and r[9] in ours)

    def cpu_s(self):
        with open(f'/proc/{self.pid}/stat', encoding='ascii') as f:
            fields = f.read().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def wakeups(self):
        """How often its threads slept and woke up."""
        n = 0
        for task in os.listdir(f'/proc/{self.pid}/task'):
            with open(f'/proc/{self.pid}/task/{task}/status', encoding='ascii') as f:
                n += int(re.search(r'^voluntary_ctxt_switches:\s+(\d+)', f.read(), re.M).group(1))
        return n


class ManyLab:
    """folder must be new. config: SECTION.KEY=VALUE for both hosts. VMs come with add(); the lab's own has a disk of
    1 MiB."""

    def __init__(self, build, folder, config=()):
        self.build, self.dir, self.vms = os.path.realpath(build), folder, []
        first = folder + '.img'
        self.sparse(first, MIB)
        command = ['up', folder, '--disk', first + ':raw']
        for c in config:
            command += ['--config', c]
        self.lab(*command)
        self.read_env()
        with open(self.path('h1', 'inventory.conf'), encoding='ascii') as f:
            self.inventory = [f.read()]

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def lab(self, *command):
        with open(self.dir + '.log', 'a+', encoding='utf-8') as log:  # no pipe: the daemons would hold it open
            done = subprocess.run([os.path.join(ROOT, 'tools', 'lab'), *command], stdin=subprocess.DEVNULL, stdout=log,
                                  stderr=subprocess.STDOUT, check=False,
                                  env=dict(os.environ, VMREPLICA_BUILD=self.build))
            if done.returncode:
                log.seek(0)
                raise Refused(f'tools/lab {command[0]}: {log.read()[-800:]}')

    def read_env(self):
        with open(self.path('env'), encoding='utf-8') as f:
            self.env = dict(line.strip().replace("'", '').split('=', 1) for line in f)

    def close(self):
        self.lab('down', self.dir)

    def restart(self, host):
        """Seconds from the start of the program to its first answer."""
        self.lab('stop', self.dir, f'h{host}')
        began = time.monotonic()
        self.lab('start', self.dir, f'h{host}')
        took = time.monotonic() - began
        self.read_env()
        return took

    def process(self, host):
        return Process(int(self.env[f'H{host}_PID']))

    @staticmethod
    def sparse(path, size):
        with open(path, 'wb') as f:
            f.truncate(size)

    # --- REST ---

    def ask(self, host, method, what, body=None):
        """The answer, decoded."""
        connection = Connection(self.env[f'H{host}_SOCKET'])
        try:
            headers = {'Content-Type': 'application/json'} if body is not None else {}
            connection.request(method, '/api/v1/' + what, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise Refused(f'h{host}: {method} {what}: {answer.status} {text[:300]}')
        return json.loads(text)

    def latencies(self, host, what, times):
        """Seconds each; a connection of its own for every request, as the command line does it."""
        found = []
        for i in range(times):
            began = time.perf_counter()
            self.ask(host, 'GET', what(i))
            found.append(time.perf_counter() - began)
        return sorted(found)

    def relationships(self, host):
        return self.ask(host, 'GET', 'relationships')['relationships']

    def jobs(self):
        """By VM, the latest of each."""
        return {j['vm_name']: j for j in self.ask(1, 'GET', 'jobs')['jobs']}

    # --- VMs ---

    def add(self, disks):
        """VMs with one raw disk each: {name: path}. h1 reads its inventory anew."""
        for name, path in disks.items():
            self.inventory.append(f'[vm {name}]\nuuid = {uuid.uuid4()}\ndisk.vda = raw:{path}\n')
        with open(self.path('h1', 'inventory.conf'), 'w', encoding='ascii') as f:
            f.write('\n'.join(self.inventory))
        self.vms += disks
        return self.restart(1)

    def each(self, vms, fn):
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(fn, vms))

    def enable(self, vms, **body):
        return self.each(vms, lambda v: self.ask(1, 'POST', f'vms/{v}/enable', {'to': self.env['H2_PEER'], **body}))

    def resync(self, vms):
        """The jobs' ids, in the order of the VMs."""
        return [a['job_id'] for a in self.each(vms, lambda v: self.ask(1, 'POST', f'vms/{v}/resync', {}))]

    def await_jobs(self, seconds=600.0, look=None):
        """Until none is open; gives the jobs by VM. look(jobs) sees every state on the way."""
        until = time.monotonic() + seconds
        while True:
            jobs = self.jobs()
            if look:
                look(jobs)
            if all(j['finished_state'] for j in jobs.values()):
                break
            if time.monotonic() > until:
                raise Refused(f'no end within {seconds:.0f} s')
            time.sleep(POLL_S if len(jobs) < 200 else 1)
        bad = [j for j in jobs.values() if j['state_text'] != 'completed']
        if bad:
            raise Refused(f'{len(bad)} jobs failed, the first: {bad[0]["status"]} {bad[0]["error_text"]}')
        return jobs

    def replica(self, vm):
        """The path of the VM's replica."""
        return self.ask(2, 'GET', f'vms/{vm}')['vm']['disks'][0]['path']
