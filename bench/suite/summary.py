"""Verdicts in words: where Shale is ahead, and where it is not."""
import collections

import engines
import plans
import results

# Beside what a step is judged by.
BESIDE = [results.P99, results.P999, results.MAX, results.GAP, results.CPU, results.SETTLED,
	  results.WRITE_AMP, results.READ_AMP, results.READS, results.SPACE_AMP, results.PEAK]

# Whose checksums are CRC32C; LMDB has none, SQLite its own.
CHECKSUMS = ("shale", "rocksdb", "leveldb", "wiredtiger")


def judged(res, key, who, measure):
	"""As Results.compare(), but from a single round, which proves nothing, the medians alone
	are told of as `better` or `worse`."""
	compared = res.compare(key, who, measure)
	if compared and compared[1] != 1 and res.single(key, who, measure):
		return "better" if compared[1] > 1 else "worse", compared[1]
	return compared


def verdicts(res):
	"""[(key, who, verdict, ratio)] of what each step is judged by."""
	found = []
	for key in res.order:
		for who in others(res, key):
			compared = judged(res, key, who, results.main_measure(res, key))
			if compared:
				found.append((key, who, *compared))
	return found


def others(res, key):
	"""Shale's own variants, and what is no store, are not whom it competes with."""
	return [who for who in res.rows(key) if not engines.is_shale(who[0]) and who[0] != "device"]


def beside(res):
	"""[(step, alone, who, rate, p99)]: of a step beside other work, its rate and p99 over
	those of the same step alone."""
	found = []
	for key in res.order:
		alone_step = dict(plans.PAIRS).get(key[2])
		alone = next((k for k in res.order if k[:2] == key[:2] and k[2] == alone_step), None)
		for who in res.rows(key) if alone else ():
			if who not in res.steps[alone]:
				continue
			rate, p99 = ([res.figure(k, who, m).median for k in (key, alone)]
				     for m in (results.SPEED, results.P99))
			found.append((results.title(key), results.title(alone), who, rate[0] / rate[1],
				      p99[0] / p99[1]))
	return found


def counts(res):
	"""who -> Counter of verdicts"""
	counted = {}
	for _, who, verdict, _ in verdicts(res):
		counted.setdefault(who, collections.Counter())[verdict] += 1
	return dict(sorted(counted.items(), key=lambda item: engines.rank(item[0])))


def place(res, key):
	"""A step, with the scenario where its name alone is not clear."""
	same = [k for k in res.order if k[1:] == key[1:]]
	return results.title(key) + (f" ({key[0]})" if len(same) > 1 else "")


def figures(res, key, who, measure):
	return (results.text(res, key, res.reference(key, who), measure),
		results.text(res, key, who, measure))


def behind(res, how="slower"):
	"""[(step, text)]: each step where other engines are ahead, with the figures; `worse`: where
	they are so in a single round."""
	several, found = res.several_profiles(), {}
	for key, who, verdict, ratio in verdicts(res):
		if verdict == how:
			mine, other = figures(res, key, who, results.main_measure(res, key))
			found.setdefault(key, []).append(f"{engines.who(*who, several)} {other} against "
							 f"{mine} (×{results.times(1 / ratio)})")
	what = {"speed": "operations a second"}
	return [(place(res, key), "; ".join(texts) + ", "
		 + what.get(results.main_measure(res, key).name, results.main_measure(res, key).name))
		for key, texts in found.items()]


def behind_short(res, how="slower"):
	"""[(step, [engine with how many times as good])], as short as it can be told."""
	found = {}
	for key, who, verdict, ratio in verdicts(res):
		if verdict == how:
			found.setdefault(place(res, key), []).append(
				f"{engines.who(*who, res.several_profiles())} "
				f"{results.ratio(('faster', 1 / ratio), '×')}")
	return list(found.items())


def behind_steps(res):
	"""The names of the steps where others are proven to be ahead."""
	return {key[2].partition("@")[0] for key, _, verdict, _ in verdicts(res) if verdict == "slower"}


def even(res):
	"""[(step, [engines])] where the ranges overlap."""
	found = {}
	for key, who, verdict, _ in verdicts(res):
		if verdict == "even":
			found.setdefault(place(res, key), []).append(
				engines.who(*who, res.several_profiles()))
	return list(found.items())


def beside_worst(res, how="slower"):
	"""Of each other measure and engine: in how many of the steps that tell Shale is behind, and
	in which most so: [(measure, who, more, of, key, ratio)]."""
	lines = []
	for measure in BESIDE:
		told = {}
		for key in res.order:
			if key[2] in ("settle", "open") or results.main_measure(res, key) is measure:
				continue
			if measure is results.SPACE_AMP and not writes(res, key):
				continue
			for who in others(res, key):
				compared = judged(res, key, who, measure)
				if compared:
					told.setdefault(who, []).append((*compared, key))
		for who, all_ in sorted(told.items(), key=lambda item: engines.rank(item[0])):
			more = [(ratio, key) for verdict, ratio, key in all_ if verdict == how]
			if more:
				ratio, key = min(more, key=lambda m: m[0])
				lines.append((measure, who, len(more), len(all_), key, ratio))
	return lines


