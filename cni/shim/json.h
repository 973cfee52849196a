/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MESHACCEL_CNI_JSON_H
#define MESHACCEL_CNI_JSON_H

#include <stdbool.h>
#include <stddef.h>

struct span {
	const char *at;
	size_t length;
};

struct member {
	const char *name;
	/* The text of the member's value, without the space around it; `at` is NULL when there is
	 * none. */
	struct span value;
};

/*
 * Finds members of the object that the whole text is, the last one where a name repeats. False
 * unless the text is an object in valid JSON (RFC 8259; bytes from 0x80 pass in strings) that nests
 * no deeper than JSON_MAX_DEPTH.
 */
bool json_members(struct span text, struct member *wanted, size_t count);

/* As deep as Go's encoding/json reads, and so every container runtime. */
#define JSON_MAX_DEPTH 10000

/*
 * Decodes a string, given with its quotes, into a C string. False when it is none, does not fit, or
 * has a character that was escaped without need (\u above ASCII) or cannot be in a C string.
 */
bool json_string(struct span value, char *text, size_t size);

#endif
