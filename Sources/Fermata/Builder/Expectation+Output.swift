// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension Expectation {
    /// Exit code 0, unless another is said, and output that contains texts.
    public static func output(contains texts: String..., exitCode: Int = 0) -> Expectation {
        Expectation(exitCode: exitCode, contains: texts)
    }

    /// Exit code 0, unless another is said, and output that contains none of some texts.
    public static func output(lacks texts: String..., exitCode: Int = 0) -> Expectation {
        Expectation(exitCode: exitCode, lacks: texts)
    }

    /// Exit code 0, unless another is said, and exactly this output, white space at its ends aside.
    public static func output(equals text: String, exitCode: Int = 0) -> Expectation {
        Expectation(exitCode: exitCode, equals: text)
    }

    /// That exit code, and any output.
    public static func exitCode(_ code: Int) -> Expectation {
        Expectation(exitCode: code)
    }
}
