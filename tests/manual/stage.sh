#!/bin/bash
# authtape on the stage of the examples: live recorders end by themselves, and ports and addresses are those of the stage.
# A status above 1 is noted, also in the middle of a pipe.
args=("${@//127.0.0.1:9420/127.0.0.1:$HOST_PORT}")
args=("${args[@]//http:\/\/db:8123/http:\/\/127.0.0.1:$DATABASE_PORT}")
args=("${args[@]//0.0.0.0:9100/127.0.0.1:0}")
live=()
case " $* " in
*" -i "* | *" --listen "* | *" --relay "*) live=(timeout --foreground --preserve-status -s INT 1) ;;
esac
"${live[@]}" "$REAL_AUTHTAPE" "${args[@]}"
status=$?
[ $status -le 1 ] || echo "authtape $* ended with $status" >>"$TROUBLE"
exit $status
