// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import LuaRuntime

extension RecipeScriptError {
    /// Longest message, in characters; a script can raise a text of any length.
    static let longestMessage = 2000

    /// Says what ended a script; `stop` is why the recording itself ended it, if it did.
    init(_ error: LuaError, stop: WordError?) {
        let word = error.code == .cancelled ? stop : error.underlying as? WordError
        let message = word?.description ?? error.message
        self.init(
            word?.code ?? Code(error.code), message.shortened(to: Self.longestMessage),
            at: error.location.map(SourceLocation.init), traceback: error.traceback.map(Call.init),
            callsLeftOut: error.framesLeftOut, underlying: error.underlying)
    }
}

extension RecipeScriptError.Code {
    init(_ code: LuaError.Code) {
        self =
            switch code {
            case .syntax: .syntax
            case .undeclared: .undeclared
            case .argument, .field: .word
            case .module: .module
            case .unusable: .unusable
            default: code.isLimit ? .limit : .runtime
            }
    }
}

extension RecipeScriptError.Call {
    init(_ frame: LuaFrame) {
        let name = (frame.name ?? "?").shortened(to: 100)
        let place =
            switch frame.kind {
            case .chunk: "in the chunk"
            case .script: frame.name == nil ? "in a function" : "in function '\(name)'"
            case .host: "in the word '\(name)'"
            case .library: "in library function '\(name)'"
            }
        self.init(place, at: frame.location.map(SourceLocation.init))
    }
}

extension SourceLocation {
    init(_ location: LuaLocation) {
        self.init(file: location.chunk, line: location.line)
    }
}
