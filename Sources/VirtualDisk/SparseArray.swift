// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// An array most of whose elements are alike: only groups of which one was set take memory.
struct SparseArray<Element: Sendable>: Sendable {
    let count: Int
    private let filler: Element
    private var starts: [Int32]
    private var elements: [Element] = []

    /// The elements of one group.
    static var group: Int { 512 }

    init(count: Int, of filler: Element) {
        self.count = count
        self.filler = filler
        starts = Array(repeating: -1, count: (count + Self.group - 1) / Self.group)
    }

    var groupCount: Int { starts.count }

    /// Whether one of the group's elements was ever set.
    func hasGroup(_ number: Int) -> Bool { starts[number] >= 0 }

    subscript(index: Int) -> Element {
        get {
            let start = starts[index / Self.group]
            return start < 0 ? filler : elements[Int(start) * Self.group + index % Self.group]
        }
        set {
            let number = index / Self.group
            if starts[number] < 0 {
                starts[number] = Int32(elements.count / Self.group)
                elements.append(contentsOf: repeatElement(filler, count: Self.group))
            }
            elements[Int(starts[number]) * Self.group + index % Self.group] = newValue
        }
    }
}
