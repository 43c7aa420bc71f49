// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataEngine

/// What a guest writes on its console, as it comes, until the machine has no power.
///
/// Each iteration reads on its own; one that is too slow gets ``ConsoleOutput/Part/lost(_:)`` instead of what was forgotten.
/// A restore does not end it: ``ConsoleOutput/Part/restored(_:)`` says that the text before has not happened.
public struct ConsoleOutputs: AsyncSequence, Sendable {
    private let control: any MachineControl

    init(of control: any MachineControl) {
        self.control = control
    }

    /// Begins with the last 4 KiB.
    public func makeAsyncIterator() -> Iterator {
        Iterator(control: control)
    }

    /// One reader.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let control: any MachineControl
        private var parts: ArraySlice<ConsoleOutput.Part> = []
        private var position: Int?

        fileprivate init(control: any MachineControl) {
            self.control = control
        }

        /// The next piece; nil once the machine has no power.
        public mutating func next() async throws -> ConsoleOutput.Part? {
            if parts.isEmpty {
                let output = try await control.readConsole(from: position)
                position = output.next
                parts = output.parts[...]
            }
            return parts.popFirst()
        }
    }
}
