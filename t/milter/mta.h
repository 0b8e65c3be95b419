/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef T_MILTER_MTA_H
#define T_MILTER_MTA_H
/*
 * mta - the other side of the milter protocol, as Postfix 3.7 speaks it (version 6).
 *
 *     struct mta m;
 *     mta_init(&m);
 *     if (mta_open(&m, "unix:/path") < 0 ||
 *         mta_connect(&m, "client.example", "192.0.2.1", 40000) < 0) ...m.error
 *     mta_macro(&m, "{auth_authen}", "bob");
 *     mta_mail(&m, "<bob@acme.example>", NULL, 0);      m.reply.code, m.reply.text
 *     mta_rcpt(...); mta_header(...); mta_end(&m);      m.edits[0..n_edits)
 *     mta_close(&m);
 *
 * What the filter negotiated is honoured: events it declined are not sent, replies it declined are not
 * awaited, its macro lists replace ours. As Postfix does, a macro packet goes before every event, also when
 * it is empty and also when the connect, HELO, MAIL, RCPT or DATA event itself was declined; headers and body
 * that were declined leave nothing. Output is collected and written in pieces of 4,096 bytes or when a reply
 * is awaited, again as Postfix does.
 *
 * Every wait is bounded by timeout (milliseconds); nothing here waits for ever. What the filter sends is
 * checked: an edit that it did not ask leave for, a malformed SMTP reply, a reply where none belongs is an
 * error.
 *
 * The put functions only fill the output buffer and are for programs with an event loop of their own
 * (mta_flush_try, mta_reply_try); all others write and wait. One struct mta belongs to one thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Stages by the numbers that a filter's macro list request uses. */
enum mta_stage { MTA_CONNECT, MTA_HELO, MTA_MAIL, MTA_RCPT, MTA_DATA, MTA_EOM, MTA_EOH, MTA_STAGES };

/* Actions and protocol bits of the negotiation. */
#define MTA_F_ADDHDRS 0x1u
#define MTA_F_CHGHDRS 0x10u
#define MTA_F_QUARANTINE 0x20u
#define MTA_F_SETSYMLIST 0x100u
#define MTA_F_ALL 0x1ffu
#define MTA_P_NOCONNECT 0x1u
#define MTA_P_NOHELO 0x2u
#define MTA_P_NOMAIL 0x4u
#define MTA_P_NORCPT 0x8u
#define MTA_P_NOBODY 0x10u
#define MTA_P_NOHDRS 0x20u
#define MTA_P_NOEOH 0x40u
#define MTA_P_NR_HDR 0x80u
#define MTA_P_NOUNKNOWN 0x100u
#define MTA_P_NODATA 0x200u
#define MTA_P_SKIP 0x400u
#define MTA_P_RCPT_REJ 0x800u
#define MTA_P_NR_CONN 0x1000u
#define MTA_P_NR_HELO 0x2000u
#define MTA_P_NR_MAIL 0x4000u
#define MTA_P_NR_RCPT 0x8000u
#define MTA_P_NR_DATA 0x10000u
#define MTA_P_NR_UNKN 0x20000u
#define MTA_P_NR_EOH 0x40000u
#define MTA_P_NR_BODY 0x80000u
#define MTA_P_HDR_LEADSPC 0x100000u
#define MTA_P_ALL 0x1fffffu

struct mta_buffer {
	unsigned char *at;
	size_t used, space;
};

struct mta_macro {
	char *name;		/* without braces */
	char *value;		/* NULL: the MTA has none, the macro is not sent */
};

struct mta_list {		/* macros of a stage, by index in macros */
	unsigned at[64];
	bool braces[64];
	size_t n;
};

struct mta_edit {
	char kind;		/* 'h' add, 'i' insert, 'm' change, 'q' quarantine; others as on the wire */
	uint32_t index;
	char *name, *value;	/* q: the reason in value */
};

struct mta_reply {
	char code;		/* 'c' continue, 'a' accept, 'd' discard, 'r' reject, 't' tempfail, 'y' SMTP reply,
				 * 's' skip, 0 none */
	char text[1024];	/* of 'y', "%%" undone */
};

struct mta_line { char *name, *value; };	/* one header field as the filter saw it */

struct mta {
	int fd;
	int timeout;			/* ms for each wait */
	bool local;			/* as cleanup hands over local mail: queue id at MAIL, no brackets */
	bool keep;			/* keep the message, for mta_print */
	bool failed;			/* the session is of no use any more; error says why */
	char error[300];

