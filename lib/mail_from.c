/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * mail_from - From fields, for "an account may only use domains that its customer owns".
 *
 * Somebody with a stolen password wants a From field that we read as owned and that the
 * recipient's program shows as a bank. So a field is read twice: by the strict grammar
 * in this file, then by GMime; both must find the same addresses. Anything that mail programs
 * are known to read differently is refused before: obsolete syntax (routes, blanks or comments
 * inside an address, empty list members), an unquoted '@' in a display name, several addresses
 * without commas, encoded words that reach over a quote, hold controls or decode to address
 * syntax. One exception, because honest scripts write it daily: bob@x <bob@x>, the same twice.
 *
 * Our grammar goes first because it bounds what GMime gets: 3.2.13 needs two seconds for
 * 30,000 list members. GMime never sees "=?" (why: mail_text.c). Both together take 1 to 2 us.
 *
 * It deliberately does not judge display names ("ceo@bank.example" <bob@acme.example> is
 * read, and display_address says so), looks nothing up, and rewrites nothing.
 */
#include "lib/mail.h"

#include <pthread.h>
#include <string.h>

#include <gmime/gmime.h>

#include "lib/mail_private.h"
#include "lib/str.h"

#include "lib/banned.h"

#define COMMENT_DEPTH_MAX 20

static const char why_turns[] = "it holds characters that turn or break the line";
static const char why_word[] = "an encoded word reaches beyond its name, quotes or comment, or has no end";

static bool
is_dot_atom(char c)
{
	return mail_is(c, MAIL_ATEXT) || c == '.';
}

static bool
is_domain_byte(char c)
{
	return mail_is(c, MAIL_LDH) || (unsigned char)c >= 0x80 || c == '.';
}

struct scan {
	struct arena *arena;
	const char *value, *at, *end;	/* *end is the NUL */
	const char *why;
	char *copy;			/* what the witness reads when that is not just value */
	bool name_at, name_word;	/* this name or comment holds an '@', an encoded word */
	bool shows_at, shows_syntax;	/* some name shows an '@'; some encoded word holds syntax */
	struct mail_mailboxes *to;
	unsigned groups;
	size_t space;			/* for addresses at to->at */
	struct mail_span *specs;	/* each address as it was written; MAIL_MAILBOXES_MAX of them */
};

static int
doubt(struct scan *s, const char *why)
{
	s->why = why;
	return 0;
}

/* The witness reads another byte here. */
static void
copy_put(struct scan *s, const char *at, char c)
{
	if (s->copy == NULL)
		s->copy = arena_strndup(s->arena, s->value, (size_t)(s->end - s->value));
	s->copy[at - s->value] = c;
}

/* U+0080-9F, U+2028-2029 (ends of line), U+202D-202E (from here on the writing runs the other way). */
static bool
turns_line(const char *p, size_t n)
{
	const unsigned char *u = (const unsigned char *)p;

	for (size_t i = 0; i + 1 < n; i++) {
		if (u[i] == 0xc2 && u[i + 1] >= 0x80 && u[i + 1] <= 0x9f)
			return true;
		if (u[i] == 0xe2 && u[i + 1] == 0x80 && i + 2 < n && (u[i + 2] == 0xa8 || u[i + 2] == 0xa9 ||
		    u[i + 2] == 0xad || u[i + 2] == 0xae))
			return true;
	}
	return false;
}

/* Controls, folds that hide a blank line (some readers end the header there), bad UTF-8, and
 * characters that break or turn the line that the address stands on. They have no honest use
 * anywhere in a From field. */
static int
scan_bytes(struct scan *s)
{
	bool high = false, line_has_text = true;

	for (const char *p = s->value; p < s->end; p++) {
		const unsigned char c = (unsigned char)*p;

		if (c == '\n') {
			if (!line_has_text || (p[1] != ' ' && p[1] != '\t'))
				return doubt(s, "a line break is not a fold");
			line_has_text = false;
		} else if (c == '\r') {
			if (p[1] != '\n')
				return doubt(s, "it holds a control character");
		} else if (c == 0x7f || (c < ' ' && c != '\t')) {
			return doubt(s, "it holds a control character");
		} else if (c != ' ' && c != '\t') {
			line_has_text = true;
			high |= c >= 0x80;
		}
	}
	if (!line_has_text)
		return doubt(s, "a line break is not a fold");
	if (high && !str_utf8(s->value, (size_t)(s->end - s->value)))
		return doubt(s, "it holds 8-bit characters that are not UTF-8");
	if (high && turns_line(s->value, (size_t)(s->end - s->value)))
		return doubt(s, why_turns);
	return 1;
}

