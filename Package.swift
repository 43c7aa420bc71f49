// swift-tools-version: 6.2
import PackageDescription

/// Every target is checked alike: Swift 6 mode, no unmarked unsafe code, no warnings, imports stated.
let checked: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let system: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let subprocess: Target.Dependency = .product(name: "Subprocess", package: "swift-subprocess")

func layer(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: checked)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: checked)
}

let package = Package(
    name: "fermata",
    products: [
        .library(name: "Fermata", targets: ["Fermata"]),
        .library(name: "FermataLua", targets: ["FermataLua"]),
        .executable(name: "fermata", targets: ["FermataCLI"]),
        .executable(name: "first-lab", targets: ["first-lab"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: [
        // Layer 0: bytes.
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        layer("Hashing", ["CCrypto"]),
        .target(name: "CFiles"),
        layer("BlockStorage", ["CFiles", system]),

        // Layer 1: formats, protocols and pure values.
        layer("VirtualDisk", ["BlockStorage", "Hashing", system]),
        layer("NBD", ["BlockStorage", system]),
        layer("QMP", [system]),
        layer("FermataModel"),
        .systemLibrary(name: "CLua", pkgConfig: "lua5.4", providers: [.apt(["liblua5.4-dev"])]),
        .target(name: "CLuaShims", dependencies: ["CLua"]),
        layer("LuaRuntime", ["CLua", "CLuaShims"]),

        // Layer 2: what to do, and how to hold a machine still.
        layer("FermataPlan", ["FermataModel", "Hashing"]),
        layer("FermataEngine", ["FermataModel", "VirtualDisk", "BlockStorage", "CFiles", "Hashing", system, logging]),

        // Layer 3: the one place where plans meet machines, and the machines.
        .target(name: "CSpawn"),
        layer(
            "FermataExecutor", ["FermataModel", "FermataPlan", "FermataEngine", "CSpawn", "Hashing", system, logging]),
        layer(
            "QEMUDriver",
            [
                "FermataModel", "FermataEngine", "BlockStorage", "VirtualDisk", "NBD", "QMP", "CFiles", "CSpawn",
                "Hashing",
                system, logging,
            ]),

        // Layer 4: two front ends, one tree.
        layer(
            "Fermata",
            ["FermataModel", "FermataPlan", "FermataEngine", "FermataExecutor", "QEMUDriver", arguments, system]),
        layer("FermataLua", ["FermataModel", "LuaRuntime", "BlockStorage", system]),

        // Layer 5: the command.
        .executableTarget(
            name: "FermataCLI",
            dependencies: [
                "Fermata", "FermataLua", "FermataModel", "FermataPlan", "FermataEngine", "FermataExecutor",
                "QEMUDriver", "VirtualDisk", "BlockStorage", "NBD", arguments, system,
            ],
            swiftSettings: checked),

        // What Scripts/bench measures; no product.
        .executableTarget(
            name: "FermataBench", dependencies: ["FermataEngine", "FermataModel", "QEMUDriver", system],
            swiftSettings: checked),

        // Examples, each built and run by the tests.
        .executableTarget(
            name: "first-lab", dependencies: ["Fermata"], path: "Examples/first-lab", swiftSettings: checked),
        .executableTarget(
            name: "live-lab", dependencies: ["Fermata", system], path: "Examples/live-lab", swiftSettings: checked),

        // Tests.
        .target(
            name: "StorageTestSupport", dependencies: ["BlockStorage", system, subprocess],
            path: "Tests/StorageTestSupport", swiftSettings: checked),
        .target(
            name: "FermataTestSupport",
            dependencies: ["StorageTestSupport", "FermataModel", "FermataEngine", "BlockStorage", system],
            path: "Tests/FermataTestSupport", swiftSettings: checked),
        tests("BlockStorageTests", ["BlockStorage", "StorageTestSupport", system]),
        tests("VirtualDiskTests", ["VirtualDisk", "BlockStorage", "StorageTestSupport", system]),
        tests("NBDTests", ["NBD", "VirtualDisk", "BlockStorage", "StorageTestSupport", system]),
        tests("QMPTests", ["QMP", "StorageTestSupport", system]),
        tests("LuaRuntimeTests", ["LuaRuntime"]),
        tests("FermataModelTests", ["FermataModel"]),
        tests(
            "FermataPlanTests", ["FermataPlan", "FermataModel", "Hashing", "StorageTestSupport", "FermataTestSupport"]),
        tests(
            "FermataEngineTests",
            [
                "Hashing", "FermataEngine", "FermataModel", "VirtualDisk", "BlockStorage", "StorageTestSupport",
                "FermataTestSupport", system,
            ]),
        .executableTarget(
            name: "host-of-machine", dependencies: ["QEMUDriver", "FermataEngine", system], path: "Tests/HostOfMachine",
            swiftSettings: checked),
        tests(
            "QEMUDriverTests",
            [
                "QEMUDriver", "host-of-machine", "FermataEngine", "FermataModel", "StorageTestSupport",
                "FermataTestSupport", system,
            ]),
        tests(
            "FermataExecutorTests",
            [
                "FermataExecutor", "FermataPlan", "FermataEngine", "FermataModel", "Hashing", "StorageTestSupport",
                "FermataTestSupport", system,
            ]),
        tests("FermataTests", ["Fermata", "FermataModel", "FermataPlan", "StorageTestSupport", "FermataTestSupport"]),
        tests(
            "FermataLuaTests",
            ["FermataLua", "Fermata", "FermataModel", "StorageTestSupport", "FermataTestSupport", system]),
        tests(
            "FermataCLITests",
            [
                "StorageTestSupport", "FermataTestSupport", "FermataModel", "FermataEngine", "FermataExecutor",
                "VirtualDisk", "BlockStorage", system, subprocess,
            ]),
        // A host that a test kills, and whose calls that change files it lets fail.
        .target(name: "CFileFaults", path: "Tests/FileFaults"),
        .executableTarget(
            name: "lab-host",
            dependencies: ["CFileFaults", "FermataTestSupport", "FermataEngine", "FermataModel", "QEMUDriver", system],
            path: "Tests/LabHost", swiftSettings: checked),
        tests(
            "MachineTests",
            [
                "lab-host", "live-lab", "Fermata", "FermataModel", "FermataEngine", "FermataExecutor", "QEMUDriver",
                "VirtualDisk",
                "BlockStorage", "NBD", "QMP", "Hashing",
                "StorageTestSupport", "FermataTestSupport", system, subprocess,
            ]),
    ]
)
