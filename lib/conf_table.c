/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * conf_table - every setting, one row each: path, default, what is allowed, what it is
 * for, whether a reload applies it, and the field in struct conf that it fills.
 *
 * The parser, `gatepost -t -v`, the sample file and gatepost.conf.5 are fed by or checked
 * against these rows (t/unit/conf_docs.t). A new setting is a row here and a field in conf.h;
 * the rows stand in the order of the sample file and the manual page.
 * Defaults are written as in the file and read by the same readers.
 */
#include "lib/conf_private.h"

#include <string.h>

#include "lib/trait.h"

#include "lib/banned.h"

#define FIXED false
#define RELOAD true

#define AT(field) offsetof(struct conf, field)

/* ROW(path, type, default, allowed, reloadable, help) { the rest of struct conf_rule } */
#define ROW(path, type, def, allowed, reload, help) .row = { path, type, def, allowed, help, reload, false }
#define EXAMPLE(path, type, def, allowed, reload, help) \
	.row = { path, type, def, allowed, help, reload, true }

#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define DAY (24 * 60 * MINUTE)

#define ACTIONS "accept, tag, slow, hold, defer or reject"
#define MODES "enforce or monitor"
#define SOCKET_OR_NONE "unix:/absolute/path of at most 107 bytes, or \"\" for none"
#define HEADER "a header name of your own, such as X-Example"
#define NETWORKS "addresses and prefixes such as 192.0.2.0/24"
#define TABLE "TYPE:/absolute/path such as file:/etc/gatepost/NAME, or \"\" for none"
#define SERVERS "unix:/absolute/path, inet:PORT@HOST or inet6:PORT@HOST"
#define KINDS "bulk, webshell, desktop, library, newsletter, list, crm; with " ACTIONS

#define PLAN_KINDS "a group of at most 32 plans: { NAME = { bulk = \"accept\"; ... }; ... }"
#define TRAIT_NAMES "no-list-unsubscribe, no-one-click, precedence, campaign, no-message-id, no-date, script-path, " \
	"eval; with " ACTIONS

#define MODE_ROW(path, field, help) \
	{ ROW(path, "word", "\"enforce\"", MODES, RELOAD, help), .type = &conf_type_word, .at = AT(field), \
	    .words = conf_words_mode }
#define ACTION_ROW(path, field, def, help) \
	{ ROW(path, "word", def, ACTIONS, RELOAD, help), .type = &conf_type_word, .at = AT(field), \
	    .words = conf_words_action }
#define STAMP_ROW(path, field, def, help) \
	{ ROW(path, "word", def, "accept, tag, hold or reject", RELOAD, help), .type = &conf_type_word, \
	    .at = AT(field), .words = conf_words_forged }
#define TABLE_ROW(path, field, help) \
	{ EXAMPLE(path, "table", "\"\"", TABLE, RELOAD, help), .type = &conf_type_text, .at = AT(field), \
	    .check = conf_check_table }
#define TEXT_ROW(path, field, type_text, def, allowed, reload, help, how) \
	{ ROW(path, type_text, def, allowed, reload, help), .type = &conf_type_text, .at = AT(field), \
	    .check = (how) }

