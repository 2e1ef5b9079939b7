/* Options: defaults, and ranges that are checked, never silently bent. */
#include "db/db.h"

enum { STRUCT_MOST = 4096 }; /* more is not a size that a caller stated */

#define SPACE_RESERVE_MOST (UINT64_C(1) << 60) /* what is added to it must not overflow */

static shale_status out_of_range(const char *name, uint64_t value, const char *range)
{
	return err_new(SHALE_INVALID, "option %s is %" PRIu64 "; allowed is %s", name, value,
		       range);
}

static shale_status check_size(const char *name, size_t size)
{
	if (size >= sizeof(size_t) && size <= STRUCT_MOST)
		return SHALE_OK;
	return err_new(SHALE_INVALID, "%s.struct_size is %zu; set it up with its _INIT macro", name,
		       size);
}

/* A struct from an older or newer caller: copy what both know. */
static shale_status copy_sized(const char *name, const void *in, size_t in_size, void *out,
			       size_t out_size)
{
	shale_status rc = check_size(name, in_size);

	if (rc < 0)
		return rc;
	memcpy(out, in, in_size < out_size ? in_size : out_size);
	memcpy(out, &out_size, sizeof(out_size));
	return SHALE_OK;
}

shale_status options_give(const char *name, const void *from, size_t size, void *out)
{
	size_t stated; /* first in each of these structs */
	shale_status rc;

	memcpy(&stated, out, sizeof(stated));
	rc = check_size(name, stated);
	if (rc < 0)
		return rc;
	if (stated > size)
		stated = size;
	memcpy(out, from, stated);
	memcpy(out, &stated, sizeof(stated));
	return SHALE_OK;
}

void options_tell_error(const shale_options *o)
{
	const size_t end = offsetof(shale_options, error) + sizeof(o->error);

	if (o != NULL && o->struct_size >= end && o->struct_size <= STRUCT_MOST && o->error != NULL)
		*o->error = *err_last();
}

static shale_status check_compression(const char *name, uint32_t c)
{
	if (c > SHALE_SNAPPY)
		return out_of_range(name, c, "a value of enum shale_compression");
	return SHALE_OK;
}

shale_status cf_options_sanitise(const shale_cf_options *in, shale_cf_options *out)
{
	static const shale_cf_options defaults = SHALE_CF_OPTIONS_INIT;
	shale_compaction *c = &out->compaction;
	shale_status rc;

	*out = defaults;
	/* A family's options inside zeroed store options mean the defaults. */
	if (in != NULL && in->struct_size != 0) {
		rc = copy_sized("shale_cf_options", in, in->struct_size, out, sizeof(*out));
		if (rc < 0)
			return rc;
	}
	rc = check_compression("compression", out->compression);
	for (int i = 0; i < (int)SHALE_LEVELS_MAX && rc >= 0; i++)
		rc = check_compression("level_compression", out->level_compression[i]);
	if (rc < 0)
		return rc;
	if (out->block_bytes == 0)
		out->block_bytes = 4096;
	if (out->block_bytes < 256 || out->block_bytes > 1u << 20)
		return out_of_range("block_bytes", out->block_bytes, "256 to 1048576");
	if (out->filter_bits == 0)
		out->filter_bits = 10;
	if (out->filter_bits > 32)
		return out_of_range("filter_bits", out->filter_bits, "1 to 32");
	for (int i = 0; i < (int)SHALE_LEVELS_MAX; i++)
		if (out->level_filter_bits[i] > 32)
			return out_of_range("level_filter_bits", out->level_filter_bits[i],
					    "0 to 32");
	if (c->policy < 0 || c->policy > SHALE_ADAPTIVE)
		return out_of_range("compaction.policy", (uint64_t)c->policy,
				    "a value of enum shale_policy");
	if (c->size_ratio != 0 && (c->size_ratio < 2 || c->size_ratio > 64))
		return out_of_range("compaction.size_ratio", c->size_ratio, "2 to 64");
	if (c->top_runs > 64)
		return out_of_range("compaction.top_runs", c->top_runs, "1 to 64");
	if (c->table_bytes != 0 && (c->table_bytes < 4096 || c->table_bytes > 4ull << 30))
		return out_of_range("compaction.table_bytes", c->table_bytes, "4096 to 4294967296");
	if (c->max_runs == 1 || c->max_runs > 64)
		return out_of_range("compaction.max_runs", c->max_runs, "2 to 64");
	if (c->space_amp_max != 0 && (c->space_amp_max < 105 || c->space_amp_max > 1000))
		return out_of_range("compaction.space_amp_max", c->space_amp_max, "105 to 1000");
	return SHALE_OK;
}

