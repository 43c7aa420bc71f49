// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation
public import Testing

/// Files that hold what a text must be; with `FERMATA_UPDATE_GOLDENS` set they are written.
public enum Golden {
    /// Compares a text with a file.
    ///
    /// - Parameter name: the file beneath `Tests/Goldens`, such as `FermataPlan/first-run.txt`.
    public static func check(
        _ text: String, _ name: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let file = tests.appending(path: "Goldens/\(name)")
        // A text file ends with a newline, a description need not.
        let text = text.hasSuffix("\n") ? text : text + "\n"
        if ProcessInfo.processInfo.environment["FERMATA_UPDATE_GOLDENS"] != nil {
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        let expected = try String(contentsOf: file, encoding: .utf8)
        #expect(text == expected, "differs from \(file.path)", sourceLocation: sourceLocation)
    }
}
