// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import StorageTestSupport
import SystemPackage

@testable import FermataEngine

extension FileCallTrial {
    /// What strace is to look at: all that changes files.
    private static let traced = [
        "write", "writev", "pwrite64", "pwritev", "pwritev2", "open", "openat", "creat", "unlink", "unlinkat", "rename",
        "renameat", "renameat2", "fsync", "fdatasync", "ftruncate", "truncate", "fallocate", "mkdir", "mkdirat",
        "rmdir",
        "link", "linkat", "symlink", "symlinkat", "utimensat", "chmod", "fchmod", "fchmodat", "sync_file_range",
        "copy_file_range", "syncfs",
    ].joined(separator: ",")

    /// A run that strace watched.
    struct Traced {
        var run: Run
        /// The calls that change files of the lab, each with its number among those of its kind and thread, as strace
        /// counts them.
        var calls: [(name: String, number: Int)]
        /// Whether a fault was put in.
        var isInjected: Bool
    }

    /// Does the operation while strace watches.
    ///
    /// - Parameter injection: what strace does at a call; nil for nothing.
    func traced(on lab: FileCallLab, injecting injection: String? = nil) async throws -> Traced {
        let log = FilePath("\(lab.place).strace")
        defer { try? FileSystem.remove(log) }
        let options = injection.map { ["-e", "inject=\($0)"] } ?? []
        let watch = ["strace", "-f", "-y", "-s", "256", "-o", log.string, "-e", "trace=\(Self.traced)"] + options
        let run = try await Self.run(operation.arguments(lab), on: lab, nil, through: watch)
        let lines = String(decoding: FileManager.default.contents(atPath: log.string) ?? Data(), as: UTF8.self)
            .split(separator: "\n")
        return Traced(
            run: run, calls: Self.calls(in: lines, of: lab), isInjected: lines.contains { $0.contains("(INJECTED)") })
    }

    private static func calls(in lines: [Substring], of lab: FileCallLab) -> [(name: String, number: Int)] {
        var counts: [String: Int] = [:]
        var calls: [(name: String, number: Int)] = []
        for line in lines {
            let words = line.split(separator: " ", maxSplits: 1)
            // The numbers of processes are padded.
            guard let text = words.dropFirst().first?.drop(while: { $0 == " " }), let end = text.firstIndex(of: "("),
                !text.hasPrefix("<")
            else { continue }
            let name = String(text[..<end])
            let number = (counts["\(words[0]) \(name)"] ?? 0) + 1
            counts["\(words[0]) \(name)"] = number
            // What is written is not where; the program's own lines and its log are nobody's.
            let place = name.hasPrefix("write") ? text.prefix { $0 != ">" } : text
            guard place.contains("\(lab.place)/") || place.contains("\(lab.place)>") else { continue }
            if name.hasPrefix("open"), !text.contains("O_CREAT"), !text.contains("O_TRUNC") { continue }
            calls.append((name, number))
        }
        return calls
    }

    /// Kills the program from outside at some of its calls, and looks at what is left.
    ///
    /// - Returns: how many kills took place, and what is wrong.
    func killFromOutside(_ calls: [(name: String, number: Int)]) async -> (reached: Int, problems: [String]) {
        var found = (reached: 0, problems: [String]())
        for (index, call) in calls.enumerated() {
            do {
                let copy = try await base.copied(to: folder.appending("outside-\(index)"))
                defer { try? FileSystem.removeAll(copy.place) }
                let traced = try await traced(
                    on: copy, injecting: "\(call.name):signal=KILL:when=\(call.number)")
                if traced.run.code == nil { found.reached += 1 }
                let kill = FileFault(
                    kind: .kill, call: FileCall(number: .max, name: call.name, file: "from outside"))
                found.problems += try await problems(of: traced.run, after: kill, on: copy)
            } catch {
                found.problems.append("\(error)")
            }
        }
        return found
    }
}
