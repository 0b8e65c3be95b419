/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * session - libmilter's callbacks: fills the facts, runs the chain, applies the verdict.
 *
 * What the checks do not need is negotiated away, and all that is left is no-reply but for MAIL and the end
 * of message: libmilter's cost is per packet. No ABORT follows a final verdict, and MAIL may follow
 * MAIL without one, so a message is ended wherever the next event shows that it is over.
 */
#include "milter/session.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include <libmilter/mfapi.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/str.h"
#include "milter/chain.h"

#include "lib/banned.h"

/* libmilter's own; must stay above smtpd_timeout, since idle sessions are cut without an abort. */
#define TIMEOUT_S 7210
/* libmilter refuses an empty list; a name without a value is simply absent. */
#define NO_MACRO "{gatepost_none}"

struct session {
	struct chain *chain;
	struct message message;
	uint64_t number;
	unsigned messages;
	unsigned needs;
	bool skips;		/* of the body only the beginning is wanted, and the MTA knows SMFIR_SKIP */
	bool open;		/* between MAIL and the end of that message */
	enum stage stage;	/* the last one that ran */
};

static struct session_hooks hooks;
static atomic_uint_fast64_t sessions_open, sessions_begun;
static char start_mark[16];	/* makes transaction ids of two runs differ */

uint64_t
session_count(void)
{
	return atomic_load_explicit(&sessions_open, memory_order_relaxed);
}

/* ---- beginning and ending -------------------------------------------------------- */

static void
end_message(struct session *s, bool aborted)
{
	if (!s->open)
		return;
	s->open = false;
	chain_finish(s->chain, &s->message, s->stage, aborted);
	facts_end(&s->message.facts);
}

/* The beginning of the body is wanted and the rest of it is not: the MTA need not send that. */
static bool
wants_start_only(unsigned needs)
{
	return (needs & (NEED_BODY | NEED_BODY_START)) == NEED_BODY_START;
}

/* Which callbacks and replies the checks under this configuration do not need. */
static unsigned long
unneeded(unsigned needs, unsigned long offered)
{
	unsigned long flags = SMFIP_NOHELO | SMFIP_NODATA | SMFIP_NOEOH | SMFIP_NOUNKNOWN | SMFIP_NR_CONN |
	    SMFIP_NR_RCPT | SMFIP_NR_HDR;

	if (wants_start_only(needs) && (offered & SMFIP_SKIP))
		flags |= SMFIP_SKIP;	/* its replies say when it is enough */
	else
		flags |= needs & (NEED_BODY | NEED_BODY_START) ? SMFIP_NR_BODY : SMFIP_NOBODY;
	if (!(needs & NEED_RECIPIENTS))
		flags |= SMFIP_NORCPT;
	if (!(needs & NEED_HEADERS))
		flags |= SMFIP_NOHDRS;
	return flags & offered;
}

/* Asks for the macros ourselves, so that main.cf needs only our address. Sendmail ignores the list of the end
 * of message unless one is set for the end of header too; Postfix sends that one with every header, so it is
 * empty. */
static void
ask_macros(SMFICTX *ctx, unsigned needs)
{
	static char none[] = NO_MACRO, mail[] = "i {auth_authen} {mail_addr}", mail_plain[] = "i {mail_addr}",
	    end[] = "i {msg_id}";

	smfi_setsymlist(ctx, SMFIM_CONNECT, none);
	smfi_setsymlist(ctx, SMFIM_HELO, none);
	smfi_setsymlist(ctx, SMFIM_ENVFROM, needs & NEED_LOGIN ? mail : mail_plain);
	smfi_setsymlist(ctx, SMFIM_ENVRCPT, none);
	smfi_setsymlist(ctx, SMFIM_DATA, none);
	smfi_setsymlist(ctx, SMFIM_EOH, none);
	smfi_setsymlist(ctx, SMFIM_EOM, end);
}

static sfsistat
on_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2, unsigned long f3,
    unsigned long *pf0, unsigned long *pf1, unsigned long *pf2, unsigned long *pf3)
{
	struct session *s = calloc(1, sizeof(*s));

	(void)f2;
	(void)f3;
	if (s == NULL)
		abort();
	s->chain = hooks.chain(hooks.cookie);
	s->needs = chain_needs(s->chain);
	s->skips = wants_start_only(s->needs) && (f1 & SMFIP_SKIP);
	s->number = atomic_fetch_add_explicit(&sessions_begun, 1, memory_order_relaxed) + 1;
	atomic_fetch_add_explicit(&sessions_open, 1, memory_order_relaxed);
	smfi_setpriv(ctx, s);
	*pf0 = (SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_QUARANTINE | SMFIF_SETSYMLIST) & f0;
	*pf1 = unneeded(s->needs, f1);
	*pf2 = *pf3 = 0;
	if (f0 & SMFIF_SETSYMLIST)
		ask_macros(ctx, s->needs);
	return SMFIS_CONTINUE;
}

