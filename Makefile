# SPDX-License-Identifier: Apache-2.0
# A short front door to meson; see README.md and CONTRIBUTING.md.
#   make          build            make check [SAN=1]   every test (installs what it needs)
#   make demo     the main job, shown on two local hosts
#   make bench    figures beside rivals and floors, into docs/performance.md
BUILD := $(if $(SAN),build-san,build)
comma := ,
# Instrumented code makes gcc warn of what is not there; the other build has -Werror.
SETUP := $(if $(SAN),-Db_sanitize=address$(comma)undefined -Db_lundef=false -Dwerror=false \
	--buildtype=debugoptimized,--buildtype=release -Db_ndebug=false)

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	tools/install-deps
	meson setup $(BUILD) $(SETUP)

# Without a test's tool the test is skipped and says so.
check:
	-@tools/install-deps
	@$(MAKE) --no-print-directory all
	@tests/run $(BUILD)

demo: all
	tools/demo $(BUILD)

bench: all
	-@tools/install-deps --bench
	bench/run $(BUILD) --doc

clean:
	rm -rf build build-san build-fuzz

.PHONY: all check demo bench clean
