#!/bin/bash
# Run a fuzz target that is built already; `./dev fuzz` builds and calls this.
#
#   fuzz.sh run NAME SECONDS     libFuzzer, from the corpus and what was found before
#   fuzz.sh afl NAME SECONDS     AFL++
#   fuzz.sh keep NAME            minimise what was found, and put it into the tree
#
# What is found is kept in build/fuzz/found/NAME, inputs that fail in build/fuzz/failed.
set -u
cd "$(dirname "$0")/.." || exit 2
command=$1 name=$2 seconds=${3:-60}
program=build/fuzz/tests/fuzz/fuzz.$name
found=build/fuzz/found/$name
failed=build/fuzz/failed
text=tests/fuzz/corpus/$name.hex
log=build/fuzz/$name.log
# Targets count their leaks themselves; the entropic schedule costs more than a run here.
# Of comparisons only those of strings are traced (CMakePresets.json): repair finds the numbers.
# One run is short: what it freed is still in a small quarantine when it ends.
export ASAN_OPTIONS=${ASAN_OPTIONS-quarantine_size_mb=4:malloc_context_size=1}
flags=(-timeout=20 -rss_limit_mb=2048 -detect_leaks=0 -reload=0 -entropic=0)
mkdir -p "$found" "$failed" || exit 2
scripts/corpus.py unpack "$text" "$found" || exit 2
# Half of what one starts from is made: sound inputs of random shapes.
replay=build/release/tests/fuzz/test.fuzz.$name

seeds()
{
	[ -x "$replay" ] || return 0
	"$replay" -m 64 1 >"$found.made" && scripts/corpus.py unpack "$found.made" "$1"
}

case $command in
run)
	if "$program" "${flags[@]}" -max_total_time="$seconds" -print_final_stats=1 \
		-artifact_prefix="$failed/$name." "$found" >"$log" 2>&1; then
		printf 'fuzz %-10s %9d executions, %s covered\n' "$name" \
			"$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
			"$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)"
	else
		grep -v -e '^#' -e NEW_FUNC -e '^INFO' "$log" | tail -40
		echo "fuzz $name FAILED; again: $program $failed/$name.*"
		exit 1
	fi
	;;
afl)
	# The sanitizers are libFuzzer's part; this engine is for other ways of searching.
	out=build/afl/out/$name
	seeds "$found"
	rm -rf "$out" && mkdir -p "$out"
	AFL_SKIP_CPUFREQ=1 AFL_NO_UI=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_AFFINITY=1 \
		AFL_CUSTOM_MUTATOR_LIBRARY=$PWD/build/release/tests/fuzz/hook.$name.so \
		timeout $((seconds + 60)) afl-fuzz -V "$seconds" -t 1000 -i "$found" -o "$out" -- \
		"build/afl/tests/fuzz/fuzz.$name" >"build/afl/$name.log" 2>&1
	stats=$out/default/fuzzer_stats
	[ -f "$stats" ] || { tail -20 "build/afl/$name.log"; exit 1; }
	executions=$(sed -n 's/^execs_done *: //p' "$stats")
	crashes=$(sed -n 's/^saved_crashes *: //p' "$stats")
	hangs=$(sed -n 's/^saved_hangs *: //p' "$stats")
	printf 'afl %-10s %9d executions, %d crashes, %d hangs\n' "$name" "$executions" \
		"$crashes" "$hangs"
	[ "$crashes" -eq 0 ] && [ "$hangs" -eq 0 ]
	;;
keep)
	rm -rf "$found.min" && mkdir -p "$found.min"
	seeds "$found"
	"$program" "${flags[@]}" -merge=1 "$found.min" "$found" >"$log" 2>&1 ||
		{ tail -20 "$log"; exit 1; }
	scripts/corpus.py pack "$found.min" "$text"
	echo "$text: $(grep -c -v '^#' "$text") inputs, $(wc -c <"$text") bytes"
	;;
*)
	sed -n '2,9p' "$0"
	exit 2
	;;
esac
