// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// Whoever imports Fermata writes recipes, and so needs the values that recipes are made of.
@_exported public import FermataModel
