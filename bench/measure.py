"""Taking turns, and what is made of the times: medians, deciles, ratios pair by pair."""

import statistics
import subprocess
import tempfile
import time


def once(command):
    """Wall time in milliseconds, and what the command ended with and said."""
    # A file: what goes on in the background would hold a pipe open.
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        taken = (time.perf_counter() - start) * 1000
        said.seek(0)
        return taken, done.returncode, said.read().decode(errors="replace").strip()


def must(command):
    """Runs what has to work."""
    taken, status, said = once(command)
    if status != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {status}: {said}")
    return taken


def in_turn(commands, rounds, warm=3):
    """Runs the commands in turn, round after round, so that a machine whose speed drifts is fair to all.

    `commands` gives names and functions that return milliseconds. Returns the times by name, and by name why something was left out.
    """
    times, left_out = {}, {}
    for name, act in commands:
        try:
            for _ in range(warm):
                act()
            times[name] = []
        except (RuntimeError, OSError) as reason:
            left_out[name] = str(reason).splitlines()[-1]
    for _ in range(rounds):
        for name, act in commands:
            if name in times:
                times[name].append(act())
    return times, left_out


def summary(times, first):
    """Median, 10th and 90th percentile of each, and the median of each round's ratio to `first`."""
    table = {}
    for name, taken in times.items():
        deciles = statistics.quantiles(taken, n=10)
        pairs = zip(taken, times[first]) if first in times else []
        ratios = [a / b for a, b in pairs]
        table[name] = {
            "median_ms": round(statistics.median(taken), 3),
            "p10_ms": round(deciles[0], 3),
            "p90_ms": round(deciles[8], 3),
            "ratio": round(statistics.median(ratios), 3) if ratios else None,
        }
    return table


def proportional_set(pid):
    """KiB of memory that a process takes, shared pages divided among those that share them (`/proc/PID/smaps_rollup`)."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def processor_ticks(pids):
    """Clock ticks that these processes have computed for, in user and in kernel mode (proc_pid_stat(5))."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total
