// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension [PageRun] {
    /// The size of all runs in bytes.
    var byteCount: Int { reduce(0) { $0 + $1.byteCount } }

    /// The pages of these runs that are not among the others; both in order.
    func subtracting(_ others: [PageRun]) -> [PageRun] {
        var rest: [PageRun] = []
        // The first of the others that ends behind the page that is looked at next.
        var index = 0
        for run in self {
            var page = run.first
            while page < run.end {
                while index < others.count, others[index].end <= page { index += 1 }
                guard index < others.count, others[index].first < run.end else {
                    rest.append(PageRun(first: page, count: run.end - page))
                    break
                }
                if others[index].first > page {
                    rest.append(PageRun(first: page, count: others[index].first - page))
                }
                page = others[index].end
            }
        }
        return rest
    }
}
