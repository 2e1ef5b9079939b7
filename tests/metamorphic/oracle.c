/* The sorted arrays: each verb by the most obvious code there is. */
#include "metamorphic/oracle.h"

#include "base/hash.h"

struct oracle *oracle_new(const struct script *s)
{
	struct oracle *o = calloc(1, sizeof(*o));

	o->script = s;
	o->there[0] = true;
	return o;
}

void oracle_free(struct oracle *o)
{
	changes_fini(&o->batch);
	changes_fini(&o->commit);
	free(o);
}

void oracle_forget(struct oracle *o)
{
	for (size_t i = 0; i < ITERATORS; i++)
		o->cursors[i].open = false;
	memset(o->snapshot_open, 0, sizeof(o->snapshot_open));
	memset(o->holds, 0, sizeof(o->holds));
	o->batch.count = 0;
}

void changes_add(struct changes *c, struct change add)
{
	if (c->count == c->room) {
		c->room = 2 * c->room + 16;
		c->list = realloc(c->list, c->room * sizeof(*c->list));
	}
	c->list[c->count++] = add;
}

void changes_fini(struct changes *c)
{
	free(c->list);
	*c = (struct changes){ 0 };
}

void content_apply(struct content *c, const struct change *change)
{
	for (size_t i = change->key; i < change->end; i++)
		c->cells[change->family][i] = change->cell;
}

void answer_add(struct answer *a, shale_slice key, shale_slice value)
{
	a->digest = (a->digest * 31 + hash_key(key)) * 31 + hash_key(value) + 1;
	a->steps++;
}

static shale_slice cell_value(const struct cell *c)
{
	return value_bytes(c->id, c->size);
}

/* ---- writes ---- */

static void commit(struct oracle *o, struct change c)
{
	uint32_t ttl = c.ttl != 0 ? c.ttl : o->family_ttl[c.family];

	if (c.cell.id != 0 && ttl != 0)
		c.cell.expiry = o->hour + ttl;
	content_apply(&o->now, &c);
	changes_add(&o->commit, c);
}

static int write_one(const struct op *op, struct change *c)
{
	*c = (struct change){ .family = op->family };
	if (op->verb == DELETE_RANGE || op->verb == BATCH_DELETE_RANGE) {
		c->key = op->lower;
		c->end = op->upper;
		return c->key < c->end ? SHALE_OK : SHALE_INVALID;
	}
	c->key = op->key[0];
	c->end = (uint16_t)(c->key + 1);
	if (op->verb == PUT || op->verb == BATCH_PUT) {
		c->cell = (struct cell){ op->id, op->size, 0 };
		c->ttl = op->ttl;
	}
	return SHALE_OK;
}

static bool step_write(struct oracle *o, const struct op *op, struct answer *a)
{
	bool range = op->verb == DELETE_RANGE || op->verb == BATCH_DELETE_RANGE;
	struct change c;

	if (!o->there[op->family] ||
	    (range ? op->lower == NONE || op->upper == NONE : op->key_count == 0) ||
	    ((op->verb == PUT || op->verb == BATCH_PUT) && op->id == 0))
		return false;
	a->status = write_one(op, &c);
	if (a->status != SHALE_OK)
		return true;
	if (op->verb == PUT || op->verb == DELETE || op->verb == DELETE_RANGE) {
		commit(o, c);
	} else {
		changes_add(&o->batch, c);
		a->digest = o->batch.count;
	}
	return true;
}

/* ---- reads ---- */

/* What an operation reads: of now or a snapshot; NULL if there is no such thing. */
static const struct cell *view_of(const struct oracle *o, const struct op *op)
{
	if (!o->there[op->family] ||
	    (op->snapshot != NO_SNAPSHOT && !o->snapshot_open[op->snapshot]))
		return NULL;
	return (op->snapshot == NO_SNAPSHOT ? &o->now : &o->snapshots[op->snapshot])
		->cells[op->family];
}

