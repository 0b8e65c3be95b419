/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * bench_preflight - what preflight costs a message, with two egress addresses.
 *
 *   usage: bench_preflight [DOMAINS]
 *
 * A real NSD on a loopback port serves the domains; the resolver, SPF and DMARC are the real ones. Three
 * rounds over all domains in random order: cold (NSD is asked), warm records (everything is computed anew
 * from the cache of records), verdicts (as the daemon works). Targets: a verdict that is kept 2 us, warm
 * records 50 us.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "milter/check.h"
#include "milter/preflight.h"
#include "milter/resolver.h"

static char dir[100];
static struct conf conf;
static struct services services;

static const struct { const char *name, *record; } kinds[] = {
	{ "plain", "v=spf1 ip4:192.0.2.7 ip6:2001:db8::7 -all" },
	{ "include", "v=spf1 include:_spf.host.example -all" },
	{ "three",
	    "v=spf1 a mx include:_a.host.example include:_b.host.example include:_spf.host.example ~all" },
	{ "ten", "v=spf1 include:_0.host.example include:_1.host.example include:_2.host.example "
	    "include:_3.host.example include:_4.host.example include:_5.host.example include:_6.host.example "
	    "include:_7.host.example include:_8.host.example include:_spf.host.example -all" },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
die(const char *what)
{
	fprintf(stderr, "bench_preflight: %s\n", what);
	exit(1);
}

static FILE *
create(const char *name)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (f == NULL)
		die(path);
	return f;
}

static unsigned
free_port(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &n) < 0)
		die("no port");
	close(fd);
	return ntohs(sin.sin_port);
}

static void
write_files(unsigned domains, unsigned port)
{
	FILE *f = create("zone"), *d = create("domains");
	unsigned i;

	fputs("$ORIGIN .\n$TTL 3600\n@ IN SOA ns. root. 1 3600 600 86400 60\n@ IN NS ns.\nns. IN A 127.0.0.1\n"
	    "_spf.host.example. IN TXT \"v=spf1 ip4:192.0.2.7 ip6:2001:db8::7 -all\"\n"
	    "_a.host.example. IN TXT \"v=spf1 ip4:198.51.100.0/24 ip4:203.0.113.1 ?all\"\n"
	    "_b.host.example. IN TXT \"v=spf1 ip4:198.51.100.0/24 ip6:2001:db8:1::/48 ?all\"\n", f);
	for (i = 0; i < 9; i++)
		fprintf(f, "_%u.host.example. IN TXT \"v=spf1 ip4:198.51.100.%u -all\"\n", i, i);
	for (i = 0; i < domains; i++) {
		fprintf(f, "d%u.example. IN TXT \"%s\"\nd%u.example. IN A 198.51.100.9\n"
		    "d%u.example. IN MX 10 mx.d%u.example.\nmx.d%u.example. IN A 198.51.100.10\n"
		    "_dmarc.d%u.example. IN TXT \"v=DMARC1; p=reject; rua=mailto:a@d%u.example\"\n"
		    "2026a._domainkey.d%u.example. IN TXT \"v=DKIM1; k=rsa; p=%0200d\"\n", i,
		    kinds[i % KINDS].record, i, i, i, i, i, i, i, 0);
		fprintf(d, "d%u.example customer%u\n", i, i);
	}
	fclose(f);
	fclose(d);
	f = create("nsd.conf");
	fprintf(f, "server:\n ip-address: 127.0.0.1@%u\n username: \"\"\n chroot: \"\"\n zonesdir: \"%s\"\n"
	    " pidfile: \"%s/nsd.pid\"\n database: \"\"\n xfrdfile: \"%s/xfrd\"\n zonelistfile: \"%s/zl\"\n"
	    " logfile: \"%s/log\"\n server-count: 1\nremote-control:\n control-enable: no\nzone:\n name: \".\"\n"
	    " zonefile: \"zone\"\n", port, dir, dir, dir, dir, dir);
	fclose(f);
}

static pid_t
start_nsd(void)
{
	char path[200];
	pid_t child = fork();

	if (child == 0) {
		snprintf(path, sizeof(path), "%s/nsd.conf", dir);
		execlp("nsd", "nsd", "-d", "-c", path, (char *)NULL);
		execl("/usr/sbin/nsd", "nsd", "-d", "-c", path, (char *)NULL);
		fprintf(stderr, "bench_preflight: nsd is missing: apt-get install nsd\n");
		_exit(127);
	}
	return child;
}

static void
say(void *cookie, const struct err *e)
{
	(void)cookie;
	fprintf(stderr, "%s: %s\n", e->where, e->text);
}

