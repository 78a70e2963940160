# SPDX-License-Identifier: Apache-2.0
"""The replica's host loses power: its file system is shut down with everything that is not on the disk yet, then
mounted again. A generation that was reported as completed must be there; otherwise the replica is at the old or at the
new one.

So that this can fail: with a library that makes every fsync do nothing, a loss must be noticed. CUTS says how many.
"""
import os
import time

import mounts
from faultlab import MIB, Failure, Ledger, Test, alter, expect

DISK_MIB = 32
CONTROL_TRIES = 5
NOTHING_SYNCED = ('/usr/lib/x86_64-linux-gnu/libeatmydata.so', '/usr/lib/aarch64-linux-gnu/libeatmydata.so',
                  '/usr/lib/libeatmydata.so', '/usr/lib64/libeatmydata.so')


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
    lab, disk = mounts.make_lab(test, 'lab', DISK_MIB)
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
    lab, disk = mounts.make_lab(test, 'unsafe', DISK_MIB, env={**os.environ, 'LD_PRELOAD': library})
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
    mounts.enter_namespace('powercut')
    test = Test('powercut', ('mkfs.ext4', 'mount', 'umount'))
    mounts.probe(test)
    cuts = int(os.environ.get('CUTS', '10'))
    with_lab = after_completion(test, cuts)
    at_random(test, *with_lab, cuts)
    control(test)
    test.finish()


main()
