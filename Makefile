# Every target does its own set-up. Variables pass through, for example:
#   make reproduce-table1 DATASET=cifar10 DATA=~/data SEEDS=0,1,2 BUDGET=real_kimg=100
CARGO ?= cargo
GANBENCH = target/release/ganbench

DATASET ?=
DATA ?=
METHODS ?=
SEEDS ?=
BUDGET ?=
BATCH ?=
WIDTH ?=
ARCHITECTURE ?=
EXTRACTOR ?=
WEIGHTS ?=
N_FAKE ?=
DEVICE ?=
THREADS ?=
OUT ?=
FEATURES ?=
# Of `make bench`: the folder of the other framework's train_step.py, what runs it, how often.
PEER ?= ../shared/peer
PEER_PYTHON ?= python3
ROUNDS ?= 5

REASON ?=
# Of `make kept`: an experiment of reports/experiments, and which of its parts. Of `make reproduce`: a table.
NAME ?=
PARTS ?=
comma := ,
flag = $(if $(2),--$(1) $(2))
MACHINE = $(call flag,data,$(DATA)) $(call flag,weights,$(WEIGHTS)) $(call flag,device,$(DEVICE)) \
          $(call flag,threads,$(THREADS))
TABLE = $(call flag,dataset,$(DATASET)) $(call flag,methods,$(METHODS)) $(call flag,seeds,$(SEEDS)) \
        $(call flag,budget,$(BUDGET)) $(call flag,batch,$(BATCH)) $(call flag,width,$(WIDTH)) \
        $(call flag,architecture,$(ARCHITECTURE)) $(call flag,extractor,$(EXTRACTOR)) \
        $(call flag,n-fake,$(N_FAKE)) $(call flag,out,$(OUT)) $(MACHINE)

ALONE = $(call flag,batch,$(BATCH)) $(call flag,threads,$(THREADS))
PEERED = --python "$(PEER_PYTHON)" $(ALONE) $(call flag,out,$(OUT))
COMPARISON = --rounds $(ROUNDS) $(PEERED)

.PHONY: help build reproduce reproduce-table1 bench bench-eval test test-slow fuzz drift drift-update kept lint book check-cuda deny valgrind clean

help:
	@echo "make reproduce-table1   train five methods under one budget, measure them, print the table"
	@echo "make reproduce NAME=kdd-table2 BUDGET=smoke   the same for any of the papers' tables"
	@echo "make bench              time a training step, single ops and evaluation, beside PyTorch where it is there"
	@echo "make bench-eval         of these evaluation alone: Inception, FID, KID, precision to coverage"
	@echo "make test               all tests"
	@echo "make test-slow          plant faults and show that the guard against drift goes red, and stays green without (minutes)"
	@echo "make fuzz FACTOR=10    ten times as many damaged files through every reader as in make test; prints the counts"
	@echo "make drift              say whether numbers moved since reports/drift/baseline.parquet (under 3 minutes)"
	@echo "make drift-update       make today's numbers the baseline: REASON=\"why they moved\""
	@echo "make kept NAME=table1   work on a kept experiment, go on where it stopped, write the verdicts"
	@echo "make lint               formatting, clippy, the documentation of the crates, and whether they can be packaged"
	@echo "make book               the guide as a book, target/book/index.html"
	@echo "make check-cuda         compile (not link) with the cuda feature, GPU or not; fetches NVIDIA's compiler"
	@echo "make deny               licences, sources, duplicates and advisories of all crates, with cargo-deny (install it first)"
	@echo "make valgrind           the kernels' tests under valgrind (install it first)"
	@echo "make build              the program, $(GANBENCH)"

# The commit goes into every result row.
build: export GANBENCH_COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
build:
	$(CARGO) build --release --workspace $(if $(FEATURES),--features $(FEATURES))

reproduce-table1: build
	$(GANBENCH) reproduce table1 $(TABLE)

# Any of `ganbench list tables`: make reproduce NAME=kdd-table2 BUDGET=smoke
reproduce: build
	@test -n "$(NAME)" || { echo "make reproduce needs NAME, one of:" >&2; $(GANBENCH) list tables >&2; exit 64; }
	$(GANBENCH) reproduce $(NAME) $(TABLE)

