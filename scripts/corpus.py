#!/usr/bin/env python3
"""The corpus of a fuzz target, between its text and the files that engines work with.

  corpus.py unpack tests/fuzz/corpus/NAME.hex DIR    a file for each line
  corpus.py pack DIR tests/fuzz/corpus/NAME.hex      the lines, smallest first, up to a size

In the text a line is one input in hexadecimal; lines that begin with "#" say what the
one below is for, and both stay for ever: they are inputs that once failed.
"""
import hashlib
import os
import sys

BYTES_MAX = 64 << 10  # of all inputs that are not kept for ever


def read_text(path):
    """(comment or None, bytes) for every input."""
    inputs, comment = [], None
    with open(path, encoding="ascii") as f:
        for line in f:
            line = line.strip()
            if line.startswith("#"):
                comment = line
            elif line:
                inputs.append((comment, bytes.fromhex(line)))
                comment = None
    return inputs


def unpack(text, folder):
    os.makedirs(folder, exist_ok=True)
    for _, data in read_text(text):
        with open(os.path.join(folder, hashlib.sha1(data).hexdigest()), "wb") as f:
            f.write(data)


def pack(folder, text):
    kept = [i for i in read_text(text) if i[0]]
    known = {data for _, data in kept}
    found = set()
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as f:
            found.add(f.read())
    room = BYTES_MAX
    with open(text, "w", encoding="ascii") as f:
        for comment, data in kept:
            f.write(f"{comment}\n{data.hex()}\n")
        for data in sorted(found - known, key=lambda d: (len(d), d)):
            room -= len(data)
            if room < 0:
                break
            if data:
                f.write(data.hex() + "\n")


def main(argv):
    if len(argv) == 4 and argv[1] in ("unpack", "pack"):
        {"unpack": unpack, "pack": pack}[argv[1]](argv[2], argv[3])
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv))
