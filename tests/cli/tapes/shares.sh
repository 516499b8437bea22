# Shares: each user is in one of them with all events, they are the same for a tape and its lines, and nothing is missing.
set -e
authtape import -w a.tape "$CLI/tapes/events.ndjson"
for i in 1 2 3; do
    authtape cat --shard $i/3 a.tape >cat.$i
    authtape cat --shard $i/3 "$CLI/tapes/events.ndjson" | cmp cat.$i -
    authtape slice --shard $i/3 -w s.tape a.tape && authtape cat s.tape | cmp cat.$i -
    jq -r .user cat.$i | sort -u >users.$i
done
sort cat.1 cat.2 cat.3 | cmp - <(authtape cat a.tape | sort)
sort users.* | uniq -d
for wrong in 0/3 4/3 1/0 x 1/ /2 1/9999999; do authtape cat --shard $wrong a.tape || echo $?; done
