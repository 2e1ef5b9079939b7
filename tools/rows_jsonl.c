/*
 * JSON lines: one object a line, {"key":...,"value":...}. JSON strings are
 * Unicode; bytes that are not stand in hexadecimal under "key_hex" and
 * "value_hex" instead. Other members are refused: they would be lost silently.
 */
#include "rows.h"

#include <json-c/json.h>

#include <limits.h>

static enum rows_result jsonl_member(struct rows_reader *r, const char *name,
				     struct json_object *member, struct text *out, bool hex)
{
	const char *data;
	size_t size;

	if (!json_object_is_type(member, json_type_string))
		return rows_bad(r, "\"%.40s\" is no string", name);
	data = json_object_get_string(member);
	size = (size_t)json_object_get_string_len(member);
	text_clear(out);
	if (!hex)
		text_add(out, data, size);
	else if (!text_unhex(out, data, size))
		return rows_bad(r, "\"%.40s\" is not hexadecimal", name);
	return ROWS_OK;
}

static enum rows_result jsonl_object(struct rows_reader *r, struct json_object *object,
				     struct text *key, struct text *value)
{
	bool have_key = false, have_value = false;
	enum rows_result result;

	if (!json_object_is_type(object, json_type_object))
		return rows_bad(r, "the line is no JSON object");
	json_object_object_foreach(object, name, member)
	{
		bool hex = strlen(name) > 4 && !strcmp(name + strlen(name) - 4, "_hex");
		bool is_key = !strcmp(name, hex ? "key_hex" : "key");
		bool *have = is_key ? &have_key : &have_value;

		if (!is_key && strcmp(name, hex ? "value_hex" : "value"))
			return rows_bad(r, "\"%.40s\" is neither key nor value", name);
		if (*have)
			return rows_bad(r, "two %s", is_key ? "keys" : "values");
		*have = true;
		result = jsonl_member(r, name, member, is_key ? key : value, hex);
		if (result != ROWS_OK)
			return result;
	}
	if (!have_key || !have_value)
		return rows_bad(r, "no \"%s\"", have_key ? "value" : "key");
	return ROWS_OK;
}

static bool jsonl_only_blanks(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != ' ' && p[i] != '\t')
			return false;
	return true;
}

static enum rows_result jsonl_read(struct rows_reader *r, struct text *key, struct text *value)
{
	struct json_tokener *parser = r->parser;
	enum rows_result result = rows_line(r);
	struct json_object *object;
	size_t used;

	if (result != ROWS_OK)
		return result;
	r->record_line = r->line;
	if (!parser) {
		r->parser = parser = json_tokener_new();
		if (!parser)
			return ROWS_FAILED;
		json_tokener_set_flags(parser, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	}
	if (r->text.size > INT_MAX)
		return rows_bad(r, "the line is longer than 2 GiB");
	json_tokener_reset(parser);
	/* NULs must not hide what follows them; JSON allows none outside of escapes. */
	if (r->text.size && memchr(r->text.data, 0, r->text.size))
		return rows_bad(r, "a NUL byte");
	object = json_tokener_parse_ex(parser, text_slice(&r->text).data, (int)r->text.size);
	used = json_tokener_get_parse_end(parser);
	if (json_tokener_get_error(parser) == json_tokener_continue)
		result = rows_bad(r, r->text.size ? "the JSON ends too early" : "an empty line");
	else if (json_tokener_get_error(parser) != json_tokener_success)
		result =
			rows_bad(r, "%s at column %zu",
				 json_tokener_error_desc(json_tokener_get_error(parser)), used + 1);
	else if (!jsonl_only_blanks(r->text.data + used, r->text.size - used))
		result = rows_bad(r, "text after the JSON object");
	else
		result = jsonl_object(r, object, key, value);
	json_object_put(object);
	return result;
}

static const char *jsonl_write(struct text *out, shale_slice key, shale_slice value)
{
	text_add_char(out, '{');
	text_json_member(out, "key", key);
	text_add_char(out, ',');
	text_json_member(out, "value", value);
	text_add(out, "}\n", 2);
	return NULL;
}

static void jsonl_fini(struct rows_reader *r)
{
	if (r->parser)
		json_tokener_free(r->parser);
	r->parser = NULL;
}

const struct rows_format rows_jsonl = {
	"jsonl", ".jsonl", "", jsonl_read, jsonl_write, jsonl_fini
};
