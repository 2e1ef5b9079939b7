/*
 * Inodes, names and pending operations of the simulated disk.
 *
 * An inode has its current and its durable content and, in between, the log of
 * operations since the last sync; current = durable + log + stores through a
 * mapping. (After a sync that failed clean, `clean` takes the place of durable
 * in this sum.) For a directory the content is its table of names.
 *
 * Inodes are named by number everywhere, because names in durable tables, in
 * logs and in copies of the disk must survive each other. Which are in use is
 * not counted but found out by a sweep now and then.
 */
#include "env/sim_disk.h"

#include <errno.h>
#include <stdlib.h>

/* ---- names ---- */

static uint32_t name_hash(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return h;
}

struct names *sim_names_share(struct names *t)
{
	if (t != NULL)
		atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
	return t;
}

void sim_names_unref(struct names *t)
{
	if (t != NULL && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1)
		free(t);
}

static struct entry *names_entry(const struct names *t, const char *name)
{
	uint32_t h = name_hash(name);

	for (uint32_t i = 0; t != NULL && i < t->count; i++) {
		if (t->e[i].hash == h && strcmp(t->e[i].name, name) == 0)
			return (struct entry *)&t->e[i];
	}
	return NULL;
}

uint32_t sim_names_find(const struct names *t, const char *name)
{
	const struct entry *e = names_entry(t, name);

	return e != NULL ? e->ino : 0;
}

/* Make *t this holder's own, with room for one more. */
static void names_own(struct names **t)
{
	struct names *old = *t, *new;
	uint32_t count = old != NULL ? old->count : 0;

	if (old != NULL && old->count < old->cap &&
	    atomic_load_explicit(&old->refs, memory_order_acquire) == 1)
		return;
	new = sim_calloc(sizeof(*new) + (count * 2 + 8) * sizeof(new->e[0]));
	atomic_init(&new->refs, 1);
	new->cap = count * 2 + 8;
	new->count = count;
	if (count != 0)
		memcpy(new->e, old->e, count * sizeof(new->e[0]));
	sim_names_unref(old);
	*t = new;
}

void sim_names_set(struct names **t, const char *name, uint32_t ino)
{
	struct entry *e;

	names_own(t);
	e = names_entry(*t, name);
	if (e == NULL) {
		e = &(*t)->e[(*t)->count++];
		memcpy(e->name, name, strlen(name) + 1);
		e->hash = name_hash(name);
	}
	e->ino = ino;
}

void sim_names_remove(struct names **t, const char *name)
{
	struct entry *e;

	if (names_entry(*t, name) == NULL)
		return;
	names_own(t);
	e = names_entry(*t, name);
	*e = (*t)->e[--(*t)->count];
}

/* ---- operations ---- */

void sim_inode_log(struct sim_fs *fs, struct inode *i, enum op_kind kind, uint32_t ino,
		   uint64_t offset, const void *bytes, size_t n)
{
	struct op *op;

	if (i->log_count == i->log_cap) {
		i->log_cap = i->log_cap * 2 + 4;
		i->log = sim_realloc(i->log, i->log_cap * sizeof(*i->log));
	}
	op = &i->log[i->log_count++];
	*op = (struct op){ .seq = ++fs->seq, .kind = (uint8_t)kind, .ino = ino, .offset = offset };
	if (n != 0) {
		op->bytes = sim_blob_new(n, false);
		memcpy(op->bytes->data, bytes, n);
		op->bytes->used = n;
		i->log_bytes += n;
	}
}

void sim_inode_log_clear(struct inode *i)
{
	for (uint32_t k = 0; k < i->log_count; k++)
		sim_blob_unref(i->log[k].bytes);
	i->log_count = 0;
	i->log_bytes = 0;
}

void sim_op_apply(struct image *image, const struct op *op)
{
	if (op->kind == OP_WRITE)
		sim_image_write(image, op->offset, op->bytes->data, op->bytes->used);
	else if (op->kind == OP_TRUNCATE || image->size < op->offset)
		sim_image_resize(image, op->offset);
}

void sim_op_apply_names(struct names **t, const struct op *op)
{
	const char *name = (const char *)op->bytes->data;

	if (op->kind != OP_LINK)
		sim_names_remove(t, name);
	if (op->kind == OP_LINK)
		sim_names_set(t, name, op->ino);
	if (op->kind == OP_RENAME)
		sim_names_set(t, name + strlen(name) + 1, op->ino);
}

/* ---- making durable ---- */

/*
 * The page cache writes out whole sectors, so a dirty one takes along what an
 * earlier failed sync forgot in the same sector, and nothing else of that.
 */
static void sync_beside_clean(struct inode *i)
{
	sim_image_resize(&i->dur, i->cur.size);
	for (uint32_t k = 0; k < i->log_count; k++) {
		const struct op *op = &i->log[k];
		uint64_t from = op->offset / SIM_SECTOR * SIM_SECTOR;

		if (op->kind == OP_WRITE)
			sim_image_patch(&i->dur, &i->cur, from,
					(op->offset + op->bytes->used - from + SIM_SECTOR - 1) /
						SIM_SECTOR * SIM_SECTOR);
	}
	for (uint64_t at = 0; i->mapped && at < i->cur.size; at += SIM_SECTOR) {
		if (!sim_image_same(&i->cur, &i->clean, at, SIM_SECTOR))
			sim_image_patch(&i->dur, &i->cur, at, SIM_SECTOR);
	}
	sim_image_fini(&i->clean);
	i->clean = sim_image_share(&i->cur);
}

