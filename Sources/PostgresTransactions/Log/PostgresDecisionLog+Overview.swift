import CommitProtocol
import PostgresClient
package import TransactionEngine

/// What there is to see at a glance.
extension PostgresDecisionLog {
    private struct FoundQueue {
        let queue: TransactionQueue?
        let isOfOperator: Bool
        let count: Int
        let isCut: Bool
        let oldest: QueueSummary.Entry
    }

    private static let found = RowFormat { row -> FoundQueue? in
        let queue = row.name("f.queue", as: TransactionQueue.self)
        let isOfOperator = row.isTrue("f.is_of_operator")
        let count = row.value("count(*) OVER (PARTITION BY f.queue)", as: Int.self)
        let isCut = row.isTrue("f.is_cut")
        let id = row.transactionID(number: "f.number", salt: "f.salt")
        let acceptedAt = row.time("f.accepted_at")
        guard let count, let id, let acceptedAt else { return nil }
        return FoundQueue(
            queue: queue, isOfOperator: isOfOperator, count: count, isCut: isCut,
            oldest: QueueSummary.Entry(id: id, acceptedAt: acceptedAt))
    }

    /// How long each queue is, by the two indexes that hold what is not finished as decided.
    ///
    /// Of each index it examines the oldest rows, as many as may be counted: so it finds the oldest of
    /// those that are late, however many there are.
    package func queues(countMax: Int) async throws(LogUnavailable) -> [QueueSummary] {
        let found = try await rows(Self.queues(countMax: countMax), as: Self.found)
        return TransactionQueue.allCases.map { queue in
            let own = found.first { $0.queue == queue }
            let isCut = found.contains {
                $0.isOfOperator == (queue == .needsOperator) && $0.isCut
            }
            return QueueSummary(
                queue: queue, count: own?.count ?? 0, isCountExact: !isCut, oldest: own?.oldest)
        }
    }

    static func queues(countMax: Int) -> String {
        func examined(_ condition: String) -> String {
            """
            SELECT *, max(place) OVER () > \(countMax) AS is_cut
            FROM (SELECT x.number, x.salt, x.accepted_at, \(ListQuery.queue("x")) AS queue,
                    row_number() OVER (ORDER BY x.number) AS place
                FROM tandem.transactions AS x WHERE \(condition)
                ORDER BY x.number LIMIT \(countMax + 1)) AS x
            """
        }
        return """
            WITH unfinished AS (
                \(examined("x.finished_at IS NULL AND x.needs_operator_since IS NULL"))),
            operators AS (\(examined("x.needs_operator_since IS NOT NULL")))
            SELECT DISTINCT ON (f.queue, f.is_of_operator) \(found.columns)
            FROM (SELECT *, false AS is_of_operator FROM unfinished
                UNION ALL
                SELECT *, true FROM operators) AS f
            WHERE f.place <= \(countMax)
            ORDER BY f.queue, f.is_of_operator, f.number
            """
    }

    private static let replica = RowFormat { row -> ReplicaReport? in
        let name = row.text("r.name")
        let epoch = row.value("r.epoch", as: Int64.self)
        let startedAt = row.time("r.started_at")
        let heartbeatAt = row.time("r.heartbeat_at")
        let expiresAt = row.time("r.heartbeat_at + $2 * interval '1 second'")
        let isEnded = row.isTrue("NOT (\(StateDatabase.isAlive))")
        let isExpired = row.isTrue(
            """
            r.heartbeat_at NOT BETWEEN now() - $2 * interval '1 second'
                AND now() + $2 * interval '1 second'
            """)
        let participants = row.list("r.participants")
        let isThisReplica = row.isTrue("r.name = $1")
        guard let name, let epoch, let startedAt, let heartbeatAt, let expiresAt else { return nil }
        return ReplicaReport(
            name: name, epoch: epoch, startedAt: startedAt, lastHeartbeatAt: heartbeatAt,
            leaseExpiresAt: expiresAt, state: isEnded ? .ended : isExpired ? .expired : .live,
            participants: (participants ?? []).compactMap(\.self), isThisReplica: isThisReplica)
    }

    /// The replicas that ran last, by name; a name is kept for ever, so there may be many.
    ///
    /// How long a lease lasts is taken from this replica's configuration, for it is by this that it
    /// ends others.
    package func replicas() async throws(LogUnavailable) -> [ReplicaReport] {
        try await rows(
            """
            SELECT \(Self.replica.columns)
            FROM (SELECT * FROM tandem.replicas ORDER BY heartbeat_at DESC, name LIMIT 1000) AS r
            ORDER BY r.name
            """, [replica, "\(state.options.lease.components.seconds)"], as: Self.replica)
    }
}
