/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * pattern - the only file that knows PCRE2.
 *
 * Patterns come from the operator, subjects from whoever sends mail. The operator's pattern may be a
 * slow one and the subject made for it, so every match is bounded here and the caller hears that it was
 * given up. The JIT is used where the system grants it: under a service manager's MemoryDenyWriteExecute
 * it does not, and the interpreter runs under the same limits.
 */
#include "lib/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "lib/banned.h"

/* A value has at most 8 kB (signature.c). A pattern that begins anywhere takes one step for each place,
 * so 50,000 leaves room for honest patterns and ends a runaway one in about a millisecond. */
#define PATTERN_STEPS 50000u
#define PATTERN_DEPTH 5000u
#define PATTERN_HEAP_KB 1024u
#define PATTERN_OVECTOR 4u	/* the match, its first part, and two to spare: more is not asked for */

struct pattern {
	pcre2_code *code;
	pcre2_match_context *limits;
	unsigned parts;
};

struct pattern_work {
	pcre2_match_data *data;
};

static pcre2_match_context *
pattern_limits(void)
{
	pcre2_match_context *limits = pcre2_match_context_create(NULL);

	if (limits == NULL)
		abort();
	pcre2_set_match_limit(limits, PATTERN_STEPS);
	pcre2_set_depth_limit(limits, PATTERN_DEPTH);
	pcre2_set_heap_limit(limits, PATTERN_HEAP_KB);
	return limits;
}

struct pattern *
pattern_new(const char *text, struct err *e)
{
	const uint32_t options = PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C |
	    PCRE2_DOLLAR_ENDONLY;
	struct pattern *p;
	pcre2_code *code;
	PCRE2_SIZE at;
	PCRE2_UCHAR why[120];
	uint32_t parts = 0;
	int rc;

	if (strlen(text) > PATTERN_LENGTH_MAX) {
		(void)err_set(e, ERR_INPUT, "the pattern is longer than %u bytes", PATTERN_LENGTH_MAX);
		return NULL;
	}
	code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options, &rc, &at, NULL);
	if (code == NULL) {
		(void)pcre2_get_error_message(rc, why, sizeof(why));
		(void)err_set(e, ERR_INPUT, "the pattern is wrong at its byte %zu: %s", (size_t)at + 1,
		    (char *)why);
		return NULL;
	}
	(void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);	/* refused: the interpreter does it */
	(void)pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &parts);
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		abort();
	*p = (struct pattern){ .code = code, .limits = pattern_limits(), .parts = parts };
	return p;
}

void
pattern_free(struct pattern **p)
{
	if (*p == NULL)
		return;
	pcre2_code_free((*p)->code);
	pcre2_match_context_free((*p)->limits);
	free(*p);
	*p = NULL;
}

unsigned
pattern_parts(const struct pattern *p)
{
	return p->parts;
}

struct pattern_work *
pattern_work_new(void)
{
	struct pattern_work *w = calloc(1, sizeof(*w));

	if (w == NULL)
		abort();
	w->data = pcre2_match_data_create(PATTERN_OVECTOR, NULL);
	if (w->data == NULL)
		abort();
	return w;
}

void
pattern_work_free(struct pattern_work **w)
{
	if (*w == NULL)
		return;
	pcre2_match_data_free((*w)->data);
	free(*w);
	*w = NULL;
}

static struct pattern_part
pattern_first_part(const struct pattern_work *w, int rc)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(w->data);
	struct pattern_part part = { 0, 0 };

	/* rc is one more than the highest part that was set; 0 means that there were more than fit. \K may
	 * put an end before its start. */
	if ((rc == 0 || rc > 1) && at[2] != PCRE2_UNSET && at[3] > at[2])
		part = (struct pattern_part){ at[2], at[3] - at[2] };
	return part;
}

int
pattern_match(const struct pattern *p, struct pattern_work *w, const char *text, size_t n,
    struct pattern_part *part)
{
	int rc = pcre2_match(p->code, (PCRE2_SPTR)text, n, 0, 0, w->data, p->limits);

	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	if (rc < 0)
		return -1;
	if (part != NULL)
		*part = pattern_first_part(w, rc);
	return 1;
}
