# make demo and make test each do all of their own set-up in .venv, and work again when run again.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
DEMO   := runs/demo
STUDY  := runs/study
TEN    := runs/ten
WORLDS := runs/worlds
ANATOMIES ?= ../shared/data/hubmap_vh
CASES  ?= 100
SEED   ?= 1
# Debian packages of the tools that some tests compare with; those tests are skipped where one is missing.
TEST_TOOLS := dicom3tools dcmtk plastimatch orthanc orthanc-dicomweb chromium poppler-utils strace
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)

PAGE   := tmtv_tf/review/page

.PHONY: help page model demo test test-base test-lowest coverage lint docs review-ten sbom format test-tools test-docker study-small clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo         phantom DICOM -> SUV -> V-Net -> lesions -> TMTV -> report (about ten minutes on 2 fast cores; CASES=12: three)'
	@echo 'make test         all tests'
	@echo 'make test-base    the tests of petct and postprocess on an install without TensorFlow'
	@echo 'make test-lowest  the same with the lowest versions that setup.cfg allows'
	@echo 'make coverage     all tests, and which lines they run'
	@echo 'make study-small  nine models, five folds, on 60 phantoms at reduced size (under 90 minutes on 2 cores)'
	@echo 'make lint         ruff, mypy, and which package may import which'
	@echo 'make docs         the documentation as a site, warnings are errors: docs/_build/html/index.html'
	@echo 'make page         the page of tmtv review: $(PAGE)/ -> tmtv_tf/review/static/ (npm, or that of PyPI)'
	@echo 'make review-ten   ten phantoms through tmtv run, then signed on the page by mouse and by keyboard: $(TEN)/pictures/'
	@echo 'make sbom         the bill of materials of constraints.txt (CycloneDX): docs/sbom.cdx.json'
	@echo 'make model        the packaged networks from seeds; ANATOMIES=folder of the label maps (hours)'
	@echo 'make test-tools   install the Debian tools that some tests use (asks for sudo unless you are root)'
	@echo 'make test-docker  build the image of the post-processing without a Docker engine, and try it (root, Debian)'
	@echo 'make clean        remove $(VENV) and runs/'

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Python 3.11 or newer is needed: make PYTHON=python3.12 demo'; exit 2; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing: apt-get install python3-venv"; exit 2; }
	$(PYTHON) -m venv $(VENV)

# Nothing else needs npm or its registry, so without them make demo and make test go on, without the page.
tmtv_tf/review/static/app.js: $(shell find $(PAGE) -path $(PAGE)/node_modules -prune -o -type f -print) | $(VENV)/bin/pip
	sh $(PAGE)/build.sh $(BIN)

page: tmtv_tf/review/static/app.js

$(VENV)/.runtime: setup.cfg constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cpu,review]'
	@$(MAKE) --no-print-directory page || echo 'The page of tmtv review could not be built; the rest works. Try again: make page'
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cpu,cluster,codecs,pacs,docs,review,dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps mirp==2.7.0 platipy==0.7.2  # see setup.cfg, dev
	@touch $@

demo: $(VENV)/.runtime
	@rm -rf $(DEMO)
	@BIN=$(BIN) OUT=$(DEMO) CASES=$(CASES) SEED=$(SEED) WORKERS=$(WORKERS) bash demo.sh

# The study of Liu et al. on phantoms; every step goes on where an earlier run was stopped.
study-small: $(VENV)/.runtime
	[ -f $(STUDY)/phantom/cohort.csv ] || \
	  $(BIN)/tmtv phantom $(STUDY)/phantom --cases 60 --seed $(SEED) --voxel-mm 5 --workers $(WORKERS)
	$(BIN)/tmtv prepare $(STUDY)/phantom/dicom --out $(STUDY)/cases --clinical $(STUDY)/phantom/cohort.csv \
	  --no-model-grid --workers $(WORKERS)
	$(BIN)/python -m training.cross_validate --config training/configs/study_small.yaml --data $(STUDY)/cases \
	  --out $(STUDY)/result --phantom $(STUDY)/phantom
	@echo 'Look at: $(STUDY)/result/report/index.html'

