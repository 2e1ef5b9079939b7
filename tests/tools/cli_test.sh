#!/bin/sh
# The commands of the shale program one by one: what they print, and how they end.
. "$(dirname "$0")/lib.sh"

# ---- asking wrongly and asking for help ----
run --version
expect_status 0 "--version"
expect_out "shale 0.1.0" "--version"
run --help
expect_status 0 "--help"
commands=$(awk '/^  [a-z]/ { print $1 }' "$work/out")
checks=$((checks + 1))
[ "$(echo "$commands" | wc -l)" -ge 16 ] || wrong "--help lists the commands"
for command in $commands; do
	run "$command" --help
	expect_status 0 "$command --help"
	checks=$((checks + 1))
	grep -q "^usage: shale $command" "$work/out" || wrong "$command --help shows its usage"
	run "$command" --no-such-option
	expect_status 2 "$command --no-such-option"
	expect_err "no-such-option" "$command names the option"
done
run
expect_status 2 "no command"
run frobnicate
expect_status 2 "an unknown command"
expect_err "frobnicate" "an unknown command is named"
run put onlykey
expect_status 2 "put without a value"
run put a b c
expect_status 2 "put with too much"
run scan --limit many
expect_status 2 "a limit that is no number"
expect_err "many" "it is named"
run put k v --durability sometimes
expect_status 2 "an unknown durability"
expect_err "ephemeral|process|interval|durable" "the choices are told"
run put --hex 0g 00
expect_status 2 "wrong hexadecimal"
SHALE_DIR='' run get k
expect_status 2 "no store named"
expect_err "SHALE_DIR" "how to name it is told"
run get k
expect_status 1 "a store that is not there"
expect_err "there is no store in $SHALE_DIR" "a store that is not there"
checks=$((checks + 1))
[ ! -e "$SHALE_DIR" ] || wrong "reading does not create a store"

# ---- put, get, delete ----
run put greeting hello
expect_status 0 "put"
run get greeting
expect_status 0 "get"
expect_out "hello" "get"
checks=$((checks + 1))
[ "$(wc -c <"$work/out")" -eq 5 ] || wrong "get gives a pipe the bytes alone"
run get nothing
expect_status 1 "get of a missing key"
expect_err "no such key" "get of a missing key"
run put --durability process greeting again
expect_status 0 "put over it"
run get greeting
expect_out "again" "the later value"
run delete greeting
expect_status 0 "delete"
run get greeting
expect_status 1 "get after delete"
run delete greeting
expect_status 0 "delete of what is gone"
run put --hex 00ff0a 0001fe
run get --hex 00FF0A
expect_out "0001fe" "put and get in hexadecimal"
run delete --hex 00ff0a
head -c 300000 /dev/urandom >"$work/random"
run_with "$work/random" put random -
expect_status 0 "put from standard input"
run get random
expect_same "$work/random" "$work/out" "bytes from standard input"
run delete random
run put -- -key -value
run get -- -key
expect_out "-value" "operands after --"
run delete -- -key
run put "" empty-key
run get ""
expect_out "empty-key" "an empty key"
run delete ""
run put --ttl 1ms gone soon
sleep 0.1
run get gone
expect_status 1 "an entry whose time is over"

# ---- ranges ----
fresh
for i in 1 2 3 4 5 6 7 8 9; do
	echo "k$i	v$i"