static void sync_mapped(struct inode *i)
{
	size_t end = i->cur.blob->cap;

	sim_image_resize(&i->dur, i->cur.size);
	for (uint64_t at = 0; at < end && at < i->cur.size; at += SIM_PAGE) {
		if (!sim_image_same(&i->cur, &i->dur, at, SIM_PAGE))
			sim_image_patch(&i->dur, &i->cur, at, SIM_PAGE);
	}
}

void sim_inode_sync(struct inode *i)
{
	if (i->has_clean) {
		sync_beside_clean(i);
	} else if (i->cur.pins != 0) {
		sync_mapped(i);
	} else if (i->mapped || i->log_bytes > i->cur.size / 4) {
		sim_image_fini(&i->dur);
		i->dur = sim_image_share(&i->cur);
	} else {
		/* Little was added to much: sharing would make the next write copy it all. */
		for (uint32_t k = 0; k < i->log_count; k++)
			sim_op_apply(&i->dur, &i->log[k]);
	}
	sim_inode_log_clear(i);
	i->mapped = i->cur.pins != 0;
}

static bool is_within(const struct op *op, uint64_t offset, uint64_t n)
{
	return op->offset >= offset && op->bytes->used <= n &&
	       op->offset - offset <= n - op->bytes->used;
}

/* Whether all that is pending is writes, each of them within the range or outside of it. */
static bool can_sync_range(const struct inode *i, uint64_t offset, uint64_t n)
{
	if (i->has_clean || i->cur.pins != 0 || offset + n > i->dur.size)
		return false;
	for (uint32_t k = 0; k < i->log_count; k++) {
		const struct op *op = &i->log[k];

		if (op->kind != OP_WRITE || (!is_within(op, offset, n) && op->offset < offset + n &&
					     op->offset + op->bytes->used > offset))
			return false;
	}
	return true;
}

void sim_inode_sync_range(struct inode *i, uint64_t offset, uint64_t n)
{
	uint32_t kept = 0;

	if (!can_sync_range(i, offset, n)) {
		sim_inode_sync(i);
		return;
	}
	for (uint32_t k = 0; k < i->log_count; k++) {
		struct op op = i->log[k];

		if (!is_within(&op, offset, n)) {
			i->log[kept++] = op;
			continue;
		}
		sim_op_apply(&i->dur, &op);
		i->log_bytes -= op.bytes->used;
		sim_blob_unref(op.bytes);
	}
	i->log_count = kept;
}

void sim_inode_sync_failed_clean(struct inode *i)
{
	sim_image_fini(&i->clean);
	i->clean = sim_image_share(&i->cur);
	i->has_clean = true;
	sim_inode_log_clear(i);
	i->mapped = i->cur.pins != 0;
}

void sim_inode_sync_failed_old(struct sim_fs *fs, struct inode *i)
{
	fs->bytes = fs->bytes - i->cur.size + i->dur.size;
	if (i->cur.pins != 0) {
		sim_image_resize(&i->cur, i->dur.size);
		sim_image_patch(&i->cur, &i->dur, 0, i->dur.size);
	} else {
		sim_image_fini(&i->cur);
		i->cur = sim_image_share(&i->dur);
	}
	sim_image_fini(&i->clean);
	i->clean = (struct image){ 0 };
	i->has_clean = false;
	sim_inode_log_clear(i);
	i->mapped = i->cur.pins != 0;
}

void sim_disk_sync_dir(struct sim_fs *fs, struct inode *dir)
{
	sim_names_unref(dir->names_dur);
	dir->names_dur = sim_names_share(dir->names);
	sim_inode_log_clear(dir);
	fs->names_floor = fs->seq;
	fs->garbage++;
}

/* ---- inodes ---- */

struct sim_fs *sim_disk_new_empty(uint64_t seed)
{
	struct sim_fs *fs = sim_calloc(sizeof(*fs));

	pthread_mutex_init(&fs->mu, NULL);
	rand_seed(&fs->rand, seed);
	fs->capacity = SIM_CAPACITY;
	return fs;
}

uint32_t sim_disk_inode_new(struct sim_fs *fs, enum inode_kind kind)
{
	uint32_t ino;

	if (fs->garbage > 16 + fs->inode_count / 2)
		sim_disk_sweep(fs);
	for (ino = INO_ROOT; ino < fs->inode_count; ino++) {
		if (fs->inode[ino].kind == INODE_FREE)
			break;
	}
	if (ino >= fs->inode_cap) {
		uint32_t cap = fs->inode_cap * 2 + 16;

		fs->inode = sim_realloc(fs->inode, cap * sizeof(*fs->inode));
		memset(fs->inode + fs->inode_cap, 0, (cap - fs->inode_cap) * sizeof(*fs->inode));
		fs->inode_cap = cap;
	}
	if (ino >= fs->inode_count)
		fs->inode_count = ino + 1;
	fs->inode[ino] = (struct inode){ .kind = (uint8_t)kind };
	return ino;
}

