// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Keeps one object of a Lua state alive.
///
/// It lets go of the object when the state is next used: letting go at once could touch Lua in the middle of a
/// collection.
final class LuaReference {
    let context: LuaContext
    let slot: Int32
    /// The object's address: no other object has it while this reference exists.
    let identity: UInt

    init(context: LuaContext, slot: Int32, identity: UInt) {
        self.context = context
        self.slot = slot
        self.identity = identity
    }

    deinit {
        context.releasedSlots.append(slot)
    }
}

extension LuaReference: Hashable {
    static func == (a: LuaReference, b: LuaReference) -> Bool {
        a.context === b.context && a.identity == b.identity
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(identity)
    }
}
