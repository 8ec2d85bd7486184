# The extension, by PGXS.  `make`, `make install`, `make check`, `make demo`; the pure core alone is built by CMakeLists.txt.
MODULE_big = pg_tviews
EXTENSION = pg_tviews
EXTVERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" pg_tviews.control)
DATA_built = pg_tviews--$(EXTVERSION).sql

CORE_SOURCES := $(wildcard src/core/*.cpp)
SHELL_SOURCES := src/pg_tviews.cpp $(wildcard src/pg/*.cpp src/shmem/*.cpp src/catalog/*.cpp src/capture/*.cpp src/lineage/*.cpp src/refresh/*.cpp src/bgw/*.cpp src/sql/*.cpp)
OBJS := $(CORE_SOURCES:.cpp=.o) $(SHELL_SOURCES:.cpp=.o)
SHLIB_EXPORTS = exports.txt

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
ABSEIL := absl_flat_hash_map absl_flat_hash_set absl_hash absl_inlined_vector
override with_llvm = no
include $(PGXS)

# C++ sources through PGXS: its C flags do not apply, the C++ driver links.
WARNINGS = -Wall -Wextra -Werror=return-type -Wno-unused-parameter -Wno-missing-field-initializers -Wno-register -Wno-sign-compare $(if $(CI),-Werror)
override CXXFLAGS := -O2 -g -std=c++17 -fPIC -fno-strict-aliasing -fwrapv -fvisibility=hidden $(WARNINGS) -MMD -MP $(COPT)
override CPPFLAGS := -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server) $(filter-out -I%,$(CPPFLAGS)) $(shell pkg-config --cflags $(ABSEIL))
override COMPILER = $(CXX) $(CXXFLAGS)
SHLIB_LINK += $(shell pkg-config --libs $(ABSEIL)) -lstdc++

$(SHELL_SOURCES:.cpp=.o): CXXFLAGS += -fno-exceptions
%.o: %.cpp
	$(CXX) $(CXXFLAGS) $(CPPFLAGS) -c -o $@ $<

pg_tviews--$(EXTVERSION).sql: sql/pg_tviews.sql
	cp $< $@

-include $(OBJS:.o=.d)
