# Two commands: `make demo` and `make test`. Both make .venv first.
SHELL := /bin/bash
VENV := .venv
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check docs wheel lock clean
demo: $(STAMP)
	@$(BIN)/python examples/01_bracket.py

test: $(STAMP) check
	@# Compiled code is kept, since some hundred processes load it.
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

docs: $(STAMP)
	@rm -rf docs/reference/_api
	@$(BIN)/sphinx-build -q -W --keep-going -j auto -d build/doctrees docs src/tramontane/site
	@find src/tramontane/site -name '*.map' -delete && rm -f src/tramontane/site/.buildinfo
	@echo "The documents are built; open them with $(BIN)/tramontane docs"

wheel: docs
	@$(BIN)/hatchling build -t wheel -d dist

check: $(STAMP)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

$(STAMP): pyproject.toml requirements.lock torch.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 with its venv module is missing; install it (Debian: apt-get install python3 python3-venv) or give PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "Python's venv module is incomplete: ensurepip is missing; install it (Debian: apt-get install python3-venv)"; exit 1; }
	@test -x $(BIN)/python || { echo "Making $(VENV) with $$($(PYTHON) --version)"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing (some minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r torch.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Pin what is installed, with the hashes of every wheel of each release, whatever the platform; torch: see torch.lock.
lock:
	@work=$$(mktemp -d) && trap 'rm -rf "$$work"' EXIT && set -e; \
	$(BIN)/python -m pip freeze --exclude-editable \
	  | grep -v -E '^(uv|pip-tools|build|pyproject_hooks|setuptools|wheel|torch|triton|nvidia-.*|cuda-.*)=' > "$$work/in"; \
	$(PYTHON) -m venv "$$work/venv"; "$$work/venv/bin/pip" install --quiet --disable-pip-version-check uv; \
	"$$work/venv/bin/uv" pip compile "$$work/in" --quiet --no-deps --generate-hashes --no-header --no-annotate \
	  --python "$(BIN)/python" --output-file requirements.lock

clean:
	rm -rf $(VENV) build dist src/tramontane/site docs/gallery docs/_generated docs/reference/_api docs/reference/cli.md .pytest_cache .mypy_cache .ruff_cache
