/*
 * No engine, but what an engine stands on: a file that has its length, into which
 * each put is written where the last one ended, and flushed. What one thread of a
 * store can do when every put survives the loss of power is compared with this.
 */
#include "../engine.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct device {
	int fd;
	uint64_t size;
	_Atomic uint64_t end;
};

static void version(char *out, size_t size)
{
	snprintf(out, size, "1");
}

static void *open_store(const struct engine_options *o)
{
	enum { PIECE = 1 << 20 };
	struct device *d = xcalloc(1, sizeof(*d));
	char *zeros = xcalloc(1, PIECE), path[4096];

	if (o->durability != SURVIVES_POWER)
		unsupported("the device alone is of interest where each put is flushed");
	snprintf(path, sizeof(path), "%s/file", o->dir);
	d->fd = open(path, O_RDWR | O_CREAT, 0666);
	if (d->fd < 0)
		die("device: %s: cannot be made", path);
	/* Room for all puts, written once: so a flush has no length or place to note. */
	for (d->size = 0; d->size < 2 * o->data_bytes; d->size += PIECE)
		if (pwrite(d->fd, zeros, PIECE, (off_t)d->size) != PIECE)
			die("device: cannot be written");
	if (fsync(d->fd) != 0)
		die("device: cannot be flushed");
	free(zeros);
	return d;
}

static void close_store(void *db)
{
	struct device *d = db;

	close(d->fd);
	free(d);
}

static void put(void *db, struct bytes key, struct bytes value)
{
	struct device *d = db;
	size_t size = key.size + value.size;
	uint64_t at = atomic_fetch_add_explicit(&d->end, size, memory_order_relaxed);
	char record[4096];

	if (size > sizeof(record))
		die("device: an entry of %zu bytes", size);
	memcpy(record, key.data, key.size);
	memcpy(record + key.size, value.data, value.size);
	at %= d->size - size;
	if (pwrite(d->fd, record, size, (off_t)at) != (ssize_t)size || fdatasync(d->fd) != 0)
		die("device: cannot be written");
}

static uint64_t settle(void *db, const struct engine_options *o)
{
	(void)db;
	(void)o;
	return 0;
}

const struct engine engine_device = {
	.name = "device",
	.version = version,
	.open = open_store,
	.close = close_store,
	.put = put,
	.settle = settle,
};
