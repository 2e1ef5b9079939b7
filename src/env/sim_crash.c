/*
 * What a power cut leaves on the simulated disk.
 *
 * The image of a file is built from durable by going through its log twice at
 * once: `full` takes every operation, as the page cache did; `disk` takes, of the
 * operations the plan lets persist, the sectors they touched, from `full` as it
 * is at that moment. So a sector on the disk is always one that the page cache
 * held at some time, older or newer than its neighbours.
 *
 * Stores through a mapping have no order. What differs between current and `full`
 * is dirty by them, and a sector of it may have been written back half-way
 * through its stores: then a prefix or a suffix of its words is new.
 *
 * Names are simpler: the operations that persist are applied in order.
 */
#include "env/sim_disk.h"

#include <stdlib.h>

enum fate { LOST, KEPT, TORN };

struct plan {
	enum sim_crash mode;
	struct rand rand;
	uint64_t seq;   /* ORDERED: names up to it persist; *_ONE: the operation meant */
	uint64_t floor; /* names up to it are durable under ORDERED */
	/* CHAOS: in 1000; drawn anew for each crash, else the extremes are never seen. */
	unsigned keep_names, keep_data, junk;
	const struct sim_fs *fs;
};

static bool chance(struct plan *p, unsigned permille)
{
	return rand_below(&p->rand, 1000) < permille;
}

/* ---- which operations there are ---- */