static struct resolver *
open_services(const char *server)
{
	static const char *selectors[] = { "2026a" }, *signing[] = { "own" }, *egress[] = { "192.0.2.7",
	    "2001:db8::7" };
	static const char *servers[1];
	static const struct table_report report = { say, NULL };
	static char spec[200];
	struct resolver *r;
	struct err e;

	servers[0] = server;
	snprintf(spec, sizeof(spec), "file:%s/domains", dir);
	conf.ownership.subdomains = true;
	conf.preflight.helo = "out1.host.example";
	conf.preflight.egress = (struct conf_strings){ 2, egress };
	conf.preflight.signing = (struct conf_strings){ 1, signing };
	conf.preflight.selectors = (struct conf_strings){ 1, selectors };
	conf.preflight.is_signed = CONF_SIGNED_EXPECTED;
	conf.preflight.dns.servers = (struct conf_strings){ 1, servers };
	conf.preflight.dns.trust_anchor = "";
	conf.preflight.dns.cache = (uint64_t)1 << 30;
	r = resolver_get(&conf, &e);
	if (r == NULL)
		die(e.text);
	services = (struct services){ .conf = &conf, .dns = r->dns, .spf = r->spf, .dmarc = r->dmarc,
		.domains = table_open(spec, &report) };
	return r;
}

static void
ask(struct preflight *p, unsigned domain, unsigned patience, unsigned *bad)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	struct preflight_answer answer;
	struct mail_address from;
	char text[80];
	struct err e;

	snprintf(text, sizeof(text), "bob@d%u.example", domain);
	if (mail_address_parse(a, text, &from) != 1)
		die("an address");
	{
		const struct preflight_question q = { .sender = from.text, .domain = from.domain,
		    .from = &from,
			.n_from = 1, .deadline = clock_deadline(patience) };

		if (preflight_ask(p, &q, a, &answer, &e) < 0 || answer.of[SPF_IS_PASS] != 2 ||
		    !answer.from->aligned)
			++*bad;
	}
	arena_free(&a);
}

static double
address_cost(unsigned n)
{
	double from = now_us();
	unsigned i;

	for (i = 0; i < n; i++) {
		struct arena *a = arena_new(ARENA_DEFAULT_CAP);
		struct mail_address to;

		if (mail_address_parse(a, "bob@d1000.example", &to) != 1)
			die("an address");
		arena_free(&a);
	}
	return (now_us() - from) / n;
}

/* Mean microseconds a message of the domains i with i % KINDS == kind (KINDS: all of them). */
static void
run(const char *name, struct preflight *p, unsigned domains, size_t kind, unsigned n, double extra,
    double target)
{
	unsigned i, bad = 0, d;
	double from = now_us(), us;

	for (i = 0; i < n; i++) {
		d = (unsigned)((uint64_t)i * 2654435761u % domains);
		if (kind < KINDS)
			d = d / (unsigned)KINDS * (unsigned)KINDS + (unsigned)kind;
		ask(p, d % domains, 2000, &bad);
	}
	us = (now_us() - from) / n - extra;
	printf("%-9s %-8s %8.2f us a message", name, kind < KINDS ? kinds[kind].name : "all", us);
	if (target > 0)
		printf("   target %g: %s", target, us <= target ? "met" : "MISSED");
	printf("%s\n", bad > 0 ? "   WRONG ANSWERS" : "");
}

int
main(int argc, char **argv)
{
	unsigned domains = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 2000, bad, tries;
	struct resolver *r;
	struct preflight *plain, *kept;
	char server[60];
	double extra;
	struct cache_counts counts;
	pid_t nsd, child;
	struct err e;
	size_t k;

	domains -= domains % (unsigned)KINDS;
	snprintf(dir, sizeof(dir), "%s/gatepost-bench.XXXXXX", getenv("TMPDIR") == NULL ? "/tmp" :
	    getenv("TMPDIR"));
	if (domains == 0 || mkdtemp(dir) == NULL)
		die("usage: bench_preflight [DOMAINS]");
	k = free_port();
	snprintf(server, sizeof(server), "127.0.0.1@%zu", k);
	write_files(domains, (unsigned)k);
	nsd = start_nsd();
	r = open_services(server);
	plain = preflight_open(&services, NULL, 0, &e);
	kept = preflight_open(&services, NULL, (size_t)256 << 20, &e);
	for (tries = 0, bad = 1; bad > 0 && tries < 50; tries++) {
		bad = 0;
		ask(plain, 0, 200, &bad);
	}
	if (bad > 0)
		die("NSD does not answer");
	extra = address_cost(100000);
	run("cold", plain, domains, KINDS, domains, extra, 0);
	for (k = 0; k <= KINDS; k++)
		run("warm", plain, domains, k, 20000, extra, 50);
	run("filling", kept, domains, KINDS, domains, extra, 0);
	run("verdict", kept, domains, KINDS, 400000, extra, 2);
	preflight_count(kept, &counts);
	printf("kept      %zu verdicts, %zu bytes each\n", counts.entries,
	    counts.entries == 0 ? 0 : counts.bytes / counts.entries);
	preflight_close(&plain);
	preflight_close(&kept);
	table_close(&services.domains);
	resolver_unref(&r);
	kill(nsd, SIGTERM);
	waitpid(nsd, NULL, 0);
	if ((child = fork()) == 0) {
		execlp("rm", "rm", "-rf", "--", dir, (char *)NULL);
		_exit(127);
	}
	waitpid(child, NULL, 0);
	return 0;
}
