/* SPDX-License-Identifier: Apache-2.0 */
/* What every byte of a stream has to be: a function of the stream's tag and the byte's offset, so
 * that one that is wrong, out of place or of another connection shows.
 */
#ifndef PATTERN_H
#define PATTERN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t mix(uint64_t value)
{
	value = (value ^ (value >> 32)) * 0xd6e8feb86659fd93ULL;
	return value ^ (value >> 29);
}

static inline uint64_t pattern_word(uint64_t tag, uint64_t index)
{
	return mix(tag + index * 0x9e3779b97f4a7c15ULL);
}

static inline void pattern_fill(uint64_t tag, uint64_t offset, unsigned char *to, size_t length)
{
	while (length) {
		uint64_t word = pattern_word(tag, offset / 8);
		size_t skip = offset % 8;
		size_t part = 8 - skip < length ? 8 - skip : length;

		if (part == 8)
			memcpy(to, &word, 8);
		else
			memcpy(to, (unsigned char *)&word + skip, part);
		to += part;
		offset += part;
		length -= part;
	}
}

/* The number of bytes that are right, from the first on. */
static inline size_t pattern_check(uint64_t tag, uint64_t offset, const unsigned char *from,
				   size_t length)
{
	size_t right = 0;

	while (right < length) {
		uint64_t word = pattern_word(tag, (offset + right) / 8);
		size_t skip = (offset + right) % 8;
		size_t part = 8 - skip < length - right ? 8 - skip : length - right;
		size_t i;

		if (!memcmp(from + right, (unsigned char *)&word + skip, part)) {
			right += part;
			continue;
		}
		for (i = 0; i < part; i++)
			if (from[right + i] != ((unsigned char *)&word)[skip + i])
				return right + i;
	}
	return right;
}

#endif
