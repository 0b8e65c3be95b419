#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# The steps of reentry.t through a real Sendmail.
mta=sendmail
. "$(dirname "$0")/reentry.t"
