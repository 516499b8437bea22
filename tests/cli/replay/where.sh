. "$CLI/replay/history"
denied_then_ok | authtape import -w t.tape
authtape replay --at 4 --user u1 t.tape
authtape replay --at '#0' --user u1 --format json t.tape
authtape replay --at 2023-11-14T22:13:27.5Z --user u1 --app wx1 t.tape
authtape replay --timeline --user u1 t.tape
authtape replay --timeline --user u1 --format json t.tape | head -c 600 | tail -c 300
