// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension QMPClient {
    /// Writes the state of all devices, without memory, to a file; only while the processors stand.
    public func saveDevices(to path: String) async throws(QMPError) {
        // `live` is true unless said, and would inactivate every disk.
        _ = try await execute("xen-save-devices-state", ["filename": .string(path), "live": false])
    }

    /// Loads the state of a snapshot that a block node holds, and returns when that is done.
    public func loadSnapshot(_ tag: String, node: String) async throws(QMPError) {
        let job = "load"
        let ended = try await event(
            "JOB_STATUS_CHANGE",
            where: { $0.data["id"]?.string == job && $0.data["status"]?.string == "concluded" },
            after: { () async throws(QMPError) in
                _ = try await execute(
                    "snapshot-load",
                    ["job-id": .string(job), "tag": .string(tag), "vmstate": .string(node), "devices": [.string(node)]])
            })
        let jobs = try await execute("query-jobs").array ?? []
        _ = try await execute("job-dismiss", ["id": .string(job)])
        guard let result = jobs.first(where: { $0["id"]?.string == job }) else {
            throw QMPError(.malformed, command: "query-jobs", detail: "the job of event \(ended.data) is not listed")
        }
        if let problem = result["error"]?.string {
            throw QMPError(.refused, command: "snapshot-load", detail: problem)
        }
    }

    /// How many elements of a virtio queue a device has taken and not given back.
    ///
    /// - Parameters:
    ///   - device: the path of the virtio device in the object tree.
    ///   - queue: the queue's number.
    public func elementsInUse(of device: String, queue: Int) async throws(QMPError) -> Int {
        let command = "x-query-virtio-queue-status"
        let status = try await execute(command, ["path": .string(device), "queue": .integer(Int64(queue))])
        guard let count = status["inuse"]?.integer else {
            throw QMPError(.malformed, command: command, detail: "the status of queue \(queue) has no number in use")
        }
        return Int(count)
    }
}
