/*
 * The verbs of workloads: each calls the store and tells the model what was begun,
 * what was acknowledged, and what of it a power cut cannot take any more.
 */
#include "crash/image.h"

shale_slice make_key(char *out, size_t k)
{
	sprintf(out, "key%03zu", k);
	return shale_str(out);
}

/* The size goes by the number. */
static const uint32_t large = UINT32_C(1) << 30;

shale_slice make_value(char *out, uint32_t id)
{
	sprintf(out, "%u %0*d", id, (int)(id < large ? id * 37 % 300 : 1200 + id * 37 % 600), 0);
	return shale_str(out);
}

void store_open_new(struct run *r)
{
	shale_options o = r->options;
	shale_status rc;

	o.env = sim_env(r->sim);
	rc = shale_open(DIR, &o, &r->db);
	CHECK(r, rc == SHALE_OK, "open gave %s", shale_status_name(rc));
	for (uint8_t i = 1; i < INSTANCES; i++) {
		if (!model_has(&r->model, r->now.made, i))
			continue;
		rc = shale_cf_open(r->db, instance_name(i), &r->cf[i]);
		CHECK(r, rc == SHALE_OK, "cf_open gave %s", shale_status_name(rc));
	}
}

void store_close_all(struct run *r)
{
	shale_status rc;

	for (uint8_t i = 1; i < INSTANCES; i++) {
		shale_cf_release(r->cf[i]);
		r->cf[i] = NULL;
	}
	rc = shale_close(r->db);
	CHECK(r, rc == SHALE_OK, "close gave %s", shale_status_name(rc));
	r->now.synced = r->now.acked;
}

static void acked(struct run *r, size_t commit, uint64_t seq, shale_durability durability)
{
	struct demand *d = &r->now;

	r->model.commit[commit].seq = seq;
	/* Without a log only a flush keeps anything. */
	if (seq > d->acked && r->options.durability != SHALE_EPHEMERAL)
		d->acked = seq;
	if (seq > d->synced &&
	    (durability == SHALE_DURABLE || r->options.durability == SHALE_DURABLE))
		d->synced = seq;
}

static size_t begin(struct run *r)
{
	model_begin(&r->model);
	r->now.begun = r->model.commits;
	return r->model.commits - 1;
}

/* `seen`: what a reader finds afterwards. */
static void put(struct run *r, shale_write_options *o, uint8_t instance, size_t key, uint32_t id,
		uint32_t seen)
{
	size_t c = begin(r);
	char k[16], v[VALUE_ROOM];
	shale_seq seq = 0;
	shale_status rc;

	model_op(&r->model, instance, key, key + 1, seen);
	o->cf = r->cf[instance];
	o->seq_out = &seq;
	rc = shale_put(r->db, o, make_key(k, key), make_value(v, id));
	CHECK(r, rc == SHALE_OK && seq != 0, "put gave %s", shale_status_name(rc));
	acked(r, c, seq, o->durability);
}

void op_put(struct run *r, uint8_t instance, size_t key, shale_durability durability)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	uint32_t id = ++r->model.next_id;

	o.durability = durability;
	put(r, &o, instance, key, id, id);
}

void op_put_large(struct run *r, size_t key)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	uint32_t id = ++r->model.next_id | large;

	put(r, &o, 0, key, id, id);
}

void op_put_expiring(struct run *r, size_t key, uint64_t ttl_ms)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;

	o.ttl_ms = ttl_ms;
	put(r, &o, 0, key, ++r->model.next_id, 0);
}

void op_delete(struct run *r, size_t key)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	size_t c = begin(r);
	shale_seq seq = 0;
	char k[16];

	model_op(&r->model, 0, key, key + 1, 0);
	o.seq_out = &seq;
	CHECK(r, shale_delete(r->db, &o, make_key(k, key)) == SHALE_OK, "delete");
	acked(r, c, seq, SHALE_DEFAULT_DURABILITY);
}

