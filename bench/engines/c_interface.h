/*
 * The part of an adapter in which LevelDB's C interface and RocksDB's, which grew
 * out of it, are the same but for the names. Included once, by an adapter that has
 * defined NAME, API(name), and struct store with the db, its options and its cache.
 */
static void check(const char *what, char *error)
{
	if (error != NULL)
		die(NAME ": %s: %s", what, error);
}

/* All but the store itself, as both have it; the adapter adds to it, and opens. */
static struct store *store_new(const struct engine_options *o)
{
	struct store *s = xcalloc(1, sizeof(*s));

	s->options = API(options_create)();
	API(options_set_create_if_missing)(s->options, 1);
	API(options_set_compression)(s->options, API(no_compression));
	s->write = API(writeoptions_create)();
	API(writeoptions_set_sync)(s->write, o->durability == SURVIVES_POWER);
	s->read = API(readoptions_create)();
	return s;
}

/* What only one of them has is freed by its adapter, after this. */
static void store_close(struct store *s)
{
	API(close)(s->db);
	API(readoptions_destroy)(s->read);
	API(writeoptions_destroy)(s->write);
	API(options_destroy)(s->options);
	if (s->cache != NULL)
		API(cache_destroy)(s->cache);
}

static void put(void *db, struct bytes key, struct bytes value)
{
	struct store *s = db;
	char *error = NULL;

	API(put)(s->db, s->write, key.data, key.size, value.data, value.size, &error);
	check("put", error);
}

static void remove_key(void *db, struct bytes key)
{
	struct store *s = db;
	char *error = NULL;

	API(delete)(s->db, s->write, key.data, key.size, &error);
	check("delete", error);
}

static void batch(void *db, size_t n, const struct bytes *key, const struct bytes *value)
{
	static __thread API(writebatch_t) * b; /* one for the life of the thread */
	struct store *s = db;
	char *error = NULL;

	if (b == NULL)
		b = API(writebatch_create)();
	API(writebatch_clear)(b);
	for (size_t i = 0; i < n; i++)
		API(writebatch_put)(b, key[i].data, key[i].size, value[i].data, value[i].size);
	API(write)(s->db, s->write, b, &error);
	check("write", error);
}

static void *iter_new(void *db)
{
	struct store *s = db;

	return API(create_iterator)(s->db, s->read);
}

static void iter_free(void *it)
{
	char *error = NULL;

	API(iter_get_error)(it, &error);
	check("iterate", error);
	API(iter_destroy)(it);
}

static bool iter_first(void *it)
{
	API(iter_seek_to_first)(it);
	return API(iter_valid)(it);
}

static bool iter_last(void *it)
{
	API(iter_seek_to_last)(it);
	return API(iter_valid)(it);
}

static bool iter_seek(void *it, struct bytes key)
{
	API(iter_seek)(it, key.data, key.size);
	return API(iter_valid)(it);
}

static bool iter_next(void *it)
{
	API(iter_next)(it);
	return API(iter_valid)(it);
}

static bool iter_prev(void *it)
{
	API(iter_prev)(it);
	return API(iter_valid)(it);
}

static struct bytes iter_key(void *it)
{
	struct bytes b;

	b.data = API(iter_key)(it, &b.size);
	return b;
}

static struct bytes iter_value(void *it)
{
	struct bytes b;

	b.data = API(iter_value)(it, &b.size);
	return b;
}
