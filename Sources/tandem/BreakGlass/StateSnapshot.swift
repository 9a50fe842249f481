import CommitProtocol
import PostgresClient
import PostgresTransactions
import TransactionEngine

/// What the state database says at one moment, as far as finishing by hand needs it.
struct StateSnapshot: Sendable {
    /// Where it comes from and how old it is, in a sentence.
    var source: String
    /// Why undecided transactions may have lost their decision; nil if nothing shows that.
    var doubt: String?
    let installation: String
    /// Undecided transactions with smaller numbers are held by the quarantine; 0 outside it.
    let quarantinedBelow: Int64
    /// The newest heartbeat of any replica, as the dump writes it.
    let newestHeartbeat: String?
    /// Replicas whose incarnation has not ended.
    let openReplicas: [String]
    /// The unfinished transactions, by number.
    let transactions: [Row]
    /// How many finished transactions wait for an operator, and are not the business of this plan.
    let finishedForOperator: Int
    private let places: [PlaceKey: Place]

    struct PlaceKey: Hashable, Comparable {
        let participant: String
        let version: Int?

        static func < (one: Self, other: Self) -> Bool {
            (one.participant, one.version ?? 0) < (other.participant, other.version ?? 0)
        }
    }

    /// The server and the database that a version of a participant stands for.
    struct Place: Hashable, Sendable {
        let systemIdentifier: String
        let database: String
    }

    /// An unfinished transaction.
    struct Row: Sendable {
        let id: GlobalTransactionID
        let state: TransactionState
        let decision: Decision?
        let isDecidedByOperator: Bool
        let acceptedAt: String
        let journal: ServerTimeline?
        let isDelegated: Bool
        let branches: [Branch]
    }

    struct Branch: Sendable {
        let number: Int
        let place: PlaceKey
        let gid: String
        let mode: CommitMode
        let evidence: PreparedEvidence?
        let outcome: Outcome?
        /// What an operator has stated about it, if one has.
        let resolution: String?
    }

    func place(_ key: PlaceKey) -> Place? { places[key] }

    /// The names of all participants that are recorded, or that have a branch here.
    var participants: Set<String> {
        Set(places.keys.map(\.participant))
            .union(transactions.flatMap { $0.branches.map(\.place.participant) })
    }

    /// Makes a snapshot of the tables; throws if one is missing, or a row is none that tandem writes.
    init(_ tables: StateTables, source: String) throws(CommandFailure) {
        self.source = source
        guard let installation = tables.rows(.installation).first,
            let id = installation.text("id")
        else { throw CommandFailure(.usage, "The table tandem.installation has no row.") }
        self.installation = id
        quarantinedBelow = installation.text("quarantined_below").flatMap { Int64($0) } ?? 0
        let replicas = tables.rows(.replicas)
        newestHeartbeat = replicas.compactMap { $0.text("heartbeat_at") }.max()
        openReplicas = replicas.filter { $0.text("ended") != "t" }
            .compactMap { $0.text("name") }.sorted()
        var places: [PlaceKey: Place] = [:]
        for row in tables.rows(.participants) {
            guard let name = row.text("name"),
                let version = row.text("version").flatMap({ Int($0) })
            else { continue }
            places[PlaceKey(participant: name, version: version)] = Place(
                systemIdentifier: row.text("system_identifier") ?? "?",
                database: row.text("database") ?? "?")
        }
        self.places = places
        var resolutions: [String: String] = [:]
        for row in tables.rows(.resolutions) {
            guard let id = row.text("transaction"), let branch = row.text("branch") else {
                continue
            }
            resolutions["\(id)/\(branch)"] = row.text("action")
        }
        var transactions: [Row] = []
        for row in tables.rows(.transactions) {
            transactions.append(try Row(row, installation: id, resolutions: resolutions))
        }
        guard Set(transactions.map(\.id)).count == transactions.count else {
            throw CommandFailure(
                .usage, "Expected one row for each transaction, got two with the same id.")
        }
        self.transactions = transactions.sorted { $0.id < $1.id }
        finishedForOperator = tables.finishedForOperator
    }
}

