// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import Glibc
import SystemPackage

/// A command's streams as they cross a control socket: the descriptors, and which stream each of them is.
struct ControlStreams: Sendable {
    private static let names = ["input", "output", "error"]

    let descriptors: [ControlDescriptor]
    /// The names of the streams, in the order of the descriptors.
    private let given: [String]

    /// Takes copies of descriptors; the caller's stay the caller's.
    init(sharing streams: CommandStreams) throws(EngineError) {
        var (descriptors, given): ([ControlDescriptor], [String]) = ([], [])
        for (name, stream) in zip(Self.names, [streams.input, streams.output, streams.error]) {
            guard let stream else { continue }
            let copy = fcntl(stream.rawValue, F_DUPFD_CLOEXEC, 3)
            guard copy >= 0 else {
                throw EngineError(.system, "the command's \(name) cannot be handed over: \(Errno(rawValue: errno))")
            }
            descriptors.append(ControlDescriptor(owning: copy))
            given.append(name)
        }
        (self.descriptors, self.given) = (descriptors, given)
    }

    /// Takes those that came with a request.
    init(_ message: ControlMessage) throws(ControlViolation) {
        descriptors = message.descriptors
        given = try message.required(message.texts("streams"), "streams")
        guard given.count == descriptors.count, Set(given).count == given.count,
            given.allSatisfy(Self.names.contains)
        else { throw ControlViolation(description: "\"streams\" does not name the descriptors that came") }
    }

    var members: [String: JSON] { ["streams": .array(given.map { .string($0) })] }

    /// The streams; valid as long as this value.
    var streams: CommandStreams {
        func stream(_ name: String) -> FileDescriptor? {
            given.firstIndex(of: name).map { FileDescriptor(rawValue: descriptors[$0].rawValue) }
        }
        return CommandStreams(input: stream("input"), output: stream("output"), error: stream("error"))
    }
}
