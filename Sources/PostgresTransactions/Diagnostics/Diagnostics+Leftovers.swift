import CommitProtocol
package import EventLoop
package import PostgresClient
import TransactionEngine

/// Prepared transactions that bear this installation's name and that no replica will end.
extension Diagnostics {
    /// A sentence about each, by the participant whose server holds it.
    ///
    /// A server that does not answer is passed over, since other checks report it.
    @LoopActor
    package static func leftovers(
        state: ConnectionOptions, participants: [(name: String, options: ConnectionOptions)],
        timeout: Duration, loop: EventLoop
    ) async -> [String: [String]] {
        guard
            let log = try? await PostgresConnection.connect(state, timeout: timeout, loop: loop)
        else { return [:] }
        defer { log.close() }
        return (try? await find(log, participants, timeout: timeout, loop: loop)) ?? [:]
    }

    private struct Place: Sendable {
        let system: String
        let database: String
        let user: String

        static let query = Query<Place>(
            """
            SELECT (SELECT system_identifier FROM pg_control_system()), current_database(),
                session_user
            """
        ) { row in
            Place(
                system: row.text() ?? "", database: row.text() ?? "", user: row.text() ?? "")
        }

        /// Whether a participant here can end a transaction.
        func covers(_ transaction: PreparedTransaction, on system: String) -> Bool {
            self.system == system && database == transaction.database
                && user == transaction.owner
        }
    }

    private static let installation = Query<String>("SELECT id FROM tandem.installation") {
        $0.text()
    }

    @LoopActor
    private static func find(
        _ log: PostgresConnection, _ participants: [(name: String, options: ConnectionOptions)],
        timeout: Duration, loop: EventLoop
    ) async throws -> [String: [String]] {
        let result = try await log.set(
            .examination, thenRun: installation.command(), timeout: patience)
        guard let installation = installation.row(of: result) else { return [:] }
        var found: [(name: String, place: Place, prepared: [PreparedTransaction])] = []
        for (name, options) in participants {
            guard
                let (place, prepared) = try? await prepared(
                    options, installation, timeout: timeout, loop: loop)
            else { continue }
            found.append((name, place, prepared))
        }
        var reported: Set<String> = []
        var sentences: [String: [String]] = [:]
        for (name, place, prepared) in found {
            for entry in prepared {
                let gid = entry.found.name
                let transaction = self.transaction(gid, installation)
                let isCovered = found.contains { $0.place.covers(entry, on: place.system) }
                guard transaction == nil || !isCovered,
                    reported.insert("\(place.system) \(gid)").inserted
                else { continue }
                let row = try await row(of: transaction, on: log)
                let remedy = entry.remedy(transaction, row, mayHaveLostRow: true)
                sentences[name, default: []].append(
                    "\(gid) was prepared \(Int(entry.found.ageSeconds)) s ago by role "
                        + "\"\(entry.owner)\" in database \"\(entry.database)\", and no replica ends "
                        + "it. \(remedy)")
            }
        }
        return sentences
    }

    private static func transaction(
        _ gid: String, _ installation: String
    ) -> GlobalTransactionID? {
        switch PreparedTransactionName.ownership(of: gid, installation: installation) {
        case .ours(let id, _): id
        case .foreign: nil
        }
    }

    private static let prepared = Query<PreparedTransaction>(
        """
        SELECT gid, extract(epoch FROM clock_timestamp() - prepared)::double precision, owner,
            database
        FROM pg_prepared_xacts WHERE gid LIKE $1 ORDER BY prepared
        """
    ) { row in
        guard let gid = row.text(), let age: Double = row.value(), let owner = row.text(),
            let database = row.text()
        else { return nil }
        return PreparedTransaction(
            found: .init(name: gid, ageSeconds: age), isFromBefore: false, claim: .otherRole,
            owner: owner, database: database)
    }

    @LoopActor
    private static func prepared(
        _ options: ConnectionOptions, _ installation: String, timeout: Duration, loop: EventLoop
    ) async throws -> (Place, [PreparedTransaction]) {
        let connection = try await PostgresConnection.connect(
            options, timeout: timeout, loop: loop)
        defer { connection.close() }
        let result = try await connection.set(
            .examination, thenRun: Place.query.command(), timeout: patience)
        guard let place = Place.query.row(of: result) else { throw PostgresError.closed }
        return (
            place,
            try await connection.rows(prepared, ["tandem:\(installation):%"], timeout: patience)
        )
    }

    private static let row = Query<RowStanding>(
        """
        SELECT decision, gids FROM tandem.transactions
        WHERE number = $1::bigint AND salt = $2::bigint
        """
    ) { row in
        RowStanding(
            row: .owned, decision: row.text().flatMap(Decision.init(rawValue:)),
            gids: (row.list() ?? []).compactMap(\.self))
    }

    @LoopActor
    private static func row(
        of id: GlobalTransactionID?, on log: PostgresConnection
    ) async throws -> RowStanding? {
        guard let id else { return nil }
        return try await log.row(
            row, ["\(id.number)", "\(Int64(bitPattern: id.salt))"], timeout: patience)
    }
}

extension Diagnosis {
    /// Adds these prepared transactions that no replica ends, as warnings: tandem can work all the same.
    package func adding(leftovers: [String]) -> Diagnosis {
        Diagnosis(
            checks: checks + leftovers.map { Check.warning("leftovers", $0) }, summary: summary)
    }
}
