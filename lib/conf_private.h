/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_CONF_PRIVATE_H
#define LIB_CONF_PRIVATE_H
/*
 * conf_private - what the files of conf share. A file becomes a snapshot in five steps:
 *
 *   conf_source.c  bytes: the file and what it includes, bounded, with the place of every line
 *   conf_parse.c   nodes: libconfig's tree copied into ours (the only file that knows libconfig)
 *   conf_read.c    rows: every node finds its row in conf_table.c; the others are unknown settings
 *   conf_type.c    values: how each type is read from a node and written back (conf_group.c: limits and
 *                  their like; conf_word.c: what a text may say)
 *   conf_check.c   the whole: what only two settings together can get wrong
 *
 * A new setting is one row in conf_table.c and one field in conf.h.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/conf.h"
#include "lib/str.h"

#define CONF_FILE_MAX ((size_t)1 << 20)	/* bytes of the file with all that it includes */
#define CONF_FILES_MAX 64u		/* includes of one load */
#define CONF_DEPTH_MAX 8u		/* includes within includes; groups within groups */
#define CONF_LIST_MAX 1024u		/* elements of a list */
#define CONF_LIMITS_MAX 64u		/* each may keep a window for each key */
#define CONF_RULES_MAX 192u		/* rows of one table */
#define CONF_NAME_MAX 32u		/* of a limit or plan */
#define CONF_UNIX_PATH_MAX 107u		/* sun_path, without its NUL */

struct conf_place {
	const char *file;
	unsigned line;		/* 0: not in the file */
	unsigned order;		/* line of the text with all includes in their places */
};

enum conf_node_kind { CONF_NODE_GROUP, CONF_NODE_LIST, CONF_NODE_TEXT, CONF_NODE_NUMBER, CONF_NODE_DECIMAL,
	CONF_NODE_BOOL };

/* One setting as it stands in the file. Lives in the reader's scratch arena. */
struct conf_node {
	enum conf_node_kind kind;
	const char *name;	/* NULL: an element of a list, or the root */
	unsigned index;		/* of an element */
	const struct conf_node *parent;
	const char *text;	/* TEXT */
	int64_t number;		/* NUMBER; BOOL: 0 or 1 */
	double decimal;
	struct conf_node *child;
	size_t n;
	struct conf_place place;
};

struct conf_rule;
struct conf_table;
struct conf_told;

/* One load. Mistakes are kept until its end, to be told in the order of the file. */
struct conf_reader {
	struct arena *keep;	/* lives as long as the snapshot */
	struct arena *scratch;	/* dies with the load */
	struct conf_problems *p;
	struct conf_told *told;	/* in scratch */
	size_t n_told;
	size_t mistakes, warnings;	/* of this load; more than are kept */
	const char *file;	/* the main file, in keep */
	const struct conf_node *root;
	struct conf_place *place;	/* of each rule of conf_table_main; line 0 = left out */
};

/* How a type of setting is read and written. */
struct conf_type {
	/* Reads n into the field; a mistake is told, and leaves the field alone. */
	void (*read)(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n,
	    void *field);
	/* Writes the field as it would stand in the file. */
	void (*write)(struct str *to, const struct conf_rule *u, const void *field);
};

struct conf_word {
	const char *text;	/* NULL ends a list */
	int value;
};

/* False with the reason ("is no header name") in why. */
typedef bool conf_text_check(const char *text, struct str *why);

struct conf_rule {
	struct conf_row row;
	const struct conf_type *type;
	size_t at;			/* offset of the field */
	uint64_t least, most;		/* of a number; of the elements of a list */
	const struct conf_word *words;
	conf_text_check *check;
	const struct conf_table *members;	/* of a list of groups */
};

struct conf_table {
	const char *prefix;		/* "limits[]." */
	const struct conf_rule *rules;
	size_t n;
};

extern const struct conf_table conf_table_main, conf_table_limit, conf_table_escalation;
/* Index in conf_table_main, SIZE_MAX when there is no such row. */
size_t conf_table_find(const char *path);

/* ---- conf_source.c ---- */

struct conf_source {
	char *text;		/* NUL-terminated; malloc */
	size_t len, space;
	struct conf_place *lines;	/* of each line of text; malloc */
	size_t n_lines, lines_space;
};