# The packaged networks: samples of all worlds, then six parts of training; each goes on where it was stopped.
model: $(VENV)/.runtime
	$(BIN)/python -m benchmarks.worlds pool $(WORLDS)/pool --anatomies $(ANATOMIES) --count 100 --seed 1
	$(BIN)/python -m training.train_worlds --config worlds_coarse.yaml --pool $(WORLDS)/pool --out $(WORLDS)/coarse
	$(BIN)/python -m training.train_worlds --config worlds_fine.yaml --pool $(WORLDS)/pool --out $(WORLDS)/fine \
	  --initial-weights $(WORLDS)/coarse/last.keras
	$(BIN)/python -m training.train_worlds --config worlds_whole.yaml --pool $(WORLDS)/pool --out $(WORLDS)/whole \
	  --initial-weights $(WORLDS)/fine/last.keras
	$(BIN)/python -m training.train_worlds --config worlds_long.yaml --pool $(WORLDS)/pool --out $(WORLDS)/long \
	  --initial-weights $(WORLDS)/whole/last.keras
	$(BIN)/python -m training.package_model $(WORLDS)/whole/last.keras $(WORLDS)/long/last.keras --midpoint 0.35 --out $(WORLDS)/mean
	$(BIN)/python -m training.train_worlds --config worlds_masses.yaml --pool $(WORLDS)/pool --out $(WORLDS)/masses \
	  --initial-weights $(WORLDS)/mean/synthetic-petct.keras
	$(BIN)/python -m training.train_worlds --config worlds_mimics.yaml --pool $(WORLDS)/pool --out $(WORLDS)/mimics \
	  --initial-weights $(WORLDS)/masses/last.keras
	$(BIN)/python -m training.package_model $(WORLDS)/mimics/last.keras --midpoint 0.3 --certain 0.6

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

# An install without extras, as a user of the post-processing has it; and the same with the lowest versions allowed.
$(VENV)-base/.installed: setup.cfg constraints.txt
	$(PYTHON) -m venv $(VENV)-base
	$(VENV)-base/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e . pytest pytest-xdist hypothesis
	@touch $@

$(VENV)-lowest/.installed: setup.cfg
	$(PYTHON) -m venv $(VENV)-lowest
	sed -n '/^install_requires/,/^\[/s/^ *\([A-Za-z_0-9-]*\)>=/\1==/p' setup.cfg > $(VENV)-lowest/constraints.txt
	$(VENV)-lowest/bin/pip install --quiet --disable-pip-version-check -c $(VENV)-lowest/constraints.txt -e . \
	  pytest pytest-xdist hypothesis
	@touch $@

test-base test-lowest: test-%: $(VENV)-%/.installed
	$(VENV)-$*/bin/python -m pytest -n $(WORKERS) -m 'not slow' tests/petct tests/postprocess $(PYTEST_ARGS)

# What a reader does to ten examinations, in chromium; the tests do it to two.
review-ten: $(VENV)/.dev
	[ -f $(TEN)/phantom/cohort.csv ] || $(BIN)/tmtv phantom $(TEN)/phantom --cases 10 --seed $(SEED) --workers $(WORKERS)
	$(BIN)/tmtv run $(TEN)/phantom/dicom --out $(TEN)/results
	@mkdir -p $(TEN)/pictures
	TMTV_REVIEW_RESULTS=$(TEN)/results TMTV_REVIEW_PICTURES=$(TEN)/pictures \
	  $(BIN)/python -m pytest tests/tmtv_tf/review/test_page_signed.py

coverage: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(WORKERS) --cov=petct --cov=postprocess --cov=tmtv_tf --cov=training \
	  --cov-report=term:skip-covered $(PYTEST_ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.dev
	@rm -rf docs/reference/generated  # pages of names that are gone
	$(BIN)/python -m sphinx -b html -W --keep-going -q docs docs/_build/html

# The bill of materials of the constraints.
sbom: $(VENV)/.dev
	$(BIN)/cyclonedx-py requirements --output-reproducible -o docs/sbom.cdx.json constraints.txt

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-tools:
	$(if $(filter-out 0,$(shell id -u)),sudo )apt-get update -q
	$(if $(filter-out 0,$(shell id -u)),sudo )apt-get install -q -y --no-install-recommends $(TEST_TOOLS)

test-docker:
	bash tests/docker/build_without_engine.sh

clean:
	rm -rf $(VENV) $(VENV)-base $(VENV)-lowest runs
