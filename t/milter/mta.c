/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * mta - see mta.h. A test tool: memory exhaustion ends the program.
 *
 * Structure: buffers, then packets out (put), then packets in (take), then the waiting forms, then what
 * becomes of a kept message. The order of packets and the moments of writing follow Postfix 3.7's milter
 * client; where Postfix is lenient (edits not negotiated, unknown packets) this client complains, since it is
 * here to test.
 */
#include "t/milter/mta.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define WRITE_PIECE 4096u		/* Postfix's stream buffer */
#define BODY_PIECE 65535u
#define PACKET_MAX (1u << 20)		/* no filter sends more; a longer length is a broken stream */
#define EDITS_MAX 100000u

static const char *const default_lists[MTA_STAGES] = {
	[MTA_CONNECT] = "j {daemon_name} {daemon_addr} v _",
	[MTA_HELO] = "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}",
	[MTA_MAIL] = "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}",
	[MTA_RCPT] = "i {rcpt_addr} {rcpt_host} {rcpt_mailer}",
	[MTA_DATA] = "i", [MTA_EOM] = "i", [MTA_EOH] = "i",
};

/* ---- small things ---- */

static void *
grow(void *old, size_t size)
{
	void *p = realloc(old, size);

	if (p == NULL) {
		fputs("mta: out of memory\n", stderr);
		abort();
	}
	return p;
}

static char *
copy(const char *text, size_t n)
{
	char *p = grow(NULL, n + 1);

	memcpy(p, text, n);
	p[n] = '\0';
	return p;
}

static void
buffer_add(struct mta_buffer *b, const void *bytes, size_t n)
{
	if (n > b->space - b->used) {
		b->space = (b->used + n) * 2 + 1024;
		b->at = grow(b->at, b->space);
	}
	if (n > 0)
		memcpy(b->at + b->used, bytes, n);
	b->used += n;
}

static void
buffer_drop(struct mta_buffer *b, size_t n)
{
	b->used -= n;
	if (n > 0 && b->used > 0)
		memmove(b->at, b->at + n, b->used);
}

static void
buffer_free(struct mta_buffer *b)
{
	free(b->at);
	*b = (struct mta_buffer){ 0 };
}

static void
put_u32(unsigned char *to, size_t value)
{
	to[0] = (unsigned char)(value >> 24 & 255);
	to[1] = (unsigned char)(value >> 16 & 255);
	to[2] = (unsigned char)(value >> 8 & 255);
	to[3] = (unsigned char)(value & 255);
}

