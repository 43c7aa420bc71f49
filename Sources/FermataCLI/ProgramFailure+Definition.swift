// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Fermata
import FermataPlan

extension ProgramFailure {
    /// Says what is wrong with a machine that the arguments describe: there is no line of a recipe to point to.
    init(ofDefinition errors: PlanningErrors) {
        let sentences = errors.diagnostics.filter { $0.severity == .error }.map { error in
            error.message + (error.suggestion.map { "; \($0)" } ?? "")
        }
        self.init(
            lines: sentences.map { "\(ProgramOutput.name): error: \($0)" }, exitCode: ProgramFailure.wrongUse)
    }
}
