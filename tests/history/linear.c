/*
 * Linearizability of single keys, after Wing and Gong ("Testing and Verifying
 * Concurrent Objects", 1993) with a memory of states tried, after Lowe.
 *
 * The calls and returns of one key lie in a list in order of time. The search takes
 * any call before the first return as the next to happen, if the register allows it,
 * lifts it out with its return, and goes on from the front; at a return that is still
 * there it goes back. A state (set of calls that happened, value) that was reached
 * before is not entered again. Sets are known by a sum of random numbers of 128 bits.
 *
 * A write that never returned has its return at the end of time, and need not happen.
 */
#include "history/history.h"

#include "base/rand.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct event {
	struct event *prev, *next;
	struct event *ret; /* of a call; NULL: this is a return, or the head */
	uint64_t time;
	uint64_t mark[2];
	uint32_t id;
	bool write, never;
};

struct memo {
	struct state {
		uint64_t mark[2];
		uint32_t value;
		bool used;
	} * at;
	size_t count, cap;
};

static void *must(void *p)
{
	if (p == NULL)
		abort();
	return p;
}

static struct state *memo_slot(struct memo *m, const struct state *s)
{
	size_t i = (size_t)(s->mark[0] ^ s->value * UINT64_C(0x9e3779b97f4a7c15)) & (m->cap - 1);

	while (m->at[i].used && (m->at[i].mark[0] != s->mark[0] || m->at[i].mark[1] != s->mark[1] ||
				 m->at[i].value != s->value))
		i = (i + 1) & (m->cap - 1);
	return &m->at[i];
}

/* False if it was there. */
static bool memo_add(struct memo *m, const struct state *s)
{
	struct state *slot;

	if (m->count * 2 >= m->cap) {
		struct memo bigger = { .cap = m->cap * 2, .count = m->count };

		bigger.at = must(calloc(bigger.cap, sizeof(*bigger.at)));
		for (size_t i = 0; i < m->cap; i++)
			if (m->at[i].used)
				*memo_slot(&bigger, &m->at[i]) = m->at[i];
		free(m->at);
		*m = bigger;
	}
	slot = memo_slot(m, s);
	if (slot->used)
		return false;
	*slot = *s;
	slot->used = true;
	m->count++;
	return true;
}

static int by_time(const void *a, const void *b)
{
	const struct event *x = *(struct event *const *)a, *y = *(struct event *const *)b;

	return x->time < y->time ? -1 : x->time > y->time;
}

/* The events of one key in order of time, behind `head`. How many calls. */
static size_t events_of(const struct history *h, uint32_t key, struct event *all,
			struct event **order, struct event *head)
{
	size_t n = 0;
	struct rand rand;

	rand_seed(&rand, key);
	for (size_t i = 0; i < h->count; i++) {
		const struct h_op *op = &h->op[i];

		for (uint32_t k = 0; k < op->count; k++) {
			struct event *call = &all[n], *ret = &all[n + 1];

			if (op->part[k].key != key ||
			    (op->kind == H_READ &&
			     (op->end == H_NEVER || op->start >= h->unheard_from)))
				continue;
			*call = (struct event){ .ret = ret, .time = op->start };
			call->id = op->part[k].id;
			call->write = op->kind == H_WRITE;
			call->never = op->end == H_NEVER;
			call->mark[0] = rand_next(&rand);
			call->mark[1] = rand_next(&rand);
			*ret = (struct event){ .time = op->end };
			order[n] = call;
			order[n + 1] = ret;
			n += 2;
		}
	}
	qsort(order, n, sizeof(*order), by_time);
	*head = (struct event){ 0 };
	for (size_t i = 0; i < n; i++) {
		struct event *before = i != 0 ? order[i - 1] : head;

		before->next = order[i];
		order[i]->prev = before;
		order[i]->next = NULL;
	}
	return n / 2;
}

static void drop(struct event *e)
{
	e->prev->next = e->next;
	if (e->next != NULL)
		e->next->prev = e->prev;
}

static void put_back(struct event *e)
{
	e->prev->next = e;
	if (e->next != NULL)
		e->next->prev = e;
}

/* Have all that are left never returned? They need not have happened. */
static bool only_never(const struct event *head)
{
	for (const struct event *e = head->next; e != NULL; e = e->next)
		if (e->ret != NULL && !e->never)
			return false;
	return true;
}

static bool search(struct event *head, uint32_t value, size_t calls)
{
	struct memo memo = { .cap = 1024 };
	struct undo {
		struct event *call;
		uint32_t value;
	} *stack = must(malloc((calls + 1) * sizeof(*stack)));
	struct state s = { .value = value };
	size_t depth = 0;
	bool ok = true;

	memo.at = must(calloc(memo.cap, sizeof(*memo.at)));
	for (struct event *e = head->next; e != NULL && !only_never(head);) {
		struct state next = s;

		if (e->ret == NULL) {
			/* Somebody had returned, and has not happened: it was another order. */
			ok = depth != 0;
			if (!ok)
				break;
			e = stack[--depth].call;
			s.value = stack[depth].value;
			s.mark[0] -= e->mark[0];
			s.mark[1] -= e->mark[1];
			put_back(e->ret);
			put_back(e);
			e = e->next;
			continue;
		}
		next.mark[0] += e->mark[0];
		next.mark[1] += e->mark[1];
		next.value = e->write ? e->id : s.value;
		if ((!e->write && e->id != s.value) || !memo_add(&memo, &next)) {
			e = e->next;
			continue;
		}
		stack[depth++] = (struct undo){ e, s.value };
		s = next;
		drop(e);
		drop(e->ret);
		e = head->next;
	}
	free(memo.at);
	free(stack);
	return ok;
}

const char *history_check_keys(const struct history *h)
{
	static char text[128];
	size_t parts = 1;
	struct event *all, **order, head;
	const char *wrong = NULL;

	for (size_t i = 0; i < h->count; i++)
		parts += h->op[i].count;
	all = must(malloc(2 * parts * sizeof(*all)));
	order = must(malloc(2 * parts * sizeof(struct event *)));
	for (uint32_t key = 0; key < H_KEYS && wrong == NULL; key++) {
		size_t calls = events_of(h, key, all, order, &head);

		if (search(&head, h->initial[key], calls))
			continue;
		snprintf(text, sizeof(text), "key %" PRIu32 " is not linearizable", key);
		wrong = text;
	}
	free(all);
	free(order);
	return wrong;
}
