# The few commands of this project; `make` alone lists them. Everything runs in .venv, which the first of them makes.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES ?= all
export PATH := $(CURDIR)/.venv/bin:$(PATH)
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help env reproduce smoke foundation test restore

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(STAMP) ## set up .venv from requirements.txt
$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("error: expected Python 3.11, got %d.%d; run make PYTHON=/path/to/python3.11" % sys.version_info[:2] if sys.version_info[:2] != (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet -r requirements.txt
	.venv/bin/python -m pip install --quiet --no-deps --editable .
	@touch $@

reproduce: $(STAMP) ## from nothing to the tables: reports/lite
	snakemake --cores $(CORES) reproduce

smoke: $(STAMP) ## the same chain in minutes, at toy size: reports/smoke
	snakemake --cores $(CORES) reproduce --config scale=smoke

foundation: $(STAMP) ## train foundation models like those in weights/lite, into models/lite/foundation (four to twelve hours, by processor)
	snakemake --cores $(CORES) foundation

test: $(STAMP) ## lint and tests
	ruff check .
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive python -m pytest -n auto --dist loadgroup

restore: $(STAMP) ## after a clone with a DVC remote of yours: bring back what `dvc push` kept, so that nothing has to run again
	dvc pull
	@dvc status --quiet || { dvc status; echo "error: expected the pulled files to match dvc.lock; see above" >&2; exit 1; }
	snakemake --touch --forceall reproduce --quiet all