	uint32_t version, actions, protocol;
	struct mta_macro macros[64];
	size_t n_macros;
	struct mta_list lists[MTA_STAGES];
	bool list_asked[MTA_STAGES];	/* by the filter */
	char queue_id[64];		/* known to the filter at MAIL when local, else from DATA on */

	struct mta_reply reply;
	struct mta_edit *edits;
	size_t n_edits, edits_space;
	unsigned progress;		/* progress notes received for the last reply */

	struct mta_buffer out, in;
	size_t in_from;			/* first byte of in not yet looked at */

	bool in_message, data_done, eoh_done, skip_body;
	bool over, session_over;	/* no further events for this message, for this session */
	unsigned n_rcpts;
	char event;			/* whose reply is awaited */
	char verdict_at;		/* the event whose reply was the last final one: 'M', 'R', 'E'... */
	struct mta_line *lines;		/* kept message */
	size_t n_lines, lines_space;
	struct mta_buffer body;
};

void mta_init(struct mta *m);
/* Connects ("unix:/path" or "/path", "inet:PORT@ADDRESS") and negotiates. 0, or -1 with error. */
int mta_open(struct mta *m, const char *address);
/* In two steps, for programs that do not want to wait: connect, then mta_put_negotiate and mta_reply_try. */
int mta_dial(struct mta *m, const char *address);
void mta_put_negotiate(struct mta *m);
/* Forgets everything and closes; says nothing to the filter. Safe to call twice. */
void mta_close(struct mta *m);

/* What the MTA knows; NULL forgets it. The name with or without braces. */
void mta_macro(struct mta *m, const char *name, const char *value);
/* The value that the filter would be sent at that stage, NULL when it does not get it. */
const char *mta_macro_at(const struct mta *m, enum mta_stage stage, const char *name);

/* Each sends its event and waits for the reply if one belongs. 0: m->reply holds it (code 0: none was due).
 * -1: the session is of no use any more; m->error. After a final verdict (over) further events of this
 * message are
 * not sent, as in Postfix; they return 0 with the verdict standing. */
int mta_connect(struct mta *m, const char *host, const char *address, unsigned port);
int mta_helo(struct mta *m, const char *name);
int mta_mail(struct mta *m, const char *address, const char *const *esmtp, size_t n);
int mta_rcpt(struct mta *m, const char *address, const char *const *esmtp, size_t n);
int mta_data(struct mta *m);
int mta_header(struct mta *m, const char *name, const char *value);
int mta_eoh(struct mta *m);
int mta_body(struct mta *m, const void *bytes, size_t n);
int mta_end(struct mta *m);
int mta_unknown(struct mta *m, const char *command);
int mta_abort(struct mta *m);
int mta_quit(struct mta *m);

/* The same without input or output. True when a reply has to be awaited before anything else is put. */
bool mta_put_connect(struct mta *m, const char *host, const char *address, unsigned port);
bool mta_put_helo(struct mta *m, const char *name);
bool mta_put_mail(struct mta *m, const char *address, const char *const *esmtp, size_t n);
bool mta_put_rcpt(struct mta *m, const char *address, const char *const *esmtp, size_t n);
bool mta_put_data(struct mta *m);
bool mta_put_header(struct mta *m, const char *name, const char *value);
bool mta_put_eoh(struct mta *m);
bool mta_put_body(struct mta *m, const void *bytes, size_t n);	/* n <= 65535 */
bool mta_put_end(struct mta *m);
/* Any packet, well formed or not, and bytes without a frame. */
void mta_put_packet(struct mta *m, char command, const void *bytes, size_t n);
void mta_put_raw(struct mta *m, const void *bytes, size_t n);

/* 1 done, 0 not yet (would block), -1 failed. */
int mta_flush_try(struct mta *m);
int mta_reply_try(struct mta *m);
/* The waiting forms: 0 or -1. */
int mta_flush(struct mta *m);
int mta_reply_wait(struct mta *m);
/* Waits for the filter to close: 1 closed, 0 still open after timeout. What arrives meanwhile is dropped. */
int mta_closed(struct mta *m, int timeout);

/* Did the last verdict let the message pass (perhaps into quarantine)? */
bool mta_passed(const struct mta *m);
/* The quarantine reason, NULL when none. */
const char *mta_quarantine(const struct mta *m);
/* Applies the edits to the kept message, as Postfix would: each on what the earlier ones left, index 0 above
 * our own Received field. Call once after mta_end. */
void mta_apply(struct mta *m);
/* The kept message's fields and body as delivered, lines ended by "\n". */
void mta_print(const struct mta *m, FILE *to);
/* The n-th field of that name (from 1) as delivered, without the blank after the colon; NULL: fewer. */
const char *mta_delivered(const struct mta *m, const char *name, unsigned n);

#endif
