# SPDX-License-Identifier: Apache-2.0
"""A failover in the middle of a resync, and a repair of the extended replica beside one.

The replica is the last completed generation at any moment, so that is what a failover gives; from then on the old
primary is refused. A replica that is being resynchronized can itself be the source of a resync.
"""
import os
import signal
import time

from faultlab import BLOCK, MIB, Test, await_true, expect, make_disk

DISK_MIB = 48
SMALL_MIB = 16
RATE = 24 * MIB
STATUS_UNKNOWN = 32771


def new_source(lab):
    path = lab.disks_of('h1')[0][0]
    with open(path, 'r+b', buffering=0) as f:
        f.write(os.urandom(DISK_MIB * MIB))


def make_lab(test, name, *arguments):
    disks = [make_disk(os.path.join(test.work, name + '-vda.raw'), 'raw', DISK_MIB, 8),
             make_disk(os.path.join(test.work, name + '-vdb.qcow2'), 'qcow2', SMALL_MIB, 4)]
    return test.lab(name, '--config', 'limits.retry_first_s=1', *arguments, disks=disks)


def half_way(lab):
    """A resync of everything, half of it staged on h2. Gives the job."""
    new_source(lab)
    lab.h1.must('bandwidth', bandwidth=RATE)
    job = lab.h1.resync()
    lab.h1.await_job(job, lambda j: j['progress']['bytes_sent'] >= DISK_MIB * MIB // 2, 'half is sent', step=0.01)
    expect(any(n.startswith('run-') for n in os.listdir(lab.replica_dir())), 'nothing is staged')
    return job


def check_promoted(lab, old):
    sc = lab.check_whole()
    expect(sc['role'] == 2, f'role {sc["role"]}')
    expect(lab.contents('h2') == old, 'failover does not give the last generation')
    expect(not any(n.startswith('run-') for n in os.listdir(lab.replica_dir())), 'staging is left')
    expect(lab.h2.rel()['state'] == 5, f'h2 says {lab.h2.rel()["state_text"]}')


def check_refused(lab, old):
    """The next transfer, and what the primary says about it."""
    h1 = lab.h1
    await_true('h1 needs a decision', lambda: h1.rel()['needs_decision'], 90)
    rel = h1.rel()
    expect(rel['state'] == 8, f'state {rel["state_text"]}')
    expect('failed over' in rel['reason'], f'no reason: {rel["reason"]}')
    status, answer = h1.verb('resync')
    expect(status >= 400 and answer.get('code') == STATUS_UNKNOWN, f'a resync is answered with {status} {answer}')
    expect(lab.contents('h2') == old, 'the living VM was overwritten')


def overwrite(lab):
    """What only an administrator may: the old primary's disks again."""
    job = lab.h1.resync(force=True)
    lab.h1.must('bandwidth', bandwidth=0)
    lab.h1.await_end(job)
    expect(lab.contents('h2') == lab.contents('h1'), 'not equal after a forced resync')
    expect(any(n.startswith('safety-') for n in os.listdir(lab.replica_dir())), 'what was overwritten is not kept')


def primary_died(test, lab):
    with test.scenario('h1 killed at 50 %, h2 failed over: the last generation; h1 is refused with the reason'):
        old = lab.contents('h2')
        job = half_way(lab)
        lab.h1.kill()
        lab.h2.must('failover', force=True)
        check_promoted(lab, old)
        lab.h1.start()
        lab.h1.await_end(job, 10)
        check_refused(lab, old)
    with test.scenario('a forced resync overwrites it and keeps what was there'):
        overwrite(lab)


def both_alive(test, lab):
    with test.scenario('failed over under a running transfer: the last generation; the job ends with the reason'):
        old = lab.contents('h2')
        job = half_way(lab)
        lab.h2.must('failover', force=True)
        check_promoted(lab, old)
        lab.h1.await_job(job, lambda j: j['finished_state'] or 'next try' in j['status'], 'the job notices')
        lab.h1.kick()
        ended = lab.h1.await_end(job, 10)
        expect('failed over' in ended['error_text'], f'no reason: {ended["error_text"]}')
        check_refused(lab, old)
        overwrite(lab)


def replica_host_died(test, lab):
    with test.scenario('h2 killed at 50 %, started and failed over: the last generation, also after another crash'):
        old = lab.contents('h2')
        half_way(lab)
        lab.h2.kill()
        os.kill(lab.h1.pid, signal.SIGSTOP)
        lab.h2.start()
        lab.h2.must('failover', force=True)
        check_promoted(lab, old)
        lab.h2.kill()
        lab.h2.start()
        check_promoted(lab, old)
        os.kill(lab.h1.pid, signal.SIGCONT)
        check_refused(lab, old)


# --- three hosts ---

def damage(lab, host):
    with open(lab.disks_of(host)[0][0], 'r+b', buffering=0) as f:
        for at in (1, 5, 17):
            f.seek(at * MIB + 3 * BLOCK)
            f.write(os.urandom(BLOCK))


def repair_beside(test, lab):
    h1, h2 = lab.h1, lab.h2
    with test.scenario('Resynchronize on the replica repairs h3 while h1 -> h2 runs'):
        old = lab.contents('h2')
        damage(lab, 'h3')
        expect(lab.contents('h3') != old, 'no damage was done')
        job = half_way(lab)
        repair = h2.resync(extended=True)
        ended = h2.await_end(repair)
        expect(ended['type'] == 121, f'JobType {ended["type"]}')
        expect(ended['progress']['bytes_sent'] > 0, 'nothing was repaired')
        expect(not h1.job(job)['finished_state'], 'h1 -> h2 did not run beside it')
        expect(lab.contents('h3') == old, 'h3 is not the generation that h2 had')
        h1.must('bandwidth', bandwidth=0)
        h1.await_end(job)
        expect(lab.contents('h2') == lab.contents('h1'), 'h1 and h2 are not equal')
        rel = h2.rel(1)
        expect(rel['state'] in (9, 10), f'h2 does not know that h3 is behind: {rel["state_text"]}')


def commit_goes_first(test, lab):
    """A commit does not wait for ever: the reader is stopped, and goes on later with the new generation."""
    h1, h2 = lab.h1, lab.h2
    with test.scenario('a commit of h1 -> h2 pre-empts h2 -> h3, which then copies the new generation'):
        if not h2.rel(1)['job']:
            h2.must('bandwidth', bandwidth=2 * MIB, extended=True)
            repair = h2.resync(extended=True)
        else:
            repair = h2.rel(1)['job']['id']
        h2.await_job(repair, lambda j: j['progress']['bytes_sent'] > 0, 'h2 -> h3 sends')
        new_source(lab)
        began = time.monotonic()
        h1.await_end(h1.resync())
        took = time.monotonic() - began
        expect(lab.contents('h2', 'off') == lab.contents('h1'), 'h1 and h2 are not equal')
        expect(not h2.job(repair)['finished_state'], f'h2 -> h3 ended first ({took:.1f} s): nothing was pre-empted')
        h2.must('bandwidth', bandwidth=0, extended=True)
        h2.kick(extended=True)
        h2.await_end(repair)
        if lab.contents('h3') != lab.contents('h2'):
            h2.await_end(h2.resync(extended=True))
        expect(lab.contents('h3') == lab.contents('h2'), 'h2 and h3 are not equal')


def main():
    test = Test('failover-mid')
    lab = make_lab(test, 'two')
    primary_died(test, lab)
    both_alive(test, lab)
    replica_host_died(test, lab)
    lab.down()
    lab = make_lab(test, 'three', '--hosts', '3', '--config', 'limits.commit_wait_s=1')
    repair_beside(test, lab)
    commit_goes_first(test, lab)
    test.finish()


main()
