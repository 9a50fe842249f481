/// A target imports targets of a lower floor only, and a C module has its wrapper as importer.
enum Layering {
    /// The floors of docs/ARCHITECTURE.md.
    static let floors = [
        "CGnuTLS": 0, "CLibpq": 0, "CMicrohttpd": 0, "CLinux": 0, "CommitProtocol": 0,
        "StatementGate": 0,
        "PrometheusMetrics": 0,
        "EventLoop": 1, "CommitSimulator": 1,
        "TransactionEngine": 2, "PostgresClient": 2, "HTTPServer": 2, "PostgresClusters": 2,
        "AccessControl": 2,
        "PostgresTransactions": 3, "CoordinatorAPI": 3, "TransactionTraces": 3,
        "OpenTelemetryExport": 3, "TransactionMetrics": 3,
        "OperatorConsole": 4,
        "simulate": 5, "tandem": 5, "TwoPhaseCommit": 5,
        "TwoPhaseCommitTesting": 6,
    ]

    /// The targets that import nothing at all.
    private static let importingNothing: Set = ["CommitProtocol", "StatementGate"]

    /// Who may import which C module.
    static let importers: [String: Set<String>] = [
        "CLibpq": ["PostgresClient"],
        "CGnuTLS": ["HTTPServer"],
        "CMicrohttpd": ["HTTPServer"],
        "CLinux": ["EventLoop", "PostgresClient", "tandem"],
    ]

    static func faults(in files: [SourceFile]) -> [String] {
        files.flatMap(faults)
    }

    private static func faults(in file: SourceFile) -> [String] {
        guard let floor = floors[file.target] else {
            return ["\(file.path): the target \(file.target) has no floor"]
        }
        return file.imports.compactMap { module, line in
            let place = "\(file.path):\(line)"
            if importingNothing.contains(file.target) {
                return "\(place): \(file.target) imports nothing"
            }
            if let allowed = importers[module], !allowed.contains(file.target) {
                return "\(place): \(module) is imported by \(allowed.sorted()) only"
            }
            guard let below = floors[module], below >= floor else { return nil }
            return "\(place): \(file.target) on floor \(floor) imports \(module) on floor \(below)"
        }
    }
}
