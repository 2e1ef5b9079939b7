/* EEEEEEEE-CCCCCCCC.kind: lower-case digits, so that one object has one name. */
#include "env/names.h"

enum { DIGITS = 8, STEM = 2 * DIGITS + 1, ENDING = 4 };

static const char endings[][ENDING + 1] = {
	[OBJECT_TABLE] = ".sst",
	[OBJECT_LOG] = ".log",
	[OBJECT_MANIFEST] = ".man",
};

static void put_hex(char *to, uint32_t v)
{
	for (int i = DIGITS; i-- > 0; v >>= 4)
		to[i] = "0123456789abcdef"[v & 15];
}

static bool get_hex(const char *from, uint32_t *out)
{
	uint32_t v = 0;

	for (int i = 0; i < DIGITS; i++) {
		char c = from[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint32_t)(c - 'a' + 10);
		else
			return false;
	}
	*out = v;
	return true;
}

struct object_name object_name(enum object_kind kind, uint64_t number)
{
	struct object_name name;

	put_hex(name.text, (uint32_t)(number >> 32));
	name.text[DIGITS] = '-';
	put_hex(name.text + DIGITS + 1, (uint32_t)number);
	memcpy(name.text + STEM, endings[kind], ENDING + 1);
	return name;
}

bool object_name_parse(const char *text, enum object_kind *kind, uint64_t *number)
{
	uint32_t epoch, counter;

	if (strlen(text) != STEM + ENDING || text[DIGITS] != '-' || !get_hex(text, &epoch) ||
	    !get_hex(text + DIGITS + 1, &counter))
		return false;
	for (int k = OBJECT_TABLE; k <= OBJECT_MANIFEST; k++) {
		if (memcmp(text + STEM, endings[k], ENDING) != 0)
			continue;
		*kind = (enum object_kind)k;
		*number = object_number(epoch, counter);
		return true;
	}
	return false;
}