done >"$work/nine.tsv"
run load "$work/nine.tsv"
expect_status 0 "load"
expect_err "loaded 9 entries" "load tells how many"
expect_plain "load"
run put other x
run scan
expect_out "$(cat "$work/nine.tsv"; echo 'other	x')" "scan of all"
run scan --from k3 --to k6 --keys-only
expect_out "k3
k4
k5" "from and to"
run scan --prefix k --limit 2 --reverse
expect_out "k9	v9
k8	v8" "reverse with a prefix and a limit"
run scan --from k3 --to k6 --reverse -k
expect_out "k5
k4
k3" "reverse of a range"
run scan --prefix k --count
expect_out "9" "count"
run scan --prefix zzz --count
expect_out "0" "count of nothing"
run scan --limit 0
expect_out "" "limit 0"
run scan --hex --prefix 6b31
expect_out "6b31	7631" "scan in hexadecimal"
run delete-range k3 k6
expect_status 0 "delete-range"
run scan --prefix k -k
expect_out "k1
k2
k6
k7
k8
k9" "after delete-range"
run delete-range k6 k3
expect_status 1 "delete-range the wrong way round"
run scan --format json
expect_json "scan as JSON"
checks=$((checks + 1))
python3 -c 'import json, sys
rows = json.load(open(sys.argv[1]))
assert [r["key"] for r in rows] == ["k1", "k2", "k6", "k7", "k8", "k9", "other"]
assert rows[0]["value"] == "v1"' "$work/out" || wrong "the entries of the JSON"
run scan --format json --prefix nothing
expect_json "an empty scan as JSON"
run scan --format json --count
expect_out '{"count":7}' "count as JSON"
run put --hex 09ff 0d0a5c1b
run scan --limit 1
expect_out '\t\xff	\r\n\\\x1b' "what a line cannot show is escaped"
run scan --limit 1 --format json
expect_json "bytes as JSON"
checks=$((checks + 1))
grep -q '"key_hex":"09ff"' "$work/out" || wrong "bytes that are no text stand in hexadecimal"
checks=$((checks + 1))
"$SHALE_PROGRAM" scan | head -n 1 >/dev/null || wrong "a pipe that closes early"

# ---- families ----
run families create events --ttl 7d
expect_status 0 "families create"
run families create events
expect_status 1 "families create twice"
run families
expect_out "default
events" "families"
run put --cf events click 1
run get --cf events click
expect_out "1" "get from a family"
run get click
expect_status 1 "families are apart"
run scan --cf nowhere
expect_status 1 "a family that is not there"
expect_err "nowhere" "it is named"
run families drop events
expect_status 2 "drop wants --yes"
run families drop events --yes
expect_status 0 "families drop"
run families drop events --yes
expect_status 1 "families drop twice"

# ---- maintenance ----
run flush
expect_status 0 "flush"
expect_plain "flush"
run compact
expect_status 0 "compact"
expect_plain "compact"
run put one more
run flush
# A byte a second would take for ever; Ctrl-C ends it as soon as it is caught.
"$SHALE_PROGRAM" compact --rate 1 >"$work/out" 2>"$work/err" </dev/null &
until_so "$!" is_program_with "$!" '^SigCgt:.*[2367abef]$'
kill -INT $!
wait $!
status=$?
expect_status 1 "compact that is interrupted"
expect_err "interrupted" "it says so"
expect_plain "compact that is interrupted"
run compact --rate 100MiB
expect_status 0 "compact after one that was interrupted"
run get one
expect_out more "get after both"
run check
expect_status 0 "check"
expect_plain "check"
checks=$((checks + 1))
grep -q "is sound" "$work/out" || wrong "check says so"
run stats
expect_status 0 "stats"
expect_plain "stats"
run stats --json
expect_status 0 "stats --json"
expect_json "stats --json"
run put explained here
run explain explained
expect_status 0 "explain"
expect_plain "explain"
checks=$((checks + 1))
grep -q "memtable.*found\|L[0-9] run.*found" "$work/out" || wrong "explain ends where the key is"
run explain nowhere-to-be-found
expect_status 1 "explain of a missing key"
checks=$((checks + 1))
grep -q "not here\|no table" "$work/out" || wrong "explain shows where it looked"
run levels
expect_status 0 "levels"
expect_plain "levels"
checks=$((checks + 1))
grep -q "default" "$work/out" || wrong "levels lists the runs"
run levels --watch --seconds 1
expect_status 0 "levels --watch"
expect_plain "levels --watch"
checks=$((checks + 1))
grep -q "default L[0-9]: [0-9]* runs" "$work/out" || wrong "levels --watch gives a pipe lines"
run levels --seconds 1
expect_status 2 "--seconds without --watch"
run levels --watch --seconds 1 -d "$work/nowhere"
expect_status 1 "watching a store that is not there"
expect_err "there is no store in $work/nowhere" "watching a store that is not there"
run compactions
expect_status 0 "compactions"
expect_plain "compactions"
checks=$((checks + 1))
grep -q "flush  *recovered" "$work/out" || wrong "compactions tells why"
run compactions --json
expect_status 0 "compactions --json"
expect_json "compactions --json"
checks=$((checks + 1))
python3 -c 'import json, sys
jobs = json.load(open(sys.argv[1]))
assert [j["job"] for j in jobs] == sorted(j["job"] for j in jobs) and len(jobs) >= 2
for j in jobs:
	dropped = sum(n for name, n in j.items() if name.startswith("dropped_"))
	assert j["entries_in"] == j["entries_kept"] + dropped
