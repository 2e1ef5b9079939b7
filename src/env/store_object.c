/*
 * Reading, deleting and listing objects. An immutable object's size is taken once
 * when it is opened, so a range beyond it is told from a failing disk without a
 * system call; a file that has shrunk since is found by the read itself.
 */
#include "env/direct.h"
#include "env/store_impl.h"

struct object {
	const shale_env *env;
	shale_file *file;
	uint64_t size;
	uint64_t number;
	struct object_name name;
	bool direct; /* is read past the page cache */
};

shale_status store_open_object(struct store *s, enum object_kind kind, uint64_t number,
			       struct object **out)
{
	struct object *o = mem_zalloc(s->env, sizeof(*o));
	struct store_path path;
	shale_status rc = SHALE_OK;
	int err;

	if (o == NULL)
		return err_memory("an object");
	o->env = s->env;
	o->number = number;
	o->name = object_name(kind, number);
	o->direct = s->direct_reads;
	store_path_to(s, o->name.text, &path);
	err = fs_open(s->env, path.text,
		      SHALE_FILE_READ | (o->direct ? (unsigned)SHALE_FILE_DIRECT : 0), &o->file);
	if (err < 0) {
		o->file = NULL;
		rc = err_sys(-err, o->name.text, "cannot open %s", path.text);
		goto out;
	}
	err = fs_size(s->env, o->file, &o->size);
	if (err < 0) {
		rc = err_sys(-err, o->name.text, "cannot tell the size of %s", path.text);
		goto out;
	}
	*out = o;
	o = NULL; /* moved */
out:
	object_close(o);
	return rc;
}

uint64_t object_size(const struct object *o)
{
	return o->size;
}

uint64_t object_number_of(const struct object *o)
{
	return o->number;
}

static shale_status object_short(const struct object *o, uint64_t offset, size_t n, uint64_t end)
{
	return err_at(SHALE_CORRUPT, o->name.text, offset,
		      "%s ends at byte %" PRIu64 ", needed %zu bytes at %" PRIu64, o->name.text,
		      end, n, offset);
}

static bool object_holds(const struct object *o, uint64_t offset, size_t n)
{
	return offset <= o->size && n <= o->size - offset;
}

/* What a read of n bytes that gave `got` amounts to. */
static shale_status object_got(const struct object *o, uint64_t offset, size_t n, int64_t got)
{
	if (unlikely(!object_holds(o, offset, n)))
		return object_short(o, offset, n, o->size);
	if (unlikely(got < 0))
		return store_fail_at((int)got, o->name.text, offset, "read", n);
	if (unlikely((uint64_t)got < n))
		return object_short(o, offset, n, offset + (uint64_t)got);
	return SHALE_OK;
}

shale_status object_read(struct object *o, uint64_t offset, void *buf, size_t n)
{
	struct object_read r = { .object = o, .offset = offset, .buf = buf, .n = n };

	if (o->direct)
		object_read_many(&r, 1);
	else if (likely(object_holds(o, offset, n)))
		r.got = fs_read(o->env, o->file, buf, n, offset);
	return object_read_result(&r);
}

/* What the file system is asked for. False: no memory for it. */
static bool read_begin(const struct object_read *r, shale_read *asked)
{
	const struct object *o = r->object;

	if (o->direct)
		return direct_widen(o->env, o->file, r->n, r->offset, asked);
	*asked = (shale_read){ .file = o->file, .buf = r->buf, .n = r->n, .offset = r->offset };
	return true;
}

static void read_end(struct object_read *r, shale_read *asked)
{
	const struct object *o = r->object;

	if (o->direct) {
		r->got = direct_narrow(o->env, asked, r->buf, r->n, r->offset);
	} else {
		fs_read_rest(o->env, asked, r->n);
		r->got = asked->result;
	}
}

void object_read_many(struct object_read *reads, size_t n)
{
	enum { TOGETHER = 32 };
	shale_read many[TOGETHER];
	struct object_read *whose[TOGETHER];
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		struct object_read *r = &reads[i];

		if (object_holds(r->object, r->offset, r->n)) {
			whose[count] = r;
			if (read_begin(r, &many[count]))
				count++;
			else
				r->got = -ENOMEM;
		}
		if (count == TOGETHER || (count != 0 && i + 1 == n)) {
			fs_read_try(r->object->env, many, count);
			for (size_t k = 0; k < count; k++)
				read_end(whose[k], &many[k]);
			count = 0;
		}
	}
}