/* An encoded word must end within the token it begins in. Else a reader that looks for encoded
 * words first and one that looks for quotes first see different addresses. Outside of quotes
 * (breaks is NULL) both agree as long as the word holds its quotes in pairs: =?utf-8?q?"Bob"?=
 * is what some web applications make of a quoted name. */
static int
scan_word(struct scan *s, const char *breaks)
{
	const char *end;
	unsigned quotes = 0;

	copy_put(s, s->at + 1, '_');
	if (!mail_text_opens(s->at, s->end))
		return 1;
	s->name_word = true;
	end = mail_text_closes(s->at, s->end);
	if (end == NULL)
		return doubt(s, why_word);
	for (const char *p = s->at; p < end; p++) {
		if (breaks == NULL && *p == '"')
			quotes++;
		else if (breaks != NULL ? strchr(breaks, *p) != NULL : !mail_is(*p, MAIL_PHRASE | MAIL_BLANK))
			return doubt(s, why_word);
	}
	return quotes % 2 == 0 ? 1 : doubt(s, why_word);
}

/* An '@', or the first byte of one in another width. */
static bool
may_show_at(char c)
{
	return c == '@' || c == '\xef';
}

static int
scan_comment(struct scan *s)
{
	unsigned depth = 0;
	bool angle = false, at_sign = false;

	do {
		switch (*s->at) {
		case '\0':
			return doubt(s, "a comment has no end");
		case '(':
			if (++depth > COMMENT_DEPTH_MAX)
				return doubt(s, "comments are nested too deep");
			break;
		case ')':
			depth--;
			break;
		case '\\':
			if (s->at[1] == '\0' || mail_is(s->at[1], MAIL_BLANK))
				return doubt(s, "a backslash stands before nothing");
			s->at++;
			at_sign |= *s->at == '@';
			break;
		case '@':
			at_sign = true;
			break;
		case '\xef':
			s->name_at = true;
			break;
		case '<':
		case '>':
			angle = true;
			break;
		case '=':
			if (s->at[1] == '?' && !scan_word(s, "()\\"))
				return 0;
			break;
		}
		s->at++;
	} while (depth > 0);
	/* Some programs know no comments. They would take it for the address. */
	if (angle && at_sign)
		return doubt(s, "a comment holds an address in angle brackets");
	s->name_at |= at_sign;
	return 1;
}

static void
scan_blanks(struct scan *s)
{
	while (mail_is(*s->at, MAIL_BLANK))
		s->at++;
}

/* Blanks and comments. */
static int
scan_cfws(struct scan *s)
{
	for (;;) {
		scan_blanks(s);
		if (*s->at != '(')
			return 1;
		if (!scan_comment(s))
			return 0;
	}
}

static int
scan_quotes(struct scan *s)
{
	for (s->at++; *s->at != '"'; s->at++) {
		if (*s->at == '\\') {
			s->at++;
			if (mail_is(*s->at, MAIL_BLANK) && *s->at != ' ')
				return doubt(s, "a backslash stands before nothing");
		}
		if (*s->at == '\0')
			return doubt(s, "a quoted string has no end");
		if (*s->at == '=' && s->at[1] == '?' && !scan_word(s, "\"\\"))
			return 0;
		s->name_at |= may_show_at(*s->at);
	}
	s->at++;
	return 1;
}

static int
scan_atoms(struct scan *s)
{
	for (; mail_is(*s->at, MAIL_PHRASE); s->at++) {
		if (*s->at == '=' && s->at[1] == '?' && !scan_word(s, NULL))
			return 0;
		s->name_at |= may_show_at(*s->at);
		if (*s->at == '[' || *s->at == ']')
			copy_put(s, s->at, '_');	/* "[Shop] Bob <...>": people leave out the quotes */
	}
	return 1;
}

/* For one more address. */
static void
make_room(struct scan *s)
{
	struct mail_mailboxes *to = s->to;
	struct mail_address *more;

	if (to->n < s->space)
		return;
	s->space = 4 * (s->space + 1);
	more = arena_alloc(s->arena, s->space * sizeof(*more));
	if (to->n > 0)
		memcpy(more, to->at, to->n * sizeof(*more));
	to->at = more;
}

/* At the '@' behind a local part: reads the rest of the address and keeps it. Unlike an envelope
 * address, it must be what RFC 5322 section 3.4.1 has today, and a quoted local part must not look
 * like an address. */
