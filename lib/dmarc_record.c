/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * dmarc_record - reads a DMARC record, with libopendmarc behind a strict front.
 *
 * libopendmarc 1.4.2 takes "p=r" for reject, keeps p after an error in another tag, lets the last of two
 * equal tags win, wants no v=, and its rf=iodef overwrites the SPF alignment mode. It is therefore shown
 * only what the front has read and written anew, and its status is believed before any value. Nothing else
 * of it is used: its organisational domains and alignment are wrong in ways that facts about real records
 * show (one-letter labels, strict mode), and its resolver waits 10 seconds for a dead server. rua and ruf
 * are never fetched from it: with a buffer it asks the DNS.
 *
 * The only file that knows libopendmarc.
 */
#include "lib/dmarc_record.h"

#include <string.h>
#include <strings.h>

#include <opendmarc/dmarc.h>

#include "lib/str.h"

#include "lib/banned.h"

#define TAGS_MAX 64u
#define RECORD_MAX 4096u	/* bytes that are read; real records have 50 to 400 */

struct tag {
	const char *name, *value;	/* in the arena, trimmed */
};

struct reading {
	struct arena *arena;
	struct tag tag[TAGS_MAX];
	size_t n;
	struct dmarc_record *to;
};

static bool
blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* RFC 7489 section 6.4: "v" *WSP "=" *WSP "DMARC1", then the end or *WSP ";". */
bool
dmarc_record_is(const uint8_t *data, size_t size)
{
	static const char version[] = "DMARC1";
	size_t i = 0;

	if (size == 0 || (data[i] != 'v' && data[i] != 'V'))
		return false;
	for (i++; i < size && blank(data[i]); i++)
		;
	if (i == size || data[i++] != '=')
		return false;
	for (; i < size && blank(data[i]); i++)
		;
	if (size - i < sizeof(version) - 1 || memcmp(data + i, version, sizeof(version) - 1) != 0)
		return false;
	for (i += sizeof(version) - 1; i < size && blank(data[i]); i++)
		;
	return i == size || data[i] == ';';
}

/* ---- the front ----------------------------------------------------------------- */

static const char *
trimmed(struct arena *a, const char *at, size_t n)
{
	while (n > 0 && blank((uint8_t)*at)) {
		at++;
		n--;
	}
	while (n > 0 && blank((uint8_t)at[n - 1]))
		n--;
	return arena_strndup(a, at, n);
}

static const char *
value_of(const struct reading *r, const char *name)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (strcasecmp(r->tag[i].name, name) == 0)
			return r->tag[i].value;
	return NULL;
}

/* The first complaint stays. */
static void
complain(struct reading *r, const char *why)
{
	if (*r->to->why == '\0')
		r->to->why = why;
}

static void
invalid(struct reading *r, const char *why)
{
	r->to->valid = false;
	r->to->why = why;
}

static void
add_tag(struct reading *r, const char *at, size_t n)
{
	const char *equals = memchr(at, '=', n);
	struct tag t;

	if (equals == NULL) {
		t.name = trimmed(r->arena, at, n);
		if (*t.name != '\0')
			complain(r, arena_printf(r->arena, "\"%.40s\" is no tag=value", t.name));
		return;
	}
	t.name = trimmed(r->arena, at, (size_t)(equals - at));
	t.value = trimmed(r->arena, equals + 1, n - (size_t)(equals + 1 - at));
	/* RFC 6376 section 3.2: with a name twice the whole list is invalid. */
	if (value_of(r, t.name) != NULL)
		invalid(r, arena_printf(r->arena, "the tag %.20s= stands twice", t.name));
	else if (r->n == TAGS_MAX)
		invalid(r, "it has too many tags");
	else
		r->tag[r->n++] = t;
}

static void
split(struct reading *r, const char *text)
{
	size_t n;

	for (;; text += n + 1) {
		n = strcspn(text, ";");
		add_tag(r, text, n);
		if (text[n] == '\0')
			return;
	}
}

/* Bytes that cannot be in a tag become '?': the value is invalid then, not cut. */
static char *
plain(struct arena *a, const uint8_t *data, size_t size)
{
	size_t n = size < RECORD_MAX ? size : RECORD_MAX, i;
	char *text = arena_alloc(a, n + 1);

	for (i = 0; i < n; i++)
		text[i] = (data[i] >= 0x20 && data[i] < 0x7f) || data[i] == '\t' ? (char)data[i] : '?';
	text[n] = '\0';
	return text;
}

