/* See range.h. */
#include "range.h"

static void take(const struct args_command *c, const char *name, const char *arg, bool hex,
		 struct text *out)
{
	if (arg && !text_argument(out, arg, hex))
		args_usage(c, "--%s: `%s` is not hexadecimal", name, arg);
}

void range_take(struct range *r, const struct args_command *c, bool hex)
{
	take(c, "from", r->from_arg, hex, &r->from);
	take(c, "to", r->to_arg, hex, &r->to);
	take(c, "prefix", r->prefix_arg, hex, &r->prefix);
}

void range_fini(struct range *r)
{
	text_fini(&r->from);
	text_fini(&r->to);
	text_fini(&r->prefix);
}

shale_slice range_slice(const char *arg, const struct text *t)
{
	return arg ? text_slice(t) : shale_bytes(NULL, 0);
}

void range_apply(const struct range *r, shale_read_options *o)
{
	o->lower = range_slice(r->from_arg, &r->from);
	o->upper = range_slice(r->to_arg, &r->to);
	o->prefix = range_slice(r->prefix_arg, &r->prefix);
}
