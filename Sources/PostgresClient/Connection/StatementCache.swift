/// The prepared statements of one session: named, by SQL text, the least recently used replaced.
///
/// It is more than a dictionary because commands are pipelined: a Parse is sent long before its reply.
/// The server skips it if an earlier command of its segment fails; so until the reply only commands of the
/// same segment, which are skipped with it, may use the statement.
struct StatementCache {
    /// A statement of a name.
    final class Statement {
        let sql: String
        let name: String
        /// The segment in which it was, or is being, prepared.
        let segment: UInt64
        /// Whether the server has confirmed it.
        var isConfirmed = false
        /// The types that the server gave its parameters, which no alteration changes; nil until known.
        var parameterTypes: [UInt32]?
        var lastUse: UInt64

        init(sql: String, name: String, segment: UInt64, lastUse: UInt64) {
            self.sql = sql
            self.name = name
            self.segment = segment
            self.lastUse = lastUse
        }
    }

    /// How to send a command.
    enum Plan {
        case execute(Statement)
        case prepareAndExecute(Statement)
        case unnamed
    }

    /// Replaced statements that may wait for their DEALLOCATE; beyond it nothing new is cached.
    static let retiredMax = 64
    /// So many replaced statements are worth a segment of their own.
    static let retiredWorthwhile = 16

    let capacity: Int
    private var statements: [String: Statement] = [:]
    private var retired: [String] = []
    private var lastNumber = 0
    private var uses: UInt64 = 0
    /// Whether the session may no longer have its statements.
    private(set) var isSuspect = false

    init(capacity: Int) {
        self.capacity = capacity
    }

    var count: Int { statements.count }

    /// The statement of that text that the server is known to have.
    func confirmed(_ sql: String) -> Statement? {
        statements[sql].flatMap { $0.isConfirmed ? $0 : nil }
    }

    mutating func plan(for sql: String, in segment: UInt64) -> Plan {
        uses += 1
        if let statement = statements[sql] {
            statement.lastUse = uses
            // An earlier segment that prepares it and is not answered yet may fail before the Parse, and
            // this command would then fail with 26000.
            guard statement.isConfirmed || statement.segment == segment else { return .unnamed }
            return .execute(statement)
        }
        guard makeRoom() else { return .unnamed }
        lastNumber += 1
        let statement = Statement(
            sql: sql, name: "s\(lastNumber)", segment: segment, lastUse: uses)
        statements[sql] = statement
        return .prepareAndExecute(statement)
    }

    /// Retires the least recently used statement if need be; false if there is no room.
    private mutating func makeRoom() -> Bool {
        if statements.count < capacity { return true }
        guard retired.count < Self.retiredMax,
            let oldest = statements.values.filter(\.isConfirmed)
                .min(by: { $0.lastUse < $1.lastUse })
        else { return false }
        retire(oldest)
        return true
    }

    /// Forgets a statement that is still there on the server.
    mutating func retire(_ statement: Statement) {
        guard forget(statement) else { return }
        retired.append(statement.name)
    }

    /// Forgets a statement that is not there on the server; false if that was done before.
    @discardableResult
    mutating func forget(_ statement: Statement) -> Bool {
        guard statements[statement.sql] === statement else { return false }
        statements[statement.sql] = nil
        return true
    }

    /// Forgets all statements the server has confirmed: they were deallocated.
    ///
    /// Replies come in the order of execution, so statements not confirmed are prepared after the command
    /// that was answered just now.
    mutating func forgetConfirmed() {
        statements = statements.filter { !$0.value.isConfirmed }
        retired = []
    }

    /// Notes that a confirmed statement is gone, as the others probably are.
    ///
    /// All of them are prepared anew under new names, and the session deallocates the old ones before the
    /// next call outside a transaction.
    mutating func suspect() {
        forgetConfirmed()
        isSuspect = true
    }

    /// The SQL to be sent before the next call, outside a transaction and with nothing under way.
    mutating func housekeeping() -> [String] {
        if isSuspect {
            isSuspect = false
            statements = [:]
            retired = []
            return ["DEALLOCATE ALL"]
        }
        guard retired.count >= Self.retiredWorthwhile else { return [] }
        defer { retired = [] }
        return retired.map { "DEALLOCATE \($0)" }
    }
}
