/* What each crash may leave, and what it must. */
#include "base/rand.h"
#include "env/sim.h"
#include "support/test.h"

#include <errno.h>

static const shale_fs_ops *ops;
static uint64_t seed;

enum { SEEDS = 300 };

static const enum sim_crash POWER[] = { SIM_CRASH_ORDERED, SIM_CRASH_CHAOS, SIM_CRASH_NONE_UNSYNCED,
					SIM_CRASH_ALL };

static int setup(void **state)
{
	ops = sim_fs_ops();
	*state = sim_fs_new(seed);
	return 0;
}

static int teardown(void **state)
{
	sim_fs_free(*state);
	return 0;
}

static shale_file *create(struct sim_fs *fs, const char *path)
{
	shale_file *f = NULL;

	assert_int_equal(ops->open(fs, path, SHALE_FILE_WRITE | SHALE_FILE_CREATE, &f), 0);
	return f;
}

static void write_at(struct sim_fs *fs, shale_file *f, int byte, size_t n, uint64_t offset)
{
	uint8_t *buf = malloc(n);

	memset(buf, byte, n);
	assert_int_equal(ops->pwrite(fs, f, buf, n, offset), n);
	free(buf);
}

static bool exists(struct sim_fs *fs, const char *path)
{
	uint64_t size;
	bool is_dir;

	return ops->stat(fs, path, &size, &is_dir) == 0;
}

/* Of SEEDS crashes of this moment, in how many `path` exists. */
static unsigned survivors(struct sim_fs *fs, enum sim_crash mode, const char *path)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SEEDS; i++) {
		struct sim_fs *image = sim_fs_image(fs, mode, seed + i);

		n += exists(image, path);
		assert_int_equal(sim_fs_pending(image), 0);
		sim_fs_free(image);
	}
	return n;
}

static void assert_sometimes(unsigned n)
{
	assert_in_range(n, SEEDS / 20, SEEDS - SEEDS / 20);
}

