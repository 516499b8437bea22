# Functions of more than 80 lines: from a line that begins with "{" to the next that begins with "}".
# What may be longer, with its reason, is in CONTRIBUTING.md, as `FILE: function`.
FNR == 1 { begun = 0 }
/^[A-Za-z].*\(/ && !/;$/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name); first = FNR }
/^\{/ { begun = FNR }
/^\}/ && begun {
    n = FNR - first + 1
    if (n > 80)
        print FILENAME ": " name " has " n " lines"
    begun = 0
}
