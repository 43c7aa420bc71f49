// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension RecordingTree.Change {
    /// The file whose bytes it changes; nil for a change of names.
    package var file: String? {
        switch self {
        case .write(let file, _, _), .zero(let file, _), .length(let file, _), .synchronize(let file): file
        case .create, .remove, .rename, .synchronizeNames: nil
        }
    }

    /// Makes the change to the files' names, if it is one of those.
    package func apply(toNames names: inout [String: String]) {
        switch self {
        case .create(let name, let file): names[name] = file
        case .remove(let name): names[name] = nil
        case .rename(let from, let to): names[to] = names.removeValue(forKey: from)
        case .write, .zero, .length, .synchronize, .synchronizeNames: break
        }
    }

    /// Makes the change to a file's bytes, one sector of it at a time as far as `keeps` says.
    package func apply(to bytes: inout [UInt8], keeps: () -> Bool = { true }) {
        switch self {
        case .write(_, let offset, let source):
            var position = 0
            while position < source.count {
                let count = min(512 - (Int(offset) + position) % 512, source.count - position)
                if keeps() {
                    let start = Int(offset) + position
                    if bytes.count < start + count {
                        bytes.append(contentsOf: [UInt8](repeating: 0, count: start + count - bytes.count))
                    }
                    unsafe bytes.withUnsafeMutableBytes { target in
                        unsafe source.withUnsafeBytes { source in
                            unsafe target[start..<start + count].copyBytes(from: source[position..<position + count])
                        }
                    }
                }
                position += count
            }
        case .zero(let file, let range):
            let end = min(range.upperBound, UInt64(bytes.count))
            guard range.lowerBound < end else { return }
            let zeros = [UInt8](repeating: 0, count: Int(end - range.lowerBound))
            Self.write(file: file, offset: range.lowerBound, bytes: zeros).apply(to: &bytes, keeps: keeps)
        case .length(_, let length):
            guard keeps() else { return }
            if bytes.count > Int(length) {
                bytes.removeLast(bytes.count - Int(length))
            } else {
                bytes.append(contentsOf: [UInt8](repeating: 0, count: Int(length) - bytes.count))
            }
        case .synchronize, .create, .remove, .rename, .synchronizeNames: break
        }
    }
}