static const struct conf_rule main_rules[] = {
	{ ROW("listen", "list", "\"unix:/run/gatepost/milter.sock\"",
	    "unix:/absolute/path, inet:PORT@ADDRESS, inet6:PORT@ADDRESS or fd:N", FIXED,
	    "sockets where the MTA reaches the milter"),
	    .type = &conf_type_texts, .at = AT(listen), .least = 1, .most = 16, .check = conf_check_listen },
	TEXT_ROW("listen_mode", listen_mode, "text", "\"0660\"", "four octal digits such as 0660", FIXED,
	    "permissions of unix sockets in listen", conf_check_octal),
	TEXT_ROW("listen_group", listen_group, "text", "\"\"", "a group, or \"\" for the user's own", FIXED,
	    "group of unix sockets in listen: the MTA's", conf_check_account),
	TEXT_ROW("api", api, "text", "\"unix:/run/gatepost/api.sock\"",
	    "unix:/absolute/path of at most 107 bytes", FIXED,
	    "socket of gatepostctl and of scripts", conf_check_socket),
	{ ROW("api_allow", "list", "[ \"root\" ]", "user names, and groups as @GROUP", RELOAD,
	    "who may use the api socket"),
	    .type = &conf_type_texts, .at = AT(api_allow), .least = 0, .most = 64,
	    .check = conf_check_allow },
	TEXT_ROW("user", user, "text", "\"gatepost\"", "a user name, or \"\" to stay who started it", FIXED,
	    "user to run as", conf_check_account),
	TEXT_ROW("relay", relay, "text", "\"\"",
	    "1 to 64 printable characters without blanks, or \"\" for the host name", FIXED,
	    "this relay's name in alerts and in the record of who did what", conf_check_relay),
	MODE_ROW("mode", mode, "monitor: judge, count, log and alert, but let everything pass"),
	{ ROW("drain", "duration", "\"20s\"", "a time from 0s to 10m", RELOAD,
	    "how long a stop waits for open sessions"),
	    .type = &conf_type_duration, .at = AT(drain), .least = 0, .most = 10 * MINUTE },
	TEXT_ROW("tag_header", tag_header, "header", "\"X-Gatepost-Tag\"", HEADER, RELOAD,
	    "header that the action tag adds", conf_check_header),
	TEXT_ROW("slow_header", slow_header, "header", "\"X-Gatepost-Lane\"", HEADER, RELOAD,
	    "header that the action slow adds", conf_check_header),

	TEXT_ROW("log.facility", log.facility, "text", "\"mail\"", "a syslog facility such as mail or local0",
	    RELOAD, "facility of the log", conf_check_facility),
	TEXT_ROW("log.socket", log.socket, "path", "\"/dev/log\"", "an absolute path", RELOAD,
	    "socket of the syslog daemon", conf_check_path),
	{ ROW("log.level", "word", "\"info\"", "error, warning, notice, info or debug", RELOAD,
	    "least important lines to log"),
	    .type = &conf_type_choice, .at = AT(log.level), .words = conf_words_level },

	TEXT_ROW("store.type", store.type, "text", "\"memory\"", "memory or redis", FIXED,
	    "where windows and suspensions are kept",
	    conf_check_store),
	TEXT_ROW("store.file", store.file, "path", "\"/var/lib/gatepost/state.db\"", "an absolute path",
	    FIXED, "file for what must outlive a restart", conf_check_path),
	{ ROW("store.memory", "size", "\"256M\"", "a size from 4M to 64G", FIXED,
	    "most memory that windows may use"),
	    .type = &conf_type_size, .at = AT(store.memory), .least = UINT64_C(4) << 20,
	    .most = UINT64_C(64) << 30 },
	{ ROW("store.budget", "duration", "\"50ms\"", "a time from 1ms to 10s", RELOAD,
	    "longest that a message waits for the store"),
	    .type = &conf_type_duration, .at = AT(store.budget), .least = 1, .most = 10 * SECOND },
	{ ROW("store.servers", "list", "[ ]", SERVERS, FIXED,
	    "redis: the server; the Sentinels; some nodes of the Cluster"),
	    .type = &conf_type_texts, .at = AT(store.servers), .least = 0, .most = 32,
	    .check = conf_check_server },
	{ ROW("store.topology", "word", "\"single\"", "single, sentinel or cluster", FIXED,
	    "redis: what store.servers are"),
	    .type = &conf_type_choice, .at = AT(store.topology), .words = conf_words_topology },
	TEXT_ROW("store.master", store.master, "text", "\"gatepost\"", "letters, digits and ._-", FIXED,
	    "sentinel: name of the master", conf_check_master),
	TEXT_ROW("store.user", store.user, "text", "\"\"",
	    "an ACL user of Redis, or \"\" for its default user",
	    FIXED, "redis: who we are", conf_check_redis_user),
	TEXT_ROW("store.password_file", store.password_file, "path", "\"\"",
	    "an absolute path, or \"\" for none",
	    FIXED, "redis: file whose first line is the password", conf_check_path_or_none),
	TEXT_ROW("store.sentinel_user", store.sentinel_user, "text", "\"\"",
	    "an ACL user of the Sentinels, or \"\"", FIXED, "sentinel: who we are there",
	    conf_check_redis_user),
	TEXT_ROW("store.sentinel_password_file", store.sentinel_password_file, "path", "\"\"",
	    "an absolute path, or \"\" for none", FIXED,
	    "sentinel: file whose first line is the Sentinels' password", conf_check_path_or_none),
	{ ROW("store.database", "number", "0", "0 to 1023", FIXED, "redis: number of the database"),
	    .type = &conf_type_number, .at = AT(store.database), .least = 0, .most = 1023 },
	TEXT_ROW("store.prefix", store.prefix, "text", "\"gatepost\"", "1 to 40 letters, digits and ._:-",
	    FIXED,
	    "redis: what the names of all keys begin with", conf_check_prefix),
	{ ROW("store.connections", "number", "4", "1 to 32", FIXED,
	    "redis: connections to each server for messages"),
	    .type = &conf_type_number, .at = AT(store.connections), .least = 1, .most = 32 },
	{ ROW("store.tls", "boolean", "false", "false", FIXED,
	    "redis: encrypt; not with the hiredis of this build"),
	    .type = &conf_type_bool, .at = AT(store.tls) },
	{ ROW("store.relays_least", "number", "1", "1 to 1000", FIXED,
	    "redis: relays that share, at least; by so many are ceilings divided when it does not answer"),
	    .type = &conf_type_number, .at = AT(store.relays_least), .least = 1, .most = 1000 },

	TABLE_ROW("tables.accounts", tables.accounts, "login -> customer"),
	TABLE_ROW("tables.networks", tables.networks, "client address -> customer"),
	TABLE_ROW("tables.users", tables.users, "local user or uid -> customer"),
	TABLE_ROW("tables.domains", tables.domains, "domain, .sub.domain or address -> customer"),
	TABLE_ROW("tables.customers", tables.customers, "customer -> plan=... since=... name=\"...\""),
	TABLE_ROW("tables.also", tables.also, "customer or account -> foreign addresses it may use as well"),
	TABLE_ROW("tables.mailers", tables.mailers, "customer or account -> mailers that it may use"),

	{ ROW("identity.sources", "list", "[ \"login\", \"ticket\", \"network\" ]",
	    "login, ticket, network", RELOAD,
	    "how a sender is known; the first that knows wins"),
	    .type = &conf_type_texts, .at = AT(identity.sources), .least = 1, .most = 8,
	    .check = conf_check_source },
	{ ROW("identity.unidentified", "word", "\"reject\"", "reject, defer, accept or hold", RELOAD,
	    "action when no source knows the sender"),
	    .type = &conf_type_word, .at = AT(identity.unidentified), .words = conf_words_unidentified },
	{ ROW("identity.local", "word", "\"reject\"", "reject, hold or accept", RELOAD,
	    "action when no source knows who sent with sendmail(1)"),
	    .type = &conf_type_word, .at = AT(identity.local), .words = conf_words_local },
	ACTION_ROW("identity.unsure", identity.unsure, "\"defer\"", "action when a table cannot answer"),
	{ ROW("identity.relays", "list", "[ \"127.0.0.1\", \"::1\" ]", NETWORKS, RELOAD,
	    "our own hosts: no customers, may send bounces and local mail"),
	    .type = &conf_type_texts, .at = AT(identity.relays), .least = 0, .most = CONF_LIST_MAX,
	    .check = conf_check_network },
	{ ROW("identity.userid_from", "list", "[ ]", NETWORKS, RELOAD,
	    "where the MTA hands on local mail from, with its user in the first Received field"),
	    .type = &conf_type_texts, .at = AT(identity.userid_from), .least = 0, .most = CONF_LIST_MAX,
	    .check = conf_check_network },
	{ ROW("identity.bounce_domains", "list", "[ ]", "domains, other letters as A-labels", RELOAD,
	    "what our own hosts' bounces are From; empty: the relay's name"),
	    .type = &conf_type_texts, .at = AT(identity.bounce_domains), .least = 0, .most = CONF_LIST_MAX,
	    .check = conf_check_domain },
	MODE_ROW("identity.mode", identity.mode, "monitor: unknown senders pass"),

	MODE_ROW("suspension.mode", suspension.mode, "monitor: suspended senders pass"),

	ACTION_ROW("ownership.return_path", ownership.return_path, "\"reject\"",
	    "action for a return-path that is not the customer's"),
	ACTION_ROW("ownership.from", ownership.from, "\"reject\"",
	    "action for a From mailbox that is not the customer's"),
	ACTION_ROW("ownership.sender", ownership.sender, "\"reject\"",
	    "action for a Sender mailbox that is not the customer's"),
	ACTION_ROW("ownership.unsure", ownership.unsure, "\"defer\"", "action when a table cannot answer"),
	{ ROW("ownership.subdomains", "boolean", "true", "true or false", RELOAD,
	    "the owner of a domain owns what is below it"),
	    .type = &conf_type_bool, .at = AT(ownership.subdomains) },
	MODE_ROW("ownership.mode", ownership.mode, "monitor: foreign senders pass"),

	TEXT_ROW("trace.customer.header", trace.customer.header, "header", "\"X-Customer-ID\"", HEADER,
	    RELOAD, "header that names the customer", conf_check_header),
	{ ROW("trace.customer.form", "word", "\"plain\"", "plain, opaque or off", RELOAD,
	    "how the customer is named"),
	    .type = &conf_type_word, .at = AT(trace.customer.form), .words = conf_words_form },
	TEXT_ROW("trace.submitter.header", trace.submitter.header, "header", "\"X-Form-Submitter-IP\"",
	    HEADER, RELOAD,
	    "header that names the visitor who filled in a form", conf_check_header),
	{ ROW("trace.submitter.form", "word", "\"plain\"", "plain, opaque or off", RELOAD,
	    "how the visitor is named"),
	    .type = &conf_type_word, .at = AT(trace.submitter.form), .words = conf_words_form },
	TEXT_ROW("trace.sealed.header", trace.sealed.header, "header", "\"Gatepost-Trace\"",
	    HEADER ", or \"\" for none", RELOAD,
	    "header that tells all, sealed", conf_check_header_or_none),
	{ EXAMPLE("trace.sealed.keys", "path", "\"\"", "an absolute path, or \"\" for none", RELOAD,
	    "key file, made by gatepostctl keys; without it nothing is sealed"),
	    .type = &conf_type_text, .at = AT(trace.sealed.keys), .check = conf_check_path_or_none },
	STAMP_ROW("trace.copied", trace.copied, "\"tag\"",
	    "action for a message that came with one of our plain headers"),
	STAMP_ROW("trace.forged", trace.forged, "\"tag\"",
	    "action for a message whose sealed header names our key, which did not make it"),
	STAMP_ROW("trace.foreign", trace.foreign, "\"accept\"",
	    "action for a message whose sealed header names a key that is not ours"),
	STAMP_ROW("trace.replayed", trace.replayed, "\"accept\"",
	    "action for a message with a genuine sealed header of another one"),
	{ ROW("trace.reentry.fresh", "duration", "\"5d\"", "a time from 1m to 30d", RELOAD,
	    "how old a stamp may be whose message comes back from our own hosts"),
	    .type = &conf_type_duration, .at = AT(trace.reentry.fresh), .least = MINUTE, .most = 30 * DAY },
	{ ROW("trace.reentry.times", "number", "6", "1 to 1000", RELOAD,
	    "how often in six hours a message may come back"),
	    .type = &conf_type_number, .at = AT(trace.reentry.times), .least = 1, .most = 1000 },
	{ ROW("trace.reentry.expands", "list", "[ ]", NETWORKS, RELOAD,
	    "our own hosts that send a message on to others, such as a list server's"),
	    .type = &conf_type_texts, .at = AT(trace.reentry.expands), .least = 0, .most = CONF_LIST_MAX,
	    .check = conf_check_network },
	TEXT_ROW("trace.extras.report_abuse", trace.extras.report_abuse, "text", "\"\"",
	    "an address with a local part of at most 7 bytes, or \"\" for none", RELOAD,
	    "address in X-Report-Abuse, to which a token is added", conf_check_abuse_address),
	TEXT_ROW("trace.extras.cfbl_address", trace.extras.cfbl_address, "text", "\"\"",
	    "an address, or \"\" for none", RELOAD,
	    "address in CFBL-Address, with CFBL-Feedback-ID (RFC 9477)", conf_check_address_or_none),
	TEXT_ROW("trace.extras.feedback_id", trace.extras.feedback_id, "text", "\"\"",
	    "5 to 15 letters, digits and . - _, or \"\" for none", RELOAD,
	    "your sender id in Feedback-ID", conf_check_sender_id),
	TEXT_ROW("trace.extras.authserv_id", trace.extras.authserv_id, "text", "\"\"",
	    "a host name, or \"\" for none", RELOAD,
	    "our name in Authentication-Results (RFC 8601)", conf_check_authserv_id),
	{ ROW("trace.also", "group", "{ }",
	    "header names, each with customer, account, client, submitter, domain, relay, queue-id or token",
	    RELOAD,
	    "further headers, for systems that read them"),
	    .type = &conf_type_also, .at = 0, .most = 16 },
	{ ROW("trace.strip", "list", "[]", HEADER, RELOAD, "further headers to remove"),
	    .type = &conf_type_texts, .at = AT(trace.strip), .least = 0, .most = 64,
	    .check = conf_check_header },
	{ ROW("trace.memory.size", "size", "\"256M\"", "a size up to 1024G; 0 = remember nothing", RELOAD,
	    "most disk that what is remembered of messages may use"),
	    .type = &conf_type_size, .at = AT(trace.memory.size), .least = 0, .most = UINT64_C(1) << 40 },
	{ ROW("trace.memory.keep", "duration", "\"30d\"", "a time from 1m to 366d", RELOAD,
	    "how long messages are remembered"),
	    .type = &conf_type_duration, .at = AT(trace.memory.keep), .least = MINUTE, .most = 366 * DAY },
	MODE_ROW("trace.mode", trace.mode, "monitor: what these actions say is only told"),

	{ ROW("submitter.trusted", "list", "[ \"127.0.0.1\", \"::1\" ]", NETWORKS, RELOAD,
	    "web hosts whose submitter.header is believed"),
	    .type = &conf_type_texts, .at = AT(submitter.trusted), .least = 0, .most = CONF_LIST_MAX,
	    .check = conf_check_network },
	TEXT_ROW("submitter.header", submitter.header, "header", "\"X-Originating-IP\"",
	    HEADER ", or \"\" for none", RELOAD,
	    "header in which a web host names the visitor", conf_check_header_or_none),
	{ ROW("submitter.remove", "boolean", "true", "true or false", RELOAD,
	    "remove submitter.header from what leaves"),
	    .type = &conf_type_bool, .at = AT(submitter.remove) },

	TEXT_ROW("submission.socket", submission.socket, "text", "\"\"", SOCKET_OR_NONE, FIXED,
	    "socket where gatepost-sendmail asks for a ticket", conf_check_socket_or_none),
	TEXT_ROW("submission.web", submission.web, "text", "\"\"", SOCKET_OR_NONE, FIXED,
	    "socket where the web server asks for a token", conf_check_socket_or_none),
	{ ROW("submission.web_allow", "list", "[ \"www-data\" ]", "user names, and groups as @GROUP", RELOAD,
	    "who may use submission.web: the web server alone"),
	    .type = &conf_type_texts, .at = AT(submission.web_allow), .least = 0, .most = 64,
	    .check = conf_check_allow },
	{ ROW("submission.valid", "duration", "\"1m\"", "a time from 5s to 1h", RELOAD,
	    "how long a ticket or token is good"),
	    .type = &conf_type_duration, .at = AT(submission.valid), .least = 5 * SECOND,
	    .most = 60 * MINUTE },
	{ ROW("submission.mails", "number", "20", "1 to 10000", RELOAD, "mails for one token"),
	    .type = &conf_type_number, .at = AT(submission.mails), .least = 1, .most = 10000 },
	{ ROW("submission.forged", "word", "\"hold\"", "accept, tag, hold or reject", RELOAD,
	    "action for a ticket that is forged, foreign, used before, or out of place"),
	    .type = &conf_type_word, .at = AT(submission.forged), .words = conf_words_forged },
	{ ROW("submission.expired", "word", "\"hold\"", "accept, tag, hold or reject", RELOAD,
	    "action for a ticket that comes too late"),
	    .type = &conf_type_word, .at = AT(submission.expired), .words = conf_words_forged },
	MODE_ROW("submission.mode", submission.mode, "monitor: bad tickets are only told"),

	TEXT_ROW("mailers.signatures", mailers.signatures, "path", "\"/etc/gatepost/signatures.conf\"",
	    "an absolute path, or \"\" to look for no mailers", RELOAD, "what mailing software looks like",
	    conf_check_path_or_none),
	TEXT_ROW("mailers.directory", mailers.directory, "path", "\"/etc/gatepost/signatures.d\"",
	    "an absolute path, or \"\" for none", RELOAD, "directory of signatures of one's own, NAME.conf",
	    conf_check_path_or_none),
	TEXT_ROW("mailers.header", mailers.header, "header", "\"X-Bulk-Mailer\"", HEADER ", or \"\" for none",
	    RELOAD, "header that names the software", conf_check_header_or_none),
	{ ROW("mailers.first_seen", "word", "\"alert\"", "alert or off", RELOAD,
	    "tell the desk when a customer uses a mailer for the first time"),
	    .type = &conf_type_word_bool, .at = AT(mailers.first_seen_alert),
	    .words = conf_words_first_seen },
	{ ROW("mailers.actions", "group", "{ bulk = \"tag\"; webshell = \"hold\"; }", KINDS, RELOAD,
	    "action for each kind of mailer; kinds not named are accepted"),
	    .type = &conf_type_actions, .at = 0, .most = 32 },
	{ ROW("mailers.plans", "group", "{ }", PLAN_KINDS, RELOAD,
	    "actions that differ from these under a plan"),
	    .type = &conf_type_mailer_plans, .at = 0, .most = 32 },
	{ ROW("mailers.traits", "group", "{ }", TRAIT_NAMES, RELOAD,
	    "action for each trait; traits not named are only noted"),
	    .type = &conf_type_traits, .at = 0, .most = TRAITS },
	{ ROW("mailers.volume", "number", "50", "1 to 50000 recipients; 0 = off", RELOAD,
	    "recipients from which a message counts as bulk"),
	    .type = &conf_type_number, .at = AT(mailers.volume), .least = 0, .most = 50000 },
	ACTION_ROW("mailers.unsure", mailers.unsure, "\"defer\"", "action when tables.mailers cannot answer"),
	MODE_ROW("mailers.mode", mailers.mode, "monitor: what is to be done about mailers is only told"),

	{ ROW("preflight.egress", "list", "[ ]", "addresses such as 192.0.2.7 or 2001:db8::7", RELOAD,
	    "addresses that recipients see; empty: preflight is off"),
	    .type = &conf_type_texts, .at = AT(preflight.egress), .least = 0, .most = 32,
	    .check = conf_check_address },
	TEXT_ROW("preflight.helo", preflight.helo, "text", "\"\"",
	    "a host name, or \"\" for the relay's name", RELOAD,
	    "name that the MTA says at EHLO", conf_check_helo),
	TEXT_ROW("preflight.include", preflight.include, "text", "\"\"",
	    "a name such as _spf.host.example, or \"\"",
	    RELOAD, "name whose SPF record lists egress: what customers shall include", conf_check_helo),
	{ ROW("preflight.signing", "list", "[ ]",
	    "none, own, opendkim:/etc/opendkim.conf, tables as TYPE:/absolute/path; empty: unknown", RELOAD,
	    "which DKIM signatures our mail carries"),
	    .type = &conf_type_texts, .at = AT(preflight.signing), .least = 0, .most = 4,
	    .check = conf_check_signing },
	{ ROW("preflight.selectors", "list", "[ ]", "selectors such as 2026a", RELOAD,
	    "selectors of preflight.signing that names none itself"),
	    .type = &conf_type_texts, .at = AT(preflight.selectors), .least = 0, .most = 8,
	    .check = conf_check_selector },
	{ ROW("preflight.signed", "word", "\"expected\"", "ignore, expected or certain", RELOAD,
	    "what a DKIM-Signature that is on the message already is worth"),
	    .type = &conf_type_word, .at = AT(preflight.is_signed), .words = conf_words_signed },
	ACTION_ROW("preflight.spf_fail", preflight.spf_fail, "\"reject\"",
	    "action when SPF fails from every egress address"),
	ACTION_ROW("preflight.spf_fail_some", preflight.spf_fail_some, "\"tag\"",
	    "action when SPF fails from some of them"),
	ACTION_ROW("preflight.spf_softfail", preflight.spf_softfail, "\"tag\"",
	    "action for SPF softfail without an aligned DKIM signature"),
	ACTION_ROW("preflight.spf_neutral", preflight.spf_neutral, "\"tag\"",
	    "action for SPF neutral without an aligned DKIM signature"),
	ACTION_ROW("preflight.spf_none", preflight.spf_none, "\"tag\"",
	    "action for a return-path domain without an SPF record"),
	ACTION_ROW("preflight.spf_permerror", preflight.spf_permerror, "\"tag\"",
	    "action for an SPF record that is wrong"),
	ACTION_ROW("preflight.dmarc_fail", preflight.dmarc_fail, "\"reject\"",
	    "action when the From domain's policy is reject, and nothing aligns"),
	ACTION_ROW("preflight.dmarc_fail_unknown", preflight.dmarc_fail_unknown, "\"tag\"",
	    "the same, when it is not known how the message will be signed"),
	ACTION_ROW("preflight.dmarc_foreign", preflight.dmarc_foreign, "\"reject\"",
	    "action for a From domain of no customer, with policy reject or quarantine, and nothing aligns"),
	ACTION_ROW("preflight.dmarc_quarantine", preflight.dmarc_quarantine, "\"tag\"",
	    "action when the From domain's policy is quarantine, and nothing aligns"),
	ACTION_ROW("preflight.dmarc_none", preflight.dmarc_none, "\"accept\"",
	    "action when the From domain has no policy, and nothing aligns"),
	ACTION_ROW("preflight.dkim_key", preflight.dkim_key, "\"tag\"",
	    "action when the key record of one of our signatures is missing"),
	ACTION_ROW("preflight.unsure", preflight.unsure, "\"tag\"", "action when the DNS does not answer"),
	{ ROW("preflight.budget", "duration", "\"200ms\"", "a time from 1ms to 10s", RELOAD,
	    "longest that a message waits for the DNS in all"),
	    .type = &conf_type_duration, .at = AT(preflight.budget), .least = 1, .most = 10 * SECOND },
	TEXT_ROW("preflight.header", preflight.header, "header", "\"\"", HEADER ", or \"\" for none", RELOAD,
	    "header that says what preflight found", conf_check_header_or_none),
	{ ROW("preflight.exempt", "table", "\"\"", TABLE, RELOAD,
	    "customer, domain or address -> yes, or until=DATE: preflight only tells"),
	    .type = &conf_type_text, .at = AT(preflight.exempt), .check = conf_check_table },
	{ ROW("preflight.cache", "size", "\"16M\"", "a size from 64k to 4G", RELOAD,
	    "most memory that verdicts may use"),
	    .type = &conf_type_size, .at = AT(preflight.cache), .least = UINT64_C(64) << 10,
	    .most = UINT64_C(4) << 30 },
	{ ROW("preflight.dns.servers", "list", "[ ]", "resolvers as ADDRESS or ADDRESS@PORT", RELOAD,
	    "whom to ask; empty: those of /etc/resolv.conf"),
	    .type = &conf_type_texts, .at = AT(preflight.dns.servers), .least = 0, .most = 8,
	    .check = conf_check_resolver },
	TEXT_ROW("preflight.dns.trust_anchor", preflight.dns.trust_anchor, "path", "\"\"",
	    "an absolute path, or \"\" for no validation", RELOAD,
	    "file of the root's DNSSEC key", conf_check_path_or_none),
	{ ROW("preflight.dns.cache", "size", "\"32M\"", "a size from 1M to 16G", RELOAD,
	    "most memory that DNS records may use"),
	    .type = &conf_type_size, .at = AT(preflight.dns.cache), .least = UINT64_C(1) << 20,
	    .most = UINT64_C(16) << 30 },
	{ ROW("preflight.drift.interval", "duration", "\"1d\"", "a time of at most 30d; 0 = off", RELOAD,
	    "how often all domains are looked at for what changed"),
	    .type = &conf_type_duration, .at = AT(preflight.drift.interval), .least = 0, .most = 30 * DAY },
	{ ROW("preflight.drift.rate", "number", "10", "1 to 1000", RELOAD, "domains looked at in a second"),
	    .type = &conf_type_number, .at = AT(preflight.drift.rate), .least = 1, .most = 1000 },
	TEXT_ROW("preflight.drift.file", preflight.drift.file, "path", "\"/var/lib/gatepost/drift\"",
	    "an absolute path", RELOAD, "file that remembers how the domains were", conf_check_path),
	{ ROW("preflight.drift.mx", "list", "[ ]", "host names, or .DOMAIN for all below it", RELOAD,
	    "our mail exchangers; empty: MX records are not looked at"),
	    .type = &conf_type_texts, .at = AT(preflight.drift.mx), .least = 0, .most = 64,
	    .check = conf_check_mx },
	MODE_ROW("preflight.mode", preflight.mode, "monitor: what preflight finds is only told"),

	{ EXAMPLE("limits", "list", "( )",
	    "a list of at most 64 groups: ( { name = ...; per = ...; ... }, ... )", RELOAD,
	    "what may be sent in which time"),
	    .type = &conf_type_limits, .at = 0, .most = CONF_LIMITS_MAX, .members = &conf_table_limit },
	MODE_ROW("limits_mode", limits_mode, "monitor: all limits count and tell, and refuse nothing"),
	ACTION_ROW("limits_unsure", limits_unsure, "\"defer\"", "action when the store cannot answer"),
	{ EXAMPLE("plans", "group", "{ }",
	    "a group of at most 256 plans: { NAME = [ \"250/1h\", \"2000/1d\" ]; ... }", RELOAD,
	    "ceilings for limits that go by plan"),
	    .type = &conf_type_plans, .at = 0, .most = 256 },
	TEXT_ROW("default_plan", default_plan, "text", "\"standard\"", "the name of one of plans", RELOAD,
	    "plan of a customer for whom tables.customers names none", conf_check_name),
	{ EXAMPLE("probation.days", "number", "0", "0 to 3650; 0 = off", RELOAD,
	    "how long a customer is new"),
	    .type = &conf_type_number, .at = AT(probation.days), .least = 0, .most = 3650 },
	{ EXAMPLE("probation.plan", "text", "\"\"", "the name of one of plans", RELOAD,
	    "plan of a new customer"),
	    .type = &conf_type_text, .at = AT(probation.plan), .check = conf_check_name_or_none },

	{ ROW("alerts.warn_at", "number", "80", "1 to 99 per cent; 0 = off", RELOAD,
	    "part of a ceiling that brings a warning"),
	    .type = &conf_type_number, .at = AT(alerts.warn_at), .least = 0, .most = 99 },
	{ ROW("alerts.repeat", "duration", "\"15m\"", "a time from 1s to 30d", RELOAD,
	    "one alert an incident in this time"),
	    .type = &conf_type_duration, .at = AT(alerts.repeat), .least = SECOND, .most = 30 * DAY },
	TEXT_ROW("alerts.syslog.facility", alerts.facility, "text", "\"mail\"",
	    "a syslog facility such as mail or local0", RELOAD,
	    "facility of alerts", conf_check_facility),
	{ EXAMPLE("alerts.escalate", "list", "( )",
	    "a list of at most 32 groups: ( { when = ...; times = ...; ... }, ... )", RELOAD,
	    "what suspends by itself when it happens again and again"),
	    .type = &conf_type_escalate, .at = 0, .most = 32, .members = &conf_table_escalation },
};

