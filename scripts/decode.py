#!/usr/bin/env python3
"""Reads the files of a store, written from docs/format/ alone.

    decode.py FILE...              print what is in them, one JSON object a line
    decode.py --verify DIR...      check whole stores: every checksum, order, reference
    decode.py --as PART FILE...    a part by itself: block, batch, filter or props

    --hex    the files are hexadecimal text (as in tests/golden/format/)
    --full   print long values and keys whole

Every checksum is verified. Damage ends with exit status 1 and one line on standard
error: file, offset, what is wrong. Needs nothing but Python 3; where the modules
zstandard and xxhash are there, zstd blocks are read and filters are checked against
the keys, otherwise not.
"""
import argparse
import json
import os
import re
import struct
import sys
from array import array

try:
    import zstandard
except ImportError:
    zstandard = None
try:
    import xxhash
except ImportError:
    xxhash = None

KEY_MAX, VALUE_MAX, NAME_MAX, LEVELS, SEQ_MAX = 65536, 1 << 30, 255, 8, (1 << 56) - 1
DELETE, PUT, PUT_TTL, RANGE_DELETE = range(4)
TYPES = ("DELETE", "PUT", "PUT_TTL", "RANGE_DELETE")
CODECS = {1: "none", 2: "lz4", 3: "zstd", 4: "snappy"}
NAME = re.compile(r"([0-9a-f]{8})-([0-9a-f]{8})\.(sst|log|man)$")


class Damage(Exception):
    def __init__(self, name, offset, text):
        super().__init__(f"{name}: offset {offset}: {text}")


# ---- checksums --------------------------------------------------------------

def crc_tables():
    byte = []
    for i in range(256):
        c = i
        for _ in range(8):
            c = c >> 1 ^ (0x82F63B78 if c & 1 else 0)
        byte.append(c)
    # Two bytes at a time: half the steps.
    return byte, array("I", ((c := byte[i & 255] ^ i >> 8) >> 8 ^ byte[c & 255]
                             for i in range(65536)))


CRC_BYTE, CRC_PAIR = crc_tables()


def crc32c(*parts):
    """The sum of the parts joined."""
    c = 0xFFFFFFFF
    for part in parts:
        part = bytes(part)
        even = len(part) & ~1
        for (pair,) in struct.iter_unpack("<H", part[:even]):
            c = CRC_PAIR[(c ^ pair) & 0xFFFF] ^ c >> 16
        if even != len(part):
            c = CRC_BYTE[(c ^ part[-1]) & 0xFF] ^ c >> 8
    return c ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283


def u64(n):
    return struct.pack("<Q", n)


# ---- reading bytes ----------------------------------------------------------

class Reader:
    """Bytes with a position; what is wrong is reported at its place in the file."""

    def __init__(self, name, data, base=0):
        self.name, self.data, self.base, self.at = name, data, base, 0

    def damage(self, text, at=None):
        return Damage(self.name, self.base + (self.at if at is None else at), text)

    def left(self):
        return len(self.data) - self.at

    def take(self, n):
        if n > self.left():
            raise self.damage(f"{n} bytes are needed, {self.left()} are there")
        self.at += n
        return self.data[self.at - n:self.at]

    def unpack(self, fmt):
        return struct.unpack("<" + fmt, self.take(struct.calcsize("<" + fmt)))

    def u8(self):
        return self.unpack("B")[0]

    def varint(self, bits=64):
        value = shift = 0
        begin = self.at
        while True:
            byte = self.u8()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
            if shift > 63:
                raise self.damage("varint is too long", begin)
        if value >> bits:
            raise self.damage(f"number has more than {bits} bits", begin)
        return value

    def string(self, limit, what):
        begin, n = self.at, self.varint()
        if n > limit:
            raise self.damage(f"{what} has {n} bytes, {limit} are allowed", begin)
        return self.take(n)

    def zero(self, n, what):
        for i, byte in enumerate(self.take(n)):
            if byte:
                raise self.damage(f"{what} is not zero", self.at - n + i)

    def magic(self, magic, what):
        if self.take(8) != magic:
            raise self.damage(f"no magic of a {what}", self.at - 8)

    def version(self, what):
        version = self.unpack("I")[0]
        if version != 1:
            raise self.damage(f"{what} has version {version}, known is 1", self.at - 4)

    def sum(self, at):
        """Bytes 0..at-1 against the checksum that stands at `at`."""
        if len(self.data) < at + 4:
            raise self.damage("cut within its header", len(self.data))
        if struct.unpack_from("<I", self.data, at)[0] != crc32c(self.data[:at]):
            raise self.damage("checksum does not match", at)


# ---- decompression ----------------------------------------------------------

def copy_match(out, distance, n):
    if not 0 < distance <= len(out):
        raise ValueError("a match begins before the start")
    while n > 0:
        piece = out[-distance:][:n]
        out += piece
        n -= len(piece)


def lz4_block(data, size):
    out, i = bytearray(), 0

    def length(n):
        nonlocal i
        if n == 15:
            while True:
                n += data[i]
                i += 1
                if data[i - 1] != 255:
                    break
        return n

    while True:
        token = data[i]
        i += 1
        n = length(token >> 4)
        if n > len(data) - i or len(out) + n > size:
            raise ValueError("literals run over the end")
        out += data[i:i + n]
        i += n
        if i == len(data):
            return out
        distance = data[i] | data[i + 1] << 8
        i += 2
        n = length(token & 15) + 4
        if len(out) + n > size:
            raise ValueError("a match runs over the end")
        copy_match(out, distance, n)