static void a_name_is_lost_until_its_directory_is_synced(void **state)
{
	struct sim_fs *fs = *state;
	shale_file *f = create(fs, "a");

	write_at(fs, f, 1, 10, 0);
	assert_int_equal(ops->sync(fs, f), 0);
	assert_int_equal(survivors(fs, SIM_CRASH_NONE_UNSYNCED, "a"), 0);
	assert_int_equal(survivors(fs, SIM_CRASH_ALL, "a"), SEEDS);
	assert_sometimes(survivors(fs, SIM_CRASH_CHAOS, "a"));
	assert_sometimes(survivors(fs, SIM_CRASH_ORDERED, "a"));
	assert_int_equal(ops->sync_dir(fs, "/"), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(survivors(fs, POWER[i], "a"), SEEDS);
	assert_int_equal(ops->unlink(fs, "a"), 0);
	assert_int_equal(survivors(fs, SIM_CRASH_NONE_UNSYNCED, "a"), SEEDS);
	assert_int_equal(survivors(fs, SIM_CRASH_ALL, "a"), 0);
	assert_sometimes(survivors(fs, SIM_CRASH_CHAOS, "a"));
	ops->close(fs, f);
}

static void a_rename_is_atomic_and_may_be_lost(void **state)
{
	struct sim_fs *fs = *state;
	unsigned old = 0, new = 0;

	sim_fs_write_file(fs, "root", "old", 3);
	sim_fs_write_file(fs, "tmp", "new", 3);
	assert_int_equal(ops->rename(fs, "tmp", "root"), 0);
	for (unsigned i = 0; i < SEEDS; i++) {
		struct sim_fs *image = sim_fs_image(fs, SIM_CRASH_CHAOS, seed + i);
		void *data;
		size_t size;

		assert_int_equal(sim_fs_read_file(image, "root", &data, &size), 0);
		assert_int_equal(size, 3);
		old += memcmp(data, "old", 3) == 0 && exists(image, "tmp");
		new += memcmp(data, "new", 3) == 0 && !exists(image, "tmp");
		free(data);
		sim_fs_free(image);
	}
	assert_int_equal(old + new, SEEDS);
	assert_sometimes(old);
}

static void chaos_keeps_an_unlink_and_loses_the_create_before_it(void **state)
{
	struct sim_fs *fs = *state;
	unsigned neither = 0;

	sim_fs_write_file(fs, "old", "1", 1);
	ops->close(fs, create(fs, "new"));
	assert_int_equal(ops->unlink(fs, "old"), 0);
	for (unsigned i = 0; i < SEEDS; i++) {
		struct sim_fs *chaos = sim_fs_image(fs, SIM_CRASH_CHAOS, seed + i);
		struct sim_fs *ordered = sim_fs_image(fs, SIM_CRASH_ORDERED, seed + i);

		neither += !exists(chaos, "old") && !exists(chaos, "new");
		assert_true(exists(ordered, "old") || exists(ordered, "new"));
		sim_fs_free(chaos);
		sim_fs_free(ordered);
	}
	assert_sometimes(neither);
}

static void ordered_keeps_older_names_of_other_directories(void **state)
{
	struct sim_fs *fs = *state;

	assert_int_equal(ops->mkdir(fs, "d"), 0);
	assert_int_equal(ops->sync_dir(fs, "/"), 0);
	ops->close(fs, create(fs, "older"));
	ops->close(fs, create(fs, "d/x"));
	assert_int_equal(ops->sync_dir(fs, "d"), 0);
	assert_int_equal(survivors(fs, SIM_CRASH_ORDERED, "older"), SEEDS);
	assert_sometimes(survivors(fs, SIM_CRASH_CHAOS, "older"));
}

static void a_torn_write_tears_at_sectors(void **state)
{
	struct sim_fs *fs = *state;
	shale_file *f = create(fs, "a");
	unsigned torn = 0, swapped = 0;

	write_at(fs, f, 1, 4096, 0);
	assert_int_equal(ops->sync(fs, f), 0);
	assert_int_equal(ops->sync_dir(fs, "/"), 0);
	write_at(fs, f, 2, 2000, 100);
	for (unsigned i = 0; i < SEEDS * 2; i++) {
		enum sim_crash mode = i < SEEDS ? SIM_CRASH_CHAOS : SIM_CRASH_ORDERED;
		struct sim_fs *image = sim_fs_image(fs, mode, seed + i);
		uint8_t *data, want[5];
		size_t size;

		assert_int_equal(sim_fs_read_file(image, "a", (void **)&data, &size), 0);
		assert_int_equal(size, 4096);
		for (size_t at = 0; at < size; at++) {
			size_t s = at / SIM_SECTOR;

			if (at < 100 || at >= 2100) {
				assert_int_equal(data[at], 1);
				continue;
			}
			if (at == 100 || at % SIM_SECTOR == 0)
				want[s] = data[at];
			assert_int_equal(data[at], want[s]);
		}
		torn += memchr(want, 1, 5) != NULL && memchr(want, 2, 5) != NULL;
		for (int s = 1; s < 5; s++) {
			if (want[s - 1] < want[s] && mode == SIM_CRASH_ORDERED)
				fail_msg("ordered: a later sector without an earlier one");
			swapped += want[s - 1] < want[s];
		}
		free(data);
		sim_fs_free(image);
	}
	assert_true(torn > SEEDS / 10);
	assert_true(swapped > SEEDS / 20);
	ops->close(fs, f);
}

static void growth_without_data_shows_zeros_junk_or_other_files(void **state)
{
	struct sim_fs *fs = *state;
	shale_file *f;
	unsigned zeros = 0, junk = 0, other = 0;
	uint8_t *fill = malloc(4096);

	memset(fill, 0x77, 4096);
	sim_fs_write_file(fs, "other", fill, 4096);
	f = create(fs, "a");
	write_at(fs, f, 1, 1024, 0);
	assert_int_equal(ops->sync(fs, f), 0);
	assert_int_equal(ops->sync_dir(fs, "/"), 0);
	write_at(fs, f, 2, 1024, 1024);
	for (unsigned i = 0; i < SEEDS * 8; i++) {
		struct sim_fs *image = sim_fs_image(fs, SIM_CRASH_CHAOS, seed + i);
		uint8_t *data;
		size_t size;

		assert_int_equal(sim_fs_read_file(image, "a", (void **)&data, &size), 0);
		assert_true(size == 1024 || size == 2048);
		for (size_t at = 0; at < 1024; at++)
			assert_int_equal(data[at], 1);
		if (size == 2048) {
			zeros += data[1024] == 0 && data[1500] == 0;
			other += data[1024] == 0x77 && data[1500] == 0x77;
			junk += data[1024] > 2 && data[1024] != data[1025];
		}
		free(data);
		sim_fs_free(image);
	}
	assert_true(zeros > 3 && junk > 3 && other > 3);
	free(fill);
	ops->close(fs, f);
}

static void of_two_writes_to_a_sector_either_state_may_surface(void **state)
{
	struct sim_fs *fs = *state;
	shale_file *f = create(fs, "a");
	unsigned seen[3] = { 0 };

	write_at(fs, f, 0, 512, 0);
	assert_int_equal(ops->sync(fs, f), 0);
	assert_int_equal(ops->sync_dir(fs, "/"), 0);
	write_at(fs, f, 1, 100, 0);
	write_at(fs, f, 2, 100, 200);
	for (unsigned i = 0; i < SEEDS; i++) {
		struct sim_fs *image = sim_fs_image(fs, SIM_CRASH_CHAOS, seed + i);
		uint8_t *data;
		size_t size;

		assert_int_equal(sim_fs_read_file(image, "a", (void **)&data, &size), 0);
		/* The later never without the earlier: they share the sector. */
		assert_true(data[200] == 0 || data[0] == 1);
		seen[data[200] == 2 ? 2 : data[0]]++;
		free(data);
		sim_fs_free(image);
	}
	for (int i = 0; i < 3; i++)
		assert_sometimes(seen[i]);
	ops->close(fs, f);
}

static void unsynced_mapped_stores_persist_by_sector_or_in_part(void **state)
{
	struct sim_fs *fs = *state;
	shale_file *f = create(fs, "a");
	unsigned kept = 0, lost = 0, part = 0;
	void *at;

	assert_int_equal(ops->allocate(fs, f, 0, 1 << 16), 0);
	assert_int_equal(ops->sync_dir(fs, "/"), 0);
	assert_int_equal(ops->map(fs, f, 1 << 16, &at), 0);
	memset(at, 1, 1024);
	assert_int_equal(ops->sync(fs, f), 0);
	memset((char *)at + 1024, 2, 1024);
	for (unsigned i = 0; i < SEEDS; i++) {
		struct sim_fs *image = sim_fs_image(fs, SIM_CRASH_CHAOS, seed + i);
		uint8_t *data;
		size_t size;

		assert_int_equal(sim_fs_read_file(image, "a", (void **)&data, &size), 0);
		assert_int_equal(size, 1 << 16);
		for (size_t k = 0; k < 1024; k++)
			assert_int_equal(data[k], 1);
		for (size_t s = 1024; s < 2048; s += SIM_SECTOR) {
			size_t new = 0;

			for (size_t k = s; k < s + SIM_SECTOR; k++)
				new += data[k] == 2;
			kept += new == SIM_SECTOR;
			lost += new == 0;
			part += new != 0 && new != SIM_SECTOR;
			assert_int_equal(new % 8, 0);
		}
		free(data);
		sim_fs_free(image);
	}
	assert_true(kept > 20 && lost > 20 && part > 20);
	ops->unmap(fs, f, at, 1 << 16);
	/* Unmapping makes nothing durable. */
	sim_fs_crash(fs, SIM_CRASH_NONE_UNSYNCED, 0);
	uint8_t *data;
	size_t size;

	assert_int_equal(sim_fs_read_file(fs, "a", (void **)&data, &size), 0);
	assert_int_equal(data[1023], 1);
	assert_int_equal(data[1024], 0);
	free(data);
	ops->close(fs, f);
}

/* A file and an account of what must be in it. */
struct account {
	struct sim_fs *fs;
	shale_file *f;
	char *at;                        /* mapped, or NULL */
	uint8_t now[8192], synced[8192]; /* contents */
	uint64_t size, synced_size;
	bool touched[8192]; /* bytes written or cut off since the sync */
};

enum { ACCOUNT = 8192 };

static void random_step(struct account *a, struct rand *r)
{
	uint64_t offset = rand_below(r, ACCOUNT);
	size_t n = 1 + (size_t)rand_below(r, ACCOUNT - offset);
	unsigned what = (unsigned)rand_below(r, 6);

	if (what < 4) {
		int byte = 1 + (int)rand_below(r, 255);

		memset(a->now + offset, byte, n);
		memset(a->touched + offset, true, n);
		if (a->at != NULL && what < 2)
			memset(a->at + offset, byte, n);
		else
			write_at(a->fs, a->f, byte, n, offset);
		if (a->size < offset + n)
			a->size = offset + n;
	} else if (what == 4 && a->at == NULL) {
		assert_int_equal(ops->truncate(a->fs, a->f, offset), 0);
		memset(a->now + offset, 0, ACCOUNT - offset);
		memset(a->touched + offset, true, ACCOUNT - offset);
		a->size = offset;
	} else {
		assert_int_equal(ops->sync(a->fs, a->f), 0);
		memcpy(a->synced, a->now, ACCOUNT);
		a->synced_size = a->size;
		memset(a->touched, false, ACCOUNT);
	}
}

static void check_crash(struct account *a, enum sim_crash mode, uint64_t crash_seed)
{
	struct sim_fs *image = sim_fs_image(a->fs, mode, crash_seed);
	uint8_t *data;
	size_t size;

	assert_int_equal(sim_fs_read_file(image, "a", (void **)&data, &size), 0);
	if (mode == SIM_CRASH_NONE_UNSYNCED) {
		assert_int_equal(size, a->synced_size);
		assert_memory_equal(data, a->synced, size);
	} else if (mode == SIM_CRASH_ALL) {
		assert_int_equal(size, a->size);
		assert_memory_equal(data, a->now, size);
	}
	for (size_t k = 0; k < a->synced_size; k++) {
		if (a->touched[k])
			continue;
		assert_true(k < size);
		assert_int_equal(data[k], a->synced[k]);
	}
	free(data);
	sim_fs_free(image);
}

static void synced_data_is_never_lost(void **state)
{
	struct account *a = calloc(1, sizeof(*a));
	struct rand r;

	(void)state;
	rand_seed(&r, seed);
	for (unsigned round = 0; round < 300; round++) {
		*a = (struct account){ .fs = sim_fs_new(seed + round) };
		a->f = create(a->fs, "a");
		assert_int_equal(ops->sync_dir(a->fs, "/"), 0);
		if (round % 2 != 0) {
			assert_int_equal(ops->allocate(a->fs, a->f, 0, ACCOUNT), 0);
			assert_int_equal(ops->map(a->fs, a->f, ACCOUNT, (void **)&a->at), 0);
			a->size = ACCOUNT;
		}
		for (uint64_t steps = rand_below(&r, 20); steps > 0; steps--) {
			struct sim_fs *clone = sim_fs_clone(a->fs);

			random_step(a, &r);
			/* What happens to a clone is of no concern here. */
			sim_fs_crash(clone, SIM_CRASH_CHAOS, round);
			sim_fs_free(clone);
		}
		for (uint64_t i = 0; i < 4; i++)
			check_crash(a, POWER[i], round);
		check_crash(a, SIM_CRASH_CHAOS, round + 1000);
		for (uint64_t i = 0, n = sim_fs_pending(a->fs); i < n; i++) {
			check_crash(a, SIM_CRASH_OMIT_ONE, i);
			check_crash(a, SIM_CRASH_ONLY_ONE, i);
			check_crash(a, SIM_CRASH_TEAR_ONE, i);
		}
		if (a->at != NULL)
			ops->unmap(a->fs, a->f, a->at, ACCOUNT);
		ops->close(a->fs, a->f);
		sim_fs_free(a->fs);
	}
	free(a);
}

static void a_clone_is_independent(void **state)
{
	struct sim_fs *fs = *state, *clone;
	shale_file *f = create(fs, "a"), *g;
	uint64_t before;
	void *at;

	assert_int_equal(ops->allocate(fs, f, 0, 1 << 20), 0);
	assert_int_equal(ops->map(fs, f, 1 << 20, &at), 0);
	memset(at, 1, 100);
	clone = sim_fs_clone(fs);
	before = sim_fs_hash(fs);
	assert_true(sim_fs_hash(clone) == before);
	memset(at, 2, 100);
	assert_true(sim_fs_hash(clone) == before);
	assert_true(sim_fs_hash(fs) != before);
	memset(at, 1, 100);
	assert_true(sim_fs_hash(fs) == before);
	assert_int_equal(ops->open(clone, "a", SHALE_FILE_WRITE, &g), 0);
	write_at(clone, g, 3, 1, 1 << 20);
	assert_int_equal(ops->unlink(clone, "a"), 0);
	assert_true(sim_fs_hash(fs) == before);
	ops->close(clone, g);
	sim_fs_free(clone);
	assert_int_equal(sim_fs_pending(fs), 3); /* create, extend, stores */
	ops->unmap(fs, f, at, 1 << 20);
	ops->close(fs, f);
}

static void a_crash_makes_open_files_stale(void **state)
{
	struct sim_fs *fs = *state;
	shale_file *f = create(fs, "a");
	char c = 0;
	uint64_t size;

	assert_int_equal(ops->sync_dir(fs, "/"), 0);
	sim_fs_crash(fs, SIM_CRASH_ALL, 0);
	assert_int_equal(ops->pread(fs, f, &c, 1, 0), -EIO);
	assert_int_equal(ops->pwrite(fs, f, &c, 1, 0), -EIO);
	assert_int_equal(ops->size(fs, f, &size), -EIO);
	ops->close(fs, f);
	assert_true(exists(fs, "a"));
}

static void a_killed_process_leaves_what_a_later_power_cut_may_take(void **state)
{
	struct sim_fs *fs = *state;
	shale_file *f = create(fs, "a");
	void *at;

	assert_int_equal(ops->allocate(fs, f, 0, 4096), 0);
	assert_int_equal(ops->map(fs, f, 4096, &at), 0);
	memset(at, 1, 4096);
	sim_fs_crash(fs, SIM_CRASH_PROCESS, 0);
	assert_true(exists(fs, "a"));
	assert_int_equal(sim_fs_pending(fs), 3);
	assert_int_equal(survivors(fs, SIM_CRASH_NONE_UNSYNCED, "a"), 0);
	assert_sometimes(survivors(fs, SIM_CRASH_CHAOS, "a"));
}

static void one_operation_can_be_left_out_kept_alone_or_torn(void **state)
{
	struct sim_fs *fs = *state;
	uint64_t n;

	ops->close(fs, create(fs, "a"));
	ops->close(fs, create(fs, "b"));
	ops->close(fs, create(fs, "c"));
	n = sim_fs_pending(fs);
	assert_int_equal(n, 3);
	for (uint64_t i = 0; i < n; i++) {
		const char *name[] = { "a", "b", "c" };
		struct sim_fs *omit = sim_fs_image(fs, SIM_CRASH_OMIT_ONE, i);
		struct sim_fs *only = sim_fs_image(fs, SIM_CRASH_ONLY_ONE, i);
		struct sim_fs *tear = sim_fs_image(fs, SIM_CRASH_TEAR_ONE, i);

		for (uint64_t k = 0; k < n; k++) {
			assert_int_equal(exists(omit, name[k]), k != i);
			assert_int_equal(exists(only, name[k]), k == i);
			if (k != i)
				assert_int_equal(exists(tear, name[k]), k < i);
		}
		sim_fs_free(omit);
		sim_fs_free(only);
		sim_fs_free(tear);
	}
}

static void the_same_seed_crashes_the_same_way(void **state)
{
	struct sim_fs *fs = *state;
	shale_file *f = create(fs, "a");
	unsigned different = 0;

	assert_int_equal(ops->sync_dir(fs, "/"), 0);
	for (int i = 1; i < 20; i++)
		write_at(fs, f, i, 700, (uint64_t)i * 600);
	for (unsigned i = 0; i < 50; i++) {
		struct sim_fs *one = sim_fs_image(fs, SIM_CRASH_CHAOS, i);
		struct sim_fs *two = sim_fs_clone(fs);
		struct sim_fs *three = sim_fs_image(fs, SIM_CRASH_CHAOS, i + 1);

		sim_fs_crash(two, SIM_CRASH_CHAOS, i);
		assert_true(sim_fs_hash(one) == sim_fs_hash(two));
		different += sim_fs_hash(one) != sim_fs_hash(three);
		sim_fs_free(one);
		sim_fs_free(two);
		sim_fs_free(three);
	}
	assert_true(different > 40);
	ops->close(fs, f);
}

/* The data of a sync that failed clean never becomes durable, what follows does. */
static void a_sync_that_fails_clean_forgets_its_data(void **state)
{
	struct sim_fault rule = { .op = SIM_SYNC, .err = EIO, .clean = true };

	for (int mapped = 0; mapped < 2; mapped++) {
		struct sim_fs *fs = sim_fs_new(seed);
		shale_file *f = create(fs, "a");
		void *at = NULL;
		uint8_t *data;
		size_t size;

		assert_int_equal(ops->allocate(fs, f, 0, 4096), 0);
		assert_int_equal(ops->sync(fs, f), 0);
		assert_int_equal(ops->sync_dir(fs, "/"), 0);
		if (mapped)
			assert_int_equal(ops->map(fs, f, 4096, &at), 0);
		if (mapped)
			memset(at, 1, 512);
		else
			write_at(fs, f, 1, 512, 0);
		sim_fs_fault(fs, &rule);
		assert_int_equal(ops->sync(fs, f), -EIO);
		sim_fs_faults_clear(fs);
		if (mapped)
			memset((char *)at + 512, 2, 512);
		else
			write_at(fs, f, 2, 512, 512);
		assert_int_equal(ops->sync(fs, f), 0);
		assert_int_equal(sim_fs_read_file(fs, "a", (void **)&data, &size), 0);
		assert_int_equal(data[0], 1);
		free(data);
		for (unsigned i = 0; i < 4; i++) {
			struct sim_fs *image = sim_fs_image(fs, POWER[i], seed);

			assert_int_equal(sim_fs_read_file(image, "a", (void **)&data, &size), 0);
			assert_int_equal(data[0], 0);
			assert_int_equal(data[511], 0);
			assert_int_equal(data[512], 2);
			assert_int_equal(data[1023], 2);
			free(data);
			sim_fs_free(image);
		}
		if (mapped)
			ops->unmap(fs, f, at, 4096);
		ops->close(fs, f);
		sim_fs_free(fs);
	}
	(void)state;
}

static void a_failed_sync_leaves_the_data_pending(void **state)
{
	struct sim_fs *fs = *state;
	struct sim_fault rule = { .op = SIM_SYNC, .err = EIO };
	shale_file *f = create(fs, "a");
	uint64_t before;

	write_at(fs, f, 1, 512, 0);
	before = sim_fs_pending(fs);
	sim_fs_fault(fs, &rule);
	assert_int_equal(ops->sync(fs, f), -EIO);
	assert_int_equal(sim_fs_pending(fs), before);
	assert_int_equal(ops->sync(fs, f), 0);
	assert_int_equal(sim_fs_pending(fs), before - 1);
	ops->close(fs, f);
}

static int byte_at(struct sim_fs *image, uint64_t offset)
{
	shale_file *f = create(image, "a");
	uint8_t byte = 0;

	assert_int_equal(ops->pread(image, f, &byte, 1, offset), 1);
	ops->close(image, f);
	return byte;
}

static void a_durable_write_takes_nothing_else_along(void **state)
{
	struct sim_fs *fs = *state;
	shale_file *f = create(fs, "a");
	uint8_t page[4096];
	unsigned lost = 0;

	memset(page, 'c', sizeof(page));
	write_at(fs, f, 'a', 3 * sizeof(page), 0);
	assert_int_equal(ops->sync(fs, f), 0);
	assert_int_equal(ops->sync_dir(fs, "/"), 0);
	write_at(fs, f, 'b', sizeof(page), sizeof(page));
	assert_int_equal(ops->pwrite_durable(fs, f, page, sizeof(page), 0), sizeof(page));
	assert_int_equal(sim_fs_pending(fs), 1);
	for (unsigned i = 0; i < SEEDS; i++) {
		struct sim_fs *image = sim_fs_image(fs, SIM_CRASH_CHAOS, seed + i);

		assert_int_equal(byte_at(image, 0), 'c');
		assert_int_equal(byte_at(image, 2 * sizeof(page)), 'a');
		lost += byte_at(image, sizeof(page)) == 'a';
		sim_fs_free(image);
	}
	assert_sometimes(lost);
	/* With the size it needs, and then all. */
	assert_int_equal(ops->pwrite_durable(fs, f, page, sizeof(page), 3 * sizeof(page)),
			 sizeof(page));
	assert_int_equal(sim_fs_pending(fs), 0);
	ops->close(fs, f);
}

static void a_lying_drive_makes_nothing_durable(void **state)
{
	struct sim_fs *fs = *state;
	shale_file *f = create(fs, "a");

	sim_fs_set_lying(fs, true);
	write_at(fs, f, 1, 512, 0);
	assert_int_equal(ops->sync(fs, f), 0);
	assert_int_equal(ops->sync_dir(fs, "/"), 0);
	assert_int_equal(survivors(fs, SIM_CRASH_NONE_UNSYNCED, "a"), 0);
	ops->close(fs, f);
}

int main(void)
{
	seed = test_seed();
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_name_is_lost_until_its_directory_is_synced),
		TEST(a_rename_is_atomic_and_may_be_lost),
		TEST(chaos_keeps_an_unlink_and_loses_the_create_before_it),
		TEST(ordered_keeps_older_names_of_other_directories),
		TEST(a_torn_write_tears_at_sectors),
		TEST(growth_without_data_shows_zeros_junk_or_other_files),
		TEST(of_two_writes_to_a_sector_either_state_may_surface),
		TEST(unsynced_mapped_stores_persist_by_sector_or_in_part),
		TEST(synced_data_is_never_lost),
		TEST(a_clone_is_independent),
		TEST(a_crash_makes_open_files_stale),
		TEST(a_killed_process_leaves_what_a_later_power_cut_may_take),
		TEST(one_operation_can_be_left_out_kept_alone_or_torn),
		TEST(the_same_seed_crashes_the_same_way),
		TEST(a_sync_that_fails_clean_forgets_its_data),
		TEST(a_failed_sync_leaves_the_data_pending),
		TEST(a_durable_write_takes_nothing_else_along),
		TEST(a_lying_drive_makes_nothing_durable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
