/*
 * One budget for all memory. Tables, log and the buffers of merges have what they
 * need; memtables and the block cache share the rest, and that share moves: a store
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

/* For the buffers of merges and what the heap loses: some megabytes, in a large budget more. */
static uint64_t margin(uint64_t budget)
{
	uint64_t some = (uint64_t)16 << 20;

	some = budget / 12 < some ? budget / 12 : some;
	return budget / 24 > some ? budget / 24 : some;
}

static uint64_t cache_beside(const shale_db *db, uint64_t memtables)
{
	uint64_t budget = db->options.memory_budget;
	uint64_t taken = memtables + LOG_MEMORY + margin(budget);

	return budget > taken + budget / 8 ? budget - taken : budget / 8;
}

uint64_t memory_cache_most(const shale_db *db)
{
	return cache_beside(db, memtables_start(db));
}

void memory_fit(shale_db *db)
{
	uint64_t memtables = atomic_load_explicit(&db->memtables_share, memory_order_relaxed);
	uint64_t room = cache_beside(db, memtables);
	uint64_t tables = budget_used(&db->budget, BUDGET_TABLES);

	/* Indexes and filters come out of the cache's share, down to a sixteenth of it. */
	cache_set_capacity(db->cache, room > tables + room / 16 ? room - tables : room / 16);
}

static void give(shale_db *db, uint64_t memtables)
{
	atomic_store_explicit(&db->memtables_share, memtables, memory_order_relaxed);
	page_pool_set_limit(&db->pages, memtables);
	memory_fit(db);
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
	else if (need<share && * wait_ns> CALM_NS - (now - since))
		*wait_ns = CALM_NS - (now - since);
}

void memory_balance(shale_db *db, uint64_t *wait_ns)
{
	/* One at a time; the others have nothing to add. Acquire and release as of a lock. */
	if (atomic_exchange_explicit(&db->memory_busy, true, memory_order_acquire))
		return;
	balance(db, wait_ns);
	atomic_store_explicit(&db->memory_busy, false, memory_order_release);
}
