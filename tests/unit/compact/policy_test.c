/*
 * What the policies pick: cases in text, shape in, job out.
 */
#include "policies.h"

static const struct policy_options tiered = {
	.policy = SHALE_TIERED,
	.acting = SHALE_TIERED,
	.top_runs = 2,
	.max_runs = 3,
	.size_ratio = 5,
	.base_bytes = 1000,
	.table_bytes = 100,
};

static const struct policy_options deadline = {
	.policy = SHALE_LEVELED,
	.acting = SHALE_LEVELED,
	.size_ratio = 10,
	.top_runs = 2,
	.base_bytes = 1000,
	.delete_within_ms = 400,
};

static const struct policy_options tiered_deadline = {
	.policy = SHALE_TIERED,
	.acting = SHALE_TIERED,
	.top_runs = 2,
	.max_runs = 3,
	.size_ratio = 5,
	.base_bytes = 1000,
	.table_bytes = 100,
	.delete_within_ms = 400,
};

struct policy_case {
	const char *name, *shape, *want;
	const struct policy_options *o; /* NULL: usual */
	uint64_t snapshot;              /* the oldest one */
	const char *lo, *hi;            /* asked for by hand: [lo, hi) */
	bool manual, top_alone;
	const char *claimed_lo, *claimed_hi; /* of run 1, by a job that runs: [lo, hi] */
};

