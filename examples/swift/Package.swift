// swift-tools-version: 6.3
import PackageDescription

let library = Target.Dependency.product(name: "TwoPhaseCommit", package: "tandem")
let settings: [SwiftSetting] = [.swiftLanguageMode(.v6)]

let package = Package(
    name: "examples",
    dependencies: [.package(name: "tandem", path: "../..")],
    targets: [
        .target(name: "Setup", dependencies: [library], swiftSettings: settings),
        .executableTarget(
            name: "basic", dependencies: ["Setup", library], swiftSettings: settings),
        .executableTarget(
            name: "concurrency1", dependencies: ["Setup", library], swiftSettings: settings),
        .executableTarget(
            name: "concurrency2", dependencies: ["Setup", library], swiftSettings: settings),
    ]
)
