/*
 * Making the simulated disk misbehave: every call passes sim_disk_enter(), which
 * counts it, lets the hooks see it (the scheduler may run other tasks there), and
 * then judges it by the rules. A rule counts the calls that match it from its own
 * beginning, so a loop over nth = 1, 2, 3 ... meets every call until one run has
 * no hits.
 */
#include "env/sim_disk.h"

#include <errno.h>
#include <stdlib.h>

const char *sim_op_name(enum sim_op op)
{
	static const char *const name[SIM_OPS] = {
		"any",      "open",   "read",   "write",    "sync",  "writeback", "allocate",
		"truncate", "size",   "advise", "map",      "mkdir", "rmdir",     "list",
		"stat",     "rename", "unlink", "sync_dir", "lock",  "space",
	};

	return op < SIM_OPS ? name[op] : "?";
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

struct verdict sim_disk_enter(struct sim_fs *fs, enum sim_op op, const char *name)
{
	struct verdict v = { 0 };

	if (fs->inner_hook != NULL)
		fs->inner_hook(fs->inner_arg, fs, op, name);
	if (fs->latency != NULL && op == SIM_READ)
		fs->latency(fs->inner_arg, op);
	if (fs->hook != NULL)
		fs->hook(fs->hook_arg, fs, op, name);
	pthread_mutex_lock(&fs->mu);
	fs->calls[SIM_ANY]++;
	fs->calls[op]++;
	for (struct rule *r = fs->rules; r != NULL; r = r->next) {
		const struct sim_fault *f = &r->fault;

		if (f->op != SIM_ANY && f->op != op)
			continue;
		if (f->name_ends != NULL && !ends_with(name, f->name_ends))
			continue;
		r->seen++;
		if (r->seen < f->nth || (r->seen > f->nth && !f->sticky) || v.hit)
			continue;
		v = (struct verdict){ .err = f->stray == SIM_STRAY_NONE ? f->err : 0,
				      .after = f->after,
				      .clean = f->clean,
				      .old = f->old,
				      .hit = true,
				      .stray = f->stray };
		fs->hits++;
	}
	return v;
}

int sim_disk_full(const struct sim_fs *fs)
{
	return fs->full_err != 0 ? -fs->full_err : -ENOSPC;
}

int sim_disk_handle_room(const struct sim_fs *fs)
{
	uint64_t n = 0;

	if (fs->handles_max == 0)
		return 0;
	for (const struct sim_file *f = fs->files; f != NULL; f = f->next)
		n += f->generation == fs->generation;
	for (const struct sim_lock *l = fs->locks; l != NULL; l = l->next)
		n += l->generation == fs->generation;
	return n < fs->handles_max ? 0 : -fs->handles_err;
}

size_t sim_disk_short(struct sim_fs *fs, size_t n, unsigned permille)
{
	if (permille == 0 || n < 2 || rand_below(&fs->rand, 1000) >= permille)
		return n;
	return 1 + (size_t)rand_below(&fs->rand, n - 1);
}

void sim_fs_fault(struct sim_fs *fs, const struct sim_fault *rule)
{
	struct rule *r = sim_calloc(sizeof(*r));

	r->fault = *rule;
	if (r->fault.nth == 0)
		r->fault.nth = 1;
	pthread_mutex_lock(&fs->mu);
	r->next = fs->rules;
	fs->rules = r;
	pthread_mutex_unlock(&fs->mu);
}

void sim_fs_faults_clear(struct sim_fs *fs)
{
	struct rule *r, *next;

	pthread_mutex_lock(&fs->mu);
	r = fs->rules;
	fs->rules = NULL;
	pthread_mutex_unlock(&fs->mu);
	for (; r != NULL; r = next) {
		next = r->next;
		free(r);
	}
}

uint64_t sim_fs_fault_hits(struct sim_fs *fs)
{
	uint64_t n;

	pthread_mutex_lock(&fs->mu);
	n = fs->hits;
	pthread_mutex_unlock(&fs->mu);
	return n;
}

uint64_t sim_fs_calls(struct sim_fs *fs, enum sim_op op)
{
	uint64_t n;

	pthread_mutex_lock(&fs->mu);
	n = fs->calls[op];
	pthread_mutex_unlock(&fs->mu);
	return n;
}

void sim_fs_short_io(struct sim_fs *fs, unsigned reads, unsigned writes)
{
	pthread_mutex_lock(&fs->mu);
	fs->short_reads = reads;
	fs->short_writes = writes;
	pthread_mutex_unlock(&fs->mu);
}

void sim_fs_set_capacity(struct sim_fs *fs, uint64_t bytes)
{
	pthread_mutex_lock(&fs->mu);
	fs->capacity = bytes;
	pthread_mutex_unlock(&fs->mu);
}

void sim_fs_set_full_error(struct sim_fs *fs, int err)
{
	pthread_mutex_lock(&fs->mu);
	fs->full_err = err;
	pthread_mutex_unlock(&fs->mu);
}

void sim_fs_set_handles_max(struct sim_fs *fs, uint64_t max, int err)
{
	pthread_mutex_lock(&fs->mu);
	fs->handles_max = max;
	fs->handles_err = err;
	pthread_mutex_unlock(&fs->mu);
}

void sim_fs_set_lying(struct sim_fs *fs, bool lying)
{
	pthread_mutex_lock(&fs->mu);
	fs->lying = lying;
	pthread_mutex_unlock(&fs->mu);
}

void sim_fs_on_call(struct sim_fs *fs, sim_fs_hook fn, void *arg)
{
	fs->hook = fn;
	fs->hook_arg = arg;
}

int sim_fs_flip(struct sim_fs *fs, const char *path, uint64_t offset, unsigned bit)
{
	uint32_t ino;
	int rc;

	pthread_mutex_lock(&fs->mu);
	rc = sim_disk_lookup(fs, path, &ino);
	if (rc == 0) {
		struct inode *i = &fs->inode[ino];

		i->flip = sim_realloc(i->flip, (i->flip_count + 1) * sizeof(*i->flip));
		i->flip[i->flip_count++] = (struct flip){ offset, (uint8_t)(1u << (bit & 7)) };
	}
	pthread_mutex_unlock(&fs->mu);
	return rc;
}

void sim_fs_flips_clear(struct sim_fs *fs)
{
	pthread_mutex_lock(&fs->mu);
	for (uint32_t ino = INO_ROOT; ino < fs->inode_count; ino++)
		fs->inode[ino].flip_count = 0;
	pthread_mutex_unlock(&fs->mu);
}
