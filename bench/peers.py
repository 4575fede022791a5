"""What Lazaret is compared with: each on the same busybox root, with its own defaults. What is not installed is left out by name."""

import contextlib
import ctypes
import json
import os
import shutil
import subprocess
import tempfile
import time

from measure import must

APPLETS = ("true", "sh", "sleep", "yes", "head", "cat", "grep", "ls")


def busybox_root(parent):
    root = os.path.join(parent, "root")
    for directory in ("bin", "dev", "etc", "proc", "sys", "tmp", "run"):
        os.makedirs(os.path.join(root, directory))
    shutil.copy(shutil.which("busybox"), os.path.join(root, "bin/busybox"))
    for applet in APPLETS:
        os.symlink("busybox", os.path.join(root, "bin", applet))
    # As every image has them: without, Lazaret makes them, and takes them away again.
    for name, text in (("hosts", "127.0.0.1 localhost\n"), ("resolv.conf", "nameserver 127.0.0.1\n")):
        with open(os.path.join(root, "etc", name), "w") as file:
            file.write(text)
    return root


def in_memory():
    """A directory for runtime state, where that lies on nearly every host: on a file system in memory."""
    return tempfile.TemporaryDirectory(prefix="lazaret-bench-", dir="/dev/shm")


class Elsewhere:
    """A mount namespace without the unified hierarchy: crun refuses a mixed cgroup layout, and takes such a machine for one of version 1.

    This process itself goes there and back, so that nobody's time has a further program in it.
    """

    NEWNS = 0x20000

    def __init__(self):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.here = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        there = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", "umount /sys/fs/cgroup/unified && echo there && exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        there.stdout.readline()
        self.there = os.open(f"/proc/{there.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        there.stdin.close()
        there.wait()

    def go(self, namespace):
        if self.libc.setns(namespace, self.NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def must(self, words):
        self.go(self.there)
        try:
            return must(words)
        finally:
            self.go(self.here)


class Oci:
    """crun or runc: a bundle with the runtime's own default configuration, without a terminal."""

    def __init__(self, runtime, parent, root, state):
        self.runtime = runtime
        self.root = root
        self.parent = parent
        self.words = [runtime, "--root", os.path.join(state, runtime)]
        mixed = os.path.ismount("/sys/fs/cgroup/unified")
        self.must = Elsewhere().must if runtime == "crun" and mixed else must

    def bundle(self, name, command):
        bundle = os.path.join(self.parent, f"{self.runtime}-{name}")
        if not os.path.isdir(bundle):
            os.makedirs(bundle)
            subprocess.run([self.runtime, "spec"], cwd=bundle, check=True)
            path = os.path.join(bundle, "config.json")
            with open(path) as file:
                config = json.load(file)
            config["process"]["terminal"] = False
            config["process"]["args"] = command
            config["root"] = {"path": self.root, "readonly": True}
            with open(path, "w") as file:
                json.dump(config, file)
        return bundle

    def name(self, what):
        return f"bench-{what}-{os.getpid()}"

    def run(self):
        return self.must([*self.words, "run", "--bundle", self.bundle("true", ["/bin/true"]), self.name("true")])

    def begin(self):
        self.must([*self.words, "run", "-d", "--bundle", self.bundle("stay", ["/bin/sleep", "100000"]), self.name("stay")])

    def enter(self):
        return self.must([*self.words, "exec", self.name("stay"), "/bin/true"])

    def end(self):
        with contextlib.suppress(RuntimeError):
            self.must([*self.words, "delete", "-f", self.name("stay")])


class Lxc:
    """LXC, with a configuration of its own for each."""

    def __init__(self, parent, root):
        self.path = os.path.join(parent, "lxc.conf")
        self.lxcpath = os.path.join(parent, "lxc")
        os.makedirs(self.lxcpath, exist_ok=True)
        with open(self.path, "w") as file:
            file.write(f"lxc.rootfs.path = dir:{root}\nlxc.net.0.type = empty\nlxc.mount.auto = proc sys:ro\nlxc.init.cmd = /bin/sleep 100000\n")
        self.name = f"bench-{os.getpid()}"

    def words(self, program, *rest):
        return [program, "-P", self.lxcpath, "-n", self.name, *rest]

    def run(self):
        return must(self.words("lxc-execute", "-f", self.path, "--", "/bin/true"))

    def begin(self):
        return must(self.words("lxc-start", "-d", "-f", self.path))

    def enter(self):
        return must(self.words("lxc-attach", "-f", self.path, "--", "/bin/true"))

    def end(self):
        return must(self.words("lxc-stop", "-k"))


class Lxcfs:
    """lxcfs, with a mount of its own, asked from a control group with a limit, whose figures it shows."""

    def __init__(self, place, group, process):
        self.place, self.group, self.process = place, group, process
        self.pid = process.pid
        self.file = os.path.join(place, "proc/meminfo")
        self.limited = ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]

    @staticmethod
    def start(parent):
        if not shutil.which("lxcfs"):
            return None
        place = os.path.join(parent, "lxcfs")
        os.makedirs(place)
        one = "/sys/fs/cgroup/memory"
        group = os.path.join(one if os.path.isdir(one) else "/sys/fs/cgroup", f"lazaret-bench-{os.getpid()}")
        os.mkdir(group)
        with open(os.path.join(group, "memory.limit_in_bytes" if group.startswith(one) else "memory.max"), "w") as file:
            file.write(str(64 << 20))
        pidfile = os.path.join(parent, "lxcfs.pid")
        process = subprocess.Popen(["lxcfs", "-f", "-p", pidfile, place], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lxcfs = Lxcfs(place, group, process)
        end = time.monotonic() + 10
        while not os.path.exists(lxcfs.file):
            if process.poll() is not None or time.monotonic() > end:
                lxcfs.end()
                raise RuntimeError("lxcfs does not serve")
            time.sleep(0.01)
        return lxcfs

    def end(self):
        self.process.terminate()
        self.process.wait()
        subprocess.run(["umount", "-l", self.place], capture_output=True)
        os.rmdir(self.group)


class Lazaret:
    """The programs in a directory, with state of their own."""

    def __init__(self, programs, parent, root, state):
        self.lazaret = os.path.join(programs, "lazaret")
        self.root = root
        self.parent = parent
        os.environ["LAZARET_RUN_DIR"] = os.path.join(state, "run")
        os.environ["LAZARET_CONFIG_DIR"] = os.path.join(parent, "etc")
        os.environ["LAZARET_DATA_DIR"] = os.path.join(parent, "data")

    def words(self, *rest):
        return [self.lazaret, *rest]

    @staticmethod
    def called(word):
        """A name that no other container of this host has."""
        return f"bench{os.getpid()}-{word}"

    def run(self, network="none", *options):
        return must(self.words("run", "--rootfs", self.root, "--network", network, *options, "--", "true"))

    def begin(self, name, network="none"):
        return must(self.words("run", "-d", "--rm", "--name", name, "--rootfs", self.root, "--network", network, "--", "sleep", "100000"))

    def define(self, name):
        path = os.path.join(self.parent, "definition.xml")
        with open(path, "w") as file:
            file.write(
                f"<domain type='lxc'><name>{name}</name><memory unit='MiB'>64</memory><os><type>exe</type><init>/bin/sleep</init>"
                f"<initarg>100000</initarg></os><devices><filesystem type='mount'><source dir='{self.root}'/><target dir='/'/>"
                "<readonly/></filesystem></devices></domain>"
            )
        must(self.words("define", path))

    def start(self, name):
        return must(self.words("start", name))

    def enter(self, name):
        return must(self.words("enter", name, "--", "true"))

    def end(self, name):
        return must(self.words("destroy", name))

    def forget(self, name):
        return must(self.words("undefine", name))

    def facts(self, name):
        said = subprocess.run(self.words("dominfo", name, "--json"), capture_output=True, check=True)
        return json.loads(said.stdout)

    def pids(self, name):
        """Our own processes of a running domain."""
        pids = self.facts(name)["pids"]
        return [pids[program] for program in ("init", "supervisor", "fused")]


def installed(parent, root, state):
    """The peers that are installed, and the names of those that are not."""
    here, missing = {}, []
    for runtime in ("crun", "runc"):
        if shutil.which(runtime):
            here[runtime] = Oci(runtime, parent, root, state)
        else:
            missing.append(runtime)
    if shutil.which("lxc-execute"):
        here["lxc"] = Lxc(parent, root)
    else:
        missing.append("lxc")
    return here, missing
