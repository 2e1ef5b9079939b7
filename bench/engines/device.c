/*
 * No engine, but what an engine stands on: a file that has its length, into which
 * each put is written where the last one ended, and flushed. What a store can do when
 * every put survives the loss of power, and no put shares a flush, is compared with this.
 */
#include "../engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
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
		die("device: %s: cannot be made: %s", path, strerror(errno));
	/* Room for all puts, written once: so a flush has no length or place to note. */
	for (ssize_t n; d->size < 2 * o->data_bytes; d->size += (uint64_t)n)
		if ((n = pwrite(d->fd, zeros, PIECE, (off_t)d->size)) < 0)
			die("device: %s: cannot be written: %s", path, strerror(errno));
	if (fsync(d->fd) != 0)
		die("device: %s: cannot be flushed: %s", path, strerror(errno));
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
	struct iovec part[] = { { (void *)key.data, key.size },
				{ (void *)value.data, value.size } };

	at %= d->size - size;
	if (pwritev(d->fd, part, 2, (off_t)at) != (ssize_t)size || fdatasync(d->fd) != 0)
		die("device: cannot be written: %s", strerror(errno));
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
