# easel: `make demo` makes a picture, `make test` passes the tests, `make help` lists the rest.
SHELL := /bin/bash
BUILD ?= build/release
JOBS ?= $(shell nproc)
BIN = $(BUILD)/bin
# Debian's own Python, which has the Debian packages python3-numpy, -pytest and -websocket
PYTHON = /usr/bin/python3
CTEST = ctest --test-dir $(BUILD) --output-on-failure --no-tests=error

.PHONY: help demo serve build test test-slow sanitize sanitize-asan sanitize-tsan fuzz soak bench bench-peers packages deps deps-cuda build-tests ui-venv clean
.DEFAULT_GOAL := help

help:
	@echo "make demo      set everything up, start the server, make a picture under output/"
	@echo "make serve     the same server, kept up: http://127.0.0.1:8188"
	@echo "make build     build into $(BUILD)/ (first installs packages and fetches the pinned wheels)"
	@echo "make test      the tests, the browser's among them"
	@echo "make test-slow the parity tests with checkpoints of full size, and the long kill tests"
	@echo "make sanitize  ASan, UBSan and TSan on the rooms without torch"
	@echo "make fuzz      five minutes on each fuzz target (FUZZ_SECONDS=300)"
	@echo "make soak      kill -9 at each phase of a prompt's life, 10,000 times each (SOAK_KILLS=10000)"
	@echo "make bench     measure; figures go to bench/RESULTS.md"
	@echo "make bench-peers  beside OpenVINO, which it fetches into .deps/peers (5 GB)"

packages:
	@tools/setup/packages.sh

deps: packages
	@$(PYTHON) tools/setup/fetch.py

deps-cuda: deps
	@$(PYTHON) tools/setup/fetch.py --cuda

$(BUILD)/build.ninja: CMakeLists.txt CMakePresets.json
	@cmake --preset $(notdir $(BUILD)) > $(BUILD).configure.log 2>&1 || { mkdir -p build; cat $(BUILD).configure.log; \
	  echo "configuring failed: a missing Debian package is the usual cause; tools/setup/packages.txt lists them"; exit 1; }

build: deps
	@mkdir -p build
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	@ninja -C $(BUILD) -j$(JOBS) easel easel-worker

demo: build
	@$(PYTHON) tools/demo.py --bin $(BIN)

serve: build
	@$(BIN)/easel serve --extra-model-paths-config demo/extra_model_paths.yaml $(SERVE_FLAGS)

build-tests: build
	@ninja -C $(BUILD) -j$(JOBS)

test: build-tests ui-venv
	@$(CTEST) -L fast

test-slow: build-tests
	@$(CTEST) -L slow

ui-venv: .deps/ui/.stamp
.deps/ui/.stamp: tools/setup/ui-requirements.txt
	@$(PYTHON) -m venv --system-site-packages .deps/ui && .deps/ui/bin/pip install --quiet --require-hashes -r $< && touch $@

SANITIZED_asan = folders|graph|formats|media|text|wire|workflows|page|store|server
# libav's threads are not instrumented, and formats and text have none
SANITIZED_tsan = folders|graph|wire|page|store|server
sanitize: sanitize-asan sanitize-tsan
sanitize-asan sanitize-tsan: sanitize-%: packages
	@cmake --preset $* > /dev/null && ninja -C build/$* -j$(JOBS)
	@ctest --test-dir build/$* --output-on-failure --no-tests=error -R "^($(SANITIZED_$*))$$"

FUZZ_SECONDS ?= 300
fuzz: packages
	@CC=clang-16 CXX=clang++-16 cmake -S . -B build/fuzz -G Ninja -DEASEL_TORCH=OFF -DEASEL_FUZZ=ON \
	  -DEASEL_SANITIZE=address,undefined -DEASEL_FUZZ_SECONDS=$(FUZZ_SECONDS) > /dev/null
	@ninja -C build/fuzz -j$(JOBS) fuzz_targets
	@ctest --test-dir build/fuzz --output-on-failure --no-tests=error -L fuzz -j$(JOBS)

SOAK_KILLS ?= 10000
soak: build-tests
	@EASEL_BIN=$(abspath $(BIN)) $(PYTHON) tests/api/crash_driver.py --kills $(SOAK_KILLS)

bench: build-tests
	@$(PYTHON) bench/bench.py --bin $(BIN) --write

bench-peers: build-tests .deps/peers/.stamp
	@.deps/peers/bin/python bench/peers/compare.py --bin $(BIN) --write
.deps/peers/.stamp: bench/peers/requirements.txt
	@$(PYTHON) -m venv .deps/peers && .deps/peers/bin/pip install --quiet -r $< && touch $@

clean:
	@rm -rf build