/* Reads file and what it includes. False after a mistake was told. */
bool conf_source_read(struct conf_reader *r, struct conf_source *s);
/* The same of bytes; they may include nothing. */
bool conf_source_bytes(struct conf_reader *r, struct conf_source *s, const char *bytes, size_t n);
void conf_source_free(struct conf_source *s);

/* ---- conf_parse.c ---- */

/* NULL after a mistake was told. */
const struct conf_node *conf_parse(struct conf_reader *r, const struct conf_source *s);

/* ---- conf_read.c ---- */

/* Fills base from the defaults of table, then from group (may be NULL). place (may be NULL) gets where each
 * rule was set. */
void conf_read_group(struct conf_reader *r, const struct conf_table *table, const struct conf_node *group,
    void *base, struct conf_place *place);

/* Tells what was kept, in the order of the file, and counts it in r->p; warnings only when there is no
 * mistake. */
void conf_tell(struct conf_reader *r);

/* Keeps a mistake about a node, or about a setting by its path. */
void conf_problem(struct conf_reader *r, const struct conf_node *n, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void conf_problem_at(struct conf_reader *r, struct conf_place place, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void conf_warn_at(struct conf_reader *r, struct conf_place place, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* What stands there, for people: "500/1x" in quotes, the number 5, a list. */
void conf_found(const struct conf_node *n, struct str *to);

/* ---- conf_type.c ---- */

extern const struct conf_type conf_type_text, conf_type_texts, conf_type_bool, conf_type_number,
    conf_type_duration, conf_type_size, conf_type_word, conf_type_word_bool, conf_type_choice;
/* conf_group.c */
extern const struct conf_type conf_type_also, conf_type_actions, conf_type_mailer_plans, conf_type_traits,
    conf_type_plans, conf_type_limits, conf_type_escalate, conf_type_per, conf_type_ceilings,
    conf_type_limit_action, conf_type_suspend;

/* Tells `PATH: FOUND WRONG; allowed: ...` with the row's own words for what is allowed. */
void conf_refuse(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n,
    const char *wrong);
/* The text of a node in the keep arena; NULL after a mistake was told. */
const char *conf_text(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n);
/* A list's elements; a lone value is a list of one. Always sets *at and *n. */
void conf_elements(const struct conf_node *n, const struct conf_node **at, size_t *count);
/* Writes a quoted text. */
void conf_quote(struct str *to, const char *text);
const char *conf_word_text(const struct conf_word *words, int value);
bool conf_word_parse(const struct conf_word *words, const char *text, int *value);

/* ---- conf_word.c: what a text may say ---- */

conf_text_check conf_check_listen, conf_check_socket, conf_check_socket_or_none, conf_check_octal,
    conf_check_account, conf_check_allow,
    conf_check_relay, conf_check_header, conf_check_header_or_none, conf_check_facility,
    conf_check_path, conf_check_path_or_none, conf_check_store, conf_check_server,
    conf_check_master, conf_check_redis_user, conf_check_prefix, conf_check_table, conf_check_network,
    conf_check_domain, conf_check_source, conf_check_name, conf_check_name_or_none, conf_check_mailer,
    conf_check_when, conf_check_abuse_address, conf_check_address_or_none, conf_check_sender_id,
    conf_check_authserv_id, conf_check_address, conf_check_resolver, conf_check_signing, conf_check_selector,
    conf_check_mx, conf_check_helo;
bool conf_name_ok(const char *text);

extern const struct conf_word conf_words_action[], conf_words_unidentified[], conf_words_local[],
    conf_words_forged[], conf_words_limit_action[], conf_words_mode[], conf_words_form[], conf_words_also[],
    conf_words_topology[], conf_words_first_seen[], conf_words_per[], conf_words_count[], conf_words_sender[],
    conf_words_level[], conf_words_signed[];

/* ---- conf_check.c ---- */

void conf_check(struct conf_reader *r, struct conf *c);

/* ---- conf.c ---- */

/* conf_load, of bytes instead of a file: for tests. */
struct conf *conf_load_bytes(const char *name, const char *bytes, size_t n, struct conf_problems *p);

#endif
