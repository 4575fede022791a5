#!/usr/bin/env python3
"""Measures Lazaret beside what else is installed here, prints medians and ratios, and writes them down.

Everything runs in a network namespace of its own (see run.sh) and below one directory in /srv, which goes at the end. Commands take
turns. Results go to bench/results/DATE-MACHINE.json, and as a drawing to bench/results/start.svg and scale.svg.
Where the time goes is in bench/WHERE.md, and printed by where.py.

usage: bench.py DIRECTORY-OF-THE-PROGRAMS [--rounds N] [--containers N] [--only PART,...] [--floor PROGRAM]
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time

import draw
from measure import in_turn, must, once, processor_ticks, proportional_set, summary
from peers import Lazaret, Lxcfs, busybox_root, in_memory, installed


def show(title, table, left_out, first):
    print(f"\n{title}")
    print(f"{'':22}{'median ms':>10}{'p10':>8}{'p90':>8}   to {first}")
    for name, row in table.items():
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        print(f"{name:22}{row['median_ms']:10.2f}{row['p10_ms']:8.2f}{row['p90_ms']:8.2f}{ratio:>9}")
    for name, reason in left_out.items():
        print(f"{name}: left out: {reason}")


def compared(title, commands, rounds, first):
    times, left_out = in_turn(commands, rounds)
    if "lazaret" in left_out:
        raise RuntimeError(left_out["lazaret"])
    table = summary(times, first)
    show(title, table, left_out, first)
    return {"table": table, "left_out": left_out, "first": first, "rounds": rounds}


def start(bench):
    """One run of `true`, from the call to its end."""
    own, root = bench.lazaret, bench.root
    unshare = ["unshare", "-U", "-r", "-m", "-p", "-f", "-i", "-u", "-n", "-C", "chroot", root, "/bin/true"]
    bwrap = ["bwrap", "--unshare-all", "--ro-bind", root, "/", "--proc", "/proc", "--dev", "/dev", "/bin/true"]
    commands = [("lazaret", own.run)]
    if bench.floor:
        commands.append(("floor", lambda: must([bench.floor, root, "/bin/true"])))
    commands.append(("unshare", lambda: must(unshare)))
    if shutil.which("bwrap"):
        commands.append(("bwrap", lambda: must(bwrap)))
    commands += [(name, peer.run) for name, peer in bench.peers.items()]
    commands.append(("lazaret, NAT network", lambda: own.run("default")))
    return compared("run -- true", commands, bench.rounds, "lazaret")


def nat(bench):
    """The same on the default network, where another container is: the bridge is there, and stays."""
    own = bench.lazaret
    box = own.called("other")
    own.begin(box, "default")
    try:
        commands = [("lazaret", lambda: own.run("default"))] + [(name, peer.run) for name, peer in bench.peers.items() if name == "crun"]
        return compared("run -- true on the NAT network, beside another container there", commands, bench.rounds, "lazaret")
    finally:
        own.end(box)


def enter(bench):
    """`true` in a container that runs."""
    own = bench.lazaret
    box = own.called("enter")
    own.define(box)
    own.start(box)
    pid = own.facts(box)["pids"]["pid1"]
    commands = [("lazaret", lambda: own.enter(box))]
    nsenter = ["nsenter", "-t", str(pid), "-U", "-m", "-p", "-i", "-u", "-n", "-C", "-r", "--preserve-credentials", "/bin/true"]
    commands.append(("nsenter(1)", lambda: must(nsenter)))
    begun = []
    for name, peer in bench.peers.items():
        try:
            peer.begin()
            begun.append(peer)
            commands.append((name, peer.enter))
        except RuntimeError as reason:
            print(f"{name}: left out: {reason}")
    try:
        return compared("enter -- true", commands, bench.rounds, "lazaret")
    finally:
        for peer in begun:
            peer.end()
        own.end(box)
        own.forget(box)


def cycle(bench):
    """A defined container until its init has been executed, and until nothing is left."""
    own = bench.lazaret
    box = own.called("cycle")
    own.define(box)
    taken = {"lazaret start": [], "lazaret destroy": []}
    lxc = bench.peers.get("lxc")
    if lxc:
        taken |= {"lxc-start -d": [], "lxc-stop -k": []}
    for number in range(bench.rounds + 2):
        row = [("lazaret start", own.start(box)), ("lazaret destroy", own.end(box))]
        if lxc:
            row += [("lxc-start -d", lxc.begin()), ("lxc-stop -k", lxc.end())]
        if number >= 2:
            for name, milliseconds in row:
                taken[name].append(milliseconds)
    own.forget(box)
    tables = {}
    for ours, theirs in (("lazaret start", "lxc-start -d"), ("lazaret destroy", "lxc-stop -k")):
        pair = {name: taken[name] for name in (ours, theirs) if name in taken}
        table = summary(pair, theirs if theirs in pair else ours)
        show(ours, table, {}, theirs)
        tables |= table
    return {"table": tables, "rounds": bench.rounds}


def scale(bench):
    """Many containers at once: how long each start takes, what is idle, and what all of them take."""
    own, count = bench.lazaret, bench.containers
    names = [own.called(f"many{number}") for number in range(count)]
    for name in names:
        own.define(name)
    starts = [own.start(name) for name in names]
    pids = [pid for name in names[:20] for pid in own.pids(name)]
    memory = sum(proportional_set(pid) for pid in pids) / min(20, count)
    listing = sorted(once(own.words("list"))[0] for _ in range(9))[4]
    everything = [pid for name in names for pid in own.pids(name)]
    before = processor_ticks(everything)
    time.sleep(10)
    ticks = processor_ticks(everything) - before
    for name in names:
        own.end(name)
    tenth = max(1, count // 10)
    first, last = sorted(starts[:tenth])[tenth // 2], sorted(starts[-tenth:])[tenth // 2]
    together = [own.called(f"once{number}") for number in range(min(64, count))]
    for name in together:
        own.define(name)
    one_after_the_other = sum(own.start(name) for name in together)
    for name in together:
        own.end(name)
    begun = time.perf_counter()
    children = [subprocess.Popen(own.words("start", name), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for name in together]
    failed = [child.communicate()[1] for child in children if child.wait() != 0]
    at_once = (time.perf_counter() - begun) * 1000
    for name in together:
        once(own.words("destroy", name))
    for name in names + together:
        own.forget(name)
    result = {
        "containers": count,
        "starts_ms": [round(s, 2) for s in starts],
        "first_tenth_ms": round(first, 2),
        "last_tenth_ms": round(last, 2),
        "memory_kib_each": round(memory),
        "list_ms": round(listing, 2),
        "idle_ticks_in_10_s": ticks,
        "together": len(together),
        "together_ms": round(at_once),
        "one_after_the_other_ms": round(one_after_the_other),
        "together_failed": len(failed),
    }
    print(f"\n{count} containers")
    print(f"start, median of the first tenth {first:.1f} ms, of the last {last:.1f} ms: {last / first:.2f} times")
    print(f"memory of our processes for each, proportional: {memory:.0f} KiB; list: {listing:.1f} ms; idle: {ticks} ticks in 10 s")
    print(f"{len(together)} starts at once: {at_once:.0f} ms, one after the other {one_after_the_other:.0f} ms, {len(failed)} failed")
    for said in failed[:3]:
        print(said.decode(errors="replace").strip())
    return result


def on_one_processor(pid):
    """Every thread of a process on the first processor."""
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), {0})


def on_any_processor(pid):
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), range(os.cpu_count()))


def reading(server, words, reads, threads):
    """Microseconds for each read: of wall time, and of processor time of reader and server together."""
    before = processor_ticks([server])
    said = subprocess.run([*words, str(reads), str(threads)], stdin=subprocess.DEVNULL, capture_output=True, check=True, text=True).stdout
    served = (processor_ticks([server]) - before) * 1e6 / os.sysconf("SC_CLK_TCK")
    wall, reader, done = (int(n) for n in said.split())
    return wall / 1000, reader / 1000 + served / done


def meminfo(bench):
    """`/proc/meminfo`, opened, read whole and closed: by one reader on the processor of its server, and by 50 at once."""
    if not bench.reads:
        print("meminfo: left out: rustc is needed to build the reader")
        return None
    shutil.copy(bench.reads, os.path.join(bench.root, "bin/reads"))
    own = bench.lazaret
    box = own.called("meminfo")
    own.define(box)
    own.start(box)
    server = own.facts(box)["pids"]["fused"]
    cases = {"lazaret": (server, own.words("enter", box, "--", "reads", "/proc/meminfo"), 20000)}
    lxcfs = Lxcfs.start(bench.parent)
    if lxcfs:
        cases["lxcfs"] = (lxcfs.pid, [*lxcfs.limited, bench.reads, lxcfs.file], 4000)
    cases["host"] = (os.getpid(), [bench.reads, "/proc/meminfo"], 20000)
    first = ["taskset", "-c", "0"]
    table = {}
    try:
        allowed = subprocess.run([*first, *own.words("enter", box, "--", "cat", "/proc/self/status")], capture_output=True, text=True, check=True)
        if "Cpus_allowed_list:\t0\n" not in allowed.stdout:
            raise RuntimeError("who enters does not keep the processor that was asked for")
        for name, (pid, words, reads) in cases.items():
            if name != "host":
                on_one_processor(pid)
            wall, processor = reading(pid, [*first, *words], reads, 1)
            if name != "host":
                on_any_processor(pid)
            _, many = reading(pid, words, reads, 50)
            table[name] = {"wall_us": round(wall, 1), "processor_us": round(processor, 1), "processor_us_of_50": round(many, 1)}
    finally:
        if lxcfs:
            lxcfs.end()
        own.end(box)
        own.forget(box)
    print(f"\n/proc/meminfo\n{'':22}{'wall us':>10}{'processor us':>14}{'of 50 readers':>15}")
    for name, row in table.items():
        print(f"{name:22}{row['wall_us']:10.1f}{row['processor_us']:14.1f}{row['processor_us_of_50']:15.1f}")
    if not lxcfs:
        print("lxcfs: not installed, left out")
    return table


# By number (linux/capability.h).
CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW "
    "IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD "
    "LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split()


def walls(bench):
    """No figure is bought with a wall: what is measured is confined as the profile says, or nothing is measured."""
    own = bench.lazaret
    said = subprocess.run(own.words("policy", "show", "app", "--json"), capture_output=True, check=True).stdout
    profile = json.loads(said)
    box = own.called("walls")
    own.begin(box)
    pid = own.facts(box)["pids"]["pid1"]
    with open(f"/proc/{pid}/status") as status, open(f"/proc/{pid}/uid_map") as ids:
        has = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
        first, outside, _ = ids.read().split()
    own.end(box)
    wanted = sum(1 << CAPABILITIES.index(name) for name in dict(profile["facts"])["power"].split())
    # Of the capabilities PID 1, which only reaps, keeps none.
    wrong = [f"{name} is {has[name]}" for name in ("CapPrm", "CapEff", "CapBnd") if int(has[name], 16) & ~wanted]
    wrong += [f"{name} is {has[name]}" for name, right in (("NoNewPrivs", "1"), ("Seccomp", "2")) if has[name] != right]
    if first != "0" or outside == "0":
        wrong.append(f"the container's root is {outside} on the host")
    if wrong:
        raise RuntimeError(f"what is measured is not confined as the profile app: {'; '.join(wrong)}")


def console(bench):
    """What is written to a console that nobody watches, beside a terminal that cat(1) drains."""
    own, size = bench.lazaret, 1 << 30
    writer = "yes 0123456789012345678901234567890123456789012345678901234567890123456789 | head -c 1073741824"
    name = own.called("console")
    path = os.path.join(own.parent, "console.xml")
    with open(path, "w") as file:
        file.write(
            f"<domain type='lxc'><name>{name}</name><memory unit='MiB'>64</memory><os><type>exe</type><init>/bin/sh</init>"
            f"<initarg>-c</initarg><initarg>{writer}</initarg></os><devices><filesystem type='mount'><source dir='{bench.root}'/>"
            "<target dir='/'/><readonly/></filesystem><console type='pty'/></devices></domain>"
        )
    begun = time.perf_counter()
    must(own.words("create", path))
    must(own.words("wait", name))
    ours = time.perf_counter() - begun
    must(own.words("list"))  # who waits has no power to clear away what has ended
    # The same programs write: another head(1) makes other writes of it.
    command = ["chroot", bench.root, "/bin/sh", "-c", writer]
    # Python ignores SIGPIPE, and a yes(1) that inherits that never ends.
    drained = f"import os,pty,signal\nsignal.signal(signal.SIGPIPE, signal.SIG_DFL)\npty.spawn({command!r}, lambda fd: os.read(fd, 65536))"
    begun = time.perf_counter()
    subprocess.run(["sh", "-c", 'python3 -c "$1" | cat > /dev/null', "sh", drained], check=True, stdin=subprocess.DEVNULL)
    theirs = time.perf_counter() - begun

    def rate(seconds):
        return size / seconds / (1 << 20)

    print(f"\n1 GiB to a console that nobody watches: {rate(ours):.0f} MiB/s; to a terminal that is drained into cat: {rate(theirs):.0f} MiB/s")
    return {"console_mib_s": round(rate(ours), 1), "drained_mib_s": round(rate(theirs), 1)}


PARTS = {"start": start, "nat": nat, "enter": enter, "cycle": cycle, "meminfo": meminfo, "scale": scale, "console": console}


class Bench:
    """What every part needs."""

    def __init__(self, asked, parent, state):
        self.rounds, self.containers, self.floor = asked.rounds, asked.containers, asked.floor
        self.parent = parent
        self.root = busybox_root(parent)
        self.lazaret = Lazaret(os.path.abspath(asked.programs), parent, self.root, state)
        self.peers, self.missing = installed(parent, self.root, state)
        self.reads = reader(parent)
        if not shutil.which("bwrap"):
            self.missing.append("bwrap")


def reader(parent):
    """The program of reads.rs, or nothing where there is no compiler."""
    if not shutil.which("rustc"):
        return None
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "reads.rs")
    program = os.path.join(parent, "reads")
    subprocess.run(["rustc", "--edition", "2024", "-O", "-C", "target-feature=+crt-static", "-o", program, source], check=True)
    return program


def machine():
    with open("/proc/cpuinfo") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return {
        "kernel": platform.release(),
        "processors": len(models),
        "model": models[0] if models else platform.machine(),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "load_before": os.getloadavg()[0],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--containers", type=int, default=500)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(PARTS))
    parser.add_argument("--floor", help="a program that makes the same namespaces and executes, for what the kernel itself takes")
    asked = parser.parse_args()
    here = os.path.dirname(os.path.abspath(__file__))
    result = {"date": datetime.date.today().isoformat(), "machine": machine()}
    with contextlib.ExitStack() as places:
        parent = places.enter_context(tempfile.TemporaryDirectory(prefix="lazaret-bench-", dir="/srv"))
        os.chmod(parent, 0o700)
        state = places.enter_context(in_memory())
        bench = Bench(asked, parent, state)
        walls(bench)
        for name in bench.missing:
            print(f"{name}: not installed, left out")
        result["not_installed"] = bench.missing
        for part in asked.only:
            result[part] = PARTS[part](bench)
    results = os.path.join(here, "results")
    os.makedirs(results, exist_ok=True)
    name = f"{result['date']}-{platform.node() or 'machine'}.json"
    with open(os.path.join(results, name), "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    if "start" in result:
        draw.bars(os.path.join(results, "start.svg"), "run -- true", result["start"]["table"], result["date"])
    if "scale" in result:
        draw.curve(os.path.join(results, "scale.svg"), result["scale"]["starts_ms"], result["date"])
    print(f"\nwritten to bench/results/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
