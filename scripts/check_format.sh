#!/bin/sh
# Is every C file as clang-format would write it? `./dev fmt` makes it so.
cd "$(dirname "$0")/.." || exit 2
find include src tests tools bench examples -name '*.[ch]' -print0 |
	xargs -0 clang-format --dry-run -Werror
