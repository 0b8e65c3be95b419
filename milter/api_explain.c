/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * api_explain - POST /explain: a message and its envelope in, every check's word on it out.
 *
 * Reads the question, lets explain.c run the chain dry, and writes down what it finds: findings check by
 * check, the reply, headers that would go and come, limits with what is left. Nothing is judged here.
 */
#include "milter/api_private.h"

#include <string.h>

#include <jansson.h>

#include "lib/str.h"
#include "milter/explain.h"

#include "lib/banned.h"

#define SHOWN_MOST 300u		/* bytes of a header that somebody else wrote */

/* ---- the question ------------------------------------------------------------------------- */

static int
base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *p = c == '\0' ? NULL : strchr(digits, c);

	return p == NULL ? -1 : (int)(p - digits);
}

/* RFC 4648 section 4, with line ends allowed as base64(1) writes them. NULL when it is none. */
static char *
base64_decode(struct arena *a, const char *text, size_t n, size_t *size)
{
	char *to = arena_alloc(a, n / 4 * 3 + 3);
	uint32_t bits = 0;
	unsigned have = 0, padding = 0;
	size_t i;
	int d;

	for (*size = 0, i = 0; i < n; i++) {
		if (text[i] == '\n' || text[i] == '\r')
			continue;
		if (text[i] == '=') {
			padding++;
			continue;
		}
		if ((d = base64_digit(text[i])) < 0 || padding > 0)
			return NULL;
		bits = bits << 6 | (uint32_t)d;
		have += 6;
		if (have >= 8) {
			have -= 8;
			to[(*size)++] = (char)(bits >> have & 0xff);
		}
	}
	/* Bits left over are those of an unfinished byte: zero, and as many as the padding says. */
	if (padding > 2 || have == 6 || (bits & ((1u << have) - 1)) != 0 ||
	    (padding > 0 && have != padding * 2))
		return NULL;
	return to;
}

static unsigned
read_message(struct api_request *r, struct explain_question *q)
{
	size_t n;
	const char *encoded = api_in_raw(r, "message_base64", &n);

	if (encoded == NULL) {
		q->text = api_in_raw(r, "message", &q->size);
		return q->text != NULL ? 0 :
		    api_refuse(r, 400, "message message_base64", "there is no message");
	}
	q->text = base64_decode(r->arena, encoded, n, &q->size);
	return q->text != NULL ? 0 :
	    api_refuse(r, 400, "base64", "\"message_base64\" is not what it should be");
}

static unsigned
read_question(struct api_request *r, struct explain_question *q)
{
	const char *client = api_in_text(r, "client");

	memset(q, 0, sizeof(*q));
	q->login = api_in_text(r, "login");
	q->sender = api_in_text(r, "sender");
	q->n_recipients = api_in_list(r, "recipients", &q->recipients);
	q->bytes = api_in_number(r, "bytes", 0);
	q->user = api_in_text(r, "user");
	q->local = api_in_flag(r, "local") || q->user != NULL;
	if (q->sender == NULL)
		return api_refuse(r, 400, "an address, or <>", "who is the sender?");
	if (client != NULL && net_parse(client, &q->client) != 1)
		return api_refuse(r, 400, "192.0.2.7 or 2001:db8::7", "\"%.100s\" is no address", client);
	/* Neither a login nor a client: only sendmail(1) sends like that. The MTA shows it as coming from
	 * itself. */
	if (client == NULL && q->login == NULL)
		q->local = true;
	if (q->local && client == NULL)
		(void)net_parse("127.0.0.1", &q->client);
	return read_message(r, q);
}

/* ---- the answer ---------------------------------------------------------------------------- */

static void
put_text(json_t *j, struct arena *a, const char *name, const char *text)
{
	if (text != NULL && *text != '\0')
		api_put(j, name, api_json_text(a, text));
}

