# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors

dist_noinst_SCRIPTS = contrib/deps contrib/try
EXTRA_DIST += contrib/systemd contrib/postfix contrib/sendmail contrib/nginx contrib/apache/gatepost.conf contrib/php/pool.conf

# What a web server needs on the disk; its configuration is for the postmaster to place.
gatepostsharedir = $(datadir)/gatepost
dist_gatepostshare_DATA = contrib/php/gatepost-prepend.php
gatepostlibdir = $(prefix)/lib/gatepost
dist_gatepostlib_SCRIPTS = contrib/apache/gatepost-token

contrib/gatepost.service: contrib/systemd/gatepost.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) contrib && $(SED) 's,@sbindir[@],$(sbindir),g' $(srcdir)/contrib/systemd/gatepost.service.in >$@.tmp && mv $@.tmp $@

systemdsystemunit_DATA = contrib/systemd/gatepost.socket
sysusersdir = $(prefix)/lib/sysusers.d
sysusers_DATA = contrib/systemd/sysusers.d/gatepost.conf
tmpfilesdir = $(prefix)/lib/tmpfiles.d
tmpfiles_DATA = contrib/systemd/tmpfiles.d/gatepost.conf
nodist_systemdsystemunit_DATA = contrib/gatepost.service
CLEANFILES += contrib/gatepost.service
