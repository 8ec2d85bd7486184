# The extension, by PGXS: make, make install, make clean.  Everything else (make check, make demo ...) is a script and needs no pg_config,
# so that it works on a fresh machine.  The pure core alone is built by CMakeLists.txt.
TASKS := bootstrap check check-pg check-assert check-valgrind check-sanitize coverage demo bench fuzz soak floors format
ifneq (,$(filter $(TASKS),$(MAKECMDGOALS)))

.PHONY: $(TASKS)
export PG_CONFIG MAJOR ONLY TESTS ACCEPT SERVER_LINES KEEP CI MINUTES SEED FEATURE

check:
	@scripts/check
check-pg:
	@scripts/check-pg
demo:
	@demo/run
bench:
	@bench/run
fuzz:
	@scripts/fuzz
soak:
	@scripts/soak
bootstrap:
	@scripts/bootstrap
check-assert check-valgrind check-sanitize:
	@scripts/check-with $(@:check-%=%)
coverage:
	@scripts/check-with coverage
floors:
	@scripts/check-floors && scripts/check-documents
format:
	clang-format -i $(wildcard src/*.cpp src/*/*.cpp src/*/*.h test/unit/*.cpp)

else

MODULE_big = pg_tviews
EXTENSION = pg_tviews
EXTVERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" pg_tviews.control)
DATA_built = pg_tviews--$(EXTVERSION).sql
DATA = $(wildcard sql/pg_tviews--*.sql)

CORE_SOURCES := $(wildcard src/core/*.cpp)
SHELL_SOURCES := src/pg_tviews.cpp $(wildcard $(patsubst %,src/%/*.cpp,pg shmem catalog capture lineage refresh bgw sql))
OBJS := $(CORE_SOURCES:.cpp=.o) $(SHELL_SOURCES:.cpp=.o)
SHLIB_EXPORTS = exports.txt
EXTRA_CLEAN = $(wildcard src/*.d src/*/*.d src/*/*.o) $(wildcard pg_tviews--*.sql)

# Debian keeps several majors side by side; this one is tried first.
ifeq (,$(PG_CONFIG))
PG_CONFIG := $(firstword $(wildcard /usr/lib/postgresql/15/bin/pg_config) pg_config)
endif
PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq (,$(PGXS))
$(error $(PG_CONFIG) does not run: `make bootstrap` installs what is missing, or name another one by PG_CONFIG=...)
endif
ABSEIL := absl_flat_hash_map absl_flat_hash_set absl_hash absl_inlined_vector
override with_llvm = no
include $(PGXS)

# C++ sources through PGXS: its C flags do not apply, the C++ driver links.
WARNINGS = -Wall -Wextra -Werror=return-type -Wno-unused-parameter -Wno-missing-field-initializers -Wno-register -Wno-sign-compare $(if $(CI),-Werror)
override CXXFLAGS := -O2 -g -std=c++17 -fPIC -fno-strict-aliasing -fwrapv -fvisibility=hidden $(WARNINGS) -MMD -MP $(COPT)
override CPPFLAGS := -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server) $(filter-out -I%,$(CPPFLAGS)) $(shell pkg-config --cflags $(ABSEIL))
override COMPILER = $(CXX) $(CXXFLAGS)
SHLIB_LINK += $(shell pkg-config --libs $(ABSEIL)) -lstdc++

# `override`: without it the addition to an overridden variable is ignored.
$(SHELL_SOURCES:.cpp=.o): override CXXFLAGS += -fno-exceptions
%.o: %.cpp
	$(CXX) $(CXXFLAGS) $(CPPFLAGS) -c -o $@ $<

pg_tviews--$(EXTVERSION).sql: sql/pg_tviews.sql pg_tviews.control
	cp $< $@

-include $(OBJS:.o=.d)

endif
