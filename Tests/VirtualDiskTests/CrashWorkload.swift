// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

/// Requests to a chain in recorded files, with what each sector may read as after a crash between any two changes.
struct CrashWorkload {
    /// One request and the changes that it made.
    struct Event {
        /// The number of its write; nil for a flush.
        var number: Int?
        var sectors: Range<Int>
        var firstChange: Int
        var endChange: Int
        var hasSucceeded: Bool = true
    }

    static let sectors: Int = (5 << 20) / 512 + 3

    let format: DiskFormat
    let start: [String: [UInt8]]
    let tree: RecordingTree
    var generator: SeededGenerator
    var chain: DiskChain
    var leaf: [String]
    /// What the sectors held before the first event.
    var original: [Int]
    var events: [Event] = []
    private var next: Int = 1000

    init(seed: UInt64, kind: DiskKind, format: DiskFormat = .vhd) throws {
        self.format = format
        let folder = try TemporaryFolder()
        let size = UInt64(Self.sectors) * 512
        var files: [String: [UInt8]] = [:]
        original = Array(repeating: 0, count: Self.sectors)
        func take(_ name: String) throws {
            let store = try FileStore(opening: folder.appending(name), access: .readOnly)
            files[name] = try store.bytes(at: 0, count: Int(store.length()))
        }
        try format.create(at: folder.appending("base.\(format)"), size: size)
        var leaf = "base.\(format)"
        if kind == .differencing {
            let base = try DiskChain.open(folder.appending(leaf), beneath: folder.path, access: .readWrite)
            for (number, range) in [(1, 10..<60), (2, 4000..<4200), (3, Self.sectors - 5..<Self.sectors)] {
                try base.write(StampedSectors.bytes(number, range), at: UInt64(range.lowerBound) * 512)
                for sector in range { original[sector] = number }
            }
            try base.close()
            try format.createChild(at: folder.appending("child.a\(format)"), of: folder.appending(leaf))
            leaf = "child.a\(format)"
            try format.createChild(at: folder.appending("next.a\(format)"), of: folder.appending(leaf))
            try take("child.a\(format)")
            try take("next.a\(format)")
        }
        try take("base.\(format)")
        start = files
        tree = RecordingTree(files)
        self.leaf = [leaf]
        // The child that is to follow was made of the disk as it is.
        chain = try DiskChain.open([leaf], in: tree, access: .readWrite, keepingIdentity: true)
        generator = SeededGenerator(seed: seed)
    }

    mutating func extend() throws {
        leaf = ["next.a\(format)"]
        chain = try chain.extended(byChildAt: leaf)
    }

    mutating func step() throws {
        let first = tree.logCount
        if Int.random(in: 0..<6, using: &generator) == 0 {
            try chain.flush()
            noteFlush(from: first)
            return
        }
        var event = nextWrite(from: first)
        try perform(event)
        event.endChange = tree.logCount
        events.append(event)
    }

    mutating func stepThatMayFail() {
        let first = tree.logCount
        if Int.random(in: 0..<4, using: &generator) == 0 {
            if (try? chain.flush()) != nil { noteFlush(from: first) }
            return
        }
        var event = nextWrite(from: first)
        event.hasSucceeded = (try? perform(event)) != nil
        event.endChange = tree.logCount
        events.append(event)
    }

    mutating func noteFlush(from first: Int? = nil) {
        let end = tree.logCount
        events.append(Event(number: nil, sectors: 0..<0, firstChange: first ?? end, endChange: end))
    }

    private mutating func nextWrite(from first: Int) -> Event {
        let count = [1, 3, 8, 20, 200].randomElement(using: &generator) ?? 1
        let places = [0, 4, 4090, 8180, Int.random(in: 0..<Self.sectors, using: &generator), Self.sectors - count]
        let start = places.randomElement(using: &generator) ?? 0
        next += 1
        let isZero = Int.random(in: 0..<4, using: &generator) == 0
        return Event(
            number: isZero ? 0 : next, sectors: start..<min(start + count, Self.sectors), firstChange: first,
            endChange: first)
    }

    private func perform(_ event: Event) throws {
        let offset = UInt64(event.sectors.lowerBound) * 512
        if event.number == 0 {
            try chain.writeZeroes(offset..<UInt64(event.sectors.upperBound) * 512)
        } else {
            try chain.write(StampedSectors.bytes(event.number ?? 0, event.sectors), at: offset)
        }
    }

    /// Checks a disk that was cut off after so many changes.
    func check(
        _ files: [String: [UInt8]], after changes: Int, _ comment: String, goesOn: Bool = false
    ) throws {
        var certain = original
        var possible: [[Int]] = Array(repeating: [], count: Self.sectors)
        let lastFlush = events.lastIndex { $0.number == nil && $0.endChange <= changes } ?? -1
        for (index, event) in events.enumerated() {
            guard let number = event.number, event.firstChange < changes || index < lastFlush else { continue }
            for sector in event.sectors {
                if index < lastFlush, event.hasSucceeded {
                    certain[sector] = number
                    possible[sector] = []
                } else {
                    possible[sector].append(number)
                }
            }
        }
        let crashed = RecordingTree(files)
        let chain = try DiskChain.open(leaf, in: crashed, access: .readWrite)
        let found = StampedSectors.numbers(try chain.bytes(at: 0, count: Self.sectors * 512))
        for (sector, number) in found.enumerated() where number != certain[sector] {
            guard possible[sector].contains(number) else {
                Issue.record(
                    "\(comment), \(changes) changes: sector \(sector) is of write \(number), not \(certain[sector])")
                return
            }
        }
        guard goesOn else { return }
        // The disk must go on to work: what is written now is there, and everything else stays.
        let range = 4000..<4200
        try chain.write(StampedSectors.bytes(999, range), at: UInt64(range.lowerBound) * 512)
        try chain.close()
        let again = try DiskChain.open(leaf, in: crashed, access: .readOnly)
        var expected = found
        for sector in range { expected[sector] = 999 }
        #expect(StampedSectors.numbers(try again.bytes(at: 0, count: Self.sectors * 512)) == expected, "\(comment)")
    }

    mutating func checkEveryCrash() throws {
        var files = CrashedFiles(start)
        let log = tree.log
        for (index, change) in log.enumerated() {
            files.advance(change)
            try check(files.all, after: index + 1, "all", goesOn: index % 4 == 0)
            for round in 0..<2 {
                let some = files.some(using: &generator)
                try check(some, after: index + 1, "some", goesOn: index % 4 == 1 && round == 0)
            }
        }
    }

    /// Checks that the disk still works, or after a lost synchronization works again once it was opened anew.
    mutating func checkAfterFaults(_ comment: String) throws {
        var files = CrashedFiles(start)
        for change in tree.log { files.advance(change) }
        try check(files.all, after: .max, comment, goesOn: true)
        try check(files.some(using: &generator), after: .max, comment)
        if (try? chain.flush()) != nil {
            noteFlush()
            var files = CrashedFiles(start)
            for change in tree.log { files.advance(change) }
            try check(files.some(using: &generator), after: .max, "\(comment), flushed again")
        }
    }
}
