"""What is run: scenarios, each a store with options and the steps taken on it.

A scenario is run once for every engine and round. `options` are those of
shale_bench; `more` maps further variants of the scenario to options of their own.
`then` are steps of a second process on the same store, after the first has died or
ended.
"""
import engines

READS = ["warm", "readrandom", "readmissing", "readzipf", "multiget", "seek1", "seek10",
	 "seek50", "seek100", "scan", "scanback"]
MIXES = [f"ycsb{letter}" for letter in "abcdef"]
TITLES = {"quick": "The usual workloads", "full": "Nearly every workload", "open": "Under a given load",
	  "durable": "Every commit durable", "sustained": "Sustained writes",
	  "sizes": "Data smaller and larger than memory", "merging": "Commits beside merges",
	  "rated": "Puts beside merges of limited rate", "queue": "A queue"}
MERGING = ["shale", "shale-leveled", "shale-tiered", "rocksdb", "rocksdb-universal", "leveldb"]
# The engines of plans that are not for all of them.
ENGINES = {"durable": engines.USUAL + ["device"], "sustained": MERGING,
	   "merging": ["shale", "rocksdb", "leveldb"],
	   "rated": ["shale", "shale-leveled", "rocksdb"]}


def scenario(name, steps, options=None, then=None, more=None, durability="kill"):
	return {"name": name, "steps": steps, "options": options or {}, "then": then or [],
		"more": more or {"": {}}, "durability": durability}


def owes(step):
	"""Does it leave work to the background? Who only reads does not."""
	return step[0] not in "rsm" or step.startswith("readwhilewriting")


