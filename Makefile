# Two commands on a fresh machine: `make demo` and `make test`. `make` alone lists them all.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell command -v python3.11 || command -v python3)
TORCH ?= torch==2.13.0
# Only files of theirs are read, or they pin another torch or torchvision.
NO_DEPS := facenet-pytorch==2.6.0 peft==0.21.2 rapidocr-onnxruntime==1.4.4 silero-vad==6.2.3 \
	speechmos==0.0.1.1 swift-f0==0.3.0 text2tashkeel==0.1.0 timm==1.0.31
# Kept apart: see tests/torchvision_cpu.py.
TORCHVISION := torchvision==0.28.0

VENV := .venv
RUN := $(VENV)/bin/python
BUNDLE := talaria_widget/static/widget.js
SOURCES := $(wildcard js/*.* js/.npmrc) $(shell find js/src -type f 2>/dev/null)

# The Node of the environment (a Python wheel), never one of the system.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export HF_HUB_OFFLINE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo lab check test bench accuracy dev chromium clean

help: ## list these verbs
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(VENV)/.installed $(BUNDLE) ## make .venv, install everything, build the bundle

demo: setup ## run the quickstart notebook and print its totals before and after
	$(RUN) notebooks/run_quickstart.py
	@echo 'To open it live: make lab'

lab: setup ## open the quickstart notebook in JupyterLab
	jupyter lab notebooks/quickstart.ipynb

check: setup ## lint and type-check both languages (ruff, mypy, biome, svelte-check)
	ruff check .
	mypy
	npm --prefix js run check

test: check chromium ## every check and test, the notebook and a real browser included
	npm --prefix js test
	$(RUN) -m pytest

BENCHES := bundle analyze page click capture growth
bench: setup chromium ## speed and size beside what they are compared with
	@over=; for each in $(BENCHES); do \
		PYTHONPATH=tests $(RUN) -m benchmarks.bench_$$each || over="$$over $$each"; \
	done; test -z "$$over" || { echo "over a limit:$$over"; exit 1; }

accuracy: setup ## counts, sizes, times against real ones (an hour); writes docs/
	PYTHONPATH=tests $(RUN) -m benchmarks.accuracy_counts
	PYTHONPATH=tests $(RUN) -m benchmarks.accuracy_size
	PYTHONPATH=tests $(RUN) -m benchmarks.accuracy_lowering
	PYTHONPATH=tests $(RUN) -m benchmarks.accuracy_latency --again --write
	PYTHONPATH=tests $(RUN) -m benchmarks.modelled_devices --write docs/devices.md

dev: setup ## JupyterLab and a bundle that rebuild and reload as the sources change
	trap 'kill 0' EXIT; npm --prefix js run watch & \
	ANYWIDGET_HMR=1 jupyter lab notebooks

clean: ## remove what the other verbs made
	rm -rf $(VENV) js/node_modules talaria_widget/static build dist

chromium:
	@command -v "$${CHROMIUM:-chromium}" || command -v google-chrome || { \
		as_root=$$([ "$$(id -u)" = 0 ] || echo sudo); \
		$$as_root apt-get update -qq && $$as_root apt-get install -y -qq chromium; }

$(VENV)/.torch:
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -q '$(TORCH)'
	@touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml hatch_build.py
	TALARIA_SKIP_BUNDLE=1 $(RUN) -m pip install -q -e '.[test]'
	$(RUN) -m pip install -q --no-deps $(NO_DEPS)
	$(RUN) -m pip install -q --no-deps --upgrade --target $(VENV)/torchvision $(TORCHVISION)
	@touch $@

js/node_modules/.installed: $(VENV)/.installed js/package-lock.json js/package.json
	cd js && npm ci
	@touch $@

$(BUNDLE): js/node_modules/.installed $(SOURCES)
	npm --prefix js run build
	@touch $@