static bool
policy_of(const char *value, enum dmarc_policy *to)
{
	static const enum dmarc_policy policies[] = { DMARC_NONE, DMARC_QUARANTINE, DMARC_REJECT };
	size_t i;

	for (i = 0; i < sizeof(policies) / sizeof(policies[0]); i++)
		if (strcasecmp(value, dmarc_policy_text(policies[i])) == 0) {
			*to = policies[i];
			return true;
		}
	return false;
}

/* True when the tag is missing or good. */
static bool
read_policy(struct reading *r, const char *name, enum dmarc_policy *to)
{
	const char *value = value_of(r, name);

	if (value == NULL || policy_of(value, to))
		return true;
	complain(r, arena_printf(r->arena, "%s=%.30s is no policy; allowed: none, quarantine, reject", name,
	    value));
	return false;
}

static bool
read_letter(struct reading *r, const char *name, const char *letters, char *to)
{
	const char *value = value_of(r, name);
	char c;

	if (value == NULL)
		return false;
	c = *value >= 'A' && *value <= 'Z' ? (char)(*value + ('a' - 'A')) : *value;
	if (c == '\0' || value[1] != '\0' || strchr(letters, c) == NULL) {
		complain(r, arena_printf(r->arena, "%s=%.30s means nothing, and the default holds", name,
		    value));
		return false;
	}
	*to = c;
	return true;
}

static void
read_pct(struct reading *r, struct str *clean)
{
	const char *value = value_of(r, "pct"), *p;
	unsigned n = 0;

	if (value == NULL)
		return;
	for (p = value; *p >= '0' && *p <= '9' && n <= 100; p++)
		n = n * 10 + (unsigned)(*p - '0');
	if (p == value || *p != '\0' || n > 100) {
		complain(r, arena_printf(r->arena, "pct=%.30s is no number from 0 to 100", value));
		return;
	}
	str_catf(clean, "; pct=%u", n);
}

/* One URI at least that could be written to: scheme and colon. */
static bool
has_reports(const struct reading *r)
{
	const char *rua = value_of(r, "rua");

	return rua != NULL && strncasecmp(rua, "mailto:", 7) == 0 && strchr(rua, '@') != NULL;
}

/* ---- behind it ------------------------------------------------------------------- */

static enum dmarc_policy
policy_from(int letter, enum dmarc_policy missing)
{
	switch (letter) {
	case DMARC_RECORD_P_NONE:	return DMARC_NONE;
	case DMARC_RECORD_P_QUARANTINE:	return DMARC_QUARANTINE;
	case DMARC_RECORD_P_REJECT:	return DMARC_REJECT;
	default:			return missing;
	}
}

/* Asks libopendmarc what the clean record says. False when it does not take it. */
static bool
ask_library(const char *clean, struct dmarc_record *to)
{
	static const char address[] = "192.0.2.1", domain[] = "x.example";
	u_char space[1024];
	int p = 0, sp = 0, adkim = 0, aspf = 0, pct = 100;
	DMARC_POLICY_T *ctx;
	bool ok;

	/* Its prototypes lack const, and it may write where it reads. */
	ctx = opendmarc_policy_connect_init((u_char *)(uintptr_t)address, DMARC_POLICY_IP_TYPE_IPV4);
	if (ctx == NULL || !str_copy((char *)space, sizeof(space), clean)) {
		if (ctx != NULL)
			(void)opendmarc_policy_connect_shutdown(ctx);
		return false;
	}
	ok = opendmarc_policy_parse_dmarc(ctx, (u_char *)(uintptr_t)domain, space) == DMARC_PARSE_OKAY &&
	    opendmarc_policy_fetch_p(ctx, &p) == DMARC_PARSE_OKAY &&
	    opendmarc_policy_fetch_sp(ctx, &sp) == DMARC_PARSE_OKAY &&
	    opendmarc_policy_fetch_adkim(ctx, &adkim) == DMARC_PARSE_OKAY &&
	    opendmarc_policy_fetch_aspf(ctx, &aspf) == DMARC_PARSE_OKAY &&
	    opendmarc_policy_fetch_pct(ctx, &pct) == DMARC_PARSE_OKAY;
	(void)opendmarc_policy_connect_shutdown(ctx);
	if (!ok)
		return false;
	to->p = policy_from(p, DMARC_NONE);
	to->sp = policy_from(sp, to->p);
	to->strict_dkim = adkim == DMARC_RECORD_A_STRICT;
	to->strict_spf = aspf == DMARC_RECORD_A_STRICT;
	to->pct = pct < 0 || pct > 100 ? 100 : (unsigned)pct;
	return true;
}

