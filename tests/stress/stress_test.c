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

enum { ACCOUNTS = 64, START = 1000, CHURN = 3000 };

struct stress {
	struct fixture *f;
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

static void *move(void *arg)
{
	struct part *p = arg;
	struct stress *s = p->s;
	shale_db *db = s->f->db;
	shale_batch *b;

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
			MUST(shale_batch_put(b, NULL, shale_str(key), shale_bytes(value, 128)) ==
			     0);
			value[0] = balance(db, NULL, to) + 1;
			account_key(key, to);
			MUST(shale_batch_put(b, NULL, shale_str(key), shale_bytes(value, 128)) ==
			     0);
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
		shale_read_options o = SHALE_READ_OPTIONS_INIT;
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

static void *churn(void *arg)
{
	struct part *p = arg;
	struct stress *s = p->s;
	shale_db *db = s->f->db;
	char key[32], end[32], value[200] = { 0 };

	while (!atomic_load(&s->done)) {
		uint64_t k = rand_below(&p->rand, CHURN);
		shale_value v;
		shale_status rc;

		sprintf(key, "churn%08u", (unsigned)k);
		switch (rand_below(&p->rand, 40)) {
		case 0:
			sprintf(end, "churn%08u", (unsigned)(k + rand_below(&p->rand, 50) + 1));
			MUST(shale_delete_range(db, NULL, shale_str(key), shale_str(end)) == 0);
			break;
		case 1:
		case 2:
		case 3:
		case 4:
			MUST(shale_delete(db, NULL, shale_str(key)) == SHALE_OK);
			break;
		case 5:
		case 6:
		case 7:
		case 8:
			rc = shale_get(db, NULL, shale_str(key), &v);
			MUST(rc >= 0);
			MUST(rc != SHALE_OK || (v.size == 200 && memcmp(v.data, key, 13) == 0));
			shale_value_release(&v);
			break;
		default:
			memcpy(value, key, 13);
			MUST(shale_put(db, NULL, shale_str(key), shale_bytes(value, 200)) == 0);
		}
		atomic_fetch_add(&s->operations, 1);
	}
	return NULL;
}

static bool touch_table(void *arg, const shale_table_info *t)
{
	*(uint64_t *)arg += t->bytes;
	return true;
}

static void *tend(void *arg)
{
	struct part *p = arg;
	struct stress *s = p->s;
	shale_db *db = s->f->db;

	for (uint64_t n = 0; !atomic_load(&s->done); n++) {
		shale_flush_options fo = SHALE_FLUSH_OPTIONS_INIT;
		shale_write_options w = SHALE_WRITE_OPTIONS_INIT;
		shale_stats stats = SHALE_STATS_INIT;
		uint64_t bytes = 0;
		shale_cf *cf;

		switch (rand_below(&p->rand, 6)) {
		case 0:
			fo.no_wait = true;
			MUST(shale_flush(db, &fo) == SHALE_OK);
			break;
		case 1:
			MUST(shale_compact(db, NULL) == SHALE_OK);
			break;
		case 2:
			MUST(shale_cf_create(db, "passing", NULL, &cf) == SHALE_OK);
			w.cf = cf;
			for (int i = 0; i < 50; i++)
				MUST(shale_put(db, &w, shale_str("k"), shale_str("v")) == SHALE_OK);
			MUST(shale_cf_drop(db, "passing") == SHALE_OK);
			shale_cf_release(cf);
			break;
		case 3:
			MUST(shale_check(db, NULL, NULL, NULL) == SHALE_OK);
			break;
		case 4:
			w.durability = SHALE_DURABLE;
			MUST(shale_put(db, &w, shale_str("durable"), shale_str("x")) == SHALE_OK);
			break;
		default:
			MUST(shale_stats_get(db, &stats) == SHALE_OK);
			MUST(shale_tables(db, touch_table, &bytes) == SHALE_OK);
		}
		atomic_fetch_add(&s->operations, 1);
	}
	return NULL;
}

static void every_verb_at_once_keeps_every_view_whole(void **state)
{
	static void *(*const parts[])(void *) = { move, move, view, view, churn, churn, tend };
	enum { PARTS = sizeof(parts) / sizeof(parts[0]) };
	struct stress s = { .f = *state, .moving = PTHREAD_MUTEX_INITIALIZER };
	uint64_t ms = test_scale(3000), seed = test_seed(), value[16] = { START };
	struct timespec pause = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
	pthread_t threads[PARTS];
	struct part part[PARTS];

	for (uint64_t i = 0; i < ACCOUNTS; i++) {
		char key[32];

		account_key(key, i);
		assert_ok(shale_put(s.f->db, NULL, shale_str(key), shale_bytes(value, 128)));
	}
	for (int i = 0; i < PARTS; i++) {
		part[i].s = &s;
		rand_seed(&part[i].rand, seed + (uint64_t)i);
		assert_int_equal(pthread_create(&threads[i], NULL, parts[i], &part[i]), 0);
	}
	nanosleep(&pause, NULL);
	atomic_store(&s.done, true);
	for (int i = 0; i < PARTS; i++)
		pthread_join(threads[i], NULL);
	printf("%" PRIu64 " operations, %" PRIu64 " views\n", atomic_load(&s.operations),
	       atomic_load(&s.views));
	assert_true(atomic_load(&s.operations) > 0 && atomic_load(&s.views) > 0);
	assert_ok(shale_wait_idle(s.f->db));
	fixture_close(s.f);
	fixture_open(s.f);
	assert_ok(shale_check(s.f->db, NULL, NULL, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_verb_at_once_keeps_every_view_whole,
						fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
