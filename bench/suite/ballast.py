"""Sees to it that engines get memory that the machine has used before.

A virtual machine that has just started, or whose host takes back what is free, pays
for the first touch of every page: 3 ns a byte where this was measured, ten times the
copying itself, and for an entry that goes to a log and a table about as much as a quick
engine needs for the put. A server that has been up for a while has
its memory full of cached files, which give way at once. So that this is what is
measured, for all engines alike, before each store

- files of holes are read, each of them once, until memory is full: they are the first to
  give way;
- or, where a control group limits what an engine can take, twice as much is touched and
  given back: the kernel hands out next what it got back last. To fill all memory would
  leave just those pages free that were never used, and take longer than many a step.
"""
import mmap
import os

FROM_ENTRIES = 200000 # a smaller store does not need it
KEEP_FREE = 512 << 20
WORTH_IT = 1 << 30
PIECE = 4 << 20


def free_bytes():
	for line in open("/proc/meminfo"):
		if line.startswith("MemFree:"):
			return int(line.split()[1]) * 1024
	return 0


class Touched:
	kind = "touched"

	def fill(self, limit_mb):
		with mmap.mmap(-1, 2 * limit_mb << 20) as m:
			for at in range(0, len(m), PIECE):
				m[at:at + PIECE] = bytes(min(PIECE, len(m) - at))

	def drop(self):
		"""There is nothing to remove."""


class Files:
	kind = "files"

	def __init__(self, where):
		self.where, self.count = where, 0

	def path(self, number):
		return os.path.join(self.where, f"ballast-{number}")

	def fill(self, _limit_mb):
		"""Leave hardly any memory without a use; quick when that is so already."""
		free = free_bytes()
		if free < WORTH_IT:
			return
		with open(self.path(self.count), "w+b", buffering=0) as f:
			self.count += 1
			f.truncate(free - KEEP_FREE)
			while f.read(PIECE):
				pass

	def drop(self):
		for number in range(self.count):
			os.unlink(self.path(number))
		self.count = 0
