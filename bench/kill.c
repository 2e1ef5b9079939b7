/*
 * What survives the death of the process? One program puts keys and notes, in a
 * file that it shares with the kernel, how many puts have returned; it is killed.
 * Another opens the store and looks for all of them.
 */
#include "run.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic uint64_t *shared_count(const char *file)
{
	int fd = open(file, O_RDWR | O_CREAT, 0666);
	void *p;

	if (fd < 0 || ftruncate(fd, sizeof(uint64_t)) != 0)
		die("%s: cannot be made", file);
	p = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		die("%s: cannot be mapped", file);
	return p;
}

_Noreturn void kill_writer(const struct session *s, const char *file)
{
	_Atomic uint64_t *count = shared_count(file);
	void *h = s->e->thread_new != NULL ? s->e->thread_new(s->db) : s->db;
	char key[KEY_SIZE];

	for (;;) {
		key_make(KEY_RANDOM, *count, key);
		s->e->put(h, (struct bytes){ key, KEY_SIZE }, value_of(key, s->value_size));
		(*count)++;
	}
}

uint64_t kill_replay(const struct session *s, const char *file, uint64_t *acknowledged)
{
	_Atomic uint64_t *count = shared_count(file);
	void *h = s->e->thread_new != NULL ? s->e->thread_new(s->db) : s->db;
	uint64_t missing = 0;

	*acknowledged = *count;
	for (uint64_t i = 0; i < *acknowledged; i++) {
		char key[KEY_SIZE];
		struct bytes want;
		struct found f;

		key_make(KEY_RANDOM, i, key);
		want = value_of(key, s->value_size);
		if (!s->e->get(h, (struct bytes){ key, KEY_SIZE }, &f)) {
			missing++;
			continue;
		}
		if (f.size != want.size || memcmp(f.data, want.data, want.size) != 0)
			die("%s: a value is not what was written", s->e->name);
		s->e->release(h, &f);
	}
	if (s->e->thread_free != NULL)
		s->e->thread_free(h);
	return missing;
}
