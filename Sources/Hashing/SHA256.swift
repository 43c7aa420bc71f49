// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import CCrypto

/// A running SHA-256 computation, by OpenSSL's libcrypto.
@safe public struct SHA256: ~Copyable {
    private let context: OpaquePointer?

    /// Begins a computation.
    public init() {
        let context = unsafe EVP_MD_CTX_new()
        unsafe self.context = context
        if unsafe context != nil { _ = unsafe EVP_DigestInit_ex(context, EVP_sha256(), nil) }
    }

    deinit {
        unsafe EVP_MD_CTX_free(context)
    }

    /// Takes in more bytes.
    public mutating func update(_ bytes: RawSpan) {
        unsafe bytes.withUnsafeBytes { buffer in
            _ = unsafe EVP_DigestUpdate(context, buffer.baseAddress, buffer.count)
        }
    }

    /// Ends the computation.
    public consuming func finish() -> Digest {
        var bytes = [UInt8](repeating: 0, count: 32)
        _ = unsafe EVP_DigestFinal_ex(context, &bytes, nil)
        return Digest(bytes: bytes)
    }

    /// The digest of some bytes at once.
    public static func digest(of bytes: some Sequence<UInt8>) -> Digest {
        var hash = SHA256()
        let array = Array(bytes)
        unsafe hash.update(array.span.bytes)
        return hash.finish()
    }
}

/// A SHA-256 digest.
public struct Digest: Hashable, Sendable, CustomStringConvertible {
    /// The 32 bytes.
    public let bytes: [UInt8]

    /// Takes the bytes of a digest.
    public init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// The digest in 64 lower-case hexadecimal digits.
    public var description: String {
        let digits = Array("0123456789abcdef")
        return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}
