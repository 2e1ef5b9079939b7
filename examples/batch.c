/*
 * A batch: several writes that become visible and durable as one. Money moves
 * between two accounts; no reader, and no crash, ever sees half of it.
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

static void show(shale_db *db, const char *account)
{
	shale_value value;

	check(shale_get(db, NULL, shale_str(account), &value));
	printf("%s has %.*s\n", account, (int)value.size, (const char *)value.data);
	shale_value_release(&value);
}

int main(void)
{
	shale_options options = SHALE_OPTIONS_INIT;
	shale_write_options durable = SHALE_WRITE_OPTIONS_INIT;
	shale_seq seq;
	shale_batch *batch;
	shale_db *db;

	/* Writes of this store survive the death of the process ... */
	options.durability = SHALE_PROCESS;
	check(shale_open("batch.shale", &options, &db));
	check(shale_put(db, NULL, shale_str("anna"), shale_str("100")));
	check(shale_put(db, NULL, shale_str("ben"), shale_str("0")));

	check(shale_batch_new(&batch));
	check(shale_batch_put(batch, NULL, shale_str("anna"), shale_str("60")));
	check(shale_batch_put(batch, NULL, shale_str("ben"), shale_str("40")));
	check(shale_batch_delete(batch, NULL, shale_str("pending")));

	/* ... and this one, with all before it, survives power loss as well. */
	durable.durability = SHALE_DURABLE;
	durable.seq_out = &seq;
	check(shale_write(db, &durable, batch));
	shale_batch_free(batch);

	show(db, "anna");
	show(db, "ben");
	check(shale_close(db));
	return 0;
}
