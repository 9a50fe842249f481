// swift-tools-version: 6.3
import PackageDescription

/// What every target is held to.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

let package = Package(
    name: "tandem",
    dependencies: [
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    ],
    targets: [
        .target(name: "CommitProtocol", swiftSettings: strict),
        .target(
            name: "TransactionEngine", dependencies: ["CommitProtocol", logging],
            swiftSettings: strict),
    ]
)
