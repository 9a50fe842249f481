import CommitProtocol
import PostgresClient

extension PostgresParticipants {
    /// Transactions with numbers above this one that a participant's journal holds, oldest first.
    func journalled(
        in name: String, after number: Int64, limit: Int
    ) async throws -> [GlobalTransactionID] {
        guard let member = members[name], member.journal.isReady else { return [] }
        let rows = try await member.finishers.withConnection(timeout: member.options.connectTimeout)
        { connection in
            try await connection.query(
                "SELECT number, salt FROM tandem_participant.decided($1, $2, $3)",
                [member.installation, "\(number)", "\(limit)"], timeout: .seconds(30))
        }
        return (0..<rows.rowCount).compactMap { row in
            guard let number = rows.text(row: row, column: 0).flatMap(Int64.init),
                let salt = rows.text(row: row, column: 1).flatMap(Int64.init)
            else { return nil }
            return GlobalTransactionID(number: number, salt: UInt64(bitPattern: salt))
        }
    }

    /// Removes decisions from a participant's journal.
    func forgetJournalled(_ ids: [GlobalTransactionID], in name: String) async throws {
        guard let member = members[name], !ids.isEmpty else { return }
        let numbers = ArrayLiteral.write(ids.map { "\($0.number)" })
        let salts = ArrayLiteral.write(ids.map { "\(Int64(bitPattern: $0.salt))" })
        _ = try await member.finishers.withConnection(timeout: member.options.connectTimeout) {
            connection in
            try await connection.query(
                "SELECT tandem_participant.forget($1, $2, $3)",
                [member.installation, numbers, salts], timeout: .seconds(30))
        }
    }
}
