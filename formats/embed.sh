#!/bin/sh
# embed.sh LIST FILE...: prints C source that holds the files as `const struct at_blob LIST[]`, ended by a NULL name.
set -eu
list=$1
shift
echo "/* Made by formats/embed.sh; do not edit. */"
echo "#include \"formats/formats.h\""
echo "extern const struct at_blob $list[];"
n=0
for file; do
    echo "static const unsigned char data_$n[] = {"
    od -An -v -tu1 "$file" | sed 's/[0-9][0-9]*/&,/g'
    echo "0};"
    n=$((n + 1))
done
echo "const struct at_blob $list[] = {"
n=0
for file; do
    name=${file##*/}
    echo "    {\"${name%.*}\", {(const char *)data_$n, sizeof data_$n - 1}},"
    n=$((n + 1))
done
echo "    {0},"
echo "};"
