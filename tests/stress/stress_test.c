/*
 * Every verb at once on real threads, mainly for the thread sanitizer. Movers
 * carry amounts between accounts in batches, so every consistent view has the
 * same sum: iterators, snapshots and multi_gets must all see it. Around them
 * others churn keys, delete ranges, flush, merge, make and drop families and ask
 * for figures.
 */
#include "db/fixture.h"

#include "base/rand.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

enum { ACCOUNTS = 64, START = 1000, CHURN = 3000 };

struct stress {
	struct fixture *f;
	shale_cf *mirror;       /* every account once more */
	pthread_mutex_t moving; /* read, then write: one mover at a time */
	_Atomic bool done;
	_Atomic uint64_t operations, views;
	uint64_t seed;
};

struct part {
	struct stress *s;
	struct rand rand;
};

static void account_key(char *out, uint64_t i)
{
	sprintf(out, "account%04u", (unsigned)i);
}

/* cmocka's assertions belong to the main thread; here a failure ends the process. */
#define MUST(x)                                                                                    \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #x,                 \
				shale_last_error()->text);                                         \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static uint64_t balance(shale_db *db, const shale_read_options *o, uint64_t i)
{
	char key[32];
	shale_value v;
	uint64_t amount;

	account_key(key, i);
	MUST(shale_get(db, o, shale_str(key), &v) == SHALE_OK);
	MUST(v.size >= 8);
	memcpy(&amount, v.data, 8);
	shale_value_release(&v);
	return amount;
}

static void set_balance(shale_batch *b, const shale_write_options *to_mirror, const char *key,
			const uint64_t value[16])
{
	MUST(shale_batch_put(b, NULL, shale_str(key), shale_bytes(value, 128)) == SHALE_OK);
	MUST(shale_batch_put(b, to_mirror, shale_str(key), shale_bytes(value, 128)) == SHALE_OK);
}

static void *move(void *arg)
{
	struct part *p = arg;
	struct stress *s = p->s;
	shale_write_options to_mirror = SHALE_WRITE_OPTIONS_INIT;
	shale_db *db = s->f->db;
	shale_batch *b;

	to_mirror.cf = s->mirror;
	MUST(shale_batch_new(&b) == SHALE_OK);
	while (!atomic_load(&s->done)) {
		uint64_t from = rand_below(&p->rand, ACCOUNTS), to = rand_below(&p->rand, ACCOUNTS);
		uint64_t value[16] = { 0 };
		char key[32];

		if (from == to)
			continue;
		pthread_mutex_lock(&s->moving);
		shale_batch_clear(b);
		value[0] = balance(db, NULL, from);
		if (value[0] > 0) {
			value[0]--;
			account_key(key, from);
			set_balance(b, &to_mirror, key, value);
			value[0] = balance(db, NULL, to) + 1;
			account_key(key, to);
			set_balance(b, &to_mirror, key, value);
			MUST(shale_write(db, NULL, b) == SHALE_OK);
		}
		pthread_mutex_unlock(&s->moving);
		atomic_fetch_add(&s->operations, 1);
	}
	shale_batch_free(b);
	return NULL;
}

static void sum_by_iterator(struct part *p, shale_read_options *o)
{
	bool backward = rand_below(&p->rand, 2) != 0;
	uint64_t sum = 0, n = 0;
	shale_status rc;
	shale_iter *it;

	o->prefix = shale_str("account");
	MUST(shale_iter_new(p->s->f->db, o, &it) == SHALE_OK);
	rc = backward ? shale_iter_last(it) : shale_iter_first(it);
	for (; rc == SHALE_OK; rc = backward ? shale_iter_prev(it) : shale_iter_next(it)) {
		shale_slice value;
		uint64_t amount;

		MUST(shale_iter_value(it, &value) == SHALE_OK);
		memcpy(&amount, value.data, 8);
		sum += amount;
		n++;
	}
	MUST(rc == SHALE_END);
	MUST(n == ACCOUNTS);
	MUST(sum == (uint64_t)ACCOUNTS * START);
	shale_iter_free(it);
}

