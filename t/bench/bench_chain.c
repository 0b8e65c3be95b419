/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * bench_chain - what the judgement of one message costs, check by check, without libmilter.
 *
 *     bench_chain SIGNATURES [MESSAGES [IDENTITIES]]
 *
 * Real tables, store and signatures; six windows (three for the account, three for the customer), one
 * recipient, 20 header fields. The message's facts are filled anew each time, as session.c does it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <sys/wait.h>

#include "lib/conf.h"
#include "lib/log.h"
#include "lib/store.h"
#include "milter/chain.h"

#define CHECKS_MAX 16

static const char *const headers[][2] = {
	{ "Received", "from [192.0.2.7] (dsl.acme.example [192.0.2.7])\n\tby out1.host.example (Postfix) with ESMTPSA id 4dKx1c" },
	{ "Date", "Wed, 25 Nov 2026 10:00:00 +0000" }, { "MIME-Version", "1.0" },
	{ "User-Agent", "Mozilla Thunderbird" }, { "Subject", "=?UTF-8?Q?Gr=C3=BC=C3=9Fe?= from the office" },
	{ "To", "Someone <someone@dest.example>" }, { "Content-Language", "en-US" },
	{ "In-Reply-To", "<11112222.3333@dest.example>" }, { "References", "<11112222.3333@dest.example>" },
	{ "Content-Type", "text/plain; charset=UTF-8; format=flowed" }, { "Content-Transfer-Encoding", "7bit" },
	{ "X-Priority", "3" }, { "Reply-To", "office@acme.example" }, { "Organization", "Acme" },
	{ "X-One", "some value of an ordinary length" }, { "X-Two", "some value of an ordinary length" },
	{ "X-Three", "some value of an ordinary length" }, { "Accept-Language", "en" },
};

static char dir[100];
static struct services services;
static void *state[CHECKS_MAX];
static double spent[CHECKS_MAX][2];

static double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
say(void *cookie, const struct err *e)
{
	(void)cookie;
	fprintf(stderr, "%s: %s\n", e->where, e->text);
}

static const struct table_report report = { say, NULL };

static FILE *
create(const char *name)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (f == NULL)
		exit(1);
	return f;
}

static void
make_keys(void)
{
	char path[200], id[SEAL_KEY_ID_MAX + 1];
	struct err e;

	snprintf(path, sizeof(path), "%s/trace.keys", dir);
	if (seal_keys_new(path, NULL, (unsigned)geteuid(), (unsigned)getegid(), id, &e) < 0)
		exit(1);
}

static void
write_files(const char *signatures, unsigned identities)
{
	FILE *a = create("accounts"), *d = create("domains"), *c = create("customers"), *g = create("gatepost.conf");
	unsigned i;

	for (i = 0; i < identities; i++)
		fprintf(a, "u%u@d%u.example c%u\n", i, i / 10, i / 10);
	for (i = 0; i <= identities / 10; i++) {
		fprintf(d, "d%u.example c%u\n", i, i);
		fprintf(c, "c%u plan=standard since=2020-01-01\n", i);
	}
	fprintf(g, "tables : { accounts = \"file:%s/accounts\"; domains = \"file:%s/domains\"; customers = \"file:%s/customers\"; };\n"
	    "identity : { sources = [ \"login\" ]; };\ntrace : { sealed = { keys = \"%s/trace.keys\"; }; };\nmailers : { signatures = \"%s\"; };\n"
	    "store : { file = \"%s/state.db\"; memory = \"2G\"; };\nplans : { standard = [ \"100000000/1d\" ]; };\n"
	    "limits = ( { name = \"account\"; per = \"account\"; count = \"messages\"; ceilings = [ \"100000000/1m\", \"200000000/1h\", \"400000000/1d\" ]; },\n"
	    "{ name = \"customer\"; per = \"customer\"; count = \"recipients\"; ceilings = [ \"100000000/1m\", \"200000000/1h\", \"400000000/1d\" ]; } );\n",
	    dir, dir, dir, dir, signatures, dir);
	fclose(a);
	fclose(d);
	fclose(c);
	fclose(g);
	make_keys();
}

static void
open_services(void)
{
	struct conf_problems p = { .say = say };
	struct store_settings s = { .type = "memory", .memory = (uint64_t)2 << 30, .relay = "bench" };
	char path[200], db[200];
	const struct check *c;
	struct conf *conf;
	struct err e;
	bool ok = true;
	size_t i;

	snprintf(path, sizeof(path), "%s/gatepost.conf", dir);
	snprintf(db, sizeof(db), "%s/state.db", dir);
	s.file = db;
	conf = conf_load(path, &p);
	if (conf == NULL)
		exit(1);
	services.conf = conf;
	services.store = store_open(&s, &e);
	services.keys = seal_keys_load(conf->trace.sealed.keys, &e);
	services.accounts = table_open(conf->tables.accounts, &report);
	services.domains = table_open(conf->tables.domains, &report);
	services.customers = table_open(conf->tables.customers, &report);
	if (services.store == NULL || services.keys == NULL || services.accounts == NULL || services.domains == NULL || services.customers == NULL)
		exit(1);
	for (i = 0; (c = chain_check(i)) != NULL; i++)
		if (c->init != NULL)
			state[i] = c->init(&services, &report, &ok);
	if (!ok)
		exit(1);
}

