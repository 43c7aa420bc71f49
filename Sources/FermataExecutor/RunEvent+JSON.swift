// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataEngine
public import FermataModel
import FermataPlan

/// Events as lines of JSON, each a document by itself: `"format": "fermata-events"`, `"version": 1`.
///
/// ```
/// {"event": "planned", "operations": 12, "recipe": "first-lab"}
/// {"event": "operationStarted", "at", "do", "machine", "number", "phase", "step", "summary", "time", ...}
/// {"event": "operationFinished", "milliseconds", "outcome", ...}
/// {"event": "operationFailed", "code", "message", "milliseconds", "notes": [{"stdout": text}], ...}
/// {"event": "kept", "checkpoint", "machine"}
/// {"event": "stopped", "code", "message"}
/// {"event": "finished", "machines": [{"checkpoints", "id", "machine", "now"}]}
/// ```
/// `time` counts milliseconds since the run began. The `outcome` of a checkpoint is `{"durableMilliseconds", "id", "name",
/// "pauseMilliseconds"}`, that of a restore `{"checkpoint", "milliseconds", "way"}`.
extension RunEvent {
    /// The documents' format.
    public static let format: String = "fermata-events"
    /// The documents' version.
    public static let version: Int = 1

    /// The event as a JSON object.
    public var jsonValue: JSON {
        var members = kind.jsonMembers
        members["format"] = .string(RunEvent.format)
        members["version"] = .integer(RunEvent.version)
        members["time"] = .integer(time.wholeMilliseconds)
        return .object(members)
    }
}

extension RunEvent.Kind {
    fileprivate var jsonMembers: [String: JSON] {
        switch self {
        case .planned(let plan):
            [
                "event": "planned", "recipe": .string(plan.recipe), "recipeDigest": .string(plan.recipeDigest),
                "operations": .integer(plan.operations.count),
            ]
        case .operationStarted(let operation):
            operation.jsonMembers.merging(["event": "operationStarted"]) { $1 }
        case .operationFinished(let operation, let took, let detail):
            operation.jsonMembers
                .merging(["event": "operationFinished", "milliseconds": .integer(took.wholeMilliseconds)]) { $1 }
                .merging(detail?.jsonMembers ?? [:]) { $1 }
        case .operationFailed(let operation, let took, let error):
            operation.jsonMembers
                .merging(["event": "operationFailed", "milliseconds": .integer(took.wholeMilliseconds)]) { $1 }
                .merging(error.jsonMembers) { $1 }
        case .kept(let machine, let checkpoint, let problem):
            JSON.present([
                "event": "kept", "machine": .string(machine.description),
                "checkpoint": problem == nil ? .string(checkpoint.description) : nil,
                "message": problem.map { .string($0) },
            ])
        case .stopped(let error): error.jsonMembers.merging(["event": "stopped"]) { $1 }
        case .finished(let outcome):
            ["event": "finished", "machines": .array(outcome.machines.map(\.jsonValue))]
        }
    }
}

extension RunOperation {
    fileprivate var jsonMembers: [String: JSON] {
        guard case .object(let members) = operation.jsonValue(number: number) else { return [:] }
        return members
    }
}

extension OperationDetail {
    fileprivate var jsonMembers: [String: JSON] {
        switch self {
        case .checkpoint(let outcome): ["outcome": outcome.jsonValue]
        case .restore(let outcome): ["outcome": outcome.jsonValue]
        case .command(let exitCode): ["outcome": ["exitCode": .integer(exitCode)]]
        case .console(let text): ["outcome": ["text": .string(text)]]
        case .machine(let id): ["outcome": ["id": .string(id.description)]]
        }
    }
}

extension CheckpointOutcome {
    /// The outcome as a JSON object.
    public var jsonValue: JSON {
        [
            "id": .string(id.description), "name": .string(name.description),
            "pauseMilliseconds": .milliseconds(ofMicroseconds: pauseMicroseconds),
            "durableMilliseconds": .integer(durableMilliseconds),
        ]
    }
}

extension RestoreOutcome {
    /// The outcome as a JSON object.
    public var jsonValue: JSON {
        [
            "checkpoint": .string(checkpoint.description), "way": .string(way.rawValue),
            "milliseconds": .milliseconds(ofMicroseconds: microseconds),
        ]
    }
}

extension RunOutcome.Machine {
    fileprivate var jsonValue: JSON {
        .object(
            tree.listed.jsonMembers.merging([
                "machine": .string(name.description), "id": .string(id.description),
            ]) { $1 })
    }
}

extension RunError {
    fileprivate var jsonMembers: [String: JSON] {
        JSON.present([
            "code": .string(code.description), "message": .string(message),
            "notes": notes.isEmpty ? nil : .array(notes.map { [$0.title: .string($0.text)] }),
        ])
    }
}

extension JSON {
    /// The members that are there.
    fileprivate static func present(_ members: [String: JSON?]) -> [String: JSON] {
        members.compactMapValues { $0 }
    }

    /// A number of milliseconds with a fraction.
    fileprivate static func milliseconds(ofMicroseconds count: Int64) -> JSON {
        Number(Double(count) / 1000).map { .number($0) } ?? .null
    }
}

extension Duration {
    /// The number of milliseconds, the rest left out.
    package var wholeMilliseconds: Int64 { Int64(self / .milliseconds(1)) }
}
