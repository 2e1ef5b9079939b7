/*
 * The simulated disk as a test sees it, past the calls that a library makes:
 * contents, damage, the hash that tells equal disks, and a printed picture.
 */
#include "env/sim_disk.h"

#include "base/hash.h"

#include <inttypes.h>

#include <errno.h>
#include <stdlib.h>

int sim_fs_read_file(struct sim_fs *fs, const char *path, void **data, size_t *size)
{
	uint32_t ino;
	int rc;

	pthread_mutex_lock(&fs->mu);
	rc = sim_disk_lookup(fs, path, &ino);
	if (rc == 0 && fs->inode[ino].kind != INODE_FILE)
		rc = -EISDIR;
	if (rc == 0) {
		const struct image *image = &fs->inode[ino].cur;

		*size = (size_t)image->size;
		*data = sim_calloc(*size);
		sim_image_read(image, 0, *data, *size);
	}
	pthread_mutex_unlock(&fs->mu);
	return rc;
}

int sim_fs_write_file(struct sim_fs *fs, const char *path, const void *data, size_t size)
{
	char name[NAME_BYTES];
	uint32_t dir, ino;
	struct inode *i;
	int rc;

	pthread_mutex_lock(&fs->mu);
	rc = sim_disk_lookup_parent(fs, path, 0, &dir, name, &ino);
	if (rc == 0 && ino != 0 && fs->inode[ino].kind != INODE_FILE)
		rc = -EISDIR;
	if (rc == 0 && ino != 0 && fs->inode[ino].cur.pins != 0)
		rc = -EBUSY;
	if (rc < 0)
		goto out;
	if (ino == 0) {
		ino = sim_disk_inode_new(fs, INODE_FILE);
		sim_disk_link(fs, dir, name, ino);
	}
	sim_disk_sync_dir(fs, &fs->inode[dir]);
	i = &fs->inode[ino];
	fs->bytes -= i->cur.size;
	sim_image_fini(&i->cur);
	sim_image_fini(&i->dur);
	sim_image_fini(&i->clean);
	i->has_clean = i->mapped = false;
	sim_inode_log_clear(i);
	sim_image_write(&i->cur, 0, data, size);
	i->dur = sim_image_share(&i->cur);
	fs->bytes += size;
out:
	pthread_mutex_unlock(&fs->mu);
	return rc;
}

int sim_fs_remove_file(struct sim_fs *fs, const char *path)
{
	char name[NAME_BYTES];
	uint32_t dir, ino;
	int rc;

	pthread_mutex_lock(&fs->mu);
	rc = sim_disk_lookup_parent(fs, path, 0, &dir, name, &ino);
	if (rc == 0 && ino == 0)
		rc = -ENOENT;
	if (rc == 0 && fs->inode[ino].kind != INODE_FILE)
		rc = -EISDIR;
	if (rc == 0) {
		sim_disk_unlink(fs, dir, name);
		sim_disk_sync_dir(fs, &fs->inode[dir]);
	}
	pthread_mutex_unlock(&fs->mu);
	return rc;
}

static void corrupt(struct image *image, uint64_t offset, uint8_t mask)
{
	uint8_t byte;

	if (offset >= image->size)
		return;
	sim_image_read(image, offset, &byte, 1);
	byte ^= mask;
	sim_image_write(image, offset, &byte, 1);
}

