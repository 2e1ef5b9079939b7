#!/usr/bin/env python3
"""Holds scripts/decode.py against the examples in tests/golden/format/.

  - what it prints for NAME.hex is NAME.txt
  - the examples together are a sound store
  - it sees every byte that is changed in them, and files that are missing or swapped

    check.py [--write]    --write writes the .txt that are missing
"""
import contextlib
import importlib.util
import io
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE / "format"
FILES = {"root": "ROOT", "manifest": "00000001-00000001.man", "table": "00000001-00000002.sst",
         "log": "00000001-00000003.log", "ranges": "00000001-00000004.sst"}
PARTS = ("batch", "block", "filter")

sys.dont_write_bytecode = True
spec = importlib.util.spec_from_file_location("decode", HERE.parents[1] / "scripts" / "decode.py")
decode = importlib.util.module_from_spec(spec)
spec.loader.exec_module(decode)
faults = []


def fault(text):
    faults.append(text)
    print(f"check.py: {text}", file=sys.stderr)


def printed(call, *args):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        call(*args)
    return out.getvalue()


def bytes_of(name):
    path = GOLDEN / f"{name}.hex"
    return decode.from_hex(path.name, path.read_bytes())


def decode_bytes(name, data):
    """As text; `name` has the kind."""
    show = decode.shower(False)
    if name in PARTS:
        return printed(decode.print_part, name, name, data, show)
    return printed(decode.print_file, FILES.get(name, name), data, show)


def check_texts(write):
    for path in sorted(GOLDEN.glob("*.hex")):
        if path.stem == "zstd" and decode.zstandard:
            continue  # its text is that of a decoder without the module
        text, kept = decode_bytes(path.stem, bytes_of(path.stem)), path.with_suffix(".txt")
        if write and not kept.exists():
            kept.write_text(text)
        if text != kept.read_text():
            fault(f"{path.name}: what is printed is not {kept.name}:\n{text}")


def is_damage(call, *args):
    try:
        printed(call, *args)
    except decode.Damage:
        return True
    return False


def check_flips():
    """Every byte of the files; of long runs of zeros, every 61st."""
    for name in (*FILES, "packed"):
        data = bytearray(bytes_of(name))
        end = len(data)
        if name == "manifest":
            end = 400  # damage to the last record looks like a torn append
        if name == "log":
            end = len(data) - 24  # likewise; the store's manifest knows better, see below
        for at in range(end):
            if at % 61 and not any(data[max(0, at - 8):at + 9]):
                continue
            bit = 1 << at % 8
            data[at] ^= bit
            if name == "log" and at >= 4096:
                seen = is_damage(sealed_log, bytes(data))
            else:
                seen = is_damage(decode_bytes, name, bytes(data))
            if not seen:
                fault(f"{name}: bit {bit:#x} of byte {at} flipped, and nobody sees it")
            data[at] ^= bit


def sealed_log(data):
    log = decode.Segment("log", data)
    for _ in log.records(0, len(data)):
        pass


def check_cuts():
    for name in FILES:
        data = bytes_of(name)
        # A log or manifest may end anywhere behind its first record: a torn tail.
        end = {"log": 4096, "manifest": 208}.get(name, len(data))
        for at in range(0, end, 7):
            if not is_damage(decode_bytes, name, data[:at]):
                fault(f"{name}: cut at {at}, and nobody sees it")


def check_filter():
    raw = bytes_of("filter")
    for h in (1, 1 << 63, (1 << 64) - 1):
        if not decode.filter_has(raw, 2, 6, h):
            fault(f"filter: lacks {h:#x}")
    others = sum(decode.filter_has(raw, 2, 6, h * 0x123456789ABCDEF & (1 << 64) - 1)
                 for h in range(2, 1002))
    if others > 10:
        fault(f"filter: has {others} of 1000 others")


def verify(path):
    return printed(decode.Store(str(path)).verify)


def check_store():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        for name, file in FILES.items():
            (path / file).write_bytes(bytes_of(name))
        (path / "LOCK").touch()
        print(verify(path), end="")
        for name, file in FILES.items():
            file, data = path / file, bytes_of(name)
            file.unlink()
            if not is_damage(verify, path):
                fault(f"store: {file.name} is missing, and nobody sees it")
            for other in FILES:
                if other != name:
                    file.write_bytes(bytes_of(other))
                    if not is_damage(verify, path):
                        fault(f"store: {file.name} is {other}, and nobody sees it")
            file.write_bytes(data)
        # Sealed by the manifest: a cut is no torn tail.
        log = path / FILES["log"]
        log.write_bytes(bytes_of("log")[:-24])
        if not is_damage(verify, path):
            fault("store: the sealed log is cut, and nobody sees it")
        log.write_bytes(bytes_of("log"))
        verify(path)


def main():
    check_texts("--write" in sys.argv[1:])
    check_filter()
    check_flips()
    check_cuts()
    check_store()
    print(f"check.py: {len(faults)} faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
