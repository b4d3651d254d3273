# Two commands: `make run` and `make test`. Each target is one line over a command that the README shows.
SHELL := /bin/sh
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
# One more than cores: tests of runs, clusters and kills wait much of their time.
TEST_WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); [ $$n -lt 8 ] && echo $$((n + 1)) || echo 8)

# Snakemake's jobs start `python` from PATH: let it be ours, with nobody else's packages.
export PATH := $(CURDIR)/$(BIN):$(PATH)
unexport PYTHONPATH PYTHONHOME

##@ Two commands
.PHONY: run demo test
run: env  ## prepare the demo's samples with all_clip4mc, then say where they lie
	$(BIN)/snakemake --profile local_cpu all_clip4mc
	$(BIN)/snakemake --report results/report.html all_clip4mc
	@printf '%s\n' "$$where_to_look"

demo: env-all  ## every system on its demo data
	$(BIN)/snakemake --profile local_cpu all
	$(BIN)/snakemake --report results/report.html all
	@echo "made results/report.html: open it in a browser"

test: env-dev check slurm-install chromium-install  ## check the code, then run the tests (ARGS="-k frames" for some of them)
	$(BIN)/pytest -m "not slow" -n $(TEST_WORKERS) --dist worksteal $(ARGS)

define where_to_look

Made. Where to look:
  results/clip4mc/demo_train/sample_*/            a folder a sample: video_input.pkl, text_input.pkl, size.json
  results/clip4mc/demo_train/dataset_info.json    the list of samples that a training loader reads
  results/clip4mc/demo_train/failures.csv         what could not be made, and why (none in the demo)
  results/clip4mc/demo_train/figures/contact_sheet.png    some of the samples, as a picture
  results/report.html                             the figures of all datasets in one page; open it in a browser
Next:
  . .venv/bin/activate
  snakemake --profile local_cpu -n all_clip4mc    asks again: nothing to be done
  your clips: name them in config/config.yaml, then snakemake --profile local_gpu -j 8 all_clip4mc
endef
export where_to_look

##@ Looking for pictures and videos
.PHONY: search
search: env-search  ## index the demo's pictures and videos, then serve them at http://127.0.0.1:5000 (ARGS="--port 8000")
	$(BIN)/snakemake --profile local_cpu search_index
	$(BIN)/python -m scripts.search.server $(ARGS)

##@ While it runs
# CONFIG=my.yaml names another configuration than config/config.yaml. No `env`: whoever may read the files may ask.
UPKEEP = $(BIN)/python -m scripts.upkeep
CONFIGFILE = $(if $(CONFIG),--configfile '$(CONFIG)')
.PHONY: status doctor pause resume stop
status: $(BIN)/python  ## how far each dataset is, how fast, and how the machine does (WATCH=10: every ten seconds)
	@$(UPKEEP).status $(CONFIGFILE) $(if $(WATCH),--watch $(WATCH))

doctor: $(BIN)/python  ## versions, GPUs, paths, plans and disks: is all as a run needs it?
	@$(UPKEEP).doctor $(CONFIGFILE)

pause: $(BIN)/python  ## let the run stand still; nothing is lost and no sample fails
	@$(UPKEEP).run_control pause $(CONFIGFILE)

resume: $(BIN)/python  ## let a paused run go on
	@$(UPKEEP).run_control resume $(CONFIGFILE)

stop: $(BIN)/python  ## end the run after the samples in hand; the same command goes on
	@$(UPKEEP).run_control stop $(CONFIGFILE)

$(BIN)/python:
	@$(MAKE) env

##@ Seeing what was made
.PHONY: report dag tensorboard
report: env  ## gather the figures of what is made in results/report.html, a page that needs no network
	$(BIN)/snakemake --report results/report.html $(ARGS) || { \
	echo "is something not made yet? Make it, or name a figure of what is: make report ARGS=results/.../contact_sheet.png"; exit 1; }
	@echo "made results/report.html: open it in a browser"

tensorboard: env-fgclip  ## the curves of all trainings, live, at http://localhost:6006 (PORT=, RESULTS= name others)
	$(BIN)/tensorboard --logdir $(or $(RESULTS),results) --port $(or $(PORT),6006)

dag: env  ## draw the rules and what they wait for: results/rules.svg with Graphviz, else results/rules.md (mermaid)
	@mkdir -p results; \
	if command -v dot >/dev/null; then \
	graph=$$($(BIN)/snakemake --rulegraph dot $(ARGS)) && \
	printf '%s\n' "$$graph" | dot -Tsvg -o results/rules.svg && echo "made results/rules.svg: open it in a browser"; \
	else graph=$$($(BIN)/snakemake --rulegraph mermaid-js $(ARGS)) && \
	printf '```mermaid\n%s\n```\n' "$$graph" >results/rules.md && \
	echo "made results/rules.md: GitHub and editors show it as a picture (for an SVG install Graphviz: apt-get install graphviz)"; fi