static void *view(void *arg)
{
	struct part *p = arg;
	struct stress *s = p->s;
	shale_db *db = s->f->db;

	while (!atomic_load(&s->done)) {
		shale_read_options o = SHALE_READ_OPTIONS_INIT, in_mirror;
		shale_slice keys[ACCOUNTS];
		shale_value values[ACCOUNTS];
		shale_status each[ACCOUNTS];
		char key[ACCOUNTS][32];
		shale_snapshot *snapshot;
		uint64_t sum = 0;

		sum_by_iterator(p, &o);
		MUST(shale_snapshot_new(db, &snapshot) == SHALE_OK);
		o.snapshot = snapshot;
		for (uint64_t i = 0; i < ACCOUNTS; i++)
			sum += balance(db, &o, i);
		MUST(sum == (uint64_t)ACCOUNTS * START);
		sum_by_iterator(p, &o);
		/* A batch over two families is whole in both. */
		in_mirror = o;
		in_mirror.cf = s->mirror;
		for (uint64_t i = 0; i < ACCOUNTS; i++)
			MUST(balance(db, &in_mirror, i) == balance(db, &o, i));
		sum_by_iterator(p, &in_mirror);
		shale_snapshot_free(snapshot);
		for (uint64_t i = 0; i < ACCOUNTS; i++) {
			account_key(key[i], i);
			keys[i] = shale_str(key[i]);
		}
		MUST(shale_multi_get(db, NULL, ACCOUNTS, keys, values, each) == SHALE_OK);
		sum = 0;
		for (int i = 0; i < ACCOUNTS; i++) {
			uint64_t amount;

			MUST(each[i] == SHALE_OK);
			memcpy(&amount, values[i].data, 8);
			sum += amount;
			shale_value_release(&values[i]);
		}
		MUST(sum == (uint64_t)ACCOUNTS * START);
		atomic_fetch_add(&s->views, 1);
	}
	return NULL;
}

static bool is_churn(shale_slice key, const void *value, size_t size)
{
	return size == 200 && memcmp(value, key.data, 13) == 0;
}

/* A piece of the churn, in steps that end after some dead entries, either way. */
static void scan_churn(struct part *p)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	uint64_t from = rand_below(&p->rand, CHURN);
	bool backward = rand_below(&p->rand, 2) != 0;
	char lo[32], hi[32], last[32] = "";
	shale_status rc;
	shale_iter *it;

	sprintf(lo, "churn%08u", (unsigned)from);
	sprintf(hi, "churn%08u", (unsigned)from + 300);
	o.lower = shale_str(lo);
	o.upper = shale_str(hi);
	o.skip_max = 20;
	o.verify = rand_below(&p->rand, 4) == 0;
	MUST(shale_iter_new(p->s->f->db, &o, &it) == SHALE_OK);
	rc = backward ? shale_iter_seek_prev(it, shale_str(hi))
		      : shale_iter_seek(it, shale_str(lo));
	for (; rc != SHALE_END; rc = backward ? shale_iter_prev(it) : shale_iter_next(it)) {
		shale_slice key = shale_iter_key(it), value;

		MUST(rc == SHALE_OK || rc == SHALE_MORE);
		if (rc == SHALE_MORE)
			continue;
		MUST(shale_iter_value(it, &value) == SHALE_OK);
		MUST(key.size == 13 && is_churn(key, value.data, value.size));
		MUST(memcmp(key.data, lo, 13) >= 0 && memcmp(key.data, hi, 13) < 0);
		MUST(last[0] == '\0' || (memcmp(key.data, last, 13) > 0) != backward);
		memcpy(last, key.data, 13);
	}
	shale_iter_free(it);
}

