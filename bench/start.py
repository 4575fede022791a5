#!/usr/bin/env python3
"""Times `lazaret run -- true` on a busybox root beside bubblewrap, crun, runc, lxc-execute and a floor.

Commands take turns, round after round, so that a machine whose speed drifts is fair to all. Prints the median wall time of each in
milliseconds with its 10th and 90th percentile, and the median of each round's ratio to lazaret's. What is not installed is named and
left out; so is what fails. The floor is unshare(1) with the same namespaces, chroot and one command: what the kernel itself takes.

usage: start.py DIRECTORY-OF-THE-PROGRAMS ROUNDS
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def busybox_root(parent):
    root = os.path.join(parent, "root")
    for directory in ("bin", "dev", "etc", "proc", "sys", "tmp", "run"):
        os.makedirs(os.path.join(root, directory))
    shutil.copy(shutil.which("busybox"), os.path.join(root, "bin/busybox"))
    for applet in ("true", "sh"):
        os.symlink("busybox", os.path.join(root, "bin", applet))
    return root


def oci_bundle(parent, root, runtime):
    """A bundle with the runtime's own default configuration, on the same root, without a terminal."""
    bundle = os.path.join(parent, runtime)
    os.makedirs(bundle)
    os.symlink(root, os.path.join(bundle, "rootfs"))
    subprocess.run([runtime, "spec"], cwd=bundle, check=True)
    path = os.path.join(bundle, "config.json")
    with open(path) as file:
        config = json.load(file)
    config["process"]["terminal"] = False
    config["process"]["args"] = ["/bin/true"]
    config["root"] = {"path": root, "readonly": True}
    with open(path, "w") as file:
        json.dump(config, file)
    return bundle


def lxc_configuration(parent, root):
    path = os.path.join(parent, "lxc.conf")
    with open(path, "w") as file:
        file.write(f"lxc.rootfs.path = dir:{root}\nlxc.net.0.type = empty\nlxc.mount.auto = proc sys:ro\n")
    return path


def commands(programs, parent):
    root = busybox_root(parent)
    yield "lazaret", [os.path.join(programs, "lazaret"), "run", "--rootfs", root, "--network", "none", "--", "true"]
    yield "floor (unshare)", ["unshare", "-U", "-r", "-m", "-p", "-f", "-i", "-u", "-n", "-C", "chroot", root, "/bin/true"]
    if shutil.which("bwrap"):
        yield "bwrap", ["bwrap", "--unshare-all", "--ro-bind", root, "/", "--proc", "/proc", "--dev", "/dev", "/bin/true"]
    # crun refuses a mixed cgroup layout; without the unified hierarchy it takes the machine for one of version 1.
    unified = "umount /sys/fs/cgroup/unified 2>/dev/null; "
    for runtime in ("crun", "runc"):
        if shutil.which(runtime):
            bundle = oci_bundle(parent, root, runtime)
            name = f"bench-{runtime}-{os.getpid()}"
            prelude = unified if runtime == "crun" and os.path.ismount("/sys/fs/cgroup/unified") else ""
            if prelude:
                yield runtime, ["unshare", "-m", "sh", "-c", f"{prelude}exec {runtime} run --bundle {bundle} {name}"]
            else:
                yield runtime, [runtime, "run", "--bundle", bundle, name]
    if shutil.which("lxc-execute"):
        configuration = lxc_configuration(parent, root)
        yield "lxc-execute", ["lxc-execute", "-n", f"bench-{os.getpid()}", "-f", configuration, "--", "/bin/true"]


def once(command):
    start = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return (time.perf_counter() - start) * 1000, done


def main():
    programs, rounds = os.path.abspath(sys.argv[1]), int(sys.argv[2])
    with tempfile.TemporaryDirectory(prefix="lazaret-bench-", dir="/var/lib") as parent:
        os.chmod(parent, 0o700)
        table = []
        for name, command in commands(programs, parent):
            for _ in range(3):
                _, done = once(command)
            if done.returncode != 0:
                said = done.stdout.decode(errors="replace").strip().splitlines()
                print(f"{name}: left out, it ends with {done.returncode}: {said[-1] if said else 'no word'}")
                if name == "lazaret":
                    return 1
                continue
            table.append((name, command, []))
        for name in ("bwrap", "crun", "runc", "lxc-execute"):
            if not shutil.which(name):
                print(f"{name}: left out, it is not installed")
        for _ in range(rounds):
            for _, command, times in table:
                taken, done = once(command)
                if done.returncode != 0:
                    print(f"{command[0]} ended with {done.returncode}: {done.stdout.decode(errors='replace')}")
                    return 1
                times.append(taken)
        own = table[0][2]
        print(f"{'':18}{'median ms':>10}{'p10':>8}{'p90':>8}{'to lazaret':>12}   ({rounds} rounds)")
        for name, _, times in table:
            deciles = statistics.quantiles(times, n=10)
            ratio = statistics.median(a / b for a, b in zip(times, own))
            print(f"{name:18}{statistics.median(times):10.2f}{deciles[0]:8.2f}{deciles[8]:8.2f}{ratio:12.2f}")
    return 0


sys.exit(main())