void sim_inode_fini(struct inode *i)
{
	sim_inode_log_clear(i);
	free(i->log);
	sim_image_fini(&i->cur);
	sim_image_fini(&i->dur);
	sim_image_fini(&i->clean);
	sim_names_unref(i->names);
	sim_names_unref(i->names_dur);
	free(i->flip);
	*i = (struct inode){ 0 };
}

void sim_disk_put(struct sim_fs *fs, struct inode *i)
{
	fs->garbage++;
	if (i->nlink == 0 && i->opens == 0)
		fs->bytes -= i->cur.size;
}

static void mark(bool *used, const struct names *t)
{
	for (uint32_t i = 0; t != NULL && i < t->count; i++)
		used[t->e[i].ino] = true;
}

/* A directory dropped only now keeps its children until the next sweep. */
void sim_disk_sweep(struct sim_fs *fs)
{
	bool *used = sim_calloc(fs->inode_count);

	used[INO_ROOT] = true;
	for (uint32_t ino = INO_ROOT; ino < fs->inode_count; ino++) {
		const struct inode *i = &fs->inode[ino];

		if (i->opens != 0)
			used[ino] = true;
		mark(used, i->names);
		mark(used, i->names_dur);
		for (uint32_t k = 0; k < i->log_count; k++)
			used[i->log[k].ino] = true;
	}
	for (uint32_t ino = INO_ROOT; ino < fs->inode_count; ino++) {
		if (!used[ino])
			sim_inode_fini(&fs->inode[ino]);
	}
	free(used);
	fs->garbage = 0;
}

static void recount(struct sim_fs *fs, uint32_t ino, bool *seen)
{
	struct inode *i = &fs->inode[ino];

	i->nlink++;
	if (seen[ino])
		return;
	seen[ino] = true;
	fs->bytes += i->cur.size;
	for (uint32_t k = 0; i->names != NULL && k < i->names->count; k++)
		recount(fs, i->names->e[k].ino, seen);
}

void sim_disk_recount(struct sim_fs *fs)
{
	bool *seen = sim_calloc(fs->inode_count);

	fs->bytes = 0;
	for (uint32_t ino = INO_ROOT; ino < fs->inode_count; ino++)
		fs->inode[ino].nlink = fs->inode[ino].opens = 0;
	recount(fs, INO_ROOT, seen);
	free(seen);
	sim_disk_sweep(fs);
}

/* ---- paths ---- */

/* Cut the next part off *path: its length; 0 at the end; -errno. */
static int next_part(const char **path, char name[NAME_BYTES])
{
	for (;;) {
		size_t n;

		while (**path == '/')
			++*path;
		n = strcspn(*path, "/");
		if (n >= NAME_BYTES)
			return -ENAMETOOLONG;
		memcpy(name, *path, n);
		name[n] = '\0';
		*path += n;
		if (strcmp(name, "..") == 0)
			return -EINVAL;
		if (strcmp(name, ".") != 0)
			return (int)n;
	}
}

int sim_disk_lookup_parent(struct sim_fs *fs, const char *path, uint32_t avoid, uint32_t *dir,
			   char name[NAME_BYTES], uint32_t *ino)
{
	char next[NAME_BYTES];
	int n = next_part(&path, name);

	*dir = 0;
	*ino = INO_ROOT;
	for (;;) {
		if (n <= 0)
			return n;
		if (fs->inode[*ino].kind != INODE_DIR)
			return -ENOTDIR;
		*dir = *ino;
		*ino = sim_names_find(fs->inode[*dir].names, name);
		if (avoid != 0 && *ino == avoid)
			return -EINVAL;
		n = next_part(&path, next);
		if (n == 0)
			return 0;
		if (*ino == 0)
			return -ENOENT;
		memcpy(name, next, sizeof(next));
	}
}

int sim_disk_lookup(struct sim_fs *fs, const char *path, uint32_t *ino)
{
	char name[NAME_BYTES];
	uint32_t dir;
	int rc = sim_disk_lookup_parent(fs, path, 0, &dir, name, ino);

	return rc < 0 ? rc : *ino == 0 ? -ENOENT : 0;
}

void sim_disk_link(struct sim_fs *fs, uint32_t dir, const char *name, uint32_t ino)
{
	struct inode *d = &fs->inode[dir];

	sim_inode_log(fs, d, OP_LINK, ino, 0, name, strlen(name) + 1);
	sim_names_set(&d->names, name, ino);
	fs->inode[ino].nlink++;
}

void sim_disk_unlink(struct sim_fs *fs, uint32_t dir, const char *name)
{
	struct inode *d = &fs->inode[dir];
	struct inode *i = &fs->inode[sim_names_find(d->names, name)];

	sim_inode_log(fs, d, OP_UNLINK, 0, 0, name, strlen(name) + 1);
	sim_names_remove(&d->names, name);
	i->nlink--;
	sim_disk_put(fs, i);
}
