#!/bin/bash
# Installs a build into a fresh directory, moves it, and from there builds and
# runs the examples: with pkg-config against the shared and the static library,
# and with find_package. Also: the header is good C11 and C++, and a program may
# have functions with the names of internal ones.
#
#   run.sh BUILD_DIR
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc=${CC:-gcc}

cmake --install "$build" --prefix "$work/first" >"$work/log" || { cat "$work/log"; exit 1; }
mv "$work/first" "$work/moved"
prefix=$work/moved
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name shale.pc)")
export PKG_CONFIG_PATH
libdir=$(pkg-config --variable=libdir shale)

# Runs program $1 twice: on a new store and on the one it left behind.
run()
{
	local dir
	dir=$(mktemp -d "$work/run.XXXXXX")
	(cd "$dir" && "$1" >out1 && "$1" >out2) || { echo "$1 failed"; exit 1; }
	[ -s "$dir/out1" ] || { echo "$1 printed nothing"; exit 1; }
	grep -q "$2" "$dir/out2" || { echo "$1 did not print '$2':"; cat "$dir/out2"; exit 1; }
}

expected()
{
	case $1 in
	hello*) echo 'splits along one plane' ;;
	batch*) echo 'ben has 40' ;;
	scan*) echo 'igneous/granite = speckled' ;;
	families*) echo 'anna has it open' ;;
	*) echo "no expectation for $1" >&2; exit 1 ;;
	esac
}

for source in "$root"/examples/*.c; do
	name=$(basename "$source" .c)
	# shellcheck disable=SC2046
	$cc -std=c11 -Wall -Wextra -Werror -o "$work/$name" "$source" \
		$(pkg-config --cflags --libs shale) -Wl,-rpath,"$libdir"
	run "$work/$name" "$(expected "$name")"
	# shellcheck disable=SC2046
	$cc -std=c11 -o "$work/$name-static" "$source" $(pkg-config --cflags shale) \
		"$libdir/libshale.a" $(pkg-config --libs --static shale | sed 's/-lshale//')
	run "$work/$name-static" "$(expected "$name")"
	echo "pkg-config: $name"
done

if ! { cmake -S "$root/examples" -B "$work/examples" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" &&
	cmake --build "$work/examples"; } >"$work/log" 2>&1; then
	cat "$work/log"
	exit 1
fi
for source in "$root"/examples/*.c; do
	name=$(basename "$source" .c)
	run "$work/examples/$name" "$(expected "$name")"
	run "$work/examples/${name}_static" "$(expected "$name")"
	echo "find_package: $name"
done

# Functions named as ours are, in a program with the archive inside.
cat >"$work/clash.c" <<'EOF'
#include <shale/shale.h>
int wal_append(void);
int table_get(void);
int err_new(void);
int wal_append(void) { return 1; }
int table_get(void) { return 2; }
int err_new(void) { return 3; }
int main(void)
{
	shale_db *db;

	return shale_open("/nowhere/at/all", NULL, &db) >= 0 || shale_last_error()->status >= 0;
}
EOF
# shellcheck disable=SC2046
$cc -o "$work/clash" "$work/clash.c" $(pkg-config --cflags shale) "$libdir/libshale.a" \
	$(pkg-config --libs --static shale | sed 's/-lshale//')
"$work/clash"
echo "no clash of names"

printf '#include <shale/shale.h>\n#include <shale/env.h>\nint main() { return 0; }\n' >"$work/a.cc"
cp "$work/a.cc" "$work/a.c"
$cc -std=c11 -Wall -Wextra -Werror -pedantic-errors -fsyntax-only -I"$prefix/include" "$work/a.c"
if command -v g++ >/dev/null; then
	g++ -std=c++11 -Wall -Wextra -Werror -fsyntax-only -I"$prefix/include" "$work/a.cc"
	echo "headers: C11, C++11"
fi

"$prefix/bin/shale" --help >/dev/null
echo "program: $("$prefix/bin/shale" --version 2>/dev/null | head -1)"
