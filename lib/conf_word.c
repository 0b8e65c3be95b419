/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * conf_word - the words that settings know, and what a text must be to name a
 * socket, a header, a table, a network.
 *
 * A check looks at the text alone: nothing is opened, no name is resolved, no other setting is asked.
 */
#include "lib/conf_private.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mail.h"
#include "lib/net.h"
#include "lib/redis.h"
#include "lib/store.h"
#include "lib/table.h"
#include "lib/banned.h"

/* ---- words ------------------------------------------------------------------ */

const struct conf_word conf_words_action[] = {
	{ "accept", CONF_ACCEPT }, { "tag", CONF_TAG }, { "slow", CONF_SLOW },
	{ "hold", CONF_HOLD }, { "defer", CONF_DEFER }, { "reject", CONF_REJECT }, { NULL, 0 }
};
const struct conf_word conf_words_unidentified[] = { { "reject", CONF_REJECT }, { "defer", CONF_DEFER },
	{ "accept", CONF_ACCEPT }, { "hold", CONF_HOLD }, { NULL, 0 } };
/* Not "defer": what pickup defers, it offers again for ever. */
const struct conf_word conf_words_local[] = { { "reject", CONF_REJECT }, { "hold", CONF_HOLD },
	{ "accept", CONF_ACCEPT }, { NULL, 0 } };
const struct conf_word conf_words_forged[] = { { "accept", CONF_ACCEPT }, { "tag", CONF_TAG },
	{ "hold", CONF_HOLD }, { "reject", CONF_REJECT }, { NULL, 0 } };
/* "accept" would be a limit that does nothing: that is what monitor mode is for. */
const struct conf_word conf_words_limit_action[] = {
	{ "tag", CONF_TAG }, { "slow", CONF_SLOW }, { "hold", CONF_HOLD },
	{ "defer", CONF_DEFER }, { "reject", CONF_REJECT }, { NULL, 0 }
};
const struct conf_word conf_words_mode[] = { { "enforce", CONF_ENFORCE }, { "monitor", CONF_MONITOR },
	{ NULL, 0 } };
const struct conf_word conf_words_form[] = { { "plain", CONF_FORM_PLAIN }, { "opaque", CONF_FORM_OPAQUE },
	{ "off", CONF_FORM_OFF }, { NULL, 0 } };
const struct conf_word conf_words_also[] = {
	{ "customer", CONF_ALSO_CUSTOMER }, { "account", CONF_ALSO_ACCOUNT }, { "client", CONF_ALSO_CLIENT },
	{ "submitter", CONF_ALSO_SUBMITTER }, { "domain", CONF_ALSO_DOMAIN }, { "relay", CONF_ALSO_RELAY },
	{ "queue-id", CONF_ALSO_QUEUE_ID }, { "token", CONF_ALSO_TOKEN }, { NULL, 0 } };
const struct conf_word conf_words_topology[] = { { "single", 0 }, { "sentinel", 1 }, { "cluster", 2 },
	{ NULL, 0 } };
const struct conf_word conf_words_first_seen[] = { { "alert", 1 }, { "off", 0 }, { NULL, 0 } };
const struct conf_word conf_words_per[] = {
	{ "customer", CONF_PER_CUSTOMER }, { "account", CONF_PER_ACCOUNT }, { "client", CONF_PER_CLIENT },
	{ "submitter", CONF_PER_SUBMITTER }, { "return-path", CONF_PER_RETURN_PATH },
	{ "recipient-domain", CONF_PER_RECIPIENT_DOMAIN }, { "mailer", CONF_PER_MAILER },
	{ "everyone", CONF_PER_EVERYONE }, { NULL, 0 }
};
const struct conf_word conf_words_count[] = {
	{ "messages", CONF_COUNT_MESSAGES }, { "recipients", CONF_COUNT_RECIPIENTS },
	{ "external-recipients", CONF_COUNT_EXTERNAL }, { "bytes", CONF_COUNT_BYTES },
	{ "distinct-recipients", CONF_COUNT_DISTINCT }, { "networks", CONF_COUNT_NETWORKS },
	{ "refusals", CONF_COUNT_REFUSALS }, { NULL, 0 }
};
const struct conf_word conf_words_sender[] = { { "any", -1 }, { "null", 1 }, { "not-null", 0 }, { NULL, 0 } };
const struct conf_word conf_words_signed[] = { { "ignore", CONF_SIGNED_IGNORE },
	{ "expected", CONF_SIGNED_EXPECTED }, { "certain", CONF_SIGNED_CERTAIN }, { NULL, 0 } };
