/*
 * Iterators: the entries in key order, forwards within a prefix, backwards from
 * a key, and as of a snapshot while the store changes beneath.
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

static void show(shale_iter *it)
{
	shale_slice key = shale_iter_key(it);
	shale_slice value;

	check(shale_iter_value(it, &value));
	printf("  %.*s = %.*s\n", (int)key.size, (const char *)key.data, (int)value.size,
	       (const char *)value.data);
}

int main(void)
{
	static const char *const rocks[][2] = {
		{ "igneous/basalt", "dark" },          { "igneous/granite", "speckled" },
		{ "metamorphic/marble", "veined" },    { "metamorphic/slate", "layered" },
		{ "sedimentary/limestone", "chalky" }, { "sedimentary/shale", "thin" },
	};
	shale_read_options options = SHALE_READ_OPTIONS_INIT;
	shale_snapshot *snapshot;
	shale_iter *it;
	shale_db *db;
	shale_status rc;

	check(shale_open("scan.shale", NULL, &db));
	for (size_t i = 0; i < sizeof(rocks) / sizeof(rocks[0]); i++)
		check(shale_put(db, NULL, shale_str(rocks[i][0]), shale_str(rocks[i][1])));

	printf("one prefix:\n");
	options.prefix = shale_str("metamorphic/");
	check(shale_iter_new(db, &options, &it));
	for (rc = shale_iter_first(it); rc == SHALE_OK; rc = shale_iter_next(it))
		show(it);
	shale_iter_free(it);
	if (rc != SHALE_END) /* the end, or a failure on the way? */
		check(rc);

	printf("backwards from 'm', as it was before the deletion:\n");
	check(shale_snapshot_new(db, &snapshot));
	check(shale_delete_range(db, NULL, shale_str("a"), shale_str("z")));
	options = (shale_read_options)SHALE_READ_OPTIONS_INIT;
	options.snapshot = snapshot;
	check(shale_iter_new(db, &options, &it));
	for (rc = shale_iter_seek_prev(it, shale_str("m")); rc == SHALE_OK;
	     rc = shale_iter_prev(it))
		show(it);
	shale_iter_free(it);
	shale_snapshot_free(snapshot);
	if (rc != SHALE_END)
		check(rc);

	check(shale_close(db));
	return 0;
}
