# TwinSight: the everyday commands. `make` alone lists them.
#
# Nothing here needs root. What set-up downloads and builds stays in .venv, install and .twinsight
# of this checkout, and in ~/.cache/twinsight; for root, whom PostgreSQL refuses, what others cannot
# reach there is in /var/lib/twinsight.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup build servers stop demo test lint clean

# Recipes run in this folder, and relative paths stand a checkout whose path holds blanks.
BARE := tools/bare
INSIDE := tools/env

# Each package is a root of its own for mypy, or their setup.py files would meet under one name.
blank := $(subst ,, )
MYPY_ROOTS := tools:$(subst $(blank),:,$(wildcard src/*))

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

setup:  ## get ROS 2 and what else is missing, and build the workspace
	@$(BARE) set_up

build:  ## build the workspace, also when nothing changed
	@$(BARE) set_up --no-servers --rebuild

servers:  ## start ReductStore, PostgreSQL and Redis on this machine and print their URLs
	@$(BARE) servers start

stop:  ## end the servers that `make servers` started
	@$(BARE) servers stop

demo:  ## record, store and replay a robot; BAG=path takes a bag instead of the simulation
	@$(BARE) set_up
	@$(INSIDE) .venv/bin/python tools/demo.py $(if $(BAG),--bag '$(BAG)')

test:  ## run all tests; ARGS='-k name' goes to pytest
	@$(BARE) set_up --dev
	@# Those of the packages mostly wait, so they run two files at a time; those of the tools change
	@# what a checkout has only one of. pytest's 5 is "no test was selected", which is right in one of
	@# the two runs where ARGS selects.
	@run() { $(INSIDE) .venv/bin/python -m pytest "$$@" $(ARGS); }; \
	  run -n 2 --dist loadfile src; packages=$$?; \
	  run tools; tools=$$?; \
	  case $$packages$$tools in \
	    00|05|50) ;; \
	    55) echo "make test: ARGS selects no test: $$ARGS" >&2; exit 1 ;; \
	    *) exit 1 ;; \
	  esac

lint:  ## ruff and mypy over all Python sources
	@$(BARE) set_up --dev --no-servers
	@$(INSIDE) .venv/bin/python -m ruff check .
	@MYPYPATH='$(MYPY_ROOTS)' $(INSIDE) .venv/bin/python -m mypy \
	  --explicit-package-bases --exclude '(^|/)setup\.py' src tools bench

clean: stop  ## end the servers, remove what was built; .venv and recorded data stay
	rm -rf build install log .twinsight/underlay .twinsight/build src/*/*/*.so
