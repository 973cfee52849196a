import { test } from 'tap'
import { reduce } from '../../../../scripts/kernel-types/reduce.ts'

const dump = `#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

typedef unsigned int __u32;

typedef long long unsigned int __u64;

struct unused {
	int a;
};

enum colour {
	RED = 0,
	GREEN = 1,
	BLUE = 2,
};

struct inner {
	__u32 kept;
	__u32 gone;
};

struct far {
	long: 64;
	int deep;
	int shallow;
};

struct opaque {
	int hidden;
};

struct outer {
	struct inner in;
	struct opaque *pointer;
	struct far *far;
	union {
		int left;
		int right;
	};
	int (*callback)(struct outer *);
	__u64 bits: 3;
	int numbers[4];
};

struct pair {
	int one;
	int two;
};

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
`

const reduced = (source: string): string => reduce(dump, [source], []).replaceAll(/\s+/g, ' ')

void test('members that no program names are left out', async (t) => {
  const text = reduced('int f(struct outer *o) { return o->in.kept + o->far->deep + o->left; }')
  t.match(text, /struct outer \{ struct inner in; struct far \*far; union \{ int left; \}; \};/)
  t.match(text, /struct inner \{ __u32 kept; \};/)
  t.match(text, /struct far \{ int deep; \};/)
  t.match(text, /typedef unsigned int __u32;/)
  t.notMatch(text, /gone|shallow|right|callback|unused|__u64|long: 64/)
})

void test('a pointer to a type whose members nobody names needs its name only', async (t) => {
  const text = reduced('void *f(struct outer *o) { return o->pointer; }')
  t.match(text, /struct opaque;/)
  t.notMatch(text, /struct opaque \{/)
})

void test('callbacks, bit fields and arrays are members, too', async (t) => {
  const text = reduced('o->callback; o->bits; o->numbers[0]; struct outer *o;')
  t.match(text, /int \(\*callback\)\(struct outer \*\); __u64 bits: 3; int numbers\[4\];/)
})

void test('what a program holds itself stays whole', async (t) => {
  t.match(reduced('struct pair p = {}; p.one;'), /struct pair \{ int one; int two; \};/)
  t.match(reduced('sizeof(struct pair)'), /struct pair \{ int one; int two; \};/)
  t.match(reduced('struct pair *p; p->one;'), /struct pair \{ int one; \};/)
})

void test('an enum keeps the values that are named', async (t) => {
  t.match(reduced('int x = GREEN;'), /enum colour \{ GREEN = 1, \};/)
})

void test('a type that a program defines itself is left out', async (t) => {
  t.notMatch(reduced('struct pair { int one; }; struct pair *p;'), /struct pair \{/)
})

void test('words in comments and strings count for nothing', async (t) => {
  t.notMatch(reduced('/* GREEN */ // struct pair *\n char *s = "RED";'), /colour|pair/)
})
