// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension QMPClient {
    /// The peer's version, such as `7.2.22`.
    public var version: String? {
        guard let version = greeting["QMP"]?["version"]?["qemu"], let major = version["major"]?.integer,
            let minor = version["minor"]?.integer, let micro = version["micro"]?.integer
        else { return nil }
        return "\(major).\(minor).\(micro)"
    }

    /// The names of the machine types that the peer offers.
    public func machineTypes() async throws(QMPError) -> [String] {
        try await execute("query-machines").array?.compactMap { $0["name"]?.string } ?? []
    }

    /// Every feature of a processor model, by name.
    public func processorFeatures(_ model: String) async throws(QMPError) -> JSONValue {
        let result = try await execute(
            "query-cpu-model-expansion", ["type": "full", "model": ["name": .string(model)]])
        return result["model"] ?? .null
    }

    /// The answer to a command line of the human monitor.
    public func humanMonitor(_ line: String) async throws(QMPError) -> String {
        let result = try await execute("human-monitor-command", ["command-line": .string(line)])
        guard let text = result.string else {
            throw QMPError(.malformed, command: line, detail: "no text in \(result)")
        }
        return text
    }
}
