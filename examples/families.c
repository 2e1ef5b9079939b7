/*
 * Column families: separate sets of keys with options of their own, in one
 * store. A batch may write to several of them and is still one commit.
 */
#include <shale/shale.h>

#include <stdio.h>
#include <stdlib.h>

static void check(shale_status rc)
{
	if (rc == SHALE_OK)
		return;
	fprintf(stderr, "%s: %s\n", shale_status_name(rc), shale_last_error()->text);
	exit(1);
}

/* The family `name`, created when this is the first run. */
static shale_cf *family(shale_db *db, const char *name, const shale_cf_options *options)
{
	shale_cf *cf;
	shale_status rc = shale_cf_open(db, name, &cf);

	if (rc == SHALE_NOT_FOUND)
		rc = shale_cf_create(db, name, options, &cf);
	check(rc);
	return cf;
}

static bool print_name(void *arg, const char *name)
{
	(void)arg;
	printf("family %s\n", name);
	return true;
}

int main(void)
{
	shale_cf_options packed = SHALE_CF_OPTIONS_INIT;
	shale_cf_options passing = SHALE_CF_OPTIONS_INIT;
	shale_write_options to = SHALE_WRITE_OPTIONS_INIT;
	shale_read_options from = SHALE_READ_OPTIONS_INIT;
	shale_cf *documents, *sessions;
	shale_batch *batch;
	shale_value value;
	shale_db *db;

	packed.compression = SHALE_ZSTD;
	passing.ttl_ms = 30 * 60 * 1000; /* entries live for half an hour */

	check(shale_open("families.shale", NULL, &db));
	documents = family(db, "documents", &packed);
	sessions = family(db, "sessions", &passing);

	check(shale_batch_new(&batch));
	to.cf = documents;
	check(shale_batch_put(batch, &to, shale_str("readme"), shale_str("a long text")));
	to.cf = sessions;
	check(shale_batch_put(batch, &to, shale_str("anna"), shale_str("has it open")));
	check(shale_write(db, NULL, batch));
	shale_batch_free(batch);

	from.cf = sessions;
	check(shale_get(db, &from, shale_str("anna"), &value));
	printf("anna %.*s\n", (int)value.size, (const char *)value.data);
	shale_value_release(&value);
	check(shale_cf_list(db, print_name, NULL));

	shale_cf_release(sessions);
	shale_cf_release(documents);
	check(shale_close(db));
	return 0;
}
