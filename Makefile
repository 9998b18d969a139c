# Everything a developer does, by name. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
PROTO_FILES := $(shell find protos -name '*.proto' | sort)
GRPC_FILES := $(filter %_service.proto,$(PROTO_FILES))
BUF := npx --no-install buf

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "DocuQuery needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

.PHONY: install
install: $(VENV)/.installed ## Set up .venv with what the services need

.PHONY: dev
dev: $(VENV)/.installed-dev ## Set up .venv with what development needs, too

.PHONY: run
run: install ## Start the four services on this machine (Ctrl-C stops them)
	$(BIN)/docuquery up

.PHONY: demo
demo: install ## Start everything, ingest samples/, ask three questions, stop
	$(BIN)/python -m docuquery_client.demo samples/handbook

.PHONY: seed
seed: install ## Ingest samples/ into the running services
	$(BIN)/docuquery ingest samples/handbook

# Tests wait for processes more than they compute.
TEST_PROCESSES ?= 3

.PHONY: test
test: dev ## Run the test suite, but for what takes half a minute or more
	$(BIN)/python -m pytest -m 'not slow' --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

.PHONY: test-all
test-all: dev ## Run all tests
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

.PHONY: fault-matrix
fault-matrix: dev ## Try every fault against every call; writes the table in docs/resilience.md
	REQUIRE_EXTERNALS=1 WRITE_FAULT_MATRIX=1 $(BIN)/python -m pytest tests/e2e/test_fault_matrix.py::test_every_fault

.PHONY: eval eval-report eval-baseline
eval-report: dev
	mkdir -p build
	$(BIN)/docuquery eval samples --provider extractive --json build/eval.json

eval: eval-report ## Ask the golden set; fails where it is worse than the committed baseline
	$(BIN)/python -m tests.evals.gate build/eval.json

eval-baseline: eval-report ## Make what the golden set gives now the baseline
	$(BIN)/python -m tests.evals.gate build/eval.json --write

BENCH_FILES ?=
BENCH_OPTIONS ?=

.PHONY: bench bench-compare bench-baseline
bench: dev ## Measure everything (BENCH_FILES=folder, BENCH_OPTIONS="--quick"); writes build/bench.json and .md, build/bench/
	mkdir -p build
	$(BIN)/python -m benchmarks.run --json build/bench.json --markdown build/bench.md --png build/bench \
	  $(BENCH_OPTIONS) $(BENCH_FILES)

bench-compare: ## Say where build/bench.json is worse than the committed baseline
	$(BIN)/python -m benchmarks.compare docs/benchmarks/baseline.json build/bench.json

bench-baseline: dev ## Make what is measured now the committed baseline
	$(BIN)/python -m benchmarks.run --json docs/benchmarks/baseline.json --markdown docs/benchmarks/baseline.md \
	  --png docs/benchmarks $(BENCH_OPTIONS)

COST_OPTIONS ?=

.PHONY: cost-report
cost-report: install ## Sum the usage log: attempts, tokens, money (COST_OPTIONS="--by tenant --json")
	$(BIN)/docuquery admin cost $(COST_OPTIONS)

.PHONY: test-cov
test-cov: dev ## Run the test suite with branch coverage; fails under 85 %
	rm -f .coverage .coverage.*
	$(BIN)/python -m coverage run -m pytest
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --fail-under=85

.PHONY: lint
lint: dev ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: format
format: dev ## Rewrite the code in the house style
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .

# $(1): the folder the generated code goes to. gRPC code is made for files that hold a service.
define generate
	@$(BIN)/python -m grpc_tools.protoc -Iprotos --python_out=$(1) --mypy_out=quiet:$(1) \
	  --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy $(PROTO_FILES)
	@$(BIN)/python -m grpc_tools.protoc -Iprotos --grpc_python_out=$(1) --mypy_grpc_out=quiet:$(1) \
	  --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc $(GRPC_FILES)
	@touch $(1)/docuquery/py.typed # without it the types count for nothing where this is installed
endef

.PHONY: proto
proto: dev ## Generate libs/gen from protos/
	rm -rf libs/gen/docuquery
	mkdir -p libs/gen
	$(call generate,libs/gen)

.PHONY: proto-check
proto-check: dev ## Fail when libs/gen is not what protos/ gives
	rm -rf build/gen && mkdir -p build/gen
	$(call generate,build/gen)
	diff --recursive --brief --exclude=__pycache__ build/gen libs/gen \
	  || { echo 'libs/gen is out of date: run make proto'; exit 1; }

node_modules/.installed: package.json package-lock.json
	npm install --silent --no-save --no-audit
	@touch $@

