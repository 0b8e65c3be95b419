/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_SEAL_PRIVATE_H
#define LIB_SEAL_PRIVATE_H
/*
 * What seal.c (cryptography) and seal_file.c (the key file) share: a key file's lines, as read. The secrets
 * in it are wiped with seal_wipe by whoever held them.
 */
#include "lib/seal.h"

#define SEAL_SECRET 32				/* bytes of a master key */
#define SEAL_SECRET_TEXT 44			/* characters of its base64url, with the NUL */

struct seal_line {
	char id[SEAL_KEY_ID_MAX + 1];
	enum seal_state state;
	uint64_t made;				/* ms since 1970 */
	uint8_t secret[SEAL_SECRET];
};

struct seal_lines {
	size_t n;
	struct seal_line at[SEAL_KEYS_MAX];
};

/* seal_file.c: reads and checks. On failure nothing secret is left in to. */
int seal_file_read(const char *path, struct seal_lines *to, struct err *e);

/* seal.c: the library's hands for the file's text. */
int seal_ready(struct err *e);
void seal_wipe(void *secret, size_t n);
/* 0, or -1 when text is no secret. */
int seal_secret_read(const char *text, uint8_t to[SEAL_SECRET]);
void seal_secret_write(const uint8_t secret[SEAL_SECRET], char to[SEAL_SECRET_TEXT]);

#endif
