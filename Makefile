# make demo: sets everything up and shows the main job end to end. make test: sets up and passes all tests.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: demo test unit lint lab-test setup clean help

RUN := lab/python

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile

setup: ## install what the project needs (idempotent)
	@lab/setup.sh

demo: setup ## two sites, a move, a power cut, the takeover, the verdict (ARGS=--keep leaves the lab up)
	@$(RUN) -m lab.demo $(ARGS)

test: setup lint unit lab-test ## everything

lint: setup ## lint, types, import directions
	@$(RUN) -m flake8 k8sdeployment lab tests
	@$(RUN) -m mypy
	@lab/python -m importlinter.cli lint 2>/dev/null || $(RUN) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

unit: setup ## tests in seconds, no lab (some need root)
	@$(RUN) -m pytest -q -m 'not lab'

lab-test: setup ## scenarios on two real sites
	@$(RUN) -m pytest -q -m lab tests/lab