/* Use a family that another thread makes and drops all the time. */
static void visit_passing(struct part *p)
{
	shale_write_options w = SHALE_WRITE_OPTIONS_INIT;
	shale_read_options r = SHALE_READ_OPTIONS_INIT;
	shale_db *db = p->s->f->db;
	shale_iter *it = NULL;
	shale_status rc;
	shale_cf *cf;

	rc = shale_cf_open(db, "passing", &cf);
	MUST(rc == SHALE_OK || rc == SHALE_NOT_FOUND);
	if (rc != SHALE_OK)
		return;
	w.cf = r.cf = cf;
	rc = shale_put(db, &w, shale_str("visit"), shale_str("v"));
	MUST(rc == SHALE_OK || rc == SHALE_INVALID); /* it was dropped */
	rc = shale_iter_new(db, &r, &it);
	MUST(rc == SHALE_OK || rc == SHALE_INVALID);
	if (rc == SHALE_OK)
		for (rc = shale_iter_first(it); rc != SHALE_END; rc = shale_iter_next(it))
			MUST(rc == SHALE_OK);
	if (it != NULL)
		shale_iter_free(it);
	shale_cf_release(cf);
}

enum { PINS = 16 };

struct pin {
	char key[16];
	shale_value value;
};

static void churn_one(struct part *p, struct pin *pin)
{
	shale_write_options w = SHALE_WRITE_OPTIONS_INIT;
	shale_db *db = p->s->f->db;
	char end[32], value[200] = { 0 };
	uint64_t k = rand_below(&p->rand, CHURN), dice = rand_below(&p->rand, 400);
	shale_slice key;
	shale_seq seq;
	shale_status rc;

	/* What is pinned stays as it was, however long. */
	if (pin->value.data != NULL)
		MUST(is_churn(shale_str(pin->key), pin->value.data, pin->value.size));
	shale_value_release(&pin->value);
	sprintf(pin->key, "churn%08u", (unsigned)k);
	key = shale_str(pin->key);
	if (dice < 10) {
		sprintf(end, "churn%08u", (unsigned)(k + rand_below(&p->rand, 50) + 1));
		MUST(shale_delete_range(db, NULL, key, shale_str(end)) == SHALE_OK);
	} else if (dice < 50) {
		MUST(shale_delete(db, NULL, key) == SHALE_OK);
	} else if (dice < 150) {
		rc = shale_get(db, NULL, key, &pin->value);
		MUST(rc == SHALE_OK || rc == SHALE_NOT_FOUND);
	} else if (dice < 155) {
		scan_churn(p);
	} else if (dice < 160) {
		visit_passing(p);
	} else {
		/* Some live for a moment, some are durable, some wait to be so. */
		w.ttl_ms = dice < 180 ? 1 + rand_below(&p->rand, 50) : 0;
		w.durability = dice == 180   ? SHALE_DURABLE
			       : dice == 181 ? SHALE_INTERVAL
					     : SHALE_DEFAULT_DURABILITY;
		w.seq_out = &seq;
		memcpy(value, pin->key, 13);
		MUST(shale_put(db, &w, key, shale_bytes(value, 200)) == SHALE_OK);
		if (dice == 182)
			MUST(shale_wait_durable(db, seq) == SHALE_OK);
	}
}

static void *churn(void *arg)
{
	struct part *p = arg;
	struct pin pins[PINS] = { { { 0 }, { .data = NULL } } };

	for (uint64_t i = 0; !atomic_load(&p->s->done); i++) {
		churn_one(p, &pins[i % PINS]);
		atomic_fetch_add(&p->s->operations, 1);
	}
	for (int i = 0; i < PINS; i++)
		shale_value_release(&pins[i].value);
	return NULL;
}

static bool touch_job(void *arg, const shale_job *j)
{
	MUST(j->bytes_done <= j->bytes_in && j->text != NULL);
	MUST(j->state != SHALE_JOB_DONE ||
	     j->entries_in == j->entries_kept + j->dropped_shadowed + j->dropped_tombstones +
				      j->dropped_expired + j->dropped_range);
	*(uint64_t *)arg += strlen(j->cf) + j->bytes_out;
	return true;
}

static bool touch_stall(void *arg, const shale_stall *s)
{
	MUST(s->id != 0 && s->cause > 0 && s->cause < SHALE_STALL_CAUSES);
	*(uint64_t *)arg += s->ns;
	return true;
}

static bool touch_table(void *arg, const shale_table_info *t)
{
	*(uint64_t *)arg += t->bytes;
	return true;
}

static bool count_name(void *arg, const char *name)
{
	*(uint64_t *)arg += name[0] != '\0';
	return true;
}

