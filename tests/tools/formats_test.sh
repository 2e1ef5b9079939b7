#!/bin/sh
# What `dump` writes `load` reads back to the same bytes, in every format; what is
# malformed is named by its line.
. "$(dirname "$0")/lib.sh"

export LC_ALL=C.UTF-8

# Keys and values with every byte, and with what the formats treat specially.
python3 - "$work" <<'END'
import json, sys
nasty = [b"", b"\t", b"\n", b"\r", b"\r\n", b"\\", b"\\t", b"\\x41", b'"', b'""', b",", b'a,"b"\r\n,c',
	 b"\x00", b"\x00\x00", b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
	 "grün ½ 日本 🪨".encode(), b"\x7f", b"\xc2\x80", b" lead", b"trail ", b"{}", b"key", b"value",
	 b"'", b"#", bytes(range(256)), b"line 1\nline 2\n\nline 4", b"x" * 70000]
rows = {}
for i, value in enumerate(nasty):
	rows[b"v%03d" % i] = value
	rows[value[:60000]] = b"k%03d" % i
rows[b"key"] = b"value"
with open(sys.argv[1] + "/nasty.jsonl", "w") as out:
	for k, v in sorted(rows.items()):
		out.write(json.dumps({"key_hex": k.hex(), "value_hex": v.hex()}) + "\n")
END
fresh
run load "$work/nasty.jsonl"
expect_status 0 "load of nasty bytes"
count=$(wc -l <"$work/nasty.jsonl")
run scan --count
expect_out "$count" "all of them are there"
run scan --hex
cp "$work/out" "$work/expected"

for format in tsv csv jsonl; do
	run dump --format "$format"
	expect_status 0 "dump as $format"
	expect_err "dumped $count entries" "dump tells how many"
	cp "$work/out" "$work/dump.$format"
	original=$SHALE_DIR
	SHALE_DIR="$work/copy-$format"
	run_with "$work/dump.$format" load --format "$format"
	expect_status 0 "load of a dump as $format"
	run scan --hex
	expect_same "$work/out" "$work/expected" "round trip through $format"
	# The format by the file's name, both ways.
	run dump -o "$work/again.$format"
	expect_status 0 "dump into a file"
	expect_same "$work/again.$format" "$work/dump.$format" "dump by file name as $format"
	SHALE_DIR="$work/again-$format"
	run load "$work/again.$format"
	expect_status 0 "load by file name as $format"
	run scan --hex
	expect_same "$work/out" "$work/expected" "round trip by file name as $format"
	SHALE_DIR=$original
done

# Each format as others read it.
checks=$((checks + 1))
python3 - "$work" <<'END' || wrong "dumps as Python's own readers see them"
import csv, json, sys
work = sys.argv[1]
want = [tuple(map(bytes.fromhex, line.rstrip("\n").split("\t"))) for line in open(work + "/expected")]
def member(row, name):
	return bytes.fromhex(row[name + "_hex"]) if name + "_hex" in row else row[name].encode()
got = []
for line in open(work + "/dump.jsonl", "rb"):
	row = json.loads(line.decode())
	assert len(row) == 2
	got.append((member(row, "key"), member(row, "value")))
assert got == want, "jsonl"
text = open(work + "/dump.csv", encoding="latin-1", newline="")
rows = [tuple(f.encode("latin-1") for f in r) for r in csv.reader(text, strict=True)]
assert rows[0] == (b"key", b"value") and rows[1:] == want, "csv"
assert all(line.count(b"\t") == 1 for line in open(work + "/dump.tsv", "rb")), "tsv"
END
run dump --prefix v00 --from v002 --to v005
checks=$((checks + 1))
[ "$(wc -l <"$work/out")" -eq 3 ] || wrong "dump of a range"

# ---- malformed lines ----
bad() # FORMAT LINE TEXT WHAT: the text, with printf's escapes, is malformed in that line
{
	fresh
	printf "$3" >"$work/bad"
	run_with "$work/bad" load --format "$1"
	expect_status 1 "$1: $4"
	expect_err "line $2:" "$1: $4"
	expect_plain "$1: $4"
}

bad tsv 2 'a\t1\nb\nc\t3\n' "no tab"
run scan
expect_out "a	1" "what came before the malformed line is stored"
bad tsv 1 'a\t1\t2\n' "two tabs"
bad tsv 3 'a\t1\nb\t2\nc\t\\q\n' "an unknown escape"
bad tsv 1 'a\t\\x4\n' "half an escape"
bad tsv 1 'a\t1\\' "a lone backslash"
bad tsv 2 'a\t1\n\nb\t2\n' "an empty line"
bad csv 2 'a,1\nb\n' "one field"
bad csv 2 'a,1\nb,2,3\n' "three fields"
bad csv 2 'a,1\nb,"2"x\n' "text after a quote"
bad csv 2 'a,1\nb,2"3\n' "a quote inside"
bad csv 3 'a,"1\n2"\nb,"3\n4\n5\n' "a quote that is never closed"
bad jsonl 2 '{"key":"a","value":"1"}\n{"key":"b"}\n' "no value"
bad jsonl 1 '{"key":"a","value":"1"\n' "cut off"
bad jsonl 1 '{"key":"a","value":1}\n' "no string"
bad jsonl 1 '{"key":"a","value":"1","ttl":"3"}\n' "a member that would be lost"
bad jsonl 1 '{"key":"a","key_hex":"61","value":"1"}\n' "two keys"
bad jsonl 1 '{"key_hex":"6","value":"1"}\n' "half a byte"
bad jsonl 1 '["key","value"]\n' "an array"
bad jsonl 1 '{"key":"a","value":"1"} x\n' "text behind"
bad jsonl 1 '{"key":"\377","value":"1"}\n' "not UTF-8"
bad jsonl 2 '{"key":"a","value":"1"}\n\n' "an empty line"
bad deb822 1 'Package: a\nVersion 1\n\n' "no colon"
bad deb822 5 'Package: a\nVersion: 1\n\n\nPackage: b\n\n' "no version"
bad deb822 1 ' folded\nPackage: a\n' "begins with a continued line"

fresh
printf 'a\t1\nbad\nb\t2\nworse\nc\t3\n' >"$work/bad"
run_with "$work/bad" load --skip-bad
expect_status 0 "--skip-bad"
expect_err "line 2:" "--skip-bad names the first"
expect_err "line 4:" "--skip-bad names the second"
expect_err "skipped 2 malformed records" "--skip-bad counts"
run scan -k
expect_out "a
b
c" "--skip-bad stores the others"
head -c 70000 /dev/zero | tr '\0' k >"$work/bad"
printf '\t1\nfine\t2\n' >>"$work/bad"
run_with "$work/bad" load --skip-bad
expect_status 0 "a key that is too large"
expect_err "line 1:" "a key that is too large is named by its line"
run get fine
expect_out "2" "what follows it is stored"
run load "$work/no-such-file"
expect_status 1 "a file that is not there"
expect_err "no-such-file" "it is named"

# ---- formats that cannot hold everything ----
fresh
printf 'Package: apt\nVersion: 2.6.1\nDescription: x\n y\n .\n z\n\nPackage: zsh\nVersion: 5.9\n\n' >"$work/in.deb822"
run load "$work/in.deb822"
expect_status 0 "load of packages"
run get apt/2.6.1
expect_out "Package: apt
Version: 2.6.1
Description: x
 y
 .
 z" "a package"
run dump --format deb822
expect_same "$work/out" "$work/in.deb822" "round trip through deb822"
run put plain text
run dump --format deb822
expect_status 1 "an entry that is no paragraph"
expect_err "plain" "it is named"

finish
