import EventLoop
import PostgresClient
import TransactionEngine

/// The slots for prepared transactions that are left on this participant's server.
extension PostgresParticipant {
    /// The greatest age of a count by which a request is refused.
    private static let refusalAge = Duration.milliseconds(100)
    /// The greatest age of a count when a session is opened.
    private static let openingAge = Duration.seconds(1)
    /// How long a request waits for a count.
    private static let countTimeout = Duration.seconds(1)

    /// The slots as they are known, without asking; nil as long as no session was ever opened.
    var slotUsage: SlotUsage? {
        guard let server else { return nil }
        return SlotUsage(
            limit: server.limit, share: options.preparedSlots, own: slots.count,
            others: server.others.map { $0 + server.own - slots.count })
    }

    /// Why so many more branches cannot be prepared here; nil if they can.
    ///
    /// - Parameter onServer: how many branches of the request will be prepared on this server, in all of
    ///   the databases that it names there.
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

    /// Whether a request must not be refused before the slots are counted again: others' slots leave no
    /// room, and the last count may be out of date.
    ///
    /// - Parameter count: the most slots that the request needs on this server.
    func needsCountBeforeRefusal(of count: Int) -> Bool {
        guard let server else { return false }
        return !server.hasRoom(for: count) && server.others != 0
            && server.isCountOlder(than: Self.refusalAge)
    }

    /// PREPARE found no slot, so others hold more than is known.
    func noteSlotsExhausted() {
        server?.noteExhausted()
        Task(executorPreference: loop) { await self.recount() }
    }

    /// Counts with a status reader, which waits neither for work nor for the ends of branches.
    func recount() async {
        await server?.countOnce {
            // Without an answer the last count stays, and the next request asks again.
            try? await self.statusReaders.withConnection(
                timeout: Self.countTimeout, isHasty: true
            ) {
                try await self.countSlots(on: $0, timeout: Self.countTimeout)
            }
        }
    }

    /// Counts on a session that was just opened; whether that succeeds is no condition for its use.
    func countSlotsAtOpening(on connection: PostgresConnection) async {
        guard let server, server.isCountOlder(than: Self.openingAge) else { return }
        try? await countSlots(on: connection, timeout: options.connectTimeout)
    }

    private func countSlots(on connection: PostgresConnection, timeout: Duration) async throws {
        try await serverSlots(of: factsIfOpen(of: connection)).count {
            try await connection.rows(Self.gids, timeout: timeout)
        }
    }

    private static let gids = Query<String>(
        "SELECT gid FROM pg_catalog.pg_prepared_xacts"
    ) { $0.text() }

    func serverSlots(of facts: SessionFacts) -> ServerSlots {
        servers.slots(of: facts.systemIdentifier, limit: facts.slotLimit)
    }
}