static uint16_t
port_of(const _SOCK_ADDR *sa)
{
	return ntohs(sa->sa_family == AF_INET6 ? ((const struct sockaddr_in6 *)(const void *)sa)->sin6_port :
	    ((const struct sockaddr_in *)(const void *)sa)->sin_port);
}

static sfsistat
on_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *sa)
{
	struct session *s = smfi_getpriv(ctx);
	struct net_addr a = { 0 };

	(void)host;
	if (s == NULL)
		return SMFIS_TEMPFAIL;
	if (sa != NULL && net_from_sockaddr(sa, &a)) {
		facts_set_client(&s->message.facts, &a);
		/* Postfix's cleanup shows what came through pickup as 127.0.0.1 port 0: no client has that
		 * port. */
		s->message.facts.client_port = port_of(sa);
		s->message.facts.local = sa->sa_family == AF_INET && s->message.facts.client_port == 0;
	}
	return SMFIS_NOREPLY;
}

/* ---- the verdict to the MTA --------------------------------------------------------- */

/* In reply text both MTAs take '%' for an escape: it is doubled. */
static void
double_percent(const char *from, char *to, size_t size)
{
	size_t n = 0;

	for (; *from != '\0' && n + 3 < size; from++) {
		if (*from == '%')
			to[n++] = '%';
		to[n++] = *from;
	}
	to[n] = '\0';
}

static sfsistat
refuse(SMFICTX *ctx, const struct session *s, enum conf_action action)
{
	const struct finding *f = verdict_decider(&s->message.verdict);
	struct reply r;
	char text[900];

	verdict_reply(f, action, &r);
	double_percent(r.text, text, sizeof(text));
	if (smfi_setreply(ctx, r.code, r.xcode, text) != MI_SUCCESS)
		log_printf(LOG_LEVEL_WARNING, "txn=%s: the MTA gets its own words: reply not taken",
		    s->message.facts.transaction);
	return action == CONF_REJECT ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

static bool
remove_headers(SMFICTX *ctx, const struct verdict *v)
{
	const struct edit *e;
	bool ok = true;

	for (e = v->removes; e != NULL; e = e->next) {
		char *name = (char *)(uintptr_t)e->name;	/* libmilter's prototypes lack const */

		ok &= smfi_chgheader(ctx, name, (int)e->index, NULL) == MI_SUCCESS;
	}
	return ok;
}

/* Each goes to the very top, so the last one first. */
static bool
insert_headers(SMFICTX *ctx, const struct edit *e)
{
	bool ok;

	if (e == NULL)
		return true;
	ok = insert_headers(ctx, e->next);
	return smfi_insheader(ctx, 0, (char *)(uintptr_t)e->name, (char *)(uintptr_t)e->value) ==
	    MI_SUCCESS && ok;
}

static bool
hold(SMFICTX *ctx, const struct session *s)
{
	const struct finding *f = verdict_decider(&s->message.verdict);
	char reason[200];
	struct str t = STR_IN(reason);

	str_cat_safe(&t, f->code);
	if (f->incident != NULL)
		str_catf(&t, " incident %s", f->incident);
	return smfi_quarantine(ctx, reason) == MI_SUCCESS;
}

static sfsistat
deliver(SMFICTX *ctx, struct session *s, enum conf_action action)
{
	const struct verdict *v = &s->message.verdict;
	bool ok;

	ok = remove_headers(ctx, v) && insert_headers(ctx, v->inserts);
	if (ok && action == CONF_HOLD)
		ok = hold(ctx, s);
	if (ok)
		return SMFIS_CONTINUE;
	/* Unstamped or unheld it must not leave; the client tries again. */
	log_printf(LOG_LEVEL_ERROR, "txn=%s: the MTA's connection took no header edit; message deferred",
	    s->message.facts.transaction);
	return SMFIS_TEMPFAIL;
}

/* ---- one message ---------------------------------------------------------------------- */

static void
set_queue_id(SMFICTX *ctx, struct session *s)
{
	static char name[] = "i";
	const char *id = smfi_getsymval(ctx, name);

	if (id != NULL && *id != '\0' && s->message.facts.queue_id == NULL)
		s->message.facts.queue_id = arena_strndup(s->message.facts.arena, id, strnlen(id, 100));
}

/* Sendmail shows the Message-ID that it will add itself only as a macro at the end. */
static void
set_message_id(SMFICTX *ctx, struct session *s)
{
	static char name[] = "{msg_id}";
	const char *id;

	if (s->message.facts.message_id == NULL && (id = smfi_getsymval(ctx, name)) != NULL && *id != '\0')
		s->message.facts.message_id = arena_strndup(s->message.facts.arena, id, strnlen(id, 1000));
}

static void
set_login(SMFICTX *ctx, struct session *s)
{
	static char name[] = "{auth_authen}";

	if (s->needs & NEED_LOGIN)
		facts_set_login(&s->message.facts, smfi_getsymval(ctx, name));
}

static sfsistat
on_mail(SMFICTX *ctx, char **argv)
{
	struct session *s = smfi_getpriv(ctx);
	struct facts *f;
	enum conf_action action;
	sfsistat result;

	if (s == NULL || argv == NULL || argv[0] == NULL)
		return SMFIS_TEMPFAIL;
	end_message(s, true);
	chain_begin(s->chain, &s->message, arena_new(ARENA_DEFAULT_CAP));
	s->open = true;
	s->stage = STAGE_MAIL;
	f = &s->message.facts;
	f->transaction = arena_printf(f->arena, "%s-%llx.%u", start_mark, (unsigned long long)s->number,
	    ++s->messages);
	facts_set_sender(f, argv[0]);
	set_login(ctx, s);
	set_queue_id(ctx, s);
	action = chain_run(s->chain, &s->message, STAGE_MAIL);
	if (action < CONF_DEFER)
		return SMFIS_CONTINUE;
	result = refuse(ctx, s, action);
	end_message(s, false);
	return result;
}

static sfsistat
on_recipient(SMFICTX *ctx, char **argv)
{
	struct session *s = smfi_getpriv(ctx);

	if (s != NULL && s->open && argv != NULL && argv[0] != NULL)
		facts_add_recipient(&s->message.facts, argv[0]);
	return SMFIS_NOREPLY;
}

static sfsistat
on_header(SMFICTX *ctx, char *name, char *value)
{
	struct session *s = smfi_getpriv(ctx);

	if (s != NULL && s->open && name != NULL && value != NULL)
		facts_add_header(&s->message.facts, name, value);
	return SMFIS_NOREPLY;
}

static sfsistat
on_body(SMFICTX *ctx, unsigned char *chunk, size_t n)
{
	struct session *s = smfi_getpriv(ctx);

	if (s != NULL && s->open) {
		s->message.facts.bytes += n;
		if (s->needs & NEED_BODY_START)
			facts_keep_body(&s->message.facts, chunk, n);
	}
	if (s == NULL || !s->skips)
		return SMFIS_NOREPLY;
	return s->message.facts.n_body_start < FACTS_BODY_START ? SMFIS_CONTINUE : SMFIS_SKIP;
}

static sfsistat
on_end(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);
	enum conf_action action;
	sfsistat result;

	if (s == NULL || !s->open)
		return SMFIS_TEMPFAIL;
	set_queue_id(ctx, s);
	set_message_id(ctx, s);
	s->stage = STAGE_END;
	action = chain_run(s->chain, &s->message, STAGE_END);
	result = action >= CONF_DEFER ? refuse(ctx, s, action) : deliver(ctx, s, action);
	end_message(s, false);
	return result;
}

