// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Testing

/// The tests that run QEMU: one after another, so that each has the machine to itself.
@Suite(.serialized) enum RealQEMU {}
