// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import StorageTestSupport

/// Recipes at random, with whatever a script can say.
struct RandomRecipe {
    var generator: SeededGenerator

    mutating func recipe() -> Recipe {
        let machines = list(0...3) { maker, index in
            MachineDefinition(
                name: MachineName("\(index)\(maker.text())"), memory: maker.size(), processors: maker.integer(),
                boot: maker.maybe { maker in
                    MachineDefinition.Boot(
                        kernel: maker.text(), initrd: maker.maybe { $0.text() }, arguments: maker.maybe { $0.text() })
                },
                disks: maker.list(0...3) { maker, _ in .init(name: maker.text(), size: maker.size()) },
                hasNetwork: maker.coin(), clock: maker.coin() ? .host : .continue)
        }
        let names = machines.map(\.name)
        let steps = list(0...15) { maker, _ in Step(maker.action(names)) }
        return Recipe(name: "random \(Int.random(in: 0...9, using: &generator))", machines: machines, steps: steps)
    }

    private mutating func action(_ machines: [MachineName]) -> Action {
        let anyone = maybe { machines.randomElement(using: &$0.generator) } ?? nil
        guard let machine = machines.randomElement(using: &generator) else { return moment(of: nil) }
        switch Int.random(in: 0..<19, using: &generator) {
        case 17:
            return .exportCheckpoint(
                CheckpointName(text()), of: machine, to: text(), flattened: coin(), memory: coin())
        case 18: return .fork(MachineName(text()), of: machine, from: maybe { CheckpointName($0.text()) })
        case 8: return .pause(machine)
        case 9: return .resume(machine)
        case 10: return .save(machine)
        case 11: return .reset(machine)
        case 12: return .waitForReboot(machine, within: span())
        case 13: return .type(machine, text())
        case 14:
            let change = Action.Change(
                memory: maybe { $0.size() }, processors: maybe { $0.integer() }, arguments: maybe { $0.text() },
                notes: maybe { $0.text() })
            return .change(machine, change)
        case 15: return .attach(machine, .init(name: text(), size: size(), format: coin() ? .vhd : .vhdx))
        case 16: return .detach(machine, disk: text())
        case 0: return .start(machine)
        case 1: return .turnOff(machine)
        case 2: return .shutDown(machine, within: span(), orElse: coin() ? .fail : .turnOff)
        case 3: return .waitForConsole(machine, coin() ? .plain(text()) : .pattern(text()), within: span())
        case 4, 5:
            let words = list(1...4) { maker, _ in maker.text() }
            return .run(
                machine, coin() ? .shell(text()) : .arguments(words), expect: coin() ? .success : expectation(),
                within: span())
        default: return moment(of: anyone)
        }
    }

    private mutating func moment(of machine: MachineName?) -> Action {
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: .revert(machine)
        case 2:
            .deleteCheckpoint(
                CheckpointName(text()), of: machine,
                Action.DeletionScope.allCases.randomElement(using: &generator) ?? .checkpoint)
        case 3: .renameCheckpoint(CheckpointName(text()), of: machine, to: CheckpointName(text()))
        case 1: .apply(CheckpointName(text()), of: machine)
        default:
            .checkpoint(
                CheckpointName(text()), of: machine, replace: coin(), notes: maybe { $0.text() },
                kind: coin() ? .standard : .diskOnly)
        }
    }

    private mutating func expectation() -> Expectation {
        Expectation(
            exitCode: integer(), contains: list(0...2) { maker, _ in maker.text() },
            lacks: list(0...2) { maker, _ in maker.text() }, equals: maybe { $0.text() })
    }

    private mutating func coin() -> Bool { Bool.random(using: &generator) }

    private mutating func maybe<Value>(_ value: (inout RandomRecipe) -> Value) -> Value? {
        coin() ? value(&self) : nil
    }

    private mutating func list<Element>(
        _ count: ClosedRange<Int>, _ element: (inout RandomRecipe, Int) -> Element
    ) -> [Element] {
        (0..<Int.random(in: count, using: &generator)).map { element(&self, $0) }
    }

    private mutating func text() -> String {
        let letters: [Character] = [
            "a", "Z", "0", " ", "'", "\"", "\\", "\n", "\r\n", "\r", "\0", "\t", "[", "]", "=", "-", "é", "日", "🇩🇪",
            "\u{7F}",
        ]
        return String(list(0...8) { maker, _ in letters.randomElement(using: &maker.generator) ?? "a" })
    }

    private mutating func size() -> ByteSize {
        let sizes: [UInt64] = [0, 1, 512, 64 << 20, 1 << 30, 3 << 40, .max, .max - 511, generator.next()]
        return ByteSize(bytes: sizes.randomElement(using: &generator) ?? 0)
    }

    private mutating func integer() -> Int {
        [0, 1, 2, 255, -1, .max, .min, Int(truncatingIfNeeded: generator.next())].randomElement(using: &generator) ?? 0
    }

    private mutating func span() -> TimeSpan {
        let most = TimeSpan.longest.milliseconds
        let spans: [UInt64] = [0, 1, 1500, 60_000, 7_200_000, most, generator.next() % most]
        return .milliseconds(spans.randomElement(using: &generator) ?? 0)
    }
}