static json_t *
facts_json(struct arena *a, const struct facts *f)
{
	json_t *j = json_object(), *from = json_array();
	size_t i;

	api_put(j, "class", json_string(facts_class_text(f->class)));
	put_text(j, a, "customer", f->customer);
	put_text(j, a, "account", f->account);
	put_text(j, a, "plan", f->plan);
	api_put(j, "probation", json_boolean(f->probation));
	put_text(j, a, "login", f->login);
	put_text(j, a, "client", f->client_text);
	api_put(j, "local", json_boolean(f->local));
	api_put(j, "sender", api_json_text(a, f->sender_ok && f->return_path.null ? "<>" : f->sender));
	api_put(j, "sender_ok", json_boolean(f->sender_ok));
	api_put(j, "recipients", json_integer((json_int_t)f->n_recipients));
	for (i = 0; i < f->n_from; i++)
		json_array_append_new(from, api_json_text(a, f->from[i].text));
	api_put(j, "from", from);
	if (f->ticket != NULL) {
		put_text(j, a, "user", f->ticket->user);
		if (f->ticket->uid != UINT32_MAX)
			api_put(j, "uid", json_integer(f->ticket->uid));
		put_text(j, a, "ticket_relay", f->ticket->relay);
	}
	put_text(j, a, "script", f->script);
	put_text(j, a, "submitter", f->submitter);
	api_put(j, "quality", json_string(facts_quality_text(f->quality)));
	put_text(j, a, "mailer", f->mailer);
	put_text(j, a, "mailer_kind", f->mailer_kind);
	if (f->mailer != NULL)
		api_put(j, "mailer_allowed", json_boolean(f->mailer_allowed));
	put_text(j, a, "mailer_traits", f->mailer_traits);
	put_text(j, a, "message_id", f->message_id);
	api_put(j, "headers", json_integer((json_int_t)f->n_headers));
	api_put(j, "bytes", json_integer((json_int_t)f->bytes));
	return j;
}

static json_t *
finding_json(struct arena *a, const struct finding *f)
{
	json_t *j = json_object();

	api_put(j, "code", api_json_text(a, f->code));
	api_put(j, "action", json_string(conf_action_text(f->action)));
	api_put(j, "mode", json_string(f->monitor ? "monitor" : "enforce"));
	put_text(j, a, "reply", f->reply);
	put_text(j, a, "desk", f->desk);
	return j;
}

static json_t *
findings_of(struct arena *a, const struct verdict *v, const char *check)
{
	json_t *list = json_array();
	const struct finding *f;

	for (f = v->findings; f != NULL; f = f->next)
		if (strcmp(f->check, check) == 0)
			json_array_append_new(list, finding_json(a, f));
	return list;
}

static json_t *
check_json(json_t *take_findings, const char *name, const char *summary)
{
	json_t *j = json_object();

	api_put(j, "check", json_string(name));
	api_put(j, "summary", json_string(summary));
	api_put(j, "findings", take_findings);
	return j;
}

/* Why a check asks nothing at all; NULL when it does. "No objection" would be taken for a good mark. */
static const char *
off(const struct conf *c, const char *check)
{
	const struct { const char *check; bool is; const char *why; } why[] = {
		{ "mailer", *c->mailers.signatures == '\0', "mailers.signatures names no file" },
		{ "preflight", c->preflight.egress.n == 0, "preflight.egress names no address" },
		{ "limit", c->n_limits == 0, "limits has none" },
	};
	size_t i;

	for (i = 0; i < sizeof(why) / sizeof(why[0]); i++)
		if (why[i].is && strcmp(why[i].check, check) == 0)
			return why[i].why;
	return NULL;
}

