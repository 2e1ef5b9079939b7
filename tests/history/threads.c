/* Histories of clients on real threads and the real file system. */
#include "history/client.h"
#include "support/test.h"

#include <inttypes.h>
#include <pthread.h>

enum { CLIENTS = 4, OPS = 3000, ROUNDS = 8 };

static void *run(void *arg)
{
	client_run(arg);
	return NULL;
}

static void one_round(uint64_t seed, struct h_op *ops, shale_durability durability)
{
	struct clients all = { .seed = seed, .what = "history of threads", .value_max = 1024 };
	struct client c[CLIENTS];
	struct history h = { .lossy_from = H_NEVER, .unheard_from = H_NEVER, .op = ops };
	shale_options o = SHALE_OPTIONS_INIT;
	char *dir = test_dir_new();
	pthread_t t[CLIENTS];
	const char *wrong;

	all.next_id = 1;
	all.syncs = true;
	o.memory_budget = 8 << 20;
	o.memtable_bytes = 64 << 10;
	o.durability = durability;
	assert_ok(shale_open(dir, &o, &all.db));
	for (uint32_t i = 0; i < CLIENTS; i++) {
		c[i] = (struct client){ .all = &all, .number = i, .max = OPS };
		c[i].op = ops + i * OPS;
		rand_seed(&c[i].rand, rand_split(&seed));
		assert_ok(shale_batch_new(&c[i].batch));
		assert_int_equal(pthread_create(&t[i], NULL, run, &c[i]), 0);
	}
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(pthread_join(t[i], NULL), 0);
		shale_batch_free(c[i].batch);
	}
	client_read_all(&all, &ops[CLIENTS * OPS]);
	h.count = CLIENTS * OPS + 1;
	assert_ok(shale_close(all.db));
	wrong = history_check_commits(&h);
	if (wrong == NULL)
		wrong = history_check_keys(&h);
	if (wrong != NULL)
		clients_fail(&all, __FILE__, __LINE__, wrong);
	test_dir_remove(dir);
}

static void no_thread_sees_what_no_order_of_commits_explains(void **state)
{
	uint64_t seed = test_seed(), rounds = test_scale(ROUNDS);
	struct h_op *ops = calloc(CLIENTS * OPS + 1, sizeof(*ops));

	(void)state;
	assert_non_null(ops);
	for (uint64_t i = 0; i < rounds; i++)
		one_round(rand_split(&seed), ops,
			  i % 8 == 7   ? SHALE_DURABLE
			  : i % 2 == 1 ? SHALE_PROCESS
				       : SHALE_INTERVAL);
	print_message("%" PRIu64 " rounds, %" PRIu64 " operations\n", rounds,
		      rounds * CLIENTS * OPS);
	free(ops);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_thread_sees_what_no_order_of_commits_explains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