static void
run_stage(struct message *m, enum stage stage)
{
	const struct check *c;
	struct err e;
	double from;
	size_t i;

	for (i = 0; (c = chain_check(i)) != NULL; i++) {
		if (!(c->stages & 1u << stage))
			continue;
		from = now_us();
		m->mode = CONF_ENFORCE;
		if (c->run(state[i], stage, m, &e) != CHECK_DONE) {
			fprintf(stderr, "%s cannot tell: %s\n", c->name, e.text);
			exit(1);
		}
		spent[i][stage] += now_us() - from;
	}
}

static void
one_message(struct message *m, unsigned n, unsigned identity, double *facts_us, double *settle_us)
{
	char login[60], from[80], id[60];
	double t = now_us();
	size_t i;

	snprintf(login, sizeof(login), "u%u@d%u.example", identity, identity / 10);
	snprintf(from, sizeof(from), "The Office <%s>", login);
	snprintf(id, sizeof(id), "<%u.bench@d.example>", n);
	facts_begin(&m->facts, arena_new(ARENA_DEFAULT_CAP));
	verdict_begin(&m->verdict, m->facts.arena);
	m->facts.transaction = "bench";
	facts_set_sender(&m->facts, login);
	facts_set_login(&m->facts, login);
	*facts_us += now_us() - t;
	run_stage(m, STAGE_MAIL);
	t = now_us();
	facts_add_recipient(&m->facts, "<someone@dest.example>");
	for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		facts_add_header(&m->facts, headers[i][0], headers[i][1]);
	facts_add_header(&m->facts, "From", from);
	facts_add_header(&m->facts, "Message-ID", id);
	*facts_us += now_us() - t;
	t = now_us();
	facts_settle(&m->facts);
	*settle_us += now_us() - t;
	run_stage(m, STAGE_END);
	if (verdict_action(&m->verdict) != CONF_ACCEPT) {
		fprintf(stderr, "a message was not accepted: %s\n", verdict_decider(&m->verdict)->desk);
		exit(1);
	}
	t = now_us();
	facts_end(&m->facts);
	*facts_us += now_us() - t;
}

static double
clock_cost(void)
{
	double from = now_us(), last = from;
	int i;

	for (i = 0; i < 1000000; i++)
		last = now_us();
	return (last - from) / 1e6;
}

int
main(int argc, char **argv)
{
	unsigned messages = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 200000;
	unsigned identities = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 10000, i;
	double facts_us = 0, settle_us = 0, sum = 0, tick;
	struct message m = { 0 };
	const struct net_addr client = { 32, { 192, 0, 2, 7 } };
	const struct check *c;
	pid_t child;

	if (argc < 2) {
		fprintf(stderr, "usage: bench_chain SIGNATURES [MESSAGES [IDENTITIES]]\n");
		return 2;
	}
	snprintf(dir, sizeof(dir), "%s/gatepost-bench.XXXXXX", getenv("TMPDIR") == NULL ? "/tmp" : getenv("TMPDIR"));
	if (mkdtemp(dir) == NULL)
		return 1;
	write_files(argv[1], identities);
	open_services();
	m.services = &services;
	facts_set_client(&m.facts, &client);
	tick = clock_cost();
	for (i = 0; i < messages; i++)
		one_message(&m, i, (unsigned)((uint64_t)i * 2654435761u % identities), &facts_us, &settle_us);
	printf("microseconds a message, %u messages of %u identities\n", messages, identities);
	printf("  %-22s %6.2f\n  %-22s %6.2f\n", "facts", facts_us / messages - 3 * tick, "From, recipients", settle_us / messages - tick);
	sum = (facts_us + settle_us) / messages - 4 * tick;
	for (i = 0; (c = chain_check(i)) != NULL; i++) {
		double us = (spent[i][0] + spent[i][1]) / messages;

		us -= tick * ((c->stages & 1u << STAGE_MAIL ? 1 : 0) + (c->stages & 1u << STAGE_END ? 1 : 0));
		printf("  %-22s %6.2f\n", c->name, us);
		sum += us;
	}
	printf("  %-22s %6.2f\n", "all", sum);
	store_close(&services.store);
	if ((child = fork()) == 0) {
		execlp("rm", "rm", "-rf", "--", dir, (char *)NULL);
		_exit(127);
	}
	waitpid(child, NULL, 0);
	return 0;
}
