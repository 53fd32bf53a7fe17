# make run: the server, on SQLite in ./var. make test: everything that has to pass. The others
# take long.

.PHONY: run demo test bench faults fuzz screenshots
.DEFAULT_GOAL := run

# What the build needs of Debian, and what the tests need on top.
BUILD = gcc libc6-dev make
NODE = $(if $(shell command -v node),,nodejs npm)
TESTS = $(BUILD) $(NODE) chromium postgresql freeradius freeradius-postgresql freeradius-utils faketime

# One secret for the machine itself, so that a newcomer has something to try.
TRY = --data-dir var --set clients.localhost.address=127.0.0.1 --set clients.localhost.secret=testing123

run:
	@.ci/packages $(BUILD)
	@.ci/ui
	@mkdir -p var
	cargo build --locked --package radiusd
	@.ci/try
	cargo run --locked --quiet --package radiusd -- serve $(TRY)

test:
	@.ci/packages $(TESTS)
	@.ci/test

# What each part costs alone: cargo bench --package benches
bench:
	@.ci/packages $(TESTS) sqlite3
	cargo run --locked --release --package benches

# How long each way in is fed, and how many datagrams the server is sent.
FUZZ_SECONDS ?= 300
FUZZ_DATAGRAMS ?= 1000000

fuzz:
	@.ci/packages $(TESTS)
	FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_DATAGRAMS=$(FUZZ_DATAGRAMS) \
		cargo test --locked --package proto --package radiusd -- fuzz --nocapture --test-threads=1

# An ISP with a past, in var/demo, and NAS that keep sending. DEMO_SECONDS ends it after a while.
DEMO_SECONDS ?= 0

demo:
	@.ci/packages $(BUILD)
	@.ci/ui
	cargo build --locked --package radiusd
	cargo run --locked --quiet --package radiusd --example demo -- \
		--radiusd $${CARGO_TARGET_DIR:-target}/debug/radiusd --seconds $(DEMO_SECONDS)

# How many seconds each kind of fault goes on, and all kinds mixed. A seed repeats a choice of faults.
FAULT_SECONDS ?= 60
FAULT_MIXED_SECONDS ?= 300
FAULT_SEED ?=

faults:
	@.ci/packages $(TESTS)
	FAULT_SECONDS=$(FAULT_SECONDS) FAULT_MIXED_SECONDS=$(FAULT_MIXED_SECONDS) FAULT_SEED=$(FAULT_SEED) \
		cargo test --locked --package radiusd --test stories -- faults --nocapture --test-threads=1

# Every page of the web interface in both themes and languages, in mgmt/ui/screenshots.
screenshots:
	@.ci/packages $(BUILD) $(NODE) chromium fonts-noto-cjk
	@.ci/ui
	cargo build --locked --package radiusd
	npm run --silent --prefix mgmt/ui screenshots
