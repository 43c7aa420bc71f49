// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Which of a table's parts are to be written, each one once.
struct DirtyList: Sendable {
    private var flags: [Bool]
    private var numbers: [Int] = []

    init(count: Int) {
        flags = Array(repeating: false, count: count)
    }

    var isEmpty: Bool { numbers.isEmpty }
    var count: Int { numbers.count }

    mutating func mark(_ number: Int) {
        guard !flags[number] else { return }
        flags[number] = true
        numbers.append(number)
    }

    /// Hands over what is marked, and forgets it.
    mutating func take() -> [Int] {
        for number in numbers { flags[number] = false }
        defer { numbers.removeAll(keepingCapacity: true) }
        return numbers
    }
}
