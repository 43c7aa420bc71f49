// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataPlan
import StorageTestSupport
import Testing

/// Which word can be said in which power state.
@Suite struct PowerTests {
    /// A way into each state, and one step of each word that is about power or the guest.
    static let ways: [(MachineState, [Action])] = [
        (.off, []), (.running, [.start("web")]), (.paused, [.start("web"), .pause("web")]),
        (.saved, [.start("web"), .save("web")]),
    ]
    static let words: [Action] = [
        .start("web"), .shutDown("web", within: .seconds(1), orElse: .fail), .turnOff("web"), .pause("web"),
        .resume("web"), .save("web"), .reset("web"), .waitForReboot("web", within: .seconds(1)),
        .waitForConsole("web", .plain("a"), within: .seconds(1)), .type("web", "a"),
        .run("web", .shell("a"), expect: .success, within: .seconds(1)),
        .checkpoint("a", of: nil, replace: false, notes: nil), .revert(nil),
        .change("web", .init(processors: 2, notes: "a")), .change("web", .init(notes: "a")),
        .attach("web", .init(name: "data", size: .mebibytes(1))), .detach("web", disk: "system"),
    ]

    /// What a machine is after steps: the only state in which no step that needs it is refused.
    private func state(after actions: [Action]) throws -> MachineState? {
        let probes: [(MachineState, Action)] = [(.running, .pause("web")), (.paused, .resume("web"))]
        for (state, probe) in probes
        where throwsNothing({ try Planner.plan(Sample.recipe(actions + [probe]), with: Sample.empty) }) {
            return state
        }
        guard throwsNothing({ try Planner.plan(Sample.recipe(actions + [.start("web")]), with: Sample.empty) }) else {
            return nil
        }
        return throwsNothing({ try Planner.plan(Sample.recipe(actions + [.turnOff("web")]), with: Sample.empty) })
            ? .saved : .off
    }

    private func throwsNothing(_ body: () throws -> Plan) -> Bool { (try? body()) != nil }

    @Test func `every word in every state: what the machine becomes, or why not`() throws {
        var lines: [String] = []
        for (state, way) in Self.ways {
            #expect(try self.state(after: way) == state)
            for word in Self.words {
                lines.append("\(state), \(word.word): \(try result(of: word, after: way))")
            }
            // A checkpoint holds the state, and apply and revert take it from there, wherever the machine is then.
            let held = way + [.checkpoint("held", of: nil, replace: false, notes: nil)]
            for (other, _) in Self.ways {
                let back = held + Self.path(from: state, to: other)
                #expect(try self.state(after: back) == other)
                #expect(try self.state(after: back + [.apply("held", of: nil)]) == state)
                #expect(try self.state(after: back + [.revert(nil)]) == state)
            }
        }
        try Golden.check(lines.joined(separator: "\n"), "FermataPlan/power.txt")
    }

    private func result(of action: Action, after way: [Action]) throws -> String {
        do {
            _ = try Planner.plan(Sample.recipe(way + [action]), with: Sample.empty)
            return try state(after: way + [action]).map(\.description) ?? "?"
        } catch let errors as PlanningErrors {
            return errors.diagnostics.map(\.description).joined(separator: " / ")
        }
    }

    /// Steps from one state into another.
    private static func path(from state: MachineState, to other: MachineState) -> [Action] {
        guard state != other else { return [] }
        let toOff: [Action] = state == .off ? [] : [.turnOff("web")]
        return toOff + (ways.first { $0.0 == other }?.1 ?? [])
    }
}