static const struct policy_case cases[] = {
	{ .name = "nothing is owed by an empty store", .shape = "", .want = "nothing" },
	{ .name = "too few top runs wait for more",
	  .shape = "L0#5 a-z; L7#1 a-z",
	  .want = "nothing" },
	{ .name = "picks all top runs with the overlap below",
	  .shape = "L0#5 c-f; L0#4 e-k; L7#1 a-b c-d j-m n-z",
	  .want = "top runs: L0#5 c-f + L0#4 e-k + L7#1 c-d j-m -> L7#1" },
	{ .name = "a hole between the top runs belongs to the pick",
	  .shape = "L0#5 c-f; L0#4 e-k p-q; L7#1 a-b c-d m-n r-z",
	  .want = "top runs: L0#5 c-f + L0#4 e-k p-q + L7#1 c-d m-n -> L7#1" },
	{ .name = "the first top merge begins a run",
	  .shape = "L0#5 c-f; L0#4 e-k",
	  .want = "top runs: L0#5 c-f + L0#4 e-k -> L7#77" },
	{ .name = "an excluded end does not overlap what begins there",
	  .shape = "L0#5 c-f); L0#4 c-f); L7#1 a-b f-g",
	  .want = "top runs: L0#5 c-f + L0#4 c-f -> L7#1" },
	{ .name = "an included end does, also when another run excludes it",
	  .shape = "L0#5 c-f); L0#4 c-f; L7#1 a-b f-g",
	  .want = "top runs: L0#5 c-f + L0#4 c-f + L7#1 f-g -> L7#1" },
	{ .name = "a table below with an excluded end is not overlapped at it",
	  .shape = "L0#5 c-f; L0#4 c-f; L7#1 a-c) g-h",
	  .want = "top runs: L0#5 c-f + L0#4 c-f -> L7#1" },
	{ .name = "top runs that another job holds wait, newer ones too",
	  .shape = "L0#6 a-b; L0#5 c-f*; L0#4 e-k*; L7#1 c-d*",
	  .want = "nothing" },
	{ .name = "top runs wait for a busy table they overlap",
	  .shape = "L0#5 c-f; L0#4 e-k; L7#1 c-d*",
	  .want = "nothing" },
	{ .name = "top runs do not wait for a busy table beside them",
	  .shape = "L0#5 c-f; L0#4 e-k; L7#1 a-b*",
	  .want = "top runs: L0#5 c-f + L0#4 e-k -> L7#1" },
	{ .name = "top runs wait for what another job claims, though no table is there",
	  .shape = "L0#5 c-f; L0#4 e-k; L7#1 a-b* x-y*",
	  .claimed_lo = "a",
	  .claimed_hi = "y",
	  .want = "nothing" },
	{ .name = "top runs do not wait for a claim that ends before them",
	  .shape = "L0#5 c-f; L0#4 e-k; L7#1 a-b* x-y",
	  .claimed_lo = "a",
	  .claimed_hi = "b",
	  .want = "top runs: L0#5 c-f + L0#4 e-k -> L7#1" },
	{ .name = "top runs stop at a level that holds data above the base",
	  .shape = "L0#7 c-f; L0#6 c-f; L5#3 x-z*:10; L7#1 a-z:5000",
	  .want = "top runs: L0#7 c-f + L0#6 c-f -> L5#3" },
	{ .name = "top runs merge with a level above the base that they overlap",
	  .shape = "L0#9 a-c; L0#8 a-c; L0#7 c-f; L0#6 c-f; L5#3 b-d:10; L7#1 a-z:5000",
	  .want = "top runs: L0#9 a-c + L0#8 a-c + L0#7 c-f + L0#6 c-f + L5#3 b-d -> L5#3" },

	{ .name = "a level above the base drains",
	  .shape = "L5#3 b-d:10; L6#2 a-b e-f; L7#1 a-z:10000",
	  .want = "level size: L5#3 b-d + L6#2 a-b -> L6#2" },
	{ .name = "levels grow upwards with the last one",
	  .shape = "L0#9 a-c; L0#8 b-d; L7#1 a-z:10000",
	  .want = "top runs: L0#9 a-c + L0#8 b-d -> L6#77" },
	{ .name = "and further",
	  .shape = "L0#9 a-c; L0#8 b-d; L6#2 a-z:10000; L7#1 a-z:100000",
	  .want = "top runs: L0#9 a-c + L0#8 b-d -> L5#77" },
	{ .name = "a level that is just full is left alone",
	  .shape = "L6#2 a-b:500 c-d:500; L7#1 a-z:10000",
	  .want = "nothing" },
	{ .name = "least overlap first",
	  .shape = "L6#2 a-b:500 c-d:600; L7#1 a-b:6000 d-k:4000",
	  .want = "level size: L6#2 c-d + L7#1 d-k -> L7#1" },
	{ .name = "least overlap for its size",
	  .shape = "L6#2 a-b:1000 c-d:100; L7#1 a-b:6000 d-k:4000",
	  .want = "level size: L6#2 a-b + L7#1 a-b -> L7#1" },
	{ .name = "moves a table that overlaps nothing",
	  .shape = "L6#2 a-b:500 g-h:600; L7#1 a-c:5000 d-f) i-k:5000",
	  .want = "level size by moving: L6#2 g-h -> L7#1" },
	{ .name = "leaves tables that another job holds",
	  .shape = "L6#2 a-b:500 c-d*:600; L7#1 a-b:6000 d-k*:4000",
	  .want = "level size: L6#2 a-b + L7#1 a-b -> L7#1" },
	{ .name = "leaves tables that overlap what another job holds",
	  .shape = "L6#2 a-b:500 c-d:600; L7#1 a-b:6000 d-k*:4000",
	  .want = "level size: L6#2 a-b + L7#1 a-b -> L7#1" },
	{ .name = "goes on to the next level where the first is held up",
	  .shape = "L5#3 a-b*:5000; L6#2 c-d:12000; L7#1 a-b*:50000 c-e:50000",
	  .want = "level size: L6#2 c-d + L7#1 c-e -> L7#1" },
	{ .name = "a level that is all there is goes down",
	  .shape = "L5#3 a-b",
	  .want = "level size by moving: L5#3 a-b -> L6#77" },
	{ .name = "only one job at a time begins a run",
	  .shape = "L5#3 a-b* c-d; L7#1 a-z:5000",
	  .want = "nothing" },
	{ .name = "a run that is there takes jobs side by side",
	  .shape = "L5#3 a-b* c-d; L6#2 e-f; L7#1 a-z:5000",
	  .want = "level size by moving: L5#3 c-d -> L6#2" },
	{ .name = "writers soon to be stalled come before a level that drains",
	  .shape = "L0#9 a-c; L0#8 a-c; L0#7 a-c; L0#6 a-c; L5#3 b-d:900; L7#1 a-z:5000",
	  .want = "top runs: L0#9 a-c + L0#8 a-c + L0#7 a-c + L0#6 a-c + L5#3 b-d -> L5#3" },
	{ .name = "level 0 that cannot wait comes before the level that it goes to",
	  .shape = "L0#9 a-z:600; L0#8 a-z:600; L0#7 a-z:600; L0#6 a-z:600; "
		   "L6#2 a-m:2000 n-z:2000; L7#1 a-z:10000",
	  .want = "top runs: L0#9 a-z + L0#8 a-z + L0#7 a-z + L0#6 a-z + L6#2 a-m n-z -> L6#2" },
	{ .name = "what its merge waits for is left to it",
	  .shape = "L0#9 a-z:600; L0#8 a-z:600; L0#7 a-z:600; L0#6 a-z:600; "
		   "L6#2 a-m*:2000 n-z:2000; L7#1 a-z:10000",
	  .want = "nothing" },
	{ .name = "but not the levels beneath",
	  .shape = "L0#9 a-z:600; L0#8 a-z:600; L0#7 a-z:600; L0#6 a-z:600; "
		   "L5#3 a-m*:2000 n-z:2000; L6#2 a-m*:9000 n-z:9000; L7#1 a-m:9000 n-z:50000",
	  .want = "level size: L6#2 n-z + L7#1 n-z -> L7#1" },
	{ .name = "it does not wait for a level that holds far more: the one above takes it",
	  .shape = "L0#9 a-z:600; L0#8 a-z:600; L0#7 a-z:600; L0#6 a-z:600; "
		   "L6#2 a-m:9000 n-z:9000; L7#1 a-z:10000",
	  .want = "top runs: L0#9 a-z + L0#8 a-z + L0#7 a-z + L0#6 a-z -> L5#77" },
	{ .name = "where there is none above, that level drains first",
	  .shape = "L0#9 a-z:600; L0#8 a-z:600; L0#7 a-z:600; L0#6 a-z:600; "
		   "L1#2 a-m:9000 n-z:9000; L7#1 a-z:10000",
	  .want = "level size by moving: L1#2 a-m -> L2#77" },
	{ .name = "but if other merges fail it takes all of it",
	  .top_alone = true,
	  .shape = "L0#9 a-z:600; L0#8 a-z:600; L0#7 a-z:600; L0#6 a-z:600; "
		   "L1#2 a-m:9000 n-z:9000; L7#1 a-z:10000",
	  .want = "top runs: L0#9 a-z + L0#8 a-z + L0#7 a-z + L0#6 a-z + L1#2 a-m n-z -> L1#2" },

	{ .name = "sequential loads become moves",
	  .shape = "L0#5 g-h i-j; L0#4 e-f; L7#1 a-b c-d",
	  .want = "top runs by moving: L0#5 g-h i-j + L0#4 e-f -> L7#1" },
	{ .name = "a move leaves alone what lies between its tables below",
	  .shape = "L0#5 i-j; L0#4 a-b; L7#1 c-d e-f k-l",
	  .want = "top runs by moving: L0#5 i-j + L0#4 a-b -> L7#1" },
	{ .name = "no move when top runs overlap each other",
	  .shape = "L0#5 g-i; L0#4 h-j; L7#1 a-b",
	  .want = "top runs: L0#5 g-i + L0#4 h-j -> L7#1" },
	{ .name = "no move onto a table that has room for a top table inside",
	  .shape = "L0#5 g-h; L0#4 c-d; L7#1 a-e",
	  .want = "top runs: L0#5 g-h + L0#4 c-d + L7#1 a-e -> L7#1" },
	{ .name = "no move of a top table that holds a table below inside",
	  .shape = "L0#5 g-k; L0#4 c-d; L7#1 h-i",
	  .want = "top runs: L0#5 g-k + L0#4 c-d + L7#1 h-i -> L7#1" },
	{ .name = "tombstones are not moved to where they hide nothing",
	  .shape = "L0#5 g-h~; L0#4 e-f; L7#1 a-b",
	  .want = "top runs: L0#5 g-h + L0#4 e-f -> L7#1" },
	{ .name = "tombstones are not moved onwards either where they hide nothing",
	  .shape = "L6#2 a-b~:1001; L7#1 c-d:10000",
	  .want = "level size: L6#2 a-b -> L7#1" },
	{ .name = "tombstones are moved while something is left to hide",
	  .shape = "L5#3 a-b~:101; L6#2 c-d; L7#1 a-d:5000",
	  .want = "level size by moving: L5#3 a-b -> L6#2" },

	{ .name = "by hand: nothing where nothing is",
	  .manual = true,
	  .shape = "L0#5 a-c; L7#1 f-g",
	  .lo = "d",
	  .hi = "e",
	  .want = "nothing" },
	{ .name = "by hand: everything",
	  .manual = true,
	  .shape = "L0#5 a-c; L0#4 x-z; L6#3 d-e; L7#1 f-g h-i",
	  .want = "asked for: L0#5 a-c + L0#4 x-z + L6#3 d-e + L7#1 f-g h-i -> L7#1" },
	{ .name = "by hand: closed under overlap, step by step and upwards too",
	  .manual = true,
	  .shape = "L0#5 k-m; L0#4 a-b; L6#3 i-k q-r; L7#1 a-f g-i m-p",
	  .lo = "g",
	  .hi = "h",
	  .want = "asked for: L0#5 k-m + L6#3 i-k + L7#1 g-i m-p -> L7#1" },
	{ .name = "by hand: the end is excluded",
	  .manual = true,
	  .shape = "L6#3 a-b; L7#1 a-b c-d",
	  .lo = "a",
	  .hi = "c",
	  .want = "asked for: L6#3 a-b + L7#1 a-b -> L7#1" },
	{ .name = "by hand: the start is not in a table that excludes it",
	  .manual = true,
	  .shape = "L6#3 a-b) c-d; L7#1 b-c)",
	  .lo = "b",
	  .hi = "c",
	  .want = "asked for: L7#1 b-c -> L7#1" },
	{ .name = "by hand: an excluded end grows to an included one",
	  .manual = true,
	  .shape = "L0#9 a-c); L6#3 b-c; L7#1 c-d",
	  .lo = "a",
	  .hi = "b",
	  .want = "asked for: L0#9 a-c + L6#3 b-c + L7#1 c-d -> L7#1" },
	{ .name = "by hand: top runs alone go to the base",
	  .manual = true,
	  .shape = "L0#9 a-c; L0#8 b-d; L7#1 x-z",
	  .lo = "a",
	  .hi = "e",
	  .want = "asked for: L0#9 a-c + L0#8 b-d -> L7#1" },
	{ .name = "by hand: top runs alone begin a run where there is none",
	  .manual = true,
	  .shape = "L0#9 a-c; L0#8 b-d; L7#1 x-z:10000",
	  .lo = "a",
	  .hi = "e",
	  .want = "asked for: L0#9 a-c + L0#8 b-d -> L6#77" },
	{ .name = "by hand: a lone table at the bottom that nothing can change is left alone",
	  .manual = true,
	  .shape = "L7#1 a-c^0",
	  .lo = "a",
	  .hi = "z",
	  .want = "nothing" },

	{ .name = "leveled: a level with runs of another policy has them merged into the oldest",
	  .shape = "L6#5 a-c; L6#4 b-d x-y; L7#1 a-z:50000",
	  .want = "level runs: L6#5 a-c + L6#4 b-d -> L6#4" },
	{ .name = "leveled: or moved there, where they lie beside each other",
	  .shape = "L6#5 a-c; L6#4 d-e; L7#1 a-z:50000",
	  .want = "level runs by moving: L6#5 a-c -> L6#4" },
	{ .name = "leveled: top runs go on top of such a level meanwhile",
	  .shape = "L0#9 a-b; L0#8 a-b; L0#7 a-b; L0#6 a-b; L5#5 a-c; L5#4 b-d; L7#1 a-z:50000",
	  .want = "top runs: L0#9 a-b + L0#8 a-b + L0#7 a-b + L0#6 a-b -> L5#77" },

	{ .name = "tiered: top runs become a run of level 1, without what is there",
	  .o = &tiered,
	  .shape = "L0#9 a-c; L0#8 b-d; L1#3 a-z; L7#1 a-z",
	  .want = "top runs: L0#9 a-c + L0#8 b-d -> L1#77" },
	{ .name = "tiered: a run is gone on with while nothing in it is met",
	  .o = &tiered,
	  .shape = "L0#9 f-g; L0#8 f-h; L1#3 a-e; L1#2 a-z",
	  .want = "top runs: L0#9 f-g + L0#8 f-h -> L1#3" },
	{ .name = "tiered: too few runs over any key wait",
	  .o = &tiered,
	  .shape = "L1#5 a-c; L1#4 b-d; L1#3 e-f",
	  .want = "nothing" },
	{ .name = "tiered: as many runs as are allowed over a key are merged, there alone",
	  .o = &tiered,
	  .shape = "L1#5 a-c m-n; L1#4 b-d; L1#3 d-f x-z; L2#2 a-z",
	  .want = "level runs: L1#5 a-c + L1#4 b-d + L1#3 d-f -> L2#77" },
	{ .name = "tiered: the next stretch goes into the run that the first began",
	  .o = &tiered,
	  .shape = "L1#5 m-n; L1#4 m-p; L1#3 n-q; L2#6 a-f; L2#2 a-z",
	  .want = "level runs: L1#5 m-n + L1#4 m-p + L1#3 n-q -> L2#6" },
	{ .name = "tiered: a stretch with a busy table waits",
	  .o = &tiered,
	  .shape = "L1#5 a-c; L1#4 b-d*; L1#3 d-f; L2#2 a-z",
	  .want = "nothing" },
	{ .name = "tiered: an excluded end parts two stretches",
	  .o = &tiered,
	  .shape = "L1#5 a-c); L1#4 a-c); L1#3 c-d",
	  .want = "nothing" },
	{ .name = "tiered: runs of the last level are merged in place",
	  .o = &tiered,
	  .shape = "L7#5 a-c; L7#4 b-d; L7#3 c-f x-z",
	  .want = "level runs: L7#5 a-c + L7#4 b-d + L7#3 c-f -> L7#3" },
	{ .name = "tiered: but not into a gap that another job claims",
	  .o = &tiered,
	  .shape = "L1#5 m-n; L1#4 o-p; L1#3 q-r; L1#1 a-c* x-z*",
	  .claimed_lo = "a",
	  .claimed_hi = "z",
	  .want = "nothing" },
	{ .name = "tiered: many runs beside each other are moved together",
	  .o = &tiered,
	  .shape = "L1#9 k-l; L1#8 i-j; L1#7 g-h; L1#6 e-f; L1#5 c-d; L1#4 a-b",
	  .want = "level runs by moving: L1#5 c-d -> L1#4" },

	{ .name = "hybrid: little above the last level is left there",
	  .o = &hybrid,
	  .shape = "L1#5 a-c:100; L2#4 b-d:100; L7#1 a-z:1000",
	  .want = "nothing" },
	{ .name = "hybrid: more is merged down where most lies above for what lies beneath",
	  .o = &hybrid,
	  .shape = "L1#5 a-c:100 m-n:60; L2#4 m-p:90; L7#1 a-d:500 m-q:500",
	  .want = "level size: L1#5 m-n + L2#4 m-p + L7#1 m-q -> L7#1" },
	{ .name = "hybrid: level 0 stays above",
	  .o = &hybrid,
	  .shape = "L0#9 a-z; L1#5 m-n:260; L7#1 a-d:500 m-q:500",
	  .want = "level size: L1#5 m-n + L7#1 m-q -> L7#1" },
	{ .name = "hybrid: what meets nothing is moved",
	  .o = &hybrid,
	  .shape = "L1#5 a-c:250 e-f:10; L7#1 a-d:500 m-q:500",
	  .want = "level size by moving: L1#5 e-f -> L7#1" },
	{ .name = "hybrid: the first merge begins the last level",
	  .o = &hybrid,
	  .shape = "L1#5 a-c:90; L2#4 b-d:90",
	  .want = "level size: L1#5 a-c + L2#4 b-d -> L7#77" },
	{ .name = "hybrid: and is alone",
	  .o = &hybrid,
	  .shape = "L1#5 a-c:90 x-y*; L2#4 b-d:90",
	  .want = "nothing" },
	{ .name = "hybrid: what hides nothing stays above",
	  .o = &hybrid,
	  .shape = "L1#5 a-c+0:250 m-n+0:300; L7#1 a-d:500 m-q:500",
	  .want = "nothing" },
	{ .name = "hybrid: what hides most of a stretch goes down first",
	  .o = &hybrid,
	  .shape = "L1#5 a-c+50:400 m-n+240:300; L7#1 a-d:500 m-q:500",
	  .want = "level size: L1#5 m-n + L7#1 m-q -> L7#1" },
	{ .name = "hybrid: the first run is the last one, as a whole",
	  .o = &hybrid,
	  .shape = "L0#8 a-z; L1#5 a-c+0:20 e-f+0:20",
	  .want = "level size by moving: L1#5 a-c e-f -> L7#77" },
	{ .name = "hybrid: but not while a part of it is busy",
	  .o = &hybrid,
	  .shape = "L1#5 a-c+0:20 e-f*+0:20",
	  .want = "nothing" },
	{ .name = "hybrid: level 0 waits while it is little for what lies beneath",
	  .o = &hybrid,
	  .shape = "L0#9 a-z:100; L0#8 a-z:100; L7#1 a-z:400",
	  .want = "nothing" },
	{ .name = "hybrid: but for more than that not",
	  .o = &hybrid,
	  .shape = "L0#9 a-z:100; L0#8 a-z:101; L7#1 a-z:400",
	  .want = "top runs: L0#9 a-z + L0#8 a-z -> L1#77" },
	{ .name = "hybrid: nor for twice as many runs",
	  .o = &hybrid,
	  .shape = "L0#9 a-z:1; L0#8 a-z:1; L0#7 a-z:1; L0#6 a-z:1; L7#1 a-z:400",
	  .want = "top runs: L0#9 a-z + L0#8 a-z + L0#7 a-z + L0#6 a-z -> L1#77" },
	{ .name = "hybrid: levels that another policy left are tiers",
	  .o = &hybrid,
	  .shape = "L5#5 a-c:90; L6#4 b-d:300; L7#1 a-d:500 m-q:500",
	  .want = "level size: L5#5 a-c + L6#4 b-d + L7#1 a-d -> L7#1" },
	{ .name = "hybrid: several runs in the last level become one",
	  .o = &hybrid,
	  .shape = "L7#5 a-c; L7#4 b-d; L7#3 c-f x-z",
	  .want = "level size: L7#5 a-c + L7#4 b-d + L7#3 c-f -> L7#3" },
	{ .name = "hybrid: level 0 that cannot wait comes before what lies above the last level",
	  .o = &hybrid,
	  .shape = "L0#9 a-z; L0#8 a-z; L0#7 a-z; L0#6 a-z; L1#5 a-z:500; L7#1 a-z:200",
	  .want = "top runs: L0#9 a-z + L0#8 a-z + L0#7 a-z + L0#6 a-z -> L1#77" },
	{ .name = "hybrid: level 0 with fewer runs waits for it",
	  .o = &hybrid,
	  .shape = "L0#9 a-z:200; L0#8 a-z; L0#7 a-z; L1#5 a-z:500; L7#1 a-z:200",
	  .want = "level size: L1#5 a-z + L7#1 a-z -> L7#1" },
	{ .name = "hybrid: others go on while another job holds level 0",
	  .o = &hybrid,
	  .shape = "L0#9 a-z; L0#8 a-z; L0#7 a-z; L0#6 a-z*; L1#5 a-z:500; L7#1 a-z:200",
	  .want = "level size: L1#5 a-z + L7#1 a-z -> L7#1" },
	{ .name = "hybrid: the first run is made the last one before, which costs nothing",
	  .o = &hybrid,
	  .shape = "L0#9 a-z; L0#8 a-z; L0#7 a-z; L0#6 a-z; L1#5 a-z:200",
	  .want = "level size by moving: L1#5 a-z -> L7#77" },
	{ .name = "hybrid: also if that has to be written anew",
	  .o = &hybrid,
	  .snapshot = UINT64_MAX,
	  .shape = "L0#9 a-z; L0#8 a-z; L0#7 a-z; L0#6 a-z; L1#5 a-z~:200",
	  .want = "level size: L1#5 a-z -> L7#77" },
	{ .name = "hybrid: but not if other merges fail",
	  .o = &hybrid,
	  .snapshot = UINT64_MAX,
	  .top_alone = true,
	  .shape = "L0#9 a-z; L0#8 a-z; L0#7 a-z; L0#6 a-z; L1#5 a-z~:200",
	  .want = "top runs: L0#9 a-z + L0#8 a-z + L0#7 a-z + L0#6 a-z -> L1#77" },

	{ .name = "window: the open one waits for enough runs",
	  .o = &window,
	  .shape = "L0#9 a-c@1000; L0#8 a-c@1001",
	  .want = "nothing" },
	{ .name = "window: which become a run of level 1",
	  .o = &window,
	  .shape = "L0#9 a-c@1002; L0#8 a-c@1001; L0#7 a-c@1000",
	  .want = "top runs: L0#9 a-c + L0#8 a-c + L0#7 a-c -> L1#77" },
	{ .name = "window: one that is over goes down alone",
	  .o = &window,
	  .shape = "L0#9 a-c@1000; L0#8 a-c@999; L0#7 a-c@950",
	  .want = "top runs: L0#8 a-c + L0#7 a-c -> L1#77" },
	{ .name = "window: over, a single run is moved down",
	  .o = &window,
	  .shape = "L0#7 a-c@950; L1#6 a-c@850",
	  .want = "window is over by moving: L0#7 a-c -> L1#77" },
	{ .name = "window: the runs of one that is over become one, of two they never do",
	  .o = &window,
	  .shape = "L1#9 a-c@960; L1#8 a-c@950; L1#7 a-c@850",
	  .want = "window is over: L1#9 a-c + L1#8 a-c -> L1#8" },
	{ .name = "window: settled ones stay apart",
	  .o = &window,
	  .shape = "L1#9 a-c@950; L1#8 a-c@850; L1#7 a-c@750",
	  .want = "nothing" },
	{ .name = "window: what comes late, or by a clock set back, joins the newest beneath it",
	  .o = &window,
	  .shape = "L1#9 a-c@700; L1#8 a-c@950; L1#7 a-c@850",
	  .want = "window is over: L1#9 a-c + L1#8 a-c -> L1#8" },
	{ .name = "window: runs of similar size are merged in the open one",
	  .o = &window,
	  .shape = "L1#9 a-c@1003; L1#8 a-c@1002; L1#7 a-c@1001; L1#6 a-c@1000:900",
	  .want = "level runs: L1#9 a-c + L1#8 a-c + L1#7 a-c -> L1#7" },

	{ .name = "fifo: nothing is merged",
	  .o = &fifo,
	  .shape = "L0#9 a-c; L0#8 a-c; L0#7 a-c",
	  .want = "nothing" },
	{ .name = "fifo: over its size, the oldest goes",
	  .o = &fifo,
	  .shape = "L0#9 a-c; L0#8 a-c; L0#7 a-c; L0#6 a-c d-e",
	  .want = "oldest, dropped: L0#6 a-c" },
	{ .name = "fifo: of one run, the table with the oldest data",
	  .o = &fifo,
	  .shape = "L0#9 a-c:300; L7#6 a-c^9 d-e^3",
	  .want = "oldest, dropped: L7#6 d-e" },

	{ .name = "expired: tables at the bottom are dropped, side by side",
	  .shape = "L7#1 a-b!900 c-d!1000 e-f!1001",
	  .want = "expired, dropped: L7#1 a-b c-d" },
	{ .name = "expired: not what still hides something older",
	  .o = &tiered,
	  .shape = "L6#2 a-b!900; L7#1 a-c",
	  .want = "nothing" },
	{ .name = "expired: beneath it first",
	  .shape = "L6#2 a-b!900; L7#1 a-c!900",
	  .want = "expired, dropped: L7#1 a-c" },
	{ .name = "expired: not while a merge reads it",
	  .shape = "L7#1 a-b*!900",
	  .want = "nothing" },
	{ .name = "expired: also where nothing is merged",
	  .o = &fifo,
	  .shape = "L0#9 a-c!2000; L0#8 a-c!900",
	  .want = "expired, dropped: L0#8 a-c" },

	{ .name = "deleted: tombstones at the bottom are written away",
	  .snapshot = UINT64_MAX,
	  .shape = "L7#1 a-b~ c-d",
	  .want = "deleted: L7#1 a-b -> L7#1" },
	{ .name = "deleted: not while a snapshot may see what they hide",
	  .snapshot = 4,
	  .shape = "L7#1 a-b~^5 c-d",
	  .want = "nothing" },
	{ .name = "deleted: what a range tombstone at the bottom may hide, once no snapshot sees "
		  "it",
	  .snapshot = 4,
	  .shape = "L7#1 a-b=^5 c-d=",
	  .want = "deleted: L7#1 c-d -> L7#1" },
	{ .name = "deleted: not in level 0, where flushes have applied it",
	  .snapshot = UINT64_MAX,
	  .shape = "L0#1 a-b=",
	  .want = "nothing" },
	{ .name = "deleted: not what one higher up may hide",
	  .o = &tiered,
	  .snapshot = UINT64_MAX,
	  .shape = "L6#2 a-b=; L7#1 a-b",
	  .want = "nothing" },
	{ .name = "deleted: higher up with what lies beneath, where that is little",
	  .o = &tiered,
	  .snapshot = UINT64_MAX,
	  .shape = "L6#2 a-c~; L7#1 a-b:200 x-y",
	  .want = "deleted: L6#2 a-c + L7#1 a-b -> L7#1" },
	{ .name = "deleted: not where that is much",
	  .o = &tiered,
	  .snapshot = UINT64_MAX,
	  .shape = "L6#2 a-c~; L7#1 a-b:400 x-y",
	  .want = "nothing" },
	{ .name = "deleted: also where that is much, if the tombstones may hide most of it",
	  .o = &tiered,
	  .snapshot = UINT64_MAX,
	  .shape = "L0#2 a-c~:200; L7#1 a-b:400 x-y",
	  .want = "deleted: L0#2 a-c + L7#1 a-b -> L7#1" },
	{ .name = "deleted: but not with more than they may hide twice over",
	  .o = &tiered,
	  .snapshot = UINT64_MAX,
	  .shape = "L0#2 a-c~:200; L7#1 a-b:401 x-y",
	  .want = "nothing" },
	{ .name = "deleted: from level 0 with all that lies beneath",
	  .o = &tiered,
	  .snapshot = UINT64_MAX,
	  .shape = "L0#3 a-c~; L7#1 a-b x-y",
	  .want = "deleted: L0#3 a-c + L7#1 a-b -> L7#1" },
	{ .name = "deleted: from level 0 not while a snapshot may see what they hide",
	  .o = &tiered,
	  .snapshot = 4,
	  .shape = "L0#3 a-c~^5; L7#1 a-b x-y",
	  .want = "nothing" },
	{ .name = "deadline: tombstones wait for three quarters of it",
	  .o = &deadline,
	  .snapshot = UINT64_MAX,
	  .shape = "L0#2 a-c~@701; L7#1 a-b:4000 x-y",
	  .want = "nothing" },
	{ .name = "deadline: then they go down, whatever lies beneath",
	  .o = &deadline,
	  .snapshot = UINT64_MAX,
	  .shape = "L6#2 a-c~@700; L7#1 a-b:4000 x-y",
	  .want = "late: L6#2 a-c + L7#1 a-b -> L7#1" },
	{ .name = "deadline: not past a job under way",
	  .o = &deadline,
	  .snapshot = UINT64_MAX,
	  .shape = "L0#3 x-y; L6#2 a-c~@700; L7#1 a-b*:10000 x-y",
	  .want = "nothing" },
	{ .name = "deadline: from level 0 with all of it, as its merge goes",
	  .o = &deadline,
	  .snapshot = UINT64_MAX,
	  .shape = "L0#3 a-c~@700; L6#2 a-b:200 m-n; L7#1 a-k:5000 m-z:5000",
	  .want = "late: L0#3 a-c + L6#2 a-b -> L6#2" },
	{ .name = "deadline: not with a level that holds far more",
	  .o = &deadline,
	  .snapshot = UINT64_MAX,
	  .shape = "L0#3 c-d; L0#2 a-c~@700; L7#1 a-b:4000 c-y",
	  .want = "late: L0#3 c-d + L0#2 a-c -> L6#77" },
	{ .name = "deadline: unless there is none above",
	  .o = &deadline,
	  .snapshot = UINT64_MAX,
	  .shape = "L0#3 a-c~@700; L1#2 a-b:4000 x-y; L7#1 a-z:1000000",
	  .want = "late: L0#3 a-c + L1#2 a-b -> L1#2" },
	{ .name = "deadline: not while a job holds some of level 0",
	  .o = &deadline,
	  .snapshot = UINT64_MAX,
	  .shape = "L0#3 x-y; L0#2 a-c~@700; L0#1 a-b*",
	  .want = "nothing" },
	{ .name = "deadline: what is from the future is late now: the clock was set back",
	  .o = &deadline,
	  .snapshot = UINT64_MAX,
	  .shape = "L6#2 a-c~@1051; L7#1 a-b:10000 x-y",
	  .want = "late: L6#2 a-c + L7#1 a-b -> L7#1" },
	{ .name = "deadline: by no more than there is time left it may be",
	  .o = &deadline,
	  .snapshot = UINT64_MAX,
	  .shape = "L6#2 a-c~@1050; L7#1 a-b:10000 x-y",
	  .want = "nothing" },
	{ .name = "deadline: tiered merges level 0 alone",
	  .o = &tiered_deadline,
	  .snapshot = UINT64_MAX,
	  .shape = "L0#3 a-z~@700; L1#2 a-k; L7#1 a-k:4000 m-z:4000",
	  .want = "late: L0#3 a-z -> L1#77" },
	{ .name = "deadline: and then what lies beneath one table",
	  .o = &tiered_deadline,
	  .snapshot = UINT64_MAX,
	  .shape = "L1#3 a-k~@700 m-z~@700; L1#2 a-k; L7#1 a-k:4000 m-z:4000",
	  .want = "late: L1#3 a-k + L1#2 a-k + L7#1 a-k -> L7#1" },
	{ .name = "deadline: the oldest tombstones first, wherever they are",
	  .o = &deadline,
	  .snapshot = UINT64_MAX,
	  .shape = "L0#3 a-b~@690; L6#2 m-n~@640 p-q~@600 s-t~@700; L7#1 a-d m-o p-r s-z",
	  .want = "late: L6#2 p-q + L7#1 p-r -> L7#1" },
	{ .name = "deadline: of those that nothing is in the way of",
	  .o = &deadline,
	  .snapshot = 5,
	  .shape = "L0#3 a-b~@690; L6#2 m-n~@640 p-q~*@600 s-t~@600^9; L7#1 a-d m-o p-z",
	  .want = "late: L6#2 m-n + L7#1 m-o -> L7#1" },
	{ .name = "deadline: what writers are held up for comes first, however late it is",
	  .o = &deadline,
	  .snapshot = UINT64_MAX,
	  .shape = "L0#6 a-c~@1; L0#5 a-c; L0#4 a-c; L0#3 a-c; L6#2 p-q~@1; L7#1 a-z:10000",
	  .want = "top runs: L0#6 a-c + L0#5 a-c + L0#4 a-c + L0#3 a-c -> L6#2" },
	{ .name = "deadline: level 0 that can wait does",
	  .o = &deadline,
	  .snapshot = UINT64_MAX,
	  .shape = "L0#5 a-c; L0#4 a-c; L0#3 a-c; L6#2 p-q~@700; L7#1 a-o:5000 p-z:5000",
	  .want = "late: L6#2 p-q + L7#1 p-z -> L7#1" },
	{ .name = "deadline: and it comes next while a job holds level 0",
	  .o = &deadline,
	  .snapshot = UINT64_MAX,
	  .shape = "L0#6 a-c; L0#5 a-c*; L0#4 a-c*; L0#3 a-c*; L6#2 p-q~@700; L7#1 a-o:5000 "
		   "p-z:5000",
	  .want = "late: L6#2 p-q + L7#1 p-z -> L7#1" },
};