/* What else a host may ask for at any time. */
static void ask_the_rest(struct part *p)
{
	shale_db *db = p->s->f->db;
	shale_cf_options o = SHALE_CF_OPTIONS_INIT;
	char lo[32], hi[32];
	uint64_t k = rand_below(&p->rand, CHURN), names = 0;
	shale_batch *b;

	MUST(shale_cf_list(db, count_name, &names) == SHALE_OK && names >= 2);
	MUST(shale_cf_get_options(db, p->s->mirror, &o) == SHALE_OK);
	MUST(shale_cf_set_options(db, p->s->mirror, &o) == SHALE_OK);
	MUST(shale_resume(db) == SHALE_OK);
	sprintf(lo, "churn%08u", (unsigned)k);
	sprintf(hi, "churn%08u", (unsigned)k + 20);
	MUST(shale_batch_new(&b) == SHALE_OK);
	MUST(shale_batch_delete(b, NULL, shale_str(hi)) == SHALE_OK);
	MUST(shale_batch_delete_range(b, NULL, shale_str(lo), shale_str(hi)) == SHALE_OK);
	MUST(shale_batch_count(b) == 2);
	MUST(shale_write(db, NULL, b) == SHALE_OK);
	shale_batch_free(b);
}

/* Merges are paused for a while, or go on, or get other limits. */
static void hold_merges(struct part *p, bool *paused)
{
	shale_db *db = p->s->f->db;
	shale_rate rate = SHALE_RATE_INIT;

	if (*paused || rand_below(&p->rand, 2) != 0) {
		MUST((*paused ? shale_resume_compaction(db) : shale_pause_compaction(db)) ==
		     SHALE_OK);
		*paused = !*paused;
		return;
	}
	rate.bytes_per_s = rand_below(&p->rand, 2) * (16 << 20);
	rate.ops_per_s = rand_below(&p->rand, 2) * 1000;
	rate.target_p99_us = (uint32_t)rand_below(&p->rand, 3) * 20;
	MUST(shale_rate_set(db, &rate) == SHALE_OK);
	MUST(shale_rate_get(db, &rate) == SHALE_OK);
}

static void *tend(void *arg)
{
	struct part *p = arg;
	struct stress *s = p->s;
	shale_db *db = s->f->db;
	bool paused = false;

	for (uint64_t n = 0; !atomic_load(&s->done); n++) {
		shale_flush_options fo = SHALE_FLUSH_OPTIONS_INIT;
		shale_write_options w = SHALE_WRITE_OPTIONS_INIT;
		shale_stats stats = SHALE_STATS_INIT;
		uint64_t bytes = 0;
		shale_cf *cf;

		switch (rand_below(&p->rand, 8)) {
		case 0:
			fo.no_wait = true;
			MUST(shale_flush(db, &fo) == SHALE_OK);
			break;
		case 1:
			MUST(shale_compact(db, NULL) == (paused ? SHALE_MORE : SHALE_OK));
			break;
		case 6:
			hold_merges(p, &paused);
			break;
		case 2:
			MUST(shale_cf_create(db, "passing", NULL, &cf) == SHALE_OK);
			w.cf = cf;
			for (int i = 0; i < 50; i++)
				MUST(shale_put(db, &w, shale_str("k"), shale_str("v")) == SHALE_OK);
			fo.cf = cf;
			fo.no_wait = rand_below(&p->rand, 2) != 0;
			MUST(shale_flush(db, &fo) == SHALE_OK);
			MUST(shale_cf_drop(db, "passing") == SHALE_OK);
			shale_cf_release(cf);
			break;
		case 3:
			MUST(shale_check(db, NULL, NULL, NULL) == SHALE_OK);
			break;
		case 5:
			ask_the_rest(p);
			break;
		case 4:
			w.durability = SHALE_DURABLE;
			MUST(shale_put(db, &w, shale_str("durable"), shale_str("x")) == SHALE_OK);
			break;
		default:
			MUST(shale_stats_get(db, &stats) == SHALE_OK);
			MUST(shale_tables(db, touch_table, &bytes) == SHALE_OK);
			MUST(shale_compactions(db, touch_job, &bytes) == SHALE_OK);
			MUST(shale_stalls(db, touch_stall, &bytes) == SHALE_OK);
			MUST(shale_peek(s->f->path, NULL, touch_table, touch_job, &bytes) ==
			     SHALE_OK);
		}
		atomic_fetch_add(&s->operations, 1);
	}
	if (paused)
		MUST(shale_resume_compaction(db) == SHALE_OK);
	return NULL;
}

