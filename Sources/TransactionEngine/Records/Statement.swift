/// The isolation level of a branch in its participant.
package enum Isolation: String, CaseIterable, Sendable, Hashable {
    /// `READ COMMITTED`
    case readCommitted
    /// `REPEATABLE READ`
    case repeatableRead
    /// `SERIALIZABLE`
    case serializable
}

/// One SQL statement of a branch.
package struct Statement: Sendable {
    /// The SQL, with `$1`-style placeholders.
    package let sql: String
    /// The parameters in PostgreSQL's text form; nil for NULL.
    package let parameters: [String?]
    /// Parameters whose text differs if the server takes them for arrays, by their numbers from 0.
    ///
    /// Only statements that are known in advance have them; code sends its arrays as such.
    package let lists: [Int: any ListParameter]
    /// How many rows must be affected or returned; nil for any number.
    package let expectedRows: ExpectedRows?

    package init(
        sql: String, parameters: [String?] = [], lists: [Int: any ListParameter] = [:],
        expectedRows: ExpectedRows? = nil
    ) {
        self.sql = sql
        self.parameters = parameters
        self.lists = lists
        self.expectedRows = expectedRows
    }
}

/// How many rows a statement must affect, or return if it affects none.
package struct ExpectedRows: Sendable, Hashable {
    /// The most rows that can be asked for: PostgreSQL's largest `integer`, 2,147,483,647.
    package static let limit = Int(Int32.max)
    /// The allowed numbers; from `limit` on there is no upper bound.
    private let bounds: ClosedRange<Int>

    /// Allows these numbers of rows; `limit` as the upper bound stands for none.
    package init(_ bounds: ClosedRange<Int>) { self.bounds = bounds }

    /// Allows exactly this number of rows.
    package init(_ count: Int) { self.init(count...count) }

    package func contains(_ count: Int) -> Bool {
        count >= bounds.lowerBound && (count <= bounds.upperBound || isOpen)
    }

    private var isOpen: Bool { bounds.upperBound >= Self.limit && bounds.count > 1 }
}

extension ExpectedRows: CustomStringConvertible {
    package var description: String {
        if bounds.count == 1 { return "\(bounds.lowerBound)" }
        return isOpen
            ? "at least \(bounds.lowerBound)" : "\(bounds.lowerBound) to \(bounds.upperBound)"
    }
}

/// A list of values, which PostgreSQL may take for an array or for a value of another type.
///
/// Only the server knows which, and says so after it has analysed the statement.
package protocol ListParameter: Sendable {
    /// The list as an array in PostgreSQL's text form.
    func text(as array: ArrayElements) -> String
}

/// The elements of a PostgreSQL array.
package struct ArrayElements: Sendable, Hashable {
    /// The OID of their type in `pg_type`; for a domain, of its base type.
    package let typeOID: UInt32
    /// The character between two elements in the text form.
    package let delimiter: UInt8

    /// Makes elements of their type.
    package init(typeOID: UInt32, delimiter: UInt8 = UInt8(ascii: ",")) {
        self.typeOID = typeOID
        self.delimiter = delimiter
    }
}

/// The result of a statement.
package struct StatementResult: Sendable, Hashable {
    /// A column of a result.
    package struct Column: Sendable, Hashable {
        /// The column's name.
        package let name: String
        /// The type's OID in `pg_type`.
        package let typeOID: UInt32
        /// The elements, if the type is an array.
        package let elements: ArrayElements?

        package init(name: String, typeOID: UInt32, elements: ArrayElements? = nil) {
            self.name = name
            self.typeOID = typeOID
            self.elements = elements
        }
    }

    /// PostgreSQL's command tag, such as `INSERT 0 1`.
    package let command: String
    /// The count in the tag; nil if the tag has none.
    package let affectedRows: Int?
    /// The columns; empty for a statement that returns no rows.
    package let columns: [Column]
    /// The rows, in PostgreSQL's text form.
    package let rows: [[String?]]

    package init(command: String, affectedRows: Int?, columns: [Column], rows: [[String?]]) {
        self.command = command
        self.affectedRows = affectedRows
        self.columns = columns
        self.rows = rows
    }
}

