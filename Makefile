# make help says what there is: each target with the words behind its ##.

# Static by musl where the target is there or can be had, by glibc otherwise. Asked once, by whoever needs it.
ARCH := $(shell uname -m)
MUSL := $(ARCH)-unknown-linux-musl
TARGET = $(eval TARGET := $$(shell rustup -q target add $(MUSL) >/dev/null 2>&1; \
	test -d "$$$$(rustc --print sysroot 2>/dev/null)/lib/rustlib/$(MUSL)" && echo $(MUSL) || echo $(ARCH)-unknown-linux-gnu))$(TARGET)
OUT := $(or $(CARGO_TARGET_DIR),target)
GOWARD = $(OUT)/$(TARGET)/release/goward

.PHONY: all help release demo test lint deny soak faults bless bench fuzz fuzz-smoke clean

all: release

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS="$$(printf '\t')" read -r t what; do \
		printf '  make %-11s %s\n' "$$t" "$$what"; done

# The commit is known only where nothing was changed since. It is shown by --version.
release: export GOWARD_COMMIT := $(shell git diff --quiet HEAD 2>/dev/null && git rev-parse --short=12 HEAD 2>/dev/null)
release: ## the static binary, target/TARGET/release/goward; plain make does the same
	cargo build --release --target $(TARGET)

# timeout sends the SIGTERM, after a second; 137 is what goward says of a server that had to be killed.
demo: ## a Go server that cannot stop: what its goroutines wait for, and why the container ended
	@tests/tools.sh demo
	@$(MAKE) --no-print-directory release
	@go=$$(tests/tools.sh go) && mkdir -p $(OUT)/demo && cd examples/servers && $$go build -trimpath -o $(abspath $(OUT))/demo/leak ./leak
	@echo; echo '$$ goward --stop-timeout 4s -- ./leak     (and SIGTERM after a second)'; echo
	@LEAK=1000 PORT=0 timeout --foreground --preserve-status --signal TERM 1 \
		$(GOWARD) --stop-timeout 4s -- $(OUT)/demo/leak; code=$$?; echo; echo "exit code $$code"; test $$code = 137

lint: ## formatting and clippy
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --target $(TARGET) --all-targets -- -D warnings

test: ## all tests, with a result per suite; installs missing tools where it may
	@MAKE="$(MAKE)" TARGET=$(TARGET) OUT=$(OUT) tests/suites.sh

deny: ## licences, duplicates, sources and known faults of the dependencies (deny.toml), with cargo-deny
	@cargo deny --version >/dev/null 2>&1 || { echo 'cargo-deny is missing: cargo install --locked cargo-deny'; exit 1; }
	cargo deny check bans licenses sources
	@if cargo deny fetch db; then cargo deny check advisories; else echo 'SKIPPED: the database of advisories cannot be had'; fi

# The release binary stays below what docs/design.md promises, and order.ld still knows the names of the functions.
.PHONY: size
size: release ## check that the binary is below its limit, and that order.ld still matches it
	@size=$$(stat -c %s $(GOWARD)); echo "$(GOWARD): $$size bytes"; \
	case $(TARGET) in *musl) test $$size -le 2044723 || { echo 'more than 1.95 MiB'; exit 1; }; \
		told="one static binary of $$(awk "BEGIN { printf \"%.1f\", $$size / 1048576 }") MiB"; \
		grep -q "$$told" README.md || { echo "README.md does not say: $$told"; exit 1; }; \
		for part in start run; do \
			bytes=$$(readelf -SW $(GOWARD) | sed -n "s/.* \.text\.$$part *PROGBITS *[0-9a-f]* [0-9a-f]* \([0-9a-f]*\).*/\1/p"); \
			bytes=$$((0x$${bytes:-0})); echo "of these in order.ld, .text.$$part: $$bytes bytes"; \
			test $$bytes -ge 65536 || { echo 'order.ld is out of date: make order'; exit 1; }; \
		done;; esac

# An init alone, for those who count bytes: what was left out says so.
.PHONY: bare
bare: ## the init alone, with health and status
	cargo build --release --no-default-features --target $(TARGET) --target-dir $(OUT)/bare
	@g=$(OUT)/bare/$(TARGET)/release/goward; size=$$(stat -c %s $$g); echo "$$g: $$size bytes"; \
	case $(TARGET) in *musl) test $$size -le 660480 || { echo 'more than 645 KiB'; exit 1; }; \
		told="some $$(((size + 5120) / 10240 * 10)) KiB"; grep -q "$$told" README.md || { echo "README.md does not say: $$told"; exit 1; };; esac; $$g -q -- true && for w in check rehearse dump goroutines; do \
		$$g $$w 2>/dev/null; test $$? = 125 || { echo "$$w is in it"; exit 1; }; done && echo 'bare: it is'

# The arm64 binary, built quickly and run by an emulator: the exit code is the server's, and SIGTERM gets there. make dist builds
# and runs the one of a release.
.PHONY: arm64
arm64: ## the arm64 binary, run by an emulator
	@if rustup -q target add aarch64-unknown-linux-musl 2>/dev/null && command -v qemu-aarch64-static >/dev/null; then \
		CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
		cargo build --release --target aarch64-unknown-linux-musl --target-dir $(OUT)/arm64 && \
		g="qemu-aarch64-static $(OUT)/arm64/aarch64-unknown-linux-musl/release/goward -q" && \
		{ $$g -- sh -c 'exit 7'; test $$? = 7; } && \
		{ timeout --foreground --preserve-status 5 $$g -- sh -c 'trap "exit 9" TERM; while :; do sleep 0.1; done'; \
		test $$? = 9; } && echo 'arm64: it runs'; \
	else echo 'SKIPPED: arm64 (no target or no qemu-aarch64-static)'; test -z "$$CI"; fi

