/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * mailer_traits - see the header.
 *
 * One walk over the header notes the fields that matter; then each trait is a question to what was noted.
 * A message counts as bulk when it has mailers.volume recipients, calls itself bulk, carries a campaign's
 * fields, or was made by a program for that; but not when it is a list's post, an answer that a machine
 * gives, or a bounce: RFC 8058 asks nothing of these.
 */
#include "milter/mailer_traits.h"

#include <string.h>
#include <strings.h>

#include "lib/str.h"

#include "lib/banned.h"

#define VALUE_MAX 2000u		/* bytes of a value that are looked at */
#define SHOWN_MAX 120u		/* and that the desk sees */
#define SCRIPTS_MAX 8u		/* fields that name a script */
#define NAME_MAX_BYTES 76u	/* of a field that can be a campaign's */

/* Whoever writes the header may write much of it: more than this of one message is not looked at. No program
 * writes so many. */
#define FIELDS_MAX 64u		/* of those below */
#define NAMES_MAX 256u		/* that begin with X- */

/* What the header holds; the first field of each. */
struct noted {
	const struct header *unsubscribe, *post, *list_id, *list_post, *precedence, *campaign;
	const struct header *script[SCRIPTS_MAX];
	size_t n_script;
	bool bulk;		/* a Precedence says so */
	bool list;		/* a mailing list's own fields */
	bool machine;		/* an answer that nobody wrote */
	bool message_id, date;
};

/* ---- the walk -------------------------------------------------------------------- */

static bool
value_is(const struct facts *f, const struct header *h, const char *text)
{
	return strcasecmp(mail_header_text(f->arena, h->value, VALUE_MAX), text) == 0;
}

static void
note_precedence(const struct facts *f, const struct header *h, struct noted *n)
{
	if (!value_is(f, h, "bulk"))
		return;
	n->bulk = true;
	n->precedence = h;
}

static void
note_auto(const struct facts *f, const struct header *h, struct noted *n)
{
	const char *text = mail_header_text(f->arena, h->value, VALUE_MAX);

	n->machine |= strncasecmp(text, "auto-replied", 12) == 0;
}

static void
note_script(const struct facts *f, const struct header *h, struct noted *n)
{
	(void)f;
	if (n->n_script < SCRIPTS_MAX)
		n->script[n->n_script++] = h;
}

static void
note_first(const struct header **to, const struct header *h)
{
	if (*to == NULL)
		*to = h;
}

static void
note_unsubscribe(const struct facts *f, const struct header *h, struct noted *n)
{
	(void)f;
	note_first(&n->unsubscribe, h);
}

static void
note_post(const struct facts *f, const struct header *h, struct noted *n)
{
	(void)f;
	note_first(&n->post, h);
}

static void
note_list_id(const struct facts *f, const struct header *h, struct noted *n)
{
	(void)f;
	note_first(&n->list_id, h);
}

/* "List-Post: NO" is an announcement list's (RFC 2369 3.4). */
static void
note_list_post(const struct facts *f, const struct header *h, struct noted *n)
{
	if (strncasecmp(mail_header_text(f->arena, h->value, VALUE_MAX), "no", 2) == 0)
		return;
	note_first(&n->list_post, h);
	n->list = true;
}

static void
note_list(const struct facts *f, const struct header *h, struct noted *n)
{
	(void)f;
	(void)h;
	n->list = true;
}

static void
note_machine(const struct facts *f, const struct header *h, struct noted *n)
{
	(void)f;
	(void)h;
	n->machine = true;
}

static void
note_message_id(const struct facts *f, const struct header *h, struct noted *n)
{
	(void)f;
	(void)h;
	n->message_id = true;
}

static void
note_date(const struct facts *f, const struct header *h, struct noted *n)
{
	(void)f;
	(void)h;
	n->date = true;
}