void op_delete_range(struct run *r, size_t lo, size_t hi)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	size_t c = begin(r);
	shale_seq seq = 0;
	char a[16], b[16];

	model_op(&r->model, 0, lo, hi, 0);
	o.seq_out = &seq;
	CHECK(r, shale_delete_range(r->db, &o, make_key(a, lo), make_key(b, hi)) == SHALE_OK,
	      "delete_range");
	acked(r, c, seq, SHALE_DEFAULT_DURABILITY);
}

/* A family that is there; 0 always is. */
static uint8_t pick_family(struct run *r, struct rand *rand)
{
	uint8_t i = (uint8_t)rand_below(rand, INSTANCES);

	return r->cf[i] != NULL ? i : 0;
}

static void batch_one(struct run *r, struct rand *rand, shale_batch *b, bool wide)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	uint8_t family = wide ? pick_family(r, rand) : 0;
	size_t k = rand_below(rand, KEYS), hi = k + 1 + rand_below(rand, 5);
	uint64_t dice = rand_below(rand, 12);
	char key[16], end[16], value[VALUE_ROOM];
	uint32_t id = 0;
	shale_status rc;

	hi = dice != 0 ? k + 1 : hi < KEYS ? hi : KEYS;
	o.cf = r->cf[family];
	make_key(key, k);
	if (dice == 0) {
		rc = shale_batch_delete_range(b, &o, shale_str(key), make_key(end, hi));
	} else if (dice == 1) {
		rc = shale_batch_delete(b, &o, shale_str(key));
	} else {
		id = ++r->model.next_id;
		rc = shale_batch_put(b, &o, shale_str(key), make_value(value, id));
	}
	CHECK(r, rc == SHALE_OK, "batch");
	model_op(&r->model, family, k, hi, id);
}

void op_batch(struct run *r, struct rand *rand, size_t most, bool wide)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	size_t n = 1 + rand_below(rand, most), c = begin(r);
	shale_seq seq = 0;
	shale_batch *b;

	CHECK(r, shale_batch_new(&b) == SHALE_OK, "batch");
	for (size_t i = 0; i < n; i++)
		batch_one(r, rand, b, wide);
	o.seq_out = &seq;
	CHECK(r, shale_write(r->db, &o, b) == SHALE_OK, "write");
	acked(r, c, seq, SHALE_DEFAULT_DURABILITY);
	shale_batch_free(b);
}

/* So many puts as one, which takes room in the log. */
void op_bulk(struct run *r, size_t puts)
{
	shale_write_options o = SHALE_WRITE_OPTIONS_INIT;
	size_t c = begin(r);
	shale_seq seq = 0;
	shale_batch *b;

	CHECK(r, shale_batch_new(&b) == SHALE_OK, "batch");
	for (size_t i = 0; i < puts; i++) {
		uint32_t id = ++r->model.next_id;
		char key[16], value[VALUE_ROOM];

		make_key(key, i % KEYS);
		CHECK(r,
		      shale_batch_put(b, NULL, shale_str(key), make_value(value, id)) == SHALE_OK,
		      "batch");
		model_op(&r->model, 0, i % KEYS, i % KEYS + 1, id);
	}
	o.seq_out = &seq;
	CHECK(r, shale_write(r->db, &o, b) == SHALE_OK, "write");
	acked(r, c, seq, SHALE_DEFAULT_DURABILITY);
	shale_batch_free(b);
}

void op_put_fails(struct run *r, size_t key, bool refused)
{
	uint32_t id = ++r->model.next_id;
	char k[16], v[VALUE_ROOM];
	shale_status rc;

	if (!refused) {
		size_t c = begin(r);

		model_op(&r->model, 0, key, key + 1, id);
		r->model.commit[c].unsure = true;
	}
	rc = shale_put(r->db, NULL, make_key(k, key), make_value(v, id));
	CHECK(r, rc < 0, "a put succeeds where it must fail");
	CHECK(r, shale_last_error()->status == rc && shale_last_error()->text[0] != '\0',
	      "no sentence");
}

static uint8_t event_begin(struct run *r, bool drop, uint8_t instance)
{
	struct model *m = &r->model;

	assert_true(m->events < EVENTS_MAX && instance < INSTANCES);
	m->event[m->events++] = (struct event){ drop, instance };
	r->now.making = m->events;
	return instance;
}