static int
scan_spec(struct scan *s, const char *local)
{
	struct mail_span left = { local, s->at }, right = { s->at + 1, s->at + 1 };
	struct mail_mailboxes *to = s->to;
	const char *why;

	if (*right.end == '[') {
		while (*right.end != '\0' && !mail_is(*right.end, MAIL_BLANK) && *right.end++ != ']')
			;
	} else {
		while (is_dot_atom(*right.end))
			right.end++;
	}
	s->at = right.end;
	if (right.at == right.end)
		return doubt(s, "an address has no domain");
	for (const char *p = left.at; p < left.end; p++) {
		if (*p == '=' && p[1] == '?')
			return doubt(s, "an encoded word stands in an address");
		if (*left.at == '"' && strchr("@<>,\\", *p) != NULL)
			return doubt(s, mail_why_local);
		if (*left.at != '"' && *p == '.' && (p == left.at || p + 1 == left.end || p[1] == '.'))
			return doubt(s, mail_why_local);
	}
	if (to->n == MAIL_MAILBOXES_MAX)
		return doubt(s, "it holds too many addresses");
	make_room(s);
	why = mail_address_set(s->arena, left, right, &to->at[to->n]);
	if (why != NULL)
		return doubt(s, why);
	s->specs[to->n++] = (struct mail_span){ left.at, right.end };
	return 1;
}

/* "<address>"; blanks are allowed inside, comments are not. */
static int
scan_angle(struct scan *s)
{
	const char *local;

	s->at++;
	scan_blanks(s);
	local = s->at;
	if (*local == '>')
		return doubt(s, "an address is empty");
	if (*local == '@')
		return doubt(s, "an address has a source route");
	if (*local == '"') {
		s->at = mail_quotes_end(local, s->end);
		if (s->at == NULL)
			return doubt(s, "a quoted string has no end");
	} else {
		while (is_dot_atom(*s->at))
			s->at++;
	}
	if (*s->at != '@')
		return doubt(s, "the text in angle brackets is no address");
	if (!scan_spec(s, local))
		return 0;
	scan_blanks(s);
	if (*s->at != '>')
		return doubt(s, "the text in angle brackets is not one address");
	s->at++;
	return 1;
}

/* Two addresses where one belongs: allowed when they are the same. */
static int
scan_same_again(struct scan *s)
{
	struct mail_mailboxes *to = s->to;
	const struct mail_span first = s->specs[to->n - 1];
	const char *its_at = memrchr(first.at, '@', (size_t)(first.end - first.at));

	if (*first.at == '"' || first.end[-1] == ']' || !scan_angle(s))
		return s->why != NULL ? 0 : doubt(s, "an address stands before an address in angle brackets");
	if (strcmp(to->at[to->n - 2].text, to->at[to->n - 1].text) != 0)
		return doubt(s, "an address stands before another address in angle brackets");
	to->n--;
	to->at[to->n - 1] = to->at[to->n];
	s->specs[to->n - 1] = s->specs[to->n];
	copy_put(s, its_at, '_');
	return 1;
}

/* The length of an '@' at p, in any width; 0 when there is none. */
static size_t
at_sign(const char *p, const char *end)
{
	if (*p == '@')
		return 1;
	if (end - p >= 3 && (memcmp(p, "\xef\xbc\xa0", 3) == 0 || memcmp(p, "\xef\xb9\xab", 3) == 0))
		return 3;
	return 0;
}

static bool
domains_related(const char *a, const char *b)
{
	const size_t m = strlen(a), n = strlen(b);
	const char *longer = m > n ? a : b, *shorter = m > n ? b : a;
	const char *tail = longer + (m > n ? m - n : n - m);

	return strcmp(tail, shorter) == 0 && (tail == longer || tail[-1] == '.');
}

/* Keeps the first address shown that is not of the mailbox's domain (NULL: of any). */
static void
shown_address(struct scan *s, const char *p, const char *end, const char *domain)
{
	char name[MAIL_DOMAIN_MAX + 1];
	const char *begin = p;
	size_t width;

	for (; p < end; p += width == 0 ? 1 : width) {
		struct mail_span left = { p, p }, right;

		width = at_sign(p, end);
		if (width == 0)
			continue;
		right.at = right.end = p + width;
		while (left.at > begin && left.end - left.at < 64 && is_dot_atom(left.at[-1]))
			left.at--;
		while (right.end < end && right.end - right.at < 1024 && is_domain_byte(*right.end))
			right.end++;
		while (right.end > right.at && right.end[-1] == '.')
			right.end--;
		if (left.at == left.end || memchr(right.at, '.', (size_t)(right.end - right.at)) == NULL ||
		    mail_domain_write(right.at, (size_t)(right.end - right.at), name) == 0)
			continue;
		if (domain != NULL && domains_related(name, domain))
			continue;
		s->to->display_address =
		    arena_printf(s->arena, "%.*s@%s", (int)(left.end - left.at), left.at, name);
		return;
	}
}