static const struct {
	const char *name;
	void (*note)(const struct facts *f, const struct header *h, struct noted *n);
} fields[] = {
	{ "Auto-Submitted", note_auto },
	{ "Date", note_date },
	{ "List-Id", note_list_id },
	{ "List-Post", note_list_post },
	{ "List-Unsubscribe", note_unsubscribe },
	{ "List-Unsubscribe-Post", note_post },
	{ "Mailing-List", note_list },
	{ "Message-ID", note_message_id },
	{ "Precedence", note_precedence },
	{ "X-BeenThere", note_list },
	{ "X-Mailman-Version", note_list },
	{ "X-PHP-Filename", note_script },
	{ "X-PHP-Originating-Script", note_script },
	{ "X-PHP-Script", note_script },
	{ "X-RT-Ticket", note_machine },
	{ "X-Sieve", note_machine },
	{ "X-Source-Dir", note_script },
};

/* Fields of marketing systems: their names differ, parts of them do not. */
static bool
is_campaign_name(const char *name, unsigned *looked)
{
	static const char *const beginnings[] = { "x-campaign", "x-cmp" };
	static const char *const parts[] = { "-campaign-", "-subscriber-", "-tracking-" };
	size_t i;

	if ((name[0] | 0x20) != 'x' || name[1] != '-' || strncasecmp(name, "x-ms-", 5) == 0 ||
	    ++*looked > NAMES_MAX || strnlen(name, NAME_MAX_BYTES + 1) > NAME_MAX_BYTES)
		return false;
	for (i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
		if (strncasecmp(name, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strcasestr(name, parts[i]) != NULL)
			return true;
	return strcasecmp(name, "x-job") == 0;
}

static void
walk(const struct facts *f, struct noted *n)
{
	unsigned looked = 0, noted = 0;
	const struct header *h;
	size_t i, k;

	memset(n, 0, sizeof(*n));
	for (i = 0; i < f->n_headers; i++) {
		h = &f->headers[i];
		for (k = 0; k < sizeof(fields) / sizeof(fields[0]); k++)
			if ((fields[k].name[0] | 0x20) == (h->name[0] | 0x20) && strcasecmp(fields[k].name, h->name) == 0) {
				if (noted++ < FIELDS_MAX)
					fields[k].note(f, h, n);
				break;
			}
		if (n->campaign == NULL && is_campaign_name(h->name, &looked))
			n->campaign = h;
	}
}

/* ---- what follows ---------------------------------------------------------------- */

/* The program, when it is one made for bulk; else NULL. */
static const char *
bulk_program(const struct signature_match *match)
{
	static const char *const kinds[] = { "bulk", "newsletter", "crm", "desktop" };
	size_t i;

	for (i = 0; match != NULL && match->confidence >= SIGNATURE_HINT && i < 4; i++)
		if (strcmp(match->kind, kinds[i]) == 0)
			return match->title;
	return NULL;
}

/* Why the message counts as bulk; NULL when it does not. */
static const char *
bulk_why(const struct facts *f, const struct conf *c, const struct signature_match *match,
    const struct noted *n)
{
	const char *program = bulk_program(match);

	if (n->list || n->machine || (f->sender_ok && f->return_path.null) ||
	    (match != NULL && strcmp(match->kind, "list") == 0))
		return NULL;
	if (program != NULL)
		return arena_printf(f->arena, "made by %s", program);
	if (n->bulk)
		return "Precedence says bulk";
	if (n->campaign != NULL)
		return arena_printf(f->arena, "it has %.76s", n->campaign->name);
	if (c->mailers.volume > 0 && f->n_recipients >= c->mailers.volume)
		return arena_printf(f->arena, "it has %zu recipients", f->n_recipients);
	return NULL;
}

/* A field for the desk. */
static const char *
shown(const struct facts *f, const struct header *h)
{
	char space[4 * SHOWN_MAX + 100];
	struct str s = STR_IN(space);

	*space = '\0';
	str_cat_safe(&s, h->name);
	str_cat(&s, ": ");
	str_cat_safe(&s, mail_header_text(f->arena, h->value, SHOWN_MAX));
	return arena_strdup(f->arena, space);
}

/* RFC 8058 3.1: an https URI, and this very value. */
static bool
one_click(const struct facts *f, const struct noted *n)
{
	return n->post != NULL && value_is(f, n->post, "List-Unsubscribe=One-Click") &&
	    strcasestr(mail_header_text(f->arena, n->unsubscribe->value, VALUE_MAX), "<https:") != NULL;
}

/* A place where programs do not belong: where visitors' files, pictures or hidden things are kept. */
static bool
is_odd_path(const char *path, size_t length)
{
	static const char *const places[] = { "/uploads/", "/upload/", "/images/", "/img/", "/tmp/", "/temp/",
		"/cache/" };
	const char *at;
	size_t i;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if ((at = strcasestr(path, places[i])) != NULL && (size_t)(at - path) < length)
			return true;
	for (at = path; (at = strstr(at, "/.")) != NULL && (size_t)(at - path) < length; at += 2)
		if (at[2] != '/' && at[2] != '.' && strncmp(at, "/.well-known/", 13) != 0)
			return true;
	return false;
}

/* The script's field says that it is code made at run time, or that it lies in an odd place. */
static bool
script_says(const struct facts *f, const struct header *h, bool eval)
{
	const char *text = mail_header_text(f->arena, h->value, VALUE_MAX), *end;

	if (eval)
		return strcasestr(text, "eval()'d code") != NULL || strcasestr(text, "runtime-created function") != NULL;
	end = strstr(text, " for ");	/* X-PHP-Script: behind it stands the visitor's address */
	if (strcasecmp(h->name, "X-Source-Dir") == 0)
		text = arena_printf(f->arena, "%s/", text);
	return is_odd_path(text, end == NULL ? strlen(text) : (size_t)(end - text));
}

static const struct header *
find_script(const struct facts *f, const struct noted *n, bool eval)
{
	size_t i;

	for (i = 0; i < n->n_script; i++)
		if (script_says(f, n->script[i], eval))
			return n->script[i];
	return NULL;
}

/* Why a trait is there; NULL when it is not. bulk: why the message counts as bulk, or NULL. */
static const char *
trait_why(enum trait t, const struct facts *f, const struct noted *n, const char *bulk)
{
	const struct header *h = NULL;

	switch (t) {
	case TRAIT_NO_LIST_UNSUBSCRIBE:
		return bulk != NULL && n->unsubscribe == NULL ?
		    arena_printf(f->arena, "bulk (%s) without List-Unsubscribe", bulk) : NULL;
	case TRAIT_NO_ONE_CLICK:
		return bulk != NULL && n->unsubscribe != NULL && !one_click(f, n) ?
		    arena_printf(f->arena, "bulk (%s) without one-click unsubscription (RFC 8058)", bulk) : NULL;
	case TRAIT_PRECEDENCE:
		h = bulk != NULL && n->bulk ? n->precedence : NULL;
		break;
	case TRAIT_CAMPAIGN:
		h = n->campaign != NULL ? n->campaign : bulk != NULL && n->list_post == NULL ? n->list_id : NULL;
		break;
	case TRAIT_NO_MESSAGE_ID:
		return !f->local && !n->message_id ? "no Message-ID" : NULL;
	case TRAIT_NO_DATE:
		return !f->local && !n->date ? "no Date" : NULL;
	case TRAIT_SCRIPT_PATH:
		h = find_script(f, n, false);
		break;
	case TRAIT_EVAL:
		h = find_script(f, n, true);
		break;
	}
	return h == NULL ? NULL : shown(f, h);
}

size_t
mailer_traits(const struct facts *f, const struct conf *c, const struct signature_match *match,
    struct mailer_trait to[TRAITS])
{
	struct noted n;
	const char *bulk, *why;
	size_t found = 0, i;

	walk(f, &n);
	bulk = bulk_why(f, c, match, &n);
	for (i = 0; i < TRAITS; i++)
		if ((why = trait_why((enum trait)i, f, &n, bulk)) != NULL)
			to[found++] = (struct mailer_trait){ (enum trait)i, why };
	return found;
}