static void picks_as_it_should(void **state)
{
	const struct policy_case *c = *state;
	struct version *v = shape_parse(c->shape);
	/* Just the room that was promised, so that one too many is seen. */
	struct pick_input *inputs = calloc(v->run_count + 1, sizeof(*inputs));
	shale_slice lo = c->lo != NULL ? shale_str(c->lo) : slice_from(NULL, 0);
	shale_slice hi = c->hi != NULL ? shale_str(c->hi) : slice_from(NULL, 0);
	const struct policy_options *o = c->o != NULL ? c->o : &usual;
	struct policy_now at = now;
	struct pick_claim claim;
	struct pick p;
	char got[1024] = "nothing";

	at.oldest_snapshot = c->snapshot;
	at.top_alone = c->top_alone;
	if (c->claimed_lo != NULL) {
		claim = (struct pick_claim){ .run = 1,
					     .lo = shale_str(c->claimed_lo),
					     .hi = shale_str(c->claimed_hi) };
		at.claims = &claim;
	}
	inputs[v->run_count] = (struct pick_input){ 4711, 4711, 4711 };
	if (c->manual ? policy_pick_range(o, v, lo, hi, &at, inputs, &p)
		      : policy_pick(o, v, &at, inputs, &p))
		print_pick(v, &p, got, sizeof(got));
	assert_string_equal(got, c->want);
	assert_int_equal(inputs[v->run_count].run, 4711);
	free(inputs);
	version_unref(v);
}

