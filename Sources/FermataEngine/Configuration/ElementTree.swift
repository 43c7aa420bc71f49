// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import FoundationXML

/// An XML element as a value: its name, its text, its children.
///
/// It is read by a streaming parser that resolves no entities, so a file from elsewhere can name no other file.
struct ElementTree: Hashable, Sendable {
    var name: String
    var text: String = ""
    var children: [ElementTree] = []

    /// The first child of that name.
    subscript(name: String) -> ElementTree? {
        children.first { $0.name == name }
    }

    /// The text at the end of a path of names; nil when the path does not exist or the text is empty.
    func text(_ path: String...) -> String? {
        var element = self
        for name in path {
            guard let child = element[name] else { return nil }
            element = child
        }
        return element.text.isEmpty ? nil : element.text
    }

    /// Reads a document's root element.
    ///
    /// - Throws: ``ValueError`` that says where the text stops being XML.
    init(parsing bytes: [UInt8]) throws(ValueError) {
        // In UTF-16, too.
        guard !String(decoding: bytes.filter { $0 != 0 }, as: UTF8.self).contains("<!DOCTYPE") else {
            throw ValueError("expected no document type declaration")
        }
        let parser = XMLParser(data: Data(bytes))
        parser.shouldResolveExternalEntities = false
        let builder = Builder()
        parser.delegate = builder
        guard parser.parse(), let root = builder.root else {
            throw ValueError("expected well-formed XML, which ends at line \(max(1, parser.lineNumber))")
        }
        self = root
    }

    private init(name: String) {
        self.name = name
    }

    private final class Builder: NSObject, XMLParserDelegate {
        var open: [ElementTree] = []
        var root: ElementTree?

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
            attributes: [String: String]
        ) {
            // Deeper than any configuration: a hostile file is not followed.
            if open.count > 32 { parser.abortParsing() }
            open.append(ElementTree(name: name))
        }

        func parser(_ parser: XMLParser, foundCharacters text: String) {
            guard !open.isEmpty else { return }
            open[open.count - 1].text += text
        }

        func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
            guard var element = open.popLast() else { return }
            if !element.children.isEmpty { element.text = "" }
            if open.isEmpty { root = element } else { open[open.count - 1].children.append(element) }
        }
    }
}