shale_status object_read_result(const struct object_read *r)
{
	return object_got(r->object, r->offset, r->n, r->got);
}

void object_readahead(struct object *o, uint64_t offset, uint64_t n)
{
	if (!o->direct)
		(void)o->env->fs.ops->advise(o->env->fs.self, o->file, offset, n,
					     SHALE_ADVISE_WILLNEED);
}

void object_close(struct object *o)
{
	if (o == NULL)
		return;
	fs_close(o->env, o->file);
	mem_free(o->env, o);
}

/* What an object takes, for the account; 0 where that cannot be told. */
static uint64_t size_of(struct store *s, const struct store_path *path)
{
	uint64_t size;
	bool is_dir;

	return fs_stat(s->env, path->text, &size, &is_dir) >= 0 ? size : 0;
}

shale_status store_delete(struct store *s, enum object_kind kind, uint64_t number)
{
	uint64_t left;

	return store_delete_some(s, kind, number, UINT64_MAX, &left);
}

/* Cut off the last `step` bytes. False: it could not be. */
static bool shorten(struct store *s, const struct store_path *path, uint64_t size, uint64_t step)
{
	shale_file *f = NULL;
	int err = fs_open(s->env, path->text, SHALE_FILE_WRITE, &f);

	if (err < 0)
		return false;
	err = s->env->fs.ops->truncate(s->env->fs.self, f, size - step);
	fs_close(s->env, f);
	return err >= 0;
}

shale_status store_delete_some(struct store *s, enum object_kind kind, uint64_t number,
			       uint64_t step, uint64_t *left)
{
	struct object_name name = object_name(kind, number);
	shale_status rc = store_writable(s, name.text);
	struct store_path path;
	uint64_t size;
	int err;

	*left = 0;
	if (rc != SHALE_OK)
		return rc;
	store_path_to(s, name.text, &path);
	size = size_of(s, &path);
	if (size > step && shorten(s, &path, size, step)) {
		store_shrank(s, step);
		*left = size - step;
		return SHALE_OK;
	}
	err = fs_unlink(s->env, path.text);
	if (err < 0)
		return err_sys(-err, name.text, "cannot delete %s", path.text);
	store_shrank(s, size);
	return SHALE_OK;
}

shale_status store_stat(struct store *s, enum object_kind kind, uint64_t number, uint64_t *size)
{
	struct object_name name = object_name(kind, number);
	struct store_path path;
	bool is_dir;
	int err;

	store_path_to(s, name.text, &path);
	err = fs_stat(s->env, path.text, size, &is_dir);
	if (err < 0)
		return err_sys(-err, name.text, "cannot look at %s", path.text);
	return SHALE_OK;
}

/*
 * The names are gathered before the caller hears of any: it may delete or open
 * objects as it goes, and what a directory shows while it changes is unspecified.
 */
struct listed {
	uint8_t kind;
	uint8_t number[8];
};

static int list_each(void *arg, const char *text)
{
	struct buf *names = arg;
	enum object_kind kind;
	struct listed one;
	uint64_t number;

	if (!object_name_parse(text, &kind, &number))
		return 0;
	one.kind = (uint8_t)kind;
	put_u64le(one.number, number);
	buf_append(names, &one, sizeof(one));
	return names->failed;
}

shale_status store_list(struct store *s,
			shale_status (*each)(void *arg, enum object_kind kind, uint64_t number),
			void *arg)
{
	shale_status rc = SHALE_OK;
	struct buf names;
	int err;

	buf_init(&names, s->env);
	err = fs_list(s->env, s->path, list_each, &names);
	if (names.failed)
		rc = err_memory("a list of objects");
	else if (err < 0)
		rc = err_sys(-err, s->path, "cannot list the directory %s", s->path);
	for (size_t at = 0; rc == SHALE_OK && at < names.size; at += sizeof(struct listed)) {
		struct listed one;

		memcpy(&one, names.data + at, sizeof(one));
		rc = each(arg, (enum object_kind)one.kind, get_u64le(one.number));
	}
	buf_fini(&names);
	return rc;
}

shale_status store_space(struct store *s, uint64_t *free_bytes, uint64_t *total_bytes)
{
	int err = s->env->fs.ops->space(s->env->fs.self, s->path, free_bytes, total_bytes);

	if (err < 0)
		return err_sys(-err, s->path, "cannot tell the space left at %s", s->path);
	return SHALE_OK;
}
