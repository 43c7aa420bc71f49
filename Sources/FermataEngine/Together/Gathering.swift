// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Several machines that do one thing together: all of them, or none.
///
/// ```
///  every machine:  prepared ─► stopped ─► captured ─► ready ─────────────► done
///                     all ────────► all ────► all ───────► all, commit ─────┘
///                      └─ one fails: the meeting ends, and each goes on as before
/// ```
/// A machine that has no power passes the stages at once. If the process of the gathering ends, each machine looks at
/// the lab's files for what was decided.
struct Gathering {
    private let places: [(member: any LabMember, operation: JointOperation, mine: Rendezvous, theirs: Rendezvous)]

    init(_ members: [(any LabMember, JointOperation)]) throws(EngineError) {
        var places: [(any LabMember, JointOperation, Rendezvous, Rendezvous)] = []
        for (member, operation) in members {
            let (mine, theirs) = try Rendezvous.pair()
            places.append((member, operation, mine, theirs))
        }
        self.places = places
    }

    /// Does it.
    ///
    /// - Parameter commit: makes it happen for all at once.
    /// - Returns: what has become of each, in their order.
    /// - Throws: what the first machine that failed threw.
    func run(commit: () throws -> Void) async throws -> [JointOutcome] {
        try await withThrowingTaskGroup(of: (Int, Result<JointOutcome, any Error>).self) { group in
            for (index, place) in places.enumerated() {
                group.addTask {
                    defer { place.theirs.end() }
                    do {
                        return (index, .success(try await place.member.join(place.operation, at: place.theirs)))
                    } catch {
                        return (index, .failure(error))
                    }
                }
            }
            var failed: Int?
            var doubt: (any Error)?
            stages: for stage in (places.first?.operation.stages ?? []) + [.ready] {
                for (index, place) in places.enumerated()
                where await place.mine.receive(within: nil) != stage.rawValue {
                    failed = index
                    break stages
                }
                if stage == .ready {
                    do { try commit() } catch {
                        doubt = error
                        break stages
                    }
                }
                for place in places { _ = place.mine.send(Rendezvous.goOn) }
            }
            // Who still waits looks at the files.
            for place in places where failed != nil || doubt != nil { place.mine.end() }
            var results = [Result<JointOutcome, any Error>?](repeating: nil, count: places.count)
            for try await (index, result) in group { results[index] = result }
            if let doubt { throw doubt }
            if let failed, case .failure(let error) = results[failed] { throw error }
            return try results.compactMap { try $0?.get() }
        }
    }
}
