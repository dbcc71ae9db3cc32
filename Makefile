# Weir: build, test, measure.  `make help` lists the targets.
#
#   O=DIR        where the build goes (default build); several can live side by side
#   SAN=asan     build with ASan and UBSan into build-asan (SAN=tsan: TSan into build-tsan)
#   T=word       with `make test`: only the test binaries and .test files whose path has the word
SHELL := /bin/bash
SAN   ?=
O     ?= build$(if $(SAN),-$(SAN))
CC    := gcc
PKGS  := libevent_core libevent_pthreads rdkafka libprotobuf-c yaml-0.1 libpcre2-8 openssl

VERSION := 0.1.0

WARN  := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla \
         -Wno-missing-field-initializers -Wno-unused-parameter -Werror
ARCH  ?= -march=x86-64-v2
OPT   := -O2 -g -fno-omit-frame-pointer
HARD  := -fstack-protector-strong -fPIC
SANFLAGS :=
ifeq ($(SAN),asan)
OPT   := -O1 -g -fno-omit-frame-pointer
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -DWR_MALLOC_SYSTEM -DWR_DEBUG
endif
ifeq ($(SAN),tsan)
OPT   := -O1 -g -fno-omit-frame-pointer
SANFLAGS := -fsanitize=thread -DWR_MALLOC_SYSTEM -DWR_DEBUG
endif
CPPFLAGS += -D_GNU_SOURCE -DWEIR_VERSION='"$(VERSION)"' -Iinclude -Isrc -Itests $(PKG_CFLAGS)
CFLAGS   += -std=c11 $(ARCH) $(OPT) $(WARN) $(HARD) $(SANFLAGS)
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
LDLIBS   := $(PKG_LIBS) -lpg_query -lmsgpackc -lutf8proc -lpthread -lm -ldl
ifeq ($(SANFLAGS),)
LDLIBS   += -ljemalloc
endif
LDFLAGS  += $(SANFLAGS) -rdynamic
ifeq ($(SAN),tsan)
# Stands before glibc's threads of C11 in every program.
SAN_OBJ  := $(O)/obj/tools/sanitize/threads.o
LDLIBS   := $(SAN_OBJ) $(LDLIBS)
endif