/* What a run of encoded words says. */
static int
check_decoded(struct scan *s, const char *p, size_t n)
{
	for (const char *end = p + n, *q = p; q < end; q++) {
		if ((unsigned char)*q < ' ' || *q == 0x7f)
			return doubt(s, "an encoded word holds a control character");
		s->shows_syntax |= strchr("<>,;:\"\\()", *q) != NULL;
		s->shows_at |= at_sign(q, end) != 0;
	}
	if (turns_line(p, n))
		return doubt(s, why_turns);
	return 1;
}

/* A name or comment as it is shown: decoded, without quotes and backslashes. */
static int
show_name(struct scan *s, struct mail_text *shown, const char *p, const char *end)
{
	while (p < end) {
		const size_t before = shown->len;
		const char *after = s->name_word && *p == '=' ? mail_text_run(shown, p, end) : p;

		if (after == p) {
			if (*p != '"' && *p != '\\')
				mail_text_add(shown, p, 1);
			s->shows_at |= *p++ == '@';
			continue;
		}
		if (!check_decoded(s, shown->data + before, shown->len - before))
			return 0;
		p = after;
	}
	return 1;
}

/* A program that decodes first and looks for addresses then must find no others. An '@' in a name
 * becomes part of an address to it only with the help of encoded quotes, commas or brackets. */
static int
check_name(struct scan *s, const char *p, const char *end, const char *domain)
{
	struct mail_text shown;
	int ok;

	if (!s->name_at && !s->name_word)
		return 1;
	mail_text_begin(&shown);
	ok = show_name(s, &shown, p, end);
	if (ok && shown.unknown)	/* EBCDIC has letters and an '@' there */
		ok = doubt(s, "an encoded word is in a character set that is not known");
	if (ok && s->shows_at && s->shows_syntax)
		ok = doubt(s, "encoded words hold the syntax of an address");
	if (ok && s->to->display_address == NULL)
		shown_address(s, shown.data, shown.data + shown.len, domain);
	mail_text_end(&shown);
	return ok;
}

static int scan_item(struct scan *s, bool in_group);

/* What is wrong with the byte where a name or an address should go on. */
static const char *
why_not(char c, unsigned words)
{
	if (c == '@')
		return "an '@' stands outside an address";
	if (c == ',' || c == ';' || c == '\0')
		return words > 0 ? "a name has no address" : "a member of the list is empty";
	return "a character is out of place";
}

/* Behind a group: nothing but comments. */
static int
scan_tail(struct scan *s)
{
	const char *tail = s->at;

	s->name_at = s->name_word = false;
	return scan_cfws(s) && check_name(s, tail, s->at, NULL);
}

/* At the ':' behind a group's name (RFC 6854 allows groups in From). */
static int
scan_group(struct scan *s, const char *name, bool in_group)
{
	if (in_group)
		return doubt(s, "a group stands in a group");
	if (++s->groups > MAIL_MAILBOXES_MAX)
		return doubt(s, "it holds too many groups");
	if (!check_name(s, name, s->at, NULL))
		return 0;
	s->at++;
	if (!scan_tail(s))
		return 0;
	for (; *s->at != ';' || s->at[-1] == ','; s->at++) {
		if (!scan_item(s, true))
			return 0;
		if (*s->at == ';')
			break;
		if (*s->at != ',')
			return doubt(s, "a group has no end");
	}
	s->at++;
	return scan_tail(s);
}

/* Behind an address: nothing but comments until the next one. */
static int
scan_item_end(struct scan *s, const char *name, bool in_group)
{
	const struct mail_span spec = s->specs[s->to->n - 1];
	const char *domain = s->to->at[s->to->n - 1].domain;

	if (!scan_cfws(s))
		return 0;
	if (*s->at != ',' && *s->at != '\0' && !(in_group && *s->at == ';'))
		return doubt(s, "text stands behind an address");
	return check_name(s, name, spec.at, domain) && check_name(s, spec.end, s->at, domain);
}

