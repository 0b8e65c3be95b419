# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors

gatepostdir = $(sysconfdir)/gatepost
dist_gatepost_DATA = \
	etc/accounts etc/also etc/customers etc/domains etc/gatepost.conf etc/mailers etc/networks \
	etc/sendmail.conf etc/signatures.conf etc/users
gatepostsignaturesdir = $(gatepostdir)/signatures.d
dist_gatepostsignatures_DATA = etc/signatures.d/README
