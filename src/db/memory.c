/*
 * One budget for all memory. Tables, log and the buffers of merges have what they
 * need, which the pool between the store and its heap counts (env/page_pool.h), a mapped
 * log aside;
 * memtables and the block cache share the rest, and that share moves: a store
 * that is written to may fill several memtables before a flush ends, one that is
 * only read needs none, and the cache has what they leave.
 *
 * The memtables' share is what they hold and a start (an eighth of one), so it
 * follows an active memtable while that fills: writers look every so many bytes
 * (seal_for_memory) and wake the background when the start is used up in part; the
 * rest of it takes far longer to fill than the cache to shrink. The share follows
 * downwards when the need has been lower for a second, so that a flush now and then
 * does not cost the cache its contents. The pages that the pool keeps for memtables
 * are part of their share.
 */
#include "db/db.h"

#define CALM_NS UINT64_C(1000000000)

/* What memtables may grow by before the background has looked: the share of a store at rest. */
static uint64_t memtables_start(const shale_db *db)
{
	return db->options.read_only ? 0 : db->options.memtable_bytes / 8;
}

/* Half of the budget at most; four memtables keep a flush and the writers apart. */
void memory_init(shale_db *db)
{
	const shale_options *o = &db->options;
	uint64_t four = 4 * o->memtable_bytes;

	db->memtables_max = four < o->memory_budget / 2 ? four : o->memory_budget / 2;
	atomic_init(&db->memtables_share, memtables_start(db));
}

/* For what comes before the cache has made room, and what the system's heap loses. */
static uint64_t margin(uint64_t budget)
{
	uint64_t some = (uint64_t)16 << 20;

	some = budget / 12 < some ? budget / 12 : some;
	return budget / 24 > some ? budget / 24 : some;
}

static uint64_t left_of(uint64_t budget, uint64_t taken)
{
	uint64_t least = budget / 32;

	return budget > taken + least ? budget - taken : least;
}

uint64_t memory_log_segment(const shale_db *db)
{
	uint64_t bytes = db->options.memory_budget / 32;

	/* A small memtable turns over in small segments. */
	if (bytes > db->options.memtable_bytes)
		bytes = db->options.memtable_bytes;
	if (bytes > LOG_SEGMENT_MAX)
		bytes = LOG_SEGMENT_MAX;
	return bytes > LOG_SEGMENT_MIN ? bytes : LOG_SEGMENT_MIN;
}

/* The one in use, the one before it, and those made ready. */
static uint64_t log_most(const shale_db *db)
{
	return db->options.read_only ? 0 : 4 * memory_log_segment(db);
}

uint64_t memory_cache_most(const shale_db *db)
{
	uint64_t budget = db->options.memory_budget;

	return left_of(budget, memtables_start(db) + log_most(db) + margin(budget));
}

/* Of the log, what is not in the pool: mapped files. */
static uint64_t log_mapped(const shale_db *db)
{
	return db->options.durability != SHALE_DURABLE ? budget_used(&db->budget, BUDGET_LOG) : 0;
}

uint64_t memory_used(shale_db *db)
{
	return page_pool_used(&db->pages) + log_mapped(db) + cache_slack(db->cache) +
	       budget_used(&db->budget, BUDGET_CACHE) + budget_used(&db->budget, BUDGET_OTHER) +
	       codec_pool_bytes(&db->codecs);
}

/* What the pool holds for memtables, of those that are flushed and still read as well. */
static uint64_t memtables_now(shale_db *db)
{
	uint64_t pages = page_pool_pages(&db->pages);
	uint64_t listed = atomic_load_explicit(&db->sealed_bytes, memory_order_relaxed) +
			  atomic_load_explicit(&db->active_bytes, memory_order_relaxed);

	/* While they are small they lie in its heap. */
	return pages > listed ? pages : listed;
}

