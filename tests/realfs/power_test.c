/*
 * Power cuts of real file systems. A process writes to a small ext4, XFS or btrfs over
 * a loop device whose image lies on an XFS that can clone files. A clone of the image is
 * what the device held at that moment: the journal under way, the tables half
 * allocated. Each clone is mounted, which makes the file system recover, then the
 * store is opened and must hold every batch that was acknowledged as durable before
 * the clone was begun.
 *
 * The device here writes in the order in which it is told to, and loses nothing that
 * was written: what a disk's own cache can lose, or put in another order, is left to
 * the simulated disk.
 */
#include "support/crew.h"
#include "support/disk.h"
#include "support/test.h"

#include "base/rand.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IMAGES = 4, OF_ONE_LIFE = 4, BETWEEN_US = 60000 };

struct cut {
	char name[32];
	uint32_t acked[CREW_WRITERS];
	bool opened; /* the store had been opened once */
};

/* Clones at random moments of a process that writes; it is killed afterwards. */
static void take_cuts(struct disk *d, const char *outer, const char *store, struct rand *r,
		      struct crew_acks *acks, struct cut *cuts, unsigned n)
{
	uint64_t seed = rand_next(r);
	char image[700];
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		crew_work(store, SHALE_DURABLE, seed, acks);
	for (unsigned i = 0; i < n; i++) {
		usleep((useconds_t)rand_below(r, BETWEEN_US));
		snprintf(cuts[i].name, sizeof(cuts[i].name), "cut%u", i);
		snprintf(image, sizeof(image), "%s/%s.img", outer, cuts[i].name);
		cuts[i].opened = atomic_load(&acks->opened) != 0;
		crew_acks_copy(acks, cuts[i].acked);
		disk_clone(d, image);
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void check_cut(const char *fs, const char *outer, const struct cut *cut)
{
	shale_options o = crew_options(SHALE_DURABLE);
	struct crew_store s;
	struct disk d;
	char store[700];

	disk_adopt(&d, fs, outer, cut->name);
	disk_mount(&d);
	snprintf(store, sizeof(store), "%s/db", d.mount);
	/* Before that there may be nothing, or a part of what a first open makes. */
	o.error_if_missing = cut->opened;
	crew_open(store, &o, &s);
	for (uint32_t w = 0; w < CREW_WRITERS; w++) {
		uint32_t next = cut->acked[w];

		crew_check_logged(&s, w, &next);
	}
	assert_ok(shale_check(s.db, NULL, NULL, NULL));
	crew_close(&s);
	disk_remove(&d);
}

static uint64_t one_life(const char *fs, const char *outer, struct rand *r, unsigned n)
{
	unsigned mib = strcmp(fs, "ext4") == 0 ? 64 : strcmp(fs, "xfs") == 0 ? 320 : 128;
	struct crew_acks *acks = crew_acks_new();
	struct cut cuts[OF_ONE_LIFE];
	uint64_t acked = 0;
	char store[700];
	struct disk d;

	disk_make(&d, fs, outer, "disk", mib);
	disk_mount(&d);
	snprintf(store, sizeof(store), "%s/db", d.mount);
	take_cuts(&d, outer, store, r, acks, cuts, n);
	/* A file system is mounted once only: it is known by what is written in it. */
	disk_remove(&d);
	for (unsigned i = 0; i < n; i++) {
		check_cut(fs, outer, &cuts[i]);
		for (int w = 0; w < CREW_WRITERS; w++)
			acked += cuts[i].acked[w];
	}
	crew_acks_free(acks);
	return acked;
}

static void cut_power(const char *fs)
{
	const char *why = disks_unavailable("xfs");
	uint64_t images = test_scale(IMAGES), taken = 0, acked = 0;
	struct disk outer;
	struct rand r;
	char *base;

	if (why == NULL)
		why = disks_unavailable(fs);
	if (why != NULL) {
		print_message("SKIPPED: %s\n", why);
		skip();
	}
	rand_seed(&r, test_seed());
	base = disk_base_new();
	disk_make(&outer, "xfs", base, "outer", 2048);
	disk_mount(&outer);
	while (taken < images) {
		unsigned n =
			images - taken < OF_ONE_LIFE ? (unsigned)(images - taken) : OF_ONE_LIFE;

		acked += one_life(fs, outer.mount, &r, n);
		taken += n;
	}
	print_message("%s: %" PRIu64 " images, %" PRIu64 " acknowledged batches\n", fs, taken,
		      acked);
	disk_remove(&outer);
	test_dir_remove(base);
}

static void ext4_keeps_what_was_durable(void **state)
{
	(void)state;
	cut_power("ext4");
}

static void xfs_keeps_what_was_durable(void **state)
{
	(void)state;
	cut_power("xfs");
}

static void btrfs_keeps_what_was_durable(void **state)
{
	(void)state;
	cut_power("btrfs");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ext4_keeps_what_was_durable),
		cmocka_unit_test(xfs_keeps_what_was_durable),
		cmocka_unit_test(btrfs_keeps_what_was_durable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
