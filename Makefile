# Every target does its own set-up on a bare machine with Python 3.11+: `make demo`, `make test`, `make check`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
BENCH := .venv-bench
BENCH_STAMP := $(BENCH)/.ready
UPSTREAMS := .venv-upstreams
UPSTREAMS_STAMP := $(UPSTREAMS)/.ready
EXTENSIONS := setup.py $(wildcard portal_gateway/*/c/*)
COMPILED := $(CURDIR)/build/compiled
SOURCES := pyproject.toml setup.py $(shell find portal_gateway -name '*.py' -o -name '*.[ch]')
# Nothing from here but the package that wheels hold.
AS_COMPILED := PYTHONSAFEPATH=1 PYTHONPATH=$(COMPILED)
# What is compiled, and what runs through it.
COMPILED_TESTS := $(addprefix tests/unit/,access html http11 identity injection observe proxy serving wire \
	test_middleware.py) $(wildcard tests/corpus/test_corpus_*.py) tests/security/test_rules.py \
	$(patsubst %,tests/wire/test_%.py,framework_fastapi proxy_faults proxy_streaming serve_admin serve_straight \
	sidecar_codings sidecar_serve sidecar_smuggling soak)
BENCH_ARGS ?=
DEMO_ARGS ?=
LOCK := .cache/lock/bin/uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet

.PHONY: help demo test check format bench compiled wheel lock image-test screenshots reference clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.built ## the whole thing on this machine, no account needed
	$(BIN)/portal-gateway demo $(DEMO_ARGS)

test: $(STAMP) $(UPSTREAMS_STAMP) ## all tests; installs the servers and the browser they need (Debian, as root) or names them
	@sh tests/system_packages.sh
	@$(MAKE) --no-print-directory $(VENV)/.built
	@$(MAKE) --no-print-directory compiled
	$(AS_COMPILED) $(BIN)/pytest -m "not interpreted" $(COMPILED_TESTS)
	$(BIN)/python -m pytest

check: $(STAMP) ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(STAMP) ## what `make check` would otherwise complain about
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(BENCH)/.built compiled ## measure beside nginx and other engines, e.g. BENCH_ARGS="sidecar --rounds 3"; needs wrk, nginx
	$(AS_COMPILED):$(CURDIR) $(BENCH)/bin/python -m bench $(BENCH_ARGS)

compiled: $(COMPILED)/.built ## the package as wheels hold it, in build/compiled

wheel: compiled ## the wheel for this Python and machine, in dist
	@ls dist/*.whl

lock: ## renew the lock files from pyproject.toml
	$(PYTHON) -m venv .cache/lock
	.cache/lock/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'
	$(LOCK) pyproject.toml --extra codings --extra mail --extra otel --extra redis --output-file requirements.lock
	$(LOCK) pyproject.toml --extra codings --extra mail --extra otel --extra redis --group dev --output-file requirements-dev.lock
	$(LOCK) --group build --output-file requirements-build.lock
	$(LOCK) tests/upstreams/requirements.in --output-file tests/upstreams/requirements.txt

image-test: ## build the container image with buildah and try it (Debian, as root, no container engine needed)
	sh deploy/test_image.sh

clean: ## remove what the targets made
	rm -rf $(VENV) $(BENCH) $(UPSTREAMS) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis portal_gateway/html/*.so

$(STAMP): pyproject.toml requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Portal Gateway needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

# Apps that the tests put the sidecar in front of. They are only talked to, so none of their packages is among ours.
$(UPSTREAMS_STAMP): tests/upstreams/requirements.txt
	$(PYTHON) -m venv --clear $(UPSTREAMS)
	$(UPSTREAMS)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r $<
	@touch $@

$(BENCH_STAMP): pyproject.toml requirements.lock bench/requirements.txt
	$(PYTHON) -m venv --clear $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# The editable install has built them too; this is for when their sources change, or when the compiler comes later.
%/.built: %/.ready $(EXTENSIONS)
	$*/bin/python setup.py --quiet build_ext --inplace
	@if ls portal_gateway/html/_compiled.*.so portal_gateway/wire/_compiled.*.so >/dev/null 2>&1; then touch $@; fi

$(COMPILED)/.built: $(STAMP) $(SOURCES)
	rm -rf build dist
	PORTAL_GATEWAY_COMPILE=1 $(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--wheel-dir dist .
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(COMPILED) dist/*.whl
	@touch $@

screenshots: $(STAMP) ## take the pictures of the documentation anew
	$(BIN)/python docs/make_screenshots.py

reference: $(STAMP) ## write docs/configuration.md and the JSON Schema anew
	$(BIN)/python docs/make_configuration.py > .cache/configuration.md && mv .cache/configuration.md docs/configuration.md
	$(BIN)/portal-gateway schema > .cache/schema.json && mv .cache/schema.json config/portal-gateway.schema.json
