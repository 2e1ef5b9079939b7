/*
 * Reads and writes of the simulated disk that go astray: the firmware says yes and
 * means another place. What a misdirected write hits is as good as written, for
 * reads and for crashes; where it was meant to go nothing has changed, but that the
 * file has grown as it would have.
 */
#include "env/sim_disk.h"

struct place {
	struct inode *i; /* NULL: there is none */
	uint64_t offset;
};

static bool holds(const struct inode *i, uint64_t bytes)
{
	return i->kind == INODE_FILE && i->nlink != 0 && i->cur.size >= bytes;
}

/* A sector from which n bytes of a file lie, but not at `offset` of `ino`. */
static struct place other_place(struct sim_fs *fs, uint32_t ino, uint64_t offset, size_t n)
{
	uint32_t at = ino;

	/* As likely in this file as in another. */
	if (!holds(&fs->inode[ino], n + SIM_SECTOR) || rand_below(&fs->rand, 2) != 0)
		at = (uint32_t)rand_below(&fs->rand, fs->inode_count);
	for (uint32_t tries = 0; tries < fs->inode_count; tries++, at++) {
		struct inode *i = &fs->inode[at % fs->inode_count];
		uint64_t sectors, sector;

		if (!holds(i, n))
			continue;
		sectors = (i->cur.size - n) / SIM_SECTOR + 1;
		sector = rand_below(&fs->rand, sectors);
		if (i == &fs->inode[ino] && sector * SIM_SECTOR == offset)
			sector = (sector + 1) % sectors;
		if (i != &fs->inode[ino] || sector * SIM_SECTOR != offset)
			return (struct place){ i, sector * SIM_SECTOR };
	}
	return (struct place){ NULL, 0 };
}

void sim_stray_read(struct sim_fs *fs, enum sim_stray stray, uint32_t ino, uint64_t offset,
		    void *buf, size_t n)
{
	struct place p = { NULL, 0 };

	if (stray == SIM_STRAY_MISDIRECTED)
		p = other_place(fs, ino, offset, n);
	if (p.i != NULL)
		sim_image_read(&p.i->cur, p.offset, buf, n);
	else
		memset(buf, 0, n);
}

bool sim_stray_write(struct sim_fs *fs, enum sim_stray stray, uint32_t ino, uint64_t offset,
		     const void *buf, size_t n)
{
	struct inode *meant = &fs->inode[ino];
	struct place p = { NULL, 0 };

	if (stray == SIM_STRAY_MISDIRECTED)
		p = other_place(fs, ino, offset, n);
	if (p.i != NULL) {
		if (!sim_image_write(&p.i->cur, p.offset, buf, n))
			return false;
		sim_inode_log(fs, p.i, OP_WRITE, 0, p.offset, buf, n);
	}
	if (offset + n > meant->cur.size) {
		sim_inode_log(fs, meant, OP_EXTEND, 0, offset + n, NULL, 0);
		sim_image_resize(&meant->cur, offset + n);
	}
	return true;
}
