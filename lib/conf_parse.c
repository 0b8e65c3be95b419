/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * conf_parse - text to nodes, by libconfig. The one file that knows libconfig:
 * it copies libconfig's tree into ours, each node with its place, and throws the original away.
 *
 * A mistake in the syntax is the one kind that hides all others: libconfig stops at it.
 * What a setting means is none of this file's business.
 */
#include "lib/conf_private.h"

#include <string.h>

#include <libconfig.h>

#include "lib/banned.h"

struct parse {
	struct conf_reader *r;
	const struct conf_source *s;
	bool ok;
};

static struct conf_place
parse_place(const struct conf_source *s, unsigned line)
{
	if (line == 0 || s->n_lines == 0)
		return (struct conf_place){ NULL, 0, 0 };
	return s->lines[line <= s->n_lines ? line - 1 : s->n_lines - 1];
}

static void parse_copy(struct parse *p, const config_setting_t *from, struct conf_node *to, unsigned depth);

static void
parse_children(struct parse *p, const config_setting_t *from, struct conf_node *to, unsigned depth)
{
	int i, n = config_setting_length(from);

	if (depth > CONF_DEPTH_MAX) {
		conf_problem(p->r, to, "nested too deep; allowed: %u levels", CONF_DEPTH_MAX);
		p->ok = false;
		return;
	}
	to->child = arena_zalloc(p->r->scratch, (size_t)n * sizeof(*to->child));
	for (i = 0; i < n; i++) {
		to->child[i].parent = to;
		to->child[i].index = (unsigned)i;
		parse_copy(p, config_setting_get_elem(from, (unsigned)i), &to->child[i], depth + 1);
		to->n = (size_t)i + 1;
	}
}

static void
parse_copy(struct parse *p, const config_setting_t *from, struct conf_node *to, unsigned depth)
{
	to->name = arena_strdup(p->r->scratch, config_setting_name(from));
	to->place = parse_place(p->s, config_setting_source_line(from));
	switch (config_setting_type(from)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		to->kind = CONF_NODE_NUMBER;
		to->number = config_setting_get_int64(from);
		break;
	case CONFIG_TYPE_FLOAT:
		to->kind = CONF_NODE_DECIMAL;
		to->decimal = config_setting_get_float(from);
		break;
	case CONFIG_TYPE_BOOL:
		to->kind = CONF_NODE_BOOL;
		to->number = config_setting_get_bool(from);
		break;
	case CONFIG_TYPE_STRING:
		to->kind = CONF_NODE_TEXT;
		to->text = arena_strdup(p->r->scratch, config_setting_get_string(from));
		if (to->text == NULL)
			to->text = "";
		break;
	case CONFIG_TYPE_GROUP:
		to->kind = CONF_NODE_GROUP;
		parse_children(p, from, to, depth);
		break;
	default:	/* "[ ]" holds scalars of one type, "( )" anything: the same to us */
		to->kind = CONF_NODE_LIST;
		parse_children(p, from, to, depth);
		break;
	}
}

/* libconfig's own words, with what usually is behind them. */
static void
parse_refuse(struct conf_reader *r, const struct conf_source *s, const config_t *c)
{
	static const struct { const char *text, *hint; } hints[] = {
		{ "syntax error",
		    "in this line or the one before it: a forgotten quote, brace or \"=\", or a comma "
		    "too many" },
		{ "duplicate setting name", "a setting of this name stands before; allowed: once" },
		{ "mismatched element type in array", "allowed within [ ]: only texts, or only numbers" },
		{ "memory exhausted", "nested too deep" },
	};
	const char *text = config_error_text(c) == NULL ? "syntax error" : config_error_text(c), *hint = NULL;
	struct conf_place place =
	    parse_place(s, config_error_line(c) < 0 ? 0 : (unsigned)config_error_line(c));
	size_t i;

	if (place.file == NULL)
		place.file = r->file;
	for (i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (strcmp(hints[i].text, text) == 0)
			hint = hints[i].hint;
	conf_problem_at(r, place, NULL, hint == NULL ? "%s" : "%s: %s", text, hint);
}

const struct conf_node *
conf_parse(struct conf_reader *r, const struct conf_source *s)
{
	struct parse p = { r, s, true };
	struct conf_node *root = NULL;
	config_t c;

	config_init(&c);
	if (!config_read_string(&c, s->text)) {
		parse_refuse(r, s, &c);
	} else {
		root = arena_zalloc(r->scratch, sizeof(*root));
		parse_copy(&p, config_root_setting(&c), root, 0);
	}
	config_destroy(&c);
	return p.ok ? root : NULL;
}
