#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# The steps of crash.t through a real Sendmail.
mta=sendmail
. "$(dirname "$0")/crash.t"
