#!/usr/bin/env python3
"""Tell how much of src/ the tests have executed: lines and branches by folder.

    coverage.py BUILD [--missing FOLDER...]

BUILD was compiled with --coverage and its tests have run. --missing lists the
lines never executed, and the branches never taken, of these folders.

Left out: lines with ASSERT or unreachable(), whose other way is never meant to
be taken. src/env is counted without the simulated machine, which is a test's.
"""
import collections
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = ["base", "env", "format", "iter", "cache", "memtable", "wal", "table", "version",
           "compact", "db"]
CORE = ["format", "wal", "memtable", "table", "version", "compact", "db"]
LEFT_OUT = re.compile(r"\bASSERT\(|\b__builtin_unreachable\(|\bunreachable\(")
LINES_MIN, BRANCHES_MIN = 97.0, 90.0  # of CORE


def counts(build):
    """{file: {line: [count, [branch counts]]}} of what is under src/."""
    data = collections.defaultdict(dict)
    files = [os.path.join(where, name) for where, _, names in os.walk(build)
             for name in names if name.endswith(".gcda") and "shale_objects.dir" in where]
    for i in range(0, len(files), 20):
        out = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities"] +
                             files[i:i + 20], cwd=build, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, check=True).stdout
        for text in out.decode().splitlines():
            if text.startswith("{"):
                take(data, json.loads(text))
    return data


def take(data, report):
    for f in report["files"]:
        path = os.path.normpath(os.path.join(report["current_working_directory"], f["file"]))
        path = os.path.relpath(path, ROOT)
        if not path.startswith("src/"):
            continue
        lines = data[path]
        for line in f["lines"]:
            branches = [b["count"] for b in line["branches"] if not b["throw"]]
            seen = lines.setdefault(line["line_number"], [0, []])
            # What is in a header is in many objects: once in any is enough.
            seen[0] += line["count"]
            if len(seen[1]) < len(branches):
                seen[1] += [0] * (len(branches) - len(seen[1]))
            for i, count in enumerate(branches):
                seen[1][i] += count


def left_out(path):
    with open(os.path.join(ROOT, path)) as f:
        return {i + 1 for i, text in enumerate(f) if LEFT_OUT.search(text)}


def main():
    build = os.path.abspath(sys.argv[1])
    missing = sys.argv[3:] if len(sys.argv) > 2 and sys.argv[2] == "--missing" else []
    sums = {folder: [0, 0, 0, 0] for folder in FOLDERS}
    for path, lines in sorted(counts(build).items()):
        folder = path.split("/")[1]
        if folder not in sums or os.path.basename(path).startswith("sim"):
            continue
        skipped = left_out(path)
        with open(os.path.join(ROOT, path)) as f:
            text = f.read().splitlines()
        for number, (count, branches) in sorted(lines.items()):
            if number in skipped:
                continue
            s = sums[folder]
            s[0] += 1
            s[1] += count != 0
            s[2] += len(branches)
            s[3] += sum(b != 0 for b in branches)
            if folder in missing and (count == 0 or 0 in branches):
                what = "line" if count == 0 else \
                    "branch " + ",".join(str(i) for i, b in enumerate(branches) if b == 0)
                print(f"{path}:{number}: {what}: {text[number - 1].strip()}")

    def row(name, s):
        lines, branches = (100.0 * s[1] / max(s[0], 1), 100.0 * s[3] / max(s[2], 1))
        print(f"{name:24} {s[1]:6} of {s[0]:6} {lines:6.1f} %   {s[3]:6} of {s[2]:6} "
              f"{branches:6.1f} %")
        return lines, branches

    print(f"{'folder':24} {'lines':>25}   {'branches':>25}")
    for folder in FOLDERS:
        row(folder, sums[folder])
    row("all", [sum(sums[f][i] for f in FOLDERS) for i in range(4)])
    lines, branches = row("format ... db", [sum(sums[f][i] for f in CORE) for i in range(4)])
    print(f"wanted of {' '.join(CORE)}: lines {LINES_MIN} %, branches {BRANCHES_MIN} %")
    return 0 if lines >= LINES_MIN and branches >= BRANCHES_MIN else 1


if __name__ == "__main__":
    sys.exit(main())
