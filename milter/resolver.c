/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * resolver - opens what asks the DNS once for each set of settings, and counts who uses it.
 *
 * libunbound's settings cannot change after its first question, so a reload that changes them needs a second
 * context; one that does not must not empty a warm cache. The list below seldom has more than one element.
 */
#include "milter/resolver.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/str.h"

#include "lib/banned.h"

#define RESOLV_CONF "/etc/resolv.conf"

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;	/* guards list, refs and next */
static struct resolver *list;

/* What was read from a file is another when the file is. */
static void
add_file(struct str *s, const char *path)
{
	struct stat st;

	if (*path != '\0' && stat(path, &st) == 0)
		str_catf(s, " %llu %lld %lld.%09ld", (unsigned long long)st.st_ino, (long long)st.st_size,
		    (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static char *
settings_of(const struct conf *c)
{
	struct str s = { .size = 8192 };
	size_t i;

	s.data = calloc(1, s.size);
	if (s.data == NULL)
		abort();
	for (i = 0; i < c->preflight.dns.servers.n; i++)
		str_catf(&s, "%s ", c->preflight.dns.servers.at[i]);
	str_catf(&s, "| %s | %llu", c->preflight.dns.trust_anchor,
	    (unsigned long long)c->preflight.dns.cache);
	add_file(&s, c->preflight.dns.trust_anchor);
	if (c->preflight.dns.servers.n == 0)
		add_file(&s, RESOLV_CONF);
	return s.data;
}

static void
resolver_free(struct resolver *r)
{
	dmarc_close(&r->dmarc);
	spf_close(&r->spf);
	dns_close(&r->dns);
	free(r->settings);
	free(r);
}

static struct resolver *
resolver_new(const struct conf *c, char *take_settings, struct err *e)
{
	const struct dns_options o = { .forwarders = c->preflight.dns.servers.at,
		.n_forwarders = c->preflight.dns.servers.n, .resolv_conf = RESOLV_CONF,
		.trust_anchor = c->preflight.dns.trust_anchor,
		.cache_bytes = (size_t)c->preflight.dns.cache };
	struct resolver *r = calloc(1, sizeof(*r));

	if (r == NULL)
		abort();
	r->settings = take_settings;
	r->refs = 1;
	if ((r->dns = dns_open(&o, e)) == NULL || (r->spf = spf_open(r->dns, e)) == NULL ||
	    (r->dmarc = dmarc_open(r->dns, e)) == NULL) {
		resolver_free(r);
		return NULL;
	}
	return r;
}

struct resolver *
resolver_get(const struct conf *c, struct err *e)
{
	char *settings = settings_of(c);
	struct resolver *r;

	pthread_mutex_lock(&list_lock);
	for (r = list; r != NULL && strcmp(r->settings, settings) != 0; r = r->next)
		;
	if (r != NULL) {
		r->refs++;
		free(settings);
	} else if ((r = resolver_new(c, settings, e)) != NULL) {
		r->next = list;
		list = r;
	}
	pthread_mutex_unlock(&list_lock);
	return r;
}

void
resolver_unref(struct resolver **r)
{
	struct resolver *p = *r, **at;
	bool last;

	*r = NULL;
	if (p == NULL)
		return;
	pthread_mutex_lock(&list_lock);
	last = --p->refs == 0;
	for (at = &list; last && *at != NULL; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			break;
		}
	pthread_mutex_unlock(&list_lock);
	if (last)
		resolver_free(p);
}