kept: build
	@test -n "$(NAME)" || { echo "make kept needs NAME, one of:" $(basename $(notdir $(wildcard reports/experiments/*.toml))) >&2; exit 64; }
	$(GANBENCH) experiment reports/experiments/$(NAME).toml $(call flag,parts,$(PARTS)) $(MACHINE) \
	  --page reports/kept/README.md --page docs/src/verdicts.md

bench: build
	@if [ -f "$(PEER)/train_step.py" ] && "$(PEER_PYTHON)" -c 'import torch' 2>/dev/null; then \
	  $(GANBENCH) bench compare --peer-script "$(PEER)/train_step.py" $(COMPARISON) \
	    $(call flag,width,$(WIDTH)) && \
	  $(GANBENCH) bench compare --ops --peer-script reports/peer/ops.py $(COMPARISON); \
	else \
	  echo "no $(PEER)/train_step.py, or $(PEER_PYTHON) has no torch: timing ganbench alone" >&2; \
	  $(GANBENCH) bench train-step $(call flag,width,$(WIDTH)) $(ALONE) && $(GANBENCH) bench ops $(ALONE); \
	fi
	@$(MAKE) --no-print-directory bench-eval

# About ten minutes: Inception, FID, KID, precision to coverage beside torch-fidelity, pytorch-fid and prdc.
bench-eval: build
	@if "$(PEER_PYTHON)" -c 'import torch_fidelity, pytorch_fid, prdc' 2>/dev/null; then \
	  $(GANBENCH) bench compare --eval --peer-script reports/peer/eval.py --rounds 2 $(PEERED); \
	else \
	  echo "$(PEER_PYTHON) has no torch_fidelity, pytorch_fid or prdc: timing ganbench alone" >&2; \
	  $(GANBENCH) bench eval; \
	fi

test: export GANBENCH_COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
test:
	$(CARGO) test --release --workspace

# Damaged files through every reader, FACTOR times as many as in `make test`; prints the counts.
FACTOR ?= 10
fuzz: export GANBENCH_COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
fuzz:
	@mkdir -p target
	GANBENCH_FUZZ_FACTOR=$(FACTOR) $(CARGO) test --release --workspace -- damaged --nocapture > target/fuzz.log 2>&1 \
	  || { tail -60 target/fuzz.log >&2; exit 1; }
	@grep -o 'fuzz: .*' target/fuzz.log

test-slow:
	$(CARGO) test --release --workspace -- --ignored planted --test-threads=1

# The extractor is pinned: the numbers are held against those that its older version measured.
# Two seeds are held against the baseline's five. Nothing of an earlier build may be taken for this one's.
DRIFT = target/drift
DRIFT_BASELINE = reports/drift/baseline.parquet
define measure_drift
	rm -rf $(DRIFT)
	$(GANBENCH) drift probe --out $(DRIFT)/probe.parquet $(call flag,data,$(DATA)) $(call flag,threads,$(THREADS)) --quiet
	$(GANBENCH) reproduce drift $(1) --no-anchors --out $(DRIFT) $(MACHINE) --quiet > $(DRIFT)/shapes.txt
	data="$(or $(DATA),$$GANBENCH_DATA)"; if [ -d "$$data/cifar10" ]; then \
	  $(GANBENCH) reproduce drift $(1) --no-anchors --dataset cifar10 --extractor small-cifar10:17381cf3 --out $(DRIFT) $(MACHINE) --quiet > $(DRIFT)/cifar10.txt; fi
endef

drift: build
	$(call measure_drift,--seeds 0$(comma)1)
	$(GANBENCH) drift check --baseline $(DRIFT_BASELINE) --candidate $(DRIFT) --markdown $(DRIFT)/drift.md

drift-update: build
	@[ -n "$(REASON)" ] || { echo 'make drift-update needs REASON="why the numbers moved"' >&2; exit 64; }
	$(call measure_drift)
	$(GANBENCH) drift accept --baseline $(DRIFT_BASELINE) --candidate $(DRIFT) --reason "$(REASON)"

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --workspace --no-deps
	$(CARGO) package --workspace --no-verify --allow-dirty --quiet

# The guide as a book, target/book. mdBook is built from source on the first call.
MDBOOK = target/tools/bin/mdbook
$(MDBOOK):
	$(CARGO) install mdbook --version 0.5.4 --locked --no-default-features --root target/tools --quiet

book: $(MDBOOK)
	$(MDBOOK) build docs --dest-dir ../target/book

# Advisories come from the network: behind a closed one, cargo deny check bans licenses sources.
deny:
	$(CARGO) deny --workspace check

# valgrind knows no AVX-512: the AVX2 and portable paths run.
valgrind:
	GANBENCH_SIMD=avx2 CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="valgrind -q --error-exitcode=9" \
	  $(CARGO) test --release -p ganbench-nn --lib -- kernels:: --skip second_order --test-threads=1

# NVIDIA's compiler comes from PyPI, into a virtual environment of the build folder; no GPU and no driver.
CUDA_VENV = target/cuda-build
CUDA_PACKAGES = "nvidia-cuda-nvcc<13.1" "nvidia-nvvm<13.1" "nvidia-cuda-runtime<13.1" "nvidia-cuda-crt<13.1" \
                nvidia-cuda-cccl nvidia-curand

$(CUDA_VENV)/done:
	python3 -m venv $(CUDA_VENV)
	$(CUDA_VENV)/bin/pip install --quiet $(CUDA_PACKAGES)
	touch $@

check-cuda: $(CUDA_VENV)/done
	home=$$(echo "$(CURDIR)"/$(CUDA_VENV)/lib/python3*/site-packages/nvidia/cu13) && \
	CUDA_HOME="$$home" CUDA_PATH="$$home" PATH="$$home/bin:$$PATH" CUDA_COMPUTE_CAP=90 \
	  $(CARGO) check --release --workspace --features cuda --target-dir target/cuda-check

clean:
	$(CARGO) clean