def snappy_raw(data, size):
    reader = Reader("", data)
    if reader.varint(32) != size:
        raise ValueError("another length inside")
    out, i = bytearray(), reader.at
    while i < len(data):
        tag = data[i]
        i += 1
        kind, n = tag & 3, tag >> 2
        if kind == 0:
            if n >= 60:
                k = n - 59
                n = int.from_bytes(data[i:i + k], "little")
                i += k
            n += 1
            if n > len(data) - i:
                raise ValueError("literals run over the end")
            out += data[i:i + n]
            i += n
        else:
            k = (1, 2, 4)[kind - 1]
            distance = int.from_bytes(data[i:i + k], "little")
            i += k
            if kind == 1:
                distance |= tag >> 5 << 8
                n = (n & 7) + 4
            else:
                n += 1
            copy_match(out, distance, n)
        if len(out) > size:
            raise ValueError("longer than it should be")
    return out


def unpack(name, offset, codec, data, size):
    """The raw bytes; None for zstd without its module."""
    try:
        if codec == 1:
            raw = data
        elif codec == 2:
            raw = lz4_block(data, size)
        elif codec == 4:
            raw = snappy_raw(data, size)
        elif zstandard is None:
            return None
        else:
            raw = zstandard.ZstdDecompressor().decompress(data, max_output_size=size or 1)
    except Exception as error:
        raise Damage(name, offset, f"{CODECS[codec]} block does not unpack: {error}") from error
    if len(raw) != size:
        raise Damage(name, offset, f"unpacks to {len(raw)} bytes instead of {size}")
    return bytes(raw)


# ---- operations -------------------------------------------------------------

def check_value(reader, kind, key, value, at):
    if kind == PUT_TTL and len(value) < 8:
        raise reader.damage("value lacks its expiry", at)
    if kind == RANGE_DELETE and (key >= value or len(value) > KEY_MAX):
        raise reader.damage("range is empty or its end too long", at)
    if len(value) > VALUE_MAX + (8 if kind == PUT_TTL else 0):
        raise reader.damage("value over its limit", at)


def operations(reader):
    while reader.left():
        at = reader.at
        tag = reader.u8()
        kind = tag & 15
        if tag & 0x70 or kind > RANGE_DELETE:
            raise reader.damage(f"unknown operation {tag:#04x}", at)
        family = reader.varint(32) if tag & 128 else 0
        key_size = reader.varint()
        if key_size > KEY_MAX:
            raise reader.damage("key over its limit", at)
        value_size = reader.varint() if kind != DELETE else 0
        key, value = reader.take(key_size), reader.take(value_size)
        check_value(reader, kind, key, value, at)
        yield family, kind, key, value


def show_entry(kind, key, value, show):
    out = {"type": TYPES[kind], "key": show(key)}
    if kind == PUT_TTL:
        out["expiry_ms"] = struct.unpack_from("<Q", value)[0]
        value = value[8:]
    if kind == RANGE_DELETE:
        out["end"] = show(value)
    elif kind != DELETE:
        out["value"] = show(value)
    return out


# ---- blocks -----------------------------------------------------------------

def block_entries(name, raw, base):
    """Entries (key, seq, type, value) of a block; `base` is only for messages."""
    r = Reader(name, raw, base)
    n, p, flags, width, least = r.unpack("IHBBQ")
    if not 1 <= n <= 1 << 24 or flags > 3 or width not in (0, 1, 2, 4, 7):
        raise r.damage("impossible header of a block", 0)
    if n * (10 + width) + p > r.left():
        raise r.damage(f"too short for its {n} entries")
    heads = r.unpack(f"{n}Q")
    types, head_sizes, deltas = r.take(n), r.take(n), r.take(n * width)
    r.zero(-r.at % 4, "padding")
    rest_ends = r.unpack(f"{n}{'I' if flags & 1 else 'H'}")
    r.zero(-r.at % 4, "padding")
    value_ends = r.unpack(f"{n}{'I' if flags & 2 else 'H'}")
    prefix = r.take(p)
    rests = Reader(name, r.take(rest_ends[-1]), base + r.at)
    values = Reader(name, r.take(value_ends[-1]), base + r.at)
    if r.left():
        raise r.damage("bytes behind the values")
    before = None
    for i in range(n):
        kind, head, k = types[i], heads[i].to_bytes(8, "big"), head_sizes[i]
        if rest_ends[i] < rests.at or value_ends[i] < values.at:
            raise r.damage(f"ends fall at entry {i}", 0)
        rest = rests.take(rest_ends[i] - rests.at)
        value = values.take(value_ends[i] - values.at)
        if k > 8 or (k < 8 and (rest or any(head[k:]))):
            raise r.damage(f"head of entry {i} does not fit its length", 16 + 8 * i)
        key = prefix + head[:k] + rest
        seq = least + int.from_bytes(deltas[i * width:(i + 1) * width], "little")
        if kind > RANGE_DELETE or seq > SEQ_MAX or len(key) > KEY_MAX:
            raise r.damage(f"impossible entry {i}", 0)
        check_value(r, kind, key, value, 0)
        order = (key, -(seq << 8 | kind))
        if before is not None and (order < before or order == before and kind != RANGE_DELETE):
            raise r.damage(f"entry {i} is out of order", 0)
        before = order
        yield key, seq, kind, value


# ---- tables -----------------------------------------------------------------

PROPS = ("entries", "tombstones", "range_tombstones", "expiring", "key_bytes", "value_bytes",
         "data_blocks", "data_bytes", "index_bytes", "filter_bytes", "min_seq", "max_seq",
         "created_ms", "min_expiry_ms", "max_expiry_ms")


