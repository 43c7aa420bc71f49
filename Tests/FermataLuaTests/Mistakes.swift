// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataLua
import Testing

/// A script that is wrong in one way, and the line that says so.
struct Mistake: CustomTestStringConvertible {
    let script: String
    let line: String

    /// A script that follows `local web = machine "web" {}`, which stands in its first line.
    init(_ script: String, _ line: String) {
        self.script = script
        self.line = line
    }

    var testDescription: String { script }

    static let definitions: [Mistake] = [
        Mistake(
            #"machine "db" { memory = {} }"#,
            #"lab.lua:2: error: bad field 'memory' of machine 'db': expected a size such as "256M", got a table"#),
        Mistake(
            #"machine "db" { memory = "12 parsecs" }"#,
            #"lab.lua:2: error: bad field 'memory' of machine 'db': expected a size such as "256M", got "12 parsecs""#),
        Mistake(
            #"machine "db" { memory = "12MB" }"#,
            #"lab.lua:2: error: bad field 'memory' of machine 'db': size "12MB": MB is ambiguous; write M or MiB for powers of 1024"#
        ),
        Mistake(
            #"machine "db" { memory = -1 }"#,
            #"lab.lua:2: error: bad field 'memory' of machine 'db': expected a size such as "256M", got -1"#),
        Mistake(
            #"machine "db" { memory = 1.5 }"#,
            #"lab.lua:2: error: bad field 'memory' of machine 'db': expected a size such as "256M", got 1.5"#),
        Mistake(
            #"machine "db" { memory = true }"#,
            #"lab.lua:2: error: bad field 'memory' of machine 'db': expected a size such as "256M", got true"#),
        Mistake(
            #"machine "db" { memory = "\xFF" }"#,
            "lab.lua:2: error: bad field 'memory' of machine 'db': expected a size, got a string that is not UTF-8 text"
        ),
        Mistake(
            #"machine "db" { memory = ("9"):rep(1000) }"#,
            #"lab.lua:2: error: bad field 'memory' of machine 'db': expected a size such as "256M", got "999999999999999999999999999999999999999999999999999999999999…""#
        ),
        Mistake(
            #"machine "db" { memroy = "256M" }"#,
            "lab.lua:2: error: unknown field 'memroy' of machine 'db'; did you mean 'memory'?"),
        Mistake(
            #"machine "db" { network = "eth0" }"#,
            "lab.lua:2: error: bad field 'network' of machine 'db': expected true or false, got a string"),
        Mistake(
            #"machine "db" { colour = "red" }"#,
            "lab.lua:2: error: unknown field 'colour' of machine 'db': it takes 'memory', 'processors', 'boot', 'disks', 'network', 'clock'"
        ),
        Mistake(
            #"machine "db" { [true] = "red" }"#, "lab.lua:2: error: machine 'db' has no field true: names are text"),
        Mistake(
            #"machine "db" { "256M" }"#,
            #"lab.lua:2: error: machine 'db': expected named fields such as memory = "256M", got a list"#),
        Mistake(
            #"machine "db" { processors = "two" }"#,
            "lab.lua:2: error: bad field 'processors' of machine 'db': expected a whole number such as 2, got a string"),
        Mistake(
            #"machine "db" { processors = 1.5 }"#,
            "lab.lua:2: error: bad field 'processors' of machine 'db': expected a whole number such as 2, got 1.5"),
        Mistake(
            #"machine "db" { boot = "vmlinuz" }"#,
            #"lab.lua:2: error: bad field 'boot' of machine 'db': expected kernel { "path", initrd = "path" }, got a string"#
        ),
        Mistake(
            #"machine "db" { boot = kernel { initrd = "i" } }"#,
            "lab.lua:2: error: bad argument #1 to 'kernel': expected the kernel's path (a string), got no value"),
        Mistake(
            #"machine "db" { boot = kernel { "k", initd = "i" } }"#,
            "lab.lua:2: error: unknown option 'initd' of 'kernel'; did you mean 'initrd'?"),
        Mistake(
            #"machine "db" { boot = kernel { "k", "i" } }"#,
            "lab.lua:2: error: 'kernel' takes one value and a table of options, got 2"),
        Mistake(
            #"machine "db" { boot = kernel("k", "i") }"#,
            "lab.lua:2: error: bad argument #2 to 'kernel': expected a table of options, got a string"),
        Mistake(
            #"machine "db" { disks = disk { "d", size = "1M" } }"#,
            #"lab.lua:2: error: bad field 'disks' of machine 'db': expected a list such as { disk { "system", size = "64M" } }, got a disk"#
        ),
        Mistake(
            #"machine "db" { disks = { "d" } }"#,
            #"lab.lua:2: error: bad field 'disks' of machine 'db', element 1: expected disk { "system", size = "64M" }, got a string"#
        ),
        Mistake(
            #"machine "db" { disks = { disk { "d", size = "1M" }, nil, disk { "e", size = "1M" } } }"#,
            "lab.lua:2: error: bad field 'disks' of machine 'db': the list has a gap: nothing at 2, but something at 3"),
        Mistake(
            #"machine "db" { disks = { d = disk { "d", size = "1M" } } }"#,
            "lab.lua:2: error: bad field 'disks' of machine 'db': expected a list, got a table with the field 'd'"),
        Mistake(
            #"machine "db" { disks = { disk { "d" } } }"#,
            #"lab.lua:2: error: disk 'd' has no size: write disk { "name", size = "64M" }"#),
        Mistake(
            #"machine "db" { disks = { disk { "d", size = "1M", format = "vdhx" } } }"#,
            #"lab.lua:2: error: bad option 'format' of 'disk': expected "vhd" or "vhdx", got "vdhx"; did you mean 'vhdx'?"#
        ),
        Mistake(
            #"machine "db" { disks = { disk { "d", sise = "1M" } } }"#,
            "lab.lua:2: error: unknown option 'sise' of 'disk'; did you mean 'size'?"),
        Mistake(
            #"machine "db" { disks = { disk { size = "1M" } } }"#,
            "lab.lua:2: error: bad argument #1 to 'disk': expected the disk's name (a string), got no value"),
        Mistake(
            #"machine "db""#,
            #"lab.lua:2: error: machine 'db' has no definition: write machine "db" { memory = "256M" }"#),
        Mistake(
            "machine \"db\"\nmachine(\"x\", {})",
            #"lab.lua:2: error: machine 'db' has no definition: write machine "db" { memory = "256M" }"#),
        Mistake(
            #"local db = machine "db"; db:start()"#,
            #"lab.lua:2: error: machine 'db' has no definition: write machine "db" { memory = "256M" }"#),
        Mistake(
            #"local db = machine "db"; db {}; db {}"#,
            "lab.lua:2: error: machine 'db' is defined already: give another its own name"),
        Mistake(
            #"machine { "db" }"#,
            "lab.lua:2: error: bad argument #1 to 'machine': expected a name (a string), got a table"),
        Mistake(
            #"machine(5, {})"#, "lab.lua:2: error: bad argument #1 to 'machine': expected a name (a string), got 5"),
        Mistake(
            #"machine "db" "x""#,
            #"lab.lua:2: error: machine 'db': expected a table of fields such as { memory = "256M" }, got a string"#),
        Mistake(
            #"print(machine "db")"#,
            #"lab.lua:2: error: machine 'db' has no definition: write machine "db" { memory = "256M" }"#),
    ]

    static let steps: [Mistake] = [
        Mistake(
            #"web:checkpoint("a", { kind = "disk" })"#,
            #"lab.lua:2: error: bad option 'kind' of 'checkpoint': expected "standard" or "disk-only", got "disk""#),
        Mistake(
            #"web:checkpoint("a", { kind = "disk_only" })"#,
            #"lab.lua:2: error: bad option 'kind' of 'checkpoint': expected "standard" or "disk-only", got "disk_only"; did you mean 'disk-only'?"#
        ),
        Mistake(
            #"web:export_checkpoint "a""#,
            #"lab.lua:2: error: 'export_checkpoint' needs the new folder: { to = "path" }"#),
        Mistake(
            #"web:export_checkpoint("a", { to = "b", flatten = true })"#,
            "lab.lua:2: error: unknown option 'flatten' of 'export_checkpoint'; did you mean 'flattened'?"),
        Mistake(
            "web:fork { from = 'a' }",
            "lab.lua:2: error: bad argument #1 to 'fork': expected the new machine's name (a string), got no value"),
        Mistake(
            #"web:fork("a", "b")"#,
            "lab.lua:2: error: bad argument #2 to 'fork': expected a table of options, got a string"),
        Mistake(
            #"print(web:fork("twin").memory)"#,
            "lab.lua:2: error: 'memory' of machine 'twin' is that of machine 'web', of which it is a fork: m:change { ... } gives it others"
        ),
        Mistake(
            #"web.run("x")"#,
            "lab.lua:2: error: 'run' got a string in place of its machine: write ':' before 'run', not '.'"),
        Mistake(
            #"web.start()"#,
            "lab.lua:2: error: 'start' got nil in place of its machine: write ':' before 'start', not '.'"),
        Mistake(#"web:stat()"#, "lab.lua:2: error: no field 'stat' in a machine; did you mean 'start'?"),
        Mistake(#"web:shutDown()"#, "lab.lua:2: error: no field 'shutDown' in a machine; did you mean 'shut_down'?"),
        Mistake(#"web:explode()"#, "lab.lua:2: error: no field 'explode' in a machine"),
        Mistake(
            #"web.memory = "1G""#,
            #"lab.lua:2: error: 'memory' of machine 'web' stands in its definition alone: machine "web" { memory = ... }"#
        ),
        Mistake(#"web.start = nil"#, "lab.lua:2: error: 'start' of a machine cannot be set"),
        Mistake(#"web:start(1)"#, "lab.lua:2: error: 'start' takes no argument, got an integer"),
        Mistake(
            #"web:start { within = "1s" }"#, "lab.lua:2: error: unknown option 'within' of 'start', which takes none"),
        Mistake(#"web:turn_off { "x" }"#, "lab.lua:2: error: 'turn_off' takes no value, got one"),
        Mistake(#"web:pause(1)"#, "lab.lua:2: error: 'pause' takes no argument, got an integer"),
        Mistake(#"web:save "x""#, "lab.lua:2: error: 'save' takes no argument, got a string"),
        Mistake(#"web:wait_for_reboot("60s")"#, "lab.lua:2: error: 'wait_for_reboot' takes no argument, got a string"),
        Mistake(
            #"web:wait_for_reboot { within = 5 }"#,
            #"lab.lua:2: error: bad option 'within' of 'wait_for_reboot': expected a duration such as "60s" (units ms, s, m, h), got 5"#
        ),
        Mistake(
            #"web:type(5)"#, "lab.lua:2: error: bad argument #1 to 'type': expected a text to type (a string), got 5"),
        Mistake(
            #"pause(web)"#,
            "lab.lua:2: error: 'pause' is a step of one machine: write 'm:pause(...)', where m is the machine"),
        Mistake(#"web:change("512M")"#, "lab.lua:2: error: 'change' takes no argument, got a string"),
        Mistake(
            #"web:change { memroy = "512M" }"#,
            "lab.lua:2: error: unknown option 'memroy' of 'change'; did you mean 'memory'?"),
        Mistake(
            #"web:change { memory = "512MB" }"#,
            #"lab.lua:2: error: bad option 'memory' of 'change': size "512MB": MB is ambiguous; write M or MiB for powers of 1024"#
        ),
        Mistake(
            #"web:change { processors = 1.5 }"#,
            "lab.lua:2: error: bad option 'processors' of 'change': expected a whole number such as 2, got 1.5"),
        Mistake(
            #"web:attach "data""#,
            #"lab.lua:2: error: disk 'data' has no size: write m:attach { "name", size = "64M" }"#),
        Mistake(
            #"web:attach { "data", size = "1M", format = "raw" }"#,
            #"lab.lua:2: error: bad option 'format' of 'attach': expected "vhd" or "vhdx", got "raw""#),
        Mistake(
            #"web:detach(5)"#,
            "lab.lua:2: error: bad argument #1 to 'detach': expected the disk's name (a string), got 5"),
        Mistake(#"web:shut_down("60s")"#, "lab.lua:2: error: 'shut_down' takes no argument, got a string"),
        Mistake(
            #"web:shut_down { within = 60 }"#,
            #"lab.lua:2: error: bad option 'within' of 'shut_down': expected a duration such as "60s" (units ms, s, m, h), got 60"#
        ),
        Mistake(
            #"web:shut_down { within = "12 parsecs" }"#,
            #"lab.lua:2: error: bad option 'within' of 'shut_down': expected a duration such as "60s" (units ms, s, m, h), got "12 parsecs""#
        ),
        Mistake(
            #"web:shut_down { or_else = "turnoff" }"#,
            #"lab.lua:2: error: bad option 'or_else' of 'shut_down': expected "turn_off" or "fail", got "turnoff"; did you mean 'turn_off'?"#
        ),
        Mistake(
            #"web:shut_down { or_else = "give up" }"#,
            #"lab.lua:2: error: bad option 'or_else' of 'shut_down': expected "turn_off" or "fail", got "give up""#),
        Mistake(
            #"web:shut_down { orElse = "turn_off" }"#,
            "lab.lua:2: error: unknown option 'orElse' of 'shut_down'; did you mean 'or_else'?"),
        Mistake(
            #"web:run()"#, "lab.lua:2: error: bad argument #1 to 'run': expected a command (a string), got no value"),
        Mistake(#"web:run(5)"#, "lab.lua:2: error: bad argument #1 to 'run': expected a command (a string), got 5"),
        Mistake(
            #"web:run {}"#,
            "lab.lua:2: error: 'run' needs a command: a line for /bin/sh, or a list of a program and its arguments"),
        Mistake(
            #"web:run { "ls", 5 }"#,
            "lab.lua:2: error: bad argument #1 to 'run', element 2: expected a program or argument (a string), got 5"),
        Mistake(
            #"web:run { "ls", nil, "x" }"#,
            "lab.lua:2: error: 'run': the list has a gap: nothing at 2, but something at 3"),
        Mistake(
            #"web:run("ls", "60s")"#,
            "lab.lua:2: error: bad argument #2 to 'run': expected a table of options, got a string"),
        Mistake(
            #"web:run("ls", { "60s" })"#,
            "lab.lua:2: error: bad argument #2 to 'run': expected named options, got a list"),
        Mistake(
            #"web:run("ls", { wihtin = "60s" })"#,
            "lab.lua:2: error: unknown option 'wihtin' of 'run'; did you mean 'within'?"),
        Mistake(
            #"web:run("ls", { timeout = "60s" })"#,
            "lab.lua:2: error: unknown option 'timeout' of 'run': it takes 'expect', 'within'"),
        Mistake(#"web:run("ls", {}, {})"#, "lab.lua:2: error: 'run' takes one value and a table of options, got 3"),
        Mistake(
            #"web:run({ "ls", within = "1s" }, { within = "2s" })"#,
            "lab.lua:2: error: 'run' has options in both tables: write all of them in one"),
        Mistake(
            #"web:run("ls", { expect = "x" })"#,
            #"lab.lua:2: error: bad option 'expect' of 'run': expected a table such as { contains = "ready" }, got a string"#
        ),
        Mistake(
            #"web:run("ls", { expect = { "x" } })"#,
            #"lab.lua:2: error: bad option 'expect' of 'run': expected named fields such as contains = "ready", got a list"#
        ),
        Mistake(
            #"web:run("ls", { expect = { contain = "x" } })"#,
            "lab.lua:2: error: unknown field 'contain' of 'expect'; did you mean 'contains'?"),
        Mistake(
            #"web:run("ls", { expect = { contains = { "x", 5 } } })"#,
            "lab.lua:2: error: bad field 'contains' of 'expect', element 2: expected a text (a string), got 5"),
        Mistake(
            #"web:run("ls", { expect = { contains = { a = "x" } } })"#,
            "lab.lua:2: error: bad field 'contains' of 'expect': expected a list, got a table with the field 'a'"),
        Mistake(
            #"web:run("ls", { expect = { lacks = 5 } })"#,
            "lab.lua:2: error: bad field 'lacks' of 'expect': expected a text (a string) or a list of them, got 5"),
        Mistake(
            #"web:run("ls", { expect = { equals = { "x" } } })"#,
            "lab.lua:2: error: bad field 'equals' of 'expect': expected a text (a string), got a table"),
        Mistake(
            #"web:run("ls", { expect = { exit_code = "1" } })"#,
            "lab.lua:2: error: bad field 'exit_code' of 'expect': expected an exit code such as 0, got a string"),
        Mistake(
            #"web:run("ls", { expect = { exit_code = 1.5 } })"#,
            "lab.lua:2: error: bad field 'exit_code' of 'expect': expected an exit code such as 0, got 1.5"),
        Mistake(
            #"web:run("\xFF")"#,
            "lab.lua:2: error: bad argument #1 to 'run': expected a command, got a string that is not UTF-8 text"),
        Mistake(
            #"web:wait_for_console()"#,
            "lab.lua:2: error: bad argument #1 to 'wait_for_console': expected a text to wait for (a string), got no value"
        ),
        Mistake(
            #"web:wait_for_console("a", { pattern = "b" })"#,
            "lab.lua:2: error: 'wait_for_console' waits for a text or a pattern, not for both: write one of them"),
        Mistake(
            #"web:wait_for_console { patern = "b" }"#,
            "lab.lua:2: error: unknown option 'patern' of 'wait_for_console'; did you mean 'pattern'?"),
        Mistake(
            #"web:wait_for_console("a", "60s")"#,
            "lab.lua:2: error: bad argument #2 to 'wait_for_console': expected a table of options, got a string"),
        Mistake(
            #"checkpoint()"#,
            "lab.lua:2: error: bad argument #1 to 'checkpoint': expected a checkpoint's name (a string), got no value"),
        Mistake(
            #"checkpoint(web, "clean")"#,
            "lab.lua:2: error: 'checkpoint' got a machine: for one machine, write 'm:checkpoint(...)', where m is the machine"
        ),
        Mistake(
            #"checkpoint(web)"#,
            "lab.lua:2: error: 'checkpoint' got a machine: for one machine, write 'm:checkpoint(...)', where m is the machine"
        ),
        Mistake(
            #"checkpoint("clean", { of = web })"#,
            "lab.lua:2: error: unknown option 'of' of 'checkpoint': it takes 'replace', 'notes', 'kind'"),
        Mistake(
            #"checkpoint("clean", { replace = "yes" })"#,
            "lab.lua:2: error: bad option 'replace' of 'checkpoint': expected true or false, got a string"),
        Mistake(
            #"checkpoint("clean", { notes = {} })"#,
            "lab.lua:2: error: bad option 'notes' of 'checkpoint': expected notes (a string), got a table"),
        Mistake(
            #"checkpoint("clean", "dirty", "x")"#,
            "lab.lua:2: error: 'checkpoint' takes one value and a table of options, got 3"),
        Mistake(
            #"checkpoint { "clean", "dirty" }"#,
            "lab.lua:2: error: 'checkpoint' takes one value and a table of options, got 2"),
        Mistake(
            #"revert(web)"#,
            "lab.lua:2: error: 'revert' got a machine: for one machine, write 'm:revert(...)', where m is the machine"),
        Mistake(#"revert("clean")"#, "lab.lua:2: error: 'revert' takes no argument, got a string"),
        Mistake(
            #"apply(nil)"#,
            "lab.lua:2: error: bad argument #1 to 'apply': expected a checkpoint's name (a string), got no value"),
        Mistake(
            #"apply("clean", { replace = true })"#,
            "lab.lua:2: error: unknown option 'replace' of 'apply', which takes none"),
        Mistake(
            #"web:apply {}"#,
            "lab.lua:2: error: bad argument #1 to 'apply': expected a checkpoint's name (a string), got no value"),
        Mistake(
            #"start(web)"#,
            "lab.lua:2: error: 'start' is a step of one machine: write 'm:start(...)', where m is the machine"),
        Mistake(
            #"run("ls")"#,
            "lab.lua:2: error: 'run' is a step of one machine: write 'm:run(...)', where m is the machine"),
        Mistake(
            #"checkpont "clean""#, "lab.lua:2: error: global 'checkpont' is not declared; did you mean 'checkpoint'?"),
        Mistake(
            #"recipe()"#,
            "lab.lua:2: error: bad argument #1 to 'recipe': expected the recipe's name (a string), got no value"),
        Mistake(
            #"recipe "a/b""#,
            "lab.lua:2: error: the recipe's name 'a/b' may not hold '/', which separates the names of a path"),
        Mistake("recipe \"a\"\nrecipe \"b\"", "lab.lua:3: error: the recipe is named 'a' already, at lab.lua:2"),
        Mistake(
            #"recipe("a", { owner = "me" })"#, "lab.lua:2: error: unknown option 'owner' of 'recipe', which takes none"),
    ]

    static let results: [Mistake] = [
        Mistake(
            "local r = web:run \"x\"\nprint(r.stdout)",
            #"lab.lua:3: error: the result of 'run' is not known while a recipe is recorded: let a step expect it, as in m:run("cat x", { expect = { contains = "ready" } })"#
        ),
        Mistake(
            "local r = web:run \"x\"\nif r.exit_code == 0 then end",
            #"lab.lua:3: error: the result of 'run' is not known while a recipe is recorded: let a step expect it, as in m:run("cat x", { expect = { contains = "ready" } })"#
        ),
        Mistake(
            "local r = web:run \"x\"\nif r.stddout then end",
            "lab.lua:3: error: no field 'stddout' in a planned result; did you mean 'stdout'?"),
        Mistake(
            "local r = web:run \"x\"\nprint(r)",
            #"lab.lua:3: error: the result of 'run' is not known while a recipe is recorded: let a step expect it, as in m:run("cat x", { expect = { contains = "ready" } })"#
        ),
        Mistake(
            "local r = web:run \"x\"\nlocal s = r .. \"x\"",
            "lab.lua:3: error: attempt to concatenate a planned result value (local 'r')"),
        Mistake(
            "local r = web:run \"x\"\nlocal s = #r",
            "lab.lua:3: error: attempt to get length of a planned result value (local 'r')"),
        Mistake(
            "local r = web:run \"x\"\nlocal s = r > 5",
            "lab.lua:3: error: attempt to compare number with planned result"),
        Mistake(
            "local r = web:wait_for_console \"x\"\nlocal s = r()",
            #"lab.lua:3: error: the result of 'wait_for_console' is not known while a recipe is recorded: let a step expect it, as in m:run("cat x", { expect = { contains = "ready" } })"#
        ),
        Mistake(
            "local r = web:start()\nlocal s = r.stdout", "lab.lua:3: error: attempt to index a nil value (local 'r')"),
    ]

    static let lua: [Mistake] = [
        Mistake("web:start(", "lab.lua:2: error: unexpected symbol near <eof>"),
        Mistake("local s = 'abc", "lab.lua:2: error: unfinished string near <eof>"),
        Mistake("end", "lab.lua:2: error: <eof> expected near 'end'"),
        Mistake("goto nowhere", "lab.lua:2: error: no visible label 'nowhere' for <goto> at line 2"),
        Mistake("x = 5", "lab.lua:2: error: global 'x' is not declared: write 'local x = ...'"),
        Mistake(
            "function setUp() end", "lab.lua:2: error: global 'setUp' is not declared: write 'local function setUp'"),
        Mistake("local y = x", "lab.lua:2: error: global 'x' is not declared"),
        Mistake("local y = nil + 1", "lab.lua:2: error: attempt to perform arithmetic on a nil value"),
        Mistake("local t = {}\nt.a.b = 1", "lab.lua:3: error: attempt to index a nil value (field 'a')"),
        Mistake("error 'no such lab'", "lab.lua:2: error: no such lab"),
        Mistake("error('no position', 0)", "lab.lua:2: error: no position"),
        Mistake("error()", "lab.lua:2: error: nil"),
        Mistake("error('two\\nlines')", #"lab.lua:2: error: two\nlines"#),
        Mistake("os.exit(0)", "lab.lua:2: error: global 'os' is not declared"),
        Mistake("io.open 'x'", "lab.lua:2: error: global 'io' is not declared"),
        Mistake("debug.getinfo(1)", "lab.lua:2: error: global 'debug' is not declared"),
        Mistake("local m = package.path", "lab.lua:2: error: global 'package' is not declared"),
        Mistake("dofile 'x'", "lab.lua:2: error: global 'dofile' is not declared"),
        Mistake("require 'x'", "lab.lua:2: error: there is no module 'x' beside the script"),
        Mistake("string.rep()", "lab.lua:2: error: bad argument #1 to 'rep' (string expected, got no value)"),
    ]
}