/* One member of the list: a mailbox or a group. */
static int
scan_item(struct scan *s, bool in_group)
{
	const char *name = s->at, *word;

	s->name_at = s->name_word = false;
	for (unsigned words = 0;; words++) {
		if (!scan_cfws(s))
			return 0;
		word = s->at;
		if (*word == '<')
			return scan_angle(s) && scan_item_end(s, name, in_group);
		if (*word == ':' && words > 0)
			return scan_group(s, name, in_group);
		if (*word == '"' ? !scan_quotes(s) : !scan_atoms(s))
			return 0;
		if (s->at == word)
			return doubt(s, why_not(*word, words));
		if (*s->at == '@' && words > 0)
			return doubt(s, "words stand before an address that has no angle brackets");
		if (*s->at == '@')
			break;
	}
	if (!scan_spec(s, word) || !scan_cfws(s))
		return 0;
	if (*s->at == '<' && !scan_same_again(s))
		return 0;
	return scan_item_end(s, name, in_group);
}

static int
scan_list(struct scan *s)
{
	scan_blanks(s);
	if (*s->at == '\0')
		return doubt(s, "the field is empty");
	for (;; s->at++) {
		if (!scan_item(s, false))
			return 0;
		if (*s->at == '\0')
			return 1;
		if (*s->at != ',')
			return doubt(s, "text stands behind a group");
	}
}

/* GMime registers its types on first use, without a lock: so use them once, here. */
static void
witness_start(void)
{
	InternetAddressList *list;

	g_mime_init();
	list = internet_address_list_parse(NULL, "g: a@host.example;, b@host.example");
	if (list != NULL)
		g_object_unref(list);
}

/* The witness's address is ours, as written or (it shows A-labels as U-labels) as a key. */
static bool
witness_same_address(struct scan *s, const char *said, size_t i)
{
	const size_t n = said == NULL ? 0 : strlen(said);
	struct mail_address parsed;

	if (i >= s->to->n || n == 0)
		return false;
	if ((size_t)(s->specs[i].end - s->specs[i].at) == n && memcmp(s->specs[i].at, said, n) == 0)
		return true;
	return mail_address_parse(s->arena, said, &parsed) && strcmp(parsed.text, s->to->at[i].text) == 0;
}

/* True when the list says the same addresses as we do, in their order; *n counts them over groups. */
static bool
witness_same(struct scan *s, InternetAddressList *list, size_t *n)
{
	const int members = internet_address_list_length(list);

	for (int i = 0; i < members; i++) {
		InternetAddress *member = internet_address_list_get_address(list, i);

		if (INTERNET_ADDRESS_IS_GROUP(member)) {
			InternetAddressGroup *group = INTERNET_ADDRESS_GROUP(member);

			if (!witness_same(s, internet_address_group_get_members(group), n))
				return false;
		} else {
			InternetAddressMailbox *mailbox = INTERNET_ADDRESS_MAILBOX(member);

			if (!witness_same_address(s, internet_address_mailbox_get_addr(mailbox), (*n)++))
				return false;
		}
	}
	return true;
}

static int
scan_witness(struct scan *s)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	GMimeParserOptions *options;
	InternetAddressList *list;
	size_t n = 0;
	bool same;

	(void)pthread_once(&once, witness_start);
	options = g_mime_parser_options_new();
	g_mime_parser_options_set_address_compliance_mode(options, GMIME_RFC_COMPLIANCE_STRICT);
	g_mime_parser_options_set_rfc2047_compliance_mode(options, GMIME_RFC_COMPLIANCE_STRICT);
	list = internet_address_list_parse(options, s->copy != NULL ? s->copy : s->value);
	same = list != NULL && witness_same(s, list, &n) && n == s->to->n;
	if (list != NULL)
		g_object_unref(list);
	g_mime_parser_options_free(options);
	return same ? 1 : doubt(s, "two readers read it differently");
}

int
mail_mailboxes_parse(struct arena *a, const char *value, struct mail_mailboxes *to)
{
	struct mail_span specs[MAIL_MAILBOXES_MAX];
	struct scan s = { .arena = a, .value = value == NULL ? "" : value, .to = to, .specs = specs };

	s.at = s.value;
	s.end = s.value + strlen(s.value);
	*to = (struct mail_mailboxes){ 0 };
	if (scan_bytes(&s) && scan_list(&s) && scan_witness(&s))
		return 1;
	*to = (struct mail_mailboxes){ .why = s.why };
	return 0;
}