def properties(r):
    begin = r.at
    out = {field: r.varint() for field in PROPS}
    out["compression"], flags = r.u8(), r.u8()
    out["largest_excluded"] = bool(flags & 1)
    out["smallest"] = r.string(KEY_MAX, "smallest key")
    out["largest"] = r.string(KEY_MAX, "largest key")
    if out["compression"] not in (0, *CODECS) or flags > 1:
        raise r.damage("unknown codec or flags in properties", begin)
    if out["smallest"] > out["largest"] or \
            (out["smallest"] == out["largest"] and out["largest_excluded"]):
        raise r.damage("key range of properties is empty", begin)
    if not out["min_seq"] <= out["max_seq"] <= SEQ_MAX:
        raise r.damage("impossible sequence numbers in properties", begin)
    return out


def show_props(props, show):
    return {k: show(v) if isinstance(v, bytes) else v for k, v in props.items()}


class Table:
    """A table, checked while it is read; `emit` gets what there is to print."""

    def __init__(self, name, data, emit, show):
        self.name, self.data, self.emit, self.show = name, data, emit, show
        self.pieces = []
        self.hashes = []
        self.unread = 0
        self.read_footer()
        self.read_all()

    def damage(self, offset, text):
        return Damage(self.name, offset, text)

    def read_footer(self):
        self.end = len(self.data) - 128
        if self.end < 0:
            raise self.damage(0, "too short for a table")
        r = Reader(self.name, self.data[self.end:], self.end)
        r.magic(b"SHALETBL", "table")
        r.sum(124)
        r.version("table")
        r.zero(4, "flags")
        self.number = r.unpack("Q")[0]
        self.index, self.ranges, self.filter, self.props_at = (r.unpack("QII") for _ in range(4))
        self.lines, self.probes, self.bits, size = r.unpack("QIIQ")
        self.store = r.unpack("Q")[0]
        r.zero(4, "reserved part of the footer")
        if size != len(self.data):
            raise self.damage(self.end + 104, f"the file should have {size} bytes, "
                              f"it has {len(self.data)}")

    def piece(self, extent, what, align=8):
        """Check a piece and its trailer; its raw bytes, None if they cannot be read."""
        offset, size, raw_size = extent
        if offset % align or offset + size + 16 > self.end:
            raise self.damage(offset, f"{what} does not lie inside of the file")
        stored, trailer = self.data[offset:offset + size], self.data[offset + size:][:16]
        want = struct.unpack_from("<I", trailer, 8)[0]
        if want != crc32c(stored, trailer[:8], u64(self.number), u64(offset)):
            raise self.damage(offset, f"checksum of {what} does not match")
        t = Reader(self.name, trailer, offset + size)
        raw, codec = t.unpack("IB")
        t.zero(3, "reserved part of a trailer")
        t.take(4)
        t.zero(4, "reserved part of a trailer")
        if codec not in CODECS or raw != raw_size or (codec == 1 and raw != size):
            raise self.damage(offset + size, f"trailer of {what} is impossible")
        if what != "data block" and codec != 1:
            raise self.damage(offset + size, f"{what} must not be compressed")
        self.pieces.append((offset, offset + size + 16, what))
        self.codec = codec
        return unpack(self.name, offset, codec, stored, raw_size)

    def read_all(self):
        self.stats = dict.fromkeys(PROPS, 0) | {"min_seq": SEQ_MAX}
        self.lowest, self.highest, self.before = [], [], None
        self.emit(what="table", number=name_of(self.number), bytes=len(self.data),
                  filter_lines=self.lines, filter_probes=self.probes, filter_bits=self.bits)
        if any(self.index):
            self.read_blocks()
        if any(self.ranges):
            self.read_ranges()
        if any(self.index):
            self.piece(self.index, "index")
            self.stats["index_bytes"] = self.index[1] + 16
        self.read_filter()
        raw = self.piece(self.props_at, "properties")
        r = Reader(self.name, raw, self.props_at[0])
        self.props = properties(r)
        if r.left():
            raise r.damage("bytes behind the properties")
        self.raw_props = raw
        self.emit(at=self.props_at[0], what="properties", **show_props(self.props, self.show))
        self.check_props()
        self.check_gaps()

    def read_blocks(self):
        offset = self.index[0]
        raw = self.piece(self.index, "index")
        self.pieces.clear()  # noted again in its turn
        before = None
        for i, (key, seq, kind, value) in enumerate(block_entries(self.name, raw, offset)):
            if len(value) != 16:
                raise self.damage(offset, f"entry {i} of the index is no extent")
            first, last = self.read_block(struct.unpack("<QII", value))
            if before and first and not self.separates(before, first):
                raise self.damage(offset, f"entry {i - 1} of the index is no separator")
            if last and last[0] > key:
                raise self.damage(offset, f"entry {i} of the index lies below its block")
            before = last and ((key, seq, kind), last)

    @staticmethod
    def separates(before, first):
        """Is the index entry between the last entry of its block and the next block's first?"""
        (key, seq, kind), last = before
        return (key < first[0] and (seq, kind) == (0, PUT)) or \
            (key == first[0] and (key, seq, kind) == last)

    def read_block(self, extent):
        raw = self.piece(extent, "data block")
        s = self.stats
        s["data_blocks"] += 1
        s["data_bytes"] += extent[1] + 16
        block = {"at": extent[0], "what": "data block", "codec": CODECS[self.codec],
                 "stored": extent[1], "raw": extent[2]}
        if raw is None:
            self.unread += 1
            self.before = None
            self.emit(**block, note=f"zstd block, {extent[1]} bytes")
            return None, None
        first = last = None
        lines = []
        for key, seq, kind, value in block_entries(self.name, raw, extent[0]):
            last = (key, seq, kind)
            first = first or last
            if kind == RANGE_DELETE:
                raise self.damage(extent[0], "a range tombstone in a data block")
            if xxhash and (self.before is None or self.before[0] != key):
                self.hashes.append((xxhash.xxh3_64_intdigest(key), extent[0]))
            order = (key, -(seq << 8 | kind))
            if self.before is not None and order <= self.before:
                raise self.damage(extent[0], "block is out of order with the one before")
            self.before = order
            self.count(key, seq, kind, value)
            lines.append({"seq": seq, **show_entry(kind, key, value, self.show)})
        if not self.lowest:
            self.lowest.append(first[0])
        self.highest[:] = [(last[0], False)]
        self.emit(**block, entries=len(lines))
        for line in lines:
            self.emit(what="entry", **line)
        return first, last

    def count(self, key, seq, kind, value):
        s = self.stats
        s["entries"] += 1
        s["key_bytes"] += len(key)
        s["value_bytes"] += len(value)
        s["tombstones"] += kind == DELETE
        self.count_seq(seq)
        if kind == PUT_TTL:
            expiry = struct.unpack_from("<Q", value)[0]
            s["min_expiry_ms"] = min(expiry, s["min_expiry_ms"]) if s["expiring"] else expiry
            s["max_expiry_ms"] = max(expiry, s["max_expiry_ms"])
            s["expiring"] += 1

    def count_seq(self, seq):
        self.stats["min_seq"] = min(seq, self.stats["min_seq"])
        self.stats["max_seq"] = max(seq, self.stats["max_seq"])

    def read_ranges(self):
        raw = self.piece(self.ranges, "range tombstones")
        self.emit(at=self.ranges[0], what="range tombstones")
        for key, seq, kind, value in block_entries(self.name, raw, self.ranges[0]):
            if kind != RANGE_DELETE:
                raise self.damage(self.ranges[0], "an entry that is no range tombstone")
            self.stats["range_tombstones"] += 1
            self.count_seq(seq)
            self.lowest.append(key)
            self.highest.append((value, True))
            self.emit(what="entry", seq=seq, **show_entry(kind, key, value, self.show))

    def read_filter(self):
        if not any(self.filter):
            if self.lines:
                raise self.damage(self.end + 88, "lines of a filter that is not there")
            return
        raw = self.piece(self.filter, "filter", 64)
        if len(raw) != 64 * self.lines or not 1 <= self.probes <= 16:
            raise self.damage(self.end + 88, "sizes of the filter disagree")
        self.stats["filter_bytes"] = self.filter[1] + 16
        self.emit(at=self.filter[0], what="filter", **show_filter(raw))
        for h, block in self.hashes:
            if not filter_has(raw, self.lines, self.probes, h):
                raise self.damage(self.filter[0], f"filter lacks a key of the block at {block}")

    def check_props(self):
        """What was counted against what the properties say."""
        at, props = self.props_at[0], self.props
        counted = ("data_blocks", "data_bytes", "range_tombstones", "index_bytes", "filter_bytes")
        if not self.unread:
            counted = [k for k in PROPS if k != "created_ms"]
        for field in counted:
            if props[field] != self.stats[field]:
                raise self.damage(at, f"properties say {field} {props[field]}, "
                                  f"there are {self.stats[field]}")
        if self.unread or not self.highest:
            return
        # The key itself reaches further than a range that ends before it.
        largest, excluded = max(self.highest, key=lambda h: (h[0], not h[1]))
        if (min(self.lowest), largest, excluded) != \
                (props["smallest"], props["largest"], props["largest_excluded"]):
            raise self.damage(at, "key range of the properties is not that of the entries")

    def check_gaps(self):
        at = 0
        order = ("data block", "range tombstones", "index", "filter", "properties")
        kinds = [order.index(what) for _, _, what in sorted(self.pieces)]
        if kinds != sorted(kinds):
            raise self.damage(0, "pieces are not in their order")
        for begin, end, what in sorted(self.pieces) + [(self.end, self.end, "footer")]:
            gap = 64 if what == "filter" else 9 if at == 0 else 8
            if not at <= begin < at + gap:
                raise self.damage(at, f"{what} overlaps what is before it, or leaves a gap")
            Reader(self.name, self.data[at:begin], at).zero(begin - at, f"gap before {what}")
            at = end


