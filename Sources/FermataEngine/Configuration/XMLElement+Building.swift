// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FoundationXML

extension XMLElement {
    func leaf(_ name: String, _ type: String, _ value: String) {
        let element = XMLElement(name: name, stringValue: value)
        element.setAttributesWith(["type": type])
        addChild(element)
    }

    func group(_ name: String, _ fill: (XMLElement) -> Void) {
        let element = XMLElement(name: name)
        fill(element)
        addChild(element)
    }

    /// The text of the document whose root this is.
    var documentBytes: [UInt8] {
        // No XMLDocument: Foundation's frees its elements after it, and they then read what is free already.
        Array(("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n" + xmlString(options: .nodePrettyPrint) + "\n").utf8)
    }
}
