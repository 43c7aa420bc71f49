// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import Foundation
import Glibc
import SystemPackage
import Testing

/// Processes that host a machine end with it, and it with them.
@Suite(.serialized) struct HostTests {
    @Test func `a machine is off when its host is killed, and can be started again`() async throws {
        let lab = try CommandLab()
        defer { lab.end() }
        #expect(try await lab.fermata(CommandLab.create("web")).code == 0)
        #expect(try await lab.fermata("vm start web").code == 0)
        for signal in [SIGKILL, SIGTERM] {
            let host = try #require(lab.hosts.first)
            #expect(kill(host, signal) == 0)
            #expect(try await stateWithoutPower(in: lab) == "off")
            #expect(try await lab.fermata("vm start web --json").json["state"]?.text == "running")
        }
        #expect(try await lab.fermata("vm turn-off web --discard").code == 0)
        #expect(!lab.folder.machine("web").isInUse)
    }

    @Test func `of two starts at once one starts the machine, and the other is told that it runs`() async throws {
        let lab = try CommandLab()
        defer { lab.end() }
        #expect(try await lab.fermata(CommandLab.create("web")).code == 0)
        async let one = lab.fermata("vm start web")
        async let other = lab.fermata("vm start web")
        let results = try await [one, other].sorted { ($0.code ?? -1) < ($1.code ?? -1) }
        #expect(results.map(\.code) == [0, 1])
        #expect(results.last?.messages == "fermata: error: machine 'web' is running already\n")
        #expect(try await lab.fermata("vm turn-off web --discard").code == 0)
    }

    /// A host takes its machine with it, whose end nobody can wait for but by asking.
    private func stateWithoutPower(in lab: CommandLab) async throws -> String? {
        let limit = ContinuousClock.now + .seconds(30)
        while true {
            let state = try await lab.state()
            if state != "running" || ContinuousClock.now > limit { return state }
        }
    }
}
