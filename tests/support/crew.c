#include "support/crew.h"

#include "support/test.h"

#include "base/rand.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	PARTS = 3, /* entries of a batch */
	VALUE = 200,
	ALL = (1 << PARTS) - 1,
	FIRST = 5, /* the parts of each family */
	SECOND = 2,
	BEHIND = 50, /* numbers behind the last that are looked at */
};

/* ---- acknowledgements ---- */

struct crew_acks *crew_acks_new(void)
{
	struct crew_acks *acks = mmap(NULL, sizeof(*acks), PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(acks != MAP_FAILED);
	return acks;
}

void crew_acks_free(struct crew_acks *acks)
{
	munmap(acks, sizeof(*acks));
}

void crew_acks_copy(struct crew_acks *acks, uint32_t next[CREW_WRITERS])
{
	for (int i = 0; i < CREW_WRITERS; i++)
		next[i] = atomic_load(&acks->next[i]);
}

/* ---- the store ---- */

shale_options crew_options(shale_durability durability)
{
	shale_options o = SHALE_OPTIONS_INIT;

	o.durability = durability;
	o.sync_interval_ms = 5;
	o.memory_budget = 8 << 20;
	o.memtable_bytes = 128 << 10;
	o.default_cf.compaction.table_bytes = 64 << 10;
	o.default_cf.compaction.base_bytes = 256 << 10;
	return o;
}

shale_status crew_try_open(const char *dir, const shale_options *o, struct crew_store *s)
{
	shale_status rc = shale_open(dir, o, &s->db);

	if (rc < 0)
		return rc;
	rc = shale_cf_open(s->db, "second", &s->second);
	if (rc == SHALE_NOT_FOUND && !o->read_only)
		rc = shale_cf_create(s->db, "second", &o->default_cf, &s->second);
	if (rc != SHALE_OK) {
		shale_error why = *shale_last_error();

		shale_close(s->db);
		print_message("no second family: %s\n", why.text);
	}
	return rc;
}

void crew_open(const char *dir, const shale_options *o, struct crew_store *s)
{
	assert_ok(crew_try_open(dir, o, s));
}

void crew_close(struct crew_store *s)
{
	shale_cf_release(s->second);
	assert_ok(shale_close(s->db));
}

/* ---- writing ---- */

static void make_key(char *out, uint32_t writer, uint32_t number, uint32_t part)
{
	sprintf(out, "w%u:%08u:%u", writer, number, part);
}

static void make_value(uint8_t *out, uint32_t writer, uint32_t number)
{
	struct rand r;

	rand_seed(&r, (uint64_t)writer << 32 | number);
	for (int i = 0; i < VALUE; i += 8) {
		uint64_t word = rand_next(&r);

		memcpy(out + i, &word, 8);
	}
}

shale_status crew_write(struct crew_store *s, shale_batch *b, uint32_t writer, uint32_t number)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	shale_status rc = SHALE_OK;
	uint8_t value[VALUE];
	char key[32];

	shale_batch_clear(b);
	make_value(value, writer, number);
	for (uint32_t part = 0; part < PARTS && rc >= 0; part++) {
		make_key(key, writer, number, part);
		o.cf = part % 2 != 0 ? s->second : NULL;
		rc = shale_batch_put(b, &o, shale_str(key), shale_bytes(value, VALUE));
	}
	return rc < 0 ? rc : shale_write(s->db, NULL, b);
}

struct member {
	struct crew_store *s;
	struct crew_acks *acks;
	uint32_t id;
};

/* In a child: cmocka's assertions would unwind a copy of the parent. */
static void must(shale_status rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "%s: %s: %s\n", what, shale_status_name(rc), shale_last_error()->text);
	_exit(3);
}

static void *write_on(void *arg)
{
	struct member *m = arg;
	shale_batch *b;

	must(shale_batch_new(&b), "batch");
	for (uint32_t n = atomic_load(&m->acks->next[m->id]);; n++) {
		must(crew_write(m->s, b, m->id, n), "write");
		atomic_store(&m->acks->next[m->id], n + 1);
	}
	return NULL;
}

static _Noreturn void tend(struct crew_store *s, uint64_t seed)
{
	shale_flush_options fo = SHALE_FLUSH_OPTIONS_INIT;
	shale_compact_options co = SHALE_COMPACT_OPTIONS_INIT;
	struct rand r;

	rand_seed(&r, seed);
	for (;;) {
		shale_cf *cf = rand_below(&r, 2) != 0 ? s->second : NULL;

		switch (rand_below(&r, 4)) {
		case 0:
			fo.cf = cf;
			must(shale_flush(s->db, &fo), "flush");
			break;
		case 1:
			co.cf = cf;
			must(shale_compact(s->db, &co), "compact");
			break;
		default:
			usleep((useconds_t)rand_below(&r, 8000));
		}
	}
}

void crew_work(const char *dir, shale_durability durability, uint64_t seed, struct crew_acks *acks)
{
	static struct member members[CREW_WRITERS];
	static struct crew_store s;
	shale_options o = crew_options(durability);
	pthread_t threads[CREW_WRITERS];

	must(crew_try_open(dir, &o, &s), "open");
	atomic_store(&acks->opened, 1);
	for (uint32_t i = 0; i < CREW_WRITERS; i++) {
		members[i] = (struct member){ &s, acks, i };
		if (pthread_create(&threads[i], NULL, write_on, &members[i]) != 0)
			_exit(2);
	}
	tend(&s, seed);
}

/* ---- checking ---- */

/* Which of a batch's entries are there, as bits; those that are must be right. */
static uint32_t parts_present(struct crew_store *s, uint32_t writer, uint32_t number)
{
	shale_read_options o = SHALE_READ_OPTIONS_INIT;
	uint8_t value[VALUE];
	uint32_t present = 0;
	char key[32];

	make_value(value, writer, number);
	for (uint32_t part = 0; part < PARTS; part++) {
		shale_value v;
		shale_status rc;

		o.cf = part % 2 != 0 ? s->second : NULL;
		make_key(key, writer, number, part);
		rc = shale_get(s->db, &o, shale_str(key), &v);
		if (rc == SHALE_NOT_FOUND)
			continue;
		assert_ok(rc);
		assert_int_equal(v.size, VALUE);
		assert_memory_equal(v.data, value, VALUE);
		shale_value_release(&v);
		present |= 1u << part;
	}
	return present;
}

void crew_check_logged(struct crew_store *s, uint32_t writer, uint32_t *next)
{
	uint32_t n = 0, present;

	while ((present = parts_present(s, writer, n)) == ALL)
		n++;
	if (present != 0)
		fail_msg("writer %u: of batch %u only the parts %x are there", writer, n, present);
	if (n < *next)
		fail_msg("writer %u: batch %u of %u acknowledged is lost", writer, n, *next);
	for (uint32_t k = n; k < n + BEHIND; k++)
		assert_int_equal(parts_present(s, writer, k), 0);
	*next = n;
}

void crew_check_unlogged(struct crew_store *s, uint32_t writer, uint32_t from, uint32_t *next)
{
	uint32_t family[2] = { FIRST, SECOND }, most = 0;

	for (int f = 0; f < 2; f++) {
		uint32_t n = from;

		while ((parts_present(s, writer, n) & family[f]) == family[f])
			n++;
		for (uint32_t k = n; k < *next + BEHIND; k++)
			assert_int_equal(parts_present(s, writer, k) & family[f], 0);
		most = n > most ? n : most;
	}
	*next = (most > *next ? most : *next) + 2 * BEHIND;
}
