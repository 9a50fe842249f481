import CommitProtocol
import EventLoop
public import PostgresClient
import TransactionEngine

/// Prepared transactions that bear this installation's name, and that no replica will ever end.
extension Diagnostics {
    /// A sentence about each, by the participant whose server holds it; nothing where the state
    /// database or a server does not answer, which other checks say.
    public static func leftovers(
        state: ConnectionOptions, participants: [(name: String, options: ConnectionOptions)],
        timeout: Duration
    ) async -> [String: [String]] {
        (try? await find(state, participants, timeout)) ?? [:]
    }

    private struct Place {
        let participant: String
        let system: String
        let database: String
        let user: String
        var found: [PreparedTransaction] = []

        func covers(_ other: PreparedTransaction, on system: String) -> Bool {
            self.system == system && database == other.database && user == other.owner
        }
    }

    @LoopActor
    private static func find(
        _ state: ConnectionOptions, _ participants: [(name: String, options: ConnectionOptions)],
        _ timeout: Duration
    ) async throws -> [String: [String]] {
        let log = try await PostgresConnection.connect(state, timeout: timeout)
        defer { log.close() }
        let id = try await log.set(
            .examination, thenAsk: Command("SELECT id FROM tandem.installation"), timeout: patience)
        guard let installation = id.text(row: 0, column: 0) else { return [:] }
        var places: [Place] = []
        for (name, options) in participants {
            guard let place = try? await look(name, options, installation, timeout) else {
                continue
            }
            places.append(place)
        }
        var said: Set<String> = []
        var sentences: [String: [String]] = [:]
        for place in places {
            for found in place.found {
                let gid = found.found.name
                let transaction = self.transaction(gid, installation)
                let isCovered = places.contains { $0.covers(found, on: place.system) }
                guard transaction == nil || !isCovered,
                    said.insert("\(place.system) \(gid)").inserted
                else { continue }
                let row = try await row(of: transaction, on: log)
                let remedy = found.remedy(transaction, row, mayHaveLostRow: true)
                sentences[place.participant, default: []].append(
                    "\(gid) was prepared \(Int(found.found.ageSeconds)) s ago by role "
                        + "\"\(found.owner)\" in database \"\(found.database)\", and no replica ends "
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

    @LoopActor
    private static func look(
        _ name: String, _ options: ConnectionOptions, _ installation: String, _ timeout: Duration
    ) async throws -> Place {
        let connection = try await PostgresConnection.connect(options, timeout: timeout)
        defer { connection.close() }
        let own = try await connection.set(
            .examination,
            thenAsk: Command(
                """
                SELECT (SELECT system_identifier FROM pg_control_system()), current_database(),
                    session_user
                """), timeout: patience)
        var place = Place(
            participant: name, system: own.text(row: 0, column: 0) ?? "",
            database: own.text(row: 0, column: 1) ?? "", user: own.text(row: 0, column: 2) ?? "")
        let rows = try await connection.query(
            """
            SELECT gid, extract(epoch FROM clock_timestamp() - prepared)::double precision, owner,
                database
            FROM pg_prepared_xacts WHERE gid LIKE $1 ORDER BY prepared
            """, ["tandem:\(installation):%"], timeout: patience)
        for row in 0..<rows.rowCount {
            guard let gid = rows.text(row: row, column: 0),
                let age = rows.text(row: row, column: 1).flatMap(Double.init),
                let owner = rows.text(row: row, column: 2),
                let database = rows.text(row: row, column: 3)
            else { continue }
            place.found.append(
                PreparedTransaction(
                    found: .init(name: gid, ageSeconds: age), isFromBefore: false,
                    claim: .otherRole, owner: owner, database: database))
        }
        return place
    }

    @LoopActor
    private static func row(
        of id: GlobalTransactionID?, on log: PostgresConnection
    ) async throws -> RowStanding? {
        guard let id else { return nil }
        let rows = try await log.query(
            """
            SELECT decision, gids FROM tandem.transactions
            WHERE number = $1::bigint AND salt = $2::bigint
            """, ["\(id.number)", "\(Int64(bitPattern: id.salt))"], timeout: patience)
        guard rows.rowCount > 0 else { return nil }
        let gids = rows.text(row: 0, column: 1).flatMap(ArrayLiteral.read) ?? []
        return RowStanding(
            row: .owned, decision: rows.text(row: 0, column: 0).flatMap(Decision.init(rawValue:)),
            gids: gids.compactMap(\.self))
    }
}

extension Diagnosis {
    /// With these prepared transactions that nobody ends; tandem can work beside them.
    public func adding(leftovers: [String]) -> Diagnosis {
        Diagnosis(
            checks: checks + leftovers.map { Check("leftovers", .warning, $0) }, summary: summary)
    }
}
