// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataEngine
public import FermataModel
public import FermataPlan
public import SystemPackage

/// A store folder with its machines, and the hypervisor that runs them.
///
/// ```swift
/// let lab = try Lab(at: Lab.find(recipeFolder: folder), hypervisor: QEMUDriver())
/// try await lab.run(recipe, in: folder)
/// let web = try lab.open("web")
/// try await web.apply("clean")
/// ```
/// It knows neither who asks nor which hypervisor it is. Making one touches nothing.
public struct Lab: Sendable {
    /// The lab's folder; it need not exist yet.
    public let folder: LabFolder
    /// What runs the machines.
    public let hypervisor: any Hypervisor
    /// How restores are done.
    public let settings: HostSettings
    /// What hosts machines that are to outlive this process.
    public var hostCommand: HostCommand
    /// What the trash of the lab may hold if it is made; nil for a lab without one.
    public var trash: TrashBudget?

    /// Names a lab by the absolute path of its folder.
    public init(
        at path: FilePath, hypervisor: any Hypervisor, settings: HostSettings = HostSettings(),
        hostCommand: HostCommand = HostCommand(), trash: TrashBudget? = nil
    ) {
        folder = LabFolder(path)
        self.trash = trash
        self.hostCommand = hostCommand
        self.hypervisor = hypervisor
        self.settings = settings
    }

    /// Works out what a recipe does to the lab; nothing is changed.
    ///
    /// - Parameters:
    ///   - recipeFolder: where the recipe's relative paths begin.
    ///   - atEnd: what happens to machines that still run when the run ends.
    /// - Throws: ``PlanningErrors`` with every mistake at once.
    public func plan(_ recipe: Recipe, in recipeFolder: FilePath, atEnd: Plan.AtEnd = .off) throws -> Plan {
        try Planner.plan(recipe, with: inventory(for: recipe, in: recipeFolder), atEnd: atEnd)
    }

    /// Plans a recipe and does what the plan says; makes the lab if there is none.
    ///
    /// - Parameters:
    ///   - recipeFolder: where the recipe's relative paths begin.
    ///   - atEnd: what happens to machines that still run when the run ends.
    ///   - onEvent: told of everything that happens, in order.
    /// - Throws: ``PlanningErrors`` before anything happens, or ``RunError`` with the machines off.
    @discardableResult
    public func run(
        _ recipe: Recipe, in recipeFolder: FilePath, atEnd: Plan.AtEnd = .off,
        onEvent: @escaping @Sendable (RunEvent) -> Void = { _ in }
    ) async throws -> RunOutcome {
        let executor = PlanExecutor(
            try plan(recipe, in: recipeFolder, atEnd: atEnd), in: self, recipeFolder: recipeFolder)
        async let told: Void = {
            for await event in executor.events { onEvent(event) }
        }()
        let result = await Result { try await executor.run() }
        await told
        return try result.get()
    }

    /// Takes hold of a machine: until the handle is gone, this process hosts it.
    ///
    /// Other processes of the user reach it through its control socket.
    ///
    /// - Throws: ``EngineError/Code/busy`` when another holds it.
    public func open(_ name: MachineName) throws(EngineError) -> MachineHandle {
        let lab = try LabFolder.open(folder.path)
        return MachineHandle(
            hosting: try MachineHost(of: lab.machine(name), hypervisor: hypervisor, settings: settings))
    }

    /// Makes a machine, off, with empty disks, and takes hold of it; makes the lab if there is none.
    ///
    /// - Parameter files: where the definition's relative paths begin.
    public func create(_ definition: MachineDefinition, in files: FilePath) throws(EngineError) -> MachineHandle {
        let lab = try LabFolder.create(folder.path, trash: trash)
        let machine = try lab.createMachine(definition, file: { files.pushing(FilePath($0)) })
        return MachineHandle(hosting: try MachineHost(of: machine, hypervisor: hypervisor, settings: settings))
    }
}

extension Result where Failure == any Error {
    /// What a piece of work returned or threw.
    fileprivate init(_ work: () async throws -> Success) async {
        do { self = .success(try await work()) } catch { self = .failure(error) }
    }
}
