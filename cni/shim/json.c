// SPDX-License-Identifier: Apache-2.0
#include "json.h"

#include <string.h>

struct reader {
	const char *at;
	const char *end;
};

static bool take(struct reader *in, char wanted)
{
	if (in->at == in->end || *in->at != wanted)
		return false;
	in->at++;
	return true;
}

static void skip_space(struct reader *in)
{
	while (in->at < in->end &&
	       (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r'))
		in->at++;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The value of a hexadecimal digit, or -1. */
static int hex(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool skip_digits(struct reader *in)
{
	const char *start = in->at;

	while (in->at < in->end && is_digit(*in->at))
		in->at++;
	return in->at > start;
}

static bool skip_number(struct reader *in)
{
	take(in, '-');
	if (!take(in, '0') && !skip_digits(in))
		return false;
	if (take(in, '.') && !skip_digits(in))
		return false;
	if (take(in, 'e') || take(in, 'E')) {
		if (!take(in, '+'))
			take(in, '-');
		return skip_digits(in);
	}
	return true;
}

static bool skip_string(struct reader *in)
{
	if (!take(in, '"'))
		return false;
	while (in->at < in->end) {
		unsigned char c = *in->at++;

		if (c == '"')
			return true;
		if (c < ' ')
			return false;
		if (c != '\\')
			continue;
		if (in->at == in->end)
			return false;
		c = *in->at++;
		if (c == 'u') {
			for (int digit = 0; digit < 4; digit++, in->at++)
				if (in->at == in->end || hex(*in->at) < 0)
					return false;
		} else if (!c || !strchr("\"\\/bfnrt", c)) {
			return false;
		}
	}
	return false;
}

static bool skip_word(struct reader *in, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(in->end - in->at) < length || memcmp(in->at, word, length))
		return false;
	in->at += length;
	return true;
}

static bool skip_scalar(struct reader *in)
{
	if (in->at == in->end)
		return false;
	switch (*in->at) {
	case '"':
		return skip_string(in);
	case 't':
		return skip_word(in, "true");
	case 'f':
		return skip_word(in, "false");
	case 'n':
		return skip_word(in, "null");
	default:
		return skip_number(in);
	}
}

/* A name and its colon. */
static bool skip_name(struct reader *in)
{
	skip_space(in);
	if (!skip_string(in))
		return false;
	skip_space(in);
	return take(in, ':');
}

/* Not recursive: the input's depth must not determine the stack's size. */
static bool skip_value(struct reader *in)
{
	char closers[JSON_MAX_DEPTH];
	size_t depth = 0;

	for (;;) {
		skip_space(in);
		if (in->at < in->end && (*in->at == '{' || *in->at == '[')) {
			char closer = *in->at++ == '{' ? '}' : ']';

			if (depth == JSON_MAX_DEPTH)
				return false;
			skip_space(in);
			if (!take(in, closer)) {
				closers[depth++] = closer;
				if (closer == '}' && !skip_name(in))
					return false;
				continue;
			}
		} else if (!skip_scalar(in)) {
			return false;
		}
		/* A value has ended. The values around it may end as well. */
		for (;;) {
			if (depth == 0)
				return true;
			skip_space(in);
			if (take(in, ',')) {
				if (closers[depth - 1] == '}' && !skip_name(in))
					return false;
				break;
			}
			if (!take(in, closers[--depth]))
				return false;
		}
	}
}

static void note(struct span name, struct span value, struct member *wanted, size_t count)
{
	char text[32];

	if (!json_string(name, text, sizeof(text)))
		return;
	for (size_t i = 0; i < count; i++)
		if (!strcmp(text, wanted[i].name))
			wanted[i].value = value;
}

bool json_members(struct span text, struct member *wanted, size_t count)
{
	struct reader in = {text.at, text.at + text.length};

	for (size_t i = 0; i < count; i++)
		wanted[i].value = (struct span){NULL, 0};
	skip_space(&in);
	if (!take(&in, '{'))
		return false;
	skip_space(&in);
	if (!take(&in, '}')) {
		do {
			struct span name, value;

			skip_space(&in);
			name.at = in.at;
			if (!skip_string(&in))
				return false;
			name.length = in.at - name.at;
			skip_space(&in);
			if (!take(&in, ':'))
				return false;
			skip_space(&in);
			value.at = in.at;
			if (!skip_value(&in))
				return false;
			value.length = in.at - value.at;
			note(name, value, wanted, count);
			skip_space(&in);
		} while (take(&in, ','));
		if (!take(&in, '}'))
			return false;
	}
	skip_space(&in);
	return in.at == in.end;
}

/* The character after a backslash; 0 if text may not contain it. */
static char unescape(struct reader *in)
{
	char c = *in->at++;
	int code = 0;

	switch (c) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case 'u':
		for (int digit = 0; digit < 4; digit++)
			code = code * 16 + hex(*in->at++);
		return code < 0x80 ? code : 0;
	default:
		return c;
	}
}

bool json_string(struct span value, char *text, size_t size)
{
	struct reader in = {value.at, value.at + value.length};
	size_t length = 0;

	if (!value.at || !skip_string(&in) || in.at != in.end)
		return false;
	in = (struct reader){value.at + 1, value.at + value.length - 1};
	while (in.at < in.end) {
		char c = *in.at++;

		if (c == '\\') {
			c = unescape(&in);
			if (!c)
				return false;
		}
		if (length + 1 >= size)
			return false;
		text[length++] = c;
	}
	text[length] = 0;
	return true;
}
