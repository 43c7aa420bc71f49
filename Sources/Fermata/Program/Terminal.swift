// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// The terminal behind standard error or standard output, if there is one.
package struct Terminal: Sendable {
    private let descriptor: CInt
    /// Whether lines may be drawn over.
    package let isInteractive: Bool
    /// Whether colours are wanted.
    package let hasColours: Bool

    /// Where messages go.
    package static var standardError: Terminal { Terminal(STDERR_FILENO) }
    /// Where data goes.
    package static var standardOutput: Terminal { Terminal(STDOUT_FILENO) }

    /// Looks at a descriptor and the environment.
    private init(_ descriptor: CInt) {
        let environment = ProcessInfo.processInfo.environment
        self.descriptor = descriptor
        isInteractive = isatty(descriptor) == 1 && environment["TERM"] != "dumb"
        hasColours = isInteractive && (environment["NO_COLOR"] ?? "").isEmpty
    }

    /// The number of columns now.
    package var columns: Int {
        var size = winsize()
        guard unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// The ways in which a text can stand out.
    package enum Colour: Int, Sendable {
        case red = 31
        case green = 32
        case yellow = 33
        case grey = 90
    }

    /// The text in a colour, where colours are wanted.
    package func paint(_ text: String, _ colour: Colour) -> String {
        hasColours ? "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// Begins the line anew.
    package static let clearLine: String = "\r\u{1B}[K"
}