const struct conf_word conf_words_level[] = {
	{ "error", LOG_LEVEL_ERROR }, { "warning", LOG_LEVEL_WARNING }, { "notice", LOG_LEVEL_NOTICE },
	{ "info", LOG_LEVEL_INFO }, { "debug", LOG_LEVEL_DEBUG }, { NULL, 0 }
};

const char *
conf_action_text(enum conf_action a)
{
	return conf_word_text(conf_words_action, (int)a);
}

bool
conf_action_parse(const char *text, enum conf_action *to)
{
	int v;

	if (!conf_word_parse(conf_words_action, text, &v))
		return false;
	*to = (enum conf_action)v;
	return true;
}

const char *
conf_per_text(enum conf_per p)
{
	return conf_word_text(conf_words_per, (int)p);
}

bool
conf_per_parse(const char *text, enum conf_per *to)
{
	int v;

	if (!conf_word_parse(conf_words_per, text, &v))
		return false;
	*to = (enum conf_per)v;
	return true;
}

const char *
conf_count_text(enum conf_count c)
{
	return conf_word_text(conf_words_count, (int)c);
}

/* ---- characters ----------------------------------------------------------------- */

#define WORD_LOWER "abcdefghijklmnopqrstuvwxyz"
#define WORD_UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define WORD_DIGITS "0123456789"

static bool
word_refuse(struct str *why, const char *text)
{
	str_cat(why, text);
	return false;
}

/* 1 to most characters, all of them in set. */
static bool
word_only(const char *text, const char *set, size_t most)
{
	size_t n = strlen(text);

	return n >= 1 && n <= most && strspn(text, set) == n;
}

/* A decimal number without sign, at most max. */
static bool
word_number(const char *text, size_t n, unsigned long max, unsigned long *to)
{
	char digits[8];

	if (n == 0 || n >= sizeof(digits))
		return false;
	memcpy(digits, text, n);
	digits[n] = '\0';
	if (strspn(digits, WORD_DIGITS) != n)
		return false;
	*to = strtoul(digits, NULL, 10);
	return *to <= max;
}

