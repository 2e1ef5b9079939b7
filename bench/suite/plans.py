"""What is run: scenarios, each a store with options and the steps taken on it.

A scenario is run once for every engine and round. `options` are those of
shale_bench; `more` maps further variants of the scenario to options of their own.
`then` are steps of a second process on the same store, after the first has died.
"""
READS = ["warm", "readrandom", "readmissing", "readzipf", "multiget", "seek10", "seek100",
	 "scan", "scanback"]
MIXES = [f"ycsb{letter}" for letter in "abcdef"]
TITLES = {"quick": "The usual workloads", "full": "Every workload", "open": "Under a given load",
	  "durable": "Every commit durable", "sustained": "Sustained overwrites",
	  "sizes": "Data smaller and larger than memory"}


def scenario(name, steps, options=None, then=None, more=None, durability="kill"):
	return {"name": name, "steps": steps, "options": options or {}, "then": then or [],
		"more": more or {"": {}}, "durability": durability}


def quick(num=1000000):
	"""Ten minutes: what the table of the README shows."""
	return [
		scenario("main", ["fillrandom", "settle"] + READS + ["overwrite", "settle"],
			 {"num": num, "reads": num // 5, "limit": 3}),
		scenario("sequential", ["fillseq", "settle"], {"num": num}),
		scenario("mixed", ["fillbatch", "settle", "warm", "ycsba", "settle", "ycsbb",
				   "ycsbe", "readwhilewriting"],
			 {"num": num // 4, "reads": num // 10, "limit": 3}),
		scenario("sync", ["fillrandom"], {"num": 2000}, durability="power"),
	]


def full(num=5000000):
	"""Hours: every workload, open loops, sizes of values, threads, and more than memory."""
	return [
		scenario("main", ["fillrandom", "settle"] + READS + ["overwrite", "settle"],
			 {"num": num, "limit": 30}),
		scenario("sequential", ["fillseq", "settle"], {"num": num}),
		*open_loop(num, 60, ["readrandom", "seek10", "overwrite", "ycsba"]),
		scenario("ycsb", ["fillbatch", "settle", "warm"] + MIXES, {"num": num}),
		scenario("deletes", ["fillbatch", "settle", "deletehalf", "scan", "settle", "scan"],
			 {"num": num}),
		scenario("expiry", ["ttlmix", "settle"], {"num": num, "reads": num}),
		scenario("time series", ["timeseries", "settle"], {"num": num, "reads": num}),
		scenario("reopen", ["fillrandom", "die"], {"num": num}, then=["warm", "readrandom"]),
		scenario("decimal keys", ["fillrandom", "settle", "warm", "readrandom", "seek10"],
			 {"num": num, "keys": "decimal", "limit": 20}),
		scenario("values", ["fillrandom", "settle", "warm", "readrandom", "scan"],
			 {"limit": 20},
			 more={f"{size} B": {"value-size": size, "num": num * 116 // (size + 16)}
			       for size in (16, 1024, 4096, 16384)}),
		scenario("threads", ["fillrandom", "settle", "warm", "readrandom", "readwhilewriting"],
			 {"num": num, "reads": num, "limit": 20},
			 more={f"{t} threads": {"threads": t} for t in (1, 2, 4, 16, 64)}),
		*durable(),
		scenario("no log", ["fillrandom", "settle"], {"num": num}, durability="nothing"),
	]


def sizes(memory_mb):
	"""Data from a quarter of memory to ten times as much; needs a control group."""
	entries = lambda share: int(share * (memory_mb << 20) / 116)
	return [scenario("sizes", ["fillrandom", "settle", "warm", "readrandom", "readmissing",
				   "seek10", "overwrite"], {"limit": 60},
			 more={f"{share} of memory": {"num": entries(share)}
			       for share in (0.25, 1, 4, 10)})]


def open_loop(num=1000000, seconds=15, steps=("readrandom", "overwrite", "ycsba")):
	"""Latency at 70 and 95 % of what the same step reached in a closed loop before."""
	return [scenario("open loop", ["fillbatch", "settle", "warm"] +
			 [f"{step}{at}" for step in steps for at in ("", "@70", "@95")],
			 {"num": num, "limit": 20, "open-seconds": seconds})]


def durable(num=5000):
	"""Every put waits for the device: from one thread, and from several who may share."""
	return [scenario("sync", ["fillrandom"], {}, durability="power",
			 more={f"{t} thread{'s' * (t > 1)}": {"threads": t, "num": num * t}
			       for t in (1, 4, 16)})]


def sustained(num=20000000):
	"""Throughput over time: overwrites of a large store, second by second."""
	return [scenario("sustained", ["fillrandom", "settle", "overwrite", "settle"],
			 {"num": num})]


def one(step, num=1000000):
	"""A single step, after what it needs."""
	if step.startswith("fill"):
		return [scenario(step, [step, "settle"], {"num": num})]
	if step in ("ttlmix", "timeseries"):
		return [scenario(step, [step, "settle"], {"num": num})]
	base = step.split("@")[0]
	steps = ["fillbatch", "settle", "warm", base] + ([step] if "@" in step else [])
	return [scenario(step, steps, {"num": num, "limit": 20})]
