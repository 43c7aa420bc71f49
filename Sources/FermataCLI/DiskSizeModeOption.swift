// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import VirtualDisk

/// Which of a VHD's two sizes counts.
struct DiskSizeModeOption: ParsableArguments {
    /// The modes by their names.
    enum Name: String, CaseIterable, ExpressibleByArgument {
        case current
        case geometry
        case auto
    }

    @Option(
        help: ArgumentHelp(
            "Which size of a VHD counts: current, geometry, or auto, as the program means it that made it.",
            valueName: "mode"))
    var sizeMode: Name = .auto

    /// The mode that was asked for.
    var mode: DiskSizeMode {
        switch sizeMode {
        case .current: .current
        case .geometry: .geometry
        case .auto: .auto
        }
    }
}

extension DiskChain {
    /// Says on standard error what is odd about the disks.
    func tellWarnings() {
        for warning in warnings { ProgramOutput.message("\(ProgramOutput.name): warning: \(warning)") }
    }
}