assert {"flush", "merge"} <= {j["kind"] for j in jobs}' "$work/out" ||
	wrong "the counts of the jobs"
run compactions -n 1
checks=$((checks + 1))
[ "$(wc -l <"$work/out")" -eq 2 ] || wrong "compactions --limit"
run compactions --cf nowhere
expect_out "no jobs" "compactions of another family"
run compactions -d "$work/nowhere"
expect_status 1 "compactions of a store that is not there"
run tables
expect_status 0 "tables"
expect_plain "tables"
run tables --filter --probes 1000
expect_status 0 "tables --filter"
checks=$((checks + 1))
grep -q "false positives" "$work/out" || wrong "tables --filter measures"

# ---- damage ----
table=$(find "$SHALE_DIR" -name '*.sst' | head -n 1)
if [ -n "$table" ]; then
	cp "$table" "$work/table"
	printf '\377\376\375' | dd of="$table" bs=1 seek=12 conv=notrunc 2>/dev/null
	run check
	expect_status 1 "check of a damaged table"
	expect_err "$(basename "$table")" "the damaged file is named"
	expect_err "offset" "the offset is named"
	cp "$work/table" "$table"
	run check
	expect_status 0 "check of the table made whole"
fi

# ---- stores that cannot be opened ----
mkdir "$work/empty" "$work/other"
echo hello >"$work/other/letter"
run scan -d "$work/empty"
expect_status 1 "reading from an empty directory"
expect_err "no store in $work/empty" "reading from an empty directory"
run put -d "$work/other" k v
expect_status 1 "a directory of something else"
expect_err "no Shale store" "a directory of something else"
run put -d "$work/other/letter" k v
expect_status 1 "a file in place of a directory"
run put -d "$work/no/such/parent" k v
expect_status 1 "a directory whose parent is missing"
mkfifo "$work/fifo"
"$SHALE_PROGRAM" load <"$work/fifo" >/dev/null 2>&1 &
loader=$!
exec 3>"$work/fifo"
until_so "$loader" has_open "$loader" "$SHALE_DIR/LOCK"
run put k v
expect_status 1 "a store that another process has open"
expect_err "open already" "a store that another process has open"
run get k1
expect_status 0 "reading it all the same"
run levels --watch --seconds 1
expect_status 0 "watching it"
run compactions
expect_status 0 "its history"
exec 3>&-
wait
if [ -n "$table" ]; then
	mv "$table" "$work/table"
	run get k1
	expect_status 1 "a table that is missing"
	expect_err "$(basename "$table")" "the missing table is named"
	mv "$work/table" "$table"
fi

# ---- what is left out at the end of a log is told ----
mkfifo "$work/torn.fifo"
"$SHALE_PROGRAM" load -d "$work/torn" --durability process <"$work/torn.fifo" >/dev/null 2>&1 &
loader=$!
exec 3>"$work/torn.fifo"
seq 40000 | sed 's/.*/key&\tvalue/' >&3
for _ in $(seq 100); do
	run get -d "$work/torn" key35000
	[ "$status" -eq 0 ] && break
	sleep 0.1
done
kill -KILL "$loader"
exec 3>&-
wait "$loader" 2>/dev/null
log=$(printf '%s\n' "$work"/torn/*.log | head -n 1)
printf '\377' | dd of="$log" bs=1 seek=200000 conv=notrunc 2>/dev/null
run check -d "$work/torn"
expect_status 0 "check of a store with a torn log"
checks=$((checks + 1))
grep -q "is sound but for the end of its log" "$work/out" || wrong "check tells of a torn log"
checks=$((checks + 1))
grep -q "from byte [0-9,]* on were left out" "$work/out" || wrong "check tells where it is torn"

# ---- destroy ----
run destroy
expect_status 2 "destroy wants --yes"
run get k1
expect_out "v1" "destroy without --yes does nothing"
run destroy --yes
expect_status 0 "destroy"
checks=$((checks + 1))
[ ! -e "$SHALE_DIR" ] || wrong "destroy leaves nothing"
run destroy --yes
expect_status 1 "destroy of nothing"

finish
