# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors

gatepostdir = $(sysconfdir)/gatepost
dist_gatepost_DATA = etc/signatures.conf
gatepostsignaturesdir = $(gatepostdir)/signatures.d
dist_gatepostsignatures_DATA = etc/signatures.d/README

# What is there already is the postmaster's: an upgrade leaves it alone, and what he changed stays when all else goes.
GATEPOST_HIS = etc/accounts etc/also etc/customers etc/domains etc/gatepost.conf etc/mailers etc/networks \
	etc/sendmail.conf etc/users
EXTRA_DIST += $(GATEPOST_HIS)

install-data-local:
	@$(MKDIR_P) "$(DESTDIR)$(gatepostdir)"
	@for f in $(GATEPOST_HIS); do \
		to="$(DESTDIR)$(gatepostdir)/$${f#etc/}"; \
		if [ -e "$$to" ]; then echo "$$to is there and stays as it is"; \
		else $(INSTALL_DATA) "$(srcdir)/$$f" "$$to" || exit 1; fi; \
	done

uninstall-local:
	@for f in $(GATEPOST_HIS); do \
		to="$(DESTDIR)$(gatepostdir)/$${f#etc/}"; \
		! cmp -s "$(srcdir)/$$f" "$$to" || rm -f "$$to"; \
	done
