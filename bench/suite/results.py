"""Results files: what was measured, as medians and ranges over the rounds, and verdicts."""
import collections
import gzip
import json
import statistics

import engines
import plans

KEY_SIZE = 16
BESIDE_STEPS = [step for step, _ in plans.PAIRS]
SHORTEST = 0.1 # seconds; shorter waits are not told apart
SHORTEST_GAP = 1 # milliseconds; shorter ones are 0 in the file
LEAST_READ = 0.01 # of read amplification; less is what the system reads for itself
REACHED = 0.99 # of the rate of an open loop; who reaches less is told of

# The median, least and most of a figure over `count` rounds.
Figure = collections.namedtuple("Figure", "median least most count")
# `of` takes a record and the settle that follows it (or None).
Measure = collections.namedtuple("Measure", "name of more_is_better text")


class Results:
	"""One results file. `steps`: (scenario, variant, step, turn) -> {who: [record]}."""

	def __init__(self, records, title=None):
		self.machine = next((r for r in records if r["type"] == "machine"), {})
		self.title = title or self.machine.get("title") or "Results"
		self.steps, self.order = {}, []
		self.missing = [r for r in records if r["type"] == "missing"]
		self.kills = [r for r in records if r["type"] == "kill"]
		self.cut = [r["at"] for r in records if r["type"] == "cut"]
		self.steal = [r for r in records if r["type"] == "steal"]
		for r in records:
			if r["type"] != "step" or r["step"] == "close":
				continue
			key = (r["scenario"], r["variant"], r["step"], r["turn"])
			if key not in self.steps:
				self.steps[key] = {}
				self.order.append(key)
			self.steps[key].setdefault((r["engine"], r["profile"]), []).append(r)
		# The first opening of each store makes it: nothing to compare.
		self.order = [k for k in self.order if k[2] != "open" or k[3] > 1]

	def is_kill(self):
		"""Is it a file of `kill`, which has no steps?"""
		return self.machine.get("name") == "kill"

	def rows(self, key):
		"""Who took part, in the order of tables."""
		return sorted(self.steps[key], key=engines.rank)

	def several_profiles(self):
		return len({profile for step in self.steps.values() for _, profile in step}) > 1

	def engines(self):
		return sorted({e for step in self.steps.values() for e, _ in step},
			      key=lambda e: engines.rank((e, "tuned")))

	def rest(self, key, who, round_):
		"""The settle right after a step, which does what the step put off; None where there
		is none, or where an earlier step may have put off some of it."""
		mine = [k for k in self.order if k[:2] == key[:2]]
		at = mine.index(key)
		if key[2] == "settle" or mine[at + 1:at + 2] == [] or mine[at + 1][2] != "settle":
			return None
		while at > 0 and mine[at - 1][2] != "settle":
			at -= 1
			if any(r["user_written"] for r in self.steps[mine[at]].get(who, ())):
				return None
		settle = mine[mine.index(key) + 1]
		return next((r for r in self.steps[settle].get(who, ()) if r["round"] == round_), None)

	def figure(self, key, who, measure):
		values = [measure.of(r, self.rest(key, who, r["round"])) for r in self.steps[key][who]]
		return figure([v for v in values if v is not None])

	def reference(self, key, who):
		"""Shale's row that a row is compared with: as tuned, or not, as the row is."""
		step = self.steps[key]
		for profile in (who[1], "tuned", "default"):
			if ("shale", profile) in step:
				return "shale", profile
		return None

	def compare(self, key, who, measure):
		"""(verdict, ratio) of Shale over this row, above 1: Shale is better; or None."""
		shale = self.reference(key, who)
		if shale is None or who[0] == "shale":
			return None
		mine, other = self.figure(key, shale, measure), self.figure(key, who, measure)
		if mine is None or other is None:
			return None
		least = {TIME: SHORTEST, GAP: SHORTEST_GAP, READ_AMP: LEAST_READ}.get(measure, 0)
		mine, other = at_least(mine, least), at_least(other, least)
		# What writes nothing has no ratio.
		if min(mine.median, other.median) <= 0:
			return ("even", 1) if mine.median == other.median else None
		if measure.more_is_better:
			return verdict(mine, other), mine.median / other.median
		turned = {"faster": "slower", "slower": "faster", "even": "even"}
		return turned[verdict(mine, other)], other.median / mine.median

	def single(self, key, who, measure):
		"""Was either of the two that compare() compares measured in one round only? Then
		medians may differ, but nothing is proven."""
		return any(self.figure(key, w, measure).count < 2
			   for w in (self.reference(key, who), who))

	def ratio_text(self, key, who, measure, sign="×"):
		"""What stands beside a figure; in brackets if it is of a single round."""
		compared = self.compare(key, who, measure)
		if compared and compared[1] != 1 and self.single(key, who, measure):
			return f"({ratio(('faster', compared[1]), sign)})"
		return ratio(compared, sign)


