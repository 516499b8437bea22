#!/bin/bash
# What `make install` puts where, used as its users do: the library by programs, the completions by shells.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
work_folder
root=$WORK/root
quiet_make() { $MAKE --no-print-directory -s -j"$JOBS" CC=gcc BUILD=build/check WERROR=-Werror PREFIX="$root" "$@"; }

installs() {
    quiet_make install && "$root/bin/authtape" --version && [ -f "$root/share/man/man1/authtape-record.1" ] &&
        [ -f "$root/share/man/man3/authtape.3" ] && [ -f "$root/share/man/man7/authtape.7" ] &&
        [ -f "$root/share/authtape/shim/authtape.js" ] && grep -q "ExecStart=$root/bin/authtape" "$root"/lib/systemd/system/*.service
}
check "make install" installs
PATH=$root/bin:$PATH

# ---- The library

export PKG_CONFIG_PATH=$root/lib/pkgconfig
"$AUTHTAPE" record -q -r tests/wire/still_fails.pcap --app query:appid --user query:openid -w "$WORK/bad.tape"
"$AUTHTAPE" record -q -r tests/wire/clean_deflate.pcap --app query:appid --user query:openid -w "$WORK/good.tape"
flags=(-std=c11 -Wall -Wextra -Wpedantic -Werror)
exports() { # nothing but what the header says, and all of it
    diff <(nm -D --defined-only "$root/lib/libauthtape.so" | sed -n 's/.* T \([a-z_]*\).*/\1/p' | sort -u) \
        <(grep -o 'authtape_[a-z_]*(' library/authtape.h | tr -d '(' | grep -v _fn | sort -u) &&
        objdump -p "$root/lib/libauthtape.so" | grep -q 'SONAME.*libauthtape.so.0$'
}
check "the library exports what its header has, and no more" exports
runs() { # PROGRAM: finds what authtape replay finds, and keeps the events of that user
    local expected status
    expected=$("$AUTHTAPE" replay "$WORK/bad.tape" | grep -c '(R[0-9]*):')
    "$1" "$WORK/kept.tape" "$WORK/bad.tape" >"$WORK/said"
    status=$?
    cat "$WORK/said"
    [ $status = 1 ] && [ "$(wc -l <"$WORK/said")" = "$expected" ] && cmp <("$AUTHTAPE" cat "$WORK/kept.tape") <("$AUTHTAPE" cat "$WORK/bad.tape") &&
        "$AUTHTAPE" verify "$WORK/kept.tape" && "$1" "$WORK/kept.tape" "$WORK/good.tape" && [ "$("$AUTHTAPE" cat "$WORK/kept.tape" | wc -l)" = 0 ]
}
shared() {
    # shellcheck disable=SC2046 # words
    gcc "${flags[@]}" library/example.c $(pkg-config --cflags --libs libauthtape) -o "$WORK/shared" &&
        LD_LIBRARY_PATH=$root/lib runs "$WORK/shared"
}
check "the example, with the shared library" shared
static() {
    # shellcheck disable=SC2046
    gcc "${flags[@]}" library/example.c $(pkg-config --cflags libauthtape) "$root/lib/libauthtape.a" \
        $(pkg-config --libs zlib libcjson) -lm -pthread -o "$WORK/static" && runs "$WORK/static"
}
check "the example, with the static library" static
cplusplus() { echo '#include <authtape.h>' | g++ -x c++ -Wall -Wextra -Wpedantic -Werror -fsyntax-only "-I$root/include" -; }
if command -v g++ >/dev/null; then
    check "the header, in C++" cplusplus
else
    skip "the header, in C++" "g++ is not installed"
fi
sanitized() {
    gcc -g -fsanitize=address,undefined -fno-sanitize-recover=all -I. -isystem /usr/include/cjson -D_GNU_SOURCE \
        -o "$WORK/api" tests/install/api.c library/library.c build/asan/libauthtape-all.a $(pkg-config --libs libpcap zlib libcjson) \
        $(for p in sqlite3 libmicrohttpd nettle libseccomp; do pkg-config --libs $p 2>/dev/null; done) -lm -pthread &&
        "$WORK/api" "$WORK/bad.tape" "$WORK"
}
if [ -f build/asan/libauthtape-all.a ]; then
    check "every function, with sanitizers, used well and badly" sanitized
else
    skip "every function, with sanitizers" "there is no build with sanitizers"
fi

# ---- Completions: every option of every command, as its help has them

options() { authtape "$1" --help | sed -n 's/^  -\(.\), --\([a-z-]*\).*/-\1\n--\2/p; s/^      --\([a-z-]*\).*/--\1/p' | sort; }
commands=$(authtape --help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p')
in_bash() { # WORD...: what is offered for the last one
    bash -c '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _authtape; printf "%s\n" "${COMPREPLY[@]}"' \
        "$root/share/bash-completion/completions/authtape" "$@"
}
bash_offers() {
    local c
    for c in $commands; do
        diff <(in_bash authtape "$c" - | sort) <(options "$c") || return 1
    done
    [ "$(in_bash authtape rep | sort | tr '\n' ' ')" = "repack repair replay report " ] &&
        [ "$(in_bash authtape replay --format s)" = sarif ] && [ "$(in_bash authtape replay -p dou)" = douyin ] &&
        [ "$(in_bash authtape record -d cd)" = cdp ] && [ "$(in_bash authtape record -i lo)" = lo ] &&
        [ "$(in_bash authtape profile sh)" = show ] && [ "$(cd "$WORK" && in_bash authtape verify go)" = good.tape ]
}
check "bash completes" bash_offers
fish_offers() {
    local c f=$root/share/fish/vendor_completions.d/authtape.fish
    for c in $commands; do
        diff <(fish --no-config -c "source $f; complete -C 'authtape $c --'" | cut -f1 | grep '^--' | sort) <(options "$c" | grep '^--') || return 1
    done
    fish --no-config -c "source $f; complete -C 'authtape replay --format s'" | grep -q ^sarif
}
if command -v fish >/dev/null; then
    check "fish completes" fish_offers
else
    skip "fish completes" "fish is not installed"
fi
zsh_loads() {
    local f=$root/share/zsh/site-functions/_authtape c
    zsh -n "$f" && zsh -fc 'fpath=($1 $fpath); autoload -Uz compinit && compinit -u -d "$2" && [ "$_comps[authtape]" = _authtape ] && autoload +X _authtape' \
        zsh "${f%/*}" "$WORK/zcompdump" || return 1
    for c in $commands; do
        diff <(sed -n "/^    $c)/,/;;/p" "$f" | grep -o -- "--[a-z][a-z-]*[[}]" | tr -d '[}' | sort) <(options "$c" | grep '^--') || return 1
    done
}
if command -v zsh >/dev/null; then
    check "zsh loads its completion, which has every option" zsh_loads
else
    skip "zsh completes" "zsh is not installed"
fi

# In a folder that is no root yet, as packagers do it.
staged() {
    $MAKE --no-print-directory -s CC=gcc BUILD=build/check WERROR=-Werror DESTDIR="$WORK/dest" PREFIX=/usr install &&
        grep -q '^prefix=/usr$' "$WORK/dest/usr/lib/pkgconfig/libauthtape.pc" && [ -x "$WORK/dest/usr/bin/authtape" ] &&
        $MAKE --no-print-directory -s CC=gcc BUILD=build/check DESTDIR="$WORK/dest" PREFIX=/usr uninstall &&
        [ -z "$(find "$WORK/dest" ! -type d)" ]
}
check "make install and uninstall with DESTDIR" staged
removes() { quiet_make uninstall && [ -z "$(find "$root" ! -type d)" ]; }
check "make uninstall leaves nothing" removes
