import EventLoop

/// The prepared statements of one session: named, by SQL text, the least recently used replaced.
///
/// It is more than a dictionary because commands are pipelined: a Parse is sent long before its reply.
/// The server skips it if an earlier command of its segment fails; so until the reply only commands of the
/// same segment, which are skipped with it, may use the statement.
final class StatementCache {
    /// A statement of a name.
    final class Statement {
        let sql: String
        let name: String
        /// The segment in which it was, or is being, prepared.
        let segment: UInt64
        /// Whether the server has confirmed it.
        var isConfirmed = false
        /// Whether the cache has forgotten it, so that no command may use it.
        fileprivate(set) var isForgotten = false
        /// The types that the server gave its parameters, which no alteration changes; nil until known.
        var parameterTypes: [UInt32]?
        var lastUse: UInt64

        init(sql: String, name: String, segment: UInt64, lastUse: UInt64) {
            self.sql = sql
            self.name = name
            self.segment = segment
            self.lastUse = lastUse
        }

        /// Whether this is the very text: two spellings of a letter are equal to Swift's String, and are
        /// different SQL.
        fileprivate func isOf(_ sql: String) -> Bool { self.sql.hasSameBytes(as: sql) }
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
    /// The statements of fixed commands, by slot: a short cut past the hash of a text, and nothing more.
    ///
    /// Each was found in `statements`, and counts until it is forgotten there.
    private var slots: [Statement?] = []
    private var retired: [String] = []
    private var lastNumber = 0
    private var uses: UInt64 = 0
    /// Whether the session may no longer have its statements.
    private(set) var isSuspect = false

    init(capacity: Int) {
        self.capacity = capacity
    }

    /// The statement of that text that the server is known to have.
    func confirmed(_ sql: String) -> Statement? {
        guard let statement = statements[sql], statement.isConfirmed, statement.isOf(sql) else {
            return nil
        }
        return statement
    }

    /// How to send a command that may be kept, in a segment.
    func plan(for command: Command, in segment: UInt64) -> Plan {
        guard let slot = command.slot else { return plan(for: command.sql, in: segment) }
        if slot < slots.count, let statement = slots[slot], !statement.isForgotten {
            return plan(for: statement, in: segment)
        }
        let plan = plan(for: command.sql, in: segment)
        switch plan {
        case .execute(let statement), .prepareAndExecute(let statement):
            var known = slots
            while known.count <= slot { known.append(nil) }
            known[slot] = statement
            slots = known
        case .unnamed: break
        }
        return plan
    }

    private func plan(for sql: String, in segment: UInt64) -> Plan {
        if let statement = statements[sql] {
            return statement.isOf(sql) ? plan(for: statement, in: segment) : .unnamed
        }
        uses += 1
        guard makeRoom() else { return .unnamed }
        lastNumber += 1
        let statement = Statement(
            sql: sql, name: "s\(lastNumber)", segment: segment, lastUse: uses)
        statements[sql] = statement
        return .prepareAndExecute(statement)
    }

    private func plan(for statement: Statement, in segment: UInt64) -> Plan {
        uses += 1
        statement.lastUse = uses
        // An earlier segment that prepares it and is not answered yet may fail before the Parse, and
        // this command would then fail with 26000.
        guard statement.isConfirmed || statement.segment == segment else { return .unnamed }
        return .execute(statement)
    }

    /// Retires the least recently used statement if need be; false if there is no room.
    private func makeRoom() -> Bool {
        if statements.count < capacity { return true }
        guard retired.count < Self.retiredMax,
            let oldest = statements.values.filter(\.isConfirmed)
                .min(by: { $0.lastUse < $1.lastUse })
        else { return false }
        retire(oldest)
        return true
    }

    /// Forgets a statement that is still there on the server.
    func retire(_ statement: Statement) {
        guard forget(statement) else { return }
        retired.append(statement.name)
    }

    /// Forgets a statement that is not there on the server; false if that was done before.
    @discardableResult
    func forget(_ statement: Statement) -> Bool {
        guard !statement.isForgotten else { return false }
        statement.isForgotten = true
        statements[statement.sql] = nil
        return true
    }

    /// Forgets all statements the server has confirmed: they were deallocated.
    ///
    /// Replies come in the order of execution, so statements not confirmed are prepared after the command
    /// that was answered just now.
    func forgetConfirmed() {
        for statement in Array(statements.values) where statement.isConfirmed { forget(statement) }
        retired = []
    }

    /// Notes that a confirmed statement is gone, as the others probably are.
    ///
    /// All of them are prepared anew under new names, and the session deallocates the old ones before the
    /// next call outside a transaction.
    func suspect() {
        forgetConfirmed()
        isSuspect = true
    }

    /// Whether there is SQL to be sent before the next call.
    var needsHousekeeping: Bool { isSuspect || retired.count >= Self.retiredWorthwhile }

    /// The SQL to be sent before the next call, outside a transaction and with nothing under way.
    func housekeeping() -> [String] {
        if isSuspect {
            isSuspect = false
            for statement in Array(statements.values) { forget(statement) }
            retired = []
            return ["DEALLOCATE ALL"]
        }
        guard needsHousekeeping else { return [] }
        defer { retired = [] }
        return retired.map { "DEALLOCATE \($0)" }
    }
}
