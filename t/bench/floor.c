/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * floor - the least that a libmilter filter of Gatepost's shape costs.
 *
 *     floor [-b] [-x] SOCKET        -b: take the body as well; -x: insert no header
 *
 * It negotiates what milter/session.c negotiates (keep the two alike: a floor that is sent less or more
 * makes every comparison wrong), looks at nothing, inserts one header at the end of each message and accepts.
 * What Gatepost costs beyond this is Gatepost's own. Runs in the foreground until SIGTERM.
 */
#include <libmilter/mfapi.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool want_body, no_header;

static const struct { int stage; const char *names; } lists[] = {
	{ SMFIM_CONNECT, "{floor_none}" },
	{ SMFIM_HELO, "{floor_none}" },
	{ SMFIM_ENVFROM, "i {auth_authen} {mail_addr}" },
	{ SMFIM_ENVRCPT, "{floor_none}" },
	{ SMFIM_DATA, "{floor_none}" },
	{ SMFIM_EOH, "{floor_none}" },
	{ SMFIM_EOM, "i {msg_id}" },
};

static sfsistat
floor_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2, unsigned long f3,
    unsigned long *to0, unsigned long *to1, unsigned long *to2, unsigned long *to3)
{
	unsigned long steps = SMFIP_NOHELO | SMFIP_NODATA | SMFIP_NOEOH | SMFIP_NOUNKNOWN | SMFIP_NR_CONN |
	    SMFIP_NR_RCPT | SMFIP_NR_HDR | (want_body ? SMFIP_NR_BODY : SMFIP_NOBODY);

	(void)f2;
	(void)f3;
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		char names[128];
		(void)snprintf(names, sizeof names, "%s", lists[i].names);
		(void)smfi_setsymlist(ctx, lists[i].stage, names);
	}
	*to0 = f0 & (SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_QUARANTINE | SMFIF_SETSYMLIST);
	*to1 = f1 & steps;
	*to2 = *to3 = 0;
	return SMFIS_CONTINUE;
}

static sfsistat
floor_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *address)
{
	(void)ctx;
	(void)host;
	(void)address;
	return SMFIS_NOREPLY;
}

static sfsistat
floor_mail(SMFICTX *ctx, char **arguments)
{
	(void)ctx;
	(void)arguments;
	return SMFIS_CONTINUE;
}

static sfsistat
floor_rcpt(SMFICTX *ctx, char **arguments)
{
	(void)ctx;
	(void)arguments;
	return SMFIS_NOREPLY;
}

static sfsistat
floor_header(SMFICTX *ctx, char *name, char *value)
{
	(void)ctx;
	(void)name;
	(void)value;
	return SMFIS_NOREPLY;
}

static sfsistat
floor_body(SMFICTX *ctx, unsigned char *bytes, size_t n)
{
	(void)ctx;
	(void)bytes;
	(void)n;
	return SMFIS_NOREPLY;
}

static sfsistat
floor_end(SMFICTX *ctx)
{
	char name[] = "X-Customer-ID", value[] = "c0";

	if (!no_header && smfi_insheader(ctx, 0, name, value) == MI_FAILURE)
		return SMFIS_TEMPFAIL;
	return SMFIS_CONTINUE;
}

int
main(int argc, char **argv)
{
	struct smfiDesc filter = {
		.xxfi_name = (char[]){ "floor" }, .xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_QUARANTINE | SMFIF_SETSYMLIST,
		.xxfi_connect = floor_connect, .xxfi_envfrom = floor_mail, .xxfi_envrcpt = floor_rcpt,
		.xxfi_header = floor_header, .xxfi_eom = floor_end, .xxfi_negotiate = floor_negotiate,
	};
	int c;

	while ((c = getopt(argc, argv, "bx")) != -1) {
		want_body = want_body || c == 'b';
		no_header = no_header || c == 'x';
	}
	if (optind + 1 != argc) {
		fputs("usage: floor [-b] [-x] socket\n", stderr);
		return 2;
	}
	if (want_body)
		filter.xxfi_body = floor_body;
	(void)umask(0);			/* Postfix's user has to reach the socket */
	if (smfi_setconn(argv[optind]) == MI_FAILURE || smfi_register(filter) == MI_FAILURE ||
	    smfi_opensocket(true) == MI_FAILURE) {
		fputs("floor: cannot listen\n", stderr);
		return 1;
	}
	return smfi_main() == MI_SUCCESS ? 0 : 1;
}