def load(path, title=None):
	with (gzip.open if str(path).endswith(".gz") else open)(path, "rt") as f:
		return Results([json.loads(line) for line in f], title)


def figure(values):
	if not values:
		return None
	return Figure(statistics.median(values), min(values), max(values), len(values))


def at_least(f, least):
	return Figure(*(max(v, least) for v in f[:3]), f.count)


def verdict(mine, other):
	"""`faster` or `slower` only where the ranges do not overlap; one round has no range."""
	if min(mine.count, other.count) < 2:
		return "even"
	if mine.least > other.most:
		return "faster"
	return "slower" if mine.most < other.least else "even"


# ---- of a record -----------------------------------------------------------------

def work(r):
	"""What is counted: operations, but the keys of a batch or multi_get."""
	return r["entries"] if r["step"] in ("fillbatch", "multiget") else r["ops"]


def rate(r, rest=None):
	return work(r) / r["seconds"] if work(r) and r["seconds"] > 0 else None


def seconds(r, rest=None):
	return r["seconds"]


def latency(quantile):
	return lambda r, rest=None: r.get("latency", {}).get(quantile)


def gap(r, rest=None):
	return r.get("gap_ms")


def beside_rate(r, rest=None):
	"""Operations, or merges, of the thread beside; it is not held back, so who reads fast
	beside a slow writer has the easier part."""
	if r["step"].partition("@")[0] not in BESIDE_STEPS or r["seconds"] <= 0:
		return None
	return r.get("side_ops", 0) / r["seconds"]


def beside_ops(r):
	"""Operations of the thread beside, if they are of one entry; else they are merges."""
	return r.get("side_ops", 0) if r["step"].startswith("readwhilewriting") else 0


def cpu(r, rest=None):
	"""Nanoseconds of all threads for each operation, those of a writer beside too, and what
	the background does until all is settled. Who waits for the moments of an open loop spins."""
	count = work(r) + beside_ops(r)
	if not count or "rate" in r:
		return None
	return (r["cpu_s"] + (rest["cpu_s"] if rest else 0)) * 1e9 / count


def settled_rate(r, rest=None):
	"""What is put each second, the wait at the end included."""
	return work(r) / (r["seconds"] + rest["seconds"]) if rest and r["user_written"] else None


def written(r, rest=None):
	"""Bytes to the device until all is settled."""
	return r["device_written"] + rest["device_written"] if rest and r["user_written"] else None


def write_amp(r, rest=None):
	"""Bytes to the device until all is settled, over bytes put; else it means little."""
	bytes_ = written(r, rest)
	return None if bytes_ is None else bytes_ / r["user_written"]


def entry_size(r):
	return KEY_SIZE + r["options"].get("value-size", 100)


def read_amp(r, rest=None):
	"""Bytes from the device over bytes of the entries that were asked for."""
	asked = (r["entries"] + beside_ops(r)) * entry_size(r) - r["user_written"]
	if asked <= 0 or r["step"] in ("deletehalf", "deletefront", "takefront", "settle"):
		return None
	return r["device_read"] / asked


def device_reads(r, rest=None):
	"""What the device had to read for a get or seek; a scan has no such number. Where hardly
	any did, it was for something else."""
	if r["user_written"] or r["step"].startswith("scan") or not work(r):
		return None
	reads = r.get("device_reads", 0) / work(r)
	return reads if reads >= 0.1 else None


def space_amp(r, rest=None):
	"""Bytes on the disk, when all is settled, over those of the entries."""
	if r["step"] != "settle":
		r = rest
	return r["disk_bytes"] / r["live_bytes"] if r and r["live_bytes"] else None


def peak(r, rest=None):
	return r["peak_bytes"]


# ---- figures as text -------------------------------------------------------------

def short(v):
	for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
		if v >= 0.9995 * size:
			v /= size
			return f"{v:.2f} {unit}" if v < 9.995 else \
				f"{v:.1f} {unit}" if v < 99.95 else f"{v:.0f} {unit}"
	return f"{v:.0f}" if v >= 10 or v == int(v) else f"{v:.1f}"