/* From level 0 on the way down it stays late, or it would have all the time once more. */
static void what_is_from_the_future_stays_late_on_its_way_down(void **state)
{
	struct version *v = shape_parse("L0#3 a-b@999; L0#2 a-c~@5000; L7#1 a-b:4000 x-y");
	struct pick_input inputs[3];
	struct policy_now at = now;
	struct pick p;

	(void)state;
	at.oldest_snapshot = UINT64_MAX;
	assert_true(policy_pick(&deadline, v, &at, inputs, &p));
	assert_int_equal(p.reason, PICK_LATE);
	assert_int_equal(policy_created_ms(&deadline, v, &p, at.wall_ms), 700);
	assert_int_equal(policy_wake_ms(&deadline, v, at.wall_ms), 2000);
	version_unref(v);
}

static void defaults_follow_the_memtable(void **state)
{
	shale_compaction c = { .policy = SHALE_LEVELED };
	struct policy_options o = policy_options_of(&c, 64 << 20);

	(void)state;
	assert_int_equal(o.policy, SHALE_LEVELED);
	assert_int_equal(o.size_ratio, 10);
	assert_int_equal(o.top_runs, 4);
	assert_int_equal(o.base_bytes, 64 << 20);
	assert_int_equal(o.table_bytes, 32 << 20);
	c = (shale_compaction){ .policy = SHALE_LEVELED,
				.size_ratio = 4,
				.top_runs = 7,
				.base_bytes = 5,
				.table_bytes = 6 };
	o = policy_options_of(&c, 64 << 20);
	assert_int_equal(o.size_ratio, 4);
	assert_int_equal(o.top_runs, 7);
	assert_int_equal(o.base_bytes, 5);
	assert_int_equal(o.table_bytes, 6);
	assert_true(policy_level_is_deep(&o, LEVEL_LAST));
	assert_true(policy_level_is_deep(&o, LEVEL_LAST - 1));
	assert_false(policy_level_is_deep(&o, LEVEL_LAST - 2));
}

