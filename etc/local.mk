# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors

gatepostdir = $(sysconfdir)/gatepost
dist_gatepost_DATA = etc/gatepost.conf etc/signatures.conf etc/accounts etc/networks etc/domains etc/customers etc/also etc/users etc/sendmail.conf