static void run(void **state, shale_durability durability, uint64_t ms)
{
	static void *(*const parts[])(void *) = { move, move, view, view, churn, churn, tend };
	enum { PARTS = sizeof(parts) / sizeof(parts[0]) };
	struct stress s = { .f = *state, .moving = PTHREAD_MUTEX_INITIALIZER };
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	shale_stats stats = SHALE_STATS_INIT;
	uint64_t seed = test_seed(), value[16] = { START };
	struct timespec pause = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
	shale_write_options to_mirror = SHALE_WRITE_OPTIONS_INIT;
	pthread_t threads[PARTS];
	struct part part[PARTS];

	fixture_close(s.f);
	s.f->options.durability = durability;
	s.f->options.sync_interval_ms = 5;
	/* Merges that are shared, and make way. */
	s.f->options.background_threads = 3;
	s.f->options.default_cf.compaction.table_bytes = 16 << 10;
	fixture_open(s.f);
	assert_ok(shale_cf_create(s.f->db, "mirror", &s.f->options.default_cf, &s.mirror));
	to_mirror.cf = s.mirror;
	for (uint64_t i = 0; i < ACCOUNTS; i++) {
		char key[32];

		account_key(key, i);
		assert_ok(shale_put(s.f->db, NULL, shale_str(key), shale_bytes(value, 128)));
		assert_ok(shale_put(s.f->db, &to_mirror, shale_str(key), shale_bytes(value, 128)));
	}
	for (int i = 0; i < PARTS; i++) {
		part[i].s = &s;
		rand_seed(&part[i].rand, seed + (uint64_t)i);
		assert_int_equal(pthread_create(&threads[i], NULL, parts[i], &part[i]), 0);
	}
	nanosleep(&pause, NULL);
	/* On a busy machine it may be that none of them has run yet. */
	for (int i = 0;
	     i < 60000 && (atomic_load(&s.operations) == 0 || atomic_load(&s.views) == 0); i++)
		usleep(1000);
	atomic_store(&s.done, true);
	for (int i = 0; i < PARTS; i++)
		pthread_join(threads[i], NULL);
	printf("%" PRIu64 " operations, %" PRIu64 " views\n", atomic_load(&s.operations),
	       atomic_load(&s.views));
	assert_true(atomic_load(&s.operations) > 0 && atomic_load(&s.views) > 0);
	assert_ok(shale_wait_idle(s.f->db));
	assert_ok(shale_stats_get(s.f->db, &stats));
	printf("%" PRIu64 " flushes, %" PRIu64 " merges\n", stats.flushes, stats.compactions);
	assert_int_equal(stats.snapshots, 0);
	shale_cf_release(s.mirror);
	fixture_close(s.f);
	fixture_open(s.f);
	assert_ok(shale_check(s.f->db, NULL, NULL, NULL));
	sum_by_iterator(&part[0], &o);
}

static void every_verb_at_once_keeps_every_view_whole(void **state)
{
	run(state, SHALE_PROCESS, test_scale(2000));
}

static void so_it_is_where_commits_wait_for_the_disk(void **state)
{
	run(state, SHALE_DURABLE, test_scale(1000));
}

static void so_it_is_where_the_disk_follows_in_intervals(void **state)
{
	run(state, SHALE_INTERVAL, test_scale(500));
}

static void so_it_is_without_a_log(void **state)
{
	run(state, SHALE_EPHEMERAL, test_scale(500));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_verb_at_once_keeps_every_view_whole),
		TEST(so_it_is_where_commits_wait_for_the_disk),
		TEST(so_it_is_where_the_disk_follows_in_intervals),
		TEST(so_it_is_without_a_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