static void targets_divide_the_last_level(void **state)
{
	struct version *v = shape_parse("L7#1 a-z:2500000");
	uint64_t target[SHALE_LEVELS_MAX];

	(void)state;
	assert_int_equal(leveled_targets(&usual, v, target), 4);
	assert_int_equal(target[6], 250000);
	assert_int_equal(target[5], 25000);
	assert_int_equal(target[4], 2500);
	assert_int_equal(target[3], 0);
	assert_int_equal(target[1], 0);
	assert_true(target[7] == UINT64_MAX);
	version_unref(v);
}

static void debt_is_what_exceeds_the_targets(void **state)
{
	static const struct {
		const char *shape;
		uint64_t debt;
	} each[] = {
		{ "", 0 },
		{ "L0#1 a-b", 0 },
		{ "L0#2 a-b:70; L0#1 a-b", 170 },
		{ "L6#2 a-b:1000; L7#1 a-b:10000", 0 },
		{ "L6#2 a-b:1001; L7#1 a-b:10000", 1 },
		{ "L5#3 a-b:30; L6#2 a-b:1001; L7#1 a-b:10000", 31 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		struct version *v = shape_parse(each[i].shape);

		assert_int_equal(policy_debt(&usual, v), each[i].debt);
		version_unref(v);
	}
}

/* A run of so many tables. */
static struct version *run_of(unsigned tables)
{
	char *shape = malloc(tables * 16 + 16), *p = shape + sprintf(shape, "L7#1");
	struct version *v;

	for (unsigned i = 0; i < tables; i++)
		p += sprintf(p, " %04u-%04ux", i, i);
	v = shape_parse(shape);
	free(shape);
	return v;
}

/* Where outputs end must stay when the run grows, or stretches never become alone. */
static void guards_are_few_and_those_of_a_longer_run_were_there_before(void **state)
{
	static const unsigned tables[] = { 40, 200, 1000, 3000 };
	static bool was[3000];

	(void)state;
	memset(was, true, sizeof(was));
	for (size_t i = 0; i < 4; i++) {
		struct version *v = run_of(tables[i]);
		const struct run *r = v->runs[0];
		static bool is[3000];
		unsigned guards = 0;

		memset(is, false, sizeof(is));
		for (size_t at = guard_next(r, 0); at < r->count; at = guard_next(r, at + 1)) {
			assert_int_not_equal(at, 0);
			is[at] = true;
			guards++;
		}
		assert_in_range(guards, 16, 100);
		for (size_t at = 0; i != 0 && at < tables[i - 1]; at++)
			assert_true(!is[at] || was[at]);
		memcpy(was, is, sizeof(was));
		version_unref(v);
	}
}

int main(void)
{
	enum { CASES = sizeof(cases) / sizeof(cases[0]) };
	struct CMUnitTest tests[CASES + 5];

	for (size_t i = 0; i < CASES; i++)
		tests[i] = (struct CMUnitTest){ cases[i].name, picks_as_it_should, NULL, NULL,
						(void *)(uintptr_t)&cases[i] };
	tests[CASES] = (struct CMUnitTest)cmocka_unit_test(defaults_follow_the_memtable);
	tests[CASES + 1] = (struct CMUnitTest)cmocka_unit_test(targets_divide_the_last_level);
	tests[CASES + 2] = (struct CMUnitTest)cmocka_unit_test(debt_is_what_exceeds_the_targets);
	tests[CASES + 3] = (struct CMUnitTest)cmocka_unit_test(
		guards_are_few_and_those_of_a_longer_run_were_there_before);
	tests[CASES + 4] = (struct CMUnitTest)cmocka_unit_test(
		what_is_from_the_future_stays_late_on_its_way_down);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