static shale_status check_window(const shale_rate_window *w)
{
	if (w->from_min > 1439)
		return out_of_range("rate.window.from_min", w->from_min, "0 to 1439");
	if (w->to_min > 1440)
		return out_of_range("rate.window.to_min", w->to_min, "0 to 1440");
	if (w->from_min == w->to_min && (w->bytes_per_s != 0 || w->ops_per_s != 0))
		return err_new(SHALE_INVALID,
			       "option rate.window goes from minute %" PRIu32
			       " to the same; a whole day is 0 to 1440",
			       w->from_min);
	return SHALE_OK;
}

shale_status rate_sanitise(const shale_rate *in, shale_rate *out)
{
	static const shale_rate defaults = SHALE_RATE_INIT;
	shale_status rc = SHALE_OK;

	*out = defaults;
	/* As with a family's options, zeroes inside store options mean the defaults. */
	if (in->struct_size != 0)
		rc = copy_sized("shale_rate", in, in->struct_size, out, sizeof(*out));
	for (int i = 0; i < SHALE_RATE_WINDOWS && rc >= 0; i++)
		rc = check_window(&out->window[i]);
	if (rc >= 0 && out->target_p99_us > 60000000)
		rc = out_of_range("rate.target_p99_us", out->target_p99_us, "0 to 60000000");
	return rc;
}

static shale_status sanitise_space(shale_options *out)
{
	if (out->space_max != 0 && out->space_max < 4u << 20)
		return out_of_range("space_max", out->space_max, "4194304 (4 MiB) or more");
	if (out->space_max != 0 && out->memtable_bytes > out->space_max / 16)
		return err_new(SHALE_INVALID,
			       "option memtable_bytes is %" PRIu64 "; allowed is at most a 16th of "
			       "space_max, which is %" PRIu64,
			       out->memtable_bytes, out->space_max);
	if (out->space_max != 0 && out->space_reserve > out->space_max / 2)
		return err_new(SHALE_INVALID,
			       "option space_reserve is %" PRIu64 "; allowed is at most half of "
			       "space_max, which is %" PRIu64,
			       out->space_reserve, out->space_max);
	if (out->space_reserve > SPACE_RESERVE_MOST)
		return out_of_range("space_reserve", out->space_reserve,
				    "at most 1152921504606846976 (1 EiB)");
	if (out->delete_bytes_per_s == 0)
		out->delete_bytes_per_s = 256u << 20;
	if (out->delete_bytes_per_s < 1u << 20)
		return out_of_range("delete_bytes_per_s", out->delete_bytes_per_s,
				    "1048576 (1 MiB) or more");
	return SHALE_OK;
}

shale_status options_env(const shale_options *in, const shale_env **out)
{
	shale_options known = SHALE_OPTIONS_INIT;
	shale_status rc = SHALE_OK;

	if (in != NULL)
		rc = copy_sized("shale_options", in, in->struct_size, &known, sizeof(known));
	*out = rc >= 0 && known.env != NULL ? known.env : shale_env_default();
	return rc;
}

