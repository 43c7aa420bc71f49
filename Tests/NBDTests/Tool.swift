// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import StorageTestSupport
import SystemPackage
import Testing

/// A program that we did not write, to which our server must make sense.
struct Tool {
    let path: String

    /// Finds the program; nil when it is not installed.
    init?(_ name: String) {
        let folders = ["/usr/bin", "/bin", "/usr/local/bin"]
        guard let folder = folders.first(where: { FileManager.default.isExecutableFile(atPath: "\($0)/\(name)") })
        else {
            return nil
        }
        path = "\(folder)/\(name)"
    }

    /// Whether every program is installed; says which is not.
    static func areInstalled(_ names: String...) -> Bool {
        let missing = names.filter { Tool($0) == nil }
        if !missing.isEmpty {
            print("skipped: not installed: \(missing.joined(separator: ", "))")
        }
        return missing.isEmpty
    }

    struct Output {
        var status: Int32
        var text: String
        var errors: String
    }

    /// Runs a program to its end.
    static func run(_ name: String, _ arguments: String...) throws -> Output {
        try run(name, arguments)
    }

    /// Runs a program to its end, with a file as its standard input.
    static func run(_ name: String, _ arguments: [String], input: FileHandle = .nullDevice) throws -> Output {
        let tool = try #require(Tool(name))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: tool.path)
        process.arguments = arguments
        // The system's own interpreters, which have what the system's programs need.
        process.environment = ["PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"]
        let folder = try TemporaryFolder()
        let (text, errors) = (folder.appending("out").string, folder.appending("err").string)
        for file in [text, errors] {
            _ = FileManager.default.createFile(atPath: file, contents: nil)
        }
        process.standardInput = input
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: text))
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: errors))
        try process.run()
        process.waitUntilExit()
        return Output(
            status: process.terminationStatus,
            text: try String(contentsOfFile: text, encoding: .utf8),
            errors: try String(contentsOfFile: errors, encoding: .utf8))
    }

    /// Runs a program that must succeed.
    @discardableResult
    static func succeed(
        _ name: String, _ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> String {
        let output = try run(name, arguments)
        #expect(
            output.status == 0, "\(name) \(arguments): \(output.text) \(output.errors)", sourceLocation: sourceLocation)
        return output.text
    }
}
