// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension Diagnostic {
    /// The kinds of mistakes; more may come.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name.
        public let description: String

        private init(_ description: String) {
            self.description = description
        }

        /// A name of a recipe, machine, disk or checkpoint that breaks the rules of names.
        public static let invalidName: Code = Code("invalidName")
        /// Two machines of one name, two disks of one machine of one name.
        public static let duplicateName: Code = Code("duplicateName")
        /// Memory, processors, a disk or a duration out of its range.
        public static let invalidValue: Code = Code("invalidValue")
        /// A text that must not be empty is, or cannot be passed on.
        public static let invalidText: Code = Code("invalidText")
        /// A regular expression that cannot be read.
        public static let invalidPattern: Code = Code("invalidPattern")
        /// A file that is not there, or is no file, or cannot be read.
        public static let missingFile: Code = Code("missingFile")
        /// A machine without boot files and disks.
        public static let nothingToBoot: Code = Code("nothingToBoot")
        /// A step names a machine that the recipe does not define.
        public static let unknownMachine: Code = Code("unknownMachine")
        /// A step names a checkpoint that does not exist at that point.
        public static let unknownCheckpoint: Code = Code("unknownCheckpoint")
        /// A checkpoint of that name exists at that point.
        public static let duplicateCheckpoint: Code = Code("duplicateCheckpoint")
        /// A step names a disk that the machine does not have at that point.
        public static let unknownDisk: Code = Code("unknownDisk")
        /// A machine cannot be in the state that the step needs.
        public static let wrongState: Code = Code("wrongState")
        /// A step of the whole lab that can only be one of a single machine.
        public static let wholeLab: Code = Code("wholeLab")
        /// A machine or checkpoint of that name exists, and the recipe did not make it.
        public static let notOwned: Code = Code("notOwned")
        /// A folder that a step is to make exists already, or an earlier step makes it.
        public static let folderExists: Code = Code("folderExists")
        /// A machine's author forbids what the step does.
        public static let forbidden: Code = Code("forbidden")
        /// A machine of the recipe is in use elsewhere.
        public static let inUse: Code = Code("inUse")
        /// A machine must be made again, but holds checkpoints that would be lost, or has lost its origin.
        public static let cannotStartOver: Code = Code("cannotStartOver")
        /// There is too little space, or perhaps too little.
        public static let space: Code = Code("space")
    }
}
