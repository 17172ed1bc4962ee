# FastChat: `make demo` shows it, `make test` proves it. Each sets up what it needs.

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/fastchat
export CARGO_TARGET_DIR ?= $(CACHE)/target
BINDIR := $(CARGO_TARGET_DIR)/release
CARGO ?= cargo
export PATH := $(PATH):$(HOME)/.cargo/bin

# RocksDB is compiled once per machine, not once per target folder: any change of our own
# dependencies would make Cargo compile it again.
ifndef ROCKSDB_LIB_DIR
ROCKSDB_VERSION := $(shell sed -n '/^name = "librocksdb-sys"/{n;s/^version = "\(.*\)"/\1/p;}' Cargo.lock)
export ROCKSDB_LIB_DIR := $(CACHE)/rocksdb/$(ROCKSDB_VERSION)-$(shell uname -m)
export ROCKSDB_STATIC := 1
ROCKSDB := $(ROCKSDB_LIB_DIR)/librocksdb.a
endif

.DEFAULT_GOAL := help
.PHONY: help setup build demo test compare rolling moves killed powercut diskfail sim mutants chaos lint format bindir

help:
	@echo 'make demo    build, then watch people chat over a router and three servers'
	@echo 'make test    build, then run all tests'
	@echo 'make powercut IMAGES=2000 EVERY=1  what a store holds after a power cut, or a failed call'
	@echo 'make diskfail EVERY=1            a real server whose system calls fail, one in each run'
	@echo 'make sim SEEDS=200 FROM=0x1      simulated clusters, a seed each; TRACE=1: every event of one'
	@echo 'make mutants SEEDS=2000          whether the simulator finds planted bugs; ONLY=word: some'
	@echo 'make chaos KILLS=200 SEED=0x1    real processes under kills and a bad network'
	@echo 'make rolling CLIENTS=300 RATE=600  every server is emptied and restarted in turn, under load'
	@echo 'make moves ROUNDS=1 RATE=600   slots move under load; either side is killed at each step'
	@echo 'make killed SESSIONS=1000        a server with so many sessions is killed, and comes back'
	@echo 'make compare FLAGS=…           FastChat beside other servers, installed from Debian: two hours'
	@echo 'make build   build the four programs; `make -s bindir` prints their folder'
	@echo 'make lint    formatting, lints and documentation, warnings denied'
	@echo 'make format  format the code'

setup: $(ROCKSDB)

build: setup
	$(CARGO) build --release --locked --workspace

demo: build
	$(BINDIR)/fastchat-demo

test: build
	$(CARGO) test --release --locked --workspace

# FastChat and other servers under the same load; FLAGS='--runs 1 --seconds 3' takes minutes.
compare: build
	sh bench/peers/install.sh
	$(BINDIR)/fastchat-bench compare $(FLAGS)

# Crash images of the real engine; of its system calls every EVERYth fails. The last line counts.
powercut: setup
	$(CARGO) test --quiet --release --locked -p fastchat-storage --test powercut -- \
		--images $(or $(IMAGES),2000) --every $(or $(EVERY),16)

# A real server in a real cluster: of its calls on the store every EVERYth fails. The last line
# counts.
diskfail: build
	$(BINDIR)/fastchat-diskfail --every $(or $(EVERY),1) \
		$(if $(ONLY),--only '$(ONLY)')

# Simulated clusters, one for each seed; the last line counts what did not hold.
sim: setup
	$(CARGO) build --release --locked --package fastchat-tests --bin fastchat-sim
	$(BINDIR)/fastchat-sim --seeds $(or $(SEEDS),200) --from $(or $(FROM),0x1) $(if $(TRACE),--trace)

# Bugs planted in a copy of the project, one at a time; the last line counts those found.
mutants: setup
	$(CARGO) build --release --locked --package fastchat-tests --bin fastchat-mutants
	$(BINDIR)/fastchat-mutants --seeds $(or $(SEEDS),2000) $(if $(ONLY),--only $(ONLY))

# Real processes, killed and cut off from each other; the last line counts what people saw.
chaos: build
	$(BINDIR)/fastchat-chaos --kills $(or $(KILLS),200) $(if $(SEED),--seed $(SEED)) \
		$(if $(RATE),--rate $(RATE))

# Every server is emptied and restarted in turn, under load; the last line counts.
rolling: build
	$(BINDIR)/fastchat-rolling $(or $(CLIENTS),300) $(or $(RATE),600)

# Slots move between servers under load, and either side is killed at each step; the last line
# counts.
moves: build
	$(BINDIR)/fastchat-moves $(or $(ROUNDS),1) $(or $(RATE),600)

# A server is killed under its sessions and comes back; the last line counts.
killed: build
	$(BINDIR)/fastchat-killed $(or $(SESSIONS),1000)

lint: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' $(CARGO) doc --release --locked --workspace --no-deps

format:
	$(CARGO) fmt --all

bindir:
	@echo $(BINDIR)

$(CACHE)/rocksdb/%/librocksdb.a: | packages
	.ci/rocksdb $(@D)

.PHONY: packages
packages:
	@.ci/packages
