// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation

extension JSON {
    /// Reads one value and nothing after it; of a key that stands twice the last value counts.
    ///
    /// - Throws: ``DocumentError`` of code ``DocumentError/Code/syntax``.
    public init(parsing text: String) throws(DocumentError) {
        let object: Any
        do {
            object = try JSONSerialization.jsonObject(with: Data(text.utf8), options: [.fragmentsAllowed])
        } catch {
            throw JSON.syntaxError((error as NSError).userInfo[NSDebugDescriptionErrorKey] as? String)
        }
        self = try JSON(foundation: object)
    }

    /// Takes what `JSONSerialization` has read; it bounds the nesting.
    private init(foundation object: Any) throws(DocumentError) {
        switch object {
        case let text as String: self = .string(text)
        case let number as NSNumber:
            // Truth values are numbers of one character there.
            if unsafe number.objCType.pointee == CChar(bitPattern: UInt8(ascii: "c")) {
                self = .bool(number.boolValue)
            } else if let number = Number(read: number.stringValue) {
                self = .number(number)
            } else {
                throw JSON.syntaxError("number \(number) is out of range")
            }
        case let elements as [Any]:
            var array: [JSON] = []
            array.reserveCapacity(elements.count)
            for element in elements { array.append(try JSON(foundation: element)) }
            self = .array(array)
        case let members as [String: Any]:
            var object: [String: JSON] = [:]
            object.reserveCapacity(members.count)
            for (name, member) in members { object[name] = try JSON(foundation: member) }
            self = .object(object)
        default: self = .null
        }
    }

    private static func syntaxError(_ reason: String?) -> DocumentError {
        guard var reason, !reason.isEmpty else { return DocumentError(.syntax, path: "", "the text is not JSON") }
        if reason.hasSuffix(".") { reason.removeLast() }
        reason = reason.prefix(1).lowercased() + reason.dropFirst()
        return DocumentError(.syntax, path: "", "the text is not JSON: \(reason.shortened(to: 120))")
    }
}

extension JSON.Number {
    /// Takes what a reader made of a number; nil for what is not finite.
    fileprivate init?(read text: String) {
        if text.utf8.allSatisfy({ $0 == UInt8(ascii: "-") || (0x30...0x39).contains($0) }) {
            self.init(digits: text)
        } else if let value = Double(text) {
            self.init(value)
        } else {
            return nil
        }
    }
}