def any_rate(v):
	"""As short(), of what may be a few in a minute."""
	return short(v) if v >= 1 or v == 0 else f"{v:.2g}"


def round_text(v):
	"""As short(), of a round number."""
	for unit, size in ((" G", 1e9), (" M", 1e6), (" k", 1e3)):
		if v >= size:
			return f"{v / size:g}{unit}"
	return f"{v:g}"


def duration(ns):
	for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
		if ns >= size:
			return f"{ns / size:.1f} {unit}" if ns < 9.95 * size else f"{ns / size:.0f} {unit}"
	return f"{ns:.0f} ns"


def size(v):
	return f"{v / 2**30:.2f} GiB" if v >= 2**30 else mebibytes(v)


def mebibytes(v):
	return f"{v / 2**20:.0f} MiB" if v >= 9.95 * 2**20 else f"{v / 2**20:.1f} MiB"


def times(v):
	return f"{v:.2f}" if v < 9.995 else f"{v:.1f}" if v < 99.95 else f"{v:.0f}"


def elapsed(v):
	"""Seconds."""
	if v < 0.9995:
		return f"{v * 1e3:.0f} ms" if v >= 0.00995 else f"{v * 1e3:.1f} ms"
	return f"{v:.0f} s" if v >= 99.95 else f"{v:.1f} s" if v >= 9.995 else f"{v:.2f} s"


def ratio(compared, sign="x"):
	"""x4.4: Shale is 4.4 times as good; x0.50: half as good; ~: ranges overlap."""
	if compared is None:
		return ""
	verdict_, value = compared
	if verdict_ == "even":
		return "~"
	if value >= 9.95:
		return f"{sign}{value:.0f}"
	return f"{sign}{value:.1f}" if value >= 1.15 else f"{sign}{value:.2f}"


def title(key):
	scenario, variant, step, turn = key
	name, _, load_ = step.partition("@")
	return (name + (f" at {load_} % load" if load_ else "") + (f" ({turn})" if turn > 1 else "")
		+ (f", {variant}" if variant else ""))


SPEED = Measure("speed", rate, True, short)
TIME = Measure("time", seconds, False, elapsed)
P50 = Measure("median latency", latency("p50"), False, duration)
P99 = Measure("p99 latency", latency("p99"), False, duration)
P999 = Measure("p99.9 latency", latency("p99.9"), False, duration)
P9999 = Measure("p99.99 latency", latency("p99.99"), False, duration)
MAX = Measure("longest latency", latency("max"), False, duration)
GAP = Measure("longest gap", gap, False, lambda v: f"{v:.0f} ms" if v > 1 else "≤ 1 ms")
CPU = Measure("processor time", cpu, False, duration)
SETTLED = Measure("speed to the end of settling", settled_rate, True, short)
WRITTEN = Measure("bytes to the device", written, False, size)
WRITE_AMP = Measure("write amplification", write_amp, False, times)
READ_AMP = Measure("read amplification", read_amp, False, times)
READS = Measure("reads of the device", device_reads, False, times)
SPACE_AMP = Measure("space amplification", space_amp, False, times)
PEAK = Measure("peak memory", peak, False, mebibytes)
SIDE = Measure("speed of the thread beside", beside_rate, True, any_rate)


def is_open_loop(key):
	return "@" in key[2]


def text(res, key, who, measure, brief=False):
	"""A median; of an open loop with the rate, which is a share of the engine's own, and with
	what was reached of it, if not all."""
	out = measure.text(res.figure(key, who, measure).median)
	timed = [r for r in res.steps[key][who] if "rate" in r]
	if is_open_loop(key) and measure is P999 and timed:
		out += f" at {short(statistics.median(r['rate'] for r in timed))}/s"
		reached = statistics.median(r["ops"] / r["seconds"] / r["rate"] for r in timed)
		if reached < REACHED:
			percent = f"{100 * reached:.0f} %"
			out += f" ({percent})" if brief else f", of which {percent} were reached"
	return out


def main_measure(res, key):
	"""What a step is judged by: its rate; seconds, if it has no operations; the tail of
	the latency, if its rate was given."""
	if is_open_loop(key):
		return P999
	return SPEED if any(work(r) for rs in res.steps[key].values() for r in rs) else TIME
