# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
#
# Names for what a person does with the tree; the work is done by meson and by
# the programs in scripts/.

BUILD ?= build
PREFIX ?= /usr/local

# Debian's meson and pytest run with Debian's python3, not with another one
# that comes first in the caller's PATH.
export PATH := /usr/bin:/bin:$(PATH)

.PHONY: all build demo demo-vm test test-long bench bench-pmd bench-guest docs install clean format help

all: build

help:
	@echo 'make demo       build, then show a guest whose NIC is a port of testpmd'
	@echo 'make demo-vm    build, then show the demo device to a QEMU guest'
	@echo 'make build      build into $(BUILD)'
	@echo 'make test       build and run all tests'
	@echo 'make test-long  the same with the full counts and durations'
	@echo 'make bench      run the benchmarks'
	@echo 'make bench-pmd   packet rates of the drivers, against vhost-user'
	@echo 'make bench-guest a guest whose NIC is a port, against vhost-user'
	@echo 'make docs       build the guides and the API reference into $(BUILD)/doc'
	@echo 'make install    install below PREFIX=$(PREFIX) (DESTDIR is honoured)'
	@echo 'make format     format the C lines changed since the last commit'
	@echo 'make clean      remove what was built'

build:
	@test -f $(BUILD)/build.ninja || { \
		scripts/fetch-driver-sdk.sh >/dev/null || echo 'the drivers are left out' >&2; \
		meson setup --prefix $(PREFIX) $(BUILD); }
	@meson compile -C $(BUILD)

demo:
	@scripts/install-deps.sh nic
	@$(MAKE) --no-print-directory build
	@scripts/demo.sh $(BUILD)

demo-vm:
	@scripts/install-deps.sh vm
	@$(MAKE) --no-print-directory build
	@scripts/demo-vm.sh $(BUILD)

test:
	@scripts/install-deps.sh test
	@scripts/fetch-driver-sdk.sh >/dev/null
	@scripts/run-tests.sh

test-long:
	@scripts/install-deps.sh test
	@scripts/fetch-driver-sdk.sh >/dev/null
	@scripts/run-tests.sh --long

bench:
	@scripts/install-deps.sh demo
	@$(MAKE) --no-print-directory build
	@benchmarks/run.py --build $(BUILD)

# Packet rates of the two drivers, and a guest's NIC, against vhost-user.
bench-pmd bench-guest: bench-%:
	@scripts/install-deps.sh nic
	@$(MAKE) --no-print-directory build
	@/usr/bin/python3 benchmarks/$*.py --build $(BUILD)

docs:
	@scripts/install-deps.sh docs
	@scripts/build-docs.sh $(BUILD)/doc

install:
	@scripts/install-deps.sh demo
	@$(MAKE) --no-print-directory build
	@meson configure --prefix $(PREFIX) $(BUILD)
	@meson install -C $(BUILD)

format:
	@scripts/install-deps.sh format
	@git clang-format --extensions c,h HEAD

clean:
	rm -rf $(BUILD) build-asan build-clang build-tsan