uint8_t op_create(struct run *r)
{
	uint8_t i = event_begin(r, false, ++r->model.instances);
	shale_status rc =
		shale_cf_create(r->db, instance_name(i), &r->options.default_cf, &r->cf[i]);

	CHECK(r, rc == SHALE_OK, "cf_create gave %s", shale_status_name(rc));
	r->now.made = r->now.making;
	return i;
}

void op_drop(struct run *r, uint8_t instance)
{
	shale_status rc;

	event_begin(r, true, instance);
	rc = shale_cf_drop(r->db, instance_name(instance));
	CHECK(r, rc == SHALE_OK, "cf_drop gave %s", shale_status_name(rc));
	shale_cf_release(r->cf[instance]);
	r->cf[instance] = NULL;
	r->now.made = r->now.making;
}

void op_flush(struct run *r)
{
	shale_stats stats = SHALE_STATS_INIT;
	shale_status rc;

	CHECK(r, shale_stats_get(r->db, &stats) == SHALE_OK, "stats");
	rc = shale_flush(r->db, NULL);
	CHECK(r, rc == SHALE_OK, "flush gave %s", shale_status_name(rc));
	if (stats.last_seq > r->now.synced)
		r->now.synced = stats.last_seq;
	if (stats.last_seq > r->now.acked)
		r->now.acked = stats.last_seq;
}

void op_compact(struct run *r)
{
	shale_status rc = shale_compact(r->db, NULL);

	CHECK(r, rc == SHALE_OK, "compact gave %s", shale_status_name(rc));
}

void op_compact_range(struct run *r, size_t lo, size_t hi)
{
	shale_compact_options o = SHALE_COMPACT_OPTIONS_INIT;
	char a[16], b[16];
	shale_status rc;

	o.lower = make_key(a, lo);
	o.upper = make_key(b, hi);
	rc = shale_compact(r->db, &o);
	CHECK(r, rc == SHALE_OK, "compact gave %s", shale_status_name(rc));
}

void op_set_policy(struct run *r, const shale_compaction *c)
{
	struct model *m = &r->model;
	shale_cf_options o = SHALE_CF_OPTIONS_INIT;
	shale_status rc = shale_cf_get_options(r->db, NULL, &o);

	CHECK(r, rc == SHALE_OK, "get_options gave %s", shale_status_name(rc));
	o.compression = SHALE_NO_COMPRESSION;
	o.compaction = *c;
	assert_true(m->policies + 1 < POLICIES_MAX);
	m->policy[++m->policies] = c->policy;
	r->now.setting = m->policies;
	rc = shale_cf_set_options(r->db, NULL, &o);
	CHECK(r, rc == SHALE_OK, "set_options gave %s", shale_status_name(rc));
	r->now.set = m->policies;
}

void op_wait_idle(struct run *r)
{
	shale_status rc = shale_wait_idle(r->db);

	CHECK(r, rc == SHALE_OK, "wait_idle gave %s", shale_status_name(rc));
}

void op_wait_durable(struct run *r)
{
	shale_stats stats = SHALE_STATS_INIT;
	shale_status rc;

	CHECK(r, shale_stats_get(r->db, &stats) == SHALE_OK, "stats");
	rc = shale_wait_durable(r->db, stats.last_seq);
	CHECK(r, rc == SHALE_OK, "wait_durable gave %s", shale_status_name(rc));
	if (stats.last_seq > r->now.synced)
		r->now.synced = stats.last_seq;
}

void op_resume(struct run *r)
{
	shale_status rc = shale_resume(r->db);

	CHECK(r, rc == SHALE_OK, "resume gave %s", shale_status_name(rc));
}

/* Fill memtables and log segments: no images of these calls. */
void fill(struct run *r, size_t puts)
{
	bool taking = r->taking;

	r->taking = false;
	for (size_t i = 0; i < puts; i++)
		op_put(r, 0, i * 7 % KEYS, SHALE_DEFAULT_DURABILITY);
	r->taking = taking;
}
