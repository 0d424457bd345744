# `make demo` and `make test` need nothing but Rust: scripts/setup brings the rest, and leaves alone what is there.
SHELL := bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
T ?= 60
.PHONY: help demo test test-dagger truth fuzz chaos bench build lint setup clean
export PATH := $(PATH):$(HOME)/.cargo/bin

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: ## build larder, start the example application with it, show its page
	@scripts/setup
	cargo build --release --locked
	@scripts/demo

test: ## formatting, lints, and every test against a real Docker Engine
	@scripts/setup registry
	@scripts/base-images templates || echo "templates whose base images are missing will not be tested"
	@$(MAKE) --no-print-directory lint
	cargo test --locked

test-dagger: ## builds by a Dagger engine that answers, held against the Docker Engine's own
	@scripts/setup registry
	cargo test --locked --test engine_build -- --ignored

truth: ## random builds, edited at random, against docker without a cache (N=2000 pairs, SEED=1, WORKERS=2)
	@scripts/setup registry
	TRUTH_PAIRS=$(or $(N),2000) TRUTH_SEED=$(or $(SEED),1) TRUTH_WORKERS=$(or $(WORKERS),2) cargo test --locked --test truth -- --nocapture

FUZZED := dockerfile ignore_file wildcard compose interpolation dotenv ports volumes durations
fuzz: ## what reads Dockerfiles, ignore files, Compose files and their parts, T seconds of made-up input each (T=600)
	@command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
	@for target in $(FUZZED); do \
		mkdir -p fuzz/corpus/$$target && cargo fuzz run --sanitizer none $$target fuzz/corpus/$$target fuzz/seeds/$$target \
			-- -max_total_time=$(T) -max_len=2048 -timeout=10 </dev/null || exit 1; done

chaos: ## every crash point and fault, then N random things done to a project, by a seed (N=200, SEED=1)
	FAULTS=all CHAOS_STEPS=$(or $(N),200) CHAOS_SEED=$(or $(SEED),1) cargo test --locked --test faults -- --nocapture

bench: ## larder and docker compose side by side, as ratios (BENCH="--runs 10 --json FILE")
	@scripts/setup bench
	cargo build --release --locked
	@bench/run $(BENCH)

build: ## the release binary, target/release/larder
	cargo build --release --locked

lint: ## rustfmt, clippy without warnings, cargo-deny where it is installed
	@cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || rustup component add rustfmt clippy
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	@if command -v cargo-deny >/dev/null; then cargo deny --locked check; else echo "cargo-deny is not installed: licences and advisories were not checked"; fi

setup: ## Docker Engine, its plugins and the base images
	@scripts/setup

clean: ## the example application and its volumes, and what cargo built
	-docker compose -f examples/hub/compose.yaml down --volumes
	cargo clean
