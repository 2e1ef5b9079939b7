/* A scan that is cut into pieces by skip_max sees what a scan in one piece sees. */
#include "regress/sim_store.h"

#include "base/lock.h"
#include "base/rand.h"

enum { SPACE = 120 };

static void fill(struct rand *r, shale_db *db, int n)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;

	for (int i = 0; i < n; i++) {
		char lo[24], hi[24];
		unsigned key = (unsigned)rand_below(r, SPACE);

		snprintf(lo, sizeof(lo), "key%08u", key);
		snprintf(hi, sizeof(hi), "key%08u", key + 1 + (unsigned)rand_below(r, 10));
		switch (rand_below(r, 8)) {
		case 0:
		case 1:
		case 2:
		case 3:
			need_ok(shale_delete(db, &o, shale_str(lo)));
			break;
		case 4:
			need_ok(shale_delete_range(db, &o, shale_str(lo), shale_str(hi)));
			break;
		default:
			put(db, NULL, key, 10);
		}
	}
}

static shale_status step(shale_iter *it, bool forward)
{
	return forward ? shale_iter_next(it) : shale_iter_prev(it);
}

/* Move until it is somewhere; a pause goes on in the same direction. */
static shale_status move(shale_iter *it, bool forward)
{
	shale_status rc;

	do
		rc = step(it, forward);
	while (rc == SHALE_MORE);
	return rc;
}

/* The same, but once it may turn in a pause on the way, and comes to `from` again. */
static shale_status move_or_turn(struct rand *r, shale_iter *it, bool forward, shale_slice from)
{
	shale_status rc = step(it, forward);

	while (rc == SHALE_MORE && rand_below(r, 2) != 0)
		rc = step(it, forward);
	if (rc != SHALE_MORE)
		return rc;
	if (rand_below(r, 2) != 0) {
		need_ok(move(it, !forward));
		need(slice_eq(shale_iter_key(it), from));
	}
	return move(it, forward);
}

static void compare(struct rand *r, shale_db *db, const shale_snapshot *snapshot)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	shale_iter *whole, *pieces;
	shale_status a, b;

	o.snapshot = snapshot;
	need_ok(shale_iter_new(db, &o, &whole));
	o.skip_max = 1 + rand_below(r, 3);
	need_ok(shale_iter_new(db, &o, &pieces));
	for (int round = 0; round < 20; round++) {
		char text[24];
		bool forward = rand_below(r, 2) != 0;

		snprintf(text, sizeof(text), "key%08u", (unsigned)rand_below(r, SPACE));
		if (forward) {
			a = shale_iter_seek(whole, shale_str(text));
			b = shale_iter_seek(pieces, shale_str(text));
		} else {
			a = shale_iter_seek_prev(whole, shale_str(text));
			b = shale_iter_seek_prev(pieces, shale_str(text));
		}
		if (b == SHALE_MORE)
			b = move(pieces, forward);
		for (int i = 0; i < 30; i++) {
			need(a == b);
			if (a != SHALE_OK)
				break;
			need(slice_eq(shale_iter_key(whole), shale_iter_key(pieces)));
			if (rand_below(r, 6) == 0)
				forward = !forward;
			b = move_or_turn(r, pieces, forward, shale_iter_key(whole));
			a = move(whole, forward);
		}
	}
	shale_iter_free(whole);
	shale_iter_free(pieces);
}

static void scan_in_pieces(void *arg)
{
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_snapshot *snapshot;
	struct rand r;
	shale_db *db;

	rand_seed(&r, sim_get_stats(sim).now_ns + test_seed());
	need_ok(shale_open(DIR, &o, &db));
	fill(&r, db, 300);
	need_ok(shale_snapshot_new(db, &snapshot));
	fill(&r, db, 300);
	need_ok(shale_flush(db, NULL));
	fill(&r, db, 300);
	for (int i = 0; i < 4; i++) {
		compare(&r, db, NULL);
		compare(&r, db, snapshot);
		fill(&r, db, 50);
	}
	shale_snapshot_free(snapshot);
	need_ok(shale_close(db));
}

static void a_scan_in_pieces_sees_what_one_in_a_piece_sees(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 10; i++)
		run_sim(i + 1, scan_in_pieces);
}

/* How often a scan over all keys pauses; it must show `shown`. */
static int pauses_of(shale_iter *it, bool forward, int shown)
{
	int pauses = 0;
	shale_status rc = forward ? shale_iter_first(it) : shale_iter_last(it);

	for (;;) {
		if (rc == SHALE_MORE)
			pauses++;
		else if (rc == SHALE_OK)
			shown--;
		else
			break;
		rc = forward ? shale_iter_next(it) : shale_iter_prev(it);
	}
	need(rc == SHALE_END);
	need(shown == 0);
	return pauses;
}

