# One user with so many events, of which the first few decide what the last one has to be (-v n=EVENTS).
BEGIN {
    t = 1700000000000000; key = "\"app\":\"a\",\"user\":\"u\",\"stream\":\"s\""
    split("getUserInfo getLocation getWeRunData startRecord saveImageToPhotosAlbum", api)
    split("userInfo userLocation werun record writePhotosAlbum", scope)
    add("start", "\"fresh\":true,\"observes\":[\"prompts\",\"decisions\",\"settings\",\"resets\"]")
    for (id = 1; id <= 5; id++) {
        add("call", "\"call\":\"" id "\",\"api\":\"" api[id] "\"")
        add("prompt", "\"scope\":\"scope." scope[id] "\"")
        add("decision", "\"answer\":\"allow\"")
        add("return", "\"call\":\"" id "\",\"errMsg\":\"" api[id] ":ok\"")
    }
    while (events < n - 2) {
        i = 1 + ++id * 7919 % 5
        add("call", "\"call\":\"" id "\",\"api\":\"" api[i] "\"")
        add("return", "\"call\":\"" id "\",\"errMsg\":\"" api[i] ":" (i == 1 || id % 3 == 0 ? "fail timeout" : "ok") "\"")
    }
    add("call", "\"call\":\"last\",\"api\":\"" api[1] "\"")
    add("prompt", "\"scope\":\"scope." scope[1] "\"")
}
function add(kind, rest) {
    printf "{\"t\":%.0f,\"kind\":\"%s\",%s,%s}\n", t += 20000, kind, key, rest
    events++
}
