/*
 * Mixed streams are drawn part by part, as the threads will have them, so that what
 * a thread reads because it is new was written by itself. New keys of a part have
 * numbers of its own above those of the store.
 */
#include "mixes.h"

#include <string.h>

/* Per cent of each kind; what remains are gets. */
static const struct ycsb {
	char letter;
	unsigned update, insert, modify, scan;
	bool latest; /* reads prefer what was inserted last; else Zipf over all */
} ycsb[] = {
	{ 'a', 50, 0, 0, 0, false }, { 'b', 5, 0, 0, 0, false },  { 'c', 0, 0, 0, 0, false },
	{ 'd', 0, 5, 0, 0, true },   { 'e', 0, 5, 0, 95, false }, { 'f', 0, 0, 50, 0, false },
};

static void ycsb_part(const struct ycsb *y, const struct sizes *z, const struct zipf *zipf,
		      uint64_t seed, uint64_t from, uint64_t to, uint64_t first_new,
		      struct stream *out)
{
	uint64_t inserted = 0;

	for (uint64_t i = from; i < to; i++) {
		uint64_t rank = zipf_rank(zipf, draw(seed + 1, i));
		uint64_t kind = below(draw(seed, i), 100);
		uint64_t number = below(draw(11, rank), z->num);

		if (kind < y->update) {
			out->kinds[i] = OP_PUT;
		} else if (kind < y->update + y->insert) {
			out->kinds[i] = OP_PUT;
			number = first_new + inserted++;
			out->inserts++;
		} else if (kind < y->update + y->insert + y->modify) {
			out->kinds[i] = OP_MODIFY;
		} else {
			out->kinds[i] = y->scan != 0 ? OP_SEEK : OP_GET;
			if (y->latest)
				number = rank < inserted ? first_new + inserted - 1 - rank
							 : z->num - 1 - (rank - inserted) % z->num;
		}
		key_make(z->keys, 2 * number, out->keys + i * KEY_SIZE);
	}
}

static bool ycsb_new(char letter, const struct sizes *z, uint64_t count, uint64_t turn,
		     struct stream *out)
{
	const struct ycsb *y = NULL;
	struct zipf zipf;

	for (size_t i = 0; i < sizeof(ycsb) / sizeof(ycsb[0]); i++)
		if (ycsb[i].letter == letter)
			y = &ycsb[i];
	if (y == NULL)
		return false;
	zipf = zipf_new(z->num);
	if (y->scan != 0)
		count = count / 5 + 1;
	stream_alloc(out, count, true);
	out->nexts = 50; /* the middle of YCSB's 1 to 100 */
	for (unsigned t = 0; t < z->threads; t++)
		ycsb_part(y, z, &zipf, 1000 * turn + (uint64_t)letter, count * t / z->threads,
			  count * (t + 1) / z->threads, z->num * (2 + turn * z->threads + t), out);
	return true;
}

/* Half puts of new keys that live for a window, half gets of those written lately. */
static void ttl_new(const struct sizes *z, uint64_t count, uint64_t turn, struct stream *out)
{
	stream_alloc(out, count, true);
	out->window = count / z->threads / 10 + 1;
	for (unsigned t = 0; t < z->threads; t++) {
		uint64_t first = z->num * (1000 + turn * z->threads + t), put = 0;

		for (uint64_t i = count * t / z->threads; i < count * (t + 1) / z->threads; i++) {
			bool is_put = put == 0 || draw(31, i) % 2 == 0;
			uint64_t number = first + put;

			out->kinds[i] = is_put ? OP_PUT_TTL : OP_GET_MAYBE;
			if (is_put)
				put++;
			else
				number -= 1 + below(draw(32, i),
						    put < 2 * out->window ? put : 2 * out->window);
			key_make(KEY_RANDOM, 2 * number, out->keys + i * KEY_SIZE);
		}
	}
}

/* Of the points of a part, how many the last deletion leaves. */
static uint64_t series_stay(const struct stream *s, uint64_t from, uint64_t to)
{
	uint64_t first = from, last = to, points = 0;

	while (last > from && s->kinds[last - 1] != OP_RETAIN)
		last--;
	if (last > from && last - 1 - from >= s->window)
		first = last - 1 - s->window;
	for (uint64_t i = first; i < to; i++)
		points += s->kinds[i] == OP_PUT;
	return points;
}

/*
 * Points in the order of time; now and then the last hundred are read, and after
 * every tenth of a window what is older than a window is deleted.
 */
static void series_new(const struct sizes *z, uint64_t count, struct stream *out)
{
	stream_alloc(out, count, true);
	out->nexts = 100;
	out->window = count / z->threads / 5 + 1;
	for (unsigned t = 0; t < z->threads; t++) {
		uint64_t from = count * t / z->threads, to = count * (t + 1) / z->threads;

		for (uint64_t i = from; i < to; i++) {
			uint64_t age = i - from, time = ((uint64_t)t << 48) + 1000 + age;

			out->kinds[i] = OP_PUT;
			if (age % (out->window / 10 + 1) == out->window / 10) {
				out->kinds[i] = OP_RETAIN;
			} else if (age > 200 && age % 100 == 0) {
				out->kinds[i] = OP_SEEK;
				time -= 100;
			}
			key_make(KEY_TIME, time, out->keys + i * KEY_SIZE);
		}
		out->inserts += series_stay(out, from, to);
	}
}

bool mix_new(const char *name, const struct sizes *z, uint64_t count, uint64_t turn,
	     struct stream *out)
{
	if (strncmp(name, "ycsb", 4) == 0 && strlen(name) == 5)
		return ycsb_new(name[4], z, count, turn, out);
	if (strcmp(name, "ttlmix") == 0)
		ttl_new(z, count, turn, out);
	else if (strcmp(name, "timeseries") == 0)
		series_new(z, count, out);
	else
		return false;
	return true;
}