static void fit(shale_db *db)
{
	uint64_t budget = db->options.memory_budget;
	uint64_t share = atomic_load_explicit(&db->memtables_share, memory_order_relaxed);
	uint64_t used, memtables, log, taken, room, lack, most = memory_cache_most(db);

	/* Memtables that are flushed, and read no more; background threads may be too busy. */
	(void)epoch_reclaim(&db->readers);
	/* First, or what is about to go back to the system were kept from the cache. */
	page_pool_set_limit(&db->pages, share);
	(void)atomic_exchange(&db->memory_beyond, false); /* sees what they did who set it */
	used = page_pool_used(&db->pages);
	page_pool_tell_at(&db->pages, used + budget / 64);
	/* Memtables and log get what they will need, all else what it has. */
	memtables = memtables_now(db);
	taken = (used > memtables ? used - memtables : 0) + (memtables > share ? memtables : share);
	log = budget_used(&db->budget, BUDGET_LOG);
	taken += log_mapped(db) + (log_most(db) > log ? log_most(db) - log : 0);
	taken += budget_used(&db->budget, BUDGET_OTHER) + margin(budget);
	taken += cache_slack(db->cache) + codec_pool_bytes(&db->codecs);
	room = left_of(budget, taken);
	cache_set_capacity(db->cache, room < most ? room : most);
	/* What the cache cannot give the pool may: pages that it only keeps. */
	lack = taken + room > budget ? taken + room - budget : 0;
	if (lack != 0)
		page_pool_set_limit(&db->pages, share > lack ? share - lack : 0);
}

/*
 * Of the pool: more is held than fit() saw. Any thread, any lock. Told once: threads that wake
 * each other to find that somebody is at it already would do so until he has ended.
 */
static void beyond(void *arg)
{
	shale_db *db = arg;

	if (!atomic_exchange(&db->memory_beyond, true))
		scheduler_kick(db->scheduler);
}

/* Of the pool, as beyond(): pages should be made ready (background.c). */
static void wanted(void *arg)
{
	shale_db *db = arg;

	scheduler_kick(db->options.durability == SHALE_EPHEMERAL ? db->scheduler : db->keeper);
}

void memory_ask(shale_db *db)
{
	page_pool_ask(&db->pages, wanted, db);
}

void memory_watch(shale_db *db)
{
	page_pool_tell(&db->pages, beyond, db);
}

/* One at a time, or the older figures may be set last. In one order with memory_beyond. */
static bool alone(shale_db *db)
{
	return !atomic_exchange(&db->memory_busy, true);
}

/* Whoever was told meanwhile that there is more could not look himself. */
static void alone_no_more(shale_db *db)
{
	atomic_store(&db->memory_busy, false);
	if (atomic_load(&db->memory_beyond))
		scheduler_kick(db->scheduler);
}

void memory_fit(shale_db *db)
{
	if (!alone(db)) {
		beyond(db); /* again, when the other one has ended */
		return;
	}
	fit(db);
	alone_no_more(db);
}

static void give(shale_db *db, uint64_t memtables)
{
	atomic_store_explicit(&db->memtables_share, memtables, memory_order_relaxed);
	fit(db);
}

/* What the memtables hold, and a start. */
static uint64_t memtables_need(const shale_db *db)
{
	uint64_t need = atomic_load_explicit(&db->sealed_bytes, memory_order_relaxed) +
			atomic_load_explicit(&db->active_bytes, memory_order_relaxed) +
			memtables_start(db);

	return need < db->memtables_max ? need : db->memtables_max;
}

bool memory_is_short(const shale_db *db)
{
	return memtables_need(db) >
	       atomic_load_explicit(&db->memtables_share, memory_order_relaxed);
}

static void balance(shale_db *db, uint64_t *wait_ns)
{
	uint64_t now = env_now_ns(db->env);
	uint64_t share = atomic_load_explicit(&db->memtables_share, memory_order_relaxed);
	uint64_t since = atomic_load_explicit(&db->memory_calm_ns, memory_order_relaxed);
	uint64_t need = memtables_need(db);

	if (need >= share || since == 0) {
		atomic_store_explicit(&db->memory_calm_ns, now, memory_order_relaxed);
		since = now;
	}
	if (need > share || now - since >= CALM_NS)
		give(db, need);
	else if (atomic_load_explicit(&db->memory_beyond, memory_order_relaxed))
		fit(db);
	if (need < share && now - since<CALM_NS && * wait_ns> CALM_NS - (now - since))
		*wait_ns = CALM_NS - (now - since);
}

void memory_balance(shale_db *db, uint64_t *wait_ns)
{
	if (!alone(db))
		return; /* nothing to add */
	balance(db, wait_ns);
	alone_no_more(db);
}

void memory_balance_some(shale_db *db)
{
	uint64_t any = UINT64_MAX;

	if (unlikely(atomic_load_explicit(&db->memory_beyond, memory_order_relaxed)) ||
	    unlikely(memory_is_short(db)))
		memory_balance(db, &any);
}