def quick(num=500000):
	"""About ten minutes: the usual workloads, of data that fit in memory, but in no memtable."""
	return [
		scenario("main", ["fillrandom", "settle"] + READS + ["overwrite", "settle"],
			 {"num": num, "reads": num, "limit": 1}),
		scenario("sequential", ["fillseq", "settle"], {"num": num}),
		scenario("mixed", ["fillbatch", "settle", "warm", "ycsba", "settle", "ycsbb",
				   "ycsbe", "readrandom", "readwhilewriting"],
			 {"num": num, "reads": num // 2, "limit": 1}),
		scenario("sync", ["fillrandom"], {"num": 2000}, durability="power"),
	]


def full(num=5000000):
	"""Hours: nearly every workload, open loops, sizes of values, threads."""
	return [
		scenario("main", ["fillrandom", "settle"] + READS + ["overwrite", "settle"],
			 {"num": num, "limit": 30}),
		scenario("sequential", ["fillseq", "settle"], {"num": num}),
		scenario("batches", ["fillbatch", "settle"], {"num": num},
			 more={f"of {group}": {"group": group} for group in (10, 100)}),
		*hot(num // 5, num * 4),
		*open_loop(num, 60, ["readrandom", "seek10", "overwrite", "ycsba"]),
		scenario("ycsb", ["fillbatch", "settle", "warm"] + MIXES, {"num": num}),
		scenario("deletes", ["fillbatch", "settle", "deletehalf", "scan", "settle", "scan"],
			 {"num": num}),
		scenario("all but one deleted", ["fillrandom", "settle", "deletefront", "scan", "settle",
						 "scan"], {"num": 1000000}),
		scenario("front deleted", ["fillrandom", "settle", "deletefront", "first", "first",
					   "settle", "first"], {"num": num, "writes": num // 5}),
		scenario("expiry", ["ttlmix", "settle"], {"num": num, "reads": num}),
		scenario("time series", ["timeseries", "settle"], {"num": num, "reads": num}),
		scenario("reopen", ["fillrandom", "die"], {"num": num}, then=["firstread", "warm", "readrandom"]),
		scenario("decimal keys", ["fillrandom", "settle", "warm", "readrandom", "seek10"],
			 {"num": num, "keys": "decimal", "limit": 20}),
		scenario("values", ["fillrandom", "settle", "warm", "readrandom", "scan"],
			 {"limit": 20},
			 more={f"{size} B": {"value-size": size, "num": max(num * 116 // (size + 16), 100)}
			       for size in (16, 1024, 4096, 16384)}),
		scenario("threads", ["fillrandom", "settle", "warm", "readrandom", "readwhilewriting10",
				     "settle", "readwhilewriting"],
			 {"num": num, "reads": num, "limit": 20},
			 more={f"{t} thread{'s' * (t > 1)}": {"threads": t}
			       for t in (1, 2, 4, 16, 64)}),
		*durable(),
		scenario("no log", ["fillrandom", "settle"], {"num": num}, durability="nothing"),
	]


def sizes(memory_mb):
	"""Data from a quarter of memory to ten times as much; needs a control group. Filled in
	order, since trees larger than memory take hours else. Decimal keys need no sorting."""
	entries = lambda share: int(share * (memory_mb << 20) / 116)
	return [scenario("sizes", ["fillseq", "settle", "warm", "readrandom", "readmissing",
				   "multiget", "seek10", "scan", "overwrite"],
			 {"limit": 10, "keys": "decimal", "group": 32, "writes": 100000},
			 more={f"{share} of memory": {"num": entries(share)}
			       for share in (0.25, 1, 4, 10)})]


def open_loop(num=1000000, seconds=15, steps=("readrandom", "overwrite", "ycsba")):
	"""Latency at 70 and 95 % of what the same step reached in a closed loop, of the same
	length, before. All begin with nothing owed."""
	return [scenario("open loop", ["fillbatch", "settle", "warm"] +
			 [s for step in steps for at in ("", "@70", "@95")
			  for s in [f"{step}{at}"] + ["settle"] * owes(step)],
			 {"num": num, "limit": seconds, "open-seconds": seconds})]


def durable(num=5000):
	"""Every put waits for the device: from one thread, and from several who may share."""
	return [scenario("sync", ["fillrandom"], {}, durability="power",
			 more={f"{t} thread{'s' * (t > 1)}":
			       {"threads": t, "num": num * min(t, 16)} for t in (1, 4, 16, 64)})]


def merging(num=1000000):
	"""Do durable commits wait for merges? The same puts alone, and beside."""
	return [scenario("commits beside merges", ["fillbatch", "settle", "overwrite", "settle",
						   "putwhilemerging"],
			 {"num": num, "writes": 20000}, durability="power")]


def rated(num=10000000):
	"""Does a put wait where merges may write only so many bytes a second?"""
	return [scenario("merges limited", ["fillrandom", "settle", "overwritezipf", "settle"],
			 {"num": num, "writes": num * 2 // 5, "rate-mb": 100})]


def hot(num=1000000, writes=20000000):
	"""A few keys are put again and again."""
	return [scenario("hot keys", ["fillbatch", "settle", "overwritezipf", "settle"],
			 {"num": num, "writes": writes})]


def queue(num=1000000):
	"""Who takes what is first has what was taken before in the way."""
	return [scenario("queue", ["fillrandom", "settle", "takefront", "settle"], {"num": num})]


def sustained(num=20000000):
	"""A large store second by second: all keys put, then some again; and opened again."""
	return [scenario("sustained", ["fillrandom", "settle", "warm", "readrandom",
				       "overwritezipf", "settle"],
			 {"num": num, "reads": 1000000, "writes": num * 2 // 5, "limit": 10},
			 then=["firstread", "warm", "readrandom"])]


PLANS = {"quick": quick, "full": full, "open": open_loop, "durable": durable,
	 "sustained": sustained, "merging": merging, "rated": rated, "hot": hot, "queue": queue}


def one(name, num=1000000):
	"""A scenario of `full` by its first word, or a single step after what it needs."""
	found = [s for s in full(num) if s["name"].split()[0] == name]
	if found:
		return found
	if name.startswith("fill") or name in ("ttlmix", "timeseries"):
		return [scenario(name, [name, "settle"], {"num": num})]
	base, _, load = name.partition("@")
	if base not in engines.STEPS:
		raise KeyError(name)
	steps = [a for b, a in PAIRS if b == base] + [base] + [name] * bool(load)
	return [scenario(name, ["fillbatch", "settle", "warm"]
			 + [s for step in steps for s in [step] + ["settle"] * owes(step)],
			 {"num": num, "limit": 20})]


# A step beside other work, and the same alone.
PAIRS = [("readwhilewriting", "readrandom"), ("readwhilewriting10", "readrandom"),
	 ("putwhilemerging", "overwrite")]
