package import CommitProtocol
import EventLoop
import PostgresClient
package import TransactionEngine

/// Waits for locks, as status shows them.
extension PostgresParticipants {
    package func waits(
        in name: String
    ) async throws(ParticipantUnreachable) -> [LockWaitReport] {
        guard let member = members[name] else { return [] }
        let before = detector.sessions
        let listing: LockListing
        do {
            listing = try await member.allLockWaits()
        } catch {
            throw ParticipantUnreachable("\(error)")
        }
        let reading = LockReading(
            participant: name, listing, before: before, after: detector.sessions)
        let parties = detector.parties
        return reading.processes.values.compactMap { parties.report($0, in: reading) }
            .sorted { ($0.since, $0.waiter.processID ?? 0) < ($1.since, $1.waiter.processID ?? 0) }
    }

    package func waits(of transaction: GlobalTransactionID) async -> [LockWaitReport] {
        detector.waits(of: transaction)
    }
}

extension PostgresParticipant {
    /// Which of these server processes wait for locks, and for whom, as a status reader sees it.
    func lockWaits(of processIDs: [Int32]) async throws -> LockListing {
        try await listing(within: .seconds(1)) { connection, limit throws(PostgresError) in
            try await LockQuery.find(processIDs, on: connection, timeout: limit)
        }
    }

    /// All waits for locks in the participant's database.
    func allLockWaits() async throws -> LockListing {
        try await listing(within: .seconds(5)) { connection, limit throws(PostgresError) in
            try await LockQuery.findAll(on: connection, timeout: limit)
        }
    }

    private func listing(
        within limit: Duration,
        _ find:
            @LoopActor (PostgresConnection, Duration) async throws(PostgresError)
            -> [Int32: LockProcess]
    ) async throws -> LockListing {
        try await statusReaders.withConnection(timeout: limit) { connection in
            let server = try self.factsIfOpen(of: connection).runningServer
            return LockListing(server: server, processes: try await find(connection, limit))
        }
    }
}