##@ Environment
# $(call environment,TARGET,GROUPS): `make TARGET` installs envs/requirements-GROUP.txt of each group in one pip call,
# once; again when one of these files, or the place of the clone, has changed. A new system is one line here.
define environment
.PHONY: $(1)
$(1): $(VENV)/.made-$(1)
$(VENV)/.made-$(1): $(foreach group,$(2),envs/requirements-$(group).txt) envs/constraints.txt envs/install.sh $(MOVED)
	@sh envs/install.sh $(2)
	@touch $$@
endef
# A venv that was moved with its clone, or lost its Python, is built anew.
MOVED := $(shell [ ! -d $(VENV) ] || { [ -x $(BIN)/python ] && \
	! grep '^command = ' $(VENV)/pyvenv.cfg | grep -vqF ' $(CURDIR)/$(VENV)'; } || echo moved)
.PHONY: moved
$(eval $(call environment,env,base clip4mc slurm))
$(eval $(call environment,env-clip4mc,base clip4mc))
$(eval $(call environment,env-speaker,base speaker weights))
$(eval $(call environment,env-pose,base pose weights))
$(eval $(call environment,env-cnclip,base cnclip weights))
$(eval $(call environment,env-fgclip,base fgclip))
$(eval $(call environment,env-search,base search weights))
$(eval $(call environment,env-dev,base clip4mc speaker pose cnclip fgclip search weights slurm dev))
$(eval $(call environment,env-all,base clip4mc speaker pose cnclip fgclip search weights slurm dev))
# env          what `make run` needs, in .venv; costs nothing once it is made
# env-clip4mc  the base and CLIP4MC alone
# env-speaker  the base and Speaker alone, with the weights of its demo
# env-pose     the base and Pose alone, with the text encoder of its demo
# env-cnclip   the base and Chinese CLIP alone, with the pictures of its demo
# env-fgclip   the base and video anomaly detection alone, with TensorBoard
# env-search   the base and the search alone, with the encoder of its demo
# env-dev      what `make check` and `make test` need
# env-all      every system

##@ Development
.PHONY: check fix bench gpu faults slurm-tests slurm-install chromium-install
check: env-dev  ## formats, lints, types and the import rule: seconds
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	@mkdir -p logs; $(BIN)/snakemake --lint >logs/lint.txt 2>&1 || echo "snakemake --lint has advice: logs/lint.txt"

fix: env-dev  ## mend what check finds, where a tool can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/snakefmt Snakefile rules

bench: env-dev  ## measure, and write docs/benchmarks.md
	$(BIN)/python -m tests.bench.run $(ARGS)

gpu: $(BIN)/python  ## check what only a GPU can show (POLYMILL_REQUIRE_GPU=1 fails without one)
	$(BIN)/python -m tests.gpu

faults: env-dev  ## kill, fill and damage everything, at length, and write docs/reliability.md
	@mkdir -p logs; rm -f logs/faults.jsonl; export POLYMILL_TALLY=$(CURDIR)/logs/faults.jsonl; set -x; \
	$(BIN)/pytest -m "slow or not slow" -n $(TEST_WORKERS) --dist worksteal tests/faults tests/integration/test_edits.py tests/integration/test_cnclip.py tests/integration/test_fgclip.py $(ARGS) || failed=1; \
	$(BIN)/pytest -m slow -n $(TEST_WORKERS) --dist worksteal tests/unit $(ARGS) || failed=1; \
	$(BIN)/python -m tests.faults.page logs/faults.jsonl && exit $${failed:-0}

slurm-tests: env-dev slurm-install  ## the tests on a one-node SLURM, the long ones too; writes docs/reliability.md
	@mkdir -p logs; rm -f logs/slurm.jsonl; export POLYMILL_TALLY=$(CURDIR)/logs/slurm.jsonl; set -x; \
	$(BIN)/pytest -m slurm $(ARGS) || failed=1; \
	$(BIN)/python -m tests.faults.page logs/slurm.jsonl && exit $${failed:-0}

slurm-install:  ## install SLURM for its tests (root on Debian; elsewhere they are skipped)
	@[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "SLURM is not installed: its tests are skipped"; exit 0; }; \
	mkdir -p logs; tests/slurm/install.sh >logs/slurm-install.log 2>&1 \
	|| echo "SLURM could not be installed (logs/slurm-install.log): its tests are skipped"

chromium-install:  ## install Chromium for the tests of pages (root on Debian; without one they are skipped)
	@mkdir -p logs; tests/install_chromium.sh >logs/chromium-install.log 2>&1 \
	|| echo "there is no Chromium, and it could not be installed (logs/chromium-install.log): the tests of pages are skipped"

##@ House
.PHONY: clean help
clean:  ## remove work and logs, never results
	@if ls .snakemake/locks/* >/dev/null 2>&1; then \
	echo "a run is going on, or was killed: stop it, or give its lock back with: snakemake --unlock"; exit 1; fi
	rm -rf work logs

help:  ## show this
	@awk -F ':.*## ' '/^##@ / {print "\n" substr($$0, 5)} \
	/^# env/ {name = $$1; sub(/^# /, "", name); sub(/ .*/, "", name); sub(/^# [a-z0-9-]+ +/, ""); printf "  make %-17s%s\n", name, $$0} \
	/^[a-z-]+:.*## / {sub(/:.*/, "", $$1); printf "  make %-17s%s\n", $$1, $$2}' $(MAKEFILE_LIST)
