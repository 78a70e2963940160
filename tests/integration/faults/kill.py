# SPDX-License-Identifier: Apache-2.0
"""Daemons are killed again and again while a VM is resynchronized; after each recovery the replica's disks are, all
together, exactly the old or exactly the new generation, as the sidecar says, and every job completes in the end.

KILLS says how many (300; 60 under sanitizers), on labs side by side, since what takes time is waiting for retries and
disks. Some aim at the redo of a commit, and those are counted: none at all is a failure, too.
"""
import concurrent.futures
import os
import random
import subprocess
import time
from collections import Counter

from faultlab import MIB, Failure, Ledger, Test, alter, await_true, expect, make_disk

DISK_MIB = 24
LABS = 2
AIMS = ('random', 'random', 'intent', 'intent', 'intent', 'after')


class Killer:
    def __init__(self, test, lab, wanted):
        self.test, self.lab, self.wanted = test, lab, wanted
        self.rng = random.Random(test.random.random())
        self.count = dict.fromkeys(('kills', 'h1', 'h2', 'redo', 'recovery', 'rounds', 'alone'), 0)
        self.ledger = Ledger(lab)
        self.ledger.completed()
        self.job = 0

    def check_dead(self, sc):
        """Between the kill and the recovery: images under their public names are whole."""
        names = os.listdir(self.lab.replica_dir())
        if all(d['file'] in names for d in sc['disks']):
            now = self.lab.contents('h2')
            expect(now in self.ledger.candidates | set(self.ledger.known.values()), f'a half-written disk can be started: {names}')

    def seldom(self, what):
        """One in seven; by the second half at least once, since few kills may be all there are."""
        return self.rng.random() < 0.15 or (self.count[what] == 0 and self.count['kills'] > self.wanted // 2)

    # --- a kill ---

    def job_ended(self):
        try:
            return self.lab.h1.job(self.job)['finished_state']
        except OSError:
            return False

    def wait_for(self, aim, may_take):
        """False: the job ended first."""
        if aim == 'random':
            time.sleep(self.rng.uniform(0, may_take))
            return True
        path = os.path.join(self.lab.replica_dir(), 'vmreplica.sidecar')
        until, look = time.monotonic() + 20, 0
        wanted, seen = 'intent', False
        while time.monotonic() < until:
            with open(path, encoding='utf-8') as f:
                seen = '"intent":null' not in f.readline()
            if seen and wanted == 'intent' and aim == 'after':
                wanted = 'done'
            elif seen == (wanted == 'intent'):
                time.sleep(self.rng.choice((0, self.rng.uniform(0, 0.01), self.rng.uniform(0, 0.1))))
                return True
            look += 1
            if look % 64 == 0 and self.job_ended():
                return False
            time.sleep(0.0005)
        return False

    def kill_h2(self):
        h1, h2 = self.lab.h1, self.lab.h2
        h2.kill()
        self.count['h2'] += 1
        sc = self.lab.sidecar()
        if sc['intent'] is not None:
            self.count['redo'] += 1
            self.check_dead(sc)
            self.disturb_recovery()
        if self.rng.random() < 0.5:
            self.lab.recover()
            self.ledger.check()
            h2.start()
            return
        os.kill(h1.pid, 19)  # STOP: no transfer begins before we looked
        try:
            h2.start()
            self.ledger.check()
        finally:
            os.kill(h1.pid, 18)

    def disturb_recovery(self):
        """Crashes while the last crash is being settled, by the daemon or by a person's command."""
        for _ in range(self.rng.choice((0, 1, 1, 2, 3))):
            if self.rng.random() < 0.25:
                command = [os.path.join(self.test.build, 'vmreplica'), 'recover', self.lab.replica_dir()]
                child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(self.rng.uniform(0.002, 0.08))
                child.kill()
                child.wait()
            else:
                self.lab.h2.spawn()
                time.sleep(self.rng.uniform(0.01, 0.1))
                self.lab.h2.kill()
                self.count['h2'] += 1
                self.count['kills'] += 1
                self.count['redo'] += self.lab.sidecar()['intent'] is not None
            self.count['recovery'] += 1

    def kill_h1(self):
        self.lab.h1.kill()
        self.count['h1'] += 1
        self.lab.h1.start()

    # --- a round: one change of the source, one job, some kills, the end ---

    def one_round(self):
        h1, rng = self.lab.h1, self.rng
        for path, form in self.lab.disks_of('h1'):
            alter(rng, path, form, DISK_MIB, rng.randrange(8, 64))
        self.ledger.source_changed()
        rate = rng.choice((0, 0, 0, 32 * MIB, 12 * MIB))
        h1.must('bandwidth', bandwidth=rate)
        self.job = h1.resync()
        for _ in range(rng.randrange(1, 5)):
            if self.count['kills'] >= self.wanted or not self.wait_for(rng.choice(AIMS), 0.6 if rate else 0.3):
                break
            self.count['kills'] += 1
            if self.seldom('h1'):
                self.kill_h1()
            else:
                self.kill_h2()
            if self.job_ended():
                break
            if self.seldom('alone'):
                self.count['alone'] += 1
            else:
                h1.kick()
        self.end_round()

    def end_round(self):
        """The job completes; when its last try was long ago, a person helps."""
        h1 = self.lab.h1
        try:
            h1.await_end(self.job, seconds=4)
        except Failure:
            if h1.job(self.job)['finished_state']:
                raise
            h1.kick()
            h1.await_end(self.job)
        self.count['rounds'] += 1
        await_true('the relationship is replicating', lambda: h1.rel()['state'] == 3)
        self.ledger.completed()


    def run(self):
        while self.count['kills'] < self.wanted:
            self.one_round()


def make_killer(test, name, wanted):
    disks = [make_disk(os.path.join(test.work, f'{name}-vda.raw'), 'raw', DISK_MIB, 10),
             make_disk(os.path.join(test.work, f'{name}-vdb.qcow2'), 'qcow2', DISK_MIB, 10)]
    return Killer(test, test.lab(name, '--config', 'limits.retry_first_s=1', disks=disks), wanted)


def main():
    test = Test('kill')
    kills = int(os.environ.get('KILLS', '60' if test.sanitized else '300'))
    killers = [make_killer(test, f'lab{i}', kills // LABS + (i < kills % LABS)) for i in range(LABS)]
    count, states, began = Counter(), Counter(), time.monotonic()

    def told():
        for k in killers:
            count.update(k.count)
            states.update(k.ledger.count)
        return (f'{count["kills"]} kills ({count["h1"]} of h1, {count["h2"]} of h2, {count["redo"]} in the redo, '
                f'{count["recovery"]} in the recovery), {count["rounds"]} jobs, old {states["old"]}, new {states["new"]}, '
                f'in {time.monotonic() - began:.0f} s')
    with test.scenario(told), concurrent.futures.ThreadPoolExecutor(LABS) as pool:
        for run in [pool.submit(k.run) for k in killers]:
            run.result()
    with test.scenario('kills hit the redo, the recovery and the source; old and new were seen'):
        for what, n in {**count, **states}.items():
            expect(n > 0, f'none of: {what}')
    test.finish()


main()
