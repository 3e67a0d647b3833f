# Two commands do everything: `make demo` and `make test`. Each installs what it needs.

CARGO ?= cargo
RAD3D  = target/release/rad3d
DEMO   = target/demo

.PHONY: demo test lint fmt bench clean-demo

## Make a synthetic chest CT as DICOM, look at it, and make the tensor a network would see.
demo:
	$(CARGO) build --release --locked -p rad3d
	@rm -rf $(DEMO)
	$(RAD3D) phantom --count 1 --seed 7 --as dicom --out $(DEMO)/phantom
	$(RAD3D) inspect $(DEMO)/phantom
	$(RAD3D) preprocess $(DEMO)/phantom --out $(DEMO)/phantom.safetensors
	$(RAD3D) preprocess $(DEMO)/phantom --out $(DEMO)/phantom.nii.gz
	@echo
	@echo "The tensor is $(DEMO)/phantom.safetensors; see it in a viewer as $(DEMO)/phantom.nii.gz."

## Run every test. cargo-nextest is used where it is installed; cargo itself runs the same tests.
## The trainable modules come last, since Burn takes minutes to build.
test:
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --locked --workspace; \
	else \
		$(CARGO) test --locked --workspace --lib --bins --tests; \
	fi
	$(CARGO) test --locked --workspace --doc
	$(CARGO) test --locked -p rad3d-nn --features burn --test trainable --test causal_lm_trainable

## Formatting and lints, warnings denied.
lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

fmt:
	$(CARGO) fmt --all

## Measure against what a user would run instead; see benches/README.md.
bench:
	python3 benches/preprocess.py
