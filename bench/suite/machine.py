"""What is recorded of the machine: its processor and memory, how it is set up, how the
libraries were built that are measured on it, and what its host takes away."""
import functools
import os
import pathlib
import platform
import re
import subprocess
import time

# Shale may be linked into the program; then that is what is looked at.
LIBRARIES = {"shale": "libshale", "rocksdb": "librocksdb", "leveldb": "libleveldb",
	     "lmdb": "liblmdb", "wiredtiger": "libwiredtiger", "sqlite": "libsqlite3"}
# All engines' memory from malloc may lie in huge pages, as Shale's own does by madvise.
TUNABLES = "glibc.malloc.hugetlb=1"


def record(program, names, folder):
	model = "unknown"
	for line in open("/proc/cpuinfo"):
		if line.startswith("model name"):
			model = line.split(":", 1)[1].strip()
			break
	return {"type": "machine", "processor": model, "processors": os.cpu_count(),
		"memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
		"kernel": platform.release(), "load": os.getloadavg()[0],
		"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
		"commit": git("rev-parse", "--short", "HEAD")
			  + (", changed" if git("status", "--porcelain", "-uno") else ""),
		"builds": builds(program, names), "tunables": os.environ.get("GLIBC_TUNABLES", ""),
		"huge_pages": huge_pages(), "file_system": file_system(folder),
		"device": device_counts(folder)}


def git(*arguments):
	return subprocess.run(["git", *arguments], text=True, capture_output=True).stdout.strip()


def device_counts(folder):
	"""Does shale_bench find there how many bytes the device was sent? (meter.c)"""
	number = os.stat(folder).st_dev
	return os.path.exists(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/stat")


def file_system(folder, mounts="/proc/self/mountinfo"):
	"""The type of the file system that a folder lies on, of the mounts that cover it the
	one whose path is longest and which came last; None where nobody tells."""
	path, found = os.path.realpath(folder), (-1, None)
	try:
		lines = pathlib.Path(mounts).read_text().splitlines()
	except OSError:
		return None
	for line in lines:
		left, _, right = line.partition(" - ")
		# A blank in a path is written \040.
		point = re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)), left.split()[4])
		covers = path == point or path.startswith(point.rstrip("/") + "/")
		if covers and len(point) >= found[0]:
			found = len(point), right.split()[0]
	return found[1]


def huge_pages(file="/sys/kernel/mm/transparent_hugepage/enabled"):
	"""`always`, `madvise` or `never`; None where the kernel has none."""
	try:
		chosen = re.search(r"\[(\w+)\]", pathlib.Path(file).read_text())
	except OSError:
		return None
	return chosen and chosen[1]


def stolen(file="/proc/stat"):
	"""Seconds, of all processors, that the host gave to others while there was work."""
	fields = pathlib.Path(file).read_text().splitlines()[0].split()
	return int(fields[8]) / os.sysconf("SC_CLK_TCK") if len(fields) > 8 else 0


# ---- how libraries were built ----------------------------------------------------

def builds(program, names):
	"""engine -> {"assertions": ..., "crc32": ...}, as far as the tools tell."""
	loaded = libraries(program)
	files = {e: library(e.split("-")[0], program, loaded) for e in names}
	found = {e: built(file) for e, file in files.items() if file}
	return {e: how for e, how in found.items() if how}


def library(engine, program, loaded):
	prefix = LIBRARIES.get(engine)
	file = next((f for name, f in loaded.items() if prefix and name.startswith(prefix + ".")), None)
	return file or (program if engine == "shale" else None)


def libraries(program):
	"""name -> file, as the program would load them now, LD_LIBRARY_PATH and all."""
	try:
		said = subprocess.run(["ldd", program], text=True, capture_output=True).stdout
	except OSError:
		return {}
	return dict(re.findall(r"^\s*(\S+) => (/\S+)", said, re.M))


@functools.cache
def built(file):
	how = {"assertions": assertions(file), "crc32": crc32(file)}
	return {name: value for name, value in how.items() if value is not None}


def assertions(file):
	try:
		said = subprocess.run(["nm", "-D", file], text=True, capture_output=True)
	except OSError:
		return None
	return bool(re.search(r"\sU __assert_fail\b", said.stdout)) if said.returncode == 0 else None


def crc32(file):
	"""Is the processor's instruction in it? Names of functions that are called do not count."""
	try:
		tool = subprocess.Popen(["objdump", "-d", "--no-show-raw-insn", file], text=True,
					errors="replace", stdout=subprocess.PIPE,
					stderr=subprocess.DEVNULL)
	except OSError:
		return None
	with tool:
		for line in tool.stdout:
			if re.match(r"\s*[0-9a-f]+:\s+crc32", line):
				tool.kill()
				return True
	return False if tool.returncode == 0 else None
