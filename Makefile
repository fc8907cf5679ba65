# Needs Python 3.11 or newer and make, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCE ?=
TARGET ?=
OUT ?= demo

# The runtime's wheels would report to their vendor; lendface sees to it too.
export ORT_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: help demo serve test test-services check bench clean

help:
	@echo "make demo [SOURCE=me.jpg] [TARGET=clip.mp4] [OUT=folder]  make a swapped video"
	@echo "make serve                                                serve the API on this machine"
	@echo "make test                                                 run the tests"
	@echo "make test-services                                        run the slow ones and those that need PostgreSQL and Ceph"
	@echo "make check                                                lint and type-check"
	@echo "make bench                                                measure speed"

# Two stamps: what a user needs, and what a developer needs on top.
$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("lendface needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cluster]' -r requirements-dev.txt
	@touch $@

demo: $(VENV)/installed
	$(BIN)/lendface demo --out "$(OUT)" $(if $(SOURCE),--source "$(SOURCE)") $(if $(TARGET),--target "$(TARGET)")

serve: $(VENV)/installed
	$(BIN)/lendface serve

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not services and not slow"

test-services: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "services or slow"

check: $(VENV)/installed-dev
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/pyrefly check
	$(BIN)/lint-imports

bench: $(VENV)/installed
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) demo dist build benchmarks/out
