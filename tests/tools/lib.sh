# For the tests of the shale program: SHALE_PROGRAM names it. A test file sources
# this, runs commands and ends with `finish`. A check that fails is told at once
# and makes the test fail at its end.

: "${SHALE_PROGRAM:?names the shale program}"
unset SHALE_DIR NO_COLOR
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export SHALE_DIR="$work/store"
failures=0
checks=0

# Runs the program; its exit status is in $status, its output in $work/out and $work/err.
run()
{
	"$SHALE_PROGRAM" "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
}

run_with() # FILE ARGUMENT...: the same with standard input
{
	input=$1
	shift
	"$SHALE_PROGRAM" "$@" >"$work/out" 2>"$work/err" <"$input"
	status=$?
}

# Wait half a minute for the COMMAND to succeed; a process of which it never did is ended.
until_so() # PID COMMAND...
{
	waited_for=$1
	shift
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ "$tries" -le 600 ] || { wrong "never: $*"; kill -KILL "$waited_for"; return; }
		sleep 0.05
	done
}

# Process PID is the program, and a line of its status has the PATTERN. Both are looked
# for in one reading: the shell that is to become the program has other handlers, and a
# signal that it gets is lost or ends it.
is_program_with() # PID PATTERN
{
	[ "$(grep -c -e '^Name:.*shale' -e "$2" "/proc/$1/status")" -eq 2 ]
}

has_open() # PID FILE
{
	find "/proc/$1/fd" -lname "$2" 2>/dev/null | grep -q .
}

wrong()
{
	failures=$((failures + 1))
	echo "FAILED: $1" >&2
	sed 's/^/  out: /' "$work/out" | head -n 5 >&2
	sed 's/^/  err: /' "$work/err" | head -n 5 >&2
}

expect_status() # N WHAT
{
	checks=$((checks + 1))
	[ "$status" -eq "$1" ] || wrong "$2: exit status $status, not $1"
}

expect_out() # TEXT WHAT: standard output is TEXT and a line end
{
	checks=$((checks + 1))
	[ "$(cat "$work/out")" = "$1" ] || wrong "$2: expected \`$1\`"
}

expect_err() # TEXT WHAT: standard error holds TEXT
{
	checks=$((checks + 1))
	grep -qF -- "$1" "$work/err" || wrong "$2: nothing about \`$1\`"
}

expect_same() # FILE FILE WHAT
{
	checks=$((checks + 1))
	cmp -s "$1" "$2" || wrong "$3: $1 and $2 differ"
}

expect_json() # WHAT: standard output is valid JSON
{
	checks=$((checks + 1))
	python3 -m json.tool <"$work/out" >/dev/null 2>&1 || wrong "$1: no valid JSON"
}

# No escape sequences, no carriage returns: what a pipe must not get.
expect_plain() # WHAT
{
	checks=$((checks + 1))
	if cat "$work/out" "$work/err" | LC_ALL=C grep -q "$(printf '[\033\r]')"; then
		wrong "$1: escape sequences on a pipe"
	fi
}

fresh()
{
	rm -rf "$SHALE_DIR"
}

finish()
{
	if [ "$failures" -ne 0 ]; then
		echo "$failures of $checks checks failed" >&2
		exit 1
	fi
	echo "$checks checks passed"
	exit 0
}
