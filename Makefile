# Lazaret: build, show, test, install. Every target says what it runs.
PREFIX ?= /usr/local
DESTDIR ?=
CARGO ?= cargo

TARGET := x86_64-unknown-linux-gnu
BUILT := target/$(TARGET)/release
LIBEXEC := $(PREFIX)/libexec/lazaret
BIN := $(PREFIX)/bin
MAN := $(PREFIX)/share/man
BASH_COMPLETIONS := $(PREFIX)/share/bash-completion/completions
ZSH_COMPLETIONS := $(PREFIX)/share/zsh/site-functions
FISH_COMPLETIONS := $(PREFIX)/share/fish/vendor_completions.d
UNITS := $(PREFIX)/lib/systemd/system
# The one place in which apparmor_parser(8) and the host's boot look for profiles.
APPARMOR := /etc/apparmor.d
UNIT_FILES := lazaret@.service lazaret-socket@.service lazaret-autostart.service lazaret-broker.socket lazaret-broker@.service
PIECES := launcher supervisor mountd netd idmapd cgroupd devd loopd fused init nsenter recordd byhand

# Where `lazaret` looks for the other programs once it is installed; a build in the cargo directory looks beside itself.
export LAZARET_LIBEXEC := $(LIBEXEC)

POINTS ?= 10000
FROM ?= 0
PART ?=
ONLY ?=
POINT ?=
VIRSH ?=

.PHONY: all build demo test differential test-vm faults fuzz security-figures attacks escape-table incumbents bench where install link-virsh uninstall clean

all: build

build:
	$(CARGO) build --release --workspace --exclude tests

# Whoever may not start a container is told before anything is built.
demo:
	@[ "$$(id -u)" -eq 0 ] || { echo "the demo starts a container, which needs root: run  sudo make demo" >&2; exit 1; }
	$(MAKE) build
	sh demo/run.sh $(BUILT)

test:
	sh tests/run.sh

# What libvirt's virsh says and what ours says to the same command lines; needs libvirt's driver and client (make incumbents), of which it starts no container.
differential: build
	sh tests/run.sh differential

# The system tests again, in a virtual machine with Debian's kernel 6.1 and nothing but cgroup version 2. Needs root, a Debian mirror and 2 GB
# below target/vm; FILES="run define:200" runs but those, each with its seconds.
FILES ?=
test-vm:
	LAZARET_VM_CARGO="$(CARGO)" sh tests/vm/run.sh $(FILES)

# Every target of `fuzz` for so many seconds; what is found is kept, and the status says so.
SECONDS ?= 60
fuzz:
	CARGO="$(CARGO)" sh fuzz/run.sh $(SECONDS)

# The figures of SECURITY.md, measured on this machine; a few minutes, since programs are built once more with line tables.
security-figures: build
	@date -u '+date %F'; uname -srm; $(CARGO) test --quiet -p tests --test figures -- --nocapture --test-threads=1 > target/figures.log 2>&1; \
	    status=$$?; grep -E '^figure |^SKIPPED ' target/figures.log; [ $$status -eq 0 ] || { cat target/figures.log >&2; exit $$status; }

# Every program killed at, and failed, each system call: POINTS of them after the first FROM, PART=1/2 of those, ONLY="start enter"; or one POINT="..." as printed.
faults: build
	POINTS="$(POINTS)" FROM="$(FROM)" PART="$(PART)" ONLY="$(ONLY)" $(CARGO) run -q -p tests --bin faults -- $(if $(POINT),"$(POINT)")

# Every attack, with ten times the rounds of `make test`.
attacks:
	LAZARET_TEST_ROUNDS=5000 sh tests/run.sh $$(cd tests/tests && ls attack_*.rs confinement.rs taken_over.rs | sed 's/\.rs$$//')

# The same probe in Lazaret and in what else is installed here; see `incumbents`.
escape-table: build
	$(CARGO) run -q -p tests --bin escape_table