#undef AT
#define AT(field) offsetof(struct conf_limit, field)

static const struct conf_rule limit_rules[] = {
	{ ROW("limits[].name", "text", "", "1 to 32 characters of a-z 0-9 -, each name once", RELOAD,
	    "name in replies, alerts and gatepostctl"),
	    .type = &conf_type_text, .at = AT(name), .check = conf_check_name },
	{ ROW("limits[].per", "list", "",
	    "1 to 4 of customer, account, client, submitter, return-path, recipient-domain, mailer, everyone",
	    RELOAD, "whose units are counted together"),
	    .type = &conf_type_per, .at = 0, .words = conf_words_per },
	{ ROW("limits[].when.mailer", "list", "[]", "kinds or names of mailers, or traits", RELOAD,
	    "only messages of these mailers, or with these traits"),
	    .type = &conf_type_texts, .at = AT(when_mailer), .least = 0, .most = 64,
	    .check = conf_check_mailer },
	{ ROW("limits[].when.sender", "word", "\"any\"", "any, null or not-null", RELOAD,
	    "only messages with such a return-path"),
	    .type = &conf_type_word, .at = AT(when_null_sender), .words = conf_words_sender },
	{ ROW("limits[].count", "word", "",
	    "messages, recipients, external-recipients, bytes, distinct-recipients, networks or refusals",
	    RELOAD, "what is counted"),
	    .type = &conf_type_word, .at = AT(count), .words = conf_words_count },
	{ ROW("limits[].ceilings", "list", "", "\"plan\", or 1 to 4 of COUNT/WINDOW such as 500/1h", RELOAD,
	    "how many in which time"),
	    .type = &conf_type_ceilings, .at = 0 },
	{ ROW("limits[].action", "text", "\"defer\"", "tag, slow, hold, defer, reject or \"suspend TIME\"",
	    RELOAD, "what happens to what does not fit"),
	    .type = &conf_type_limit_action, .at = 0, .words = conf_words_limit_action },
	MODE_ROW("limits[].mode", mode, "monitor: this limit counts and tells, and refuses nothing"),
};

