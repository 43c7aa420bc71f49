// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Dispatch
public import FermataModel
import LuaRuntime
import SystemPackage

/// Records what a Lua script says as a recipe, and touches nothing but the script's own files.
///
/// It knows the words and nothing of what they do.
/// ```
///  script ──► LuaRuntime ──► RecipeLanguage ──► StepWords, HardwareWords ──► Recording ──► Recipe
///             limits         declares words     read what was said           keeps it
/// ```
public enum LuaRecorder {
    /// Records the recipe of a file.
    ///
    /// Its name is what the script says with `recipe "name"`, else the file's without `.lua`. Modules that it requires
    /// lie beside it.
    /// - Parameters:
    ///   - path: The script's path; locations name the script by it as it is given here.
    ///   - limits: What the script may use.
    ///   - print: Is called with each line that the script prints; without it, the line goes to standard error.
    public static func record(
        path: String, limits: Limits = Limits(), print: @escaping (String) -> Void = printToStandardError
    ) throws(RecipeScriptError) -> Recipe {
        let file = FilePath(path)
        let source: [UInt8]
        let folder: ScriptFolder
        do {
            source = try ScriptFolder.script(file)
            folder = try ScriptFolder(of: file)
        } catch {
            throw RecipeScriptError(.unreadable, "\(error)", underlying: error)
        }
        return try record(source, chunkName: path, limits: limits, print: print, modules: folder.module)
    }

    /// Records the recipe of a text, which can require no modules.
    public static func record(
        source: String, chunkName: String, limits: Limits = Limits(),
        print: @escaping (String) -> Void = printToStandardError
    ) throws(RecipeScriptError) -> Recipe {
        try record(Array(source.utf8), chunkName: chunkName, limits: limits, print: print, modules: { _ in nil })
    }

    /// Writes a line to standard error.
    public static func printToStandardError(_ line: String) {
        // Nobody can be told that standard error is gone.
        _ = try? FileDescriptor.standardError.writeAll("\(line)\n".utf8)
    }

    private static func record(
        _ source: [UInt8], chunkName: String, limits: Limits, print: @escaping (String) -> Void,
        modules: @escaping LuaModules.Finder
    ) throws(RecipeScriptError) -> Recipe {
        let recording = Recording(limits: limits)
        // Time in the host's functions is not the script's to Lua; the whole shall end all the same.
        let watch = Watch(limits.time, ending: recording.cancellation)
        defer { watch.stop() }
        do {
            let lua = try LuaState(
                limits: LuaLimits(instructions: limits.instructions, memory: limits.memory, time: limits.time),
                cancellation: recording.cancellation,
                print: { line in
                    guard (try? recording.takePrinted(line.bytes.count)) != nil else { return }
                    print(line.description)
                }, modules: modules)
            try RecipeLanguage(recording).declare(in: lua.context)
            try lua.context.load(source, name: chunkName).call()
        } catch {
            let late = WordError("the script reached its time limit of \(limits.time): make it do less", code: .limit)
            throw RecipeScriptError(error, stop: recording.stop ?? late)
        }
        return try recording.recipe(named: name(ofFile: chunkName))
    }

    private static func name(ofFile path: String) -> String {
        guard let last = FilePath(path).lastComponent else { return path }
        return last.extension == "lua" ? last.stem : last.string
    }
}

/// Cancels a script when its time is over.
private struct Watch {
    private let timer: any DispatchSourceTimer

    init(_ time: Duration, ending cancellation: LuaCancellation) {
        timer = DispatchSource.makeTimerSource()
        let (seconds, attoseconds) = time.components
        timer.schedule(deadline: .now() + Double(seconds) + Double(attoseconds) / 1e18)
        timer.setEventHandler { cancellation.cancel() }
        timer.activate()
    }

    func stop() {
        timer.cancel()
    }
}
