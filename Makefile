# `make help` says what there is. Longer recipes are in scripts/.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup build player demo clean-demo test check tests players test-corpus test-telemetry test-accelerators test-gpu test-players check-trixie test-images bench bench-api release-api sim

# rustup's directory may not be in PATH in the shell that has just installed it.
export PATH := $(PATH):$(HOME)/.cargo/bin

TARGET := $(or $(CARGO_TARGET_DIR),target)
# Where scripts/setup-telemetry.sh puts Prometheus, where none is installed.
export PATH := $(PATH):$(abspath $(TARGET))/prometheus/usr/bin
REELMILL := $(TARGET)/release/reelmill
NEXTEST_PROFILE := $(if $(CI),ci,default)
# The file that `make demo` transcodes; without one it makes its own.
INPUT :=
DEMO_CLIP := $(TARGET)/demo/clip.mp4
DEMO_SOURCE := $(or $(INPUT),$(DEMO_CLIP))

help: ## show this list
	@echo "Reelmill. Targets:"
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)$$/  \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

setup: ## install what building and testing need (Debian 12 or 13); quick when it is there
	@scripts/setup.sh

player: ## build the player page, where Node is there
	@scripts/player.sh

build: ## build target/release/reelmill and reelmill-worker
	@scripts/setup.sh --no-tests
	@scripts/player.sh
	cargo build --release --locked --bins

demo: build ## transcode INPUT=file, or a clip made here, into demo-out/, and say how to play it
	@if [ -z "$(INPUT)" ] && [ ! -f "$(DEMO_CLIP)" ]; then scripts/demo-clip.sh "$(DEMO_CLIP)"; fi
	$(REELMILL) transcode "$(DEMO_SOURCE)" demo-out --overwrite
	@scripts/demo-next.sh "$(REELMILL)" demo-out

clean-demo: ## remove what `make demo` made
	rm -rf demo-out "$(TARGET)/demo"

test: setup check tests players ## all that must pass: check, every test, doc tests, what players do where Chromium can be had

tests:
	cargo nextest run --workspace --locked --profile $(NEXTEST_PROFILE)
	cargo test --doc --workspace --locked

check: ## formatting, lints, documentation, the house rules (tests/tidy.rs), licences and sources of dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --lib
	cargo test --quiet --locked --test tidy
	cargo deny --offline --log-level error check licenses bans sources
	@if [ -d player/node_modules ]; then npm --prefix player run --silent check; fi

test-players: setup players ## what we make, played by hls.js, dash.js and Shaka Player in Chromium (some minutes; REELMILL_ONLY=REGEX for some of it)

players:
	@if scripts/setup-players.sh; then cargo build --locked --bins && scripts/test-players.sh "$(TARGET)/debug/reelmill"; \
	else echo "test-players: NOT RUN: Chromium, Node or the players could not be installed (see above)" >&2; fi

test-corpus: setup ## the corpus suite, every file whole
	REELMILL_CORPUS_FULL=1 cargo nextest run --locked --profile ci --test corpus

# Suites that need more than a compiler: each is a target of its own, and test-telemetry is all of them.
TELEMETRY_SUITES := telemetry-prometheus test-images

test-telemetry: setup $(TELEMETRY_SUITES) ## metrics, alerts and the dashboard against a real Prometheus, which it gets where there is none

.PHONY: $(TELEMETRY_SUITES)
telemetry-prometheus:
	@scripts/setup-telemetry.sh "$(abspath $(TARGET))/prometheus"
	REELMILL_TELEMETRY=1 cargo nextest run --locked --profile ci --test telemetry

test-accelerators: setup ## fifty jobs on simulated cards that fail in every way, and a CPU (some minutes)
	REELMILL_TEST_JOBS=50 cargo nextest run --locked --profile ci --test service -E 'test(accelerators)'

test-gpu: setup ## the suite for a real NVIDIA card; without one it says how many tests it skipped
	@cargo nextest run --locked --test gpu --no-capture 2>&1 | tee "$(TARGET)/gpu.log"
	@echo "test-gpu: $$(grep -c 'no GPU: skipped' "$(TARGET)/gpu.log" || true) tests skipped for want of a GPU, $$(grep -c 'no NVENC: skipped' "$(TARGET)/gpu.log" || true) for want of NVENC"

check-trixie: ## build on Debian 13 in a chroot and run the tests of the FFmpeg wrappers there (root)
	scripts/check-trixie.sh

test-images: setup ## what the images promise, and the lines of the CPU image carried out in a chroot (root; a quarter of an hour)
	cargo nextest run --locked --test images
	scripts/image-chroot.py docker/Dockerfile.cpu

release-api: ## write the API of this version down as released: from then on a test fails on whatever breaks its clients
	REELMILL_RELEASE=1 cargo test --locked --test api schema::nothing_that_was_released_is_broken

bench: build ## compare with one ffmpeg command and write docs/BENCHMARKS.md (a quarter of an hour; BENCH_QUICK=1 tries it)
	@command -v python3 >/dev/null || { echo "bench: this needs python3"; exit 1; }
	python3 -B bench/run.py

bench-api: build ## load the API of a daemon and write its figures to docs/BENCHMARKS.md (five minutes; BENCH_QUICK=1 tries it)
	@command -v ffmpeg >/dev/null || { echo "bench-api: this needs ffmpeg, which \`make setup\` installs"; exit 1; }
	cargo build --release --locked -p reelmill-bench-api
	$(TARGET)/release/bench-api

sim: ## play a simulated day of 10,000 devices with the scheduler, check its aims and write its figures to docs/BENCHMARKS.md (a quarter of an hour on a quiet core)
	cargo build --release --locked -p reelmill-sim
	$(TARGET)/release/reelmill-sim --check --write
