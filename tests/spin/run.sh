#!/bin/sh
# run.sh MODEL.pml: check a model exhaustively, then each of its broken variants
# (BROKEN_1, BROKEN_2 ...), in which an error must be found.
# Exit status 77: skipped, because there is no spin or no C compiler.
set -eu
model=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")

for tool in spin "${CC:-cc}"; do
	command -v "$tool" >/dev/null || { echo "SKIPPED: $tool is not installed"; exit 77; }
done
dir=$(mktemp -d "${TMPDIR:-/tmp}/shale-spin-XXXXXX")
trap 'rm -rf "$dir"' EXIT
cp "$model" "$dir"
cd "$dir"
model=$(basename "$model")

# check NAME SPIN-OPTION...: leaves the report in NAME
check()
{
	name=$1
	shift
	spin -a "$@" "$model" >spin.log 2>&1 || { cat spin.log; exit 1; }
	"${CC:-cc}" -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM=2000 -o pan pan.c
	./pan -m1000000 >"$name" 2>&1 || { cat "$name"; exit 1; }
	grep -E 'errors:|states, stored$' "$name" | tr -s ' \n' ' '
	echo
}

printf '%s: ' "$model"
check sound
grep -q 'errors: 0' sound || {
	cat sound
	spin -t -p -g "$model" | tail -100
	exit 1
}
# A search that was cut short proves nothing.
if grep -qE 'max search depth too small|out of memory|Search not completed' sound; then
	cat sound
	exit 1
fi

variants=$(grep -o 'BROKEN_[0-9]*' "$model" | sort -u)
[ -n "$variants" ] || { echo "the model has no broken variant"; exit 1; }
for variant in $variants; do
	printf '  %s: ' "$variant"
	check broken "-D$variant"
	grep -q 'errors: 1' broken || { echo "$variant: no error was found"; exit 1; }
done
