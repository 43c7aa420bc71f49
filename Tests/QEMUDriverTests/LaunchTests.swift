// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataTestSupport
import Foundation
import SystemPackage
import Testing

@testable import QEMUDriver

extension RealQEMU {
    @Suite(.timeLimit(.minutes(5))) struct LaunchTests {
        @Test func `a machine boots, speaks on its console and is ended`() async throws {
            let lab = try Lab()
            let (machine, console) = try await lab.boot()
            #expect(try await console.run("echo $((6 * 7))").contains("42"))
            await machine.kill()
            var events: [VirtualMachineEvent] = []
            for await event in machine.events { events.append(event) }
            #expect(events == [.ended(nil)])
        }

        @Test func `a stopped machine is silent, and goes on where it was`() async throws {
            let lab = try Lab()
            let (machine, console) = try await lab.boot()
            console.type("witness run --console")
            try await console.wait { Tick.all(in: $0).count >= 3 }
            let stopped = try await machine.stop()
            let mark = console.mark
            let again = try await machine.stop()
            #expect(again == stopped)
            #expect(console.mark == mark)
            let resumed = try await machine.resume()
            #expect(resumed.microseconds > stopped.microseconds)
            let text = try await console.wait { Tick.all(in: $0).count >= 6 }
            let numbers = Tick.all(in: text).map(\.number)
            #expect(numbers == Array(1...UInt64(numbers.count)))
            await machine.kill()
        }
    }
}
