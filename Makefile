# authtape: `make demo` and `make check` set up what they need by themselves. V=1 shows the commands.
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

VERSION := $(shell sed -n 's/^\#define AT_VERSION "\(.*\)"/\1/p' formats/formats.h)
PREFIX ?= /usr/local
BUILD ?= build
CC ?= cc
ifeq ($(origin CC),default)
CC := gcc
endif
PKG_CONFIG ?= pkg-config
Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-5s %s\n' $(1) $(2))

# ---- Flags

OPT ?= -O2 -g
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wpointer-arith -Wcast-align -Wcast-qual -Wwrite-strings -Wundef -Wformat=2 -Wvla \
	-Wswitch-enum -Wnull-dereference -Wdouble-promotion $(WERROR)
HARDEN ?= -fstack-protector-strong -fPIE
CORE_PKGS := libpcap zlib libcjson
pkg = $(shell $(PKG_CONFIG) $(1) $(2) 2>/dev/null)
# -isystem: warnings are about our code, not about the libraries' headers.
AT_CPPFLAGS = -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(patsubst -I%,-isystem %,$(call pkg,--cflags,$(CORE_PKGS))) $(CPPFLAGS)
AT_CFLAGS = -std=c11 $(OPT) $(WARN) $(HARDEN) $(SAN) $(CFLAGS)
AT_LDFLAGS = $(SAN) -pie -Wl,-z,relro,-z,now $(LDFLAGS)
LIBS = $(call pkg,--libs,$(CORE_PKGS)) -lm

# ---- What there is

FOLDERS := formats tracer replay analysis
LIB_SRCS := $(wildcard $(addsuffix /*.c,$(FOLDERS)))
GEN_SRCS := $(BUILD)/gen/profiles.c $(BUILD)/gen/dialects.c
LIB_OBJS := $(LIB_SRCS:%.c=$(BUILD)/obj/%.o) $(GEN_SRCS:%.c=%.o)
LIB := $(BUILD)/libauthtape-all.a
PROGRAM := $(BUILD)/authtape
UNIT_SRCS := $(wildcard tests/unit/test_*.c)
UNIT_BINS := $(UNIT_SRCS:tests/unit/%.c=$(BUILD)/unit/%)
FUZZ_SRCS := $(wildcard tests/fuzz/fuzz_*.c)
TOOL_SRCS := $(wildcard tests/tools/*.c)
TOOL_BINS := $(TOOL_SRCS:tests/tools/%.c=$(BUILD)/tools/%)

.PHONY: all
all: need-packages
	$(Q)$(MAKE) --no-print-directory $(PROGRAM)
	$(Q)ln -sf $(PROGRAM) authtape

.PHONY: need-packages
need-packages:
	@$(PKG_CONFIG) --exists $(CORE_PKGS) 2>/dev/null || { \
	    echo "authtape needs the development files of libpcap, zlib and cJSON: run 'make deps'" >&2; exit 1; }

$(PROGRAM): $(BUILD)/obj/authtape.o $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(AT_CFLAGS) $(AT_LDFLAGS) -o $@ $^ $(LIBS)

$(LIB): $(LIB_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/obj/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(AT_CPPFLAGS) $(AT_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	$(Q)$(CC) $(AT_CPPFLAGS) $(AT_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/gen/profiles.c: formats/embed.sh $(wildcard formats/profiles/*.json)
	$(Q)mkdir -p $(@D) && formats/embed.sh at_profile_blobs $(sort $(filter %.json,$^)) >$@

$(BUILD)/gen/dialects.c: formats/embed.sh $(wildcard tracer/dialects/*.json)
	$(Q)mkdir -p $(@D) && formats/embed.sh at_dialect_blobs $(sort $(filter %.json,$^)) >$@

# ---- Tests

.PHONY: unit tools
unit: $(UNIT_BINS)
tools: $(TOOL_BINS)

$(BUILD)/unit/%: tests/unit/%.c $(LIB)
	$(call say,TEST,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(AT_CPPFLAGS) -Itests/unit $(AT_CFLAGS) -MMD -MP $(AT_LDFLAGS) -o $@ $< $(LIB) \
	    $(call pkg,--libs,cmocka) $(LIBS)

$(BUILD)/tools/%: tests/tools/%.c $(LIB)
	$(call say,TOOL,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(AT_CPPFLAGS) $(AT_CFLAGS) -MMD -MP $(AT_LDFLAGS) -o $@ $< $(LIB) $(LIBS)

# libFuzzer harnesses (clang): tests/fuzz/fuzz_NAME.c, seeds in tests/fuzz/seeds/NAME.
FUZZ_BUILD := build/fuzz
FUZZ_BINS := $(FUZZ_SRCS:tests/fuzz/%.c=$(FUZZ_BUILD)/%)
.PHONY: fuzz fuzz-bins
fuzz:
	$(Q)$(MAKE) --no-print-directory BUILD=$(FUZZ_BUILD) CC=clang OPT='-O1 -g' HARDEN= \
	    SAN='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer' fuzz-bins
fuzz-bins: $(FUZZ_BINS)
$(FUZZ_BUILD)/fuzz_%: tests/fuzz/fuzz_%.c $(LIB)
	$(call say,FUZZ,$<)
	$(Q)$(CC) $(AT_CPPFLAGS) $(AT_CFLAGS) -fsanitize=fuzzer $(SAN) -MMD -MP -o $@ $< $(LIB) $(LIBS)

.PHONY: asan
asan:
	$(Q)$(MAKE) --no-print-directory BUILD=build/asan OPT='-O1 -g' HARDEN= \
	    SAN='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer' \
	    build/asan/authtape unit tools

.PHONY: clean
clean:
	rm -rf build authtape

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
