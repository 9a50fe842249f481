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

/// Where C is touched, every unsafe expression has to say so.
let strictOverC = strict + [.strictMemorySafety()]

/// Failpoints are in debug builds alone; `make check` looks for them in a release build.
let failing = strict + [.define("TANDEM_FAILPOINTS", .when(configuration: .debug))]

/// The sanitizers need the rooms that have unit tests, and not the program with its libraries.
let isUnitOnly = Context.environment["TANDEM_UNIT"] != nil

let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let coreMetrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let inMemoryLogging = Target.Dependency.product(name: "InMemoryLogging", package: "swift-log")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let serviceLifecycle = Target.Dependency.product(
    name: "ServiceLifecycle", package: "swift-service-lifecycle")
let structuredFields = Target.Dependency.product(
    name: "RawStructuredFieldValues", package: "swift-http-structured-headers")
let tracing = Target.Dependency.product(name: "Tracing", package: "swift-distributed-tracing")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

// A target imports targets of a lower floor only; see docs/ARCHITECTURE.md.
let floor0: [Target] = [
    .systemLibrary(
        name: "CGnuTLS", pkgConfig: "gnutls", providers: [.apt(["libgnutls28-dev"])]),
    .systemLibrary(
        name: "CLibpq", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
    .systemLibrary(name: "CLinux"),
    .systemLibrary(
        name: "CMicrohttpd", pkgConfig: "libmicrohttpd",
        providers: [.apt(["libmicrohttpd-dev"])]),
    .target(name: "CommitProtocol", swiftSettings: strict),
    .target(name: "PrometheusMetrics", dependencies: [coreMetrics], swiftSettings: strict),
    .target(name: "StatementGate", swiftSettings: strict),
]

let floor1: [Target] = [
    .target(
        name: "CommitSimulator", dependencies: ["CommitProtocol"], swiftSettings: strict),
    .target(name: "EventLoop", dependencies: ["CLinux"], swiftSettings: strictOverC),
]

let floor2: [Target] = [
    .target(
        name: "AccessControl", dependencies: ["EventLoop", crypto], swiftSettings: strict),
    .target(
        name: "HTTPServer", dependencies: ["CGnuTLS", "CMicrohttpd", "EventLoop", httpTypes],
        swiftSettings: strictOverC),
    .target(name: "PostgresClusters", dependencies: ["EventLoop"], swiftSettings: strict),
    .target(
        name: "PostgresClient", dependencies: ["CLibpq", "EventLoop"], swiftSettings: strictOverC),
    .target(
        name: "TransactionEngine",
        dependencies: ["CommitProtocol", "EventLoop", "StatementGate", logging],
        swiftSettings: failing),
]

let floor3: [Target] = [
    .target(
        name: "CoordinatorAPI",
        dependencies: [
            "AccessControl", "CommitProtocol", "EventLoop", "HTTPServer", "TransactionEngine",
            crypto, httpTypes, structuredFields, yams,
        ],
        resources: [.embedInCode("Contract/openapi.yaml")], swiftSettings: strict),
    .target(
        name: "OpenTelemetryExport", dependencies: ["EventLoop", "TransactionEngine", tracing],
        swiftSettings: strict),
    .target(
        name: "TransactionTraces",
        dependencies: ["CommitProtocol", "EventLoop", "TransactionEngine", tracing],
        swiftSettings: strict),
    .target(
        name: "TransactionMetrics",
        dependencies: [
            "CommitProtocol", "EventLoop", "PostgresClient", "TransactionEngine", metrics,
        ], swiftSettings: strict),
    .target(
        name: "PostgresTransactions",
        dependencies: [
            "CommitProtocol", "EventLoop", "PostgresClient", "StatementGate", "TransactionEngine",
            logging,
        ], swiftSettings: strict),
]

let floor4: [Target] = [
    .target(
        name: "OperatorConsole",
        dependencies: [
            "AccessControl", "CommitProtocol", "CoordinatorAPI", "EventLoop", "HTTPServer",
            "TransactionEngine", crypto, httpTypes,
        ],
        resources: [
            .embedInCode("Assets/console.css"), .embedInCode("Assets/console.js"),
            .embedInCode("Assets/icon.svg"),
        ], swiftSettings: strict)
]

let floor5: [Target] = [
    .target(
        name: "TwoPhaseCommit",
        dependencies: [
            "CommitProtocol", "EventLoop", "PostgresClient", "PostgresTransactions",
            "TransactionEngine", "TransactionMetrics", logging, metrics, serviceLifecycle,
            .target(name: "TransactionTraces", condition: .when(traits: ["Tracing"])),
            .product(
                name: "Tracing", package: "swift-distributed-tracing",
                condition: .when(traits: ["Tracing"])),
        ], swiftSettings: strict),
    .executableTarget(
        name: "simulate", dependencies: ["CommitSimulator"], swiftSettings: strict),
    .executableTarget(
        name: "tandem",
        dependencies: [
            "AccessControl", "CommitProtocol", "CoordinatorAPI", "EventLoop", "HTTPServer",
            "OpenTelemetryExport", "OperatorConsole", "PostgresClient", "PostgresClusters",
            "PostgresTransactions",
            "PrometheusMetrics", "TransactionEngine", "TransactionMetrics", "TransactionTraces",
            crypto, httpTypes, logging, metrics, tracing, yams,
            .product(name: "ArgumentParser", package: "swift-argument-parser"),
            .product(name: "UnixSignals", package: "swift-service-lifecycle"),
        ], swiftSettings: failing),
]

let floor6: [Target] = [
    .target(
        name: "TwoPhaseCommitTesting",
        dependencies: [
            "CommitProtocol", "EventLoop", "PostgresTransactions", "TransactionEngine",
            "TwoPhaseCommit", logging,
        ], swiftSettings: strict)
]

let benchmarks: [Target] = [
    .executableTarget(
        name: "limit", path: "Benchmarks/Limit", linkerSettings: [.linkedLibrary("m")]),
    .executableTarget(
        name: "library-bench",
        dependencies: [
            "EventLoop", "PostgresClient", "PostgresClusters", "TwoPhaseCommit",
            .product(name: "ArgumentParser", package: "swift-argument-parser"),
        ], path: "Benchmarks/Library", swiftSettings: strict),
]

let unitTests: [Target] = [
    .testTarget(
        name: "CommitProtocolTests", dependencies: ["CommitProtocol"], exclude: ["Scenarios"],
        swiftSettings: strict),
    .testTarget(name: "EventLoopTests", dependencies: ["EventLoop"], swiftSettings: strict),
    .testTarget(
        name: "HTTPServerTests", dependencies: ["CGnuTLS", "EventLoop", "HTTPServer", httpTypes],
        swiftSettings: strict),
    .testTarget(
        name: "PrometheusMetricsTests", dependencies: ["PrometheusMetrics", coreMetrics],
        swiftSettings: strict),
    .testTarget(
        name: "StatementGateTests", dependencies: ["StatementGate"], swiftSettings: strict),
]

let wholeTests: [Target] = [
    .testTarget(
        name: "AccessControlTests", dependencies: ["AccessControl", "EventLoop"],
        swiftSettings: strict),
    .testTarget(
        name: "CommitSimulatorTests", dependencies: ["CommitProtocol", "CommitSimulator"],
        swiftSettings: strict),
    .testTarget(
        name: "CoordinatorAPITests", dependencies: ["CoordinatorAPI", yams],
        swiftSettings: strict),
    .testTarget(
        name: "OpenTelemetryExportTests",
        dependencies: ["EventLoop", "OpenTelemetryExport", "TransactionEngine", tracing],
        swiftSettings: strict),
    .testTarget(
        name: "OperatorConsoleTests",
        dependencies: [
            "AccessControl", "CommitProtocol", "CoordinatorAPI", "EventLoop", "HTTPServer",
            "OperatorConsole", "TransactionEngine", httpTypes,
        ], swiftSettings: strict),
    .testTarget(
        name: "PostgresClustersTests", dependencies: ["PostgresClusters"], swiftSettings: strict),
    .testTarget(
        name: "PostgresClientTests",
        dependencies: ["EventLoop", "PostgresClient", "PostgresClusters"],
        swiftSettings: strict),
    .testTarget(
        name: "PostgresTransactionsTests",
        dependencies: [
            "CommitProtocol", "CoordinatorAPI", "EventLoop", "PostgresClient", "PostgresClusters",
            "PostgresTransactions", "TransactionEngine", inMemoryLogging, logging,
        ],
        swiftSettings: strict),
    .testTarget(
        name: "TandemTests",
        dependencies: [
            "AccessControl", "CommitProtocol", "CoordinatorAPI", "EventLoop", "HTTPServer",
            "PostgresClient", "PostgresClusters", "PostgresTransactions", "TransactionEngine",
            "tandem",
            logging,
            .product(name: "ArgumentParser", package: "swift-argument-parser"), httpTypes,
        ], swiftSettings: strict),
    .testTarget(name: "TidyTests", swiftSettings: strict),
    .testTarget(
        name: "TransactionMetricsTests",
        dependencies: [
            "CommitProtocol", "EventLoop", "PostgresClient", "PrometheusMetrics",
            "TransactionEngine", "TransactionMetrics", metrics,
        ], swiftSettings: strict),
    .testTarget(
        name: "TransactionEngineTests",
        dependencies: [
            "CommitProtocol", "EventLoop", "PrometheusMetrics", "StatementGate",
            "TransactionEngine", "TransactionMetrics", inMemoryLogging, logging, metrics,
        ],
        swiftSettings: strict),
    .testTarget(
        name: "TransactionTracesTests",
        dependencies: [
            "CommitProtocol", "TransactionEngine", "TransactionTraces", tracing,
            .product(name: "InMemoryTracing", package: "swift-distributed-tracing"),
        ], swiftSettings: strict),
    .executableTarget(
        name: "TwoPhaseCommitVictim", dependencies: ["TwoPhaseCommit"],
        path: "Tests/TwoPhaseCommitVictim", swiftSettings: strict),
    .testTarget(
        name: "TwoPhaseCommitTests",
        dependencies: [
            "CommitProtocol", "CoordinatorAPI", "EventLoop", "PostgresClient",
            "PostgresClusters", "PostgresTransactions", "tandem", "TransactionEngine",
            "TwoPhaseCommit", "TwoPhaseCommitTesting", "TwoPhaseCommitVictim", logging,
            serviceLifecycle,
            .product(name: "MetricsTestKit", package: "swift-metrics"),
        ], swiftSettings: strict),
]

let package = Package(
    name: "tandem",
    products: isUnitOnly
        ? []
        : [
            .library(name: "TwoPhaseCommit", targets: ["TwoPhaseCommit"]),
            .library(name: "TwoPhaseCommitTesting", targets: ["TwoPhaseCommitTesting"]),
        ],
    traits: [
        .trait(
            name: "Tracing",
            description: "The library reports spans through swift-distributed-tracing."),
        .default(enabledTraits: ["Tracing"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
        .package(url: "https://github.com/apple/swift-http-structured-headers", from: "1.7.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: isUnitOnly
        ? floor0 + floor1 + floor2 + unitTests
        : floor0 + floor1 + floor2 + floor3 + floor4 + floor5 + floor6 + benchmarks + unitTests
            + wholeTests,
    cLanguageStandard: .c17
)