static int by_seq(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Pending operations in order of time; to be freed. */
static uint64_t *pending(const struct sim_fs *fs, uint64_t *count)
{
	uint64_t *seq, n = 0;

	for (uint32_t ino = INO_ROOT; ino < fs->inode_count; ino++)
		n += fs->inode[ino].log_count + fs->inode[ino].mapped;
	seq = sim_calloc(n * sizeof(*seq));
	n = 0;
	for (uint32_t ino = INO_ROOT; ino < fs->inode_count; ino++) {
		const struct inode *i = &fs->inode[ino];

		for (uint32_t k = 0; k < i->log_count; k++)
			seq[n++] = i->log[k].seq;
		if (i->mapped)
			seq[n++] = i->map_seq;
	}
	qsort(seq, n, sizeof(*seq), by_seq);
	*count = n;
	return seq;
}

static void plan_init(struct plan *p, const struct sim_fs *fs, enum sim_crash mode, uint64_t seed)
{
	static const unsigned permille[] = { 50, 300, 500, 700, 950 };
	uint64_t n, *seq = NULL;

	*p = (struct plan){ .mode = mode, .floor = fs->names_floor, .fs = fs };
	rand_seed(&p->rand, seed ^ 0xc4a54ull);
	p->keep_names = permille[rand_below(&p->rand, 5)];
	p->keep_data = permille[rand_below(&p->rand, 5)];
	p->junk = permille[rand_below(&p->rand, 5)];
	if (mode != SIM_CRASH_ORDERED && mode < SIM_CRASH_OMIT_ONE)
		return;
	seq = pending(fs, &n);
	if (mode == SIM_CRASH_ORDERED) {
		uint64_t cut = rand_below(&p->rand, n + 1);

		p->seq = cut != 0 ? seq[cut - 1] : 0;
	} else {
		/* An index behind the last operation means none. */
		p->seq = seed < n ? seq[seed] : UINT64_MAX;
	}
	free(seq);
}

/* Not for ORDERED, which cuts each file apart. */
static enum fate fate_of(struct plan *p, uint64_t seq, unsigned permille)
{
	switch (p->mode) {
	case SIM_CRASH_CHAOS:
		return chance(p, permille) ? KEPT : chance(p, 500) ? TORN : LOST;
	case SIM_CRASH_OMIT_ONE:
		return seq != p->seq ? KEPT : LOST;
	case SIM_CRASH_ONLY_ONE:
		return seq == p->seq ? KEPT : LOST;
	case SIM_CRASH_TEAR_ONE:
		return seq < p->seq ? KEPT : seq == p->seq ? TORN : LOST;
	case SIM_CRASH_ALL:
		return KEPT;
	default:
		return LOST;
	}
}

/* ---- files ---- */

static uint64_t sector_down(uint64_t offset)
{
	return offset / SIM_SECTOR * SIM_SECTOR;
}

/* The file grew over [from, to), but the data did not make it. */
static void leave_junk(struct plan *p, struct image *disk, uint64_t from, uint64_t to)
{
	uint8_t junk[SIM_SECTOR];
	const struct inode *other;
	uint64_t pick;

	if (!chance(p, p->junk))
		return;
	/* There is a file at least: the one that is written. */
	pick = rand_below(&p->rand, p->fs->inode_count);
	do
		other = &p->fs->inode[pick++ % p->fs->inode_count];
	while (other->kind != INODE_FILE);
	if (chance(p, 500)) {
		sim_image_read(&other->cur, from, junk, (size_t)(to - from));
	} else {
		for (size_t i = 0; i < sizeof(junk); i++)
			junk[i] = (uint8_t)rand_next(&p->rand);
	}
	sim_image_write(disk, from, junk, (size_t)(to - from));
}

static void tear_write(struct plan *p, struct image *disk, const struct image *full,
		       const struct op *op)
{
	uint64_t end = op->offset + op->bytes->used, old = disk->size;

	if (end > old && chance(p, 500))
		sim_image_resize(disk, end);
	for (uint64_t at = sector_down(op->offset); at < end && at < disk->size; at += SIM_SECTOR) {
		uint64_t from = at > old ? at : old;
		uint64_t to = at + SIM_SECTOR < disk->size ? at + SIM_SECTOR : disk->size;

		if (from < op->offset)
			from = op->offset;
		if (chance(p, 500))
			sim_image_patch(disk, full, at, SIM_SECTOR);
		else if (from < to)
			leave_junk(p, disk, from, to);
	}
}

/* The sectors of a write before the cut, and the size they need. */
static void cut_write(struct plan *p, struct image *disk, const struct image *full,
		      const struct op *op)
{
	uint64_t from = sector_down(op->offset), end = op->offset + op->bytes->used;
	uint64_t sectors = (end - from + SIM_SECTOR - 1) / SIM_SECTOR;
	uint64_t cut = from + rand_below(&p->rand, sectors) * SIM_SECTOR;

	if (cut == from)
		return;
	if (disk->size < cut)
		sim_image_resize(disk, cut);
	sim_image_patch(disk, full, from, cut - from);
}

static void crash_op(struct plan *p, struct image *disk, const struct image *full,
		     const struct op *op, enum fate fate)
{
	uint64_t from = sector_down(op->offset);

	if (op->kind != OP_WRITE) {
		if (fate == KEPT || (fate == TORN && chance(p, 500)))
			sim_op_apply(disk, op);
	} else if (fate == KEPT) {
		uint64_t end = op->offset + op->bytes->used;

		if (disk->size < end)
			sim_image_resize(disk, end);
		sim_image_patch(disk, full, from, sector_down(end + SIM_SECTOR - 1) - from);
	} else if (fate == TORN && p->mode == SIM_CRASH_ORDERED) {
		cut_write(p, disk, full, op);
	} else if (fate == TORN) {
		tear_write(p, disk, full, op);
	}
}

/* A sector written back while its stores were under way. */
static void tear_sector(struct plan *p, struct image *disk, const struct image *now, uint64_t at)
{
	uint64_t cut = rand_below(&p->rand, SIM_SECTOR / 8 + 1) * 8;

	if (chance(p, 500))
		sim_image_patch(disk, now, at, cut);
	else
		sim_image_patch(disk, now, at + cut, SIM_SECTOR - cut);
}

static bool sector_dirty(const struct image *now, const struct image *full, uint64_t at)
{
	return !sim_image_same(now, full, at, SIM_SECTOR);
}

static void crash_mapped(struct plan *p, struct image *disk, const struct image *full,
			 const struct inode *i)
{
	/* Behind both there are only zeros. */
	struct image now = sim_image_share(&i->cur);
	uint64_t end = sim_image_used(&now), left = UINT64_MAX;
	enum fate fate = KEPT;

	if (sim_image_used(full) > end)
		end = sim_image_used(full);
	if (p->mode == SIM_CRASH_ORDERED) {
		/* Written back from the front: a prefix of the dirty sectors. */
		uint64_t dirty = 0;

		for (uint64_t at = 0; at < end; at += SIM_SECTOR)
			dirty += sector_dirty(&now, full, at);
		left = rand_below(&p->rand, dirty + 1);
	} else if (p->mode == SIM_CRASH_CHAOS) {
		fate = TORN;
	} else {
		fate = fate_of(p, i->map_seq, 0);
	}
	for (uint64_t at = 0; at < end && fate != LOST && left != 0; at += SIM_SECTOR) {
		if (!sector_dirty(&now, full, at))
			continue;
		left--;
		if (fate == KEPT || chance(p, p->mode == SIM_CRASH_CHAOS ? p->keep_data : 333))
			sim_image_patch(disk, &now, at, SIM_SECTOR);
		else if (chance(p, 500))
			tear_sector(p, disk, &now, at);
	}
	sim_image_fini(&now);
}

static struct image crash_file(struct plan *p, const struct inode *i)
{
	struct image disk, full;
	uint64_t cut = 0;

	if (p->mode == SIM_CRASH_ALL && !i->has_clean)
		return sim_image_share(&i->cur);
	disk = sim_image_share(&i->dur);
	if (p->mode == SIM_CRASH_NONE_UNSYNCED || (i->log_count == 0 && !i->mapped))
		return disk;
	full = sim_image_share(i->has_clean ? &i->clean : &i->dur);
	if (p->mode == SIM_CRASH_ORDERED)
		cut = rand_below(&p->rand, (uint64_t)i->log_count + 1);
	for (uint32_t k = 0; k < i->log_count; k++) {
		const struct op *op = &i->log[k];
		enum fate fate;

		if (p->mode == SIM_CRASH_ORDERED)
			fate = k < cut ? KEPT : k == cut ? TORN : LOST;
		else
			fate = fate_of(p, op->seq, p->keep_data);
		sim_op_apply(&full, op);
		crash_op(p, &disk, &full, op, fate);
	}
	if (i->mapped)
		crash_mapped(p, &disk, &full, i);
	sim_image_fini(&full);
	return disk;
}

static struct names *crash_dir(struct plan *p, const struct inode *i)
{
	struct names *t;

	if (p->mode == SIM_CRASH_ALL)
		return sim_names_share(i->names);
	t = sim_names_share(i->names_dur);
	for (uint32_t k = 0; k < i->log_count && p->mode != SIM_CRASH_NONE_UNSYNCED; k++) {
		const struct op *op = &i->log[k];
		bool keep;

		if (p->mode == SIM_CRASH_ORDERED)
			keep = op->seq <= p->seq || op->seq <= p->floor;
		else if (p->mode == SIM_CRASH_CHAOS)
			keep = chance(p, p->keep_names);
		else
			keep = fate_of(p, op->seq, 0) == KEPT ||
			       (p->mode == SIM_CRASH_TEAR_ONE && op->seq == p->seq &&
				chance(p, 500));
		if (keep)
			sim_op_apply_names(&t, op);
	}
	return t;
}

/* ---- disks ---- */

/* The inode after a power cut: all that is left is durable. */
static struct inode crash_inode(struct plan *p, const struct inode *i)
{
	struct inode out = { .kind = i->kind };

	if (i->kind == INODE_DIR) {
		out.names = crash_dir(p, i);
		out.names_dur = sim_names_share(out.names);
	} else if (i->kind == INODE_FILE) {
		out.cur = crash_file(p, i);
		out.dur = sim_image_share(&out.cur);
	}
	return out;
}

static struct inode copy_inode(const struct inode *i)
{
	struct inode out = *i;

	out.opens = 0;
	out.cur = sim_image_share(&i->cur);
	out.dur = sim_image_share(&i->dur);
	out.clean = sim_image_share(&i->clean);
	sim_names_share(out.names);
	sim_names_share(out.names_dur);
	out.log_cap = i->log_count;
	out.log = NULL;
	if (i->log_count != 0) {
		out.log = sim_calloc(i->log_count * sizeof(*out.log));
		memcpy(out.log, i->log, i->log_count * sizeof(*out.log));
	}
	for (uint32_t k = 0; k < out.log_count; k++)
		sim_blob_ref(out.log[k].bytes);
	return out;
}

static void copy_flips(struct inode *to, const struct inode *from)
{
	to->flip = NULL;
	to->flip_count = from->flip_count;
	if (from->flip_count != 0) {
		to->flip = sim_calloc(from->flip_count * sizeof(*to->flip));
		memcpy(to->flip, from->flip, from->flip_count * sizeof(*to->flip));
	}
}

struct sim_fs *sim_fs_image(struct sim_fs *fs, enum sim_crash mode, uint64_t seed)
{
	struct sim_fs *out = sim_disk_new_empty(seed);
	struct plan plan;

	pthread_mutex_lock(&fs->mu);
	out->inode = sim_calloc(fs->inode_count * sizeof(*out->inode));
	out->inode_count = out->inode_cap = fs->inode_count;
	out->seq = fs->seq;
	out->names_floor = fs->names_floor;
	out->capacity = fs->capacity;
	out->full_err = fs->full_err;
	out->lying = fs->lying;
	if (mode != SIM_CRASH_PROCESS)
		plan_init(&plan, fs, mode, seed);
	for (uint32_t ino = INO_ROOT; ino < fs->inode_count; ino++) {
		const struct inode *from = &fs->inode[ino];

		out->inode[ino] =
			mode == SIM_CRASH_PROCESS ? copy_inode(from) : crash_inode(&plan, from);
		copy_flips(&out->inode[ino], from);
	}
	pthread_mutex_unlock(&fs->mu);
	sim_disk_recount(out);
	return out;
}

struct sim_fs *sim_fs_clone(struct sim_fs *fs)
{
	return sim_fs_image(fs, SIM_CRASH_PROCESS, 0);
}

void sim_fs_crash(struct sim_fs *fs, enum sim_crash mode, uint64_t seed)
{
	struct sim_fs *after = sim_fs_image(fs, mode, seed);

	pthread_mutex_lock(&fs->mu);
	for (uint32_t ino = INO_ROOT; ino < fs->inode_count; ino++)
		sim_inode_fini(&fs->inode[ino]);
	free(fs->inode);
	fs->inode = after->inode;
	fs->inode_count = after->inode_count;
	fs->inode_cap = after->inode_cap;
	fs->bytes = after->bytes;
	fs->garbage = 0;
	fs->generation++;
	pthread_mutex_unlock(&fs->mu);
	after->inode = NULL;
	after->inode_count = 0;
	sim_fs_free(after);
}

uint64_t sim_fs_pending(struct sim_fs *fs)
{
	uint64_t n;

	pthread_mutex_lock(&fs->mu);
	free(pending(fs, &n));
	pthread_mutex_unlock(&fs->mu);
	return n;
}
