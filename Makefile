# Two commands do everything: `make demo` and `make test`. Each installs what it needs.

CARGO ?= cargo
RAD3D  = target/release/rad3d
DEMO   = target/demo

.PHONY: demo test lint fmt bench clean-demo

## Make a synthetic chest CT as DICOM, and report it with the shipped model: as text here, and as
## a page with pictures. No download, no patient.
demo:
	$(CARGO) build --release --locked -p rad3d
	@rm -rf $(DEMO)
	$(RAD3D) phantom --count 1 --seed 7 --as dicom --out $(DEMO)/phantom
	$(RAD3D) report $(DEMO)/phantom --out $(DEMO)/report.html --show
	@echo
	@echo "The page is file://$(abspath $(DEMO)/report.html)"

## Run every test. cargo-nextest is used where it is installed; cargo itself runs the same tests.
## The trainable modules come last, since Burn takes minutes to build.
test:
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --locked --workspace; \
	else \
		$(CARGO) test --locked --workspace --lib --bins --tests; \
	fi
	$(CARGO) test --locked --workspace --doc
	$(CARGO) test --locked -p rad3d-nn -p rad3d-train \
		--features rad3d-nn/burn,rad3d-train/engine \
		--test trainable --test causal_lm_trainable --test parity --test fit

## Formatting and lints, warnings denied.
lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

fmt:
	$(CARGO) fmt --all

## Measure against what a user would run instead; see benches/README.md.
bench:
	python3 benches/preprocess.py
