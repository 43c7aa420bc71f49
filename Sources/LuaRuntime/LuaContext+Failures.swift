// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import CLuaShims

extension LuaContext {
    /// Throws what a failed operation left behind.
    func check(_ reason: Int32) throws(LuaError) {
        guard reason != Int32(FLUA_NONE.rawValue) else { return }
        guard let state = unsafe state, let failure = unsafe flua_last_failure(state)?.pointee else {
            throw LuaError(.unusable, "the Lua state is closed: make a new one")
        }
        throw unsafe error(for: failure)
    }

    private func error(for failure: flua_failure) -> LuaError {
        let frames = unsafe Self.frames(of: failure)
        let place = frames.lazy.compactMap(\.location).first
        let leftOut = unsafe Int(failure.frames_left_out)
        func ended(_ code: LuaError.Code, _ message: String) -> LuaError {
            LuaError(code, message, at: place, traceback: frames, framesLeftOut: leftOut)
        }
        switch unsafe flua_reason(UInt32(failure.reason)) {
        case FLUA_MEMORY:
            let limit = limits.memory.map { " of \(Self.size($0))" } ?? " (the system has no more)"
            return ended(.memoryLimit, "the script reached its memory limit\(limit): use less, or raise the limit")
        case FLUA_STEPS:
            let limit = limits.instructions.map { " of \($0) instructions" } ?? ""
            return ended(.instructionLimit, "the script reached its limit\(limit): \(Self.remedy)")
        case FLUA_TIME:
            let limit = limits.time.map { " of \($0)" } ?? ""
            return ended(.timeLimit, "the script reached its time limit\(limit): \(Self.remedy)")
        case FLUA_CANCELLED:
            return ended(.cancelled, "the script was cancelled")
        case FLUA_FINALIZING:
            return ended(.unusable, "a Lua state cannot be used while it lets go of an object: do so later")
        default:
            return unsafe raised(failure, frames)
        }
    }

    private func raised(_ failure: flua_failure, _ frames: [LuaFrame]) -> LuaError {
        let text = unsafe Self.message(of: failure)
        let leftOut = unsafe Int(failure.frames_left_out)
        // A script that raises a caught text again may have put a position in front.
        let known = thrown.last { $0.text == text || ($0.error.location != nil && text.hasSuffix($0.text)) }
        if let known {
            var error = known.error
            if error.traceback.isEmpty {
                error.traceback = frames
                error.framesLeftOut = leftOut
            }
            return error
        }
        var message = text
        var location = frames.lazy.compactMap(\.location).first
        // The text starts with the position that `error` or Lua itself put there: it is that of one of the calls.
        for index in 0..<Int(unsafe failure.frame_count) {
            guard let prefix = unsafe failure.frames[index].prefix.map({ unsafe String(cString: $0) }) else { continue }
            guard text.hasPrefix(prefix) else { continue }
            message = String(text.dropFirst(prefix.count))
            location = frames[index].location
            break
        }
        var code = LuaError.Code.runtime
        if unsafe flua_reason(UInt32(failure.reason)) == FLUA_SYNTAX {
            code = .syntax
        } else if unsafe failure.raised_by_script != 0 && message.hasPrefix("attempt to ") {
            code = .type
        } else if unsafe failure.raised_by_script == 0 && message.hasPrefix("bad argument #") {
            code = .argument
        }
        return LuaError(code, message, at: location, traceback: frames, framesLeftOut: leftOut)
    }

    static func frames(of failure: flua_failure) -> [LuaFrame] {
        var frames: [LuaFrame] = []
        for index in 0..<Int(unsafe failure.frame_count) {
            let frame = unsafe failure.frames[index]
            let name = unsafe frame.name.map { unsafe String(cString: $0) }
            var location: LuaLocation?
            if let chunk = unsafe frame.chunk {
                location = unsafe LuaLocation(chunk: String(cString: chunk), line: Int(frame.line))
            }
            let kind: LuaFrame.Kind =
                switch unsafe flua_frame_kind(UInt32(frame.kind)) {
                case FLUA_FRAME_MAIN: .chunk
                case FLUA_FRAME_SCRIPT: .script
                case FLUA_FRAME_HOST: .host
                default: .library
                }
            frames.append(LuaFrame(kind: kind, name: name, location: location))
        }
        return frames
    }

    private static func message(of failure: flua_failure) -> String {
        guard let message = unsafe failure.message else { return "an error without a message" }
        let bytes = unsafe UnsafeRawBufferPointer(start: message, count: failure.message_length)
        return unsafe String(decoding: bytes, as: UTF8.self)
    }

    private static let remedy = "look for an endless loop, or raise the limit"

    private static func size(_ bytes: Int) -> String {
        for (unit, scale) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] where bytes > 0 && bytes % (1 << scale) == 0 {
            return "\(bytes >> scale) \(unit)"
        }
        return "\(bytes) bytes"
    }
}
