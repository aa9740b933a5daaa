# make demo   a Go server that cannot stop: its goroutine dump, and the record
# make test   everything that must hold; installs what it needs
# make bench  goward beside tini, tini-static, dumb-init and catatonit

# Static by musl where the target is there or can be had, by glibc otherwise.
ARCH := $(shell uname -m)
MUSL := $(ARCH)-unknown-linux-musl
TARGET := $(shell rustup -q target add $(MUSL) >/dev/null 2>&1; \
	test -d "$$(rustc --print sysroot 2>/dev/null)/lib/rustlib/$(MUSL)" && echo $(MUSL) || echo $(ARCH)-unknown-linux-gnu)
OUT := $(or $(CARGO_TARGET_DIR),target)
GOWARD := $(OUT)/$(TARGET)/release/goward

.PHONY: all release demo test lint soak bless bench clean

all: release

release:
	cargo build --release --target $(TARGET)

# timeout sends the SIGTERM, after a second; 137 is what goward says of a server that had to be killed.
demo: release
	@go=$$(tests/tools.sh go) && mkdir -p $(OUT)/demo && cd examples/servers && $$go build -o ../../$(OUT)/demo/leak ./leak
	@echo; echo '$$ goward --stop-timeout 4s -- ./leak     (and SIGTERM after a second)'; echo
	@LEAK=3 PORT=0 timeout --foreground --preserve-status --signal TERM 1 $(GOWARD) --stop-timeout 4s -- $(OUT)/demo/leak; code=$$?; echo; \
		echo "exit code $$code"; test $$code = 137

lint:
	cargo fmt --check
	cargo clippy --target $(TARGET) --all-targets -- -D warnings

# A tool that is missing is said at the end and fails the run where CI is set; what can be tested is tested first.
test:
	@tests/tools.sh all && tools=0 || tools=1; \
	$(MAKE) --no-print-directory lint && \
	cargo test --no-fail-fast --target $(TARGET) && \
	$(MAKE) --no-print-directory release && \
	$(MAKE) --no-print-directory size bare arm64 && \
	if [ $$tools = 1 ]; then tests/tools.sh all || test -z "$$CI"; fi

# The release binary stays below what docs/design.md promises, and order.ld still knows the names of the functions.
.PHONY: size
size: release
	@size=$$(stat -c %s $(GOWARD)); echo "$(GOWARD): $$size bytes"; \
	case $(TARGET) in *musl) test $$size -le 1048576 || { echo 'more than 1 MiB'; exit 1; }; \
		run=$$(readelf -SW $(GOWARD) | sed -n 's/.* \.text\.run *PROGBITS *[0-9a-f]* [0-9a-f]* \([0-9a-f]*\).*/\1/p'); run=$$((0x$${run:-0})); \
		echo "of these in order.ld: $$run bytes"; test $$run -ge 131072 || { echo 'order.ld is out of date: make order'; exit 1; };; esac

# An init alone, for those who count bytes: what was left out says so.
.PHONY: bare
bare:
	cargo build --release --no-default-features --target $(TARGET) --target-dir $(OUT)/bare
	@g=$(OUT)/bare/$(TARGET)/release/goward; size=$$(stat -c %s $$g); echo "$$g: $$size bytes"; \
	case $(TARGET) in *musl) test $$size -le 768000 || { echo 'more than 750 KiB'; exit 1; };; esac; $$g -q -- true && for w in check rehearse; do \
		$$g $$w 2>/dev/null; test $$? = 125 || { echo "$$w is in it"; exit 1; }; done && echo 'bare: it is'

# The arm64 binary, run by an emulator: the exit code is the server's, and SIGTERM gets there.
.PHONY: arm64
arm64:
	@if rustup -q target add aarch64-unknown-linux-musl 2>/dev/null && command -v qemu-aarch64-static >/dev/null; then \
		cargo build --release --target aarch64-unknown-linux-musl && \
		g="qemu-aarch64-static $(OUT)/aarch64-unknown-linux-musl/release/goward -q" && \
		{ $$g -- sh -c 'exit 7'; test $$? = 7; } && \
		{ timeout --foreground --preserve-status 1 $$g -- sh -c 'trap "exit 9" TERM; while :; do sleep 0.1; done'; \
		test $$? = 9; } && echo 'arm64: it runs'; \
	else echo 'SKIPPED: arm64 (no target or no qemu-aarch64-static)'; test -z "$$CI"; fi

# Long runs: a thousand early signals instead of a hundred, more random histories.
soak:
	GOWARD_SOAK=1 PROPTEST_CASES=20000 cargo test --target $(TARGET)
	cargo build --release --target $(TARGET) --examples
	cargo test --release --target $(TARGET) --test compat -- --ignored early_signals_at_length

# Writes docs/faults.md and the shown output of examples/dockerfiles anew.
bless:
	cargo build --target $(TARGET) --examples
	GOWARD_BLESS=1 cargo test --target $(TARGET) --test faults
	GOWARD_BLESS=1 cargo test --target $(TARGET) --test check the_examples

# Writes order.ld anew: which functions a start and a stop run, found by valgrind. As root.
.PHONY: order
order:
	tests/order.py

bench:
	cargo bench --bench inits

clean:
	cargo clean
