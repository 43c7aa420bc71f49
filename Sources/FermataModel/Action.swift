// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// What a step does; one case for each word of the vocabulary.
public enum Action: Hashable, Sendable {
    /// Starts a machine that is off, or lets one that was saved go on.
    case start(MachineName)
    /// Asks the guest to power off, and waits for it.
    case shutDown(MachineName, within: TimeSpan, orElse: ShutDownFallback)
    /// Cuts a machine's power.
    case turnOff(MachineName)
    /// Holds a machine's processors still, its memory kept.
    case pause(MachineName)
    /// Lets a paused machine go on.
    case resume(MachineName)
    /// Writes memory and devices to the lab, and switches the machine off.
    case save(MachineName)
    /// Presses a machine's reset button.
    case reset(MachineName)
    /// Waits until the guest has restarted by itself, once more than was waited for.
    case waitForReboot(MachineName, within: TimeSpan)
    /// Waits for text on the console after the last text that was waited for.
    case waitForConsole(MachineName, ConsoleText, within: TimeSpan)
    /// Runs a command in the guest.
    case run(MachineName, Command, expect: Expectation, within: TimeSpan)
    /// Types a text on the guest's console.
    case type(MachineName, String)
    /// Holds a moment of one machine, or of the whole lab.
    case checkpoint(
        CheckpointName, of: MachineName?, replace: Bool, notes: String?, kind: CheckpointKind = .standard)
    /// Makes now equal to the checkpoint from which it grew; of one machine, or of the whole lab.
    case revert(MachineName?)
    /// Makes now equal to a checkpoint; of one machine, or of the whole lab.
    case apply(CheckpointName, of: MachineName?)
    /// Forgets a checkpoint, or what grew from it; of one machine, or of the whole lab.
    case deleteCheckpoint(CheckpointName, of: MachineName?, DeletionScope)
    /// Gives a checkpoint another name; of one machine, or of the whole lab.
    case renameCheckpoint(CheckpointName, of: MachineName?, to: CheckpointName)
    /// Writes a checkpoint to a new folder that needs nothing outside of it.
    case exportCheckpoint(CheckpointName, of: MachineName, to: String, flattened: Bool, memory: Bool)
    /// Makes a new machine that begins at a checkpoint of another; at that from which its now grew unless said.
    case fork(MachineName, of: MachineName, from: CheckpointName?)
    /// Changes the hardware of a machine that is off, or the notes of any.
    case change(MachineName, Change)
    /// Gives a machine that is off one more disk, behind those that it has.
    case attach(MachineName, MachineDefinition.Disk)
    /// Takes a disk away from a machine that is off.
    case detach(MachineName, disk: String)

    /// What of a machine changes; what is not said stays as it is.
    public struct Change: Hashable, Sendable {
        /// The memory, a multiple of 1 MiB.
        public var memory: ByteSize?
        /// The number of processors.
        public var processors: Int?
        /// The kernel's command line.
        public var arguments: String?
        /// The author's notes; an empty text removes them.
        public var notes: String?

        /// Makes a change.
        public init(
            memory: ByteSize? = nil, processors: Int? = nil, arguments: String? = nil, notes: String? = nil
        ) {
            self.memory = memory
            self.processors = processors
            self.arguments = arguments
            self.notes = notes
        }

        /// Whether it changes something that only a machine without power can take.
        public var isOfHardware: Bool { memory != nil || processors != nil || arguments != nil }
    }

    /// What a shut-down does when its time is over.
    public enum ShutDownFallback: String, Hashable, Sendable, Codable {
        /// The step fails and the machine runs on.
        case fail
        /// The machine's power is cut.
        case turnOff
    }

    /// How much of a machine a checkpoint is to hold.
    public enum CheckpointKind: String, Hashable, Sendable, Codable, CaseIterable {
        /// Configuration, disks, and memory and devices if the machine is not off.
        case standard
        /// Configuration and disks, as a power cut at that moment leaves them.
        case diskOnly = "disk-only"
    }

