// swift-tools-version: 6.2
import PackageDescription

/// What Scripts/fuzz builds, beside a link to the sources: a target for each parser.
let checked: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let system: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")

func layer(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: checked)
}

func fuzz(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(
        name: name, dependencies: dependencies + ["FuzzSupport", "BlockStorage", system], path: "Targets/\(name)",
        swiftSettings: checked)
}

let package = Package(
    name: "fermata-fuzz",
    dependencies: [.package(url: "https://github.com/apple/swift-system", from: "1.8.1")],
    targets: [
        .target(name: "CFiles"),
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto"),
        layer("Hashing", ["CCrypto"]),
        layer("BlockStorage", ["CFiles", system]),
        layer("VirtualDisk", ["BlockStorage", "Hashing", system]),
        layer("NBD", ["BlockStorage", system]),
        .target(
            name: "FuzzSupport", dependencies: ["NBD", "BlockStorage", system], path: "Targets/FuzzSupport",
            swiftSettings: checked),
        fuzz("FuzzFooter", ["VirtualDisk"]),
        fuzz("FuzzHeader", ["VirtualDisk"]),
        fuzz("FuzzLocator", ["VirtualDisk"]),
        fuzz("FuzzDisk", ["VirtualDisk"]),
        fuzz("FuzzVHDX", ["VirtualDisk", "Hashing"]),
        fuzz("FuzzHandshake", ["NBD"]),
        fuzz("FuzzTransmission", ["NBD"]),
    ]
)