extension StateSnapshot.Row {
    /// Reads a row of `tandem.transactions`.
    ///
    /// A wrong line of the plan loses money, so a row that cannot be read whole stops everything.
    fileprivate init(
        _ row: StateTables.Row, installation: String, resolutions: [String: String]
    ) throws(CommandFailure) {
        let name = row.text("number") ?? "?"
        func refuse(_ what: String) -> CommandFailure {
            CommandFailure(
                .usage, "Transaction \(Terminal.printable(name)) cannot be read: \(what).")
        }
        guard let number = row.text("number").flatMap({ Int64($0) }), number > 0,
            let salt = row.text("salt").flatMap({ Int64($0) })
        else { throw refuse("its id is none") }
        let id = GlobalTransactionID(number: number, salt: UInt64(bitPattern: salt))
        guard let state = row.text("state").flatMap(TransactionState.init(rawValue:)) else {
            throw refuse("its state is none that tandem writes")
        }
        let decision = row.text("decision").flatMap(Decision.init(rawValue:))
        guard decision != nil || row.text("decision") == nil else {
            throw refuse("its decision is neither commit nor abort")
        }
        let journal = row.text("journal_server").flatMap(RowCoding.server(of:))
        guard journal != nil || row.text("journal_server") == nil else {
            throw refuse("the server of its journal is not written as tandem writes it")
        }
        guard let gids = row.list("gids"), let participants = row.list("participants"),
            !gids.isEmpty, participants.count == gids.count
        else { throw refuse("its branches are not complete") }
        var branches: [StateSnapshot.Branch] = []
        for index in gids.indices {
            func element(_ column: String) throws(CommandFailure) -> String? {
                guard let list = row.list(column) else {
                    if row.text(column) == nil { return nil }
                    throw refuse("\(column) is no array")
                }
                guard list.count == gids.count else {
                    throw refuse("\(column) does not have one element for each branch")
                }
                return list[index]
            }
            let gid = gids[index] ?? ""
            guard
                PreparedTransactionName.ownership(of: gid, installation: installation)
                    == .ours(id, branch: index)
            else { throw refuse("the gid of branch \(index) is not that of this branch") }
            let mode = try element("commit_modes")
            let outcome = try element("outcomes")
            let evidence = try element("evidence")
            guard mode == nil || mode.flatMap(CommitMode.init(rawValue:)) != nil,
                outcome == nil || outcome.flatMap(Outcome.init(rawValue:)) != nil,
                evidence == nil || evidence.flatMap(RowCoding.evidence(of:)) != nil
            else { throw refuse("branch \(index) is not written as tandem writes it") }
            branches.append(
                StateSnapshot.Branch(
                    number: index,
                    place: .init(
                        participant: participants[index] ?? "?",
                        version: try element("participant_versions").flatMap { Int($0) }),
                    gid: gid, mode: mode.flatMap(CommitMode.init(rawValue:)) ?? .twoPhase,
                    evidence: evidence.flatMap(RowCoding.evidence(of:)),
                    outcome: outcome.flatMap(Outcome.init(rawValue:)),
                    resolution: resolutions["\(id)/\(index)"]))
        }
        self.init(
            id: id, state: state, decision: decision,
            isDecidedByOperator: row.text("decision_from") == "operator",
            acceptedAt: row.text("accepted_at") ?? "?", journal: journal,
            isDelegated: row.text("delegated") == "t", branches: branches)
    }
}

/// The rows of the tables that a snapshot is made of, as text.
struct StateTables: Sendable {
    enum Table: String, CaseIterable {
        case installation, replicas, participants, transactions, resolutions

        /// What is read of it; a schema that lacks one of these is of another version.
        var columns: [String] {
            switch self {
            case .installation: ["id", "quarantined_below", "system_identifier", "timeline"]
            case .replicas: ["name", "heartbeat_at", "ended"]
            case .participants: ["name", "version", "system_identifier", "database"]
            case .transactions:
                [
                    "number", "salt", "state", "decision", "decided_at", "decision_from",
                    "accepted_at", "finished_at", "participants", "gids", "participant_versions",
                    "commit_modes", "journal_server", "delegated", "evidence", "outcomes",
                    "needs_operator_since",
                ]
            case .resolutions: ["number", "transaction", "branch", "action"]
            }
        }
    }

    /// One row; a column is nil for NULL.
    struct Row: Sendable {
        let values: [String: String]

        func text(_ column: String) -> String? { values[column] }

        func list(_ column: String) -> [String?]? { values[column].flatMap(ArrayLiteral.read) }
    }

    private var found: [Table: [Row]] = [:]
    private(set) var finishedForOperator = 0

    /// Notes that a table is there, even if it has no rows.
    mutating func begin(_ table: Table) { found[table, default: []] += [] }

    /// Adds a row; of transactions only those that are not finished are kept.
    mutating func add(_ row: Row, to table: Table) {
        if table == .transactions, row.text("finished_at") != nil {
            if row.text("needs_operator_since") != nil { finishedForOperator += 1 }
            return
        }
        found[table, default: []].append(row)
    }

    /// The tables that were not found.
    var missing: [Table] { Table.allCases.filter { found[$0] == nil } }

    func rows(_ table: Table) -> [Row] { found[table] ?? [] }
}
