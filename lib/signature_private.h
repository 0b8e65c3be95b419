/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_SIGNATURE_PRIVATE_H
#define LIB_SIGNATURE_PRIVATE_H
/*
 * signature_private - what signature_file.c builds and signature.c matches.
 *
 * A condition of the file becomes a test, shared by all signatures that ask the same. Tests hang on
 * the field name they are about, and each knows the signatures that wait for it. So a message costs
 * what its own fields cost: names that no signature mentions are looked up and dropped, and a
 * signature none of whose conditions hold is never visited.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/pattern.h"
#include "lib/signature.h"

#define SIGNATURE_ENTRIES_MAX 2000u
#define SIGNATURE_CONDITIONS_MAX 16u
#define SIGNATURE_WILD_MAX 64u		/* names with '*' are compared with every field of a message */
#define SIGNATURE_FILE_MAX ((size_t)4 << 20)
#define SIGNATURE_FILES_MAX 64u		/* of the operator's own */
#define SIGNATURE_LINE_MAX 2048u
#define SIGNATURE_NAME_MAX 32u
#define SIGNATURE_TITLE_MAX 80u
#define SIGNATURE_FIELD_NAME_MAX 76u

/* What one message may cost: less than a millisecond, whatever it holds (t/bench/bench_signature.c). */
#define SIGNATURE_FIELDS_MAX 256u	/* fields that any signature wants */
#define SIGNATURE_SAME_MAX 32u		/* of them with one name */
#define SIGNATURE_VALUE_MAX 4096u	/* bytes of one value */
#define SIGNATURE_VALUES_MAX 8192u	/* of all values of one name, so that no field uses up what others need */
#define SIGNATURE_TEXT_MAX ((size_t)48 << 10)	/* of all values */
#define SIGNATURE_SCAN_MAX ((size_t)384 << 10)	/* bytes that patterns and comparisons may read */
#define SIGNATURE_GIVEN_UP_MAX 2u	/* patterns that may run into their limit */

#define SIGNATURE_NEED_MAX 24u
#define SIGNATURE_NEED_PAIRS 3u

/* A test and a name fit in 16 bits. */
_Static_assert(2 * SIGNATURE_ENTRIES_MAX * SIGNATURE_CONDITIONS_MAX < UINT16_MAX, "numbers of them");

enum signature_op {
	SIGNATURE_PRESENT,	/* there is such a field */
	SIGNATURE_IS,		/* its value is the text; this and the next three without ASCII case */
	SIGNATURE_STARTS,
	SIGNATURE_ENDS,
	SIGNATURE_CONTAINS,
	SIGNATURE_MATCHES,	/* the pattern matches */
	SIGNATURE_REPEATS,	/* the pattern matches, and what its first part matched stands in the other
				 * field too */
	SIGNATURE_BEFORE,	/* the first such field stands above the first other one */
	SIGNATURE_DIFFERS,	/* two such fields have different values */
	SIGNATURE_TWIN		/* there is a field named X- and this value */
};

enum signature_how { SIGNATURE_ALL, SIGNATURE_ANY, SIGNATURE_NONE };

struct signature_test {
	enum signature_op op;
	unsigned name, other;		/* indexes into names; other only for repeats and before */
	const char *text;		/* as compared: lower case; of a pattern its source */
	size_t length;
	struct pattern *pattern;	/* NULL unless op needs one */
	/* What a value must hold, lower case, for the test to be worth trying: at its beginning, or anywhere */
	char need[SIGNATURE_NEED_MAX + 1];
	uint8_t n_need;			/* 0 = nothing is known */
	bool need_first;
	uint16_t pairs[SIGNATURE_NEED_PAIRS];	/* three of its pairs of letters, as signature_pair */
	unsigned uses;			/* entries that have it under all or any */
	unsigned *entries;		/* those that are looked at when it holds */
	size_t n_entries;
	const char *owner;		/* first signature that has it, and its place: to name a slow one */
	const char *file;
	unsigned line;
	atomic_uchar slow;		/* 0 never, 1 ran into its limit, 2 said */
};

