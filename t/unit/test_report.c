/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * report: complaints of every shape, and what is found in each, in one line; then what a
 * hostile one may cost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/report.h"
#include "lib/str.h"

/* As stamp.h has them: a token, and a short one. */
#define SEALED "AbCdEfGh0123456789-_AbCdEfGh0123456789-_AbCdEfGh0123456789-_AbCdEfGh0123456789-_"
#define TOKEN "gp1:2026a:out1:4XyZ:t4k2:" SEALED
#define SHORT "gabcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrstuvw"
#define STAMP "Gatepost-Trace: v=1; k=2026a; c=AAAA"
#define ORIGINAL \
	"Received: from [192.0.2.7] by mx.dest.example; Wed, 25 Nov 2026 12:00:00 +0000\n" \
	STAMP "\n\tBBBB;\n b=CC\n" \
	"CFBL-Feedback-ID: " TOKEN "\n" \
	"From: bob@acme.example\nMessage-ID: <orig@acme.example>\nSubject: Buy\n\nBuy.\n"
#define OUTER "From: Desk <fbl@mbox.example>\nTo: abuse@host.example\nMessage-ID: <outer@mbox.example>\n"
/* base64 of "Gatepost-Trace: v=1; k=2026a; c=B64\nMessage-ID: <b64@acme.example>\n\nBuy.\n" */
#define BASE64 "R2F0ZXBvc3QtVHJhY2U6IHY9MTsgaz0yMDI2YTsgYz1CNjQKTWVzc2FnZS1JRDogPGI2NEBhY21l\n" \
	"LmV4YW1wbGU+CgpCdXkuCg==\n"
#define BASE64_LINE "R2F0ZXBvc3QtVHJhY2U6IHY9MTsgaz0yMDI2YTsgYz1CNjQKTWVzc2FnZS1JRDogPGI2NEBhY21l" \
	"LmV4YW1wbGU+CgpCdXkuCg=="