int sim_fs_corrupt(struct sim_fs *fs, const char *path, uint64_t offset, uint8_t mask)
{
	uint32_t ino;
	int rc;

	pthread_mutex_lock(&fs->mu);
	rc = sim_disk_lookup(fs, path, &ino);
	if (rc == 0 && fs->inode[ino].kind != INODE_FILE)
		rc = -EISDIR;
	if (rc == 0 && offset >= fs->inode[ino].cur.size)
		rc = -EINVAL;
	if (rc == 0) {
		corrupt(&fs->inode[ino].cur, offset, mask);
		corrupt(&fs->inode[ino].dur, offset, mask);
		corrupt(&fs->inode[ino].clean, offset, mask);
	}
	pthread_mutex_unlock(&fs->mu);
	return rc;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

/* The entries in order of name; to be freed. */
static struct entry *sorted(const struct names *t, uint32_t *count)
{
	struct entry *e;

	*count = t != NULL ? t->count : 0;
	e = sim_calloc(*count * sizeof(*e));
	if (*count != 0) {
		memcpy(e, t->e, *count * sizeof(*e));
		qsort(e, *count, sizeof(*e), by_name);
	}
	return e;
}

int sim_fs_list(struct sim_fs *fs, const char *path,
		int (*each)(void *arg, const char *name, uint64_t size, bool is_dir), void *arg)
{
	struct entry *e = NULL;
	uint64_t *size = NULL;
	uint32_t ino, n = 0;
	int rc;

	pthread_mutex_lock(&fs->mu);
	rc = sim_disk_lookup(fs, path, &ino);
	if (rc == 0 && fs->inode[ino].kind != INODE_DIR)
		rc = -ENOTDIR;
	if (rc == 0) {
		e = sorted(fs->inode[ino].names, &n);
		size = sim_calloc(n * sizeof(*size));
		/* The number is of no more use: let it tell the kind. */
		for (uint32_t k = 0; k < n; k++) {
			size[k] = fs->inode[e[k].ino].cur.size;
			e[k].ino = fs->inode[e[k].ino].kind;
		}
	}
	pthread_mutex_unlock(&fs->mu);
	for (uint32_t k = 0; rc == 0 && k < n; k++)
		rc = each(arg, e[k].name, size[k], e[k].ino == INODE_DIR);
	free(e);
	free(size);
	return rc;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	a ^= b + 0x9e3779b97f4a7c15ull + (a << 6) + (a >> 2);
	return rand_split(&a);
}

/* A sum over the entries, so that their order in the table does not count. */
static uint64_t tree_hash(const struct sim_fs *fs, const struct inode *dir)
{
	uint64_t sum = 0;

	for (uint32_t k = 0; dir->names != NULL && k < dir->names->count; k++) {
		const struct entry *e = &dir->names->e[k];
		const struct inode *i = &fs->inode[e->ino];
		uint64_t h = hash_key((shale_slice){ e->name, strlen(e->name) });

		sum += mix(mix(h, i->kind),
			   i->kind == INODE_DIR ? tree_hash(fs, i) : sim_image_hash(&i->cur));
	}
	return sum;
}

uint64_t sim_fs_hash(struct sim_fs *fs)
{
	uint64_t h;

	pthread_mutex_lock(&fs->mu);
	h = tree_hash(fs, &fs->inode[INO_ROOT]);
	pthread_mutex_unlock(&fs->mu);
	return h;
}

uint64_t sim_fs_open_handles(struct sim_fs *fs)
{
	uint64_t n = 0;

	pthread_mutex_lock(&fs->mu);
	/* Those of before a crash are nobody's. */
	for (const struct sim_file *f = fs->files; f != NULL; f = f->next)
		n += f->generation == fs->generation;
	for (const struct sim_lock *l = fs->locks; l != NULL; l = l->next)
		n += l->generation == fs->generation;
	pthread_mutex_unlock(&fs->mu);
	return n;
}

static void dump_op(FILE *out, const struct op *op, int depth)
{
	static const char *const kind[] = { "write", "truncate", "extend",
					    "link",  "unlink",   "rename" };

	fprintf(out, "%*s! %" PRIu64 " %s", depth * 2, "", op->seq, kind[op->kind]);
	if (op->kind == OP_WRITE)
		fprintf(out, " %zu bytes at %" PRIu64 "\n", op->bytes->used, op->offset);
	else if (op->kind < OP_LINK)
		fprintf(out, " to %" PRIu64 "\n", op->offset);
	else if (op->kind == OP_RENAME)
		fprintf(out, " %s to %s\n", (const char *)op->bytes->data,
			(const char *)op->bytes->data + strlen((const char *)op->bytes->data) + 1);
	else
		fprintf(out, " %s\n", (const char *)op->bytes->data);
}

static void dump(const struct sim_fs *fs, FILE *out, const char *name, uint32_t ino, int depth)
{
	const struct inode *i = &fs->inode[ino];
	struct entry *e;
	uint32_t n;

	fprintf(out, "%*s%s%s", depth * 2, "", name, i->kind == INODE_DIR ? "/\n" : "");
	if (i->kind == INODE_FILE)
		fprintf(out, " %" PRIu64 " bytes, %" PRIu64 " durable%s\n", i->cur.size,
			i->dur.size, i->mapped ? ", mapped" : "");
	depth++;
	for (uint32_t k = 0; k < i->log_count; k++)
		dump_op(out, &i->log[k], depth);
	e = sorted(i->names, &n);
	for (uint32_t k = 0; k < n; k++)
		dump(fs, out, e[k].name, e[k].ino, depth);
	free(e);
}

void sim_fs_dump(struct sim_fs *fs, FILE *out)
{
	pthread_mutex_lock(&fs->mu);
	dump(fs, out, "", INO_ROOT, 0);
	pthread_mutex_unlock(&fs->mu);
}
