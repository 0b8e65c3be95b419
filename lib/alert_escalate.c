/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * alert_escalate - counts how often a rule of alerts.escalate was met by one
 * account or customer: `times` within `within`, exactly, over the times of
 * the last `times` events.
 *
 * Used by the alert thread alone, so there is no lock. A balanced tree rather
 * than a hash table: nobody can choose names that make it slow. Bounded: the
 * subject that was quiet longest is forgotten first.
 *
 * It deliberately does not suspend: alert.c does.
 */
#include "lib/alert_private.h"

#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/conf.h"

#include "lib/banned.h"

struct counter {
	const char *key;
	uint64_t within;
	TAILQ_ENTRY(counter) order;
	uint64_t *at;			/* ring of the times of the last events */
	unsigned size, n, next;
	char text[];
};

struct alert_escalations {
	void *tree;			/* struct counter by key */
	TAILQ_HEAD(counter_list, counter) order;	/* least recent first */
	size_t n;
};

/* What is not the customer's doing, or no offence yet, escalates only when its whole code is named. Who
 * forwards mail sends stamps of other messages, and of other hosts, by right. */
static const char *const alert_mild[] = { ".warning", ".unsure", ".first-seen", ".foreign", ".replayed" };

static int
counter_compare(const void *a, const void *b)
{
	return strcmp(((const struct counter *)a)->key, ((const struct counter *)b)->key);
}

static void
counter_forget(struct alert_escalations *x, struct counter *c)
{
	(void)tdelete(c, &x->tree, counter_compare);
	TAILQ_REMOVE(&x->order, c, order);
	x->n--;
	free(c->at);
	free(c);
}

struct alert_escalations *
alert_escalations_new(void)
{
	struct alert_escalations *x = alert_alloc(sizeof(*x));

	x->tree = NULL;
	x->n = 0;
	TAILQ_INIT(&x->order);
	return x;
}

void
alert_escalations_free(struct alert_escalations **x)
{
	struct counter *c;

	if (*x == NULL)
		return;
	while ((c = TAILQ_FIRST(&(*x)->order)) != NULL)
		counter_forget(*x, c);
	free(*x);
	*x = NULL;
}

bool
alert_escalation_wants(const struct conf_escalation *rule, const char *kind)
{
	size_t n = strlen(rule->when), i;

	if (strcmp(kind, rule->when) == 0)
		return true;
	if (strncmp(kind, rule->when, n) != 0 || kind[n] != '.')
		return false;
	for (i = 0; i < sizeof(alert_mild) / sizeof(alert_mild[0]); i++)
		if (strcmp(kind + n, alert_mild[i]) == 0)
			return false;
	return true;
}

/* Those whose time is over make room; two at a time keep up with one that comes. */
static void
counter_expire(struct alert_escalations *x, uint64_t now)
{
	struct counter *c;
	unsigned last;
	int i;

	for (i = 0; i < 2 && (c = TAILQ_FIRST(&x->order)) != NULL; i++) {
		last = (c->next + c->size - 1) % c->size;
		if (x->n < ALERT_ESCALATIONS_MOST && (c->n == 0 || now - c->at[last] <= c->within))
			return;
		counter_forget(x, c);
	}
}

static struct counter *
counter_find(struct alert_escalations *x, const struct conf_escalation *rule, const char *key, uint64_t now)
{
	struct counter probe = { .key = key }, *c;
	struct counter **found = tfind(&probe, &x->tree, counter_compare);
	size_t n = strlen(key);

	if (found != NULL) {
		c = *found;
		TAILQ_REMOVE(&x->order, c, order);
		TAILQ_INSERT_TAIL(&x->order, c, order);
		return c;
	}
	counter_expire(x, now);
	c = alert_alloc(sizeof(*c) + n + 1);
	memset(c, 0, sizeof(*c));
	memcpy(c->text, key, n + 1);
	c->key = c->text;
	c->within = rule->within;
	c->size = rule->times < ALERT_ESCALATION_TIMES ? rule->times : ALERT_ESCALATION_TIMES;
	if (c->size == 0)
		c->size = 1;
	c->at = alert_alloc(c->size * sizeof(*c->at));
	if (tsearch(c, &x->tree, counter_compare) == NULL)
		abort();
	TAILQ_INSERT_TAIL(&x->order, c, order);
	x->n++;
	return c;
}

bool
alert_escalations_hit(struct alert_escalations *x, const struct conf_escalation *rule, const char *subject,
    bool monitor, uint64_t now)
{
	struct counter *c;
	char key[512];

	/* The whole rule is in the key: after a reload a changed rule counts for itself. */
	(void)snprintf(key, sizeof(key), "%.64s %u %" PRIu64 " %d %d %.320s", rule->when, rule->times,
	    rule->within, rule->customer, monitor, subject);
	c = counter_find(x, rule, key, now);
	c->at[c->next] = now;
	c->next = (c->next + 1) % c->size;
	if (c->n < c->size)
		c->n++;
	/* The ring being full, next is the oldest of the last `times`. */
	if (c->n < c->size || now - c->at[c->next] > c->within)
		return false;
	c->n = 0;
	return true;
}