/* Every check in its order, also those without a finding; first what the chain itself found. */
static json_t *
checks_json(struct arena *a, const struct conf *conf, const struct verdict *v)
{
	json_t *list = json_array(), *own = findings_of(a, v, "message"), *j;
	const struct check *c;
	size_t i;

	if (json_array_size(own) > 0)
		json_array_append_new(list, check_json(own, "message", "can it be judged at all"));
	else
		json_decref(own);
	for (i = 0; (c = chain_check(i)) != NULL; i++) {
		j = check_json(findings_of(a, v, c->name), c->name, c->summary);
		put_text(j, a, "off", off(conf, c->name));
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *
removed_json(struct arena *a, const struct message *m)
{
	json_t *list = json_array(), *j;
	const struct header *h;
	const struct edit *e;

	for (e = m->verdict.removes; e != NULL; e = e->next) {
		j = json_object();
		h = facts_header(&m->facts, e->name, e->index);
		api_put(j, "name", api_json_text(a, e->name));
		api_put(j, "index", json_integer(e->index));
		if (h != NULL)
			api_put(j, "value",
			    api_json_text(a, arena_strndup(a, h->value, strnlen(h->value, SHOWN_MOST))));
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *
inserted_json(struct arena *a, const struct verdict *v)
{
	json_t *list = json_array(), *j;
	const struct edit *e;

	for (e = v->inserts; e != NULL; e = e->next) {
		j = json_object();
		api_put(j, "name", api_json_text(a, e->name));
		api_put(j, "value", api_json_text(a, e->value));
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *
judged_json(struct api_request *r, const struct store_item *item)
{
	const struct conf_limit *l = conf_limit_find(r->conf, item->limit);
	uint32_t adds = item->kind == STORE_SUM ? item->amount : (uint32_t)item->n_values;
	json_t *j = json_object();
	char window[32];

	str_duration_text(item->ceiling.length, window, sizeof(window));
	api_put(j, "limit", json_string(item->limit));
	api_put(j, "key", api_json_text(r->arena, item->key));
	if (l != NULL) {
		api_put(j, "unit",
		    json_string(l->count == CONF_COUNT_BYTES ? "KiB" : conf_count_text(l->count)));
		api_put(j, "action", json_string(conf_action_text(l->action)));
		api_put(j, "mode", json_string(api_limit_monitor(r->conf, l) ? "monitor" : "enforce"));
	}
	api_put(j, "adds", json_integer(adds));
	api_put(j, "exempt", json_boolean(item->exempt));
	api_put(j, "over", json_boolean(item->over));
	if (item->exempt)
		return j;
	api_put(j, "window", json_string(window));
	api_put(j, "used", json_integer(item->used));
	api_put(j, "ceiling", json_integer(item->ceiling.most));
	api_put(j, "left",
	    json_integer(item->used >= item->ceiling.most ? 0 : item->ceiling.most - item->used));
	if (item->over)
		api_put(j, "retry_at", api_json_time(item->retry_at));
	return j;
}

static json_t *
limits_json(struct api_request *r, const struct store_request *judged)
{
	json_t *list = json_array();
	size_t i;

	/* Without the ticket's, which is no limit. */
	for (i = 0; judged != NULL && i < judged->n; i++)
		if (conf_limit_find(r->conf, judged->items[i].limit) != NULL)
			json_array_append_new(list, judged_json(r, &judged->items[i]));
	return list;
}

static void
put_reply(struct api_request *r, const struct explain_answer *a)
{
	const struct finding *f = verdict_decider(&a->message.verdict);
	struct reply reply;

	if (f == NULL)
		return;
	api_put(r->out, "decided_by", api_json_text(r->arena, f->code));
	if (a->action < CONF_DEFER)
		return;
	verdict_reply(f, a->action, &reply);
	api_put(r->out, "reply",
	    api_json_text(r->arena, arena_printf(r->arena, "%s %s %s", reply.code, reply.xcode, reply.text)));
}

static void
put_answer(struct api_request *r, const struct explain_answer *a)
{
	const struct message *m = &a->message;
	const struct finding *would = NULL;
	enum conf_action instead = verdict_would(&m->verdict, &would);

	api_put(r->out, "now", api_json_time(r->now));
	api_put(r->out, "facts", facts_json(r->arena, &m->facts));
	api_put(r->out, "checks", checks_json(r->arena, r->conf, &m->verdict));
	api_put(r->out, "action", json_string(conf_action_text(a->action)));
	if (a->action >= CONF_DEFER)
		api_put(r->out, "refused_at",
		    json_string(a->at_mail >= CONF_DEFER ? "MAIL" : "end of message"));
	if (would != NULL) {
		api_put(r->out, "would", json_string(conf_action_text(instead)));
		api_put(r->out, "would_by", api_json_text(r->arena, would->code));
	}
	put_reply(r, a);
	api_put(r->out, "removed", removed_json(r->arena, m));
	api_put(r->out, "inserted", inserted_json(r->arena, &m->verdict));
	api_put(r->out, "repeated", json_boolean(m->judged != NULL && m->judged->repeated));
	api_put(r->out, "limits", limits_json(r, m->judged));
}

unsigned
api_explain(struct api_request *r)
{
	struct explain_question q;
	struct explain_answer a;
	unsigned status = read_question(r, &q);

	if (status != 0)
		return status;
	explain_run(r->chain, &q, &a);
	put_answer(r, &a);
	explain_end(&a);
	return 200;
}
