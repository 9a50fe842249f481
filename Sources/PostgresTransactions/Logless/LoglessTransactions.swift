package import CommitProtocol
package import EventLoop
package import PostgresClient

/// The transactions that coordinators without a decision log have left prepared in some databases, for
/// an operator.
package struct LoglessTransactions: Sendable {
    /// One prepared branch.
    package struct Branch: Sendable, Hashable {
        /// The index of the database in the list that was asked.
        package let database: Int
        /// Its name.
        package let name: LoglessName
        /// The role that prepared it; only that role and superusers can end it.
        package let owner: String
        /// For how long it has been prepared, by its server's clock.
        package let ageSeconds: Int
    }

    /// The branches of one transaction.
    package struct Group: Sendable, Hashable {
        /// What an operator names it by.
        package let name: String
        /// Its branches that are still prepared, in order.
        package let branches: [Branch]
        /// How many branches it had.
        package let branchCount: Int
        /// Whether its coordinator still has sessions in one of the databases: then it runs, and ends its
        /// transactions itself.
        package let isCoordinatorAlive: Bool

        /// The numbers of the branches that are not prepared in any of the databases asked: ended,
        /// never prepared, or in a database that was not asked.
        package var missing: [Int] {
            (0..<branchCount).filter { number in !branches.contains { $0.name.branch == number } }
        }
    }

    /// The transactions found, the oldest first.
    package let groups: [Group]

    /// The coordinators that have sessions.
    private static let coordinators = Query<String>(
        """
        SELECT DISTINCT substr(application_name, 13) FROM pg_stat_activity
        WHERE application_name LIKE 'tandem-work %'
        """
    ) { $0.text() }

    private static let prepared = Query<(name: LoglessName, owner: String, ageSeconds: Int)>(
        """
        SELECT gid, owner, extract(epoch FROM clock_timestamp() - prepared)::bigint
        FROM pg_prepared_xacts
        WHERE database = current_database() AND starts_with(gid, $1)
        """
    ) { row in
        guard let name = row.text().flatMap(LoglessName.init), let owner = row.text(),
            let age: Int = row.value()
        else { return nil }
        return (name, owner, age)
    }

    /// Asks the databases, one after the other.
    @LoopActor
    package static func find(
        in databases: [ConnectionOptions], timeout: Duration, loop: EventLoop
    ) async throws(PostgresError) -> LoglessTransactions {
        var branches: [Branch] = []
        var alive: Set<String> = []
        for (number, options) in databases.enumerated() {
            let connection = try await Self.connect(options, timeout: timeout, loop: loop)
            defer { connection.close() }
            // Sessions before transactions: otherwise a coordinator that starts in between could have a
            // transaction listed here, and seem to be gone.
            alive.formUnion(try await connection.rows(coordinators, timeout: timeout))
            let found = try await connection.rows(
                prepared, [LoglessName.prefix], timeout: timeout)
            branches += found.map {
                Branch(database: number, name: $0.name, owner: $0.owner, ageSeconds: $0.ageSeconds)
            }
        }
        return LoglessTransactions(branches, alive)
    }

    /// Opens a session with the settings of those that end branches.
    @LoopActor
    private static func connect(
        _ options: ConnectionOptions, timeout: Duration, loop: EventLoop
    ) async throws(PostgresError) -> PostgresConnection {
        try await PostgresConnection.connect(
            options.overriding(["options": SessionSettings.finish.startup]), timeout: timeout,
            loop: loop)
    }

    private init(_ branches: [Branch], _ alive: Set<String>) {
        var byName: [String: [Branch]] = [:]
        for branch in branches { byName[branch.name.group, default: []].append(branch) }
        groups = byName.compactMap { name, branches in
            guard let first = branches.first else { return nil }
            return Group(
                name: name, branches: branches.sorted { $0.name.branch < $1.name.branch },
                branchCount: first.name.branchCount,
                isCoordinatorAlive: alive.contains(first.name.coordinator))
        }.sorted { left, right in
            let ages = (left.oldestSeconds, right.oldestSeconds)
            return ages.0 == ages.1 ? left.name < right.name : ages.0 > ages.1
        }
    }

    /// Ends every branch that is left of a transaction; returns the database's answer for each.
    @LoopActor
    package static func end(
        _ group: Group, _ decision: Decision, in databases: [ConnectionOptions], timeout: Duration,
        loop: EventLoop
    ) async -> [(branch: Branch, answer: Result<String, PostgresError>)] {
        let verb = decision == .commit ? "COMMIT PREPARED" : "ROLLBACK PREPARED"
        var answers: [(branch: Branch, answer: Result<String, PostgresError>)] = []
        for branch in group.branches {
            do throws(PostgresError) {
                let connection = try await connect(
                    databases[branch.database], timeout: timeout, loop: loop)
                defer { connection.close() }
                // The name has exactly this form, in which nothing needs quoting.
                let result = try await connection.query("\(verb) '\(branch.name)'")
                answers.append((branch, .success(result.tag)))
            } catch {
                answers.append((branch, .failure(error)))
            }
        }
        return answers
    }
}

extension LoglessTransactions.Group {
    /// The age of the branch that was prepared first.
    package var oldestSeconds: Int { branches.map(\.ageSeconds).max() ?? 0 }
}