static sfsistat
on_abort(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);

	if (s != NULL)
		end_message(s, true);
	return SMFIS_CONTINUE;
}

static sfsistat
on_close(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);

	/* A port probe closes without having negotiated. */
	if (s == NULL)
		return SMFIS_CONTINUE;
	smfi_setpriv(ctx, NULL);
	end_message(s, true);
	chain_unref(&s->chain);
	free(s);
	atomic_fetch_sub_explicit(&sessions_open, 1, memory_order_relaxed);
	return SMFIS_CONTINUE;
}

/* ---- libmilter as a whole ------------------------------------------------------------------ */

int
session_setup(const struct session_hooks *h, struct err *e)
{
	static char filter_name[] = "gatepost";
	struct smfiDesc desc = {
		.xxfi_name = filter_name,
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_QUARANTINE | SMFIF_SETSYMLIST,
		.xxfi_connect = on_connect,
		.xxfi_envfrom = on_mail,
		.xxfi_envrcpt = on_recipient,
		.xxfi_header = on_header,
		.xxfi_body = on_body,
		.xxfi_eom = on_end,
		.xxfi_abort = on_abort,
		.xxfi_close = on_close,
		.xxfi_negotiate = on_negotiate,
	};

	hooks = *h;
	snprintf(start_mark, sizeof(start_mark), "%llx", (unsigned long long)(clock_now() / 1000));
	if (smfi_register(desc) != MI_SUCCESS)
		return err_set(e, ERR_SYSTEM, "libmilter does not take the filter: version mismatch");
	if (smfi_settimeout(TIMEOUT_S) != MI_SUCCESS)
		return err_set(e, ERR_SYSTEM, "libmilter does not take the timeout");
	return 0;
}

int
session_listen(const char *where)
{
	char copy[200];

	if (!str_copy(copy, sizeof(copy), where) || smfi_setconn(copy) != MI_SUCCESS)
		return -1;
	return smfi_opensocket(false) == MI_SUCCESS ? 0 : -1;
}

int
session_serve(void)
{
	return smfi_main() == MI_SUCCESS ? 0 : -1;
}

void
session_stop(void)
{
	smfi_stop();
}

void
session_version(char *to, unsigned long size)
{
	unsigned major, minor, patch;

	smfi_version(&major, &minor, &patch);
	snprintf(to, size, "%u.%u.%u", major, minor, patch);
}