.PHONY: proto-lint
proto-lint: node_modules/.installed ## Lint protos/ and compare them with the last release (needs Node.js)
	$(BUF) lint
	$(BUF) breaking --against protos/released.binpb

.PHONY: proto-release
proto-release: node_modules/.installed ## Record protos/ as the released contract later ones may not break
	$(BUF) build --exclude-source-info -o protos/released.binpb

.PHONY: test-examples
test-examples: dev node_modules/.installed ## Build the callers of examples/ and let them ask (needs Go, Maven, Node.js)
	REQUIRE_EXTERNALS=1 $(BIN)/python -m pytest tests/e2e/test_callers.py

.PHONY: protos-archive
protos-archive: dev ## Pack protos/ for callers: build/docuquery-protos-<version>.tar.gz, always the same bytes
	$(BIN)/python -m tools.protos_archive

.PHONY: docs
docs: dev ## Write what is made from code: docs/configuration.md, metrics.md, contracts.md, callers.md, .env.example
	$(BIN)/python -m tools.configuration
	$(BIN)/python -m tools.metrics
	$(BIN)/python -m tools.contracts
	$(BIN)/python -m tools.callers

.PHONY: lock
lock: $(BIN)/uv ## Pin the newest allowed dependencies (names, versions, hashes)
	$(BIN)/uv pip compile --quiet --universal --upgrade --generate-hashes --no-emit-index-url --no-header \
	  --extra build --extra office --extra telemetry pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --upgrade --generate-hashes --no-emit-index-url --no-header \
	  --extra build --extra office --extra telemetry --extra eval --extra dev -c requirements.lock pyproject.toml \
	  -o requirements-dev.lock
	for tool in kubernetes-validate cyclonedx-bom; do \
	  $(BIN)/uv pip compile --quiet --universal --upgrade --generate-hashes --no-emit-index-url --no-header \
	    --python-version 3.11 tools/$$tool.in -o tools/$$tool.lock; done

# Programs with many dependencies, or large ones, in an environment of their own each.
build/tools/%/.installed: tools/%.lock | $(BIN)/uv
	$(BIN)/uv venv --quiet --clear $(@D)
	$(BIN)/uv pip install --quiet --python $(@D) --require-hashes -r $<
	@touch $@

KUSTOMIZE_VERSION := v5.7.0

# kubectl brings a kustomize of its own.
.PHONY: kustomize
kustomize:
	@[ -x build/bin/kustomize ] || command -v kubectl >/dev/null \
	  || GOBIN=$(CURDIR)/build/bin go install sigs.k8s.io/kustomize/kustomize/v5@$(KUSTOMIZE_VERSION)

.PHONY: k8s-validate
k8s-validate: dev kustomize build/tools/kubernetes-validate/.installed ## Build all of k8s/, check it by Kubernetes' schemas and our rules
	REQUIRE_EXTERNALS=1 $(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile tests/unit/k8s

IMAGE ?= docuquery
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
IMAGE_BASE ?= python:3.13.15-slim-trixie

.PHONY: image
image: ## Build the image (IMAGE=registry/name; needs docker with buildx)
	docker buildx build --load --tag $(IMAGE):$(VERSION) .

.PHONY: image-base
image-base: ## Pin IMAGE_BASE in the Dockerfile, by the digest its registry has now (needs docker)
	digest=$$(docker buildx imagetools inspect $(IMAGE_BASE) --format '{{.Manifest.Digest}}') \
	  && sed -i "s|^ARG PYTHON_IMAGE=.*|ARG PYTHON_IMAGE=$(IMAGE_BASE)@$$digest|" Dockerfile

.PHONY: sbom
sbom: build/tools/cyclonedx-bom/.installed ## Write build/sbom.json: every package an image is made from, with its hashes (CycloneDX)
	build/tools/cyclonedx-bom/bin/cyclonedx-py requirements --output-reproducible --pyproject pyproject.toml \
	  --mc-type application --output-file build/sbom.json requirements.lock

.PHONY: release-files
release-files: protos-archive sbom ## Collect what a release has besides its image in build/release (TAG=v1.2.3)
	@[ "$(TAG)" = "v$(VERSION)" ] || { echo 'TAG must be v$(VERSION), the version in pyproject.toml'; exit 1; }
	rm -rf build/release && mkdir -p build/release
	cp build/docuquery-protos-$(VERSION).tar.gz build/sbom.json build/release
	cd build/release && sha256sum * > SHA256SUMS
	awk '/^## / {part++} part == 1' CHANGELOG.md > build/release-notes.md

.PHONY: clean
clean: ## Remove what the other targets made, but not your data
	rm -rf $(VENV) node_modules build dist htmlcov .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
