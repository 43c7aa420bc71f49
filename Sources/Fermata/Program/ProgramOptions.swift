// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser
package import FermataPlan
import Foundation
package import SystemPackage

/// Where the lab is.
package struct StoreOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The lab's folder; unless said, $FERMATA_STORE, else the nearest .fermata.", valueName: "folder"))
    var store: String?

    /// Makes an option that is not set.
    package init() {}

    /// The folder as written, if one was.
    package func checked() throws(ProgramFailure) -> String? {
        guard store?.isEmpty != true else {
            throw ProgramFailure("the folder given with --store is empty", exitCode: ProgramFailure.wrongUse)
        }
        return store
    }
}

/// What machines become at the end of a run.
package struct EndOption: ParsableArguments {
    @Option(
        name: .customLong("at-end"),
        help: ArgumentHelp("What machines that still run at the end become: off, or saved.", valueName: "state"))
    var text: String = Plan.AtEnd.off.rawValue

    /// Makes an option that is not set.
    package init() {}

    package mutating func validate() throws {
        guard Plan.AtEnd(rawValue: text) == nil else { return }
        let states = Plan.AtEnd.allCases.map { "'\($0.rawValue)'" }.joined(separator: " or ")
        throw ValidationError("--at-end is '\(text)'; it must be \(states)")
    }

    /// The state.
    package var atEnd: Plan.AtEnd { Plan.AtEnd(rawValue: text) ?? .off }
}

/// The forms of a plan.
package struct PlanOptions: ParsableArguments {
    package static let abstract: String = "Show what a run would do."

    @Flag(help: "Print the plan as JSON.")
    var json: Bool = false

    @Flag(help: "Print the recipe as JSON, without planning.")
    var recipeJson: Bool = false

    @OptionGroup package var ending: EndOption

    /// Makes options that are not set.
    package init() {}

    package mutating func validate() throws {
        if json, recipeJson { throw ValidationError("--json and --recipe-json exclude each other") }
    }

    /// The form that was chosen.
    package var form: RecipeRequest.Form { recipeJson ? .recipe : json ? .json : .text }
}

/// How a run ends, and how it tells what happens.
package struct RunOptions: ParsableArguments {
    package static let abstract: String = "Do what a recipe says."

    @OptionGroup package var ending: EndOption

    @Flag(help: "Print what happens as lines of JSON.")
    package var json: Bool = false

    /// Makes options that are not set.
    package init() {}
}

extension FilePath {
    /// The absolute path of a folder that exists.
    package static func folder(_ text: String) throws(ProgramFailure) -> FilePath {
        let path = absolute(text)
        var isFolder: ObjCBool = false
        let exists = unsafe FileManager.default.fileExists(atPath: path.string, isDirectory: &isFolder)
        guard exists, isFolder.boolValue else {
            throw ProgramFailure("there is no folder '\(text)'", exitCode: ProgramFailure.wrongUse)
        }
        return path
    }

    /// The path as seen from the current folder.
    package static func absolute(_ text: String) -> FilePath {
        FilePath(FileManager.default.currentDirectoryPath).pushing(FilePath(text)).lexicallyNormalized()
    }
}
