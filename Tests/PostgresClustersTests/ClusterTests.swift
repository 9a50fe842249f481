import FoundationEssentials
import PostgresClusters
import Testing

@Suite struct ClusterTests {
    @Test func acceptsConnectionsWithDatabaseTablesAndSettings() async throws {
        try await PostgresCluster.withTemporary(
            database: "users", settings: ["max_prepared_transactions": "7"],
            initialSQL: ["CREATE TABLE users (id text PRIMARY KEY)", "CREATE ROLE tandem LOGIN"]
        ) { (cluster) async throws in
            #expect(try await cluster.psql("TABLE users").isEmpty)
            #expect(try await cluster.psql("SELECT current_user", user: "tandem") == "tandem")
            #expect(try await cluster.psql("SHOW max_prepared_transactions") == "7")
            #expect(try await cluster.psql("SHOW fsync") == "on")
            #expect(try await cluster.psql("SHOW listen_addresses") == "127.0.0.1")
        }
    }

    @Test func everyClusterIsAServerOfItsOwn() async throws {
        let settings = ["fsync": "off"]
        async let one = PostgresCluster.start(name: "one", settings: settings)
        async let two = PostgresCluster.start(name: "two", settings: settings)
        async let three = PostgresCluster.start(name: "three", settings: settings)
        let clusters = try await [one, two, three]
        var identifiers: Set<String> = []
        for cluster in clusters {
            identifiers.insert(
                try await cluster.psql("SELECT system_identifier FROM pg_control_system()"))
        }
        #expect(identifiers.count == 3)
        #expect(Set(clusters.map(\.port)).count == 3)
        for cluster in clusters { await cluster.remove() }
    }

    @Test func preparedTransactionSurvivesACrash() async throws {
        try await PostgresCluster.withTemporary(initialSQL: ["CREATE TABLE t (i int)"]) {
            (cluster) async throws in
            _ = try await cluster.psql("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'g'")
            let before = await cluster.processID
            await cluster.kill()
            await #expect(throws: ClusterError.self) { try await cluster.psql("SELECT 1") }
            try await cluster.restart()
            #expect(await cluster.processID != before)
            #expect(try await cluster.psql("SELECT gid FROM pg_prepared_xacts") == "g")
            _ = try await cluster.psql("COMMIT PREPARED 'g'")
            #expect(try await cluster.psql("SELECT i FROM t") == "1")
        }
    }

    @Test(arguments: [PostgresCluster.StopMode.fast, .immediate])
    func stopsAndRestartsOnTheSamePort(mode: PostgresCluster.StopMode) async throws {
        try await PostgresCluster.withTemporary(settings: ["fsync": "off"]) {
            (cluster) async throws in
            _ = try await cluster.psql("CREATE TABLE t (i int)")
            await cluster.stop(mode)
            await #expect(throws: ClusterError.self) { try await cluster.psql("SELECT 1") }
            try await cluster.restart()
            #expect(try await cluster.psql("TABLE t").isEmpty)
        }
    }

    @Test func suspendedClusterAnswersAfterItsResumption() async throws {
        try await PostgresCluster.withTemporary(settings: ["fsync": "off"]) {
            (cluster) async throws in
            await cluster.suspend()
            let asked = Task { try await cluster.psql("SELECT 42") }
            let asleep = ContinuousClock.now
            try await Task.sleep(for: .milliseconds(200))
            let woken = ContinuousClock.now
            await cluster.resume()
            #expect(try await asked.value == "42")
            #expect(woken - asleep >= .milliseconds(200))
        }
    }

    @Test func failingInitialSQLIsReportedWithItsMessage() async throws {
        let error = await #expect(throws: ClusterError.self) {
            try await PostgresCluster.start(name: "bad", initialSQL: ["CREATE TABLE (oops"])
        }
        #expect(error?.description.contains("syntax error") == true)
    }

    @Test func serverThatCannotStartShowsItsLog() async throws {
        let error = await #expect(throws: ClusterError.self) {
            try await PostgresCluster.start(name: "bad", settings: ["shared_buffers": "nonsense"])
        }
        #expect(error?.description.contains("shared_buffers") == true)
    }

    @Test func missingBinariesNameThePackage() async throws {
        let error = await #expect(throws: ClusterError.self) {
            try await PostgresInstallation.find(environment: ["TANDEM_POSTGRES_BIN": "/nowhere"])
        }
        #expect(error?.description.contains("apt-get install postgresql") == true)
        #expect(error?.description.contains("/nowhere") == true)
    }

    @Test func foldersDifferAndOnlyTheServersUserMayLookIntoThem() async throws {
        let one = try await PostgresCluster.temporaryFolder("files")
        let two = try await PostgresCluster.temporaryFolder("files")
        #expect(one != two)
        let rights = try FileManager.default.attributesOfItem(atPath: one)[.posixPermissions]
        #expect(rights as? Int == 0o700)
    }
}
