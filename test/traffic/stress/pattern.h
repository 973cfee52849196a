/* SPDX-License-Identifier: Apache-2.0 */
/* The expected value of every byte of a stream: a function of the stream's tag and the byte's
 * offset. So a byte shows if it is wrong, out of place or from another connection.
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

/* Counts the right bytes before the first wrong one. */
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
