import EventLoop
import PostgresClient
import TransactionEngine

/// Which slots for prepared transactions are left on this participant's server.
extension PostgresParticipant {
    /// How old a count may be that a request is refused by.
    private static let refusalAge = Duration.milliseconds(100)
    /// How old a count may be when a session is opened.
    private static let openingAge = Duration.seconds(1)
    /// For how long a request waits for a count.
    private static let patience = Duration.seconds(1)

    /// The slots as they are known, without asking; nil as long as no session was ever opened.
    var slotUsage: SlotUsage? {
        guard let server else { return nil }
        return SlotUsage(
            limit: server.limit, share: options.preparedSlots, own: slots.count,
            others: server.others.map { $0 + server.own - slots.count })
    }

    /// Why so many more branches cannot be prepared here; nil if they can.
    ///
    /// - Parameter onServer: how many the request will have prepared on this server, in all of the
    ///   databases that it names there.
    func slotRefusal(for count: Int, onServer total: Int) -> AdmissionFailure? {
        guard count > 0 else { return nil }
        if let share = options.preparedSlots, slots.count + count > share {
            return .slotsExhausted(
                name: options.name,
                usage: slotUsage ?? SlotUsage(limit: share, share: share, own: slots.count))
        }
        guard let server, let usage = slotUsage else { return nil }
        if server.limit == 0 { return .preparedTransactionsDisabled(name: options.name) }
        return server.hasRoom(for: total)
            ? nil : .slotsExhausted(name: options.name, usage: usage)
    }

    /// Counts what others hold, if it is that which leaves no room, and the last count may be out of
    /// date; false if there was no need.
    ///
    /// - Parameter count: the slots that a request wants at most on this server.
    func recountForRefusal(for count: Int) async -> Bool {
        guard let server, !server.hasRoom(for: count), server.others != 0,
            server.wantsCount(after: Self.refusalAge)
        else { return false }
        await recount(server)
        return true
    }

    /// PREPARE has said that there is no slot, so that others hold more than is known.
    func noteSlotsExhausted() {
        guard let server else { return }
        server.foundFull()
        Task(executorPreference: EventLoop.shared) { await self.recount(server) }
    }

    /// By the session that looks: it waits neither for work nor for the ends of branches.
    private func recount(_ server: ServerSlots) async {
        await server.countOnce {
            // If there is no answer, what was known stays, and the next request asks again.
            try? await self.statusReaders.withConnection(timeout: Self.patience, isHasty: true) {
                try await self.countSlots(on: $0, timeout: Self.patience)
            }
        }
    }

    /// Counts on a session that was just opened.
    ///
    /// One that was lost meanwhile is noticed by whoever opened it, and a count is no condition.
    func countSlotsAtOpening(on connection: PostgresConnection) async {
        guard let server, server.wantsCount(after: Self.openingAge) else { return }
        try? await countSlots(on: connection, timeout: options.connectTimeout)
    }

    /// Counts on a finishing session, with each scan.
    func countSlots() async throws {
        try await finishers.withConnection(timeout: options.connectTimeout) {
            try await self.countSlots(on: $0, timeout: .seconds(30))
        }
    }

    private func countSlots(
        on connection: PostgresConnection, timeout: Duration
    ) async throws {
        guard let facts = facts(of: connection) else { throw PostgresError.closed }
        let server = servers.slots(of: facts.systemIdentifier, limit: facts.slotLimit)
        try await server.count {
            let rows = try await connection.query(
                "SELECT gid FROM pg_catalog.pg_prepared_xacts", timeout: timeout)
            return (0..<rows.rowCount).compactMap { rows.text(row: $0, column: 0) }
        }
    }
}
