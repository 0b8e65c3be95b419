# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors

# All of the daemon that knows neither libmilter nor HTTP: what the scenarios link.
milter_libchain_a_CPPFLAGS = $(AM_CPPFLAGS) $(DEPS_CFLAGS) $(JANSSON_CFLAGS)
milter_libchain_a_SOURCES = \
	milter/ancestry.c milter/ancestry.h milter/chain.c milter/chain.h milter/check.h \
	milter/check_identity.c milter/check_limits.c milter/check_mailer.c milter/check_ownership.c \
	milter/check_preflight.c milter/check_submitter.c milter/check_suspension.c milter/check_ticket.c \
	milter/check_trace.c milter/customer.c milter/customer.h milter/drift.c milter/drift.h \
	milter/drift_watch.c milter/drift_watch.h milter/explain.c milter/explain.h milter/facts.c \
	milter/facts.h milter/forward.c milter/forward.h milter/limit_key.c milter/limit_key.h \
	milter/listen.c milter/listen.h milter/local_user.c milter/local_user.h milter/mailer_seen.c \
	milter/mailer_seen.h milter/mailer_traits.c milter/mailer_traits.h milter/message_file.c \
	milter/message_file.h milter/notify.c milter/notify.h milter/peer.c milter/peer.h milter/prefixes.c \
	milter/prefixes.h milter/preflight.c milter/preflight.h milter/preflight_signing.c milter/reentry.c \
	milter/reentry.h milter/resolver.c milter/resolver.h milter/stamp_out.c milter/stamp_out.h \
	milter/submission.c milter/submission.h milter/submission_ticket.c milter/trace.c milter/trace.h \
	milter/verdict.c milter/verdict.h

milter_libapi_a_CPPFLAGS = $(AM_CPPFLAGS) $(DEPS_CFLAGS) $(MICROHTTPD_CFLAGS) $(JANSSON_CFLAGS)
milter_libapi_a_SOURCES = \
	milter/api.c milter/api.h milter/api_act.c milter/api_explain.c milter/api_limits.c \
	milter/api_look.c milter/api_mailers.c milter/api_private.h milter/api_routes.c milter/api_trace.c \
	milter/metrics.c milter/metrics.h milter/web_token.c milter/web_token.h

milter_gatepost_CPPFLAGS = $(AM_CPPFLAGS) $(DEPS_CFLAGS) $(MICROHTTPD_CFLAGS) $(JANSSON_CFLAGS)
milter_gatepost_LDADD = milter/libapi.a milter/libchain.a lib/libgatepost.a $(DEPS_LIBS) $(MICROHTTPD_LIBS) $(JANSSON_LIBS) $(MILTER_LIBS)
milter_gatepost_SOURCES = \
	milter/daemon.c milter/daemon.h milter/main.c milter/serve.c milter/serve.h milter/session.c \
	milter/session.h

# Small on purpose: every local user runs it, so it links nothing but our own base.
milter_gatepost_sendmail_CPPFLAGS = $(AM_CPPFLAGS) -DREAL_SENDMAIL='"$(REAL_SENDMAIL)"' \
	-DSENDMAIL_CONF='"$(sysconfdir)/gatepost/sendmail.conf"'
milter_gatepost_sendmail_LDADD = lib/libgatepost.a
milter_gatepost_sendmail_SOURCES = $(SENDMAIL_SOURCES) milter/sendmail_place.c
SENDMAIL_SOURCES = \
	milter/sendmail.c milter/sendmail_conf.c milter/sendmail_conf.h milter/sendmail_message.c \
	milter/sendmail_message.h milter/sendmail_options.c milter/sendmail_options.h milter/sendmail_ticket.c \
	milter/sendmail_ticket.h

milter_gatepostctl_CPPFLAGS = $(AM_CPPFLAGS) $(DEPS_CFLAGS) $(CURL_CFLAGS) $(JANSSON_CFLAGS)
milter_gatepostctl_LDADD = milter/libchain.a lib/libgatepost.a $(DEPS_LIBS) $(CURL_LIBS) $(JANSSON_LIBS)
milter_gatepostctl_SOURCES = \
	milter/ctl.c milter/ctl.h milter/ctl_grid.c milter/ctl_grid.h milter/ctl_http.c milter/ctl_keys.c \
	milter/ctl_preflight.c milter/ctl_preflight.h milter/ctl_print.c milter/ctl_trace.c

dist_man_MANS = \
	etc/gatepost-signatures.5 etc/gatepost-tables.5 etc/gatepost.conf.5 milter/gatepost-sendmail.1 \
	milter/gatepost.8 milter/gatepostctl.8
