import TransactionEngine

/// Reads a body of `POST /v1/transactions` that is right, in one pass.
///
/// It goes through the bytes once and fills the request: no value, no name of a member and no place
/// exists apart from it. At the first thing that is not as expected it gives up, without a reason;
/// `TransactionBody.explain` then reads the body again, and finds all faults if there are any. So this
/// may give up where it is not sure, and has to be right where it does not: `QuickReading` compares
/// the two.
struct TransactionBodyReader {
    /// Something is not as expected.
    private struct Unexpected: Error {}

    private var json: JSONReader
    private let limits: WireLimits

    /// Reads a body; nil if it has a fault or may have one.
    static func read(_ body: [UInt8], limits: WireLimits) -> TransactionBody? {
        var reader = TransactionBodyReader(
            json: JSONReader(bytes: body, depthMax: limits.depthMax), limits: limits)
        return try? reader.readBody()
    }

    private mutating func readBody() throws -> TransactionBody {
        var body = TransactionBody()
        var isCommitRead = false
        var execution: TransactionRequest.ExecutionOrder?
        var isOnePhase: Bool?
        var labels: [String: String]?
        json.skipWhitespace()
        try readObject { reader in
            if try reader.enter(#""branches""#, isFirst: body.branches.isEmpty) {
                body.branches = try reader.readBranches()
            } else if try reader.enter(
                #""timeoutMilliseconds""#, isFirst: body.timeoutMilliseconds == nil)
            {
                body.timeoutMilliseconds = try reader.readInteger(
                    in: 1...reader.limits.timeoutMillisecondsMax)
            } else if try reader.enter(#""isolation""#, isFirst: body.isolation == nil) {
                body.isolation = try reader.readWord()
            } else if try reader.enter(
                #""lockTimeoutMilliseconds""#, isFirst: body.lockTimeoutMilliseconds == nil)
            {
                body.lockTimeoutMilliseconds = try reader.readInteger(
                    in: 1...reader.limits.timeoutMillisecondsMax)
            } else if try reader.enter(#""execution""#, isFirst: execution == nil) {
                execution = try reader.readWord()
            } else if try reader.enter(#""retries""#, isFirst: body.retries == nil) {
                body.retries = try reader.readInteger(in: 0...WireLimits.retriesMax)
            } else if try reader.enter(#""onePhase""#, isFirst: isOnePhase == nil) {
                isOnePhase = try reader.readFlag()
            } else if try reader.enter(#""labels""#, isFirst: labels == nil) {
                labels = try reader.readLabels()
            } else if try reader.enter(#""commit""#, isFirst: !isCommitRead) {
                guard try reader.readText() == "auto" else { throw Unexpected() }
                isCommitRead = true
            } else {
                throw Unexpected()
            }
        }
        json.skipWhitespace()
        guard json.next == nil, !body.branches.isEmpty else { throw Unexpected() }
        body.execution = execution ?? .parallel
        body.isOnePhase = isOnePhase ?? false
        body.labels = labels ?? [:]
        return body
    }

    private mutating func readBranches() throws -> [TransactionRequest.Branch] {
        var branches: [TransactionRequest.Branch] = []
        try readArray { reader in
            branches.append(try reader.readBranch())
        }
        guard (1...limits.branchesMax).contains(branches.count) else { throw Unexpected() }
        return branches
    }

    private mutating func readBranch() throws -> TransactionRequest.Branch {
        var participant: String?
        var statements: [Statement]?
        var isReadOnly: Bool?
        var isolation: Isolation?
        var lockTimeout: Int?
        try readObject { reader in
            if try reader.enter(#""participant""#, isFirst: participant == nil) {
                participant = try reader.readText()
            } else if try reader.enter(#""statements""#, isFirst: statements == nil) {
                statements = try reader.readStatements()
            } else if try reader.enter(#""readOnly""#, isFirst: isReadOnly == nil) {
                isReadOnly = try reader.readFlag()
            } else if try reader.enter(#""isolation""#, isFirst: isolation == nil) {
                isolation = try reader.readWord()
            } else if try reader.enter(#""lockTimeoutMilliseconds""#, isFirst: lockTimeout == nil) {
                lockTimeout = try reader.readInteger(in: 1...reader.limits.timeoutMillisecondsMax)
            } else {
                throw Unexpected()
            }
        }
        guard let participant, NameRules.isParticipant(participant), let statements else {
            throw Unexpected()
        }
        var branch = TransactionRequest.Branch(
            participant: participant, statements: statements, isReadOnly: isReadOnly ?? false)
        branch.isolation = isolation
        branch.lockTimeout = lockTimeout.map { .milliseconds($0) }
        return branch
    }

    private mutating func readStatements() throws -> [Statement] {
        var statements: [Statement] = []
        try readArray { reader in
            statements.append(try reader.readStatement())
        }
        guard (1...limits.statementsPerBranchMax).contains(statements.count) else {
            throw Unexpected()
        }
        return statements
    }

    private mutating func readStatement() throws -> Statement {
        var sql: String?
        var parameters: Parameters?
        var expectedRows: ExpectedRows?
        try readObject { reader in
            if try reader.enter(#""sql""#, isFirst: sql == nil) {
                sql = try reader.readText()
            } else if try reader.enter(#""parameters""#, isFirst: parameters == nil) {
                parameters = try reader.readParameters()
            } else if try reader.enter(#""expectRows""#, isFirst: expectedRows == nil) {
                expectedRows = try reader.readExpectedRows()
            } else {
                throw Unexpected()
            }
        }
        // Fewer bytes than characters are allowed: they need not be counted.
        guard let sql, (1...limits.sqlCharactersMax).contains(sql.utf8.count) else {
            throw Unexpected()
        }
        return Statement(
            sql: sql, parameters: parameters?.texts ?? [], lists: parameters?.lists ?? [:],
            expectedRows: expectedRows)
    }

    private mutating func readExpectedRows() throws -> ExpectedRows {
        guard json.next == UInt8(ascii: "{") else {
            return ExpectedRows(try readInteger(in: 0...ExpectedRows.limit))
        }
        var min: Int?
        var max: Int?
        try readObject { reader in
            if try reader.enter(#""min""#, isFirst: min == nil) {
                min = try reader.readInteger(in: 0...ExpectedRows.limit)
            } else if try reader.enter(#""max""#, isFirst: max == nil) {
                max = try reader.readInteger(in: 0...ExpectedRows.limit)
            } else {
                throw Unexpected()
            }
        }
        guard min != nil || max != nil, min ?? 0 <= max ?? ExpectedRows.limit else {
            throw Unexpected()
        }
        return ExpectedRows((min ?? 0)...(max ?? ExpectedRows.limit))
    }

    private struct Parameters {
        var texts: [String?] = []
        var lists: [Int: any ListParameter] = [:]
    }

    private mutating func readParameters() throws -> Parameters {
        var parameters = Parameters()
        try readArray { reader in
            guard reader.json.next != UInt8(ascii: "\"") else {
                return parameters.texts.append(try reader.readText())
            }
            let value = try reader.json.readValue()
            if case .array(let elements) = value {
                parameters.lists[parameters.texts.count] = ArrayParameter(elements: elements)
            }
            parameters.texts.append(value.parameterText)
        }
        guard parameters.texts.count <= limits.parametersPerStatementMax else { throw Unexpected() }
        return parameters
    }

    private mutating func readLabels() throws -> [String: String] {
        var labels: [String: String] = [:]
        try readObject { reader in
            let name = try reader.readText()
            try reader.skipColon()
            let value = try reader.readText()
            guard NameRules.isLabel(name), labels.updateValue(value, forKey: name) == nil,
                value.utf8.count <= reader.limits.labelValueCharactersMax
            else { throw Unexpected() }
        }
        guard labels.count <= limits.labelsMax else { throw Unexpected() }
        return labels
    }

    // MARK: Values

    private mutating func readInteger(in bounds: ClosedRange<Int>) throws -> Int {
        guard let value = JSONValue.integer(try json.readNumber()), bounds.contains(value) else {
            throw Unexpected()
        }
        return value
    }

    private mutating func readFlag() throws -> Bool {
        if json.consume("true") { return true }
        guard json.consume("false") else { throw Unexpected() }
        return false
    }

    private mutating func readWord<Word: RawRepresentable<String>>() throws -> Word {
        guard let word = Word(rawValue: try readText()) else { throw Unexpected() }
        return word
    }

    /// Reads a string without NUL.
    private mutating func readText() throws -> String {
        guard json.next == UInt8(ascii: "\"") else { throw Unexpected() }
        let start = json.position
        let text = try json.readString()
        // Only an escape can bring a NUL, and every escape is longer than what it stands for.
        let hasEscapes = json.position - start > text.utf8.count + 2
        if hasEscapes, text.containsNUL { throw Unexpected() }
        return text
    }

    // MARK: Structure

    /// Moves past a member's name, in quotes, and its colon, if that name comes next; gives up if the
    /// object had the member before.
    private mutating func enter(_ name: StaticString, isFirst: Bool) throws -> Bool {
        guard json.consume(name) else { return false }
        guard isFirst else { throw Unexpected() }
        try skipColon()
        return true
    }

    private mutating func skipColon() throws {
        json.skipWhitespace()
        guard json.consume(UInt8(ascii: ":")) else { throw Unexpected() }
        json.skipWhitespace()
    }

    private mutating func readObject(_ readMember: (inout Self) throws -> Void) throws {
        guard json.next == UInt8(ascii: "{") else { throw Unexpected() }
        try readList(to: UInt8(ascii: "}"), readMember)
    }

    private mutating func readArray(_ readElement: (inout Self) throws -> Void) throws {
        guard json.next == UInt8(ascii: "[") else { throw Unexpected() }
        try readList(to: UInt8(ascii: "]"), readElement)
    }

    private mutating func readList(
        to end: UInt8, _ readElement: (inout Self) throws -> Void
    ) throws {
        try json.enter()
        json.skipWhitespace()
        if !json.consume(end) {
            repeat {
                json.skipWhitespace()
                try readElement(&self)
                json.skipWhitespace()
            } while json.consume(UInt8(ascii: ","))
            guard json.consume(end) else { throw Unexpected() }
        }
        json.leave()
    }
}
