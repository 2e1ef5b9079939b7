#!/bin/bash
# Checks what the objects of a build call and export:
#   - outside src/env, an object calls only other objects of the library and the
#     functions of ALLOWED, which touch nothing but their arguments
#   - libshale.so and libshale.a export shale_* and nothing else
#
#   check_symbols.sh BUILD_DIR       (a build without sanitizers)
set -u
build=${1:?which build directory?}
objects=$build/CMakeFiles/shale_objects.dir/src
faults=0

# Memory and strings; formatting into a buffer; the codecs; the compiler's runtime.
allowed='^(mem(cmp|cpy|move|set|chr|rchr|mem)|str(cmp|ncmp|len|nlen|chr|rchr|str|spn|cspn|toull?|toul|errorname_np|errordesc_np)|bcmp'
allowed+='|v?snprintf|__(v?snprintf|memcpy|memmove|memset|strcpy|strncpy)_chk|__chk_fail|__isoc99_strto.*|__isoc23_strto.*'
allowed+='|__errno_location'
allowed+='|(LZ4|ZSTD|XXH)_?[A-Za-z0-9_]+|snappy_[a-z_]+'
allowed+='|__stack_chk_fail|__tls_get_addr|_GLOBAL_OFFSET_TABLE_|__cpu_(model|features2|indicator_init)|__(u?div|u?mod)ti3|__popcountdi2'
allowed+=')$'

fault()
{
	echo "$*"
	faults=$((faults + 1))
}

if [ ! -d "$objects" ]; then
	echo "$objects: no such directory" >&2
	exit 2
fi

# Objects whose source is gone lie about in an old build directory.
source_root=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$build/CMakeCache.txt" 2>/dev/null)

# What any object of the library defines, src/env among them.
defined=$(find "$objects" -name '*.o' -exec nm --defined-only -g --format=posix {} + |
	awk 'NF > 1 { print $1 }' | sort -u)

checked=0
while IFS= read -r object; do
	name=${object#"$objects"/}
	case $name in
	env/*) continue ;;
	esac
	[ -z "$source_root" ] || [ -f "$source_root/src/${name%.o}" ] || continue
	checked=$((checked + 1))
	but='^$'
	case $name in
	# A broken invariant of the library itself stops the program, and says where.
	base/status.c.o) but='^(abort|stderr|fprintf|__fprintf_chk|fwrite)$' ;;
	# ARM says by a call which instructions it has.
	base/crc32c.c.o) but='^getauxval$' ;;
	esac
	for symbol in $(nm -u --format=posix "$object" | awk '{ print $1 }' | sort -u |
		comm -23 - <(echo "$defined") | grep -Ev -e "$allowed" -e "$but"); do
		fault "src/${name%.o} calls $symbol"
	done
done < <(find "$objects" -name '*.o' | sort)
[ "$checked" -gt 0 ] || fault "$objects: no objects outside env/"

for library in "$build/libshale.so" "$build/libshale.a"; do
	[ -e "$library" ] || { fault "$library: not built"; continue; }
	option=-g
	[ "${library##*.}" = so ] && option=-D
	exported=$(nm $option --defined-only --format=posix "$library" |
		awk 'NF > 1 && $2 != "A" { print $1 }' | sort -u)
	[ -n "$exported" ] || fault "$library: exports nothing"
	for symbol in $(echo "$exported" | grep -v '^shale_'); do
		fault "$library exports $symbol"
	done
done

echo "check_symbols: $checked objects, $faults faults"
[ "$faults" -eq 0 ]
