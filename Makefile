# Every target makes the virtual environment that it needs and reuses it afterwards.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: verify test test-slow false-alarms lint bench demo reference clean

verify: $(VENV)/.runtime  ## run the claims of tier standard
	$(BIN)/saddle-escape run --tier standard

test: $(VENV)/.test lint  ## lint, types, import contract, tests
	$(BIN)/python -m pytest -n 2 --dist worksteal

# Every push has the same random examples; HYPOTHESIS_PROFILE=new make test draws new ones.
test-slow: $(VENV)/.slow  ## browser, LaTeX, kills, and three seeds that no test has seen; never part of make test
	$(BIN)/python -m pytest -m slow -n 2 --dist worksteal
	$(BIN)/python -m tests.false_alarms --seeds 21-23

# make false-alarms SEEDS=1-3 IDS=T6,prefactor.hermite
SEEDS ?= 1-20
IDS   ?=
false-alarms: $(VENV)/.test  ## tier standard with twenty other seeds: no alarm; a finished seed is not run again
	$(BIN)/python -m tests.false_alarms --seeds '$(SEEDS)' --ids '$(IDS)'

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.bench  ## ratios against named peers; never part of make test
	$(BIN)/python -m tests.benchmarks

demo: $(VENV)/.runtime  ## a paper that takes its numbers from a run: reports/demo/paper.pdf (needs pdflatex)
	cd reports/demo && ../../$(BIN)/saddle-escape run T3 T5 T6 --out run && ../../$(BIN)/saddle-escape tables --run run --out tables --paper paper.tex
	cd reports/demo && for pass in 1 2 3; do pdflatex -interaction=batchmode -halt-on-error paper.tex > /dev/null || exit 1; done

REFERENCE := reports/reference
reference: $(VENV)/.runtime  ## the committed reference run: tier full (about two minutes), page, tables, figures
	$(BIN)/saddle-escape run --tier full --fresh --out $(REFERENCE)
	$(BIN)/saddle-escape report --format html,md --run $(REFERENCE) --out $(REFERENCE)
	$(BIN)/saddle-escape tables --run $(REFERENCE) --out $(REFERENCE)/tables
	$(BIN)/saddle-escape figures --run $(REFERENCE) --out $(REFERENCE)/figures --format pdf,png

clean:
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit("saddle-escape needs Python 3.11 or newer, found %d.%d: install one or run make PYTHON=..." % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	@touch $@

# A peer that cannot be installed does not stop the others: the table names it.
$(VENV)/.bench: $(VENV)/.test
	for peer in diffrax heyoka torchdiffeq torchode; do $(BIN)/pip install --quiet --constraint constraints.txt $$peer || echo "$$peer cannot be installed: its bars are not measured"; done
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@ $(VENV)/.runtime

$(VENV)/.slow: $(VENV)/.test
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test,browser]'
	@touch $@