def filter_has(raw, lines, probes, h):
    line, c = (h * lines >> 64) * 64, 0x9E3779B97F4A7C15
    for _ in range(probes):
        h = h * c & (1 << 64) - 1
        bit = h >> 55
        if not raw[line + bit // 8] >> bit % 8 & 1:
            return False
    return True


def show_filter(raw):
    ones = bin(int.from_bytes(raw, "little")).count("1")
    return {"lines": len(raw) // 64, "bits_set": ones, "of": len(raw) * 8}


# ---- manifest ---------------------------------------------------------------

EDITS = {1: ("NEXT_NUMBER", "number"), 2: ("LAST_SEQ", "seq"),
         3: ("CF_CREATE", "cf", "name", "options"), 4: ("CF_DROP", "cf"),
         5: ("CF_FLUSHED", "cf", "seq"),
         6: ("ADD_TABLE", "cf", "level", "run", "number", "size", "props"),
         7: ("REMOVE_TABLE", "cf", "level", "run", "number"), 8: ("LOG_ADD", "number"),
         9: ("LOG_SEAL", "number", "length", "seq"), 10: ("LOG_REMOVE", "number"),
         11: ("SNAPSHOT",), 12: ("CLEAN_CLOSE",), 13: ("NEXT_RUN", "number"),
         14: ("NEXT_CF", "cf"), 15: ("CF_OPTIONS", "cf", "options")}
BITS = {"cf": 32, "seq": 56, "level": 3}
NOTES, JOB, HIDES = 128, 128, 129
JOB_FIELDS = ("id", "cf", "kind", "reason", "levels_in", "level_out", "start_ms", "ns",
              "tables_in", "tables_out", "bytes_in", "bytes_out", "entries_in", "entries_kept",
              "dropped_shadowed", "dropped_tombstones", "dropped_expired", "dropped_range")


def options(r):
    begin = r.at
    version = r.u8()
    if version not in (1, 2, 3):
        raise r.damage(f"options of version {version}, known are 1 to 3", begin)
    out = {"compression": r.u8(), "level_compression": list(r.take(8)),
           "block_bytes": r.varint(32), "filter_bits": r.varint(32), "no_filter": r.u8(),
           "ttl_ms": r.varint(), "policy": r.u8(), "size_ratio": r.varint(32),
           "top_runs": r.varint(32), "base_bytes": r.varint(), "table_bytes": r.varint()}
    if version >= 2:
        out.update(max_runs=r.varint(32), space_amp_max=r.varint(32), window_ms=r.varint(),
                   max_bytes=r.varint(), delete_within_ms=r.varint())
    if version == 3:
        out["level_filter_bits"] = [r.varint(32) for _ in range(8)]
    if max(out["compression"], *out["level_compression"]) > 4 or out["no_filter"] > 1 or \
            out["policy"] > (1 if version == 1 else 6) or r.left():
        raise r.damage("impossible options of a column family", begin)
    return out


def job_note(r):
    begin = r.at
    job = {field: r.varint() for field in JOB_FIELDS}
    dropped = sum(job[field] for field in JOB_FIELDS if field.startswith("dropped"))
    if max(job["cf"], job["kind"], job["reason"]) >> 32 or job["levels_in"] >> LEVELS or \
            job["level_out"] >= LEVELS:
        raise r.damage("impossible note of a job", begin)
    if job["entries_in"] != job["entries_kept"] + dropped:
        raise r.damage(f"job {job['id']} does not add up", begin)
    return job


def edit_fields(r):
    while r.left():
        at = r.at
        tag = r.u8()
        if tag >= NOTES:
            raw = r.string(1 << 30, "note")
            if tag == JOB:
                yield {"tag": "JOB", **job_note(Reader(r.name, raw, r.base + r.at - len(raw)))}
            elif tag == HIDES:
                note = Reader(r.name, raw, r.base + r.at - len(raw))
                yield {"tag": "HIDES", "number": note.varint(), "hides": note.varint()}
            continue
        if tag not in EDITS:
            raise r.damage(f"unknown tag {tag}", at)
        field = {"tag": EDITS[tag][0]}
        for part in EDITS[tag][1:]:
            begin = r.at
            if part == "name":
                field[part] = r.string(NAME_MAX, "family name")
            elif part in ("options", "props"):
                raw = r.string(1 << 30, part)
                inner = Reader(r.name, raw, r.base + r.at - len(raw))
                field[part] = options(inner) if part == "options" else properties(inner)
                if inner.left():
                    raise inner.damage(f"bytes behind the {part}")
                field["raw_" + part] = raw
            else:
                field[part] = r.varint(BITS.get(part, 64))
                if part == "level" and field[part] >= LEVELS:
                    raise r.damage("impossible level", begin)
        yield field


def manifest(name, data):
    """The header; then (offset, edit, fields) of each record; then ("end", offset)."""
    r = Reader(name, data)
    r.magic(b"SHALEMAN", "manifest")
    r.sum(56)
    r.version("manifest")
    r.zero(4, "reserved part of the header")
    number, store, compatible, read_only, incompatible = r.unpack("5Q")
    r.take(4)
    r.zero(4, "reserved part of the header")
    if incompatible:
        raise r.damage(f"unknown features {incompatible:#x}", 48)
    yield {"number": number, "store": store, "compatible": compatible, "read_only": read_only}

    def record(at):
        if len(data) - at < 16:
            return None
        want, n, edit = struct.unpack_from("<IIQ", data, at)
        end = at + 16 + n + -n % 8
        if end > len(data) or want != crc32c(data[at + 4:at + 16 + n], u64(number)) or \
                any(data[at + 16 + n:end]):
            return None
        return end, edit, data[at + 16:at + 16 + n]

    at, last, clean = 64, None, False
    while found := record(at):
        end, edit, payload = found
        fields = list(edit_fields(Reader(name, payload, at + 16)))
        tags = [f["tag"] for f in fields]
        if clean or "CLEAN_CLOSE" in tags[:-1]:
            raise Damage(name, at, "something follows the clean close")
        if last is None and "SNAPSHOT" not in tags:
            raise Damage(name, at, "the first record is no snapshot")
        if last is not None and edit != last + 1:
            raise Damage(name, at, f"edit {edit} follows edit {last}")
        clean, last = "CLEAN_CLOSE" in tags, edit
        yield at, edit, fields
        at = end
    if last is None:
        raise Damage(name, at, "no record")
    for later in range(at + 8, len(data) - 15, 8):
        n, edit = struct.unpack_from("<IQ", data, later + 4)
        if last < edit <= last + len(data) and n <= len(data) - later and record(later):
            raise Damage(name, at, f"no record here, but there is edit {edit} at {later}")
    if clean and any(data[at:]):
        raise Damage(name, at, "something follows the clean close")
    yield "end", at


# ---- log --------------------------------------------------------------------

NOT_ZERO = re.compile(rb"[^\0]")
OPS, LINK, LARGE, END = 1, 2, 3, 4
RECORDS = {OPS: "OPS", LINK: "LINK", LARGE: "LARGE", END: "END"}


class Segment:
    def __init__(self, name, data):
        self.name, self.data = name, data
        r = Reader(name, data)
        r.magic(b"SHALELOG", "log")
        r.sum(40)
        r.version("log")
        r.zero(4, "reserved part of the header")
        self.number, self.store, self.edit = r.unpack("3Q")
        r.take(4)
        r.zero(4052, "rest of the header page")
        first = self.record(4096)
        self.link = None
        if first and first[2] == LINK and len(first[5]) == 32:
            self.link = struct.unpack("<4Q", first[5])

    def record(self, at):
        """(end, first sequence, type, count, distance, payload) of the record at `at`, or None."""
        data = self.data
        if len(data) - at < 24:
            return None
        want, n, word, count, distance = struct.unpack_from("<IIQII", data, at)
        end = at + 24 + n + -n % 8
        if word & 255 not in RECORDS or end > len(data) or any(data[at + 24 + n:end]):
            return None
        payload = data[at + 24:at + 24 + n]
        if want != crc32c(payload, data[at + 4:at + 24], u64(self.number)):
            return None
        return end, word >> 8, word & 255, count, distance, payload

    def proof(self, at, base, hole, seq):
        """A record at or behind `at` that knew that LSN `hole` was durable; its offset."""
        while at + 24 <= len(self.data):
            # The type, at 8, is not zero.
            used = NOT_ZERO.search(self.data, at + 8)
            if used is None:
                break
            if used.start() & ~7 > at + 8:
                at = (used.start() & ~7) - 8
                continue
            found = None
            if self.data[at + 8] in RECORDS and \
                    struct.unpack_from("<Q", self.data, at + 8)[0] >> 8 >= seq:
                found = self.record(at)
            if found and found[4] != 0xFFFFFFFF and base + at - 8 * found[4] > hole:
                return at
            at = found[0] if found else at + 8
        return None

    def records(self, seq=0, length=None):
        """(offset, first sequence, type, count, distance, operations); the end in self.end."""
        at, self.ended = 4096, False
        while at != length and not self.ended:
            found = self.record(at)
            if found is None or (length is not None and found[0] > length):
                if length is not None:
                    raise Damage(self.name, at, f"no record in a log sealed at {length}")
                break
            end, first, kind, count, distance, payload = found
            if first < seq:
                raise Damage(self.name, at, f"sequence {first} after {seq}")
            if (kind == LINK) != (at == 4096):
                raise Damage(self.name, at, f"{RECORDS[kind]} out of place")
            ops = []
            if kind in (OPS, LARGE):
                ops = list(operations(Reader(self.name, payload, at + 24)))
                if len(ops) != count:
                    raise Damage(self.name, at, f"{len(ops)} operations instead of {count}")
            seq = first + len(ops)
            yield at, first, kind, count, distance, ops
            at, self.ended = end, kind == END
        if length is not None and at != length:
            raise Damage(self.name, at, f"END in a log sealed at {length}")
        self.end, self.seq = at, seq


# ---- root -------------------------------------------------------------------

def root_cell(name, data):
    if len(data) != 48:
        raise Damage(name, len(data), f"root has {len(data)} bytes instead of 48")
    r = Reader(name, data)
    r.magic(b"SHALEROT", "root")
    r.sum(44)
    r.version("root")
    epoch, number, store = r.unpack("IQQ")
    r.zero(12, "reserved part of the root")
    return epoch, number, store


# ---- printing ---------------------------------------------------------------

def name_of(number, kind=""):
    return f"{number >> 32:08x}-{number & 0xffffffff:08x}{kind}"


def shower(full):
    def show(data):
        """Bytes as text: what is not printable ASCII as \\xNN."""
        cut = data if full or len(data) <= 64 else data[:48]
        text = "".join(chr(b) if 32 <= b < 127 and b != 92 else f"\\x{b:02x}" for b in cut)
        return text if cut is data else f"{text}... ({len(data)} bytes)"
    return show


def emit_line(**line):
    print(json.dumps(line))


def print_manifest(name, data, show):
    parts = manifest(name, data)
    head = next(parts)
    emit_line(what="manifest", number=name_of(head["number"]), store=f"{head['store']:016x}",
              compatible=head["compatible"], read_only=head["read_only"])
    for part in parts:
        if part[0] == "end":
            torn = len(data[part[1]:].rstrip(b"\0"))
            emit_line(at=part[1], what="end", **({"torn_bytes": torn} if torn else {}))
            continue
        at, edit, fields = part
        emit_line(at=at, what="edit", edit=edit, fields=len(fields))
        for field in fields:
            line = {k: v for k, v in field.items() if not k.startswith("raw_")}
            if "name" in line:
                line["name"] = show(line["name"])
            if "props" in line:
                line["props"] = show_props(line["props"], show)
            if "number" in line and line["tag"] not in ("NEXT_NUMBER", "NEXT_RUN"):
                line["number"] = name_of(line["number"])
            emit_line(what="field", **line)
    return head["number"]


def print_log(name, data, show):
    s = Segment(name, data)
    emit_line(what="log", number=name_of(s.number), store=f"{s.store:016x}", edit=s.edit)
    for at, first, kind, count, distance, ops in s.records():
        line = {"at": at, "what": "record", "type": RECORDS[kind], "seq": first, "count": count,
                "distance": distance}
        if kind == LINK and s.link:
            line |= {"previous": name_of(s.link[0]), "previous_length": s.link[1],
                     "lsn": s.link[2], "next_seq": s.link[3]}
        emit_line(**line)
        print_operations(ops, first, show)
    base = s.link[2] if s.link else 0
    proof = None if s.ended else s.proof(s.end, base, base + s.end, s.seq)
    if proof is not None:
        raise Damage(name, s.end, f"no record here, but the one at {proof} was written when "
                     "this was durable")
    rest = len(data[s.end:].rstrip(b"\0"))
    emit_line(at=s.end, what="end", clean=s.ended, **({"bytes_behind": rest} if rest else {}))
    return s.number


def print_operations(ops, seq, show):
    for i, (family, kind, key, value) in enumerate(ops):
        emit_line(what="operation", seq=seq + i, cf=family, **show_entry(kind, key, value, show))


def print_part(part, name, data, show):
    if part == "batch":
        print_operations(list(operations(Reader(name, data))), 0, show)
    elif part == "block":
        for key, seq, kind, value in block_entries(name, data, 0):
            emit_line(what="entry", seq=seq, **show_entry(kind, key, value, show))
    elif part == "filter":
        if not data or len(data) % 64:
            raise Damage(name, len(data), "a filter is a number of 64-byte lines")
        emit_line(what="filter", **show_filter(data))
    else:
        r = Reader(name, data)
        emit_line(what="properties", **show_props(properties(r), show))
        if r.left():
            raise r.damage("bytes behind the properties")


def print_file(name, data, show):
    kind, number = None, None
    if data[:8] == b"SHALEROT":
        epoch, at, store = root_cell(name, data)
        emit_line(what="root", epoch=epoch, manifest=name_of(at), store=f"{store:016x}")
    elif data[:8] == b"SHALEMAN":
        kind, number = "man", print_manifest(name, data, show)
    elif data[:8] == b"SHALELOG":
        kind, number = "log", print_log(name, data, show)
    elif data[-128:-120] == b"SHALETBL":
        kind, number = "sst", Table(name, data, emit_line, show).number
    else:
        raise Damage(name, 0, "no file of a store: no magic")
    match = NAME.match(os.path.basename(name))
    if match and (match[3] != kind or int(match[1] + match[2], 16) != number):
        raise Damage(name, 0, f"is {name_of(number, '.' + kind)} by what is in it")


# ---- a whole store ----------------------------------------------------------

class Store:
    def __init__(self, path):
        self.path = path
        self.families, self.tables, self.logs = {}, {}, {}
        self.last_seq = None

    def read(self, name):
        path = os.path.join(self.path, name)
        try:
            with open(path, "rb") as file:
                return path, file.read()
        except FileNotFoundError:
            raise Damage(path, 0, "is missing") from None

    def verify(self):
        name, data = self.read("ROOT")
        epoch, number, self.store = root_cell(name, data)
        self.manifest = name_of(number, ".man")
        self.replay(number)
        entries = 0
        for key, (at, field) in self.tables.items():
            entries += self.check_table(key[3], at, field)
        self.check_runs()
        records, end = Log(self).check()
        known = {self.manifest} | {name_of(k[3], ".sst") for k in self.tables} | \
            {name_of(n, ".log") for n in self.logs}
        spare = sorted(n for n in os.listdir(self.path) if NAME.match(n) and n not in known)
        emit_line(what="store", path=self.path, epoch=epoch, store=f"{self.store:016x}",
                  manifest=self.manifest, edit=self.edit, families=len(self.families),
                  tables=len(self.tables), entries=entries, logs=len(self.logs),
                  log_records=records, log_end=end, unreferenced=spare)

    def replay(self, number):
        name, data = self.read(self.manifest)
        parts = manifest(name, data)
        head = next(parts)
        if head["number"] != number or head["store"] != self.store:
            raise Damage(name, 16, "header is that of another manifest or store")
        for part in parts:
            if part[0] == "end":
                torn = len(data[part[1]:].rstrip(b"\0"))
                if torn:
                    emit_line(what="note", file=name, at=part[1], text="torn tail", bytes=torn)
                continue
            at, self.edit, fields = part
            # An edit takes effect as a whole: a moved table is removed and added in it.
            for field in fields:
                if field["tag"] not in ("ADD_TABLE", "CF_FLUSHED", "REMOVE_TABLE"):
                    self.apply(name, at, field)
            for tag in ("REMOVE_TABLE", "ADD_TABLE", "CF_FLUSHED"):
                for field in fields:
                    if field["tag"] == tag:
                        self.apply(name, at, field)

    def apply(self, name, at, f):
        def need(condition, text):
            if not condition:
                raise Damage(name, at, f"{f['tag']} {text}")

        tag = f["tag"]
        if tag == "CF_CREATE":
            need(f["cf"] not in self.families, "of a family that is there")
            self.families[f["cf"]] = f["name"]
        elif tag in ("CF_DROP", "CF_FLUSHED"):
            need(f["cf"] in self.families, "of an unknown family")
            if tag == "CF_DROP":
                del self.families[f["cf"]]
                self.tables = {k: t for k, t in self.tables.items() if k[0] != f["cf"]}
        elif tag in ("ADD_TABLE", "REMOVE_TABLE"):
            key = (f["cf"], f["level"], f["run"], f["number"])
            if tag == "ADD_TABLE":
                need(f["cf"] in self.families, "for an unknown family")
                need(key[3] not in {k[3] for k in self.tables}, "of a table that is there")
                self.tables[key] = at, f
            else:
                need(self.tables.pop(key, None), "of a table that is not there")
        elif tag == "LOG_ADD":
            need(f["number"] not in self.logs, "of a log that is there")
            self.logs[f["number"]] = None
        elif tag in ("LOG_SEAL", "LOG_REMOVE"):
            need(f["number"] in self.logs, "of a log that is not there")
            if tag == "LOG_SEAL":
                self.logs[f["number"]] = f
            else:
                del self.logs[f["number"]]
        elif tag == "LAST_SEQ":
            self.last_seq = f["seq"]

    def check_table(self, number, at, field):
        name, data = self.read(name_of(number, ".sst"))
        if len(data) != field["size"]:
            raise Damage(name, len(data), f"has {len(data)} bytes, the manifest says "
                         f"{field['size']}")
        table = Table(name, data, lambda **line: None, repr)
        if table.number != number:
            raise Damage(name, table.end + 16, "footer is that of another table")
        if table.store not in (0, self.store):
            raise Damage(name, table.end + 112, "footer is that of another store's table")
        if table.props != field["props"]:
            raise Damage(name, table.props_at[0], "properties differ from the manifest's at "
                         f"{self.manifest}:{at}")
        if self.last_seq is not None and table.props["max_seq"] > self.last_seq:
            raise Damage(name, table.props_at[0], "has a sequence beyond the manifest's last")
        if table.unread:
            emit_line(what="note", file=name, text=f"{table.unread} zstd blocks not unpacked")
        return table.props["entries"]

    def check_runs(self):
        runs = {}
        for (cf, level, run, _), (at, f) in self.tables.items():
            runs.setdefault((cf, level, run), []).append((f["props"], at))
        for run, tables in runs.items():
            tables.sort(key=lambda t: (t[0]["smallest"], t[0]["largest"]))
            for (a, _), (b, at) in zip(tables, tables[1:]):
                if a["largest"] > b["smallest"] or \
                        (a["largest"] == b["smallest"] and not a["largest_excluded"]):
                    raise Damage(os.path.join(self.path, self.manifest), at,
                                 f"tables of run {run} overlap")


class Log:
    """The live segments in order, by the rules under "Where the log ends" in log.md."""

    def __init__(self, store):
        self.store = store
        self.hole = None   # (segment's name, offset, LSN)
        self.at = None     # the segment read last
        self.lsn = self.seq = self.records = 0
        self.exact = False

    def check(self):
        end = "none"
        for number, seal in self.store.logs.items():
            name, data = self.store.read(name_of(number, ".log"))
            s = Segment(name, data)
            if s.number != number or s.store != self.store.store:
                raise Damage(name, 16, "header is that of another log or store")
            if s.edit > self.store.edit:
                raise Damage(name, 32, f"edit {s.edit} was durable, the manifest ends with "
                             f"{self.store.edit}")
            if s.link is None:
                if seal:
                    raise Damage(name, 4096, "no LINK in a sealed log")
                # Its own offsets stand for LSNs.
                self.find_proof(s, 4096, 0, (name, 4096, 4096))
                continue
            self.segment(s, seal)
        if self.at and not self.hole and not self.exact:
            self.find_proof(self.at, self.at.end, self.lsn - self.at.end,
                            (self.at.name, self.at.end, self.lsn))
        if self.hole:
            end = f"torn at {os.path.basename(self.hole[0])}:{self.hole[1]}"
        elif self.at:
            end = "END" if self.at.ended else "sealed" if self.exact else "open"
        return self.records, end

    def segment(self, s, seal):
        previous, length, base, _ = s.link
        if self.at is None and previous in self.store.logs and not self.hole:
            # Its predecessor is there and has lost its LINK.
            self.hole = (os.path.join(self.store.path, name_of(previous, ".log")), 4096,
                         base - length + 4096)
        if previous == 0 or (self.at is None and not self.hole):
            if previous == 0 and self.at and base != self.lsn:
                raise Damage(self.at.name, self.at.end, f"the log ends at LSN {self.lsn}, "
                             f"{s.name} goes on at {base}")
            self.hole = None
            self.read(s, seal)
        elif not self.hole and (previous, length, base) == \
                (self.at.number, self.at.end, self.lsn) and not self.at.ended:
            self.read(s, seal)
        else:
            if not self.hole:
                if self.exact or (previous == self.at.number and length <= self.at.end):
                    raise Damage(s.name, 4096, "does not continue the segment before it")
                self.find_proof(self.at, self.at.end, self.lsn - self.at.end,
                                (self.at.name, self.at.end, self.lsn))
                self.hole = self.at.name, self.at.end, self.lsn
            if seal:
                raise Damage(*self.hole[:2], f"no record here, but the later {s.name} was sealed")
            self.find_proof(s, 4096, base, self.hole)

    def find_proof(self, s, at, base, hole):
        proof = s.proof(at, base, hole[2], self.seq)
        if proof is not None:
            raise Damage(hole[0], hole[1], f"no record here, but that at {proof} of {s.name} was "
                         "written when this was durable")

    def read(self, s, seal):
        for _, _, kind, _, _, _ in s.records(self.seq, seal and seal["length"]):
            self.records += kind in (OPS, LARGE)
        if seal and seal["seq"] and s.seq > seal["seq"] + 1:
            raise Damage(s.name, s.end, f"sequence {s.seq - 1} in a log sealed at {seal['seq']}")
        self.at, self.lsn, self.seq = s, s.link[2] + s.end, s.seq
        self.exact = bool(seal) or s.ended


# ---- main -------------------------------------------------------------------

def from_hex(name, text):
    """Hexadecimal text: bytes, `#` comments, `00 x100` for a hundred zero bytes."""
    out = bytearray()
    for line in text.decode("ascii").splitlines():
        words = line.split("#")[0].split()
        if len(words) == 2 and words[1][0] == "x":
            out += bytes.fromhex(words[0]) * int(words[1][1:])
        else:
            out += bytes.fromhex("".join(words))
    return bytes(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", metavar="FILE")
    parser.add_argument("--verify", action="store_true")
    parser.add_argument("--as", dest="part", choices=("block", "batch", "filter", "props"))
    parser.add_argument("--hex", action="store_true")
    parser.add_argument("--full", action="store_true")
    args = parser.parse_args()
    status = 0
    for path in args.paths:
        try:
            if args.verify:
                Store(path).verify()
                continue
            with open(path, "rb") as file:
                data = file.read()
            if args.hex:
                data = from_hex(path, data)
            if args.part:
                print_part(args.part, path, data, shower(args.full))
            else:
                print_file(path, data, shower(args.full))
        except (Damage, OSError) as error:
            sys.stdout.flush()
            print(f"decode.py: {error}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
