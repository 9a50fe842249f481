/// The isolation level of a branch in its participant.
public enum Isolation: String, CaseIterable, Sendable, Hashable {
    /// `READ COMMITTED`
    case readCommitted
    /// `REPEATABLE READ`
    case repeatableRead
    /// `SERIALIZABLE`
    case serializable
}

/// One SQL statement of a branch.
public struct Statement: Sendable {
    /// The SQL, with `$1`-style placeholders.
    public let sql: String
    /// The parameters in PostgreSQL's text form; nil for NULL.
    public let parameters: [String?]
    /// Parameters whose text differs if the server takes them for arrays, by their numbers from 0.
    ///
    /// Only statements that are known in advance have them; code sends its arrays as such.
    public let lists: [Int: any ListParameter]
    /// How many rows must be affected or returned; nil for any number.
    public let expectedRows: Int?

    /// Makes a statement of its parts.
    public init(
        sql: String, parameters: [String?] = [], lists: [Int: any ListParameter] = [:],
        expectedRows: Int? = nil
    ) {
        self.sql = sql
        self.parameters = parameters
        self.lists = lists
        self.expectedRows = expectedRows
    }
}

/// A list of values, which PostgreSQL may take for an array or for a value of another type.
///
/// Only the server knows which, and says so after it has analysed the statement.
public protocol ListParameter: Sendable {
    /// The list as an array in PostgreSQL's text form.
    func text(as array: ArrayElements) -> String
}

/// The elements of a PostgreSQL array.
public struct ArrayElements: Sendable, Hashable {
    /// The OID of their type in `pg_type`; for a domain, of its base type.
    public let typeOID: UInt32
    /// The character between two elements in the text form.
    public let delimiter: UInt8

    /// Makes elements of their type.
    public init(typeOID: UInt32, delimiter: UInt8 = UInt8(ascii: ",")) {
        self.typeOID = typeOID
        self.delimiter = delimiter
    }
}

/// The result of a statement.
public struct StatementResult: Sendable, Hashable {
    /// A column of a result.
    public struct Column: Sendable, Hashable {
        /// The column's name.
        public let name: String
        /// The type's OID in `pg_type`.
        public let typeOID: UInt32
        /// The elements, if the type is an array.
        public let elements: ArrayElements?

        /// Makes a column of its parts.
        public init(name: String, typeOID: UInt32, elements: ArrayElements? = nil) {
            self.name = name
            self.typeOID = typeOID
            self.elements = elements
        }
    }

    /// PostgreSQL's command tag, such as `INSERT 0 1`.
    public let command: String
    /// The count in the tag; nil if the tag has none.
    public let affectedRows: Int?
    /// The columns; empty for a statement that returns no rows.
    public let columns: [Column]
    /// The rows, in PostgreSQL's text form.
    public let rows: [[String?]]

    /// Makes a result of its parts.
    public init(command: String, affectedRows: Int?, columns: [Column], rows: [[String?]]) {
        self.command = command
        self.affectedRows = affectedRows
        self.columns = columns
        self.rows = rows
    }
}

/// A request for one global transaction.
public struct TransactionRequest: Sendable {
    /// One participant's part.
    public struct Branch: Sendable {
        /// The participant's registered name.
        public let participant: String
        /// What it has to do.
        public let work: Work
        /// Whether it is declared to write nothing; PostgreSQL then refuses any write.
        public let isReadOnly: Bool
        /// Called with the reason if the branch votes no, before the transaction is answered.
        ///
        /// It has PostgreSQL's own message, which is recorded nowhere.
        public var onRefusal: (@Sendable (BranchFailure) -> Void)?

        /// Makes a branch of statements.
        public init(participant: String, statements: [Statement], isReadOnly: Bool = false) {
            self.init(
                participant: participant, work: .statements(statements), isReadOnly: isReadOnly)
        }

        /// Makes a branch of its parts.
        public init(participant: String, work: Work, isReadOnly: Bool = false) {
            self.participant = participant
            self.work = work
            self.isReadOnly = isReadOnly
        }
    }

    /// What a branch has to do, before its statements are inspected.
    public enum Work: Sendable {
        /// These statements, in order, all of them known beforehand.
        case statements([Statement])
        /// The caller's own code.
        case interactive(InteractiveWork)
    }

    /// When branches work.
    public enum ExecutionOrder: Sendable, Hashable {
        /// All at once.
        case parallel
        /// Each after the one before it has voted yes.
        case inOrder
    }

    /// A caller's key, digested, so that the key itself is stored nowhere.
    public struct Idempotency: Sendable, Hashable {
        /// SHA-256 of the key.
        public let keyDigest: [UInt8]
        /// SHA-256 of what the request means, whatever its spelling.
        public let requestDigest: [UInt8]

        /// Makes it of its parts.
        public init(keyDigest: [UInt8], requestDigest: [UInt8]) {
            self.keyDigest = keyDigest
            self.requestDigest = requestDigest
        }
    }

    /// The caller it belongs to.
    public let principal: String
    /// The caller's key, if one was given.
    public let idempotency: Idempotency?
    /// The branches, in the caller's order.
    public let branches: [Branch]
    /// The isolation of every branch.
    public let isolation: Isolation
    /// The longest time from now to the decision.
    public let timeout: Duration
    /// The caller's labels, sorted by name.
    public let labels: [Label]
    /// When the branches work.
    public let execution: ExecutionOrder
    /// Whether cancelling the task that runs it asks for an abort, if nothing is decided yet.
    ///
    /// A client of the server that disconnects does not cancel anything.
    public let isCancellable: Bool
    /// Whether the only branch that writes is to be committed without being prepared.
    public let isOnePhase: Bool
    /// Whether the answer may come as soon as a commit is durable.
    public let repliesAtDecision: Bool

    /// A caller's name for something about a transaction.
    public struct Label: Sendable, Hashable {
        /// The label's name.
        public let name: String
        /// The label's value.
        public let value: String

        /// Makes a label of its parts.
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// Makes a request of its parts.
    public init(
        principal: String, idempotency: Idempotency?, branches: [Branch], isolation: Isolation,
        timeout: Duration, labels: [Label], execution: ExecutionOrder = .parallel,
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
        self.isCancellable = isCancellable
        self.isOnePhase = isOnePhase
        self.repliesAtDecision = repliesAtDecision
    }
}
