import TransactionEngine

/// The body of `POST /v1/transactions`, validated.
///
/// What it says has the right shape and keeps the limits. Whether the participants exist and the
/// statements are acceptable is decided later, by those who know.
struct TransactionBody: Hashable, Sendable {
    /// The work, one element a branch, at least one; a participant may occur more than once.
    var branches: [BranchRequest]
    /// The time to the decision in milliseconds; `nil` is the configured default.
    var timeoutMilliseconds: Int?
    /// The isolation level of every branch; `nil` is the participant's own default.
    var isolation: BodyIsolation?
    /// Whether the only branch that writes is committed without being prepared.
    var isOnePhase = false
    /// Names and values that the transaction can be found by.
    var labels: [String: String]
    /// SHA-256 of what the body says, if it was asked for; two requests of one key are the same by it.
    var digest: [UInt8]?
}

/// The work of one branch.
struct BranchRequest: Hashable, Sendable {
    /// The participant's name.
    var participant: String
    /// The statements in order, at least one.
    var statements: [StatementRequest]
    /// Whether it only reads.
    var isReadOnly = false
}

/// One statement.
struct StatementRequest: Hashable, Sendable {
    /// The text, without NUL.
    var sql: String
    /// The values of the placeholders, `$1` first.
    var parameters: [ParameterValue]
    /// How many rows it must affect or return; anything else aborts the transaction.
    var expectRows: Int?
}

/// An isolation level, by the name it has in requests and answers.
enum BodyIsolation: String, CaseIterable, Hashable, Sendable {
    case readCommitted
    case repeatableRead
    case serializable
}

extension Statement {
    init(_ request: StatementRequest) {
        var lists: [Int: any ListParameter] = [:]
        for (number, parameter) in request.parameters.enumerated() {
            if let list = parameter.list { lists[number] = list }
        }
        self.init(
            sql: request.sql, parameters: request.parameters.map(\.text), lists: lists,
            expectedRows: request.expectRows)
    }
}
