// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// The numbers by which each kind of message is known.
enum Magic {
    /// The server's first eight bytes: "NBDMAGIC".
    static let greeting: UInt64 = 0x4e42_444d_4147_4943
    /// Announces fixed newstyle, and starts every option: "IHAVEOPT".
    static let option: UInt64 = 0x4948_4156_454f_5054
    /// Starts every reply to an option.
    static let optionReply: UInt64 = 0x0003_e889_0455_65a9
    /// Starts every request.
    static let request: UInt32 = 0x2560_9513
    /// Starts a simple reply.
    static let simpleReply: UInt32 = 0x6744_6698
    /// Starts each chunk of a structured reply.
    static let structuredReply: UInt32 = 0x668e_33ef
}
