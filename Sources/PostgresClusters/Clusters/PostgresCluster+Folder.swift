extension PostgresCluster {
    /// Makes an empty folder that goes away with this process and its clusters, of whatever cause.
    ///
    /// For files that belong to the clusters, such as the configuration of a program that uses them.
    /// Returns its absolute path; only the servers' user, and root, may look into it.
    public static func temporaryFolder(_ name: String) async throws -> String {
        try await ClusterWorkspace.shared.newFolder(name)
    }
}
