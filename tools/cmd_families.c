/* shale families: list, create and drop column families. */
#include "args.h"
#include "session.h"
#include "tool.h"

static bool print_family(void *arg, const char *name)
{
	(void)arg;
	puts(name);
	return true;
}

static int family_create(struct session *s, const char *name, const shale_cf_options *o)
{
	shale_cf *cf = NULL;
	shale_status status = shale_cf_create(s->db, name, o, &cf);

	if (status == SHALE_EXISTS)
		return tool_fail("there is a column family `%s` already", name);
	if (status)
		return tool_fail_status(status, "creating the column family `%s`", name);
	shale_cf_release(cf);
	return TOOL_OK;
}

static int family_drop(struct session *s, const char *name)
{
	shale_status status = shale_cf_drop(s->db, name);

	if (status == SHALE_NOT_FOUND)
		return tool_fail("there is no column family `%s`", name);
	return status ? tool_fail_status(status, "dropping the column family `%s`", name) : TOOL_OK;
}

int cmd_families(int argc, char **argv)
{
	static const struct args_choice compressions[] = {
		{ "none", SHALE_NO_COMPRESSION }, { "lz4", SHALE_LZ4 }, { "zstd", SHALE_ZSTD },
		{ "snappy", SHALE_SNAPPY },       { NULL, 0 },
	};
	struct session_args store = { 0 };
	shale_cf_options o = SHALE_CF_OPTIONS_INIT;
	int compression = SHALE_DEFAULT_COMPRESSION;
	uint64_t filter_bits = 0, block_bytes = 0;
	bool yes = false;
	const struct args_option options[] = {
		SESSION_OPTIONS(&store),
		{ "compression", 0, ARGS_CHOICE, &compression, NULL,
		  "create: for all levels (default: lz4 in all but the top level)", compressions },
		{ "filter-bits", 0, ARGS_COUNT, &filter_bits, "N",
		  "create: bits a key in filters (default: 10)", NULL },
		{ "block", 0, ARGS_SIZE, &block_bytes, "SIZE",
		  "create: size of a data block (default: 4KiB)", NULL },
		{ "ttl", 0, ARGS_DURATION, &o.ttl_ms, "TIME",
		  "create: life of entries that name none (default: for ever)", NULL },
		{ "yes", 'y', ARGS_FLAG, &yes, NULL, "drop: really drop it, with all its data",
		  NULL },
		SESSION_END,
	};
	const struct args_command command = {
		"families",
		"[list | create NAME | drop NAME]",
		"List the column families, create one, or drop one with all its data.",
		0,
		2,
		options,
		"  shale families -d /srv/store\n"
		"  shale families -d /srv/store create events --ttl 30d\n"
		"  shale families -d /srv/store drop events --yes",
	};
	struct session s;
	shale_status status;
	int n = args_parse(&command, argc, argv), rc;
	const char *action = n ? argv[1] : "list";
	bool create = !strcmp(action, "create"), drop = !strcmp(action, "drop");

	if (!create && !drop && strcmp(action, "list"))
		args_usage(&command, "`%s` is none of list, create, drop", action);
	if (n != (create || drop ? 2 : n ? 1 : 0))
		args_usage(&command, create || drop ? "%s what?" : "%s takes no operand", action);
	if (drop && !yes)
		args_usage(&command, "dropping `%s` removes all its data; add --yes if you mean it",
			   argv[2]);
	o.compression = (shale_compression)compression;
	o.filter_bits = filter_bits > UINT32_MAX ? UINT32_MAX : (uint32_t)filter_bits;
	o.block_bytes = block_bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)block_bytes;
	rc = session_open(&s, &command, &store, create || drop ? SESSION_WRITE : SESSION_READ);
	if (rc)
		return rc;
	if (create) {
		rc = family_create(&s, argv[2], &o);
	} else if (drop) {
		rc = family_drop(&s, argv[2]);
	} else {
		status = shale_cf_list(s.db, print_family, NULL);
		if (status)
			rc = tool_fail_status(status, "listing the column families");
	}
	return session_close(&s, rc);
}
