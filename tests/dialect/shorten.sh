# shorten.sh: what a capture holds and what a mapping makes of it, short enough for a manual page. To be sourced.
messages_of() { # CAPTURE: who said what
    "$AUTHTAPE" messages -q -r "$1" | sed 's/^.*"dir":"\([a-z]*\)".*"body":\(.*\)}$/\1 \2/; s/^request /client /; s/^response /server /'
}
events_of() { # CAPTURE MAPPING OPTION...
    local capture=$1 mapping=$2
    shift 2
    "$AUTHTAPE" dialect check --try "$capture" "$@" "$mapping" 2>/dev/null |
        sed 's/"t":[0-9]*,//; s/"app":"[^"]*","user":"[^"]*","stream":"[^"]*",//; s/"packet":[0-9]*,\{0,1\}//; s/,}$/}/'
}
