// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@testable import FermataEngine

/// One operation, cut off again and again on copies of a lab.
struct FileCallTrial: Sendable {
    let operation: FileCallOperation
    let base: FileCallLab
    /// Where the copies lie.
    let folder: FilePath
    /// What the lab holds before the operation, and after it.
    let stages: [LabContent]
    /// The calls that the whole operation makes.
    let calls: [FileCall]

    /// Every point with everything that can befall it.
    var faults: [FileFault] {
        calls.flatMap { call in
            FileFault.Kind.allCases.filter { $0.fits(call) }.map { FileFault(kind: $0, call: call) }
        }
    }

    /// How many of the calls can be torn.
    var tearable: Int { calls.count { FileFault.Kind.tear.fits($0) } }

    /// What became of all runs.
    struct Outcome: Sendable {
        var reached = 0
        var problems: [String] = []
    }

    /// How a run of lab-host ended.
    struct Run {
        var code: Int32?
        var lines: [Substring]
        var calls: [FileCall]

        /// What each operation failed with.
        var failures: [Substring] { lines.filter { $0.hasPrefix("failed ") } }
    }

    struct Problem: Error, CustomStringConvertible {
        let description: String
    }

    init(
        _ operation: FileCallOperation, on base: FileCallLab, in folder: FilePath, stages: [LabContent],
        calls: [FileCall]
    ) {
        (self.operation, self.base, self.folder, self.stages, self.calls) = (operation, base, folder, stages, calls)
    }

    /// Does the operation undisturbed, to know what it makes and which calls it needs.
    init(_ operation: FileCallOperation, on base: FileCallLab, in folder: FilePath) async throws {
        self.operation = operation
        self.base = base
        self.folder = folder
        try FileSystem.create(folder)
        let comparesNewMemory = !operation.boots
        let before = try base.content(isDeep: true, comparesNewMemory: comparesNewMemory)
        let (after, calls) = try await Self.undisturbed(operation, operation.words.count, on: base, in: folder)
        self.stages = [before, after]
        self.calls = calls
        #expect((before == after) == operation.isUnseen, "\(operation)")
    }

    /// What the lab holds after some of the operation's steps, and the calls that they make.
    private static func undisturbed(
        _ operation: FileCallOperation, _ count: Int, on base: FileCallLab, in folder: FilePath
    ) async throws -> (content: LabContent, calls: [FileCall]) {
        let copy = try await base.copied(to: folder.appending("whole"))
        defer { try? FileSystem.removeAll(copy.place) }
        let run = try await Self.run(operation.arguments(copy, count), on: copy, nil)
        guard run.code == 0 else { throw Problem(description: "\(operation): \(run.lines)") }
        return (try await reopened(copy, !operation.boots), run.calls)
    }

    /// Whether a lab is as it is between two of the operation's steps.
    private func isBetweenSteps(_ found: LabContent) async throws -> Bool {
        for count in 1..<max(2, operation.words.count) where count < operation.words.count {
            if try await Self.undisturbed(operation, count, on: base, in: folder).content == found { return true }
        }
        return false
    }

    /// Cuts the operation off in many ways.
    func run(_ faults: [FileFault]) async -> Outcome {
        var outcome = Outcome()
        for (number, fault) in faults.enumerated() {
            let (isReached, problems) = await run(fault, number)
            if isReached { outcome.reached += 1 }
            outcome.problems += problems
        }
        return outcome
    }

    /// - Parameter meddling: what else is done to the lab before anybody looks.
    /// - Returns: whether the fault was met, and what is wrong afterwards.
    func run(
        _ fault: FileFault, _ number: Int, meddling: (LabFolder) throws -> Void = { _ in }
    ) async -> (isReached: Bool, problems: [String]) {
        do {
            let copy = try await base.copied(to: folder.appending("\(number)"))
            defer { try? FileSystem.removeAll(copy.place) }
            let run = try await Self.run(operation.arguments(copy), on: copy, fault)
            try meddling(copy.lab)
            var problems = try await self.problems(of: run, after: fault, on: copy)
            problems = problems.map { "\(fault): \($0); \(run.failures)" }
            return (run.calls.count >= fault.call.number, problems)
        } catch {
            return (true, ["\(fault): \(error)"])
        }
    }