static const struct { const char *name, *report, *found; } cases[] = {
	{ "nothing", "", "nothing" },
	{ "blanks", " \r\n\n\t\n", "nothing" },
	{ "a bare header line", STAMP, "header stamp=header:v=1; k=2026a; c=AAAA" },
	{ "a folded header with CRLF", STAMP "\r\n\tBBBB;\r\n b=CC\r\n",
	    "header stamp=header:v=1; k=2026a; c=AAAA BBBB; b=CC" },
	{ "a byte order mark and empty lines before it", "\xef\xbb\xbf\r\n\r\n" STAMP "\r\n",
	    "header stamp=header:v=1; k=2026a; c=AAAA" },
	{ "the name in other letters", "gatepost-TRACE : v=1; c=X\n", "header stamp=header:v=1; c=X" },
	{ "a header indented by a mail program", "  Subject: x\n  " STAMP "\n  BBBB;\n  b=CC\n  X-Other: y\n",
	    "text stamp=text:v=1; k=2026a; c=AAAA BBBB; b=CC" },
	{ "a header quoted twice", "> > " STAMP "\n> > BBBB\n> >\n> > Message-ID: <q@acme.example>\n",
	    "text stamp=text:v=1; k=2026a; c=AAAA BBBB id=text:q@acme.example" },
	{ "a message in a mailbox file", "From bob Wed Nov 25 12:00:00 2026\n" ORIGINAL,
	    "message stamp=header:v=1; k=2026a; c=AAAA BBBB; b=CC token=header:" TOKEN
	    " id=header:orig@acme.example" },
	{ "a Message-ID alone", " <only@acme.example>\n", "text id=text:only@acme.example" },
	{ "a token alone", TOKEN "\n", "text token=text:" TOKEN },
	{ "an address with a token", "please look at abuse+" SHORT "@host.example, thanks\n",
	    "text token=text:abuse+" SHORT "@host.example" },
	{ "a token folded as RFC 9477 allows", "CFBL-Feedback-ID: gp1:2026a:out1:\r\n\t"
	    "4XyZ:t4k2: \r\n " SEALED "\r\n", "header token=header:" TOKEN },
	{ "a folded token that was quoted", "> CFBL-Feedback-ID: gp1:2026a:out1:4XyZ:t4k2:AbCdEfGh\n"
	    ">  0123456789-_AbCdEfGh0123456789-_AbCdEfGh0123456789-_AbCdEfGh0123456789-_\n>\n",
	    "text token=text:" TOKEN },
	{ "a complaint to the address that the message named", "From: x@dest.example\nTo: Abuse <abuse+" SHORT
	    "@host.example>\nMessage-ID: <own@dest.example>\n\nThis is spam!\n",
	    "message token=header:abuse+" SHORT "@host.example id=header:own@dest.example" },
	{ "ARF", OUTER "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=feedback-report;\n"
	    " boundary=\"b\"\n\n--b\nContent-Type: text/plain\n\nA complaint.\n"
	    "--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n"
	    "User-Agent: x/1\nVersion: 1\n"
	    "Source-IP: 192.0.2.7\nSource-Port: 4711\nArrival-Date: Wed, 25 Nov 2026 12:00:01 +0000\n"
	    "Original-Mail-From: <bob@acme.example>\n"
	    "--b\nContent-Type: message/rfc822\n\n" ORIGINAL "--b--\n",
	    "arf stamp=original:v=1; k=2026a; c=AAAA BBBB; b=CC token=original:" TOKEN
	    " id=original:orig@acme.example id=report:outer@mbox.example type=abuse"
	    " source=192.0.2.7 port=4711"
	    " arrival=Wed, 25 Nov 2026 12:00:01 +0000 reporter=Desk <fbl@mbox.example>"
	    " path=<bob@acme.example>" },
	{ "ARF with a header only", OUTER
	    "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n"
	    "--b\nContent-Type: message/feedback-report\n\nFeedback-Type: fraud\n"
	    "--b\nContent-Type: text/rfc822-headers\n\n" STAMP "\nMessage-ID: <h@acme.example>\n\n--b--\n",
	    "arf stamp=original:v=1; k=2026a; c=AAAA id=original:h@acme.example id=report:outer@mbox.example"
	    " type=fraud reporter=Desk <fbl@mbox.example>" },
	{ "ARF with everything encoded", OUTER "Content-Type: multipart/report; boundary=b\n\n"
	    "--b\nContent-Type: message/feedback-report\nContent-Transfer-Encoding: quoted-printable\n\n"
	    "Feedback-Type: =61buse\nSource-IP: 2001=3Adb8::=\n7\n"
	    "--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" BASE64 "--b--\n",
	    "arf stamp=original:v=1; k=2026a; c=B64 id=original:b64@acme.example id=report:outer@mbox.example"
	    " type=abuse source=2001:db8::7 reporter=Desk <fbl@mbox.example>" },
	{ "ARF cut off in the middle", OUTER "Content-Type: multipart/report; boundary=b\n\n"
	    "--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n"
	    "--b\nContent-Type: message/rfc822\n\n" STAMP,
	    "arf stamp=original:v=1; k=2026a; c=AAAA id=report:outer@mbox.example type=abuse"
	    " reporter=Desk <fbl@mbox.example>" },
	{ "ARF redacted to a token and a Message-ID", OUTER "Content-Type: multipart/report; boundary=b\n\n"
	    "--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n"
	    "--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <red@acme.example>\nCFBL-Feedback-ID: "
	    TOKEN "\n"
	    "--b--\n",
	    "arf token=original:" TOKEN
	    " id=original:red@acme.example id=report:outer@mbox.example type=abuse"
	    " reporter=Desk <fbl@mbox.example>" },
	{ "what the spammer attached is not looked at", OUTER "Content-Type: multipart/report; boundary=b\n\n"
	    "--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n"
	    "--b\nContent-Type: message/rfc822\n\n" STAMP "\nContent-Type: multipart/mixed; boundary=c\n\n"
	    "--c\nContent-Type: message/rfc822\n\nGatepost-Trace: v=1; c=VICTIM\n\nx\n"
	    "--c\nContent-Type: text/plain\n\nGatepost-Trace: v=1; c=VICTIM\n--c--\n--b--\n",
	    "arf stamp=original:v=1; k=2026a; c=AAAA id=report:outer@mbox.example type=abuse"
	    " reporter=Desk <fbl@mbox.example>" },
	{ "our stamp on the report itself comes last", "Gatepost-Trace: v=1; c=REPORTER\n" OUTER
	    "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n" ORIGINAL
	    "--b--\n",
	    "forward stamp=original:v=1; k=2026a; c=AAAA BBBB; b=CC stamp=report:v=1;"
	    " c=REPORTER token=original:"
	    TOKEN
	    " id=original:orig@acme.example id=report:outer@mbox.example reporter=Desk <fbl@mbox.example>" },
	{ "a report that a colleague forwarded",
	    "From: desk@host.example\nContent-Type: multipart/mixed; boundary=a\n\n"
	    "--a\nContent-Type: text/plain\n\nsee below\n--a\nContent-Type: message/rfc822\n\n"
	    OUTER "Content-Type: multipart/report; boundary=b\n\n"
	    "--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n"
	    "--b\nContent-Type: message/rfc822\n\n" ORIGINAL "--b--\n--a--\n",
	    "arf stamp=original:v=1; k=2026a; c=AAAA BBBB; b=CC token=original:" TOKEN
	    " id=original:orig@acme.example id=header:outer@mbox.example type=abuse"
	    " reporter=desk@host.example" },
	{ "a spammer shapes his message as a report about another's", OUTER
	    "Content-Type: multipart/report; report-type=feedback-report; boundary=a\n\n"
	    "--a\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n"
	    "--a\nContent-Type: message/rfc822\n\n" STAMP "\nMessage-ID: <spam@acme.example>\n"
	    "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n"
	    "--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n"
	    "--b\nContent-Type: message/rfc822\n\nGatepost-Trace: v=1; c=VICTIM\n\nx\n--b--\n--a--\n",
	    "arf stamp=original:v=1; k=2026a; c=AAAA id=original:spam@acme.example id=report:outer@mbox.example"
	    " type=abuse reporter=Desk <fbl@mbox.example>" },
	{ "and a person forwards that", OUTER "Content-Type: multipart/mixed; boundary=a\n\n"
	    "--a\nContent-Type: message/rfc822\n\n" STAMP "\nMessage-ID: <spam@acme.example>\n"
	    "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n"
	    "--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n"
	    "--b\nContent-Type: message/rfc822\n\nGatepost-Trace: v=1; c=VICTIM\n\nx\n--b--\n--a--\n",
	    "arf stamp=original:v=1; c=VICTIM stamp=header:v=1; k=2026a; c=AAAA id=header:spam@acme.example"
	    " id=report:outer@mbox.example type=abuse reporter=Desk <fbl@mbox.example>" },
	{ "a message forwarded as an attachment", OUTER "Content-Type: multipart/mixed; boundary=b\n\n"
	    "--b\nContent-Type: text/plain\n\nSpam from you:\n--b\nContent-Type: message/rfc822\n"
	    "Content-Disposition: attachment; filename=\"Buy.eml\"\n\n" ORIGINAL "--b--\n",
	    "forward stamp=original:v=1; k=2026a; c=AAAA BBBB; b=CC token=original:" TOKEN
	    " id=original:orig@acme.example id=report:outer@mbox.example reporter=Desk <fbl@mbox.example>" },
	{ "an .eml that is called octet-stream", OUTER "Content-Type: multipart/mixed; boundary=b\n\n"
	    "--b\nContent-Type: application/octet-stream; name=\"a.EML\"\n"
	    "Content-Transfer-Encoding: base64\n\n"
	    BASE64 "--b--\n",
	    "forward stamp=original:v=1; k=2026a; c=B64 id=original:b64@acme.example"
	    " id=report:outer@mbox.example"
	    " reporter=Desk <fbl@mbox.example>" },
	{ "JMRP", "From: staff@mbox.example\nSubject: complaint about message from 192.0.2.7\n"
	    "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n"
	    "X-HmXmrOriginalRecipient: x@mbox.example\n" ORIGINAL "--b--\n",
	    "jmrp stamp=original:v=1; k=2026a; c=AAAA BBBB; b=CC token=original:" TOKEN
	    " id=original:orig@acme.example reporter=staff@mbox.example" },
	{ "JMRP with the header in the text", "From: staff@mbox.example\nSubject: complaint\n\n"
	    "X-HmXmrOriginalRecipient: x@mbox.example\n" ORIGINAL,
	    "jmrp stamp=text:v=1; k=2026a; c=AAAA BBBB; b=CC token=text:" TOKEN
	    " id=text:orig@acme.example" },
	{ "a person forwards in line", "From: x@dest.example\nMessage-ID: <fwd@dest.example>\n"
	    "Content-Transfer-Encoding: quoted-printable\n\n"
	    "Stop this!\n\n-------- Forwarded --------\nMessage-ID: =\n<in@acme.example>\n> *"
	    "Gatepost-Trace:* v=3D1; k=3D2026a;=\n"
	    " c=3DAAAA\n> BBBB\n>\n> Buy\n",
	    "message stamp=text:v=1; k=2026a; c=AAAA BBBB id=header:fwd@dest.example id=text:in@acme.example"
	    },
	{ "a person forwards in HTML", "From: x@dest.example\nContent-Type: text/html\n\n"
	    "<div><p>Gatepost-Trace: v=1; k=a;<br>&nbsp;c=<b>X</b>YZ</p><p>Message-ID:"
	    " &lt;h@acme.example&gt;</p></div>\n",
	    "message stamp=text:v=1; k=a; c=XYZ id=text:h@acme.example" },
	{ "X-ARF mail", OUTER "X-XARF: PLAIN\nContent-Type: multipart/mixed; boundary=b\n\n"
	    "--b\nContent-Type: text/plain\n\nHello\n"
	    "--b\nContent-Type: text/plain; name=\"report.txt\"\n\n---\n"
	    "Reported-From: abuse@mbox.example\nCategory: abuse\n"
	    "Report-Type: spam\nSource: 192.0.2.7\nSource-Type: ipv4\nPort: 4711\n"
	    "Date: Wed, 25 Nov 2026 12:00:00 +0000\n"
	    "--b\nContent-Type: message/rfc822\n\n" ORIGINAL "--b--\n",
	    "x-arf stamp=original:v=1; k=2026a; c=AAAA BBBB; b=CC token=original:" TOKEN
	    " id=original:orig@acme.example id=report:outer@mbox.example type=spam source=192.0.2.7 port=4711"
	    " arrival=Wed, 25 Nov 2026 12:00:00 +0000 reporter=abuse@mbox.example" },
	{ "a spammer's X-XARF makes no report", STAMP "\nX-XARF: PLAIN\nFrom: bob@acme.example\n\nBuy.\n",
	    "message stamp=header:v=1; k=2026a; c=AAAA" },
	{ "XARF 4", "{\"xarf_version\":\"4.0.0\",\"report_id\":\"1\",\"timestamp\":\"2026-11-25T12:00:00Z\","
	    "\"reporter\":{\"org\":\"Mbox\",\"contact\":\"a@mbox.example\",\"domain\":\"mbox.example\"},"
	    "\"source_identifier\":\"192.0.2.7\",\"source_port\":4711,\"category\":\"messaging\",\"type\":\"spam\","
	    "\"smtp_from\":\"bob@acme.example\",\"message_id\":\"<x4@acme.example>\","
	    "\"evidence\":[{\"content_type\":\"message/rfc822\",\"description\":\"the mail\",\"payload\":\""
	    BASE64_LINE
	    "\"}]}",
	    "xarf4 stamp=original:v=1; k=2026a; c=B64 id=original:b64@acme.example id=fields:x4@acme.example"
	    " type=messaging/spam source=192.0.2.7 port=4711 arrival=2026-11-25T12:00:00Z reporter=Mbox"
	    " path=bob@acme.example" },
	{ "XARF 4 that names a Message-ID only",
	    "{\"xarf_version\":\"4.1.0\",\"message_id\":\"m@acme.example\"}",
	    "xarf4 id=fields:m@acme.example" },
	{ "XARF 3 in a mail", OUTER
	    "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nHello\n"
	    "--b\nContent-Type: application/json; name=xarf.json\n"
	    "Content-Transfer-Encoding: quoted-printable\n\n"
	    "{\"Version\":\"3\",\"ReporterInfo\":{\"ReporterOrg\":\"Mbox\"},\"Disclosure\":true,\"Report\":{=\n"
	    "\"ReportClass\":\"Messaging\",\"ReportType\":\"Spam\",\"Date\":\"2026-11-25T12:00:00Z\","
	    "\"Source\":{\"IP\":\"192.0.2.7\",\"Port\":4711,\"Type\":\"ip-address\"},"
	    "\"Attachment\":[{\"ContentType\":\"message/rfc822\",\"Data\":\"" BASE64_LINE "\"}]}}\n--b--\n",
	    "xarf3 stamp=original:v=1; k=2026a; c=B64 id=original:b64@acme.example"
	    " id=report:outer@mbox.example"
	    " type=Spam source=192.0.2.7 port=4711 arrival=2026-11-25T12:00:00Z reporter=Mbox" },
	{ "XARF 3 with samples as plain text",
	    "{\"Version\":\"2\",\"ReporterInfo\":{},\"Report\":{\"SourceIp\":\"192.0.2.7\","
	    "\"Samples\":[{\"ContentType\":\"text/rfc822-headers\",\"Base64Encoded\":false,\"Payload\":\"Subject: x\\n" STAMP
	    "\\n b=CC\\n\"}]}}",
	    "xarf3 stamp=original:v=1; k=2026a; c=AAAA b=CC source=192.0.2.7" },
	{ "JSON of somebody's own making",
	    "{\"headers\":\"Subject: x\\n" STAMP "\\n\",\"MessageId\":\"j@acme.example\"}",
	    "text stamp=fields:v=1; k=2026a; c=AAAA id=fields:j@acme.example" },
	{ "no JSON", "{ this is not }\n" STAMP "\n", "text stamp=text:v=1; k=2026a; c=AAAA" },
	{ "the same stamp twice counts once, at its best place",
	    OUTER "Content-Type: multipart/mixed; boundary=b\n\n"
	    "--b\nContent-Type: text/plain\n\n" STAMP "\n\n--b\nContent-Type: message/rfc822\n\n" STAMP
	    "\n\nx\n--b--\n",
	    "forward stamp=original:v=1; k=2026a; c=AAAA id=report:outer@mbox.example"
	    " reporter=Desk <fbl@mbox.example>" },
};

