/*
 * Several reads that wait for the device together, by io_uring. A ring serves one
 * call at a time; a few of them are kept for the process, made when first needed,
 * and whoever finds none free reads one after another. So does everybody where the
 * kernel gives no ring, and in the child of a fork(), which must not touch the
 * rings it shares with its parent.
 *
 * Reads are handed to the kernel a few at a time, so that the device begins with the
 * first while the pages for the next are being found (decision 40).
 *
 * Rings live as long as the process, which is what the system they belong to does.
 */
#include "env/posix.h"

#include <liburing.h>

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

enum { RINGS = 8, DEPTH = 64, WORTH_IT = 2, AT_ONCE = 4 };

enum ring_state { UNMADE, BUSY, READY, REFUSED };

struct ring {
	_Atomic int state;
	pid_t owner;
	struct io_uring uring;
};

static struct ring rings[RINGS];

static bool ring_claim(struct ring *r, int from)
{
	/* Acquire: what the last user did comes before. */
	return atomic_compare_exchange_strong_explicit(&r->state, &from, BUSY, memory_order_acquire,
						       memory_order_relaxed);
}

static void ring_give_back(struct ring *r, int state)
{
	atomic_store_explicit(&r->state, state, memory_order_release);
}

static struct ring *ring_take(void)
{
	for (int i = 0; i < RINGS; i++) {
		struct ring *r = &rings[i];

		if (ring_claim(r, READY)) {
			if (r->owner == getpid())
				return r;
			ring_give_back(r, REFUSED);
		} else if (ring_claim(r, UNMADE)) {
			if (io_uring_queue_init(DEPTH, &r->uring, 0) == 0) {
				r->owner = getpid();
				return r;
			}
			ring_give_back(r, REFUSED);
			return NULL;
		}
	}
	return NULL;
}

/* Whether this result says nothing of the file, but that the ring did not serve. */
static bool not_served(const shale_read *r)
{
	/* EINVAL: posix_pread() finds out whether the file cannot be read past the page cache. */
	return r->result == -EAGAIN || r->result == -EINTR || r->result == -EINVAL;
}

static size_t ring_reap(struct ring *r)
{
	struct io_uring_cqe *cqe;
	size_t n = 0;

	for (; io_uring_peek_cqe(&r->uring, &cqe) == 0; n++) {
		shale_read *one = io_uring_cqe_get_data(cqe);

		one->result = cqe->res;
		io_uring_cqe_seen(&r->uring, cqe);
	}
	return n;
}

/*
 * At most DEPTH reads; what gets no result keeps its -EAGAIN. Whatever happens,
 * nothing is under way when this returns: the buffers are the caller's. False: the
 * ring is not to be used again.
 */
static bool ring_read(struct ring *r, shale_read *reads, size_t n)
{
	size_t submitted = 0, done = 0;
	bool sound = true;
	int rc;

	for (size_t i = 0; i < n; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&r->uring);

		io_uring_prep_read(sqe, reads[i].file->fd, reads[i].buf, (unsigned)reads[i].n,
				   reads[i].offset);
		io_uring_sqe_set_data(sqe, &reads[i]);
		/* What it does not take is handed over again below, and errors are seen there. */
		rc = (i + 1) % AT_ONCE == 0 ? io_uring_submit(&r->uring) : 0;
		submitted += rc > 0 ? (size_t)rc : 0;
	}
	while (done < (sound ? n : submitted)) {
		struct io_uring_cqe *cqe;

		if (sound && submitted < n) {
			rc = io_uring_submit_and_wait(&r->uring, 1);
			submitted += rc > 0 ? (size_t)rc : 0;
			/* Interrupted or short of memory: again, as long as others end meanwhile. */
			sound = rc >= 0 || rc == -EINTR || done < submitted;
		} else {
			(void)io_uring_wait_cqe(&r->uring, &cqe);
		}
		done += ring_reap(r);
	}
	return sound;
}

void posix_read_many(void *self, shale_read *reads, size_t n)
{
	struct ring *r = n >= WORTH_IT ? ring_take() : NULL;
	bool sound = true;

	for (size_t i = 0; i < n; i++) {
		reads[i].result = -EAGAIN;
		(void)posix_goes_direct(reads[i].file, reads[i].buf, reads[i].n, reads[i].offset);
	}
	for (size_t i = 0; r != NULL && sound && i < n; i += DEPTH)
		sound = ring_read(r, reads + i, n - i < DEPTH ? n - i : DEPTH);
	if (r != NULL)
		ring_give_back(r, sound ? READY : REFUSED);
	for (size_t i = 0; i < n; i++)
		if (not_served(&reads[i]))
			reads[i].result = posix_pread(self, reads[i].file, reads[i].buf, reads[i].n,
						      reads[i].offset);
}