struct signature_name {
	const char *text;		/* lower case */
	size_t length;
	bool wild;			/* holds one or two '*' */
	bool values;			/* a test reads its values, or a flood of it matters */
	size_t tail;			/* of a wild name: bytes behind the last '*' */
	/* First those of which nothing is known, then those that must hold a text, by the number of a pair of
	 * letters in it, then those that must begin with one, by its first byte. */
	unsigned *tests;
	uint16_t *key;			/* of each test */
	size_t n_tests, n_free, n_held;	/* all; the first group; the first two */
	uint64_t *pairs;		/* the keys of the second group, as bits */
};

struct signature_condition {
	unsigned test;
	enum signature_how how;
};

struct signature_entry {
	const char *name, *title;
	const char *kind;
	unsigned confidence;
	const char *file;
	unsigned line;
	struct signature_condition conditions[SIGNATURE_CONDITIONS_MAX];
	size_t n;
};

/* A field name as it comes, to the names in the set that it stands for: itself, and a group such as
 * "@mailer". */
struct signature_slot {
	const char *text;
	uint64_t hash;
	unsigned names[2];
	unsigned n;			/* 0 = the slot is free */
};

struct signature_set {
	atomic_uint refs;
	struct arena *memory;		/* of everything below but the patterns */
	struct signature_entry *entries;
	size_t n_entries;
	struct signature_test *tests;
	size_t n_tests;
	struct signature_name *names;
	size_t n_names;
	unsigned *wild;
	size_t n_wild;
	struct signature_slot *slots;	/* open addressing; a power of two, at most half full */
	size_t n_slots;
	int flood, body;		/* index of the names "@flood" and "@body", or -1 */
	atomic_uint n_slow;		/* tests in state 1 */
};

/* Reads the text of a signature file; file names it in reports. As signature_load otherwise. For tests and
 * fuzzing. */
struct signature_set *signature_parse(const char *file, const char *text, size_t n,
    const struct table_report *report, size_t *bad);

/* FNV-1a of a lower-case name. */
uint64_t signature_hash(const char *text, size_t n);
/* Builds the index once all signatures are there (signature_index.c). */
void signature_index(struct signature_set *s);
/* The slot of a lower-case name; n == 0 there when no signature names it. */
struct signature_slot *signature_slot(const struct signature_set *s, const char *text, uint64_t hash);
/* Compares with a name such as "x-*-campaign-uid". */
bool signature_wild(const struct signature_name *n, const char *name, size_t length);
/* A field's name in lower case, without the blanks that obsolete syntax allows before the colon. Returns its
 * length, 0 when it is none that a signature can name. */
size_t signature_lower_name(const char *name, char to[SIGNATURE_FIELD_NAME_MAX + 1]);
/* The word of an operator in the file. */
const char *signature_op_word(enum signature_op op);
/* Two letters as one of 1024 numbers. */
#define SIGNATURE_PAIRS 1024u
static inline unsigned
signature_pair(unsigned char a, unsigned char b)
{
	return (a * 37u + b * 5u + (unsigned)(a >> 3)) & (SIGNATURE_PAIRS - 1);
}
/* The value that conditions see: decoded, unfolded, and freed of what hides a name in it (signature_text.c).
 * *bytes gets its length. name is the field's, lower case. */
const char *signature_text(struct arena *a, const char *name, const char *value, size_t max, size_t *bytes);
/* The start of a body: NUL is a blank, and what quoted-printable does to URLs is undone. */
const char *signature_body_text(struct arena *a, const char *body, size_t n, size_t *bytes);
/* Look-alike letters of other alphabets to ASCII, invisible characters out. Never longer than text. */
char *signature_plain(struct arena *a, const char *text);

#endif
