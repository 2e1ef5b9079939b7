"""Results files: medians and ranges over the rounds, and tables of them."""
import json
import statistics


class Results:
	def __init__(self, records):
		self.machine = next((r for r in records if r["type"] == "machine"), {})
		self.steps = {}   # (scenario, variant, step, turn) -> {who: [records]}
		self.order = []
		self.missing = [r for r in records if r["type"] == "missing"]
		for r in records:
			if r["type"] != "step" or r["step"] in ("close",):
				continue
			key = (r["scenario"], r["variant"], r["step"], r["turn"])
			if key not in self.steps:
				self.steps[key] = {}
				self.order.append(key)
			self.steps[key].setdefault((r["engine"], r["profile"]), []).append(r)


def load(path):
	with open(path) as f:
		return Results([json.loads(line) for line in f])


def rate(r):
	"""Operations a second: of a batch or multi_get, keys a second."""
	per = r["entries"] / r["ops"] if r["step"] in ("fillbatch", "multiget") and r["ops"] else 1
	return r["ops"] * per / r["seconds"] if r["seconds"] > 0 else 0


def figure(rs, of):
	"""Median, least and most of a figure over the rounds."""
	values = [of(r) for r in rs]
	return statistics.median(values), min(values), max(values)


def cpu(r):
	return r["cpu_s"] * 1e9 / r["entries"] if r["entries"] else 0


def write_amp(r):
	return r["device_written"] / r["user_written"] if r["user_written"] else 0


def space_amp(r):
	return r["disk_bytes"] / r["live_bytes"] if r["live_bytes"] else 0


def verdict(mine, other):
	"""`faster` or `slower` only where the ranges do not overlap."""
	if mine[1] > other[2]:
		return "faster"
	return "slower" if mine[2] < other[1] else "even"


def short(v):
	for unit, size in (("M", 1e6), ("k", 1e3)):
		if v >= size:
			return f"{v / size:.2f} {unit}" if v < 10 * size else f"{v / size:.0f} {unit}"
	return f"{v:.0f}"


def duration(ns):
	for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
		if ns >= size:
			return f"{ns / size:.1f} {unit}" if ns < 10 * size else f"{ns / size:.0f} {unit}"
	return f"{ns:.0f} ns"


def title(key):
	scenario, variant, step, turn = key
	return f"{step}" + (f" ({turn})" if turn > 1 else "") + (f", {variant}" if variant else "")


def print_tables(res):
	for key in res.order:
		if key[2] == "open" and key[3] == 1:
			continue
		print(f"\n{key[0]}: {title(key)}")
		print(f"  {'':<20} {'ops/s':>9} {'range':>19} {'p50':>8} {'p99':>8} {'p99.9':>8} "
		      f"{'max':>8} {'gap ms':>6} {'cpu ns':>7} {'W amp':>6} {'S amp':>6} {'peak':>7}")
		for (engine, profile), rs in res.steps[key].items():
			r, lo, hi = figure(rs, rate)
			lat = lambda q: duration(figure(rs, lambda x: x["latency"][q])[0]) \
				if "latency" in rs[0] else "-"
			speed = f"{short(r):>9} {short(lo) + ' .. ' + short(hi):>19}"
			if not rs[0]["ops"]:
				speed = f"{figure(rs, lambda x: x['seconds'])[0]:>7.2f} s {'':>19}"
			print(f"  {engine + ' ' + profile:<20} {speed} {lat('p50'):>8} {lat('p99'):>8} "
			      f"{lat('p99.9'):>8} {lat('max'):>8} "
			      f"{figure(rs, lambda x: x.get('gap_ms', 0))[0]:>6.0f} {figure(rs, cpu)[0]:>7.0f} "
			      f"{figure(rs, write_amp)[0]:>6.2f} {figure(rs, space_amp)[0]:>6.2f} "
			      f"{figure(rs, lambda x: x['peak_bytes'])[0] / 2**20:>5.0f} M")
	for m in res.missing:
		print(f"missing: {m['scenario']} {m['variant']} {m['engine']} {m['profile']}: {m['why']}")