/// A request for one global transaction.
package struct TransactionRequest: Sendable {
    /// One participant's part.
    package struct Branch: Sendable {
        /// The participant's registered name.
        package let participant: String
        /// What it has to do.
        package let work: Work
        /// Whether it is declared to write nothing; PostgreSQL then refuses any write.
        package let isReadOnly: Bool
        /// Its isolation level; nil for the request's.
        package var isolation: Isolation?
        /// How long a statement may wait for a lock; nil for the participant's `lock_timeout`.
        package var lockTimeout: Duration?
        /// Called with the reason if the branch votes no, before the transaction is answered.
        ///
        /// It has PostgreSQL's own message, which is recorded nowhere.
        package var onRefusal: (@Sendable (BranchFailure) -> Void)?

        /// Makes a branch of statements.
        package init(participant: String, statements: [Statement], isReadOnly: Bool = false) {
            self.init(
                participant: participant, work: .statements(statements), isReadOnly: isReadOnly)
        }

        package init(participant: String, work: Work, isReadOnly: Bool = false) {
            self.participant = participant
            self.work = work
            self.isReadOnly = isReadOnly
        }
    }

    /// What a branch has to do, before its statements are inspected.
    package enum Work: Sendable {
        /// These statements, in order, all of them known beforehand.
        case statements([Statement])
        /// The caller's own code.
        case interactive(InteractiveWork)
    }

    /// When branches work.
    package enum ExecutionOrder: String, CaseIterable, Sendable, Hashable {
        /// All at once.
        case parallel
        /// Each after the one before it has voted yes.
        case inOrder
    }

    /// A caller's key, digested, so that the key itself is stored nowhere.
    package struct Idempotency: Sendable, Hashable {
        /// SHA-256 of the key.
        package let keyDigest: [UInt8]
        /// SHA-256 of what the request means, whatever its spelling.
        package let requestDigest: [UInt8]

        package init(keyDigest: [UInt8], requestDigest: [UInt8]) {
            self.keyDigest = keyDigest
            self.requestDigest = requestDigest
        }
    }

    /// The caller it belongs to.
    package let principal: String
    /// The caller's key, if one was given.
    package let idempotency: Idempotency?
    /// The branches, in the caller's order.
    package let branches: [Branch]
    /// The isolation of every branch.
    package let isolation: Isolation
    /// The longest time from now to the decision.
    package let timeout: Duration
    /// The caller's labels, sorted by name.
    package let labels: [Label]
    /// When the branches work.
    package let execution: ExecutionOrder
    /// How often it may run again, whole and under a new id, after it lost to other transactions.
    ///
    /// See `BranchFailure.isTransient`. The interface gives 0 for a caller's code that may not run
    /// again.
    package let retriesMax: Int
    /// Whether cancelling the task that runs it asks for an abort, if nothing is decided yet.
    ///
    /// A client of the server that disconnects does not cancel anything.
    package let isCancellable: Bool
    /// Whether the only branch that writes is to be committed without being prepared.
    package let isOnePhase: Bool
    /// Whether the answer may come as soon as a commit is durable.
    package let repliesAtDecision: Bool
    /// The caller's position in a trace, which the transaction's row keeps.
    package var traceParent: TraceParent?
    /// The same as the tracer of the calling program has it, for an observer that knows its type.
    package var traceContext: (any Sendable)?

    /// A caller's name for something about a transaction.
    package struct Label: Sendable, Hashable {
        /// The label's name.
        package let name: String
        /// The label's value.
        package let value: String

        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    package init(
        principal: String, idempotency: Idempotency?, branches: [Branch], isolation: Isolation,
        timeout: Duration, labels: [Label], execution: ExecutionOrder = .parallel,
        retriesMax: Int = 0,
        isCancellable: Bool = false,
        isOnePhase: Bool = false, repliesAtDecision: Bool = false
    ) {
        self.principal = principal
        self.idempotency = idempotency
        self.branches = branches
        self.isolation = isolation
        self.timeout = timeout
        self.labels = labels
        self.execution = execution
        self.retriesMax = retriesMax
        self.isCancellable = isCancellable
        self.isOnePhase = isOnePhase
        self.repliesAtDecision = repliesAtDecision
    }
}
