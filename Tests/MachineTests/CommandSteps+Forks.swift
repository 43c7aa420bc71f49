// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

extension CommandSteps {
    /// Machines that are made of `web`'s checkpoints while it runs.
    static let forks: [CommandStep] = [
        CommandStep("vm fork web hto twin").isWrongUse("no checkpoint 'hto' of machine 'web'; did you mean 'hot'?"),
        CommandStep("vm fork web hot a/b").isWrongUse(
            "the machine name 'a/b' may hold only letters, digits, '.', '_' and '-'"),
        CommandStep("vm fork web hot other").fails("<lab>/other exists already; choose another name, or remove it"),
        CommandStep("vm fork web cold twin --saved").isWrongUse(
            "checkpoint 'cold' has no memory in which the new machine could be saved"),
        CommandStep("vm fork web hot twin --off --saved").isWrongUse(
            "--off and --saved exclude each other; see 'fermata vm fork --help'"),
        CommandStep("vm fork web hot twin").tells(.running, of: "twin"),
        CommandStep("vm exec twin -- cat /tmp/word").prints("one"),
        CommandStep("checkpoint tree twin").prints("twin\n└─ (now)  <- you are here"),
        CommandStep("vm promote twin").fails(
            "machine 'twin' is running, and its disks become its own only while it has no power; save it, or turn it off "
                + "first"),
        CommandStep("vm save twin"),
        CommandStep("vm promote twin").tells(.saved, of: "twin"),
        CommandStep("vm promote twin"),
        CommandStep("vm start twin"),
        CommandStep("vm exec twin -- cat /tmp/word").prints("one"),
        CommandStep("vm turn-off twin --discard"),
        CommandStep("vm delete twin --discard"),
        CommandStep("vm fork web cold cold").tells(.off, of: "cold"),
        CommandStep("vm fork web kept twin --saved").tells(.saved, of: "twin"),
        CommandStep("vm delete twin --discard"),
        CommandStep("vm delete cold --discard"),
    ]

    /// A machine that others read through is not deleted.
    static let forksAtTheEnd: [CommandStep] = [
        CommandStep("vm fork web hot twin --off"),
        CommandStep("vm delete web --discard").fails(
            "machine 'web' cannot be deleted: 'twin' is its fork, and reads through its disks; make it independent with "
                + "'fermata vm promote', or delete it first"
        ).notWhileRun(because: "the run holds the machine"),
        CommandStep("vm delete twin --discard"),
    ]
}