def behind_beside(res, how="slower"):
	"""The same in words: [(measure, who, more, of, step, mine, other)]"""
	return [(measure.name, who, more, of, place(res, key), *figures(res, key, who, measure))
		for measure, who, more, of, key, _ in beside_worst(res, how)]


def writes(res, key):
	return any(r["user_written"] for rs in res.steps[key].values() for r in rs)


def missing(res):
	"""What an engine cannot do, or where it failed, or what it did not come to."""
	told = [(m["scenario"], m["variant"], m["engine"], m["profile"], m["why"])
		for m in res.missing] + cut_off(res)
	return sorted({f"{scenario} {variant}".strip() + f": {engines.who(engine, profile)}, {why}"
		       for scenario, variant, engine, profile, why in told})


def cut_off(res):
	"""Who was asked for and has no figure of a scenario, without a word of why."""
	m = res.machine # older files tell of engines by their versions only
	profiles = m.get("profiles") or dict.fromkeys(p for step in res.steps.values() for _, p in step)
	asked = [(e, p) for e in m.get("engines") or m.get("versions", ()) for p in profiles]
	seen = {(*key[:2], *who) for key, step in res.steps.items() for who in step}
	seen |= {(m["scenario"], m["variant"], m["engine"], m["profile"]) for m in res.missing}
	return [(*part, *who, "cut off") for part in dict.fromkeys(s[:2] for s in seen)
		for who in asked if (*part, *who) not in seen]


def machine(res):
	m = res.machine
	return (f"{m['processor']}, {m['processors']} processors, "
		f"{m['memory_bytes'] / 2**30:.1f} GiB of memory, Linux {m['kernel']}")


SINGLE = "Behind by the median of a single round, which proves nothing:"
SINGLE_ROUND = "by the median of a single round"
LITTLE = "ranges of two rounds that do not overlap prove little"


def rounds(res):
	return max((len(rs) for step in res.steps.values() for rs in step.values()), default=0)


def builds(m):
	"""Whose libraries are not built as they could be, of those that were looked at."""
	asserting = [e for e, how in m.get("builds", {}).items() if how.get("assertions")]
	slow = [e for e, how in m.get("builds", {}).items()
		if how.get("crc32") is False and e.split("-")[0] in CHECKSUMS]
	texts = [text + " in " + names_of(which) for text, which in (
		("assertions are checked", asserting),
		("checksums without the processor's CRC32 instruction", slow)) if which]
	return [("Builds", "; ".join(texts) + ": a build of one's own may be quicker")] if texts else []


def names_of(which):
	names = [engines.NAMES.get(e, e) for e in sorted(which, key=lambda e: engines.rank((e, "tuned")))]
	return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]


def huge_pages(m):
	if not m.get("huge_pages") and not m.get("tunables"):
		return []
	asked = "; malloc asks for them too" if "malloc.hugetlb=1" in m.get("tunables", "") else ""
	tunables = f"; GLIBC_TUNABLES={m['tunables']}" if m.get("tunables") else ""
	return [("Huge pages", (m.get("huge_pages") or "not known") + asked + tunables)]


def stolen(res):
	"""The largest share of the processors' time that the host took, if it is worth a word."""
	shares = [(r["steal_s"] / r["seconds"] / res.machine["processors"], r) for r in res.steal
		  if r["seconds"] >= 1]
	share, r = max(shares, key=lambda s: s[0], default=(0, None))
	if share <= 0.02:
		return []
	where = f"{r['scenario']} {r['variant']}".strip()
	return [("Taken by the host", f"up to {100 * share:.0f} % of the processors' time (in {where}, "
		 f"{engines.who(r['engine'], r['profile'])}, round {r['round'] + 1})")]


def facts(res):
	"""[(name, text)] of how a file came to be."""
	m = res.machine
	memory = f"{m.get('memory_mb', 768)} MiB for each tuned engine"
	if m.get("limit_mb"):
		memory += f"; all in a control group of {m['limit_mb']} MiB, page cache included"
	else:
		memory += "; the page cache is not limited"
	if m.get("ballast") == "touched":
		memory += "; twice the limit had just been in use"
	elif m.get("ballast"):
		memory += "; all memory was in use before, for cached files"
	return [("Date", m["time"].replace("T", " ").replace("Z", " UTC")),
		("Commit", m["commit"]), ("Machine", machine(res)),
		*([("File system", m["file_system"])] if m.get("file_system") else []),
		("Rounds", f"{rounds(res)}, engines interleaved; medians, ranges from least to most"
		 + (f"; {LITTLE}" if rounds(res) == 2 else "")),
		*([("Cut off", f"during {'; '.join(res.cut)}")] if res.cut else []),
		*([] if m.get("device") else
		  [("Bytes written", "what became dirty, by whole folios: often too many")]),
		*([("Load at the start", f"{m['load']:.1f}: the machine had other work")]
		  if m.get("load", 0) > 1 else []),
		*stolen(res), ("Memory", memory), *huge_pages(m), *builds(m), ("Command", m.get("command", "./dev bench"))]
