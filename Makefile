# tandem's commands; `make help` lists them. What each one does is in scripts/.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# Where a toolchain is found when the shell does not know of it.
export PATH := $(PATH):$(HOME)/.local/share/swiftly/bin:/opt/swift/usr/bin:/usr/local/swift/usr/bin

BENCH := Benchmarks/run
# More arguments for it, for example BENCH_ARGS=--full.
BENCH_ARGS ?=
PROOF := Reliability/run
# What another version of PostgreSQL is tried with first: the main job from outside, how branches
# are prepared, held and ended, sessions and their settings, failover, and what is new there.
SERVER_SUITES := TandemTests.CommitTests UnpreparableTests ReadOnlyCommitTests DatabaseDefaults ServerTrapTests \
    StandbyTests CheckTests LoginTriggerTests TransactionTimeoutTests DeferredTriggerRoleTests \
    NewSyntaxTests SettingsTests HostileDefaults DeferredCodeTests SlotTests LockWaitTests BusyTests \
    MigrationTests
# PG=18: the servers that a command starts are of that version; see scripts/postgres.sh.
PG ?=
ifneq ($(PG),)
export TANDEM_POSTGRES_BIN := $(shell scripts/postgres.sh $(PG))
ifneq ($(.SHELLSTATUS),0)
$(error there are no servers of PostgreSQL $(PG), see above)
endif
endif
MINUTES := 5
SEEDS := 20000

.PHONY: help setup build demo test test-servers test-console redbot console-screenshots check image-check fuzz gate-differential bench bench-compare \
    bench-growth bench-reads bench-instructions bench-observing bench-recovery bench-library bench-endurance crash-matrix chaos \
    linearizability isolation simulate policies mutants \
    model model-3x3 examples docs api-check clean

help: ## Lists the commands. PG=15, 16, 17 or 18 with one chooses the servers it starts.
	@grep -hE '^[a-z0-9-]+:.* ## ' $(MAKEFILE_LIST) | sort \
	    | awk -F ':.* ## ' '{ printf "  make %-18s %s\n", $$1, $$2 }'

setup: ## Installs what is missing on Debian or Ubuntu; does nothing when all is there.
	@scripts/setup.sh

build: setup ## Builds everything, for debugging.
	@swift build

demo: build ## Shows the whole story on three throwaway PostgreSQL servers.
	@.build/debug/tandem demo

test: setup ## Runs every test, and short forms of the proof on real processes.
	@swift test
	@$(PROOF) crash-matrix --sample 24
	@$(PROOF) traps
	@$(PROOF) duplicates --keys 50
	@cd Reliability && python3 -m unittest --quiet linearizability.tests

test-servers: setup ## What another version of PostgreSQL may break, in short; with PG=17 or 18.
	@swift test $(addprefix --filter ,$(SERVER_SUITES))
	@$(PROOF) crash-matrix --sample 12
	@$(PROOF) traps

test-console: setup ## The operators' pages in a real Chromium, every action to its end; some 4 minutes.
	@scripts/check.sh console

redbot: setup ## REDbot on every GET of the contract and on the operators' pages.
	@scripts/check.sh redbot

console-screenshots: setup ## Pictures of the operators' pages in every state and width, into DIR.
	@scripts/console-screenshots.sh $(or $(DIR),.build/console-screenshots)

check: setup ## Format, tidy rules, contract, a fuzzed server, Dockerfile, deploy, sanitizers.
	@scripts/check.sh

image-check: setup ## The image, built without a daemon, looked at and run; ARGS=--reproducible builds it twice.
	@scripts/image-check.sh $(ARGS)

fuzz: setup ## Readers of what callers and servers send, under libFuzzer: FUZZ_SECONDS=60 each.
	@FUZZ_SECONDS=$(or $(FUZZ_SECONDS),60) scripts/check.sh fuzz

gate-differential: build ## The gate beside PostgreSQL on TEXTS=100000 generated texts; SEED=n chooses them.
	@TANDEM_GATE_TEXTS=$(or $(TEXTS),100000) $(if $(SEED),TANDEM_GATE_SEED=$(SEED)) \
		swift test --skip-build --filter GateAgainstServerTests

bench: setup ## Measures every target, and the raw limit and the naive way; 40 minutes.
	@$(BENCH) $(BENCH_ARGS)
	@Benchmarks/observing
	@Benchmarks/library
	@Benchmarks/recovery
	@Benchmarks/growth
	@Benchmarks/reads
	@Benchmarks/endurance

bench-observing: setup ## What metrics and traces cost: the same build with and without, in turns; 4 minutes.
	@Benchmarks/observing $(BENCH_ARGS)

bench-library: setup ## Measures the Swift library beside the naive way on the same client.
	@Benchmarks/library $(BENCH_ARGS)

bench-compare: ## Shows one bench.json beside another: make bench-compare OLD=a.json NEW=b.json
	@Benchmarks/compare $(if $(OLD),$(OLD) $(NEW),$(filter-out bench-compare,$(MAKECMDGOALS)))

bench-growth: setup ## Measures with millions of finished transactions in the state table.
	@Benchmarks/growth $(BENCH_ARGS)

bench-reads: setup ## Measures lists and the overview with millions of transactions: BENCH_ARGS=--full for ten.
	@Benchmarks/reads $(BENCH_ARGS)

bench-endurance: setup ## Measures whether memory stays flat over a million transactions.
	@Benchmarks/endurance $(BENCH_ARGS)

bench-instructions: setup ## Instructions a transaction, and whether they exceed the budget; 5 minutes.
	@scripts/setup.sh instructions
	@Benchmarks/instructions $(BENCH_ARGS)

bench-recovery: setup ## Measures how long 10,000 in-doubt branches take after a restart.
	@Benchmarks/recovery $(BENCH_ARGS)

crash-matrix: build ## Every crash point under every fault, on real processes; some 20 minutes.
	@$(PROOF) crash-matrix

chaos: build ## A bank under fault for MINUTES=5, and a checker that counts.
	@$(PROOF) chaos --minutes $(MINUTES)

linearizability: build ## Answers of three replicas under fault for MINUTES=5, as one variable's.
	@cd Reliability && python3 -m unittest --quiet linearizability.tests
	@$(PROOF) linearizability --minutes $(MINUTES)

isolation: setup ## PostgreSQL's isolation tester on the SQL of branches beside other sessions.
	@$(PROOF) isolation

simulate: setup ## SEEDS=20000 histories of the core, then all with few faults; SEED=n tells one.
	@scripts/simulate.sh $(if $(SEED),seed $(SEED),$(SEEDS))

policies: setup ## Ways to end deadlocks, simulated and compared; some two minutes.
	@scripts/simulate.sh policies

mutants: build ## Planted bugs, each noticed by a seed of the simulator or by a named test.
	@scripts/simulate.sh mutants
	@$(PROOF) mutants

model: ## Verifies the protocol's models with Spin; their broken variants are caught.
	@scripts/model.sh

model-3x3: ## The largest of them: 3 branches, 3 recoverers; some 6 minutes and 4 GB.
	@scripts/model.sh largest

examples: setup ## Runs the Swift library's example programs on throwaway databases.
	@examples/swift/run

docs: setup ## Builds the Swift library's documentation into .build/docs.
	@scripts/docs.sh

api-check: setup ## What the library's interface has lost since the last tag, or since REF=<commit>.
	@scripts/api-breakage.sh $(REF)

clean: ## Removes everything that was built, and the tools that the checks fetched.
	@rm -rf .build .build-* .tools