static void
show_list(struct str *s, const char *name, const struct report_list *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		str_catf(s, " %s=%s:%s", name, report_place_text(list->at[i].place), list->at[i].text);
}

static void
show(struct str *s, const char *name, const char *text)
{
	if (text != NULL)
		str_catf(s, " %s=%s", name, text);
}

static void
read_cases(void **state)
{
	char space[4000];
	size_t i, bad = 0;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena *a = arena_new(ARENA_DEFAULT_CAP);
		struct str s = STR_IN(space);
		struct report r;

		report_read(a, cases[i].report, strlen(cases[i].report), NULL, &r);
		str_cat(&s, report_kind_text(r.kind));
		show_list(&s, "stamp", &r.stamps);
		show_list(&s, "token", &r.tokens);
		show_list(&s, "id", &r.message_ids);
		show(&s, "type", r.feedback_type);
		show(&s, "source", r.source);
		show(&s, "port", r.source_port);
		show(&s, "arrival", r.arrival);
		show(&s, "reporter", r.reporter);
		show(&s, "path", r.return_path);
		if (strcmp(space, cases[i].found) != 0) {
			print_error("%s\n  found    %s\n  expected %s\n", cases[i].name, space,
			    cases[i].found);
			bad++;
		}
		arena_free(&a);
	}
	assert_int_equal(bad, 0);
}

