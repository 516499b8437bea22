#!/bin/bash
# Built-in profiles against the platform's published type definitions (npm packages), where npm can be reached.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
work_folder

valid() { "$AUTHTAPE" profile show "$1" >"$WORK/$1.json" && [ "$("$AUTHTAPE" profile check "$WORK/$1.json")" = ok ]; }
for name in $("$AUTHTAPE" profile list | cut -d' ' -f1); do
    check "profile $name is valid" valid "$name"
done

typings() { # PROFILE PACKAGE
    local file
    file=$(find "$WORK/$2" -name lib.wx.api.d.ts) && [ -n "$file" ] || return 1
    "$AUTHTAPE" profile show "$1" | node tests/profiles/typings.js "$file"
}
fetch() { (cd "$WORK" && timeout 60 npm pack --silent "$1@$2" && mkdir "$1" && tar -xzf "$1-$2.tgz" -C "$1") >"$WORK/log" 2>&1; }
while read -r profile package version; do
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        skip "profile $profile agrees with $package" "node and npm are not installed"
    elif ! fetch "$package" "$version"; then
        skip "profile $profile agrees with $package" "npm cannot fetch it: $(tail -n 1 "$WORK/log" | cut -c1-80)"
    else
        check "profile $profile agrees with $package $version" typings "$profile" "$package"
    fi
done <<END
wechat-minigame minigame-api-typings 3.8.20
wechat-miniprogram miniprogram-api-typings 5.2.3
END
