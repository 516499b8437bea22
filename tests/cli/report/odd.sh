# Names from outside: markup, quotes, line ends, wide characters, text that turns around. Unknown scopes. No answers.
cat >tape <<'END'
{"t":-1,"kind":"call","app":"<script>alert(1)</script>","user":"a\"b,c","stream":"s","platform":"i\nos","call":"1","api":"authorize","scope":"scope.\u202egnp.exe"}
{"t":0,"kind":"return","app":"<script>alert(1)</script>","user":"a\"b,c","stream":"s","platform":"i\nos","call":"1","errMsg":"authorize:fail \"scope\",\r\n=1+1"}
{"t":1,"kind":"call","app":"游戏","user":"用户","stream":"s","call":"1","api":"getUserInfo"}
{"t":2,"kind":"return","app":"游戏","user":"用户","stream":"s","call":"2","errMsg":"\u001b[31mred"}
{"t":3,"kind":"call","app":"游戏","user":"用户","stream":"s","call":"3","api":"authorize","scope":"权限"}
END
authtape report tape
authtape report --by app,scope,platform tape
authtape report --by app,scope,platform,errmsg --format csv tape | od -An -c
authtape report --by app --format json tape
head -n 1 tape | authtape report -
