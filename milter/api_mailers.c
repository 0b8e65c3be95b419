/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * api_mailers - which mailers were seen: of one customer, of one mailer its customers, or all by mailer.
 *
 * Reads what mailer_seen.c remembers of the store and writes it down as JSON. Nothing is judged here.
 */
#include "milter/api_private.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "lib/str.h"
#include "milter/mailer_seen.h"

#include "lib/banned.h"

#define MAILERS_MOST 1000u

static json_t *
sighting_json(struct arena *a, const struct mailer_sighting *w)
{
	json_t *j = json_object();

	api_put(j, "mailer", api_json_text(a, w->mailer));
	if (*w->kind != '\0')
		api_put(j, "kind", json_string(w->kind));
	api_put(j, "first", api_json_time(w->first));
	api_put(j, "last", api_json_time(w->last));
	api_put(j, "messages", json_integer((json_int_t)w->count));
	return j;
}

struct json_t *
api_mailers_of(struct api_request *r, const char *customer)
{
	struct mailer_sighting *list;
	json_t *j = json_array();
	size_t n, i;

	if (customer == NULL)
		return j;
	n = mailer_seen_list(r->store, customer, NULL, r->arena, &list);
	for (i = 0; i < n; i++)
		json_array_append_new(j, sighting_json(r->arena, &list[i]));
	return j;
}

static int
by_mailer(const void *a, const void *b)
{
	return strcmp(((const struct mailer_sighting *)a)->mailer, ((const struct mailer_sighting *)b)->mailer);
}

static int
by_messages(const void *a, const void *b)
{
	const struct mailer_sighting *x = a, *y = b;

	return x->count != y->count ? (x->count > y->count ? -1 : 1) : by_mailer(a, b);
}

/* Adds up what is known of each mailer, in place: customer becomes the number of them. Returns how many. */
static size_t
add_up(struct arena *a, struct mailer_sighting *list, size_t n)
{
	size_t to = 0, customers = 0, i;

	if (n > 1)
		qsort(list, n, sizeof(*list), by_mailer);
	for (i = 0; i < n; i++) {
		if (i > 0 && strcmp(list[to - 1].mailer, list[i].mailer) == 0) {
			if (list[i].first < list[to - 1].first)
				list[to - 1].first = list[i].first;
			if (list[i].last > list[to - 1].last)
				list[to - 1].last = list[i].last;
			list[to - 1].count += list[i].count;
			customers++;
		} else {
			list[to++] = list[i];
			customers = 1;
		}
		list[to - 1].customer = arena_printf(a, "%zu", customers);
	}
	if (to > 1)
		qsort(list, to, sizeof(*list), by_messages);
	return to;
}

unsigned
api_look_mailers(struct api_request *r)
{
	const char *mailer = api_in_text(r, "mailer");
	uint64_t most = api_in_number(r, "n", mailer == NULL ? MAILERS_MOST : 50);
	struct mailer_sighting *list;
	json_t *out = json_array(), *j;
	size_t n, i;

	if (most == 0 || most > MAILERS_MOST) {
		json_decref(out);
		return api_refuse(r, 400, "1 to 1000", "n is out of range");
	}
	n = mailer_seen_list(r->store, NULL, mailer, r->arena, &list);
	if (mailer == NULL)
		n = add_up(r->arena, list, n);
	for (i = 0; i < n && i < most; i++) {
		j = sighting_json(r->arena, &list[i]);
		if (mailer == NULL)
			api_put(j, "customers", json_integer((json_int_t)strtoull(list[i].customer, NULL, 10)));
		else
			api_put(j, "customer", api_json_text(r->arena, list[i].customer));
		json_array_append_new(out, j);
	}
	api_put(r->out, "now", api_json_time(r->now));
	api_put(r->out, "found", json_integer((json_int_t)n));
	api_put(r->out, "mailers", out);
	return 200;
}
