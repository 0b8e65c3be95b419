/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_STAMP_H
#define LIB_STAMP_H
/*
 * stamp - who sent this message, sealed for those who hold the keys.
 *
 *     struct stamp_content c = { .time = clock_now(), .customer = "acme", ... };
 *     stamp_bind(keys, &b, &c);
 *     stamp_make(keys, &c, value, &e)               -> "v=1; k=2026a; r=out1; q=4XyZ; t=t4k2; c=..."
 *     stamp_open(keys, text, now, 0, &c) == STAMP_OPENED
 *
 * It stands in three places, and each opens by itself:
 *   header       Gatepost-Trace: all; relay, queue id and time can be read without keys, not changed
 *   token        the same in one word (atext and ':'), for CFBL-Feedback-ID
 *   short token  56 letters and digits, read without case, for the local part of an address: time, the
 *                stamp's mark, and the customer (a name of more than 13 bytes as its pseudonym)
 * Token and short token follow from the stamp, so that they need not be kept to be recognised.
 *
 * A stamp is bound to what content filters and relays leave alone: Message-ID, Date, the From mailboxes,
 * and the recipients. Up to 16 recipients are told apart with 24 bits each; of 17 to 512 a filter of 12 bits
 * for each is kept (384 at least), which takes less than one stranger of a hundred for one of them; of up to
 * 1,024 one of 6,144 bits in all, which takes six. More cannot be told apart at all, and match nothing.
 * Thread safe; nothing is allocated.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/net.h"
#include "lib/seal.h"

#define STAMP_RELAY_MAX 64
#define STAMP_QUEUE_MAX 40
#define STAMP_CUSTOMER_MAX 64	/* longer names: their beginning, '~', and their pseudonym */
#define STAMP_ACCOUNT_MAX 96
#define STAMP_FILTER 768		/* most bytes that tell recipients */
#define STAMP_RECIPIENTS 1024u	/* more of them cannot be told apart */
#define STAMP_VALUE 1536	/* room for a header value, folded, with its NUL */
#define STAMP_TOKEN 1560	/* room for a token, with its NUL */
#define STAMP_SHORT 57		/* room for a short token, with its NUL: 'g' and a short sealed text */

struct stamp_content {
	/* told in the header */
	char key[SEAL_KEY_ID_MAX + 1];
	char relay[STAMP_RELAY_MAX + 1];	/* all but letters, digits, '.', '-', '_' became '_' */
	char queue_id[STAMP_QUEUE_MAX + 1];	/* the same; "-" when the MTA told none */
	uint64_t time;				/* ms since 1970, whole seconds */
	/* sealed */
	char customer[STAMP_CUSTOMER_MAX + 1];	/* "" = none (a bounce of our own) */
	char account[STAMP_ACCOUNT_MAX + 1];
	struct net_addr client;			/* bits 0 = none */
	uint16_t port;				/* the client's, 0 = unknown */
	struct net_addr submitter;		/* bits 0 = none */
	const char *quality;			/* what the submitter is worth: constant "none" "smtp" "app"
						 * "claimed" "cgi" "web"; others are sealed as "none" */
	bool local;				/* handed over by sendmail(1), not SMTP */
	bool login;				/* the client had logged in */
	/* what it is bound to: stamp_bind */
	bool no_message_id, no_date;		/* it had none when it was stamped */
	uint8_t bound[8];
	uint32_t recipients;			/* how many; at most 65,535 */
	uint8_t filter[STAMP_FILTER];
	/* answered by stamp_open and stamp_make */
	uint32_t mark;				/* tells this stamp from others, for logs */
	bool brief;				/* from a short token: only key, time, mark and customer are
						 * known; relay and queue id are "" */
	bool pseudonym;				/* customer is a pseudonym */
};

/* What a stamp is bound to. message_id and date may be NULL. */
struct stamp_bound {
	const char *message_id, *date;
	const char *const *from;		/* mailboxes, lower case */
	size_t n_from;
	const char *const *recipients;
	size_t n_recipients;
};

enum stamp_result {
	STAMP_OPENED,
	STAMP_FORGED,		/* one of our key ids, but not made with that key, or changed since */
	STAMP_FOREIGN,		/* a key id that is not ours */
	STAMP_EXPIRED,		/* genuine (content is filled), but too old, or from the future */
	STAMP_MALFORMED		/* no stamp or token at all */
};
/* "opened" "forged" "foreign" "expired" "malformed" */
const char *stamp_result_text(enum stamp_result r);

/* The words above, and no others. */
const char *stamp_quality(const char *word);

/* Fills a name into its place: cut as said above when it is long. */
void stamp_customer(const struct seal_keys *k, const char *name, struct stamp_content *to);
void stamp_account(const struct seal_keys *k, const char *name, struct stamp_content *to);

/* Fills the bound part, for the key that is active. */
void stamp_bind(const struct seal_keys *k, const struct stamp_bound *b, struct stamp_content *to);
/* True when the message is the one that was stamped: the same Message-ID, Date and From (those that it
 * had), and no recipient that was not there (never when it had more than STAMP_RECIPIENTS). others_too: to
 * whatever recipients. */
bool stamp_matches(const struct seal_keys *k, const struct stamp_content *c, const struct stamp_bound *b,
    bool others_too);

/* Seals c with the active key: a header value of at most three lines ("\n\t" between them). Fills c->key,
 * c->mark, and cleans c->relay and c->queue_id. 0, or -1 with e. */
int stamp_make(const struct seal_keys *k, struct stamp_content *c, char value[STAMP_VALUE], struct err *e);
/* The same stamp as a token. value: as stamp_make wrote it, or as it came with a message. False when it
 * is none. */
bool stamp_token(const char *value, char to[STAMP_TOKEN]);
/* The short token of a stamp that was made or opened (but not from a short token). "" when its key is
 * gone. */
void stamp_short(const struct seal_keys *k, const struct stamp_content *c, char to[STAMP_SHORT]);

/* Opens a header value, a whole header line ("Gatepost-Trace: v=1; ...", folded or not, any name), a token,
 * a short token, or an address that holds one ("<abuse+TOKEN@...>"). Blanks and folds do not matter. fresh:
 * longest age in ms that is not "expired", 0 = any age. *to is all zero (quality "none") but for
 * STAMP_OPENED and STAMP_EXPIRED; for STAMP_FORGED and STAMP_FOREIGN what the stamp says openly is filled:
 * key, relay, queue id, time. */
enum stamp_result stamp_open(const struct seal_keys *k, const char *text, uint64_t now, uint64_t fresh,
    struct stamp_content *to);
/* Finds the next word in free text that looks like a token, a short token, or an address that holds one (a
 * report quotes them anywhere); NULL when there is none. *len is its length; go on from there. It does not
 * find header values, which hold blanks. */
const char *stamp_find(const char *text, size_t *len);

#endif