static bool step_get(struct oracle *o, const struct op *op, struct answer *a)
{
	const struct cell *cells = view_of(o, op);

	if (cells == NULL || op->key_count == 0 || (op->verb == HOLD && o->holds[op->reg].id != 0))
		return false;
	for (size_t i = 0; i < op->key_count; i++) {
		const struct cell *c = &cells[op->key[i]];
		bool live = cell_live(c, o->hour);

		if (op->verb != MULTI_GET)
			a->status = live ? SHALE_OK : SHALE_NOT_FOUND;
		if (live)
			answer_add(a, script_slice(o->script, op->key[i]), cell_value(c));
		else
			a->digest = a->digest * 31 + 7;
		if (op->verb == HOLD && live)
			o->holds[op->reg] = *c;
		if (op->verb != MULTI_GET)
			break;
	}
	return true;
}

static bool step_release(struct oracle *o, const struct op *op, struct answer *a)
{
	struct cell *c = &o->holds[op->reg];

	if (c->id == 0)
		return false;
	answer_add(a, slice_from(NULL, 0), cell_value(c));
	c->id = 0;
	return true;
}

/* The next live key from `at` on in a direction, within the bounds. */
static void settle(const struct oracle *o, struct cursor *c, int at, int step, struct answer *a)
{
	while (at >= c->lower && at < c->upper && !cell_live(&c->cells[at], c->hour))
		at += step;
	c->placed = at >= c->lower && at < c->upper;
	c->at = at;
	a->status = c->placed ? SHALE_OK : SHALE_END;
	if (c->placed)
		answer_add(a, script_slice(o->script, (size_t)at), cell_value(&c->cells[at]));
}

static void bound(const struct oracle *o, const struct op *op, struct cursor *c)
{
	c->lower = op->lower != NONE ? op->lower : 0;
	c->upper = op->upper != NONE ? op->upper : (int)o->script->key_count;
	if (op->prefix != NONE) {
		shale_slice prefix = script_slice(o->script, op->prefix);
		int end = op->prefix;

		while (end < (int)o->script->key_count &&
		       slice_starts(script_slice(o->script, (size_t)end), prefix))
			end++;
		c->lower = c->lower < op->prefix ? op->prefix : c->lower;
		c->upper = c->upper < end ? c->upper : end;
	}
}

static bool step_iter(struct oracle *o, const struct op *op, struct answer *a)
{
	struct cursor *c = &o->cursors[op->reg];
	const struct cell *cells = view_of(o, op);

	if (cells == NULL || c->open)
		return false;
	a->status = SHALE_OK;
	c->open = true;
	c->placed = false;
	c->hour = o->hour;
	memcpy(c->cells, cells, sizeof(c->cells));
	bound(o, op, c);
	return true;
}

static bool step_move(struct oracle *o, const struct op *op, struct answer *a)
{
	struct cursor *c = &o->cursors[op->reg];
	int key = op->key_count != 0 ? op->key[0] : 0;

	if (!c->open || ((op->verb == SEEK || op->verb == SEEK_PREV) && op->key_count == 0))
		return false;
	switch (op->verb) {
	case FIRST:
		settle(o, c, c->lower, 1, a);
		break;
	case LAST:
		settle(o, c, c->upper - 1, -1, a);
		break;
	case SEEK:
		settle(o, c, key > c->lower ? key : c->lower, 1, a);
		break;
	case SEEK_PREV:
		settle(o, c, key < c->upper ? key : c->upper - 1, -1, a);
		break;
	default:
		a->status = SHALE_END;
		for (uint32_t i = 0; i <= op->n && c->placed; i++)
			settle(o, c, c->at + (op->verb == NEXT ? 1 : -1), op->verb == NEXT ? 1 : -1,
			       a);
	}
	return true;
}