shale_status options_sanitise(const shale_env *env, const shale_options *in, shale_options *out)
{
	static const shale_options defaults = SHALE_OPTIONS_INIT;
	unsigned cpus = env->executor.ops->cpus(env->executor.self);
	shale_cf_options cf;
	shale_rate rate;
	shale_status rc;

	*out = defaults;
	if (in != NULL) {
		rc = copy_sized("shale_options", in, in->struct_size, out, sizeof(*out));
		if (rc < 0)
			return rc;
	}
	rc = cf_options_sanitise(&out->default_cf, &cf);
	if (rc < 0)
		return rc;
	out->default_cf = cf;
	rc = rate_sanitise(&out->rate, &rate);
	if (rc < 0)
		return rc;
	out->rate = rate;
	if (out->rate.bytes_per_s == 0)
		out->rate.bytes_per_s = out->rate_bytes_per_s;
	if (out->rate.ops_per_s == 0)
		out->rate.ops_per_s = out->rate_ops_per_s;
	if (out->memory_budget == 0)
		out->memory_budget = 512ull << 20;
	if (out->memory_budget < 1u << 20)
		return out_of_range("memory_budget", out->memory_budget, "1048576 (1 MiB) or more");
	if (out->memtable_bytes == 0) {
		out->memtable_bytes = out->memory_budget / 8;
		if (out->memtable_bytes > 64ull << 20)
			out->memtable_bytes = 64ull << 20;
		if (out->space_max >= 4u << 20 && out->memtable_bytes > out->space_max / 16)
			out->memtable_bytes = out->space_max / 16;
	}
	if (out->memtable_bytes < 16384 || out->memtable_bytes > 4ull << 30)
		return out_of_range("memtable_bytes", out->memtable_bytes, "16384 to 4294967296");
	if (out->memtable_bytes > out->memory_budget / 2)
		return err_new(SHALE_INVALID,
			       "option memtable_bytes is %" PRIu64 "; allowed is at most half of "
			       "memory_budget, which is %" PRIu64,
			       out->memtable_bytes, out->memory_budget);
	rc = sanitise_space(out);
	if (rc < 0)
		return rc;
	if (out->log_bytes_max == 0) {
		out->log_bytes_max = 8 * out->memtable_bytes;
		if (out->space_max != 0 && out->log_bytes_max > out->space_max / 8)
			out->log_bytes_max = out->space_max / 8;
	}
	if (out->log_bytes_max < out->memtable_bytes)
		return err_new(SHALE_INVALID,
			       "option log_bytes_max is %" PRIu64 "; allowed is at least "
			       "memtable_bytes, which is %" PRIu64,
			       out->log_bytes_max, out->memtable_bytes);
	if (out->durability == SHALE_DEFAULT_DURABILITY)
		out->durability = SHALE_DURABLE;
	if (out->durability < 0 || out->durability > SHALE_DURABLE)
		return out_of_range("durability", (uint64_t)out->durability,
				    "a value of enum shale_durability");
	if (out->sync_interval_ms == 0)
		out->sync_interval_ms = 100;
	if (out->sync_interval_ms > 60000)
		return out_of_range("sync_interval_ms", out->sync_interval_ms, "1 to 60000");
	if (out->background_threads == 0)
		out->background_threads = cpus > 2 ? (cpus < 8 ? cpus : 8) : 2;
	if (out->background_threads > 64)
		return out_of_range("background_threads", out->background_threads, "1 to 64");
	if (out->background_nice > 19)
		return out_of_range("background_nice", out->background_nice, "0 to 19");
	if (out->direct_io < 0 || out->direct_io > SHALE_DIRECT_ALL)
		return out_of_range("direct_io", (uint64_t)out->direct_io,
				    "a value of enum shale_direct_io");
	if (out->error_if_missing && out->error_if_exists)
		return err_new(SHALE_INVALID,
			       "options error_if_missing and error_if_exists exclude each other");
	if (out->read_only && out->error_if_exists)
		return err_new(SHALE_INVALID,
			       "options read_only and error_if_exists exclude each other");
	return SHALE_OK;
}

shale_status key_given(shale_slice *key)
{
	if (likely(key->data != NULL))
		return SHALE_OK;
	if (key->size != 0)
		return err_new(SHALE_INVALID, "the key is a null pointer");
	key->data = "";
	return SHALE_OK;
}

shale_status key_check(shale_slice *key)
{
	if (unlikely(key->size > SHALE_KEY_MAX))
		return err_new(SHALE_TOO_LARGE, "the key has %zu bytes; the limit is %u", key->size,
			       SHALE_KEY_MAX);
	return key_given(key);
}

shale_status value_check(shale_slice value)
{
	if (unlikely(value.size > SHALE_VALUE_MAX))
		return err_new(SHALE_TOO_LARGE, "the value has %zu bytes; the limit is %llu",
			       value.size, (unsigned long long)SHALE_VALUE_MAX);
	if (unlikely(value.data == NULL && value.size != 0))
		return err_new(SHALE_INVALID, "the value is a null pointer");
	return SHALE_OK;
}