LIB_SRC  := $(wildcard $(addprefix src/,$(addsuffix /*.c,base data config monitor expr state format \
              checkpoint cache catalog operator connector runtime plan sql engine)))
BIN_SRC  := $(wildcard src/cli/*.c src/server/*.c)
SUP_SRC  := $(wildcard tests/support/*.c)
TEST_SRC := $(wildcard tests/unit/*/*_test.c)
obj       = $(patsubst %.c,$(O)/obj/%.o,$(1))
LIB_OBJ  := $(call obj,$(LIB_SRC))
BIN_OBJ  := $(call obj,$(BIN_SRC))
SUP_OBJ  := $(call obj,$(SUP_SRC))
TEST_BIN := $(patsubst tests/unit/%.c,$(O)/test/%,$(TEST_SRC))

.PHONY: all
all: $(O)/weir $(O)/libweir.a $(O)/libweir.so

# V=1 shows the commands whole.
Q := $(if $(V),,@)
say = @$(if $(V),:,echo "  $(1) $@")
.SECONDARY:

$(O)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(EXTRA_$(subst /,_,$(basename $<))) -MMD -MP -c -o $@ $<

# Kernels that the vectoriser must see at its best.
EXTRA_src_expr_kernel_arith   := -O3
EXTRA_src_expr_kernel_compare := -O3
EXTRA_src_state_group_find    := -O3
EXTRA_src_state_row_keys      := -O3
EXTRA_src_expr_agg_basic       := -fno-tree-slp-vectorize
EXTRA_tools_bench_state_limit := -O3
EXTRA_tools_bench_state_join_limit := -O3

$(O)/libweir.a: $(LIB_OBJ) | $(SAN_OBJ)
	@rm -f $@
	$(call say,LD)
	$(Q)ar rcs $@ $^
$(O)/libweir.so: $(LIB_OBJ) tools/libweir.map
	$(call say,LD)
	$(Q)$(CC) -shared -Wl,--version-script=tools/libweir.map -o $@ $(LIB_OBJ) $(SANFLAGS) $(LDLIBS)
$(O)/weir: $(BIN_OBJ) $(O)/libweir.a
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(BIN_OBJ) $(O)/libweir.a $(LDLIBS)

# A test binary: its own file, the support library, the engine.
$(O)/test/%: $(O)/obj/tests/unit/%.o $(SUP_OBJ) $(O)/libweir.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(SUP_OBJ) $(O)/libweir.a $(LDLIBS) -lcmocka
# Those of server/ bring the server, which the library does not hold, and an engine of their own.
SERVER_OBJ := $(call obj,$(wildcard src/server/*.c) tests/unit/server/rig.c tests/support/certs.c)
$(filter $(O)/test/server/%,$(TEST_BIN)): $(O)/test/server/%: $(O)/obj/tests/unit/server/%.o $(SERVER_OBJ) $(O)/libweir.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(SERVER_OBJ) $(O)/libweir.a $(LDLIBS) -lcmocka

TEST_O := $(O)/test

# Fuzz targets with a main() of their own: corpora and seeded mutations, part of the tests.
FUZZ_BIN := $(patsubst tests/fuzz/%.c,$(O)/fuzz/%,$(filter-out tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c)))
$(O)/fuzz/%: $(O)/obj/tests/fuzz/%.o $(O)/obj/tests/fuzz/replay.o $(SUP_OBJ) $(call obj,$(wildcard src/server/*.c)) $(O)/libweir.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka
# The same under libFuzzer: tools/fuzz says with which compiler and flags.
$(O)/hunt/%: $(O)/obj/tests/fuzz/%.o $(SUP_OBJ) $(call obj,$(wildcard src/server/*.c)) $(O)/libweir.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS) -lcmocka
# The simulation: the store's calls of the system go to its own disk.
SIM_CALLS := open openat close read write fstat ftruncate fdatasync fsync posix_fallocate renameat unlinkat mkdir flock \
             fdopendir readdir rewinddir closedir faccessat
$(O)/sim: $(call obj,$(wildcard tests/sim/*.c)) $(O)/libweir.a
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) $(SIM_CALLS:%=-Wl,--wrap=%) -o $@ $^ $(LDLIBS)
# The same with a bug of tests/sim/planted in it: tools/sim_planted has written the files that change.
PLANTED := $(patsubst %.c,%.o,$(wildcard $(O)/planted/$(B)/*.c))
$(O)/planted/%.o: $(O)/planted/%.c
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -w -c -o $@ $<
.PHONY: plant
plant: $(PLANTED) $(O)/sim
	$(Q)$(CC) $(LDFLAGS) $(SIM_CALLS:%=-Wl,--wrap=%) -o $(O)/planted/$(B)/sim $(PLANTED) \
	  $(filter-out $(patsubst tests_sim_%.o,$(O)/obj/tests/sim/%.o,$(notdir $(PLANTED))),$(call obj,$(wildcard tests/sim/*.c))) \
	  $(O)/libweir.a $(LDLIBS)
.PHONY: replay
replay: $(FUZZ_BIN)
	@tools/run_replay $(O)

# Weir with every allocation and system call of its own files going through tools/faults/hook.c.
FAULT_WRAPS := $(shell sed -n '/define FILE_KINDS/,/^typedef enum kind/{s/X(name)//;s/X(\([a-z0-9_]*\))/\n=\1\n/g;p}' tools/faults/hook.c | sed -n 's/^=/--wrap=/p')
comma := ,
FAULT_LINK = $(LDFLAGS) $(addprefix -Wl$(comma),$(FAULT_WRAPS))
$(O)/faults/weir: $(BIN_OBJ) $(O)/obj/tools/faults/hook.o $(O)/libweir.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(FAULT_LINK) -o $@ $(BIN_OBJ) $(O)/obj/tools/faults/hook.o $(O)/libweir.a $(LDLIBS)
$(O)/faults/embed: $(O)/obj/tools/faults/embed.o $(O)/obj/tools/faults/hook.o $(O)/libweir.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(FAULT_LINK) -o $@ $^ $(LDLIBS)

.PHONY: docs
docs: $(O)/weir ## write docs/sql-functions.md anew from the registries
	@tools/gen_sql_reference $(O)/weir

.PHONY: unit sqltest pipetest test check demo deps tidy format bench fuzz asan tsan install help clean \
        test-kafka conformance recovery valgrind oracle property tpch docs bench-formats sim
unit-built: $(if $(T),$(foreach b,$(TEST_BIN),$(if $(findstring $(T),$(b)),$(b))),$(TEST_BIN))
.PHONY: unit-built
unit: unit-built
	@tools/run_unit $(O) "$(T)"

# Statements with expected rows, errors, or a second statement that must agree.
sqltest: $(O)/weir
	@tools/run_sql $(O)/weir "$(T)"

# What EXPLAIN says of the pipelines in tests/plan; U=1 writes it down anew.
plantest: $(O)/weir ## EXPLAIN of tests/plan is what stands there; U=1 writes it anew
	@tools/run_plans $(O)/weir $(if $(U),--update) "$(T)"
.PHONY: plantest

# The pipelines shown in pipelines/ and docs/ are tests themselves.
pipetest: $(O)/weir
	@tools/run_pipelines $(O)/weir

bad: $(O)/weir ## the named bad inputs of tests/bad: what is said of each; U=1 writes it anew
	@tools/run_bad $(O)/weir $(if $(U),--update) "$(T)"
.PHONY: bad

test: ## install what is missing, build, run the unit, SQL and pipeline tests
	@tools/deps test
	@$(MAKE) --no-print-directory -j2 all tests-built
	@$(MAKE) --no-print-directory suite
.PHONY: suite tests-built
tests-built: $(TEST_BIN) $(FUZZ_BIN)
suite:
	@tools/suite $(O) "$(T)"

check: ## all of it: no warnings, tidy, the suite under ASan and UBSan, recovery
	@tools/deps test
	@$(MAKE) --no-print-directory -j2 all
	@$(MAKE) --no-print-directory tidy
	@$(MAKE) --no-print-directory json-differential N=100000
	@$(MAKE) --no-print-directory -j2 SAN=asan all tests-built
	@$(MAKE) --no-print-directory SAN=asan suite
	@$(MAKE) --no-print-directory recovery
	@$(MAKE) --no-print-directory faults-sample

recovery: $(O)/weir ## kill -9 at random instants over files, windows, joins and changes: nothing lost, nothing late that was not: N=2000
	@tools/kill_loop $(O)/weir $(or $(N),40)

soak: $(O)/weir $(O)/soak_feeder ## an hour under load with a fault each minute: memory, descriptors, threads, answers: MINUTES=60 ARGS="--load 70" ARGS="--kill 5"
	@tools/soak/run.py $(O) $(or $(MINUTES),60) $(ARGS)
.PHONY: soak

$(O)/soak_feeder: $(O)/obj/tools/soak/feeder.o | $(SAN_OBJ)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(SAN_OBJ) -lrdkafka

faults: $(O)/faults/weir $(O)/faults/embed ## every allocation and system call of ours fails, in 47 scenarios: ARGS="--only again --sites"
	@python3 tools/faults/run.py $(O) $(ARGS)

kill-points: $(O)/faults/weir $(O)/faults/embed ## kill -9 at every write, sync, rename and open of a checkpoint: ARGS="--step 10"
	@python3 tools/faults/kill_points.py $(O) $(ARGS)

# A part of both that a change can wait for.
faults-sample: $(O)/faults/weir $(O)/faults/embed
	@python3 tools/faults/run.py $(O) --sample 250 --seconds 40 --seed $(or $(SEED),1) --only query,explain,check,bad,once,again
	@python3 tools/faults/kill_points.py $(O) --only once --step 12
.PHONY: faults faults-sample kill-points

oracle: $(O)/weir ## every bounded SQL test, and every function on generated values, against PostgreSQL
	@tools/oracle
	@tools/oracle_functions $(O)/weir $(if $(SEED),--seed $(SEED))

property: $(O)/weir ## random queries against a naive evaluator and PostgreSQL: N=2000 FIRST=1
	@tools/property $(O)/weir $(or $(N),2000) $(if $(FIRST),--first $(FIRST))

tpch: $(O)/weir ## the 22 queries of TPC-H against PostgreSQL, bounded and continuous
	@tools/test_tpch $(O)/weir $(or $(SCALE),0.01)

sim: $(O)/sim ## random pipelines in a simulated world that fails, byte for byte the same each time: N=2000 FIRST=1 J=2
	@tools/sim_planted $(O) --check
	@$(O)/sim -q -F tests/sim/seeds
	@$(O)/sim -q -F tests/sim/found
	@$(O)/sim -q -n $(or $(N),2000) -f $(or $(FIRST),1) -j $(or $(J),2)

sim-planted: $(O)/sim ## plant each bug of tests/sim/planted: the simulation must see it; U=1 keeps the seeds: T=name N=20000
	@tools/sim_planted $(O) $(if $(U),--seeds tests/sim/seeds) -n $(or $(N),20000) $(T)
.PHONY: sim-planted

test-kafka: $(O)/weir ## a real Apache Kafka from Maven Central: end to end, and kills
	@tools/test_kafka $(O)/weir $(or $(N),10)

conformance: $(O)/weir ## cases from public suites: CASES=dir
	@tools/conformance $(O)/weir "$(CASES)"

tsan: ## the suite, kills and a short soak under ThreadSanitizer: T=word for a part of it
	@tools/deps test
	@$(MAKE) --no-print-directory -j2 SAN=tsan all $(if $(T),,tests-built) build-tsan/soak_feeder
	@$(if $(T),$(MAKE) --no-print-directory -j2 SAN=tsan T=$(T) unit-built)
	@tools/run_tsan build-tsan "$(T)"

coverage: ## lines that the whole suite runs, by folder; below 90 % of the core fails: ARGS="--files state/" T=word for a part of the suite
	@tools/deps test
	@find build-cover -name '*.gcda' -delete 2>/dev/null || true
	@$(MAKE) --no-print-directory -j2 O=build-cover SANFLAGS="--coverage -DWR_MALLOC_SYSTEM" OPT="-O0 -g" WARN=-w all tests-built
	-@$(MAKE) --no-print-directory O=build-cover T="$(T)" suite
	@tools/coverage build-cover $(ARGS)
.PHONY: coverage

valgrind: ## the suite under memcheck, built with the system's malloc: T=word for a part of it
	@tools/deps dev
	@$(MAKE) --no-print-directory -j2 O=build-valgrind SANFLAGS=-DWR_MALLOC_SYSTEM build-valgrind/weir
	@$(MAKE) --no-print-directory -j2 O=build-valgrind SANFLAGS=-DWR_MALLOC_SYSTEM T=$(if $(findstring unit,$(T)),,$(T)) unit-built
	@tools/run_valgrind build-valgrind "$(T)"

demo: ## install what is missing, build, run a live pipeline through the practice Kafka
	@tools/deps build
	@$(MAKE) --no-print-directory -s -j2 $(O)/weir
	@$(O)/weir run --dev-kafka --show top_auctions pipelines/demo_feed.yaml pipelines/demo.yaml

deps: ## install what the build and the tests need
	@tools/deps test

bench: $(O)/bench $(O)/bench_sockets $(O)/weir ## records per CPU-second, by query and by way in: make bench ARGS="--query q5"
	@$(O)/bench $(ARGS)
	@tools/bench/kafka $(O)/weir $(ARGS)
	@$(O)/bench_sockets $(O)/weir $(ARGS)
	@tools/bench/many $(O)/weir $(ARGS)
$(O)/bench: $(O)/obj/tools/bench/bench.o $(O)/libweir.a
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(O)/libweir.a $(LDLIBS)

$(O)/bench_sockets: $(patsubst %,$(O)/obj/tools/bench/%.o,sockets sockets_in sockets_out sockets_latency json_limit) $(O)/libweir.a
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

bench-state: $(O)/bench_state ## rows per CPU-second of groups, windows and joins, beside bare loops: make bench-state T="group 1M"
	@$(O)/bench_state "$(T)"
$(O)/bench_state: $(patsubst %,$(O)/obj/tools/bench/%.o,state state_host state_join state_limit state_join_limit) $(O)/libweir.a
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

bench-formats: $(O)/bench_json ## rows per CPU-second of the decoders and encoders, beside a loop made for one schema
	@$(O)/bench_json
$(O)/bench_json: $(patsubst %,$(O)/obj/tools/bench/%.o,json json_limit msgpack_limit msgpack_loop) $(O)/libweir.a
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

json-differential: ## the JSON decoder against yajl on made and damaged documents: N=1000000 SEED=1
	@tools/deps test
	@$(MAKE) --no-print-directory -s $(O)/json_differential
	@$(O)/json_differential $(or $(N),1000000) $(or $(SEED),1)
$(O)/json_differential: $(O)/obj/tests/differential/json.o $(SUP_OBJ) $(O)/libweir.a
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka -lyajl
.PHONY: json-differential

fuzz: ## fuzz one decoder: make fuzz T=json TIME=60
	@tools/deps dev
	@tools/fuzz "$(T)" "$(or $(TIME),60)"

tidy: $(O)/libweir.a ## the house rules a machine can check
	@tools/tidy $(O)

format: ## clang-format over everything
	@tools/deps dev
	@clang-format -i $$(git ls-files '*.c' '*.h')

install: all ## into $(DESTDIR)$(PREFIX)
	install -D -m 755 $(O)/weir $(DESTDIR)$(PREFIX)/bin/weir
	install -D -m 644 $(O)/libweir.a $(DESTDIR)$(PREFIX)/lib/libweir.a
	install -D -m 755 $(O)/libweir.so $(DESTDIR)$(PREFIX)/lib/libweir.so
	install -d $(DESTDIR)$(PREFIX)/include/weir
	install -m 644 include/weir/*.h $(DESTDIR)$(PREFIX)/include/weir/
	install -d $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 docs/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
PREFIX ?= /usr/local

clean: ## remove what was built
	rm -rf build build-asan build-tsan build-cover

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

-include $(shell find $(O)/obj -name '*.d' 2>/dev/null)
