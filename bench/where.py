#!/usr/bin/env python3
"""Shows where the time of a start, an entry, an end, a listing and a read of meminfo goes: by program, by kernel call, and what the kernel's part of
it costs alone. What bench/WHERE.md says is read off this.

Needs perf(1) with its tracepoints. Runs as bench.py does (`make where`), in a network namespace of its own and below one directory in /srv, which
goes at the end. Nothing is written but standard output.

usage: where.py DIRECTORY-OF-THE-PROGRAMS [--rounds N] [--only PART,...] [--floor PROGRAM]
"""

import argparse
import collections
import contextlib
import ctypes
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from statistics import median

from bench import Bench, machine, reading, walls
from peers import in_memory

EVENTS = ("sched:sched_switch", "sched:sched_process_exec", "sched:sched_process_fork", "sched:sched_process_exit", "raw_syscalls:sys_enter", "raw_syscalls:sys_exit")
LINE = re.compile(r"^\s*(.+?)\s+(\d+)\s+\[(\d+)\]\s+(\d+\.\d+):\s+(\S+):\s+(.*)$")
SWITCH = re.compile(r"prev_pid=(\d+) .*? ==> next_comm=.*? next_pid=(\d+)")
HERE = os.path.dirname(os.path.abspath(__file__))


def call_names():
    """Names of system calls by number, from the table that the policies are compiled with."""
    with open(os.path.join(HERE, "../policies/build/calls.rs")) as file:
        return {int(n): name for name, n in re.findall(r'\("(\w+)", (\d+)\)', file.read())}


