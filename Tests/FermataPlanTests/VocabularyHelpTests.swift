// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import StorageTestSupport
import Testing

@Suite struct VocabularyHelpTests {
    @Test func `help about the vocabulary comes from its table`() throws {
        try Golden.check(Vocabulary.help, "FermataPlan/vocabulary.txt")
    }
}
