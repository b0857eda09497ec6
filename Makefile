# make demo: sets everything up and shows the main job end to end. make test: sets up and passes all tests.
SHELL := /bin/bash
.DELETE_ON_ERROR:
# The Pythons that the RPM is compiled for and checked with: make rpm PYTHONS='/usr/bin/python3 /opt/python3.9/bin/python3.9'
PYTHONS := /usr/bin/python3

.PHONY: bench demo kills sequences test unit lint lab-test setup rpm wheel help

RUN := lab/python
# Two folders of tests at once; tests/conftest.py keeps a folder's together.
PARALLEL := -n 2

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile

setup: ## install what the project needs (idempotent)
	@lab/setup.sh

demo: setup ## two sites, a move, a power cut, the takeover, the verdict (ARGS=--keep leaves the lab up)
	@$(RUN) -m lab.demo $(ARGS)

test: setup lint unit lab-test ## everything

lint: setup ## flake8, strict types, shell and container files (the import directions are a unit test)
	@$(RUN) -m flake8 k8sdeployment lab docs tests bench rpm ocf/k8sdeployment containers/peer/fence_[gq]*
	@$(RUN) -m mypy
	@bin=$$(dirname $$(lab/setup.sh --python)); \
	$$bin/hadolint containers/peer/Containerfile* && $$bin/hadolint --ignore DL3008 lab/images/*/Containerfile && \
	$$bin/shellcheck lab/setup.sh lab/lab lab/python .ci/run containers/peer/libexec/* containers/peer/environment containers/peer/snopair containers/peer/fence_confirm containers/peer/fence_virt

unit: setup ## tests in seconds, no lab (some need root)
	@$(RUN) -m pytest -q -m 'not lab' $(PARALLEL)

lab-test: setup ## what needs real Kubernetes or Pacemaker; then, alone on the machine, what is timed and the scenarios on two real sites
	@$(RUN) -m pytest -q -m 'lab and not alone' --durations=10 $(PARALLEL)
	@$(RUN) -m pytest -q -m alone tests/situations
	@$(RUN) -m pytest -q -m alone --durations=25 tests/lab

kills: setup ## kill operator, conductor, API server at 20 random moments on two real sites (ARGS='--kills-seed N' for the same again)
	@$(RUN) -m pytest -q -s tests/lab/test_changes.py -k kills --kills 20 $(ARGS)

sequences: setup ## a thousand random histories of faults against the agent (ARGS='--seed N --only I' for one again)
	@$(RUN) -m pytest -q -s tests/sequences --sequences 1000 $(ARGS)

bench: setup ## what the agent costs, beside kubectl and bare Python; writes docs/performance.md
	@$(RUN) -m bench --write $(ARGS)

rpm: setup ## the agent's RPM and source RPM into dist/, its tests run on the way
	@$(RUN) rpm/build.py rpm --tests $(addprefix --python ,$(PYTHONS))
	@rpmlint --config rpm/rpmlint.toml dist/*.rpm

wheel: setup ## the wheel into dist/
	@$(RUN) rpm/build.py wheel
