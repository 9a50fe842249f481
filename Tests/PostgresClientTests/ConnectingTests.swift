import EventLoop
import PostgresClient
import Testing

@Suite(.patient) @LoopActor
struct ConnectingTests {
    @Test func reportsSessionAfterConnecting() async throws {
        let connection = try await connect(["application_name": "someone"])
        defer { connection.close() }
        let result = try await connection.query(
            "SELECT pg_backend_pid(), current_setting('application_name')")
        #expect(result.text(row: 0, column: 0) == "\(connection.processID)")
        #expect(result.text(row: 0, column: 1) == "someone")
        #expect(connection.parameter("client_encoding") == "UTF8")
        #expect(connection.parameter("no_such_parameter") == nil)
        #expect(connection.serverVersion >= 150_000)
        #expect(connection.isOpen)
        #expect(connection.transactionStatus == .idle)
    }

    @Test func resolvesHostNamesAndTriesHostsInOrder() async throws {
        let cluster = try await Cluster.shared.value
        let dead = try LoopbackListener(refuses: true)
        defer { dead.close() }
        for host in ["localhost", "127.0.0.1,localhost", "no-such-host.invalid,localhost"] {
            let ports = host.contains(",") ? "\(dead.port),\(cluster.port)" : "\(cluster.port)"
            let options = try cluster.options(["host": host, "port": ports])
            let connection = try await PostgresConnection.connect(
                options, timeout: patience, loop: .shared)
            #expect(connection.isOpen)
            connection.close()
        }
    }

    @Test func connectsThroughSocketDirectory() async throws {
        let cluster = try await Cluster.shared.value
        let connection = try await connect(["host": cluster.directory])
        let result = try await connection.query("SELECT inet_server_addr()")
        #expect(result.text(row: 0, column: 0) == nil)
        connection.close()
    }

    @Test func reportsClosedPortAsUnreachable() async throws {
        let listener = try LoopbackListener(refuses: true)
        defer { listener.close() }
        let error = await failure { _ = try await connect(["port": "\(listener.port)"]) }
        guard case .unreachable(let reason) = error else { return #expect(error == nil) }
        #expect(reason.contains("refused"))
        #expect(error?.isOutcomeUnknown == false)
    }

    @Test func reportsUnknownHostAsUnreachable() async throws {
        let error = await failure { _ = try await connect(["host": "no-such-host.invalid"]) }
        guard case .unreachable(let reason) = error else { return #expect(error == nil) }
        #expect(reason.contains("no-such-host.invalid"))
    }

    @Test func timesOutOnServerThatNeverAnswers() async throws {
        let listener = try LoopbackListener()
        defer { listener.close() }
        let start = ContinuousClock.now
        let error = await failure {
            let options = try ConnectionOptions(
                conninfo: "host=127.0.0.1 port=\(listener.port) user=x password=hidden")
            _ = try await PostgresConnection.connect(
                options, timeout: .milliseconds(150), loop: .shared)
        }
        let took = ContinuousClock.now - start
        guard case .unreachable(let reason) = error else { return #expect(error == nil) }
        #expect(!reason.contains("hidden"))
        // The listener never answers: that the wait ends at all is what is tested, and a busy machine
        // may take its time.
        #expect(took >= .milliseconds(150))
    }

    @Test func endsAttemptWhenTaskIsCancelled() async throws {
        let listener = try LoopbackListener()
        defer { listener.close() }
        let options = try ConnectionOptions(
            conninfo: "host=127.0.0.1 port=\(listener.port) user=x")
        for beforehand in [true, false] {
            // It runs to its first wait, and so it waits for the server when it is cancelled.
            let attempt = Task.immediate { @LoopActor in
                if beforehand { withUnsafeCurrentTask { unsafe $0?.cancel() } }
                return await failure {
                    _ = try await PostgresConnection.connect(
                        options, timeout: patience, loop: .shared)
                }
            }
            if !beforehand { attempt.cancel() }
            guard case .unreachable(let reason) = await attempt.value else {
                Issue.record("it was not cancelled")
                return
            }
            #expect(reason.contains("cancelled"))
        }
    }

    @Test(arguments: [
        (["dbname": "nowhere"], SQLState.invalidCatalogName),
        (["user": "nobody_at_all"], SQLState.invalidAuthorization),
        (["options": "-c no_such_setting=1"], SQLState(rawValue: "42704")),
    ])
    func keepsSQLStateOfRefusal(_ overrides: [String: String], _ state: SQLState)
        async throws
    {
        let error = await failure { _ = try await connect(overrides) }
        guard case .refused(let message) = error else { return #expect(error == nil) }
        #expect(message.state == state)
        #expect(message.severity == "FATAL")
        #expect(!message.message.isEmpty)
    }

    @Test func refusesWrongPasswordWithoutShowingIt() async throws {
        let admin = try await connect()
        _ = try? await admin.query("CREATE ROLE secretive LOGIN PASSWORD 'correct-horse'")
        admin.close()
        let good = try await connect(["user": "secretive", "password": "correct-horse"])
        good.close()
        let error = await failure {
            _ = try await connect(["user": "secretive", "password": "battery-staple"])
        }
        #expect(error?.serverMessage?.state == .invalidPassword)
        #expect(!"\(String(reflecting: error))".contains("battery-staple"))
    }

    @Test func refusesPrimaryForStandbyTarget() async throws {
        let error = await failure { _ = try await connect(["target_session_attrs": "standby"]) }
        guard case .unreachable = error else { return #expect(error == nil) }
    }
}