/* What hides the keys between the first and the last: each kind of work is bounded. */
static void what_is_dead_is_counted(void *arg)
{
	enum { NEWER, NEWER_IN_MEMORY, DELETED, RANGE, EXPIRED, KINDS };
	struct sim *sim = arg;

	for (int kind = 0; kind < KINDS; kind++) {
		shale_options o = small_options(sim);
		shale_read_options read = SHALE_READ_OPTIONS_INIT;
		shale_write_options w = SHALE_WRITE_OPTIONS_INIT;
		shale_snapshot *snapshot = NULL;
		shale_iter *it;
		shale_db *db;

		o.memory_budget = 16 << 20;
		o.memtable_bytes = 2 << 20;
		need_ok(shale_open(DIR, &o, &db));
		need_ok(shale_pause_compaction(db)); /* merges would remove it */
		put(db, NULL, 0, 10);
		put(db, NULL, 1001, 10);
		if (kind == NEWER || kind == NEWER_IN_MEMORY)
			need_ok(shale_snapshot_new(db, &snapshot));
		w.ttl_ms = kind == EXPIRED ? 3600000 : 0;
		for (unsigned i = 1; i <= 1000; i++) {
			char key[24];

			snprintf(key, sizeof(key), "key%08u", i);
			need_ok(shale_put(db, &w, shale_str(key), shale_str("x")));
		}
		if (kind != NEWER_IN_MEMORY)
			need_ok(shale_flush(db, NULL));
		for (unsigned i = 1; kind == DELETED && i <= 1000; i++) {
			char key[24];

			snprintf(key, sizeof(key), "key%08u", i);
			need_ok(shale_delete(db, NULL, shale_str(key)));
		}
		if (kind == RANGE)
			need_ok(shale_delete_range(db, NULL, shale_str("key00000001"),
						   shale_str("key00001001")));
		if (kind == EXPIRED)
			env_sleep_ns(sim_env(sim), 3601 * UINT64_C(1000000000));
		read.snapshot = snapshot;
		read.skip_max = 100;
		need_ok(shale_iter_new(db, &read, &it));
		/* Behind it: so what it passes is no gap that it could step over the next time. */
		need_ok(shale_put(db, NULL, shale_str("newer"), shale_str("x")));
		for (int forward = 0; forward < 2; forward++) {
			int pauses = pauses_of(it, forward != 0, 2);

			need(pauses >= 9);
		}
		shale_iter_free(it);
		shale_snapshot_free(snapshot);
		need_ok(shale_close(db));
		need_ok(shale_destroy(DIR, &o));
	}
}

static void a_scan_with_a_budget_pauses_whatever_hides_the_keys(void **state)
{
	(void)state;
	run_sim(1, what_is_dead_is_counted);
}

/* Keys 0 to n - 1 in a table, each with as many versions as there are snapshots. */
static void put_versions(shale_db *db, unsigned n, shale_snapshot **snapshot, unsigned versions)
{
	for (unsigned v = 0; v < versions; v++) {
		for (unsigned i = 0; i < n; i++)
			put(db, NULL, i, 10 + v);
		need_ok(shale_snapshot_new(db, &snapshot[v]));
	}
}

static void turn_among_old_versions(void *arg)
{
	enum { VERSIONS = 6 };
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_read_options read = SHALE_READ_OPTIONS_INIT;
	shale_snapshot *snapshot[VERSIONS];
	shale_iter *it;
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	put_versions(db, 3, snapshot, VERSIONS);
	need_ok(shale_flush(db, NULL));
	read.skip_max = 1;
	need_ok(shale_iter_new(db, &read, &it));
	need_ok(shale_iter_seek(it, shale_str("key00000001")));
	for (int pauses = 1; pauses <= 2; pauses++) {
		for (int i = 0; i < pauses; i++)
			need_status(shale_iter_next(it), SHALE_MORE);
		need_ok(move(it, false));
		need(slice_eq(shale_iter_key(it), shale_str("key00000001")));
	}
	need_ok(move(it, false));
	need(slice_eq(shale_iter_key(it), shale_str("key00000000")));
	shale_iter_free(it);
	for (int i = 0; i < VERSIONS; i++)
		shale_snapshot_free(snapshot[i]);
	need_ok(shale_close(db));
}

static void who_turns_in_a_pause_among_old_versions_comes_to_the_entry_again(void **state)
{
	(void)state;
	run_sim(1, turn_among_old_versions);
}

static void count_old_versions(void *arg)
{
	enum { KEYS = 90, VERSIONS = 6 };
	struct sim *sim = arg;
	shale_options o = small_options(sim);
	shale_read_options read = SHALE_READ_OPTIONS_INIT;
	shale_snapshot *snapshot[VERSIONS];
	shale_iter *it;
	shale_db *db;

	need_ok(shale_open(DIR, &o, &db));
	put_versions(db, KEYS, snapshot, VERSIONS);
	need_ok(shale_delete_range(db, NULL, shale_str("key"), shale_str("kez")));
	need_ok(shale_flush(db, NULL));
	read.skip_max = 100;
	need_ok(shale_iter_new(db, &read, &it));
	put(db, NULL, KEYS, 10); /* as above */
	for (int forward = 0; forward < 2; forward++)
		need(pauses_of(it, forward != 0, 0) >= KEYS * VERSIONS / 100 - 1);
	shale_iter_free(it);
	for (int i = 0; i < VERSIONS; i++)
		shale_snapshot_free(snapshot[i]);
	need_ok(shale_close(db));
}

static void a_budget_counts_entries_not_keys_in_both_directions(void **state)
{
	(void)state;
	run_sim(1, count_old_versions);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_scan_in_pieces_sees_what_one_in_a_piece_sees),
		cmocka_unit_test(a_scan_with_a_budget_pauses_whatever_hides_the_keys),
		cmocka_unit_test(who_turns_in_a_pause_among_old_versions_comes_to_the_entry_again),
		cmocka_unit_test(a_budget_counts_entries_not_keys_in_both_directions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
