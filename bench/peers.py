"""What Lazaret is compared with: each on the same busybox root, with its own defaults. What is not installed is left out by name."""

import json
import os
import shutil
import subprocess

from measure import must

APPLETS = ("true", "sh", "sleep", "yes", "head", "cat")


def busybox_root(parent):
    root = os.path.join(parent, "root")
    for directory in ("bin", "dev", "etc", "proc", "sys", "tmp", "run"):
        os.makedirs(os.path.join(root, directory))
    shutil.copy(shutil.which("busybox"), os.path.join(root, "bin/busybox"))
    for applet in APPLETS:
        os.symlink("busybox", os.path.join(root, "bin", applet))
    return root


def without_unified(words):
    """crun refuses a mixed cgroup layout; without the unified hierarchy it takes the machine for one of version 1."""
    if not os.path.ismount("/sys/fs/cgroup/unified"):
        return words
    return ["unshare", "-m", "sh", "-c", 'umount /sys/fs/cgroup/unified; exec "$@"', "sh", *words]


class Oci:
    """crun or runc: a bundle with the runtime's own default configuration, without a terminal."""

    def __init__(self, runtime, parent, root):
        self.runtime = runtime
        self.root = root
        self.parent = parent
        self.wrap = without_unified if runtime == "crun" else list

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
        return must(self.wrap([self.runtime, "run", "--bundle", self.bundle("true", ["/bin/true"]), self.name("true")]))

    def begin(self):
        must(self.wrap([self.runtime, "run", "-d", "--bundle", self.bundle("stay", ["/bin/sleep", "100000"]), self.name("stay")]))

    def enter(self):
        return must(self.wrap([self.runtime, "exec", self.name("stay"), "/bin/true"]))

    def end(self):
        subprocess.run(self.wrap([self.runtime, "delete", "-f", self.name("stay")]), capture_output=True)


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


class Lazaret:
    """The programs in a directory, with state of their own."""

    def __init__(self, programs, parent, root):
        self.lazaret = os.path.join(programs, "lazaret")
        self.root = root
        self.parent = parent
        os.environ["LAZARET_RUN_DIR"] = os.path.join(parent, "run")
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


def installed(parent, root):
    """The peers that are installed, and the names of those that are not."""
    here, missing = {}, []
    for runtime in ("crun", "runc"):
        if shutil.which(runtime):
            here[runtime] = Oci(runtime, parent, root)
        else:
            missing.append(runtime)
    if shutil.which("lxc-execute"):
        here["lxc"] = Lxc(parent, root)
    else:
        missing.append("lxc")
    return here, missing