#undef AT
#define AT(field) offsetof(struct conf_escalation, field)

static const struct conf_rule escalation_rules[] = {
	{ ROW("alerts.escalate[].when", "text", "",
	    "identity, ticket, suspension, ownership, trace, mailer, preflight, limit, complaint, or a code "
	    "such as ownership.from",
	    RELOAD, "what must happen"),
	    .type = &conf_type_text, .at = AT(when), .check = conf_check_when },
	{ ROW("alerts.escalate[].times", "number", "", "1 to 1000000", RELOAD, "how often"),
	    .type = &conf_type_number, .at = AT(times), .least = 1, .most = 1000000 },
	{ ROW("alerts.escalate[].within", "duration", "", "a time from 1s to 366d", RELOAD, "in which time"),
	    .type = &conf_type_duration, .at = AT(within), .least = SECOND, .most = LIMIT_LENGTH_MAX },
	{ ROW("alerts.escalate[].action", "text", "", "\"suspend account TIME\" or \"suspend customer TIME\"",
	    RELOAD, "what is done then"),
	    .type = &conf_type_suspend, .at = 0 },
};

#define COUNT(rules) (sizeof(rules) / sizeof((rules)[0]))

const struct conf_table conf_table_main = { "", main_rules, COUNT(main_rules) };
const struct conf_table conf_table_limit = { "limits[].", limit_rules, COUNT(limit_rules) };
const struct conf_table conf_table_escalation = { "alerts.escalate[].", escalation_rules,
	COUNT(escalation_rules) };

_Static_assert(COUNT(main_rules) <= CONF_RULES_MAX, "struct conf_holder has a place for each");

size_t
conf_table_find(const char *path)
{
	size_t i;

	for (i = 0; i < conf_table_main.n; i++)
		if (strcmp(main_rules[i].row.path, path) == 0)
			return i;
	return SIZE_MAX;
}

const struct conf_row *
conf_row(size_t n)
{
	static const struct conf_table *const tables[] = { &conf_table_main, &conf_table_limit,
		&conf_table_escalation };
	size_t i;

	for (i = 0; i < COUNT(tables); i++) {
		if (n < tables[i]->n)
			return &tables[i]->rules[n].row;
		n -= tables[i]->n;
	}
	return NULL;
}
