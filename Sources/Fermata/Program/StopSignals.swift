// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc
import Synchronization

/// What SIGINT, SIGTERM and the like mean while it lives: the first asks to stop in order, the second stops at once.
package final class StopSignals {
    private let sources: [any DispatchSourceSignal]
    /// What the signals meant before.
    private let before: [(number: CInt, handler: __sighandler_t?)]

    /// Listens from now on.
    ///
    /// - Parameters:
    ///   - numbers: the signals.
    ///   - first: what the first signal does.
    ///   - again: what every later one does; unless said, the process ends at once.
    package init(
        on numbers: [CInt] = [SIGINT, SIGTERM], _ first: @escaping @Sendable () -> Void,
        again: @escaping @Sendable () -> Void = { _exit(1) }
    ) {
        let queue = DispatchQueue(label: "fermata.signals")
        let isFirst = FirstTime()
        before = numbers.map { ($0, signal($0, SIG_IGN)) }
        sources = numbers.map { number in
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { isFirst.take() ? first() : again() }
            source.activate()
            return source
        }
    }

    deinit {
        for source in sources { source.cancel() }
        for (number, handler) in before { _ = signal(number, handler) }
    }
}

/// Says yes once.
private final class FirstTime: Sendable {
    private let isOver: Atomic<Bool> = Atomic(false)

    func take() -> Bool {
        !isOver.exchange(true, ordering: .relaxed)
    }
}
