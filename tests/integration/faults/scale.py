# SPDX-License-Identifier: Apache-2.0
"""Bounds: what a huge disk and hundreds of relationships cost. Counts, never time.

For tests/integration/scale.sh."""
import contextlib
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', '..', 'lib'))

from faultlab import MIB, Failure, Test, await_true, expect, run  # noqa: E402
from manyvms import ManyLab  # noqa: E402

UNIT = 4096
HUGE = 4 << 40
DATA_MIB = 64
DATA_AT = HUGE // 2
PEAK_MIB = 64 + 128      # what a daemon with one transfer may take
DIGESTS_MIB = 1          # to the source for a disk that is nearly one hole
SIDECAR_MAX = 4096
MANY = 300
STORM = 12
STORM_MIB = 4
PLACES = 2               # [limits] transfers
OWN_PER_REL = 16 << 10
OWN_MORE_MIB = 8
IDLE_S = 5
WAKEUPS_MAX = 5 * IDLE_S  # a tick a second, and what threads that end still do


def fill(path, mib, random, at=0):
    with open(path, 'r+b') as f:
        f.seek(at)
        for _ in range(mib):
            f.write(random.randbytes(MIB))


def damage(path, units, random, at=0):
    with open(path, 'r+b') as f:
        for unit in units:
            f.seek(at + unit * UNIT)
            f.write(random.randbytes(UNIT))


