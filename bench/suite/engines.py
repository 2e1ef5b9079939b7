"""The engines: names, order, classes of colours, and how each is opened, in words.

The adapters in bench/engines are what is done; the page and docs/benchmarks.md print
these words, so a change of an adapter's settings is a change here too.
"""
ORDER = ["shale", "shale-leveled", "shale-tiered", "rocksdb", "rocksdb-universal", "leveldb",
	 "lmdb", "wiredtiger", "sqlite", "device"]
# Those that a plan runs, unless it says otherwise; the others are for what they are good at.
USUAL = ["shale", "rocksdb", "leveldb", "lmdb", "wiredtiger", "sqlite"]

NAMES = {"shale": "Shale", "shale-leveled": "Shale leveled", "shale-tiered": "Shale tiered",
	 "rocksdb": "RocksDB", "rocksdb-universal": "R. universal", "leveldb": "LevelDB",
	 "lmdb": "LMDB", "wiredtiger": "WiredTiger", "sqlite": "SQLite", "device": "bare file"}

KINDS = {"shale": "LSM tree", "shale-leveled": "LSM tree", "shale-tiered": "LSM tree",
	 "rocksdb": "LSM tree", "rocksdb-universal": "LSM tree", "leveldb": "LSM tree",
	 "lmdb": "B+ tree, mapped", "wiredtiger": "B-tree", "sqlite": "B-tree",
	 "device": "no store"}

# Light and dark. Told apart by the colour-blind too (after Okabe and Ito); lines also
# differ by their dashes.
COLOURS = {"shale": ("#0060b0", "#58aefc"), "shale-leveled": ("#4f9bdb", "#2f7fc8"),
	   "shale-tiered": ("#0a3d78", "#a9d3ff"), "rocksdb": ("#d98200", "#f0a93b"),
	   "rocksdb-universal": ("#8f5600", "#ffd089"), "leveldb": ("#00916a", "#2cc79b"), "lmdb": ("#b3579b", "#dd90c8"),
	   "wiredtiger": ("#6f6f74", "#a2a2a8"), "sqlite": ("#b8401a", "#f07f58"),
	   "device": ("#45484d", "#c4c7cc")}
DASHES = {"shale": "solid", "shale-leveled": "(8,3)", "shale-tiered": "(3,3)",
	  "rocksdb": "solid", "rocksdb-universal": "(6,3)", "leveldb": "(10,4)", "lmdb": "(4,3)",
	  "wiredtiger": "(12,4,2,4)", "sqlite": "(2,3)",
	  "device": "(1,4)"}

TUNED = {
	"shale": "the memory is its budget, a sixth of it a memtable; 2 background threads",
	"shale-leveled": "as Shale, with one run a level (`SHALE_LEVELED`)",
	"shale-tiered": "as Shale, with 24 runs of similar size merged at once (`SHALE_TIERED`, "
			"`max_runs`)",
	"rocksdb": "a block cache of two thirds, indexes and filters in it; write buffers of a "
		   "sixth, 4 at most and a third together; 2 background jobs, 2 subcompactions; "
		   "level 0 slowdown at 20 and stop at 36 files, level base 1 GiB with dynamic "
		   "level sizes, tables of 64 MiB, `bytes_per_sync` 1 MiB, recycled logs, "
		   "readahead 2 MiB; filters of 10 bits, a filter for memtables",
	"rocksdb-universal": "as RocksDB, with universal compaction",
	"leveldb": "a cache of two thirds, write buffers of a sixth, filters of 10 bits, files "
		   "of 64 MiB, 10000 open files; checksums are not checked by reads, as it comes",
	"lmdb": "no read-ahead, read transactions renewed, keys in order appended; its memory is the "
		"page cache, which only a control group makes equal",
	"wiredtiger": "the memory is its cache; 4 eviction threads, leaf pages of 4 KiB, log "
		      "files of 256 MiB, a checkpoint every 2 GiB of log",
	"sqlite": "a table without row numbers, a write-ahead log with a checkpoint every 16384 pages, "
		  "the memory divided among the page caches of its connections, the file mapped",
	"device": "a file that was written before; every put is a write and an `fdatasync`",
}

CLASSES = {"nothing": "no log", "kill": "survives kill -9", "power": "survives power loss"}

STEPS = {
	"fillseq": "put all keys, in order",
	"fillrandom": "put all keys, shuffled",
	"fillbatch": "put all keys, shuffled, in batches, of 100 unless said otherwise",
	"overwrite": "put keys drawn at random",
	"overwritezipf": "put keys drawn by Zipf's law",
	"putwhilemerging": "put, while another thread merges all there is, again and again",
	"compact": "merge all there is into one",
	"deletehalf": "delete half of the keys",
	"deletefront": "delete the first keys, in order",
	"first": "a new iterator, its first entry",
	"takefront": "take the first entry: a new iterator finds it, then it is deleted",
	"firstread": "get one key, after the store was opened",
	"readrandom": "get keys that are there",
	"readmissing": "get keys that are not there",
	"readzipf": "get keys by Zipf's law",
	"multiget": "get keys at once, 100 unless said otherwise; keys are counted",
	"seek1": "seek, then read one entry",
	"seek10": "seek, then read 10 entries",
	"seek50": "seek, then read 50 entries",
	"seek100": "seek, then read 100 entries",
	"scan": "read all entries, forwards; entries are counted",
	"scanback": "read all entries, backwards; entries are counted",
	"readwhilewriting": "get, while another thread overwrites",
	"readwhilewriting10": "get, while another thread overwrites at 10 MB/s",
	"ycsba": "half gets, half updates, Zipf",
	"ycsbb": "95 % gets, 5 % updates, Zipf",
	"ycsbc": "gets, Zipf",
	"ycsbd": "95 % gets of the latest, 5 % inserts",
	"ycsbe": "95 % short scans, 5 % inserts",
	"ycsbf": "half gets, half read-modify-write, Zipf",
	"ttlmix": "puts that expire, gets of recent keys",
	"timeseries": "keys in the order of time, short scans, retention",
	"settle": "wait until the background owes nothing",
	"open": "open a store that is there",
}


def who(engine, profile, several=True):
	"""As a row is called; the profile only where there are several."""
	name = NAMES.get(engine, engine)
	return f"{name}, as it comes" if several and profile == "default" else name


def is_shale(engine):
	return engine.split("-")[0] == "shale"


def rank(pair):
	engine, profile = pair
	return (ORDER.index(engine) if engine in ORDER else len(ORDER), profile == "default")
