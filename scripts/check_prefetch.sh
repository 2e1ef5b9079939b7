#!/bin/bash
# Checks that prefetches are in the objects of a build. A compiler may drop one without a
# word, and only the speed tells: gcc did so with functions that do nothing else
# (PREFETCHER in base/status.h).
#
#   check_prefetch.sh BUILD_DIR       (an optimised build)
set -u
build=${1:?which build directory?}
objects=$build/CMakeFiles/shale_objects.dir/src
faults=0

# x86 and ARM; elsewhere nothing is known of them.
case $(uname -m) in
x86_64) mnemonic='prefetch' ;;
aarch64) mnemonic='prfm' ;;
*) echo "check_prefetch: not on $(uname -m)"; exit 0 ;;
esac

# Object, and how many at least: what its source says.
while read -r object least; do
	found=$(objdump -d --no-show-raw-insn "$objects/$object.o" | grep -c -P "\t$mnemonic")
	if [ "$found" -lt "$least" ]; then
		echo "src/$object: $found prefetches, not $least"
		faults=$((faults + 1))
	fi
done <<-END
	memtable/tree.c 18
	memtable/memtable_iter.c 2
	format/block_read.c 11
	table/read.c 3
	cache/cache.c 2
END
echo "check_prefetch: $faults faults"
[ "$faults" -eq 0 ]
