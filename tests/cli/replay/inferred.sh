# Only calls are seen: what happened in between follows from the answers.
. "$CLI/replay/history"
{
    event 0 start '"fresh":true'
    event 1 call '"call":"1","api":"getLocation"'
    event 2 return '"call":"1","errMsg":"getLocation:fail auth deny"'
    event 20 call '"call":"2","api":"getSetting"'
    event 21 return '"call":"2","errMsg":"getSetting:ok","authSetting":{"scope.userLocation":true}'
} | authtape replay -
