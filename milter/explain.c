/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * explain - plays the MTA's part for a message that somebody asks about.
 *
 * What session.c does with what libmilter says, this does with a file and a few words: it fills the
 * facts and runs the chain, dry. chain_finish() is not called: it would count and alert.
 */
#include "milter/explain.h"

#include <stdlib.h>
#include <string.h>

#include "milter/message_file.h"

#include "lib/banned.h"

static void
fill_message(struct facts *f, const struct explain_question *q, bool body)
{
	struct message_file file;
	uint64_t headers;
	size_t i;

	for (i = 0; i < q->n_recipients; i++)
		facts_add_recipient(f, q->recipients[i]);
	message_file_parse(f->arena, q->text, q->size, &file);
	for (i = 0; i < file.n; i++)
		facts_add_header(f, file.fields[i].name, file.fields[i].value);
	if (body)
		facts_keep_body(f, q->text + file.body, q->size - file.body);
	/* The headers' part is counted by facts_add_header, as for a real message. */
	headers = file.body;
	f->bytes += q->bytes > headers ? q->bytes - headers : q->bytes == 0 ? q->size - headers : 0;
}

/* As if he had been given a ticket just now. Name and uid are not looked for in the system: it may be another
 * host's user. */
static void
fill_ticket(struct message *m, const char *user)
{
	struct ticket *t = arena_zalloc(m->facts.arena, sizeof(*t));
	char *name = arena_strdup(m->facts.arena, user), *at = strrchr(name, '@');

	ticket_put(t->relay, sizeof(t->relay), at == NULL ? m->services->conf->relay : at + 1);
	if (at != NULL)
		*at = '\0';
	t->time = m->facts.began;
	if (strspn(name, "0123456789") == strlen(name))
		t->uid = (uint32_t)strtoul(name, NULL, 10);
	else {
		t->uid = UINT32_MAX;
		if (strlen(name) <= TICKET_USER_MAX)
			ticket_put(t->user, sizeof(t->user), name);
	}
	m->facts.ticket = t;
}

void
explain_run(struct chain *ch, const struct explain_question *q, struct explain_answer *to)
{
	struct message *m = &to->message;

	memset(to, 0, sizeof(*to));
	m->dry = true;
	m->facts.local = q->local;
	if (q->client.bits != 0)
		facts_set_client(&m->facts, &q->client);
	chain_begin(ch, m, arena_new(ARENA_DEFAULT_CAP));
	m->facts.transaction = "explain";
	facts_set_login(&m->facts, q->login);
	if (q->user != NULL)
		fill_ticket(m, q->user);
	facts_set_sender(&m->facts, q->sender);
	to->at_mail = chain_run(ch, m, STAGE_MAIL);
	fill_message(&m->facts, q, (chain_needs(ch) & NEED_BODY_START) != 0);
	to->action = chain_run(ch, m, STAGE_END);
}

void
explain_end(struct explain_answer *a)
{
	facts_end(&a->message.facts);
}
