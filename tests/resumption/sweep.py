"""The sweep: every byte of an answer, every fault, every kind of model; what a client saw is judged by the checker.

usage: scripts/sweep [--every N] [--seconds S] [--jobs N] [--seed N] [--only WORDS] [--all-breaches]
  --every N       of all streams but the exhaustive ones every N-th, chosen by the seed (default 5; 1: all)
  --quick         every 160th of all, for CI
  --seconds S     begin no stream after so many seconds
  --jobs N        processes, each with a mock and daemons of its own (default: three for each core, since they wait a lot)
  --only WORDS    all streams whose line has each of these words, separated by `;`. A line that a breach has printed
                  plays that one stream and shows it
  --all-breaches  print every breach, not one of each sort
Exit status: 0 if nothing was wrong, 1 otherwise.
"""
import argparse
import collections
import contextlib
import multiprocessing
import os
import queue
import random
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from player import Player  # noqa: E402
from units import EXHAUSTIVE, units  # noqa: E402


def line_of(case, fault):
    return f"{case.name};{fault.kind};{fault.acts}"


def run_chunk(player, chunk, found, deadline, only, parent):
    case, kinds, step, part, parts, every = chunk
    faults = player.faults(case, kinds, step)
    for index, fault in enumerate(faults):
        if index % parts != part or (every > 1 and hash_of(f"{player.seed} {line_of(case, fault)}") % every):
            continue
        if only and not all(word in line_of(case, fault) for word in only):
            continue
        if (deadline and time.monotonic() > deadline) or parent.gone():
            return
        end, column, breaches, seen = player.play(case, fault)
        found.append((case.name, fault.kind, column, end, line_of(case, fault) if breaches else None, breaches[:4]))


class Parent:
    """The process that waits for the workers: when it ends, or says so, they end what they have started."""

    def __init__(self):
        self.pid, self.over = os.getpid(), multiprocessing.Event()

    def gone(self):
        return self.over.is_set() or os.getppid() != self.pid


def hash_of(text):
    value = 2166136261
    for byte in text.encode():
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return value >> 4


def work(todo, done, seed, deadline, only, parent):
    for number in (signal.SIGINT, signal.SIGTERM):  # the parent says when it is over
        signal.signal(number, signal.SIG_IGN)
    player = Player(seed, only is not None and len(only) > 2)
    while not parent.gone():
        try:
            chunk = todo.get(timeout=2)
        except queue.Empty:
            break
        if chunk is None:
            break
        found = []
        try:
            run_chunk(player, chunk, found, deadline, only, parent)
        except Exception as error:  # told, and counted as a breach
            import traceback
            found.append((chunk[0].name, "?", None, "nothing", chunk[0].name, [f"the sweep itself: {error!r} {traceback.format_exc()[-600:]}"]))
            player.forget_rigs()
        done.put(found)
    if os.getppid() != parent.pid:  # nobody reads any more
        done.cancel_join_thread()
    done.put([("end", "?", None, "nothing", "whole run", [breach]) for breach in player.end()])
    done.put(None)


def chunks_of(all_units, options, only):
    """Pieces of work for the processes."""
    chunks = []
    for case, kinds, step in all_units:
        every = 1 if only else 160 if options.quick else 1 if kinds is EXHAUSTIVE else options.every
        parts = 1 if options.quick or only else 8 if step == 1 else 2
        chunks += [(case, kinds, step, part, parts, every) for part in range(parts)]
    random.Random(options.seed).shuffle(chunks)  # the longest cases do not come last, or first, together
    return chunks


def main():
    options = argparse.ArgumentParser(usage=__doc__)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--every", type=int, default=5)
    options.add_argument("--seconds", type=float)
    options.add_argument("--jobs", type=int, default=3 * (os.cpu_count() or 2))
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only")
    options.add_argument("--all-breaches", action="store_true")
    options = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    return sweep(units(), options)


def sweep(all_units, options, out=sys.stdout):
    only = options.only.split(";") if options.only else None
    if only:
        all_units = [unit for unit in all_units if any(unit[0].name == word for word in only)] or all_units
        all_units = [(case, kinds, 1 if len(only) > 2 else step) for case, kinds, step in all_units]
    begun = time.monotonic()
    deadline = begun + options.seconds if options.seconds else None
    chunks = chunks_of(all_units, options, only)
    todo, done = multiprocessing.Queue(), multiprocessing.Queue()
    todo.cancel_join_thread()
    for chunk in chunks:
        todo.put(chunk)
    jobs = 1 if only else options.jobs
    for _ in range(jobs):
        todo.put(None)
    parent = Parent()
    workers = [multiprocessing.Process(target=work, args=(todo, done, options.seed, deadline, only, parent)) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    try:
        found = collect(done, jobs, options, out)
    finally:
        parent.over.set()
        while any(worker.is_alive() for worker in workers):  # it ends when what it has said was read
            with contextlib.suppress(queue.Empty):
                done.get(timeout=0.2)
    return report(found, time.monotonic() - begun, out)


def collect(done, jobs, options, out):
    found, left = [], jobs
    while left:
        got = done.get()
        if got is None:
            left -= 1
        else:
            found += got
            for row in got:
                if row[5]:
                    tell(row, out, options.all_breaches)
    return found


told = collections.Counter()
played = 0


def tell(row, out, everything):
    """Each sort of breach of each case is told once."""
    name, kind, _, _, line, breaches = row
    sort = (name, kind, breaches[0][:24])
    told[sort] += 1
    if everything or told[sort] <= 1:
        print(f"WRONG  scripts/sweep --only '{line}'", file=out)
        for breach in breaches:
            print(f"       {breach}", file=out)
        out.flush()


def report(found, seconds, out):
    global played
    table = collections.defaultdict(collections.Counter)
    for name, kind, column, end, line, breaches in found:
        for key in (("case", name), ("fault", kind), ("position", column or "several, or not known")):
            row = table[key]
            row["runs"] += 1
            row[end] += 1
            row["wrong"] += bool(breaches)
    heading = f"{'':44}{'runs':>7}{'success':>9}{'loud':>7}{'refused':>9}{'wrong':>7}"
    for sort in ("case", "fault", "position"):
        print(f"\nby {sort}\n{heading}", file=out)
        for (kind, name), row in table.items():
            if kind == sort:
                print(f"{name:44}{row['runs']:7}{row['success']:9}{row['loud']:7}{row['refused']:9}{row['wrong']:7}", file=out)
    wrong = sum(1 for row in found if row[5])
    streams = played = len(found)
    ends = collections.Counter(row[3] for row in found)
    print(f"\n{streams} streams in {seconds:.0f} s ({streams / max(seconds, 0.001):.0f}/s): {ends['success']} succeeded, {ends['loud']} failed loudly, "
          f"{ends['refused']} were refused, {wrong} wrong", file=out)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
