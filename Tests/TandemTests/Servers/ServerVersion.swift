import PostgresClusters
import Testing

/// The major version of the servers that the tests start.
enum ServerVersion {
    static func isAtLeast(_ version: Int) async throws -> Bool {
        try await PostgresInstallation.find().majorVersion >= version
    }
}

extension Trait where Self == ConditionTrait {
    /// Runs the test only on servers of this major version or a later one.
    static func postgres(_ version: Int) -> Self {
        .enabled("needs PostgreSQL \(version): make test PG=\(version)") {
            try await ServerVersion.isAtLeast(version)
        }
    }
}
