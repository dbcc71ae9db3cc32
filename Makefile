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

$(O)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(EXTRA_$(subst /,_,$(basename $<))) -MMD -MP -c -o $@ $<

# Kernels that the vectoriser must see at its best.
EXTRA_src_expr_kernel_arith   := -O3
EXTRA_src_expr_kernel_compare := -O3

$(O)/libweir.a: $(LIB_OBJ)
	@rm -f $@
	ar rcs $@ $^
$(O)/libweir.so: $(LIB_OBJ) tools/libweir.map
	$(CC) -shared -Wl,--version-script=tools/libweir.map -o $@ $(LIB_OBJ) $(SANFLAGS) $(LDLIBS)
$(O)/weir: $(BIN_OBJ) $(O)/libweir.a
	$(CC) $(LDFLAGS) -o $@ $(BIN_OBJ) $(O)/libweir.a $(LDLIBS)

# A test binary: its own file, the support library, the engine.
$(O)/test/%: $(O)/obj/tests/unit/%.o $(SUP_OBJ) $(O)/libweir.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $< $(SUP_OBJ) $(O)/libweir.a $(LDLIBS) -lcmocka

.PHONY: unit
unit: $(TEST_BIN)
	@tools/run_unit $(O) "$(T)"

-include $(shell find $(O)/obj -name '*.d' 2>/dev/null)
