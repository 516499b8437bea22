# Every kind of event as text: what stands between the times and names is what authtape-events(5) says that it has.
authtape import -w a.tape "$CLI/tapes/events.ndjson"
authtape cat --format text a.tape
