// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataModel
import Glibc

/// The consent to lose what cannot be had back.
struct DiscardOption: ParsableArguments {
    @Flag(help: "Do it without asking, though something is lost.")
    var discard: Bool = false

    /// Asks on a terminal; elsewhere the option must be given.
    ///
    /// - Parameter what: what is lost, the beginning of a sentence.
    /// - Throws: ``ProgramFailure`` without consent.
    func require(for what: String) throws(ProgramFailure) {
        guard !discard else { return }
        guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else {
            throw ProgramFailure("\(what); say --discard if that is meant", exitCode: ProgramFailure.wrongUse)
        }
        ProgramOutput.question("\(what). Go on? [y/N] ")
        let answer = readLine()?.lowercased() ?? ""
        guard answer == "y" || answer == "yes" else { throw ProgramFailure("nothing was done") }
    }
}
