# Lazaret: build, show, test, install. Every target says what it runs.
PREFIX ?= /usr/local
DESTDIR ?=
CARGO ?= cargo

TARGET := x86_64-unknown-linux-gnu
BUILT := target/$(TARGET)/release
LIBEXEC := $(PREFIX)/libexec/lazaret
BIN := $(PREFIX)/bin
MAN := $(PREFIX)/share/man/man1
BASH_COMPLETIONS := $(PREFIX)/share/bash-completion/completions
ZSH_COMPLETIONS := $(PREFIX)/share/zsh/site-functions
FISH_COMPLETIONS := $(PREFIX)/share/fish/vendor_completions.d
PIECES := launcher supervisor mountd netd idmapd cgroupd devd fused init nsenter

# Where `lazaret` looks for the other programs once it is installed; a build in the cargo directory looks beside itself.
export LAZARET_LIBEXEC := $(LIBEXEC)

.PHONY: all build demo test bench install uninstall clean

all: build

build:
	$(CARGO) build --release --workspace --exclude tests

demo: build
	sh demo/run.sh $(BUILT)

test:
	sh tests/run.sh

bench: build
	sh bench/run.sh $(BUILT)

# The pages and completions are written by the program itself, from its option definitions. As root it works under an id of
# its own, so that the directory must be open to it.
install: build
	install -d "$(DESTDIR)$(BIN)" "$(DESTDIR)$(LIBEXEC)" "$(DESTDIR)$(MAN)" "$(DESTDIR)$(BASH_COMPLETIONS)" \
	    "$(DESTDIR)$(ZSH_COMPLETIONS)" "$(DESTDIR)$(FISH_COMPLETIONS)"
	install -m 0755 "$(BUILT)/lazaret" "$(DESTDIR)$(BIN)/lazaret"
	for piece in $(PIECES); do install -m 0755 "$(BUILT)/$$piece" "$(DESTDIR)$(LIBEXEC)/$$piece" || exit 1; done
	set -e; made=$$(mktemp -d); trap 'rm -rf "$$made"' EXIT; \
	    mkdir -m 0777 "$$made/man" "$$made/completions"; chmod 0755 "$$made"; chmod 0777 "$$made/man" "$$made/completions"; \
	    "$(BUILT)/lazaret" generate man "$$made/man"; \
	    "$(BUILT)/lazaret" generate completions "$$made/completions"; \
	    install -m 0644 "$$made"/man/*.1 "$(DESTDIR)$(MAN)/"; \
	    install -m 0644 "$$made/completions/lazaret.bash" "$(DESTDIR)$(BASH_COMPLETIONS)/lazaret"; \
	    install -m 0644 "$$made/completions/_lazaret" "$(DESTDIR)$(ZSH_COMPLETIONS)/_lazaret"; \
	    install -m 0644 "$$made/completions/lazaret.fish" "$(DESTDIR)$(FISH_COMPLETIONS)/lazaret.fish"

uninstall:
	rm -f "$(DESTDIR)$(BIN)/lazaret" "$(DESTDIR)$(MAN)/lazaret.1" "$(DESTDIR)$(MAN)"/lazaret-*.1 \
	    "$(DESTDIR)$(BASH_COMPLETIONS)/lazaret" "$(DESTDIR)$(ZSH_COMPLETIONS)/_lazaret" "$(DESTDIR)$(FISH_COMPLETIONS)/lazaret.fish"
	for piece in $(PIECES); do rm -f "$(DESTDIR)$(LIBEXEC)/$$piece"; done
	rmdir "$(DESTDIR)$(LIBEXEC)" 2>/dev/null || true

clean:
	$(CARGO) clean
