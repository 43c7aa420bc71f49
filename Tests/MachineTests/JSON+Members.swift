// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import SystemPackage

extension JSON {
    /// The member of that name; nil when there is none, or the value is no object.
    subscript(name: String) -> JSON? {
        if case .object(let members) = self { members[name] } else { nil }
    }

    /// The elements of a list; none of anything else.
    var elements: [JSON] {
        if case .array(let elements) = self { elements } else { [] }
    }

    /// The text; nil when it is none.
    var text: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// The list of paths under a name.
    func paths(_ name: String) -> [FilePath] {
        (self[name]?.elements ?? []).compactMap { $0.text.map { FilePath($0) } }
    }
}