/* RFC 7489 section 6.6.3: without a valid p, or with an invalid sp, the record means p=none when it asks
 * for reports, and nothing when not. */
static void
read_values(struct reading *r)
{
	struct dmarc_record *to = r->to;
	enum dmarc_policy p = DMARC_NONE, sp = DMARC_NO_RECORD, np = DMARC_NO_RECORD;
	char space[256], letter = 'r';
	struct str clean = STR_IN(space);
	bool good;

	good = read_policy(r, "p", &p);
	good = read_policy(r, "sp", &sp) && good;
	good = read_policy(r, "np", &np) && good;
	if (value_of(r, "p") == NULL) {
		complain(r, "it has no p=");
		good = false;
	}
	if (!good && !has_reports(r))
		to->valid = false;
	if (!good) {
		p = DMARC_NONE;
		sp = np = DMARC_NO_RECORD;
	}
	str_catf(&clean, "v=DMARC1; p=%s", dmarc_policy_text(p));
	if (sp != DMARC_NO_RECORD)
		str_catf(&clean, "; sp=%s", dmarc_policy_text(sp));
	if (read_letter(r, "adkim", "rs", &letter))
		str_catf(&clean, "; adkim=%c", letter);
	if (read_letter(r, "aspf", "rs", &letter))
		str_catf(&clean, "; aspf=%c", letter);
	read_pct(r, &clean);
	if (!ask_library(clean.data, to)) {
		invalid(r, "libopendmarc cannot read it");
		return;
	}
	to->has_np = np != DMARC_NO_RECORD;
	to->np = to->has_np ? np : to->sp;
	if (read_letter(r, "t", "yn", &letter))
		to->testing = letter == 'y';
	(void)read_letter(r, "psd", "ynu", &to->psd);
}

/* The same record for the zone file: known tags as they were read, others as they stand, nothing twice. */
static void
write_mended(struct reading *r)
{
	const struct dmarc_record *to = r->to;
	struct str s = { .size = RECORD_MAX + 256 };	/* no tag is longer than it was read */
	size_t i;

	s.data = arena_alloc(r->arena, s.size);
	str_catf(&s, "v=DMARC1; p=%s", dmarc_policy_text(to->p));
	if (to->sp != to->p)
		str_catf(&s, "; sp=%s", dmarc_policy_text(to->sp));
	if (to->has_np)
		str_catf(&s, "; np=%s", dmarc_policy_text(to->np));
	if (to->strict_dkim)
		str_cat(&s, "; adkim=s");
	if (to->strict_spf)
		str_cat(&s, "; aspf=s");
	if (to->pct < 100)
		str_catf(&s, "; pct=%u", to->pct);
	if (to->testing)
		str_cat(&s, "; t=y");
	if (to->psd != 'u')
		str_catf(&s, "; psd=%c", to->psd);
	for (i = 0; i < r->n; i++)
		if (strcasecmp(r->tag[i].name, "rua") == 0 || strcasecmp(r->tag[i].name, "ruf") == 0 ||
		    strcasecmp(r->tag[i].name, "fo") == 0)
			str_catf(&s, "; %s=%s", r->tag[i].name, r->tag[i].value);
	r->to->mended = s.data;
}

void
dmarc_record_read(struct arena *a, const uint8_t *data, size_t size, struct dmarc_record *to)
{
	struct reading r = { .arena = a, .to = to };

	*to = (struct dmarc_record){ .p = DMARC_NONE, .sp = DMARC_NONE, .np = DMARC_NONE, .pct = 100,
		.psd = 'u', .valid = true, .why = "", .mended = "" };
	split(&r, plain(a, data, size));
	read_values(&r);
	if (size > RECORD_MAX)
		invalid(&r, "it is longer than 4096 bytes");
	write_mended(&r);
}