def equal(test, lab, vm, path, at=0, mib=None):
    with open(path, 'rb') as a, open(lab.replica(vm), 'rb') as b:
        a.seek(at)
        b.seek(at)
        for _ in range(mib or os.path.getsize(path) // MIB):
            expect(a.read(MIB) == b.read(MIB), f'{vm}: the replica differs')


def huge(test, lab):
    """One disk of 4 TiB, 64 MiB of it written, a tenth of those different in scattered units of 4 KiB."""
    disk = os.path.join(test.work, 'huge.img')
    lab.sparse(disk, HUGE)
    fill(disk, DATA_MIB, test.random, DATA_AT)
    lab.add({'huge': disk})
    lab.enable(['huge'])
    lab.await_jobs()
    replica = lab.replica('huge')
    expect(os.stat(replica).st_blocks * 512 < (DATA_MIB + 1) * MIB, 'the replica is not sparse')
    units = test.random.sample(range(DATA_MIB * MIB // UNIT), DATA_MIB * MIB // UNIT // 10)
    damage(replica, units, test.random, DATA_AT)
    for host in (1, 2):
        lab.process(host).reset_peak()
    lab.resync(['huge'])
    done = lab.await_jobs()['huge']['progress']
    differing = len(units) * UNIT
    expect(done['bytes_compared'] == HUGE, f'{done["bytes_compared"]} bytes compared')
    expect(done['bytes_differing'] == differing, f'{done["bytes_differing"]} bytes differ, not {differing}')
    expect(done['bytes_sent'] <= differing, f'{done["bytes_sent"]} bytes sent for {differing}')
    expect(done['wire_out'] <= differing * 1.02 + MIB, f'{done["wire_out"]} bytes to the replica')
    expect(done['wire_in'] <= DIGESTS_MIB * MIB, f'{done["wire_in"]} bytes back')
    for host in (1, 2):
        peak = lab.process(host).peak() / MIB
        print(f'# h{host}: {peak:.1f} MiB', flush=True)
        expect(test.sanitized or peak <= PEAK_MIB, f'h{host} took {peak:.1f} MiB')
    equal(test, lab, 'huge', disk, DATA_AT, DATA_MIB)
    beside = sorted(os.listdir(os.path.dirname(replica)))
    expect(len(beside) == 2, f'beside the replica: {beside}')
    sidecar = os.path.join(os.path.dirname(replica), 'vmreplica.sidecar')
    expect(os.path.getsize(sidecar) <= SIDECAR_MAX, 'the sidecar grows')
    os.unlink(disk)
    os.unlink(replica)


def look(lab):
    return [(p.threads(), len(p.fds()), p.connections(), p.own()) for p in (lab.process(h) for h in (1, 2))]


def await_rest(lab, before):
    """The last session's thread ends after the job. What never comes is judged afterwards."""
    with contextlib.suppress(Failure):
        await_true('nothing is under way', lambda: all(now[0] <= was[0] and now[1] <= was[1] and not now[2]
                                                       for was, now in zip(before, look(lab))))


def idle(test, lab, before):
    """before: of both hosts without relationships."""
    disks = {f'vm{i:03}': os.path.join(test.work, f'vm{i:03}.img') for i in range(MANY)}
    for path in disks.values():
        lab.sparse(path, STORM_MIB * MIB)
    lab.add(disks)
    lab.enable(disks)
    lab.await_jobs()
    await_rest(lab, before)
    for host, (was, now) in enumerate(zip(before, look(lab)), 1):
        print(f'# h{host}: threads, descriptors, connections, own bytes: {was} -> {now}', flush=True)
        expect(now[0] == was[0], f'h{host}: {now[0]} threads, {was[0]} without relationships')
        expect(now[1] <= was[1], f'h{host}: {now[1]} descriptors, {was[1]} without relationships')
        expect(now[2] == 0, f'h{host}: {now[2]} connections')
        limit = was[3] + MANY * OWN_PER_REL + OWN_MORE_MIB * MIB
        expect(test.sanitized or now[3] <= limit, f'h{host}: {now[3]} bytes of its own, at most {limit}')
    woken = [lab.process(h).wakeups() for h in (1, 2)]
    time.sleep(IDLE_S)
    for host, was in enumerate(woken, 1):
        n = lab.process(host).wakeups() - was
        expect(n <= WAKEUPS_MAX, f'h{host} woke up {n} times in {IDLE_S} idle seconds')
    known = [r['vm_name'] for r in lab.relationships(2)]
    expect(set(disks) <= set(known), 'a replica has lost its name')
    lab.restart(2)  # names come from the sidecars now
    expect(sorted(r['vm_name'] for r in lab.relationships(2)) == sorted(known), 'other names after a restart')
    return disks


def storm(test, lab, disks):
    """All at once: no more run than may, in the order they came, and each sends its own bytes."""
    vms = dict(list(disks.items())[:STORM])
    for path in vms.values():
        fill(path, STORM_MIB, test.random)
    seen = []

    def running(jobs):
        mine = [jobs[v] for v in vms]
        seen.append(sum(j['state_text'] == 'running' for j in mine))

    lab.resync(vms)
    jobs = lab.await_jobs(look=running)
    expect(max(seen) <= PLACES, f'{max(seen)} ran at one time')
    order = sorted((jobs[v] for v in vms), key=lambda j: j['id'])
    late = [j for i, j in enumerate(order) if any(k['started'] < j['started'] for k in order[i + PLACES:])]
    expect(not late, f'job {late and late[0]["id"]} was overtaken')
    for vm, path in vms.items():
        done = jobs[vm]['progress']
        expect(done['bytes_differing'] == done['bytes_sent'] == STORM_MIB * MIB, f'{vm}: {done}')
        equal(test, lab, vm, path)


def main():
    test = Test('scale')
    os.environ['PATH'] = test.build + ':' + os.environ['PATH']
    lab = ManyLab(test.build, os.path.join(test.work, 'lab'))
    test.at_end.append(lab.close)
    before = look(lab)
    try:
        run('truncate', '-s', str(HUGE), os.path.join(test.work, 'huge.img'))
        can = True
    except Exception as e:  # a file system with smaller files
        can = False
        test.skip('a disk of 4 TiB costs what differs', e)
    if can:
        with test.scenario('a disk of 4 TiB costs what differs'):
            huge(test, lab)
            lab.inventory.pop()
    disks = {}
    with test.scenario('hundreds of idle relationships: no threads, no connections'):
        disks.update(idle(test, lab, before))
    if disks:
        with test.scenario('a storm of jobs takes its turns'):
            storm(test, lab, disks)
    test.finish()


main()
