# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors

# All of the daemon that knows neither libmilter nor HTTP: what the scenarios link.
milter_libchain_a_CPPFLAGS = $(AM_CPPFLAGS) $(DEPS_CFLAGS) $(JANSSON_CFLAGS)
milter_libchain_a_SOURCES = \
	milter/chain.c milter/chain.h milter/check.h milter/check_identity.c milter/check_limits.c \
	milter/check_mailer.c milter/check_ownership.c milter/check_preflight.c milter/check_submitter.c milter/check_suspension.c \
	milter/check_trace.c milter/customer.c milter/customer.h milter/drift.c milter/drift.h milter/drift_watch.c milter/drift_watch.h milter/explain.c milter/explain.h \
	milter/facts.c milter/facts.h milter/forward.c milter/forward.h milter/limit_key.c \
	milter/limit_key.h milter/listen.c milter/listen.h milter/mailer_seen.c milter/mailer_seen.h \
	milter/message_file.c milter/message_file.h milter/notify.c milter/notify.h milter/prefixes.c \
	milter/preflight.c milter/preflight.h milter/preflight_signing.c \
	milter/prefixes.h milter/resolver.c milter/resolver.h milter/verdict.c milter/verdict.h

milter_libapi_a_CPPFLAGS = $(AM_CPPFLAGS) $(DEPS_CFLAGS) $(MICROHTTPD_CFLAGS) $(JANSSON_CFLAGS)
milter_libapi_a_SOURCES = \
	milter/api.c milter/api.h milter/api_act.c milter/api_explain.c milter/api_limits.c \
	milter/api_look.c milter/api_private.h milter/api_routes.c milter/metrics.c milter/metrics.h

milter_gatepost_CPPFLAGS = $(AM_CPPFLAGS) $(DEPS_CFLAGS) $(MICROHTTPD_CFLAGS) $(JANSSON_CFLAGS)
milter_gatepost_LDADD = milter/libapi.a milter/libchain.a lib/libgatepost.a $(DEPS_LIBS) $(MICROHTTPD_LIBS) $(JANSSON_LIBS) $(MILTER_LIBS)
milter_gatepost_SOURCES = \
	milter/daemon.c milter/daemon.h milter/main.c milter/serve.c milter/serve.h milter/session.c \
	milter/session.h

milter_gatepostctl_CPPFLAGS = $(AM_CPPFLAGS) $(DEPS_CFLAGS) $(CURL_CFLAGS) $(JANSSON_CFLAGS)
milter_gatepostctl_LDADD = milter/libchain.a lib/libgatepost.a $(DEPS_LIBS) $(CURL_LIBS) $(JANSSON_LIBS)
milter_gatepostctl_SOURCES = \
	milter/ctl.c milter/ctl.h milter/ctl_grid.c milter/ctl_grid.h milter/ctl_http.c milter/ctl_preflight.c milter/ctl_preflight.h \
	milter/ctl_print.c

dist_man_MANS = milter/gatepost.8 milter/gatepostctl.8 etc/gatepost.conf.5 etc/gatepost-tables.5 etc/gatepost-signatures.5