# What a release has. GOWARD_COMMIT and the time of the commit are found by the script.
.PHONY: dist
dist: ## the files of a release, for each platform that can be built here: target/dist; DIST_TARGETS="TARGET ..." for some
	packaging/dist.sh $(DIST_TARGETS)

# From a clone elsewhere, with another target directory, for this machine's own platform.
.PHONY: reproducible
reproducible: ## check that two builds of the last commit in two folders give the same bytes
	packaging/reproducible.sh $(or $(DIST_TARGETS),$(MUSL))

.PHONY: docs
docs: ## the pages of docs/ as a site in target/book, with mdbook
	@mdbook --version >/dev/null 2>&1 || { echo 'mdbook is missing: cargo install --locked mdbook'; exit 1; }
	mdbook build

# Whatever the linker: gcc, clang, lld, mold, gold, musl-gcc, glibc, cargo install. LINKS="NAME ..." for those only.
.PHONY: links
links: ## build with each linker: gcc, clang, lld, mold, gold, musl-gcc; LINKS="NAME ..." for some
	tests/links.sh $(LINKS)

# Long runs: a thousand early signals instead of a hundred, more random histories, every system call refused in every way, an
# hour of everything at once, on the release binary; and every linker.
soak: links ## the long runs: early signals, random histories, system calls refused in every way, an hour of everything
	GOWARD_SOAK=1 PROPTEST_CASES=20000 cargo test --target $(TARGET)
	cargo build --release --target $(TARGET) --examples
	cargo test --release --target $(TARGET) --test compat -- --ignored early_signals_at_length
	cargo test --target $(TARGET) --test live -- --ignored
	cargo test --target $(TARGET) --test health -- --ignored
	cargo test --target $(TARGET) --test rehearse -- --ignored
	GOWARD_EVERYTHING_SECONDS=3600 cargo test --release --target $(TARGET) --test everything -- --nocapture

# The drop of privileges from every state that a container can start goward in: some 8,000 runs. As root.
.PHONY: matrix
matrix: ## the drop of privileges from every state that a container can start in: 8,000 runs, as root
	cargo build --target $(TARGET) --examples
	cargo test --target $(TARGET) --test init -- --ignored --nocapture drop::

# Makes each system call of the release binary fail, the first, the middle, the last, and for ever, and writes docs/faults.md.
# As root; some ten minutes.
faults: release ## make each system call of the release binary fail; writes docs/faults.md; as root, ten minutes
	cargo build --target $(TARGET) --examples
	GOWARD_BLESS=1 GOWARD_BINARY=$(abspath $(GOWARD)) cargo test --target $(TARGET) --test faults -- --nocapture

# Writes what is generated from the tables of options anew.
.PHONY: reference
reference: ## regenerate docs/options.md, the man page and the completions
	GOWARD_BLESS=1 cargo test --target $(TARGET) --test reference

# Writes docs/faults.md, the shown output of examples/dockerfiles, what comes from the tables of options, and the words of
# tests/snapshots anew.
bless: faults reference ## regenerate docs/faults.md, shown outputs, tests/snapshots, and what reference writes
	GOWARD_BLESS=1 cargo test --target $(TARGET) --test check the_examples
	INSTA_UPDATE=always cargo test --target $(TARGET) --test messages
	INSTA_UPDATE=always cargo test --target $(TARGET) --test check pages::

# Writes order.ld anew: which functions a start and a stop run, found by valgrind. As root.
.PHONY: order
order: ## regenerate order.ld: the functions of a start and a stop, found by valgrind; as root
	tests/order.py

# make fuzz [TARGET=NAME] [SECONDS=N]: as many targets at a time as there are processors. Corpora and findings are kept in target/fuzz.
SECONDS := 600
FUZZ := $(OUT)/fuzz
FUZZ_HOST := $(ARCH)-unknown-linux-gnu
FUZZ_TARGETS = $(if $(findstring command,$(origin TARGET)),$(TARGET),$(basename $(notdir $(sort $(wildcard fuzz/targets/*.rs)))))
# What cargo-fuzz sets, as far as the stable compiler has it.
FUZZ_FLAGS := --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
	-Cllvm-args=-sanitizer-coverage-trace-compares
# Builds the targets, and runs them with these options of libFuzzer.
define fuzz
	RUSTFLAGS="$(FUZZ_FLAGS)" cargo build --release --manifest-path fuzz/Cargo.toml --target $(FUZZ_HOST) --target-dir $(FUZZ)/build
	@rm -rf $(FUZZ)/seeds && fuzz/seeds.py $(FUZZ)/seeds
	@fuzz/run.sh $(FUZZ) $(FUZZ_HOST) "$(1)" $(FUZZ_TARGETS)
endef

fuzz: ## fuzz every parser for ten minutes; TARGET=NAME for one, SECONDS=N (fuzz/README.md)
	$(call fuzz,-max_total_time=$(SECONDS))

fuzz-smoke: ## fuzz every parser for two seconds, as in make test
	$(call fuzz,-max_total_time=2 -runs=20000 -seed=1)

bench: ## compare goward with tini, tini-static, dumb-init, catatonit and tino (docs/bench.md)
	cargo bench --bench inits

clean: ## remove target/
	cargo clean
