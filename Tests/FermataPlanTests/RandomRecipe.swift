// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataPlan
import Hashing
import StorageTestSupport

/// Recipes at random: sensible ones whose steps mostly follow from each other, and wild ones.
struct RandomRecipe {
    var generator: SeededGenerator

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
    }

    // MARK: Sensible recipes

    private static let machines: [MachineName] = ["a", "b"]
    private static let names: [CheckpointName] = ["one", "two", "three", "four"]

    /// One or two machines, up to 25 steps; most steps are possible where they stand.
    mutating func sensible() -> Recipe {
        let machines = Array(RandomRecipe.machines.prefix(generator.chance(60) ? 1 : 2))
        var recipe = Recipe(
            name: "random",
            machines: machines.map {
                MachineDefinition(name: $0, memory: .mebibytes(64), disks: [.init(name: "d", size: .mebibytes(1))])
            })
        var simulation = Simulation(recipe)
        let count = Int.random(in: 0...25, using: &generator)
        let carelessness = generator.pick([0, 0, 2, 10], or: 0)
        var known = machines
        while recipe.steps.count < count {
            let action = sensibleAction(known)
            let possible = simulation.takes(action)
            guard possible || generator.chance(carelessness) else { continue }
            recipe.steps.append(Step(action))
            if possible, case .fork(let name, _, _) = action { known.append(name) }
        }
        return recipe
    }

    private mutating func sensibleAction(_ machines: [MachineName]) -> Action {
        let machine = generator.pick(machines, or: "a")
        let named: MachineName? = generator.chance(80) ? machine : nil
        let name = generator.pick(RandomRecipe.names, or: "one")
        switch Int.random(in: 0..<23, using: &generator) {
        case 21:
            let checkpoint = generator.chance(60) ? name : nil
            return .fork(generator.pick(["f", "g", "a"], or: "f"), of: machine, from: checkpoint)
        case 22:
            let folder = generator.pick(["v", "w", "x", "y", "z"], or: "v")
            return .exportCheckpoint(
                name, of: machine, to: folder, flattened: generator.chance(50), memory: generator.chance(50))
        case 9: return .pause(machine)
        case 10: return .resume(machine)
        case 11: return .save(machine)
        case 12: return .reset(machine)
        case 13: return .waitForReboot(machine, within: .seconds(1))
        case 14: return .type(machine, "x")
        case 15: return .change(machine, .init(memory: .mebibytes(32), processors: 2))
        case 16: return .change(machine, .init(notes: "x"))
        case 17: return .attach(machine, .init(name: disk(), size: .mebibytes(1)))
        case 18: return .detach(machine, disk: disk())
        case 19:
            return .deleteCheckpoint(name, of: named, generator.pick(Action.DeletionScope.allCases, or: .checkpoint))
        case 20: return .renameCheckpoint(name, of: named, to: generator.pick(RandomRecipe.names, or: "one"))
        case 0: return .start(machine)
        case 1: return .shutDown(machine, within: .seconds(1), orElse: .fail)
        case 2: return .turnOff(machine)
        case 3: return .waitForConsole(machine, .plain("x"), within: .seconds(1))
        case 4: return .run(machine, .shell("x"), expect: .success, within: .seconds(1))
        case 5:
            let kind: Action.CheckpointKind = generator.chance(25) ? .diskOnly : .standard
            return .checkpoint(name, of: named, replace: generator.chance(30), notes: nil, kind: kind)
        case 6: return .revert(named)
        default: return .apply(name, of: named)
        }
    }

    private mutating func disk() -> String { generator.pick(["d", "e", "f"], or: "d") }

    // MARK: Wild recipes

    /// Anything that the types can hold.
    mutating func wild() -> Recipe {
        Recipe(
            name: text(), machines: list(3) { $0.wildMachine() },
            steps: list(12) { Step($0.wildAction(), at: $0.location()) })
    }

    mutating func text() -> String {
        let letters: [Character] = [
            "a", "b", "/", " ", "\"", "\\", "\n", "\0", "é", "日", "🇩🇪", "(", "*", "\u{301}", "\u{7F}",
        ]
        return String(list(6) { $0.generator.pick(letters, or: "a") })
    }

    private mutating func list<Element>(_ most: Int, _ element: (inout RandomRecipe) -> Element) -> [Element] {
        (0..<Int.random(in: 0...most, using: &generator)).map { _ in element(&self) }
    }

    private mutating func maybe<Value>(_ value: (inout RandomRecipe) -> Value) -> Value? {
        generator.chance(50) ? value(&self) : nil
    }

    private mutating func machine() -> MachineName {
        generator.chance(70) ? generator.pick(["a", "b", "c"], or: "a") : MachineName(text())
    }

    private mutating func checkpoint() -> CheckpointName {
        generator.chance(70) ? generator.pick(RandomRecipe.names, or: "one") : CheckpointName(text())
    }

    private mutating func number() -> UInt64 {
        generator.pick([0, 1, 512, 1 << 20, 1 << 40, .max, .max - 511, generator.next()], or: 0)
    }

    private mutating func location() -> SourceLocation? {
        maybe { SourceLocation(file: $0.text(), line: Int(truncatingIfNeeded: $0.number())) }
    }

    private mutating func wildMachine() -> MachineDefinition {
        MachineDefinition(
            name: machine(), memory: ByteSize(bytes: number()), processors: Int(truncatingIfNeeded: number()),
            boot: maybe { maker in
                .init(kernel: maker.path(), initrd: maker.maybe { $0.path() }, arguments: maker.maybe { $0.text() })
            },
            disks: list(3) { .init(name: $0.text(), size: ByteSize(bytes: $0.number())) },
            hasNetwork: generator.chance(50), clock: generator.chance(50) ? .host : .continue, at: location())
    }

    private mutating func path() -> String {
        generator.pick(["k", "i", ""], or: "k") + (generator.chance(20) ? text() : "")
    }

    private mutating func wildAction() -> Action {
        let within = TimeSpan.milliseconds(number())
        switch Int.random(in: 0..<21, using: &generator) {
        case 19: return .fork(machine(), of: machine(), from: maybe { $0.checkpoint() })
        case 20:
            return .exportCheckpoint(
                checkpoint(), of: machine(), to: path(), flattened: generator.chance(50), memory: generator.chance(50))
        case 8: return .pause(machine())
        case 9: return .resume(machine())
        case 10: return .save(machine())
        case 11: return .reset(machine())
        case 12: return .waitForReboot(machine(), within: within)
        case 13: return .type(machine(), text())
        case 14:
            let change = Action.Change(
                memory: maybe { ByteSize(bytes: $0.number()) },
                processors: maybe { Int(truncatingIfNeeded: $0.number()) }, arguments: maybe { $0.text() },
                notes: maybe { $0.text() })
            return .change(machine(), change)
        case 15:
            let format = generator.pick(MachineDefinition.Disk.Format.allCases, or: .vhd)
            return .attach(machine(), .init(name: text(), size: ByteSize(bytes: number()), format: format))
        case 16: return .detach(machine(), disk: text())
        case 17:
            let scope = generator.pick(Action.DeletionScope.allCases, or: .checkpoint)
            return .deleteCheckpoint(checkpoint(), of: maybe { $0.machine() }, scope)
        case 18: return .renameCheckpoint(checkpoint(), of: maybe { $0.machine() }, to: checkpoint())
        case 0: return .start(machine())
        case 1: return .shutDown(machine(), within: within, orElse: generator.chance(50) ? .fail : .turnOff)
        case 2: return .turnOff(machine())
        case 3:
            return .waitForConsole(machine(), generator.chance(50) ? .plain(text()) : .pattern(text()), within: within)
        case 4:
            let expect = Expectation(
                exitCode: Int(truncatingIfNeeded: number()), contains: list(2) { $0.text() },
                lacks: list(2) { $0.text() },
                equals: maybe { $0.text() })
            let command: Action.Command = generator.chance(50) ? .shell(text()) : .arguments(list(3) { $0.text() })
            return .run(machine(), command, expect: generator.chance(50) ? .success : expect, within: within)
        case 5:
            return .checkpoint(
                checkpoint(), of: maybe { $0.machine() }, replace: generator.chance(50), notes: maybe { $0.text() },
                kind: generator.chance(50) ? .standard : .diskOnly)
        case 6: return .revert(maybe { $0.machine() })
        default: return .apply(checkpoint(), of: maybe { $0.machine() })
        }
    }

    // MARK: Wild inventories

    /// Anything that an executor could report, and some things that none should: circles, equal identities, orphans.
    mutating func inventory(for recipe: Recipe) -> Inventory {
        Inventory(
            machines: list(3) { maker in
                let name = maker.machine()
                return Inventory.Machine(
                    name: name, id: maker.id(), state: MachineState.allCases.randomElement(using: &maker.generator),
                    owner: maker.maybe { $0.owner(recipe) },
                    tree: CheckpointTree(
                        checkpoints: maker.list(5) { $0.wildCheckpoint(recipe) }, now: maker.maybe { $0.id() }),
                    allowsCheckpoints: maker.generator.chance(80), forks: Set(maker.list(2) { $0.machine() }),
                    discardedForks: Set(maker.list(1) { $0.machine() }))
            },
            files: [
                "k": generator.chance(80)
                    ? .file(digest: Digest(bytes: [1]), size: ByteSize(bytes: number())) : .notAFile,
                "i": .file(digest: Digest(bytes: []), size: ByteSize(bytes: number())),
            ],
            folders: [
                "k": generator.pick([.exists, .noParent, .inLab, .unreadable("it is not yours")], or: .exists),
                "i": .free(path: "/i"),
            ],
            freeSpace: maybe { ByteSize(bytes: $0.number()) })
    }

    private mutating func id() -> GUID {
        Sample.id(UInt8.random(in: 0..<5, using: &generator))
    }

    private mutating func owner(_ recipe: Recipe) -> RecipeOwnership {
        RecipeOwnership(recipe: generator.chance(70) ? recipe.name : text(), definition: text())
    }

    private mutating func wildCheckpoint(_ recipe: Recipe) -> CheckpointTree.Checkpoint {
        CheckpointTree.Checkpoint(
            id: id(), name: checkpoint(), parent: maybe { $0.id() }, kind: .standard, hasMemory: generator.chance(50),
            time: Int64(truncatingIfNeeded: number()), notes: nil, owner: maybe { $0.owner(recipe) },
            isOrigin: generator.chance(30))
    }
}
