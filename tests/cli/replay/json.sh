. "$CLI/replay/history"
denied_then_ok | authtape replay --format json -
