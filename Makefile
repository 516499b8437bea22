# authtape: `make demo` and `make check` set up what they need by themselves. V=1 shows the commands.
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

VERSION := $(shell sed -n 's/^\#define AT_VERSION "\(.*\)"/\1/p' formats/formats.h)
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/authtape
SHIMDIR ?= $(PREFIX)/share/authtape/shim
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
UNITDIR ?= $(PREFIX)/lib/systemd/system
BASH_COMPLETIONS ?= $(PREFIX)/share/bash-completion/completions
ZSH_COMPLETIONS ?= $(PREFIX)/share/zsh/site-functions
FISH_COMPLETIONS ?= $(PREFIX)/share/fish/vendor_completions.d
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
# What a compiler can, it does; asked once, when something is built.
can = $(shell echo 'int main(void) { return 0; }' | $(CC) -O2 -Werror $(1) -x c -include stdio.h -S -o /dev/null - 2>/dev/null && \
	echo '$(1)')
HARDEN_ASKED = $(eval HARDEN_ASKED := $(call can,-fstack-clash-protection) $(call can,-fcf-protection) \
	$(or $(call can,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2))$(HARDEN_ASKED)
HARDEN ?= -fPIE -fstack-protector-strong $(HARDEN_ASKED)
# The same bytes wherever they are built: no names of folders in them.
SAME := -ffile-prefix-map=$(CURDIR)=. -ffile-prefix-map=$(BUILD)/=build/
CORE_PKGS := libpcap zlib libcjson
pkg = $(shell $(PKG_CONFIG) $(1) $(2) 2>/dev/null)
# Asked once, and only when something is built: before `make deps` there may be nobody to ask.
CORE_CFLAGS = $(eval CORE_CFLAGS := $(call pkg,--cflags,$(CORE_PKGS)))$(CORE_CFLAGS)
CORE_LIBS = $(eval CORE_LIBS := $(call pkg,--libs,$(CORE_PKGS)))$(CORE_LIBS)
# -isystem: warnings are about our code, not about the libraries' headers.
AT_CPPFLAGS = -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(patsubst -I%,-isystem %,$(CORE_CFLAGS)) $(CPPFLAGS)
AT_CFLAGS = -std=c11 $(OPT) $(WARN) $(HARDEN) $(SAME) $(SAN) $(CFLAGS)
AT_LDFLAGS = $(SAN) -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code,--as-needed $(LDFLAGS)
LIBS = $(CORE_LIBS) -lm -pthread
# SQLite is optional: without it, `authtape export --sqlite` says so.
ifneq ($(shell $(PKG_CONFIG) --exists sqlite3 2>/dev/null && echo yes),)
AT_CPPFLAGS += -DAT_SQLITE
LIBS += -lsqlite3
endif
# Likewise libmicrohttpd, for `authtape record --listen`, and nettle for the handshake of its WebSockets.
ifneq ($(shell $(PKG_CONFIG) --exists libmicrohttpd nettle 2>/dev/null && echo yes),)
AT_CPPFLAGS += -DAT_MICROHTTPD
LIBS += $(call pkg,--libs,libmicrohttpd nettle)
endif

# Nettle alone makes pseudonyms, for `--redact`.
ifneq ($(shell $(PKG_CONFIG) --exists nettle 2>/dev/null && echo yes),)
AT_CPPFLAGS += -DAT_NETTLE
LIBS += $(call pkg,--libs,nettle)
endif

# And libseccomp, for the sandbox: without it, --sandbox=require says so.
ifneq ($(shell $(PKG_CONFIG) --exists libseccomp 2>/dev/null && echo yes),)
AT_CPPFLAGS += -DAT_SECCOMP $(patsubst -I%,-isystem %,$(call pkg,--cflags,libseccomp))
LIBS += $(call pkg,--libs,libseccomp)
endif

# So is libwebsockets, for `authtape redrive`.
ifneq ($(shell $(PKG_CONFIG) --exists libwebsockets 2>/dev/null && echo yes),)
AT_CPPFLAGS += -DAT_WEBSOCKETS $(patsubst -I%,-isystem %,$(call pkg,--cflags,libwebsockets))
LIBS += -lwebsockets
endif

# And libcurl with liblz4, for `authtape export --clickhouse` and `import --clickhouse`.
ifneq ($(shell $(PKG_CONFIG) --exists libcurl liblz4 2>/dev/null && echo yes),)
AT_CPPFLAGS += -DAT_CLICKHOUSE
LIBS += $(call pkg,--libs,libcurl liblz4)
endif

# ---- What there is

FOLDERS := formats tracer replay analysis
LIB_SRCS := $(sort $(wildcard $(addsuffix /*.c,$(FOLDERS))))
GEN_SRCS := $(BUILD)/gen/profiles.c $(BUILD)/gen/dialects.c $(BUILD)/gen/page.c
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
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) $(PROGRAM)
	$(Q)$(if $(filter build,$(BUILD)),ln -sf $(PROGRAM) authtape)

.PHONY: need-packages
need-packages:
	@$(PKG_CONFIG) --exists $(CORE_PKGS) 2>/dev/null || { \
	    echo "authtape needs the development files of libpcap, zlib and cJSON: run 'make deps'" >&2; exit 1; }

$(PROGRAM): $(BUILD)/obj/authtape.o $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(AT_CFLAGS) $(AT_LDFLAGS) -o $@ $^ $(LIBS)

$(LIB): $(LIB_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcsD $@ $^

# Changes when the compiler or its flags do: then all is compiled again.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D) && echo '$(CC) $(AT_CPPFLAGS) $(AT_CFLAGS)' | cmp -s - $@ || \
	    echo '$(CC) $(AT_CPPFLAGS) $(AT_CFLAGS)' >$@
.PHONY: FORCE
FORCE:

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(AT_CPPFLAGS) $(AT_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/gen/%.o: $(BUILD)/gen/%.c $(BUILD)/flags
	$(Q)$(CC) $(AT_CPPFLAGS) $(AT_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/gen/profiles.c: formats/embed.sh $(wildcard formats/profiles/*.json)
	$(Q)mkdir -p $(@D) && formats/embed.sh at_profile_blobs $(sort $(filter %.json,$^)) >$@

$(BUILD)/gen/dialects.c: formats/embed.sh $(wildcard tracer/dialects/*.json)
	$(Q)mkdir -p $(@D) && formats/embed.sh at_dialect_blobs $(sort $(filter %.json,$^)) >$@

$(BUILD)/gen/page.c: formats/embed.sh $(wildcard analysis/page/*)
	$(Q)mkdir -p $(@D) && formats/embed.sh at_page_blobs $(sort $(filter analysis/%,$^)) >$@

# ---- The library: formats and the checker of replay, behind library/authtape.h

SONAME := libauthtape.so.0
SHARED_LIB := $(BUILD)/libauthtape.so.$(VERSION)
STATIC_LIB := $(BUILD)/libauthtape.a
LIBRARY_SRCS := library/library.c $(filter-out $(addprefix formats/,cmd_% cli% copy.c select.c shares.c sandbox.c \
	landlock.c seccomp.c warn.c redact.c) $(addprefix replay/,cmd_% print% redrive% part% where.c),$(filter formats/% replay/%,$(LIB_SRCS)))
LIBRARY_OBJS := $(LIBRARY_SRCS:%.c=$(BUILD)/pic/%.o) $(BUILD)/pic/profiles.o
PIC_CFLAGS = $(filter-out -fPIE,$(AT_CFLAGS)) -fPIC -fvisibility=hidden

.PHONY: library
library: need-packages
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) $(SHARED_LIB) $(STATIC_LIB)

$(BUILD)/pic/%.o: %.c $(BUILD)/flags
	$(call say,CC,$< \(library\))
	$(Q)mkdir -p $(@D) && $(CC) $(AT_CPPFLAGS) $(PIC_CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/pic/profiles.o: $(BUILD)/gen/profiles.c $(BUILD)/flags
	$(Q)mkdir -p $(@D) && $(CC) $(AT_CPPFLAGS) $(PIC_CFLAGS) -MMD -MP -c -o $@ $<

$(SHARED_LIB): $(LIBRARY_OBJS) library/libauthtape.map
	$(call say,LINK,$@)
	$(Q)$(CC) $(PIC_CFLAGS) $(filter-out -pie,$(AT_LDFLAGS)) -shared -Wl,-soname,$(SONAME),-z,defs \
	    -Wl,--version-script,library/libauthtape.map -o $@ $(LIBRARY_OBJS) $(call pkg,--libs,zlib libcjson) -lm -pthread
	$(Q)ln -sf $(@F) $(BUILD)/$(SONAME) && ln -sf $(SONAME) $(BUILD)/libauthtape.so

$(STATIC_LIB): $(LIBRARY_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcsD $@ $^

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

# The brute-force checker and the histories it is compared on (tests/exhaustive). None of authtape's code is in them.
EXHAUSTIVE_DIR := tests/exhaustive
EXHAUSTIVE_COMMON := $(addprefix $(EXHAUSTIVE_DIR)/,machine.c set.c names.c json.c ndjson_read.c ndjson_write.c notation.c)
EXHAUSTIVE_BINS := $(addprefix $(BUILD)/exhaustive/,brute gen compare judge)
$(BUILD)/exhaustive/brute: $(EXHAUSTIVE_DIR)/brute.c $(EXHAUSTIVE_COMMON)
$(BUILD)/exhaustive/compare: $(EXHAUSTIVE_DIR)/compare.c $(EXHAUSTIVE_COMMON)
$(BUILD)/exhaustive/judge: $(EXHAUSTIVE_DIR)/judge.c $(EXHAUSTIVE_COMMON)
$(BUILD)/exhaustive/gen: $(addprefix $(EXHAUSTIVE_DIR)/,gen.c actions.c enumerate.c random.c) $(EXHAUSTIVE_COMMON)
$(EXHAUSTIVE_BINS): $(wildcard $(EXHAUSTIVE_DIR)/*.h)
	$(call say,TOOL,$@)
	$(Q)mkdir -p $(@D) && $(CC) -D_GNU_SOURCE $(AT_CFLAGS) $(AT_LDFLAGS) -o $@ $(filter %.c,$^)

.PHONY: exhaustive exhaustive-programs
exhaustive-programs: $(EXHAUSTIVE_BINS)
# Everything; up to two hours. `make check` compares a sample.
exhaustive: all exhaustive-programs
	@$(BUILD)/exhaustive/brute --cases <$(EXHAUSTIVE_DIR)/cases.txt
	@EXHAUSTIVE_BIN=$(BUILD)/exhaustive AUTHTAPE=$(PROGRAM) FOLDER=$(BUILD)/exhaustive/results \
	    bash $(EXHAUSTIVE_DIR)/compare.sh all

.PHONY: asan
asan:
	$(Q)$(MAKE) --no-print-directory BUILD=build/asan OPT='-O1 -g' HARDEN= \
	    SAN='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer' \
	    build/asan/authtape unit tools

# Sets up what it needs, builds everything it needs (gcc, clang, sanitizers, fuzzers) and runs every test.
# CHECK names the suites (folders of tests/) to run: make check CHECK="cli unit".
.PHONY: check
check:
	@.ci/deps core
	@.ci/deps all || echo "some tests will be skipped"
	@tests/check.sh $(CHECK)

# And what takes longer: thread sanitizer, clang-tidy, valgrind, coverage, Debian packages. About an hour.
.PHONY: check-full
check-full: check
	@tests/full.sh $(FULL)

# The main job on a capture of a real client, with all the set-up that it takes.
.PHONY: demo
demo:
	@.ci/deps core
	@$(MAKE) --no-print-directory all
	@tests/demo.sh

.PHONY: bench
bench: all
	@for b in tests/bench/*.sh; do [ ! -e $$b ] || $$b || exit 1; done

# ---- The user's machine

# Installs what building and testing need, or prints the command that does. Never asks.
.PHONY: deps
deps:
	@.ci/deps all && echo "everything that building and testing need is there"

MAN1 = $(wildcard authtape.1 $(addsuffix /*.1,$(FOLDERS)))
MAN3 = $(wildcard library/*.3)
MAN5 = $(wildcard $(addsuffix /*.5,$(FOLDERS)))
MAN7 = $(wildcard *.7 tracer/shim/*.7)
SHIM = $(filter-out %.7,$(wildcard tracer/shim/*))
UNIT := docs/systemd/authtape-record@.service
DOCS := README.md README.zh-CN.md NEWS.md LICENSE library/example.c

.PHONY: completions
completions: $(addprefix $(BUILD)/completions/,authtape _authtape authtape.fish)
$(BUILD)/completions/authtape: SHELL_NAME := bash
$(BUILD)/completions/_authtape: SHELL_NAME := zsh
$(BUILD)/completions/authtape.fish: SHELL_NAME := fish
$(addprefix $(BUILD)/completions/,authtape _authtape authtape.fish): $(PROGRAM)
	$(Q)mkdir -p $(@D) && $(PROGRAM) --completions $(SHELL_NAME) >$@

# Installs files into a folder: $(call put,MODE,FILES,FOLDER).
put = install -d $(DESTDIR)$(3) && install -m $(1) $(2) $(DESTDIR)$(3)

.PHONY: install uninstall
install: all library
	@$(MAKE) --no-print-directory completions
	$(call put,755,$(PROGRAM),$(BINDIR))
	$(call put,644,$(SHARED_LIB),$(LIBDIR))
	ln -sf $(notdir $(SHARED_LIB)) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libauthtape.so
	$(call put,644,$(STATIC_LIB),$(LIBDIR))
	$(call put,644,library/authtape.h,$(INCLUDEDIR))
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(UNITDIR)
	sed 's#@PREFIX@#$(PREFIX)#; s#@LIBDIR@#$(LIBDIR)#; s#@INCLUDEDIR@#$(INCLUDEDIR)#; s#@VERSION@#$(VERSION)#' \
	    library/libauthtape.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/libauthtape.pc
	sed 's#/usr/bin/authtape#$(BINDIR)/authtape#' $(UNIT) >$(DESTDIR)$(UNITDIR)/$(notdir $(UNIT))
	$(call put,644,$(MAN1),$(MANDIR)/man1)
	$(call put,644,$(MAN3),$(MANDIR)/man3)
	$(call put,644,$(MAN5),$(MANDIR)/man5)
	$(call put,644,$(MAN7),$(MANDIR)/man7)
	$(call put,644,$(SHIM),$(SHIMDIR))
	$(call put,644,$(DOCS),$(DOCDIR))
	$(call put,644,$(BUILD)/completions/authtape,$(BASH_COMPLETIONS))
	$(call put,644,$(BUILD)/completions/_authtape,$(ZSH_COMPLETIONS))
	$(call put,644,$(BUILD)/completions/authtape.fish,$(FISH_COMPLETIONS))

# Files, and those folders that are authtape's own.
uninstall:
	cd $(DESTDIR)/ && rm -f $(patsubst /%,%,$(BINDIR)/authtape $(addprefix $(LIBDIR)/,$(notdir $(SHARED_LIB) $(STATIC_LIB)) \
	    $(SONAME) libauthtape.so pkgconfig/libauthtape.pc) $(INCLUDEDIR)/authtape.h $(UNITDIR)/$(notdir $(UNIT)) \
	    $(foreach n,1 3 5 7,$(addprefix $(MANDIR)/man$(n)/,$(notdir $(MAN$(n))))) $(addprefix $(SHIMDIR)/,$(notdir $(SHIM))) \
	    $(addprefix $(DOCDIR)/,$(notdir $(DOCS))) $(BASH_COMPLETIONS)/authtape $(ZSH_COMPLETIONS)/_authtape \
	    $(FISH_COMPLETIONS)/authtape.fish)
	-rmdir $(DESTDIR)$(DOCDIR) $(DESTDIR)$(SHIMDIR) $(DESTDIR)$(PREFIX)/share/authtape 2>/dev/null

# What is committed, as build/authtape-VERSION.tar.gz; the same commit gives the same bytes.
.PHONY: dist
dist:
	$(Q)mkdir -p build
	$(Q)git archive --format=tar --prefix=authtape-$(VERSION)/ HEAD | gzip -n -9 >build/authtape-$(VERSION).tar.gz
	@echo build/authtape-$(VERSION).tar.gz

# Debian packages of what is committed, in build/deb.
.PHONY: deb
deb:
	$(Q)rm -rf build/deb && mkdir -p build/deb
	$(Q)git archive --format=tar --prefix=authtape-$(VERSION)/ HEAD | tar -C build/deb -x
	$(Q)cd build/deb/authtape-$(VERSION) && env -u MAKEFLAGS -u MAKELEVEL dpkg-buildpackage -b -us -uc
	@ls build/deb/*.deb

.PHONY: clean
clean:
	rm -rf build authtape

-include $(shell find $(addprefix $(BUILD)/,obj gen pic unit tools) $(wildcard $(BUILD)/fuzz_*.d) -name '*.d' 2>/dev/null)