/* text, n times over, and what must hold whatever it is. */
static void
many(const char *before, const char *text, size_t n, const char *after, struct report *r, struct arena *a)
{
	size_t size = strlen(before) + strlen(text) * n + strlen(after), i;
	char *data = malloc(size + 1), *at;

	assert_non_null(data);
	memcpy(data, before, strlen(before));
	at = data + strlen(before);
	for (i = 0; i < n; i++, at += strlen(text))
		memcpy(at, text, strlen(text));
	memcpy(at, after, strlen(after));
	report_read(a, data, size, NULL, r);
	free(data);
	assert_true(r->stamps.n <= REPORT_ITEMS && r->tokens.n <= REPORT_ITEMS && r->message_ids.n <=
	    REPORT_ITEMS);
}

static void
bounds_hold(void **state)
{
	static const struct { const char *name, *before, *text; size_t n; const char *after; } worst[] = {
		{ "nested messages", "", "Content-Type: message/rfc822\n\n", 100000, "" },
		{ "nested reports", "",
		    "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n",
		    20000, "" },
		{ "parts", "Content-Type: multipart/mixed; boundary=b\n\n", "--b\n\nMessage-ID: <a@b>\n",
		    50000, "" },
		{ "stamps", "", "Gatepost-Trace: v=1;\n", 100000, "" },
		{ "an endless fold", "Gatepost-Trace: v=1;\n", " x\n", 50000, "" },
		{ "an endless line", "Gatepost-Trace: v=1;", "x", 500000, "" },
		{ "pluses", "", "+a+b@", 500000, "" },
		{ "tags", "Content-Type: text/html\n\n", "<", 1000000, "" },
		{ "brackets", "[", "[", 100000, "" },
		{ "objects", "{\"a\":", "{\"a\":", 100000, "" },
		{ "an array of payloads", "{\"xarf_version\":\"4\",\"e\":[{}",
		    ",{\"payload\":\"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB\"}", 20000, "]}" },
		{ "quotes", "", "> ", 1000000, "" },
		{ "more than is read", "Subject: x\n\n", "xxxxxxxxxxxxxxxx", 700000, "" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(worst) / sizeof(worst[0]); i++) {
		struct arena *a = arena_new(ARENA_DEFAULT_CAP);
		struct report r;

		many(worst[i].before, worst[i].text, worst[i].n, worst[i].after, &r, a);
		arena_free(&a);
	}
}

/* Of a message to a thousand recipients, quoted. */
static void
long_ones_are_found_whole(void **state)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	char letters[1441], data[4000];
	struct str s = STR_IN(data);
	struct report r;
	size_t i;

	(void)state;
	memset(letters, 'A', sizeof(letters) - 1);
	letters[sizeof(letters) - 1] = '\0';
	str_cat(&s, "Spam!\n\n> CFBL-Feedback-ID: gp1:2026a:out1:4XyZ:t4k2:");
	for (i = 0; i < sizeof(letters) - 1; i += 60) {
		str_cat(&s, "\n>\t");
		str_catn(&s, letters + i, 60);
	}
	str_cat(&s, "\n> Gatepost-Trace: v=1; k=2026a; c=");
	for (i = 0; i < sizeof(letters) - 1; i += 60) {
		str_cat(&s, "\n>\t");
		str_catn(&s, letters + i, 60);
	}
	str_cat(&s, "\n> Subject: Buy\n");
	assert_false(s.cut);
	report_read(a, s.data, s.len, NULL, &r);
	assert_int_equal(r.tokens.n, 1);
	assert_int_equal(strlen(r.tokens.at[0].text), strlen("gp1:2026a:out1:4XyZ:t4k2:") + strlen(letters));
	assert_int_equal(r.stamps.n, 1);
	assert_true(strlen(r.stamps.at[0].text) >= strlen(letters));
	arena_free(&a);
}

static void
the_best_candidates_stay(void **state)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	char *data = malloc(100000);
	struct str s = { data, 0, 100000, false };
	struct report r;
	unsigned i;

	(void)state;
	assert_non_null(data);
	str_cat(&s, "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n");
	for (i = 0; i < 100; i++)
		str_catf(&s, "Gatepost-Trace: v=1; c=%u\n\n", i);
	str_cat(&s, "--b\nContent-Type: message/rfc822\n\nGatepost-Trace: v=1; c=ours\n\nx\n--b--\n");
	report_read(a, data, s.len, NULL, &r);
	assert_int_equal(r.stamps.n, REPORT_ITEMS);
	assert_string_equal(r.stamps.at[0].text, "v=1; c=ours");
	assert_string_equal(r.stamps.at[1].text, "v=1; c=0");
	assert_true(r.cut);
	free(data);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read_cases),
		cmocka_unit_test(bounds_hold),
		cmocka_unit_test(long_ones_are_found_whole),
		cmocka_unit_test(the_best_candidates_stay),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
