# framepack-farm: `make help` lists what there is. Everything lives in .venv; nothing else on the machine is touched.
PYTHON ?= python3
PIP_FLAGS ?=
PYTEST_FLAGS ?=
# Two at a time, however many cores there are: one of them takes all tests that start Ray, see group_of in tests/conftest.py
WORKERS ?= 2
BIN := .venv/bin
DEMO := demo/dance.mp4
export RAY_USAGE_STATS_ENABLED := 0

.DEFAULT_GOAL := help
.PHONY: help setup demo test storm check format docs pictures clean

help:  ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

.venv/.stamp: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "error: Python 3.11 or newer is needed, and $(PYTHON) is: $$($(PYTHON) -V 2>&1 | head -1). Try: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) -e ".[dev]"
	@touch $@

setup: .venv/.stamp  ## Create .venv with everything (the first time takes minutes)

demo: .venv/.stamp  ## Render a 10 second example video into demo/
	@mkdir -p demo
	$(BIN)/farm render examples/dancer.png --prompt "The puppet dances energetically, with clear movements, full of charm." \
	  --seconds 10 --preset dance --order bisect --out $(DEMO)
	@echo "The video is $(CURDIR)/$(DEMO)"

test: .venv/.stamp  ## Run all tests (what can't run here is skipped by name)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope $(PYTEST_FLAGS)

storm: .venv/.stamp  ## Kill and freeze processes of a rendering farm (half an hour)
	$(BIN)/python -m tests.chaos.storm
	$(BIN)/python -m pytest -m soak $(PYTEST_FLAGS)

check: .venv/.stamp  ## Lint, format check, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.stamp  ## Format the code and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/.stamp  ## Build the documentation as a site into build/docs, strictly
	$(BIN)/sphinx-build -q -W --keep-going -b html docs build/docs
	@echo "Open $(CURDIR)/build/docs/index.html"

pictures: .venv/.stamp  ## Take the pictures of the tour anew, with a real farm and a real browser
	FARM_TEST_PICTURES=docs/images/tour FARM_TEST_MODEL=bundled $(BIN)/python -m pytest tests/whole/test_tour.py

clean:  ## Remove caches, the demo and .venv
	rm -rf .venv build demo docs/reference .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