static bool
word_graphic(const char *text, size_t most)
{
	const char *p;

	for (p = text; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~')
			return false;
	return p != text && (size_t)(p - text) <= most;
}

bool
conf_name_ok(const char *text)
{
	return word_only(text, WORD_LOWER WORD_DIGITS "-", CONF_NAME_MAX);
}

bool
conf_check_name(const char *text, struct str *why)
{
	return conf_name_ok(text) || word_refuse(why, "is no name");
}

bool
conf_check_name_or_none(const char *text, struct str *why)
{
	return *text == '\0' || conf_check_name(text, why);
}

bool
conf_check_mailer(const char *text, struct str *why)
{
	return word_only(text, WORD_LOWER WORD_DIGITS "-_.", 64) ||
	    word_refuse(why, "is no mailer kind or name");
}

/* ---- sockets --------------------------------------------------------------------- */

static bool
listen_path(const char *path, struct str *why)
{
	if (path[0] != '/')
		return word_refuse(why, "has no absolute path");
	if (strlen(path) > CONF_UNIX_PATH_MAX)
		return word_refuse(why, "has a path longer than the 107 bytes that a unix socket can have");
	return true;
}

/* PORT@ADDRESS. Without ADDRESS libmilter would listen on every interface, and anyone who reaches it could
 * speak for the MTA. */
static bool
listen_inet(const char *text, unsigned bits, struct str *why)
{
	const char *at = strchr(text, '@');
	unsigned long port;
	struct net_addr a;

	if (at == NULL || at[1] == '\0')
		return word_refuse(why, "names no address to listen on");
	if (!word_number(text, (size_t)(at - text), 65535, &port) || port == 0)
		return word_refuse(why, "has no port from 1 to 65535");
	if (strcmp(at + 1, "localhost") == 0)
		return true;
	/* no other names: a start must not wait for DNS; no brackets and no "IPv6:": getaddrinfo(3) knows
	 * neither */
	if (strspn(at + 1, WORD_DIGITS "abcdefABCDEF:.") != strlen(at + 1) || net_parse(at + 1, &a) != 1)
		return word_refuse(why, "has no address to listen on");
	return a.bits == bits || word_refuse(why, bits == 32 ? "is no IPv4 address" : "is no IPv6 address");
}

bool
conf_check_listen(const char *text, struct str *why)
{
	unsigned long fd;

	if (strncmp(text, "unix:", 5) == 0)
		return listen_path(text + 5, why);
	if (strncmp(text, "inet:", 5) == 0)
		return listen_inet(text + 5, 32, why);
	if (strncmp(text, "inet6:", 6) == 0)
		return listen_inet(text + 6, 128, why);
	if (strncmp(text, "fd:", 3) == 0)
		return (word_number(text + 3, strlen(text + 3), 1023, &fd) && fd >= 3) ||
		    word_refuse(why, "is no descriptor from 3 to 1023");
	return word_refuse(why, "is no socket");
}

bool
conf_check_socket(const char *text, struct str *why)
{
	if (strncmp(text, "unix:", 5) == 0)
		return listen_path(text + 5, why);
	return word_refuse(why, "is no unix socket");
}

bool
conf_check_socket_or_none(const char *text, struct str *why)
{
	return *text == '\0' || conf_check_socket(text, why);
}

bool
conf_check_octal(const char *text, struct str *why)
{
	return (strlen(text) == 4 && text[0] == '0' && strspn(text, "01234567") == 4) ||
	    word_refuse(why, "is no mode");
}

/* ---- people ------------------------------------------------------------------------ */

static bool
word_account(const char *text)
{
	return word_only(text, WORD_LOWER WORD_UPPER WORD_DIGITS "_.-$", 64) && text[0] != '-';
}

bool
conf_check_account(const char *text, struct str *why)
{
	return *text == '\0' || word_account(text) || word_refuse(why, "is no account name");
}

bool
conf_check_allow(const char *text, struct str *why)
{
	return word_account(*text == '@' ? text + 1 : text) || word_refuse(why, "is no user and no @group");
}

bool
conf_check_relay(const char *text, struct str *why)
{
	return *text == '\0' || word_graphic(text, 64) || word_refuse(why, "is no relay name");
}

/* ---- headers ----------------------------------------------------------------------- */

/* Fields that make the message what it is. To write or remove one of these would break it
 * (RFC 5321 section 4.4 forbids touching Received; a DKIM signature covers most of the others). */
static const char *const word_structural[] = { "From", "Sender", "To", "Cc", "Bcc", "Reply-To", "Subject",
	"Date", "Message-ID", "In-Reply-To", "References", "Received", "Return-Path", "MIME-Version",
	"Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "DKIM-Signature", "ARC-Seal",
	"ARC-Message-Signature", "ARC-Authentication-Results", NULL };

bool
conf_check_header(const char *text, struct str *why)
{
	size_t i;

	if (!mail_header_name_ok(text))
		return word_refuse(why, "is no header name");
	for (i = 0; word_structural[i] != NULL; i++)
		if (str_ieq(text, word_structural[i]))
			return word_refuse(why, "belongs to the message itself");
	return true;
}

bool
conf_check_header_or_none(const char *text, struct str *why)
{
	return *text == '\0' || conf_check_header(text, why);
}

/* ---- what the trace headers say ------------------------------------------------------------ */

/* local@domain, of what needs no quoting. */
static bool
word_address(const char *text)
{
	static const char atext[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
	size_t n = strspn(text, atext);

	return n > 0 && n <= 64 && text[n] == '@' && strchr(text + n, '.') != NULL &&
	    text[n + 1 + strspn(text + n + 1, atext)] == '\0' && strlen(text) <= 254;
}

bool
conf_check_address_or_none(const char *text, struct str *why)
{
	return *text == '\0' || word_address(text) || word_refuse(why, "is no plain address");
}

/* RFC 5321 4.5.3.1.1: a local part has 64 bytes, of which the token and its '+' take 57. */
bool
conf_check_abuse_address(const char *text, struct str *why)
{
	if (!conf_check_address_or_none(text, why))
		return false;
	return *text == '\0' || strcspn(text, "@") <= 7 ||
	    word_refuse(why, "has a local part of more than 7 bytes: no room for the token");
}

/* Google asks for 5 to 15 characters; ':' parts the fields. */
bool
conf_check_sender_id(const char *text, struct str *why)
{
	size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_");

	return *text == '\0' || (text[n] == '\0' && n >= 5 && n <= 15) || word_refuse(why, "is no sender id");
}

bool
conf_check_authserv_id(const char *text, struct str *why)
{
	size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_");

	return n <= 253 && text[n] == '\0' ? true : word_refuse(why, "is no host name");
}

/* ---- everything else ------------------------------------------------------------------ */

bool
conf_check_facility(const char *text, struct str *why)
{
	return log_facility_known(text) || word_refuse(why, "is no syslog facility");
}

bool
conf_check_path(const char *text, struct str *why)
{
	return (text[0] == '/' && strlen(text) < 4096) || word_refuse(why, "is no absolute path");
}

bool
conf_check_path_or_none(const char *text, struct str *why)
{
	return *text == '\0' || conf_check_path(text, why);
}

/* words is a list with blanks between. */
static bool
word_listed(const char *words, const char *text)
{
	size_t n = strlen(text), step;

	for (; n > 0 && *words != '\0'; words += step) {
		step = strcspn(words, " ,");
		if (step == n && memcmp(words, text, n) == 0)
			return true;
		step += strspn(words + step, " ,");
	}
	return false;
}

bool
conf_check_store(const char *text, struct str *why)
{
	return word_listed(store_types(), text) || word_refuse(why, "is not built in");
}

bool
conf_check_server(const char *text, struct str *why)
{
	struct err e;

	if (redis_address_check(text, &e) == 1)
		return true;
	str_cat(why, e.text);
	return false;
}

bool
conf_check_master(const char *text, struct str *why)
{
	return word_only(text, WORD_LOWER WORD_UPPER WORD_DIGITS "._-", 64) ||
	    word_refuse(why, "is no name of a master");
}

bool
conf_check_redis_user(const char *text, struct str *why)
{
	return *text == '\0' || word_graphic(text, 64) || word_refuse(why, "is no user of Redis");
}

/* A brace would change the slot of all keys; * and ? are patterns. */
bool
conf_check_prefix(const char *text, struct str *why)
{
	return word_only(text, WORD_LOWER WORD_UPPER WORD_DIGITS "._:-", 40) ||
	    word_refuse(why, "is no prefix of keys");
}

bool
conf_check_table(const char *text, struct str *why)
{
	char types[80] = "";
	const char *where = strchr(text, ':');

	if (*text == '\0')
		return true;
	if (where == NULL)
		return word_refuse(why, "is no table");
	if (!table_spec_ok(text, types, sizeof(types))) {
		str_catf(why, "is of no type that is built in (%s)", types);
		return false;
	}
	return conf_check_path(where + 1, why);
}

bool
conf_check_network(const char *text, struct str *why)
{
	struct net_addr a;
	unsigned length;

	return net_parse_prefix(text, &a, &length) == 1 || word_refuse(why, "is no address or prefix");
}

bool
conf_check_domain(const char *text, struct str *why)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	const char *domain = mail_domain(a, text);
	bool same = domain != NULL && str_ieq(domain, text);

	arena_free(&a);
	return same || word_refuse(why, "is no domain");
}

bool
conf_check_address(const char *text, struct str *why)
{
	struct net_addr a;

	return net_parse(text, &a) == 1 || word_refuse(why, "is no address");
}

/* As libunbound takes it: ADDRESS or ADDRESS@PORT. */
bool
conf_check_resolver(const char *text, struct str *why)
{
	const char *at = strchr(text, '@');
	size_t n = at == NULL ? strlen(text) : (size_t)(at - text);
	unsigned long port = 53;
	char address[NET_TEXT];
	struct net_addr a;

	if (n >= sizeof(address) || (at != NULL && !word_number(at + 1, strlen(at + 1), 65535, &port)))
		return word_refuse(why, "is no resolver");
	memcpy(address, text, n);
	address[n] = '\0';
	return (port > 0 && net_parse(address, &a) == 1 && *address != '[') ||
	    word_refuse(why, "is no resolver");
}

bool
conf_check_signing(const char *text, struct str *why)
{
	static const char opendkim[] = "opendkim:";

	if (word_listed("none own", text))
		return true;
	if (strncmp(text, opendkim, sizeof(opendkim) - 1) == 0)
		return conf_check_path(text + sizeof(opendkim) - 1, why);
	if (*text == '\0')
		return word_refuse(why, "is no table");
	return conf_check_table(text, why);
}

/* One label or several (RFC 6376 section 3.1). */
bool
conf_check_selector(const char *text, struct str *why)
{
	return (word_only(text, WORD_LOWER WORD_UPPER WORD_DIGITS "-_.", 63) && *text != '.' &&
	    text[strlen(text) - 1] != '.' && strstr(text, "..") == NULL) ||
	    word_refuse(why, "is no selector");
}

bool
conf_check_mx(const char *text, struct str *why)
{
	return conf_check_domain(*text == '.' ? text + 1 : text, why);
}

bool
conf_check_helo(const char *text, struct str *why)
{
	return *text == '\0' || conf_check_domain(text, why);
}

bool
conf_check_source(const char *text, struct str *why)
{
	return word_listed("login ticket network", text) || word_refuse(why, "is no source of identity");
}

/* A check, or one of its codes: milter/check_*.c. */
bool
conf_check_when(const char *text, struct str *why)
{
	static const char *const checks[] = { "identity", "ticket", "suspension", "ownership", "trace",
		"mailer", "preflight", "limit", "complaint", NULL };
	size_t i, n = strcspn(text, ".");

	for (i = 0; checks[i] != NULL; i++)
		if (strlen(checks[i]) == n && memcmp(checks[i], text, n) == 0)
			break;
	if (checks[i] == NULL || (text[n] == '.' && !word_only(text + n + 1, WORD_LOWER "-", 40)))
		return word_refuse(why, "is no check and no code of one");
	return true;
}