class Trace:
    """What happened on every processor while some commands ran one after the other."""

    def __init__(self, text):
        self.names = call_names()
        self.programs = collections.defaultdict(list)  # of each thread, the programs it has executed
        self.began, self.ended, self.parents, self.born = {}, {}, {}, {}
        self.processor = collections.Counter()
        self.turns = collections.Counter()
        self.calls = collections.defaultdict(lambda: collections.defaultdict(lambda: [0, 0.0, 0.0]))
        self.running, self.inside, self.away, self.left = {}, {}, collections.Counter(), {}
        for line in text.splitlines():
            found = LINE.match(line)
            if found:
                comm, thread, _, at, event, rest = found.groups()
                self.take(comm, int(thread), float(at) * 1000, event, rest)

    def take(self, comm, pid, at, event, rest):
        if event == "sched:sched_switch":
            found = SWITCH.search(rest)
            if found:
                self.switch(int(found[1]), int(found[2]), at)
        elif event == "sched:sched_process_exec":
            # Most are executed by descriptor: then no file name tells which it is.
            self.programs[pid].append(comm)
            self.began.setdefault(pid, at)
        elif event == "sched:sched_process_fork":
            found = re.search(r" pid=(\d+) child_comm=.*? child_pid=(\d+)", rest)
            self.parents[int(found[2])] = int(found[1])
            self.born[int(found[2])] = at
        elif event == "sched:sched_process_exit":
            self.ended[pid] = at
        elif event.endswith("sys_enter"):
            self.inside[pid] = (int(re.match(r"NR (-?\d+)", rest)[1]), at, self.away[pid])
        elif event.endswith("sys_exit") and pid in self.inside:
            number, before, away = self.inside.pop(pid)
            call = self.calls[pid][self.names.get(number, str(number))]
            call[0] += 1
            call[1] += at - before - (self.away[pid] - away)
            call[2] += at - before

    def switch(self, last, following, at):
        if last in self.running:
            self.processor[last] += at - self.running.pop(last)
        self.left[last] = at
        self.running[following] = at
        self.turns[following] += 1
        if following in self.left:
            self.away[following] += at - self.left.pop(following)

    def family(self, root):
        yield root
        for child in sorted(c for c, parent in self.parents.items() if parent == root):
            yield from self.family(child)

    def typical(self, turn, of):
        """The process of the command that took as long as most, of those whose turn it is."""
        whole = {p: self.ended[p] - self.began[p] for p, names in self.programs.items() if names[:1] == ["lazaret"] and p in self.ended}
        whole = {p: whole[p] for p in sorted(whole, key=self.began.get)[turn::of]}
        ranked = sorted(whole, key=whole.get)
        return ranked[len(ranked) // 2], whole


def recorded(commands, rounds):
    """What happens while these commands run by turns."""
    with tempfile.TemporaryDirectory(prefix="lazaret-where-") as place:
        data = os.path.join(place, "data")
        record = ["perf", "record", "-q", "-a", "-m", "4096", "-o", data]
        for event in EVENTS:
            record += ["-e", event]
        each = "; ".join(f"{shlex.join(words)} > /dev/null" for words in commands)
        subprocess.run([*record, "--", "sh", "-c", f"for i in $(seq {rounds}); do {each}; done"], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        script = ["perf", "script", "-i", data, "-F", "comm,tid,cpu,time,event,trace"]
        return Trace(subprocess.run(script, check=True, capture_output=True, text=True, errors="replace").stdout)


def traced(titles, commands, rounds):
    """Runs them by turns under perf, and shows of each the run that took as long as most."""
    trace = recorded(commands, rounds)
    for turn, (title, words) in enumerate(zip(titles, commands)):
        shown(trace, title, words, trace.typical(turn, len(commands)))


def shown(trace, title, words, typical):
    root, whole = typical
    began, ended = trace.began[root], trace.ended[root]
    family = list(trace.family(root))
    print(f"\n## {title}: {' '.join(os.path.basename(w) if w.startswith('/') else w for w in words)}")
    print(f"wall {ended - began:.2f} ms traced (all {len(whole)}: {min(whole.values()):.2f} to {max(whole.values()):.2f}); {len(family)} processes, "
          f"{sum(len(trace.programs[p]) for p in family)} programs executed, {sum(trace.turns[p] for p in family)} turns on a processor, "
          f"{sum(sum(c[0] for c in trace.calls[p].values()) for p in family)} system calls, {sum(trace.processor[p] for p in family):.2f} ms of processor time")
    print(f"{'program':12}{'from':>8}{'to':>8}{'processor':>11}{'calls':>7}   most expensive calls: times, ms on a processor (ms until they returned)")
    for pid in family:
        calls = sorted(trace.calls[pid].items(), key=lambda item: -item[1][1])[:5]
        told = ", ".join(f"{name} {n} {on:.2f} ({until:.2f})" for name, (n, on, until) in calls if on >= 0.03)
        name = ">".join(trace.programs[pid]) or "(fork)"
        first = trace.born.get(pid, began) - began
        last = trace.ended.get(pid, float("nan")) - began
        print(f"{name[-12:]:12}{max(0, first):8.2f}{last:8.2f}{trace.processor[pid]:11.2f}{sum(c[0] for c in trace.calls[pid].values()):7}   {told}")
    together = collections.Counter()
    for pid in family:
        for name, (_, on, _) in trace.calls[pid].items():
            together[name] += on
    print("all together: " + ", ".join(f"{name} {on:.2f}" for name, on in together.most_common(12)))


def least(act, rounds=200):
    """Least and median milliseconds of what returns milliseconds."""
    times = sorted(act() for _ in range(rounds))
    return times[0], median(times)


def timed(act):
    before = time.perf_counter()
    act()
    return (time.perf_counter() - before) * 1000


def in_child(act):
    """Milliseconds that something takes in a process that is gone afterwards."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(theirs, str(timed(act)).encode())
        os._exit(0)
    os.close(theirs)
    said = os.read(ours, 100)
    os.close(ours)
    os.waitpid(pid, 0)
    return float(said)


LIBC = ctypes.CDLL(None, use_errno=True)


def unshare(flags):
    if LIBC.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def spawn(program):
    os.waitpid(os.posix_spawn(program, [program, "true"], {}), 0)


def into_group(directory, file):
    """Moves a process into a group of version 1, there and back."""
    with open(os.path.join(directory, file), "w") as group:
        group.write("0")


def kernel(bench):
    """What the kernel's calls cost alone, that a start cannot do without."""
    rows = {}
    busybox = os.path.join(bench.root, "bin/busybox")
    rows["spawn, execute and collect a static program of 2 MiB (busybox true)"] = least(lambda: timed(lambda: spawn(busybox)))
    filtered = os.path.join(os.path.dirname(bench.lazaret.lazaret), "idmapd")
    rows["the same, idmapd --help, which executes byhand"] = least(lambda: timed(lambda: quiet(filtered)))
    for name, flags in (("network", 0x40000000), ("mount", 0x20000), ("user", 0x10000000), ("pid", 0x20000000), ("ipc", 0x8000000), ("uts", 0x4000000), ("cgroup", 0x2000000)):
        rows[f"unshare a {name} namespace"] = least(lambda flags=flags: in_child(lambda: unshare(flags)), 40)
    for hierarchy in sorted(os.listdir("/sys/fs/cgroup")):
        parent = os.path.join("/sys/fs/cgroup", hierarchy)
        if not os.path.exists(os.path.join(parent, "cgroup.procs")) or os.path.islink(parent):
            continue
        group = os.path.join(parent, f"lazaret-where-{os.getpid()}")
        made, removed = [], []
        for _ in range(40):
            made.append(timed(lambda: os.mkdir(group)))
            removed.append(timed(lambda: os.rmdir(group)))
        rows[f"{hierarchy}: make a group, and remove it"] = (min(made) + min(removed), median(made) + median(removed))
        if hierarchy in ("cpuset", "unified", "systemd"):
            continue
        os.mkdir(group)
        for file in ("tasks", "cgroup.procs"):
            rows[f"{hierarchy}: a process writes 0 to its {file}"] = least(lambda file=file: in_child(lambda: into_group(group, file)), 10)
        time.sleep(0.05)
        os.rmdir(group)
    print(f"\n## the kernel's part, alone\n{'':66}{'least ms':>10}{'median':>9}")
    for name, (lowest, middle) in rows.items():
        print(f"{name:66}{lowest:10.3f}{middle:9.3f}")


def quiet(program):
    with open(os.devnull, "w") as null:
        actions = [(os.POSIX_SPAWN_DUP2, null.fileno(), 1)]
        os.waitpid(os.posix_spawn(program, [program, "--help"], {}, file_actions=actions), 0)


def constant(bench):
    """A FUSE server that answers one constant text and does nothing else, with the same requests: what FUSE itself takes."""
    if not bench.reads:
        print("\n## meminfo: left out: rustc is needed to build the reader")
        return
    program = os.path.join(bench.parent, "constant")
    subprocess.run(["rustc", "--edition", "2024", "-O", "-C", "target-feature=+crt-static", "-o", program, os.path.join(HERE, "constant.rs")], check=True)
    place = os.path.join(bench.parent, "constant.mount")
    with open(place, "w"):
        pass
    connection = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={connection},rootmode=100444,user_id=0,group_id=0,allow_other"
    # Read-only, nosuid, nodev.
    if LIBC.mount(b"constant", place.encode(), b"fuse", 7, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), "mount")
    server = subprocess.Popen(["taskset", "-c", "0", program], stdin=connection, stdout=subprocess.DEVNULL)
    os.close(connection)
    own = bench.lazaret
    box = own.called("where-meminfo")
    try:
        shutil.copy(bench.reads, os.path.join(bench.root, "bin/reads"))
        own.define(box)
        own.start(box)
        fused = own.facts(box)["pids"]["fused"]
        for task in os.listdir(f"/proc/{fused}/task"):
            os.sched_setaffinity(int(task), {0})
        first = ["taskset", "-c", "0"]
        stat = next((f"/sys/fs/cgroup/{g}/memory.stat" for g in (f"memory/lazaret/{box}", f"lazaret/{box}") if os.path.exists(f"/sys/fs/cgroup/{g}/memory.stat")), None)
        taken = collections.defaultdict(list)
        for _ in range(5):
            taken["a FUSE server that answers a constant"].append(reading(server.pid, [*first, bench.reads, place], 20000, 1))
            taken["fused"].append(reading(fused, [*first, *own.words("enter", box, "--", "reads", "/proc/meminfo")], 20000, 1))
            taken["the host's own /proc/meminfo"].append(reading(os.getpid(), [*first, bench.reads, "/proc/meminfo"], 20000, 1))
            if stat:
                taken["memory.stat of the container's group, by the reader itself"].append(reading(os.getpid(), [*first, bench.reads, stat], 20000, 1))
        print(f"\n## open, read whole, close, on one processor\n{'':60}{'wall us':>9}{'processor us':>14}   (least of 5 times 20000)")
        for name, pairs in taken.items():
            print(f"{name:60}{min(w for w, _ in pairs):9.1f}{min(p for _, p in pairs):14.1f}")
        counted(fused, first, own.words("enter", box, "--", "reads", "/proc/meminfo", "1000", "1"))
    finally:
        own.end(box)
        own.forget(box)
        LIBC.umount2(place.encode(), 2)
        server.wait()


def counted(server, first, words):
    """The server's system calls for each read."""
    with tempfile.NamedTemporaryFile() as file:
        trace = subprocess.Popen(["perf", "trace", "-s", "-p", str(server), "-o", file.name], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1)
        subprocess.run([*first, *words], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        trace.send_signal(2)
        trace.wait()
        text = open(file.name).read()
    calls = re.findall(r"^\s+(read|writev|pread64|futex)\s+(\d+)", text, re.M)
    # The reader reads ten times more, to begin with.
    print("calls of fused for each read: " + ", ".join(f"{name} {int(n) / 1010:.2f}" for name, n in calls))


def commands(bench):
    """A run, an entry, and a start and an end by turns."""
    own = bench.lazaret
    root = ["--rootfs", bench.root, "--network", "none"]
    for _ in range(3):
        own.run()
    traced(["run"], [own.words("run", *root, "--", "true")], bench.rounds)
    box = own.called("where")
    own.define(box)
    own.start(box)
    own.enter(box)
    traced(["enter", "list"], [own.words("enter", box, "--", "true"), own.words("list")], bench.rounds)
    own.end(box)
    traced(["start", "destroy"], [own.words("start", box), own.words("destroy", box)], bench.rounds)
    own.forget(box)


PARTS = {"kernel": kernel, "commands": commands, "meminfo": constant}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(PARTS))
    parser.add_argument("--floor", help="as for bench.py")
    asked = parser.parse_args()
    asked.containers = 0
    if not shutil.which("perf"):
        sys.exit("where: perf(1) is not installed (Debian: linux-perf)")
    print(f"{time.strftime('%F')}, {machine()}")
    with contextlib.ExitStack() as places:
        parent = places.enter_context(tempfile.TemporaryDirectory(prefix="lazaret-where-", dir="/srv"))
        os.chmod(parent, 0o700)
        bench = Bench(asked, parent, places.enter_context(in_memory()))
        walls(bench)
        for part in asked.only:
            PARTS[part](bench)


if __name__ == "__main__":
    main()