    /// What goes with a checkpoint that is deleted.
    public enum DeletionScope: String, Hashable, Sendable, Codable, CaseIterable {
        /// The checkpoint alone.
        case checkpoint
        /// The checkpoint and all that grew from it.
        case subtree
        /// All that grew from it, but not the checkpoint.
        case children
    }

    /// What is looked for on a console.
    public enum ConsoleText: Hashable, Sendable {
        /// The text itself.
        case plain(String)
        /// A regular expression.
        case pattern(String)
    }

    /// A command for the guest.
    public enum Command: Hashable, Sendable {
        /// A string for `/bin/sh -c`.
        case shell(String)
        /// A program and its arguments.
        case arguments([String])
    }

    /// The word of the vocabulary, as it is spelled in Swift, in plans and in messages.
    public var word: String {
        switch self {
        case .start: "Start"
        case .shutDown: "ShutDown"
        case .turnOff: "TurnOff"
        case .pause: "Pause"
        case .resume: "Resume"
        case .save: "Save"
        case .reset: "Reset"
        case .waitForReboot: "WaitForReboot"
        case .waitForConsole: "WaitForConsole"
        case .run: "Run"
        case .type: "Type"
        case .checkpoint: "Checkpoint"
        case .revert: "Revert"
        case .apply: "Apply"
        case .deleteCheckpoint: "DeleteCheckpoint"
        case .renameCheckpoint: "RenameCheckpoint"
        case .exportCheckpoint: "ExportCheckpoint"
        case .fork: "Fork"
        case .change: "Change"
        case .attach: "Attach"
        case .detach: "Detach"
        }
    }

    /// The machine that the step is about, if it names one; of a fork that from which it is made.
    public var machine: MachineName? {
        switch self {
        case .start(let name), .shutDown(let name, _, _), .turnOff(let name), .pause(let name), .resume(let name),
            .save(let name), .reset(let name), .waitForReboot(let name, _), .waitForConsole(let name, _, _),
            .run(let name, _, _, _), .type(let name, _), .change(let name, _), .attach(let name, _),
            .detach(let name, _), .exportCheckpoint(_, of: let name, _, _, _), .fork(_, of: let name, _):
            name
        case .checkpoint(_, of: let name, _, _, _), .revert(let name), .apply(_, of: let name),
            .deleteCheckpoint(_, of: let name, _), .renameCheckpoint(_, of: let name, _):
            name
        }
    }
}

/// What must hold of a command's end for its step to succeed.
public struct Expectation: Hashable, Sendable, Codable {
    /// The exit code that counts as success.
    public var exitCode: Int
    /// Texts that standard output must contain.
    public var contains: [String]
    /// Texts that standard output must not contain.
    public var lacks: [String]
    /// What standard output must be, without white space at its ends.
    public var equals: String?

    /// Expects exit code 0 unless said, and nothing of the output unless said.
    public init(exitCode: Int = 0, contains: [String] = [], lacks: [String] = [], equals: String? = nil) {
        self.exitCode = exitCode
        self.contains = contains
        self.lacks = lacks
        self.equals = equals
    }

    /// Exit code 0 and any output.
    public static let success: Expectation = Expectation()

    /// What of the expectation a command's end did not meet, as the end of a sentence; nil when it met all.
    public func unmet(exitCode: Int, output: String) -> String? {
        if exitCode != self.exitCode { return "expected exit code \(self.exitCode), got \(exitCode)" }
        for text in contains where !output.contains(text) { return "expected output that contains \"\(text)\"" }
        for text in lacks where output.contains(text) { return "expected output without \"\(text)\"" }
        guard let equals, Expectation.trimmed(output) != Expectation.trimmed(equals) else { return nil }
        return "expected the output \"\(Expectation.trimmed(equals))\""
    }

    private static func trimmed(_ text: String) -> Substring {
        var rest = text[...]
        while rest.first?.isWhitespace == true { rest.removeFirst() }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return rest
    }
}