    /// What is wrong with the lab that a run has left.
    func problems(of run: Run, after fault: FileFault, on lab: FileCallLab) async throws -> [String] {
        var problems: [String] = []
        if fault.kind.ends != (run.code == nil), run.calls.count >= fault.call.number {
            problems.append("ended with \(run.code.map { "code \($0)" } ?? "a signal")")
        }
        if run.failures.contains(where: { $0.contains("the host holds") }) { problems.append("the host is mistaken") }
        let found: LabContent
        do {
            found = try await Self.reopened(lab, !operation.boots)
        } catch {
            return problems + ["\(error)"]
        }
        guard let stage = stages.firstIndex(of: found) else {
            // Of several steps, some may have happened.
            if run.code != 0, try await isBetweenSteps(found) { return problems }
            let nearest = stages.map { $0.differences(to: found) }.min { $0.count < $1.count } ?? []
            return problems + ["neither before nor after: \(nearest)"]
        }
        if run.code == 0, found != stages.last {
            problems.append("it succeeded, but the lab is that before it")
        }
        guard stage == 0 else { return problems }
        let again = try await Self.run(operation.arguments(lab), on: lab, nil)
        if again.code != 0 {
            problems.append("it cannot be done afterwards: \(again.lines)")
        } else if try await Self.reopened(lab, !operation.boots) != stages.last {
            problems.append("done again, it makes something else")
        }
        return problems
    }

    /// What the next commands that write make of the lab, which readers must have seen before; nothing is left over.
    static func reopened(_ lab: FileCallLab, _ comparesNewMemory: Bool) async throws -> LabContent {
        guard FileSystem.exists(lab.lab.storeFile) else {
            return try lab.content(isDeep: true, comparesNewMemory: comparesNewMemory)
        }
        let seen = try lab.content(isDeep: false, comparesNewMemory: comparesNewMemory)
        for machine in try lab.lab.machines() {
            await (try MachineHost(of: machine, hypervisor: SimulatedHypervisor())).close()
        }
        try lab.lab.removeLeftovers()
        let found = try lab.content(isDeep: true, comparesNewMemory: comparesNewMemory)
        if seen.facts != found.facts.filter({ $0.key != "export" }) {
            throw Problem(description: "a reader saw \(seen.differences(to: found))")
        }
        // A boot file is found again by its content.
        let findings = try Examination(of: lab.lab.path).findings.filter { $0.code != "boot-orphan" }
        if !findings.isEmpty { throw Problem(description: "doctor finds \(findings)") }
        let left = try FileManager.default.subpathsOfDirectory(atPath: lab.lab.path.string).filter { path in
            [".new", "-new", ".rewriting", ".merging", ".deletion", ".deleted"].contains { path.hasSuffix($0) }
                || path.contains(".backup")
        }
        if !left.isEmpty { throw Problem(description: "left over: \(left)") }
        try expectDisksNeeded(lab.lab)
        return found
    }

    private static func expectDisksNeeded(_ lab: LabFolder) throws {
        let needed = try DiskReferences(of: lab).needed
        for machine in try lab.machines() {
            for place in [machine.path, machine.differencingDisks(of: try machine.identity())]
            where FileSystem.exists(place) {
                for name in try FileSystem.entries(of: place) where name.contains(".vhd") || name.contains(".avhd") {
                    guard !needed.contains(place.appending(name)) else { continue }
                    throw Problem(description: "nobody needs \(place.appending(name))")
                }
            }
        }
    }

    /// Runs lab-host.
    ///
    /// - Parameter watch: the words before the program's own, if another program runs it.
    static func run(
        _ arguments: [String], on lab: FileCallLab, _ fault: FileFault?, through watch: [String] = []
    ) async throws -> Run {
        let program = try ShellLab.program.removingLastComponent().appending("lab-host").string
        let log = FilePath("\(lab.place).calls")
        defer { try? FileSystem.remove(log) }
        var settings = ["FERMATA_FILE_FOLDER=\(lab.place)", "FERMATA_FILE_LOG=\(log)"]
        if let fault { settings.append("FERMATA_FILE_FAULT=\(fault.text)") }
        let result = try await Tool("env").run(settings + watch + [program] + arguments)
        let text = String(decoding: FileManager.default.contents(atPath: log.string) ?? Data(), as: UTF8.self)
        return Run(code: result.code, lines: result.output.split(separator: "\n"), calls: FileCall.all(in: text))
    }
}
