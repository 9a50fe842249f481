import CommitProtocol
import PostgresClient
import TransactionEngine

extension RowReader {
    /// The next column, a `timestamptz`.
    mutating func time(_ sql: @autoclosure () -> String) -> Timestamp? {
        value("(extract(epoch FROM \(sql())) * 1000000)::bigint")
    }

    /// The next two columns, the number and salt of a transaction.
    mutating func transactionID(
        number: @autoclosure () -> String, salt: @autoclosure () -> String
    ) -> GlobalTransactionID? {
        let number = value(number(), as: Int64.self)
        let salt = value(salt(), as: Int64.self)
        guard let number, let salt else { return nil }
        return GlobalTransactionID(number: number, salt: UInt64(bitPattern: salt))
    }
}

extension GlobalTransactionID {
    /// Number and salt as parameters.
    var parameters: [String?] { ["\(number)", "\(signedSalt)"] }

    /// The salt as `bigint` holds it.
    var signedSalt: Int64 { Int64(bitPattern: salt) }
}