static uint32_t
get_u32(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int __attribute__((format(printf, 2, 3)))
fail(struct mta *m, const char *fmt, ...)
{
	va_list ap;

	if (m->failed)
		return -1;
	m->failed = true;
	va_start(ap, fmt);
	(void)vsnprintf(m->error, sizeof m->error, fmt, ap);
	va_end(ap);
	return -1;
}

static long
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
edits_free(struct mta *m)
{
	for (size_t i = 0; i < m->n_edits; i++) {
		free(m->edits[i].name);
		free(m->edits[i].value);
	}
	m->n_edits = 0;
}

static void
lines_free(struct mta *m)
{
	for (size_t i = 0; i < m->n_lines; i++) {
		free(m->lines[i].name);
		free(m->lines[i].value);
	}
	m->n_lines = 0;
	m->body.used = 0;
}

static void
line_insert(struct mta *m, size_t where, const char *name, const char *value)
{
	if (m->n_lines == m->lines_space) {
		m->lines_space = m->lines_space * 2 + 32;
		m->lines = grow(m->lines, m->lines_space * sizeof *m->lines);
	}
	if (where > m->n_lines)
		where = m->n_lines;
	memmove(m->lines + where + 1, m->lines + where, (m->n_lines - where) * sizeof *m->lines);
	m->lines[where] = (struct mta_line){ copy(name, strlen(name)), copy(value, strlen(value)) };
	m->n_lines++;
}

/* ---- macros ---- */

static unsigned
macro_slot(struct mta *m, const char *name, size_t n)
{
	if (n > 2 && name[0] == '{' && name[n - 1] == '}') {
		name++;
		n -= 2;
	}
	for (unsigned i = 0; i < m->n_macros; i++)
		if (strlen(m->macros[i].name) == n && memcmp(m->macros[i].name, name, n) == 0)
			return i;
	if (m->n_macros == sizeof m->macros / sizeof *m->macros)
		return (unsigned)m->n_macros - 1;	/* more names than any filter of ours has */
	m->macros[m->n_macros] = (struct mta_macro){ copy(name, n), NULL };
	return (unsigned)m->n_macros++;
}

static void
list_set(struct mta *m, unsigned stage, const char *names)
{
	struct mta_list *l = &m->lists[stage];

	l->n = 0;
	while (l->n < sizeof l->at / sizeof *l->at) {
		names += strspn(names, " ,\t");
		size_t n = strcspn(names, " ,\t");
		if (n == 0)
			break;
		l->at[l->n] = macro_slot(m, names, n);
		l->braces[l->n++] = names[0] == '{';
		names += n;
	}
}

void
mta_macro(struct mta *m, const char *name, const char *value)
{
	struct mta_macro *macro = &m->macros[macro_slot(m, name, strlen(name))];

	free(macro->value);
	macro->value = value == NULL ? NULL : copy(value, strlen(value));
}

const char *
mta_macro_at(const struct mta *m, enum mta_stage stage, const char *name)
{
	size_t n = strlen(name);

	if (n > 2 && name[0] == '{') {
		name++;
		n -= 2;
	}
	for (size_t i = 0; i < m->lists[stage].n; i++) {
		const struct mta_macro *macro = &m->macros[m->lists[stage].at[i]];
		if (strlen(macro->name) == n && strncmp(macro->name, name, n) == 0)
			return macro->value;
	}
	return NULL;
}

/* ---- packets out ---- */

static void
frame(struct mta *m, char command, size_t n)
{
	unsigned char head[5];

	put_u32(head, n + 1);
	head[4] = (unsigned char)command;
	buffer_add(&m->out, head, 5);
}

void
mta_put_packet(struct mta *m, char command, const void *bytes, size_t n)
{
	frame(m, command, n);
	buffer_add(&m->out, bytes, n);
}

void
mta_put_raw(struct mta *m, const void *bytes, size_t n)
{
	buffer_add(&m->out, bytes, n);
}

/* The macro packet of an event: those of the stage's list that have a value. */
static void
put_macros(struct mta *m, enum mta_stage stage, char event)
{
	const struct mta_list *l = &m->lists[stage];
	size_t at = m->out.used;

	frame(m, 'D', 0);
	buffer_add(&m->out, &event, 1);
	for (size_t i = 0; i < l->n; i++) {
		const struct mta_macro *macro = &m->macros[l->at[i]];
		if (macro->value == NULL)
			continue;
		if (l->braces[i])
			buffer_add(&m->out, "{", 1);
		buffer_add(&m->out, macro->name, strlen(macro->name));
		if (l->braces[i])
			buffer_add(&m->out, "}", 1);
		buffer_add(&m->out, "", 1);
		buffer_add(&m->out, macro->value, strlen(macro->value) + 1);
	}
	put_u32(m->out.at + at, m->out.used - at - 4);
}

/* True when the event itself is to be sent. */
static bool
put_event(struct mta *m, enum mta_stage stage, char event, uint32_t declined)
{
	if (m->failed || m->over)
		return false;
	m->reply.code = 0;
	put_macros(m, stage, event);
	return (m->protocol & declined) == 0;
}

static bool
put_done(struct mta *m, char event, uint32_t no_reply)
{
	if ((m->protocol & no_reply) != 0)
		return false;
	m->event = event;
	m->progress = 0;
	return true;
}

void
mta_put_negotiate(struct mta *m)
{
	unsigned char body[12];

	put_u32(body, 6);
	put_u32(body + 4, MTA_F_ALL);
	put_u32(body + 8, MTA_P_ALL);
	mta_put_packet(m, 'O', body, sizeof body);
	m->event = 'O';
}

bool
mta_put_connect(struct mta *m, const char *host, const char *address, unsigned port)
{
	unsigned char bytes[2] = { (unsigned char)(port >> 8 & 255), (unsigned char)(port & 255) };
	char family = strchr(address, ':') != NULL ? '6' : '4';

	if (!put_event(m, MTA_CONNECT, 'C', MTA_P_NOCONNECT))
		return false;
	if (*address == '\0') {				/* Postfix: client address unknown */
		frame(m, 'C', strlen(host) + 2);
		buffer_add(&m->out, host, strlen(host) + 1);
		buffer_add(&m->out, "U", 1);
	} else {
		frame(m, 'C', strlen(host) + 1 + 3 + strlen(address) + 1);
		buffer_add(&m->out, host, strlen(host) + 1);
		buffer_add(&m->out, &family, 1);
		buffer_add(&m->out, bytes, 2);
		buffer_add(&m->out, address, strlen(address) + 1);
	}
	return put_done(m, 'C', MTA_P_NR_CONN);
}

bool
mta_put_helo(struct mta *m, const char *name)
{
	if (!put_event(m, MTA_HELO, 'H', MTA_P_NOHELO))
		return false;
	mta_put_packet(m, 'H', name, strlen(name) + 1);
	return put_done(m, 'H', MTA_P_NR_HELO);
}

static void
put_arguments(struct mta *m, char event, const char *address, const char *const *esmtp, size_t n)
{
	size_t total = strlen(address) + 1;

	for (size_t i = 0; i < n; i++)
		total += strlen(esmtp[i]) + 1;
	frame(m, event, total);
	buffer_add(&m->out, address, strlen(address) + 1);
	for (size_t i = 0; i < n; i++)
		buffer_add(&m->out, esmtp[i], strlen(esmtp[i]) + 1);
}

/* {mail_addr} and its like: lower case and without brackets. */
static void
macro_address(struct mta *m, const char *kind, const char *argument)
{
	char name[32], bare[512];
	size_t n = strlen(argument);

	if (n >= 2 && argument[0] == '<' && argument[n - 1] == '>') {
		argument++;
		n -= 2;
	}
	if (n >= sizeof bare)
		n = sizeof bare - 1;
	for (size_t i = 0; i < n; i++)
		bare[i] = (char)tolower((unsigned char)argument[i]);
	bare[n] = '\0';
	(void)snprintf(name, sizeof name, "%s_addr", kind);
	mta_macro(m, name, bare);
	(void)snprintf(name, sizeof name, "%s_host", kind);
	mta_macro(m, name, m->local ? NULL : strchr(bare, '@') == NULL ? "" : strchr(bare, '@') + 1);
	(void)snprintf(name, sizeof name, "%s_mailer", kind);
	mta_macro(m, name, m->local ? NULL : *bare == '\0' ? "local" : "smtp");
}

bool
mta_put_mail(struct mta *m, const char *address, const char *const *esmtp, size_t n)
{
	edits_free(m);
	lines_free(m);
	m->in_message = true;
	m->data_done = m->eoh_done = m->skip_body = false;
	m->over = m->session_over;
	m->n_rcpts = 0;
	mta_macro(m, "i", m->local && m->queue_id[0] != '\0' ? m->queue_id : NULL);
	macro_address(m, "mail", address);
	if (!put_event(m, MTA_MAIL, 'M', MTA_P_NOMAIL))
		return false;
	put_arguments(m, 'M', address, esmtp, n);
	return put_done(m, 'M', MTA_P_NR_MAIL);
}

bool
mta_put_rcpt(struct mta *m, const char *address, const char *const *esmtp, size_t n)
{
	macro_address(m, "rcpt", address);
	/* smtpd opens the queue file after the first accepted recipient: its id shows from the second on. */
	if (m->n_rcpts++ > 0 && m->queue_id[0] != '\0')
		mta_macro(m, "i", m->queue_id);
	if (!put_event(m, MTA_RCPT, 'R', MTA_P_NORCPT))
		return false;
	put_arguments(m, 'R', address, esmtp, n);
	return put_done(m, 'R', MTA_P_NR_RCPT);
}

bool
mta_put_data(struct mta *m)
{
	m->data_done = true;
	if (m->queue_id[0] != '\0')
		mta_macro(m, "i", m->queue_id);
	if (!put_event(m, MTA_DATA, 'T', MTA_P_NODATA))
		return false;
	mta_put_packet(m, 'T', NULL, 0);
	return put_done(m, 'T', MTA_P_NR_DATA);
}

bool
mta_put_header(struct mta *m, const char *name, const char *value)
{
	if (m->keep)
		line_insert(m, m->n_lines, name, value);
	if ((m->protocol & MTA_P_NOHDRS) != 0 || !put_event(m, MTA_EOH, 'L', MTA_P_NOHDRS))
		return false;
	bool blank = (m->protocol & MTA_P_HDR_LEADSPC) != 0;
	frame(m, 'L', strlen(name) + 1 + (blank ? 1u : 0u) + strlen(value) + 1);
	buffer_add(&m->out, name, strlen(name) + 1);
	buffer_add(&m->out, " ", blank ? 1 : 0);
	buffer_add(&m->out, value, strlen(value) + 1);
	return put_done(m, 'L', MTA_P_NR_HDR);
}

bool
mta_put_eoh(struct mta *m)
{
	m->eoh_done = true;
	if ((m->protocol & MTA_P_NOEOH) != 0 || !put_event(m, MTA_EOH, 'N', MTA_P_NOEOH))
		return false;
	mta_put_packet(m, 'N', NULL, 0);
	return put_done(m, 'N', MTA_P_NR_EOH);
}

bool
mta_put_body(struct mta *m, const void *bytes, size_t n)
{
	if (m->keep)
		buffer_add(&m->body, bytes, n);
	if ((m->protocol & MTA_P_NOBODY) != 0 || m->skip_body || !put_event(m, MTA_EOM, 'B', MTA_P_NOBODY))
		return false;
	mta_put_packet(m, 'B', bytes, n);
	return put_done(m, 'B', MTA_P_NR_BODY);
}

bool
mta_put_end(struct mta *m)
{
	if (!put_event(m, MTA_EOM, 'E', 0))
		return false;
	mta_put_packet(m, 'E', NULL, 0);
	return put_done(m, 'E', 0);
}

/* ---- packets in ---- */

int
mta_flush_try(struct mta *m)
{
	size_t from = 0;
	int answer = 1;

	while (from < m->out.used && !m->failed) {
		size_t n = m->out.used - from > WRITE_PIECE ? WRITE_PIECE : m->out.used - from;
		ssize_t w = send(m->fd, m->out.at + from, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (w > 0) {
			from += (size_t)w;
		} else if (errno == EAGAIN) {
			answer = 0;
			break;
		} else if (errno != EINTR) {
			answer = fail(m, "writing to the filter: %s", strerror(errno));
		}
	}
	buffer_drop(&m->out, from);
	return m->failed ? -1 : answer;
}

/* Reads what is there. 1 something, 0 nothing yet, -1 end or error. */
static int
fill(struct mta *m)
{
	unsigned char bytes[16384];
	ssize_t n;

	do
		n = recv(m->fd, bytes, sizeof bytes, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		buffer_add(&m->in, bytes, (size_t)n);
		return 1;
	}
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n == 0)
		return fail(m, "the filter closed the connection");
	return fail(m, "reading from the filter: %s", strerror(errno));
}

static int
take_negotiation(struct mta *m, const unsigned char *at, size_t n)
{
	if (n < 12)
		return fail(m, "negotiation answer of %zu bytes", n);
	m->version = get_u32(at);
	m->actions = get_u32(at + 4);
	m->protocol = get_u32(at + 8);
	if (m->version < 2 || m->version > 6 || (m->actions & ~MTA_F_ALL) != 0 ||
	    (m->protocol & ~MTA_P_ALL) != 0)
		return fail(m, "negotiation answer asks for what was not offered: %u %#x %#x",
		    m->version, m->actions, m->protocol);
	for (at += 12, n -= 12; n > 0;) {
		const unsigned char *end = n > 4 ? memchr(at + 4, 0, n - 4) : NULL;
		if (end == NULL || get_u32(at) >= MTA_STAGES)
			return fail(m, "malformed macro list in the negotiation answer");
		if (m->list_asked[get_u32(at)])
			return fail(m, "two macro lists for stage %u", get_u32(at));
		m->list_asked[get_u32(at)] = true;
		list_set(m, get_u32(at), (const char *)at + 4);
		n -= (size_t)(end + 1 - at);
		at = end + 1;
	}
	m->reply.code = 'c';
	return 1;
}

/* What the filter must have asked leave for, and how the packet is laid out: n number, s string. */
static const struct edit_kind {
	char code;
	uint32_t action;
	const char *layout;
} edit_kinds[] = {
	{ 'h', MTA_F_ADDHDRS, "ss" }, { 'i', MTA_F_ADDHDRS, "nss" }, { 'm', MTA_F_CHGHDRS, "nss" },
	{ 'q', MTA_F_QUARANTINE, "s" }, { 'b', 0x2, "b" }, { '+', 0x4, "s" }, { '2', 0x80, "s*" },
	{ '-', 0x8, "s" },
	{ 'e', 0x40, "s*" }, { 0, 0, NULL }
};

static int
take_edit(struct mta *m, const struct edit_kind *k, const unsigned char *at, size_t n)
{
	struct mta_edit e = { .kind = k->code };
	const unsigned char *end = at + n;

	if ((m->actions & k->action) == 0)
		return fail(m, "edit '%c' that was not negotiated", k->code);
	if (m->event != 'E')
		return fail(m, "edit '%c' outside the end of message", k->code);
	if (m->n_edits >= EDITS_MAX)
		return fail(m, "more than %u edits", EDITS_MAX);
	for (const char *l = k->layout; *l != '\0' && *l != '*'; l++) {
		const unsigned char *nul;
		if (*l == 'b') {
			e.value = copy((const char *)at, n);
			at = end;
		} else if (*l == 'n') {
			if (end - at < 4)
				break;
			e.index = get_u32(at);
			at += 4;
		} else if ((nul = memchr(at, 0, (size_t)(end - at))) != NULL) {
			char **to = l[1] == 's' ? &e.name : &e.value;
			*to = copy((const char *)at, (size_t)(nul - at));
			at = nul + 1;
		}
	}
	bool whole = e.value != NULL && (k->layout[strlen(k->layout) - 1] == '*' || at == end) &&
	    (strstr(k->layout, "ss") == NULL || (e.name != NULL && *e.name != '\0'));
	if (!whole) {
		free(e.name);
		free(e.value);
		return fail(m, "malformed edit '%c'", k->code);
	}
	if (m->n_edits == m->edits_space) {
		m->edits_space = m->edits_space * 2 + 16;
		m->edits = grow(m->edits, m->edits_space * sizeof *m->edits);
	}
	m->edits[m->n_edits++] = e;
	return 0;
}

/* "ddd d.d.d text", several lines with "-": what Postfix accepts; the enhanced code's class must agree. */
static bool
reply_good(const char *text)
{
	for (;;) {
		size_t n = strcspn(text, "\r\n");
		bool last = text[n] == '\0';
		if (n < 4 || (text[0] != '4' && text[0] != '5') || !isdigit((unsigned char)text[1]) ||
		    !isdigit((unsigned char)text[2]) || text[3] != (last ? ' ' : '-') || n > 998)
			return false;
		if (n > 5 && isdigit((unsigned char)text[4]) && text[5] == '.' && text[4] != text[0])
			return false;
		for (size_t i = 0; i < n; i++)
			if ((unsigned char)text[i] < 32 || (unsigned char)text[i] > 126)
				return false;
		if (last)
			return true;
		if (text[n] != '\r' || text[n + 1] != '\n')
			return false;
		text += n + 2;
	}
}

static int
take_smtp_reply(struct mta *m, const unsigned char *at, size_t n)
{
	size_t used = 0;

	if (n > 0 && at[n - 1] == 0)
		n--;
	for (size_t i = 0; i < n; i++) {
		if (at[i] == 0 || used + 1 >= sizeof m->reply.text)
			return fail(m, "SMTP reply with a NUL or too long");
		if (at[i] == '%' && (++i == n || at[i] != '%'))
			return fail(m, "SMTP reply with a single %%");
		m->reply.text[used++] = (char)at[i];
	}
	m->reply.text[used] = '\0';
	if (!reply_good(m->reply.text))
		return fail(m, "malformed SMTP reply: %.200s", m->reply.text);
	return 1;
}

/* One packet. 1: the event has its final reply; 0: more to come; -1. */
static int
take_packet(struct mta *m, char code, const unsigned char *at, size_t n)
{
	if (m->event == 0)
		return fail(m, "a reply ('%c') where none was due",
		    isprint((unsigned char)code) ? code : '?');
	if (code == 'p' && n == 0) {
		m->progress++;
		return 0;
	}
	for (const struct edit_kind *k = edit_kinds; k->code != 0; k++)
		if (k->code == code)
			return take_edit(m, k, at, n);
	if (m->event == 'O')
		return code == 'O' ? take_negotiation(m, at, n) : fail(m, "no negotiation answer");
	m->reply.code = code;
	m->reply.text[0] = '\0';
	if (code == 'y') {
		if (take_smtp_reply(m, at, n) < 0)
			return -1;
	} else if (memchr("cadrts", code, 6) == NULL || n != 0) {
		return fail(m, "unknown reply %d with %zu bytes to event '%c'", (unsigned char)code, n,
		    m->event);
	}
	if (code == 's') {
		if (m->event != 'B')
			return fail(m, "skip at event '%c'", m->event);
		m->skip_body = true;
	} else if (m->event == 'E' || (code != 'c' && (m->event != 'R' || code == 'a' || code == 'd'))) {
		/* A refusal at RCPT is that recipient's alone. */
		m->over = true;
		m->session_over = m->event == 'C' || m->event == 'H';
		m->verdict_at = m->event;
	}
	return 1;
}

/* A whole packet that has arrived. 1 final reply, 0 none complete yet, -1. */
static int
take(struct mta *m)
{
	int answer = 0;

	while (answer == 0 && !m->failed && m->in.used - m->in_from >= 4) {
		const unsigned char *at = m->in.at + m->in_from;
		size_t n = get_u32(at);
		if (n == 0 || n > PACKET_MAX)
			return fail(m, "packet of %zu bytes from the filter", n);
		if (m->in.used - m->in_from < n + 4)
			break;
		m->in_from += n + 4;
		answer = take_packet(m, (char)at[4], at + 5, n - 1);
	}
	buffer_drop(&m->in, m->in_from);
	m->in_from = 0;
	return m->failed ? -1 : answer;
}

int
mta_reply_try(struct mta *m)
{
	for (;;) {
		int answer = take(m);
		if (answer != 0) {
			m->event = 0;
			return answer;
		}
		answer = fill(m);
		if (answer <= 0)
			return answer;
	}
}

/* ---- waiting forms ---- */

static int
wait_for(struct mta *m, short events, long until)
{
	struct pollfd p = { .fd = m->fd, .events = events };

	for (;;) {
		long left = until - now_ms();
		if (left <= 0)
			return fail(m, "no answer within %d ms (event '%c')", m->timeout,
			    m->event ? m->event : '-');
		int n = poll(&p, 1, (int)left);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return fail(m, "poll: %s", strerror(errno));
	}
}

int
mta_flush(struct mta *m)
{
	long until = now_ms() + m->timeout;

	for (;;) {
		int done = mta_flush_try(m);
		if (done != 0)
			return done < 0 ? -1 : 0;
		if (wait_for(m, POLLOUT, until) < 0)
			return -1;
	}
}

int
mta_reply_wait(struct mta *m)
{
	long until = now_ms() + m->timeout;

	if (mta_flush(m) < 0)
		return -1;
	for (;;) {
		unsigned before = m->progress;
		int done = mta_reply_try(m);
		if (done != 0)
			return done < 0 ? -1 : 0;
		if (m->progress != before)		/* each note starts the wait again, as in Postfix */
			until = now_ms() + m->timeout;
		if (wait_for(m, POLLIN, until) < 0)
			return -1;
	}
}

int
mta_closed(struct mta *m, int timeout)
{
	long until = now_ms() + timeout;
	struct pollfd p = { .fd = m->fd, .events = POLLIN };
	char sink[4096];

	(void)mta_flush(m);
	for (long left; (left = until - now_ms()) > 0;) {
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		ssize_t n = recv(m->fd, sink, sizeof sink, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return 1;
	}
	return 0;
}

/* Ends an event: waits if a reply belongs, else lets full pieces go as a stream buffer would. */
static int
event_done(struct mta *m, bool awaited)
{
	if (m->failed)
		return -1;
	if (awaited)
		return mta_reply_wait(m);
	return m->out.used >= WRITE_PIECE ? mta_flush(m) : 0;
}

static int
dial_unix(struct mta *m, const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof a.sun_path)
		return fail(m, "socket path too long: %s", path);
	memcpy(a.sun_path, path, strlen(path) + 1);
	m->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (m->fd < 0 || connect(m->fd, (struct sockaddr *)&a, sizeof a) < 0)
		return fail(m, "%s: %s", path, strerror(errno));
	return 0;
}

static int
dial_inet(struct mta *m, const char *where)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	char *end;
	unsigned long port = strtoul(where, &end, 10);
	int on = 1;

	if (port == 0 || port > 65535 || *end != '@' || inet_pton(AF_INET, end + 1, &a.sin_addr) != 1)
		return fail(m, "inet:%s is not inet:PORT@ADDRESS", where);
	a.sin_port = htons((uint16_t)port);
	m->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (m->fd < 0 || connect(m->fd, (struct sockaddr *)&a, sizeof a) < 0)
		return fail(m, "inet:%s: %s", where, strerror(errno));
	(void)setsockopt(m->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return 0;
}

void
mta_init(struct mta *m)
{
	*m = (struct mta){ .fd = -1, .timeout = 10000 };
	for (unsigned s = 0; s < MTA_STAGES; s++)
		list_set(m, s, default_lists[s]);
	mta_macro(m, "j", "mx.host.example");
	mta_macro(m, "{daemon_name}", "mx.host.example");
	mta_macro(m, "v", "Postfix 3.7.11");
}

int
mta_dial(struct mta *m, const char *address)
{
	if (strncmp(address, "inet:", 5) == 0)
		return dial_inet(m, address + 5);
	return dial_unix(m, strncmp(address, "unix:", 5) == 0 ? address + 5 : address);
}

int
mta_open(struct mta *m, const char *address)
{
	if (mta_dial(m, address) < 0)
		return -1;
	mta_put_negotiate(m);
	return mta_reply_wait(m);
}

void
mta_close(struct mta *m)
{
	if (m->fd >= 0)
		(void)close(m->fd);
	edits_free(m);
	lines_free(m);
	for (size_t i = 0; i < m->n_macros; i++) {
		free(m->macros[i].name);
		free(m->macros[i].value);
	}
	free(m->edits);
	free(m->lines);
	buffer_free(&m->out);
	buffer_free(&m->in);
	buffer_free(&m->body);
	*m = (struct mta){ .fd = -1, .timeout = m->timeout, .local = m->local, .keep = m->keep };
}

int
mta_connect(struct mta *m, const char *host, const char *address, unsigned port)
{
	char text[160];

	(void)snprintf(text, sizeof text, "%.80s [%.60s]", host, address);
	mta_macro(m, "_", text);
	mta_macro(m, "{client_addr}", address);
	mta_macro(m, "{client_name}", host);
	(void)snprintf(text, sizeof text, "%u", port);
	mta_macro(m, "{client_port}", text);
	return event_done(m, mta_put_connect(m, host, address, port));
}

int
mta_helo(struct mta *m, const char *name)
{
	return event_done(m, mta_put_helo(m, name));
}

int
mta_mail(struct mta *m, const char *address, const char *const *esmtp, size_t n)
{
	if (event_done(m, mta_put_mail(m, address, esmtp, n)) < 0)
		return -1;
	if (m->keep)
		line_insert(m, 0, "Received", "from client by mx.host.example");
	return 0;
}

int
mta_rcpt(struct mta *m, const char *address, const char *const *esmtp, size_t n)
{
	return event_done(m, mta_put_rcpt(m, address, esmtp, n));
}

int
mta_data(struct mta *m)
{
	if (event_done(m, mta_put_data(m)) < 0)
		return -1;
	/* smtpd hands the socket to cleanup here and flushes it first. */
	return mta_flush(m);
}

int
mta_header(struct mta *m, const char *name, const char *value)
{
	if (!m->data_done && mta_data(m) < 0)
		return -1;
	return event_done(m, mta_put_header(m, name, value));
}

int
mta_eoh(struct mta *m)
{
	if (!m->data_done && mta_data(m) < 0)
		return -1;
	return event_done(m, mta_put_eoh(m));
}

int
mta_body(struct mta *m, const void *bytes, size_t n)
{
	const unsigned char *at = bytes;

	if (!m->eoh_done && mta_eoh(m) < 0)
		return -1;
	while (n > 0) {
		size_t piece = n > BODY_PIECE ? BODY_PIECE : n;
		if (event_done(m, mta_put_body(m, at, piece)) < 0)
			return -1;
		at += piece;
		n -= piece;
	}
	return 0;
}

int
mta_end(struct mta *m)
{
	if (!m->eoh_done && mta_eoh(m) < 0)
		return -1;
	if (event_done(m, mta_put_end(m)) < 0)
		return -1;
	m->in_message = false;
	return 0;
}

int
mta_unknown(struct mta *m, const char *command)
{
	if ((m->protocol & MTA_P_NOUNKNOWN) != 0)
		return 0;
	mta_put_packet(m, 'U', command, strlen(command) + 1);
	return event_done(m, put_done(m, 'U', MTA_P_NR_UNKN));
}

int
mta_abort(struct mta *m)
{
	m->in_message = m->over = false;
	mta_put_packet(m, 'A', NULL, 0);
	return mta_flush(m);
}

int
mta_quit(struct mta *m)
{
	mta_put_packet(m, 'Q', NULL, 0);
	return mta_flush(m);
}

/* ---- the message as delivered ---- */

bool
mta_passed(const struct mta *m)
{
	return !m->failed && (m->reply.code == 'c' || m->reply.code == 'a');
}

const char *
mta_quarantine(const struct mta *m)
{
	for (size_t i = 0; i < m->n_edits; i++)
		if (m->edits[i].kind == 'q')
			return m->edits[i].value;
	return NULL;
}

/* Where the index-th field of that name stands, our own Received (line 0) not counted; n_lines: nowhere. */
static size_t
line_find(const struct mta *m, const char *name, uint32_t index)
{
	for (size_t i = 0; i < m->n_lines; i++) {
		if (i == 0 && strcmp(m->lines[0].value, "from client by mx.host.example") == 0)
			continue;
		if (strcasecmp(m->lines[i].name, name) == 0 && --index == 0)
			return i;
	}
	return m->n_lines;
}

static void
apply_change(struct mta *m, const struct mta_edit *e)
{
	size_t at = line_find(m, e->name, e->index == 0 ? 1 : e->index);

	if (*e->value == '\0') {
		if (at == m->n_lines)
			return;
		free(m->lines[at].name);
		free(m->lines[at].value);
		m->n_lines--;
		memmove(m->lines + at, m->lines + at + 1, (m->n_lines - at) * sizeof *m->lines);
	} else if (at == m->n_lines) {
		line_insert(m, at, e->name, e->value);
	} else {
		free(m->lines[at].value);
		m->lines[at].value = copy(e->value, strlen(e->value));
	}
}

void
mta_apply(struct mta *m)
{
	for (size_t i = 0; i < m->n_edits; i++) {
		const struct mta_edit *e = &m->edits[i];
		if (e->kind == 'h')
			line_insert(m, m->n_lines, e->name, e->value);
		else if (e->kind == 'i')
			line_insert(m, e->index, e->name, e->value);
		else if (e->kind == 'm')
			apply_change(m, e);
	}
}

void
mta_print(const struct mta *m, FILE *to)
{
	for (size_t i = 0; i < m->n_lines; i++)
		(void)fprintf(to, "%s: %s\n", m->lines[i].name, m->lines[i].value);
	(void)fputc('\n', to);
	(void)fwrite(m->body.at, 1, m->body.used, to);
}

const char *
mta_delivered(const struct mta *m, const char *name, unsigned n)
{
	for (size_t i = 0; i < m->n_lines; i++)
		if (strcasecmp(m->lines[i].name, name) == 0 && --n == 0)
			return m->lines[i].value;
	return NULL;
}