/* There and back again over all of a family. */
static bool step_scan(struct oracle *o, const struct op *op, struct answer *a)
{
	const struct cell *cells = view_of(o, op);
	int n = (int)o->script->key_count;

	if (cells == NULL)
		return false;
	for (int way = 0; way < 2; way++)
		for (int i = 0; i < n; i++) {
			int k = way == 0 ? i : n - 1 - i;

			if (cell_live(&cells[k], o->hour))
				answer_add(a, script_slice(o->script, (size_t)k),
					   cell_value(&cells[k]));
		}
	return true;
}

/* ---- the rest ---- */

static bool step_family(struct oracle *o, const struct op *op, struct answer *a)
{
	if (op->family == 0)
		return false;
	o->batch.count = 0;
	if (op->verb == CREATE) {
		a->status = o->there[op->family] ? SHALE_EXISTS : SHALE_OK;
		if (a->status == SHALE_OK)
			o->family_ttl[op->family] = op->ttl;
		o->there[op->family] = true;
		return true;
	}
	a->status = o->there[op->family] ? SHALE_OK : SHALE_NOT_FOUND;
	o->there[op->family] = false;
	memset(o->now.cells[op->family], 0, sizeof(o->now.cells[0]));
	for (size_t i = 0; i < SNAPSHOTS; i++)
		memset(o->snapshots[i].cells[op->family], 0, sizeof(o->now.cells[0]));
	return true;
}

static bool step_snapshot(struct oracle *o, const struct op *op)
{
	bool *open = &o->snapshot_open[op->reg];

	if (*open == (op->verb == SNAPSHOT))
		return false;
	*open = op->verb == SNAPSHOT;
	if (*open)
		o->snapshots[op->reg] = o->now;
	return true;
}

static bool step_other(struct oracle *o, const struct op *op, struct answer *a)
{
	switch (op->verb) {
	case BATCH_CLEAR:
		o->batch.count = 0;
		return true;
	case WRITE:
		a->digest = o->batch.count;
		for (size_t i = 0; i < o->batch.count; i++)
			commit(o, o->batch.list[i]);
		return true;
	case FAMILIES_LIST:
		for (unsigned i = 0; i < FAMILIES; i++)
			a->digest |= (uint64_t)o->there[i] << i;
		return true;
	case COMPACT:
		if (op->lower != NONE && op->upper != NONE && op->lower >= op->upper)
			a->status = SHALE_INVALID;
		return o->there[op->family];
	case SET_OPTIONS:
	case FLUSH:
		return o->there[op->family];
	case ADVANCE:
		o->hour += op->n;
		return true;
	case OPEN_AGAIN:
		a->status = SHALE_BUSY;
		return true;
	case REOPEN:
	case READ_ONLY:
	case KILL:
	case POWER_CUT:
		oracle_forget(o);
		return true;
	default:
		return true;
	}
}

bool oracle_step(struct oracle *o, const struct op *op, struct answer *out)
{
	*out = (struct answer){ .status = SHALE_OK };
	o->commit.count = 0;
	switch (op->verb) {
	case PUT:
	case DELETE:
	case DELETE_RANGE:
	case BATCH_PUT:
	case BATCH_DELETE:
	case BATCH_DELETE_RANGE:
		return step_write(o, op, out);
	case GET:
	case MULTI_GET:
	case HOLD:
		return step_get(o, op, out);
	case RELEASE:
		return step_release(o, op, out);
	case ITER:
		return step_iter(o, op, out);
	case FIRST:
	case LAST:
	case SEEK:
	case SEEK_PREV:
	case NEXT:
	case PREV:
		return step_move(o, op, out);
	case ITER_FREE:
		if (!o->cursors[op->reg].open)
			return false;
		o->cursors[op->reg].open = false;
		return true;
	case SCAN:
		return step_scan(o, op, out);
	case SNAPSHOT:
	case SNAPSHOT_FREE:
		return step_snapshot(o, op);
	case CREATE:
	case DROP:
		return step_family(o, op, out);
	default:
		return step_other(o, op, out);
	}
}
