// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import SystemPackage

extension QMPClient {
    /// Gives the peer a descriptor, which it then knows as `/dev/fdset/<number>`.
    ///
    /// The peer opens it only for the access that the descriptor itself has.
    public func addDescriptor(_ descriptor: FileDescriptor) async throws(QMPError) -> Int64 {
        let result = try await execute("add-fd", passing: descriptor)
        guard let number = result["fdset-id"]?.integer else {
            throw QMPError(.malformed, command: "add-fd", detail: "no number in \(result)")
        }
        return number
    }

    /// Takes descriptors given by ``addDescriptor(_:)`` back.
    public func removeDescriptors(_ number: Int64) async throws(QMPError) {
        _ = try await execute("remove-fd", ["fdset-id": .integer(number)])
    }

    /// Gives the peer a descriptor under a name, for one use.
    public func nameDescriptor(_ name: String, _ descriptor: FileDescriptor) async throws(QMPError) {
        _ = try await execute("getfd", ["fdname": .string(name)], passing: descriptor)
    }
}