# What `escape-table` compares with. Nothing else needs these packages.
incumbents:
	apt-get install -y --no-install-recommends runc crun bubblewrap systemd-container lxc jq libvirt-clients libvirt-daemon libvirt-daemon-driver-lxc

bench: build
	sh bench/run.sh $(BUILT)

# Where the time of each goes, by program and by kernel call, and what the kernel's part costs alone; needs perf(1). bench/WHERE.md reads it.
where: build
	BENCH=where.py sh bench/run.sh $(BUILT)

# The pages and completions are printed by the program itself, from its option definitions.
install: build
	install -d "$(DESTDIR)$(BIN)" "$(DESTDIR)$(LIBEXEC)" "$(DESTDIR)$(MAN)/man1" "$(DESTDIR)$(MAN)/man8" "$(DESTDIR)$(BASH_COMPLETIONS)" \
	    "$(DESTDIR)$(ZSH_COMPLETIONS)" "$(DESTDIR)$(FISH_COMPLETIONS)" "$(DESTDIR)$(UNITS)" "$(DESTDIR)$(APPARMOR)"
	install -m 0644 policies/apparmor/lazaret-container "$(DESTDIR)$(APPARMOR)/lazaret-container"
	for unit in $(UNIT_FILES); do sed 's|@BIN@|$(BIN)|; s|@LIBEXEC@|$(LIBEXEC)|' "units/$$unit" > "$(DESTDIR)$(UNITS)/$$unit" || exit 1; done
	install -m 0755 "$(BUILT)/lazaret" "$(DESTDIR)$(BIN)/lazaret"
	for piece in $(PIECES); do install -m 0755 "$(BUILT)/$$piece" "$(DESTDIR)$(LIBEXEC)/$$piece" || exit 1; done
	set -e; for page in $$("$(BUILT)/lazaret" generate man); do \
	    "$(BUILT)/lazaret" generate man "$$page" > "$(DESTDIR)$(MAN)/man$${page##*.}/$$page"; done
	"$(BUILT)/lazaret" generate completions bash > "$(DESTDIR)$(BASH_COMPLETIONS)/lazaret"
	"$(BUILT)/lazaret" generate completions zsh > "$(DESTDIR)$(ZSH_COMPLETIONS)/_lazaret"
	"$(BUILT)/lazaret" generate completions fish > "$(DESTDIR)$(FISH_COMPLETIONS)/lazaret.fish"
	$(if $(VIRSH),$(MAKE) --no-print-directory link-virsh)

# `make install VIRSH=yes` does this too. A virsh that is there already is left alone, unless it is this link.
link-virsh:
	@[ ! -e "$(DESTDIR)$(BIN)/virsh" ] || [ "$$(readlink "$(DESTDIR)$(BIN)/virsh")" = lazaret ] || \
	    { echo "$(DESTDIR)$(BIN)/virsh is there already, and is left as it is" >&2; exit 1; }
	ln -sf lazaret "$(DESTDIR)$(BIN)/virsh"

uninstall:
	rm -f "$(DESTDIR)$(BIN)/lazaret" "$(DESTDIR)$(MAN)/man1/lazaret.1" "$(DESTDIR)$(MAN)"/man1/lazaret-*.1 \
	    "$(DESTDIR)$(BASH_COMPLETIONS)/lazaret" "$(DESTDIR)$(ZSH_COMPLETIONS)/_lazaret" "$(DESTDIR)$(FISH_COMPLETIONS)/lazaret.fish"
	for unit in $(UNIT_FILES); do rm -f "$(DESTDIR)$(UNITS)/$$unit"; done
	rm -f "$(DESTDIR)$(APPARMOR)/lazaret-container"
	[ "$$(readlink "$(DESTDIR)$(BIN)/virsh")" != lazaret ] || rm -f "$(DESTDIR)$(BIN)/virsh"
	for piece in $(PIECES); do rm -f "$(DESTDIR)$(LIBEXEC)/$$piece" "$(DESTDIR)$(MAN)/man8/$$piece.8"; done
	rmdir "$(DESTDIR)$(LIBEXEC)" 2>/dev/null || true

clean:
	$(CARGO) clean
