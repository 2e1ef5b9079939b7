#!/usr/bin/env python3
"""Checks which way the includes go.

Each folder of src/ has a rank; a file includes, in quotes, only files of its own
folder or of folders with a lower rank ("base/buf.h", never a bare "buf.h").
In angle brackets, outside src/env, only what is pure: no header of the system.

    check_layers.py [ROOT]
"""
import pathlib
import re
import sys

RANKS = [
    ["base"],
    ["env", "format"],
    ["iter", "cache"],
    ["memtable", "wal"],
    ["table"],
    ["version"],
    ["compact"],
    ["db"],
    ["txn"],
]
RANK = {folder: rank for rank, folders in enumerate(RANKS) for folder in folders}

# Types, constants and pure functions; check_symbols.sh sees what is really called.
PURE = set("""
    assert.h ctype.h errno.h float.h inttypes.h limits.h stdalign.h stdarg.h stdatomic.h stdbool.h
    stddef.h stdint.h stdio.h stdnoreturn.h string.h
    lz4.h lz4hc.h zstd.h zstd_errors.h snappy-c.h xxhash.h
    immintrin.h emmintrin.h nmmintrin.h smmintrin.h tmmintrin.h x86intrin.h cpuid.h
    arm_acle.h arm_neon.h
    sanitizer/asan_interface.h sanitizer/tsan_interface.h
    shale/shale.h shale/types.h shale/options.h shale/observe.h shale/env.h
""".split())

# A broken invariant of the library stops the program; ARM says by a call which
# instructions it has.
EXCEPTIONS = {
    ("src/base/status.c", "stdlib.h"),
    ("src/base/crc32c.c", "sys/auxv.h"),
}

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def faults(root):
    """Yields a sentence for every include that goes the wrong way."""
    for path in sorted((root / "src").rglob("*.[ch]")):
        where = path.relative_to(root)
        folder = where.parts[1]
        if folder not in RANK:
            yield f"{where}: folder src/{folder} has no rank in {pathlib.Path(__file__).name}"
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            quote, name = match.groups()
            at = f"{where}:{number}"
            if quote == "<":
                pure = name in PURE or (str(where), name) in EXCEPTIONS
                if folder != "env" and not pure:
                    yield f"{at}: <{name}> outside src/env"
                continue
            target = name.split("/")[0]
            if not (root / "src" / name).is_file():
                yield f'{at}: "{name}" is no file under src/'
            elif target != folder and RANK.get(target, 99) >= RANK[folder]:
                yield f'{at}: src/{folder} may not include "{name}"'
    # The program uses the public headers and its own files, nothing inside.
    for path in sorted((root / "tools").rglob("*.[ch]")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if match and match[1] == '"' and not (root / "tools" / match[2]).is_file():
                yield f'{path.relative_to(root)}:{number}: "{match[2]}" is no file of tools/'


def main():
    default = pathlib.Path(__file__).resolve().parent.parent
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    found = list(faults(root))
    for fault in found:
        print(fault)
    print(f"check_layers: {len(found)} wrong includes")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
