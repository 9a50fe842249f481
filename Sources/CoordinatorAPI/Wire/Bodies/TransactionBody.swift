import Crypto
import TransactionEngine

/// The body of `POST /v1/transactions`, validated.
///
/// It has the right shape and keeps the limits. Whether the participants exist and the statements
/// are acceptable is for the engine and its ports to decide.
struct TransactionBody: Sendable {
    /// The work, at least one branch; a participant may occur more than once.
    var branches: [TransactionRequest.Branch] = []
    /// The time to the decision in milliseconds; `nil` is the configured default.
    var timeoutMilliseconds: Int?
    /// The isolation level of the branches that name none; `nil` is `readCommitted`.
    var isolation: Isolation?
    /// How long a statement may wait for a lock, in milliseconds, in branches that set no limit; `nil` is
    /// each participant's own.
    var lockTimeoutMilliseconds: Int?
    /// Whether the only branch that writes is committed without being prepared.
    var isOnePhase = false
    /// When the branches work.
    var execution = TransactionRequest.ExecutionOrder.parallel
    /// How often it may run again after it lost to other transactions; `nil` is the configured default.
    var retries: Int?
    /// Names and values that the transaction can be found by.
    var labels: [String: String] = [:]
    /// SHA-256 of the body's meaning, if it was asked for: it is the same for two requests that
    /// are the same to an `Idempotency-Key`.
    var digest: [UInt8]?

    /// Reads the body of a request.
    ///
    /// - Parameters:
    ///   - body: The body's bytes.
    ///   - limits: How much it may ask for.
    ///   - isDigested: Whether its digest is needed.
    /// - Throws: ``Problem`` of type `malformed-json` or, with all faults in it, `invalid-request`.
    static func decode(
        _ body: [UInt8], limits: WireLimits = WireLimits(), isDigested: Bool = false
    ) throws(Problem) -> TransactionBody {
        var request: TransactionBody
        if let quick = TransactionBodyReader.read(body, limits: limits) {
            request = quick
        } else {
            request = try explain(body, limits: limits)
        }
        if isDigested { request.digest = try digest(body, limits: limits) }
        return request
    }

    /// Reads a body again that `TransactionBodyReader` gave up on, and finds all that is wrong.
    static func explain(
        _ body: [UInt8], limits: WireLimits
    ) throws(Problem) -> TransactionBody {
        let issues = RequestIssues()
        let object = try RequestObject.read(
            body, depthMax: limits.depthMax,
            known: [
                "branches", "commit", "timeoutMilliseconds", "isolation",
                "lockTimeoutMilliseconds", "execution", "retries", "onePhase", "labels",
            ], issues: issues)
        let request = TransactionBodyDecoder(limits: limits, issues: issues).decode(object)
        try issues.throwIfAny()
        return request
    }

    private static func digest(
        _ body: [UInt8], limits: WireLimits
    ) throws(Problem) -> [UInt8] {
        do {
            let canonical = try CanonicalJSON.bytes(of: body, depthMax: limits.depthMax)
            return Array(SHA256.hash(data: canonical))
        } catch {
            throw Problem(error)
        }
    }
}

/// Decodes a body and adds all that is wrong to the issues.
///
/// What it returns is complete only if it added none.
private struct TransactionBodyDecoder {
    let limits: WireLimits
    let issues: RequestIssues

    func decode(_ object: RequestObject) -> TransactionBody {
        var body = TransactionBody()
        let branches = object.array(
            object.required("branches"), count: 1...limits.branchesMax, limit: "branches")
        body.branches = branches.compactMap(branch)
        if let (value, pointer) = object.optional("commit"), value != .string("auto") {
            issues.add(
                pointer,
                "Expected \"auto\": the request that begins a transaction also runs and ends it.")
        }
        body.timeoutMilliseconds = object.integer(
            object.optional("timeoutMilliseconds"), in: 1...limits.timeoutMillisecondsMax)
        body.isolation = object.word(object.optional("isolation"))
        body.lockTimeoutMilliseconds = object.integer(
            object.optional("lockTimeoutMilliseconds"), in: 1...limits.timeoutMillisecondsMax)
        body.execution = object.word(object.optional("execution")) ?? .parallel
        body.retries = object.integer(object.optional("retries"), in: 0...WireLimits.retriesMax)
        body.isOnePhase = object.flag("onePhase")
        body.labels = object.optional("labels").map(labels) ?? [:]
        return body
    }

    private func branch(
        _ value: JSONValue, at pointer: JSONPointer
    ) -> TransactionRequest.Branch? {
        guard
            let object = RequestObject(
                value, at: pointer,
                known: [
                    "participant", "readOnly", "isolation", "lockTimeoutMilliseconds", "statements",
                ], issues: issues)
        else { return nil }
        let participant = object.required("participant")
        if let (value, pointer) = participant,
            !(value.string.map(NameRules.isParticipant) ?? false)
        {
            issues.add(pointer, NameRules.participantRule)
        }
        let isReadOnly = object.flag("readOnly")
        let isolation: Isolation? = object.word(object.optional("isolation"))
        let lockTimeout = object.integer(
            object.optional("lockTimeoutMilliseconds"), in: 1...limits.timeoutMillisecondsMax)
        let statements = object.array(
            object.required("statements"), count: 1...limits.statementsPerBranchMax,
            limit: "statementsPerBranch")
        var branch = TransactionRequest.Branch(
            participant: participant?.value.string ?? "",
            statements: statements.compactMap(statement), isReadOnly: isReadOnly)
        branch.isolation = isolation
        branch.lockTimeout = lockTimeout.map { .milliseconds($0) }
        return branch
    }

    private func statement(_ value: JSONValue, at pointer: JSONPointer) -> Statement? {
        guard
            let object = RequestObject(
                value, at: pointer, known: ["sql", "parameters", "expectRows"], issues: issues)
        else { return nil }
        let sql = object.required("sql").map(sql) ?? ""
        let parameters = object.array(
            object.optional("parameters"), count: 0...limits.parametersPerStatementMax,
            limit: "parametersPerStatement")
        var lists: [Int: any ListParameter] = [:]
        for (number, (value, pointer)) in parameters.enumerated() {
            if let text = value.string, text.containsNUL { issues.add(pointer, NameRules.nulRule) }
            if case .array(let elements) = value {
                lists[number] = ArrayParameter(elements: elements)
            }
        }
        return Statement(
            sql: sql, parameters: parameters.map(\.value.parameterText), lists: lists,
            expectedRows: object.optional("expectRows").flatMap(expectedRows))
    }

    private func expectedRows(_ value: JSONValue, at pointer: JSONPointer) -> ExpectedRows? {
        let limit = ExpectedRows.limit
        if let count = value.integer, (0...limit).contains(count) { return ExpectedRows(count) }
        guard case .object = value else {
            issues.add(
                pointer,
                "Expected an integer from 0 to \(limit), or an object with \"min\" and \"max\", got "
                    + "\(value.described).")
            return nil
        }
        guard
            let object = RequestObject(value, at: pointer, known: ["min", "max"], issues: issues)
        else { return nil }
        let min = object.integer(object.optional("min"), in: 0...limit)
        let max = object.integer(object.optional("max"), in: 0...limit)
        if object.optional("min") == nil, object.optional("max") == nil {
            issues.add(pointer, "Expected \"min\", \"max\" or both, got neither.")
        }
        guard min ?? 0 <= max ?? limit else {
            issues.add(pointer, "Expected \"min\" to be at most \"max\".")
            return nil
        }
        return ExpectedRows((min ?? 0)...(max ?? limit))
    }

    private func sql(_ value: JSONValue, at pointer: JSONPointer) -> String {
        guard let text = value.string else {
            issues.add(pointer, "Expected a string, got \(value.described).")
            return ""
        }
        if text.isEmpty { issues.add(pointer, "Expected a statement, got an empty string.") }
        if text.containsNUL { issues.add(pointer, NameRules.nulRule) }
        if text.isLonger(than: limits.sqlCharactersMax) {
            issues.add(
                pointer,
                "Expected at most \(limits.sqlCharactersMax) characters (limit sqlCharacters), got "
                    + "\(text.unicodeScalars.count).")
        }
        return text
    }

    private func labels(_ value: JSONValue, at pointer: JSONPointer) -> [String: String] {
        guard case .object(let members) = value else {
            issues.add(pointer, "Expected an object, got \(value.described).")
            return [:]
        }
        if members.count > limits.labelsMax {
            issues.add(
                pointer,
                "Expected at most \(limits.labelsMax) labels (limit labels), got "
                    + "\(members.count).")
            return [:]
        }
        var labels: [String: String] = [:]
        for member in members {
            let place = pointer.member(member.name.shortened)
            if !NameRules.isLabel(member.name) { issues.add(place, NameRules.labelRule) }
            if let text = member.value.string, !text.containsNUL,
                !text.isLonger(than: limits.labelValueCharactersMax)
            {
                labels[member.name] = text
            } else {
                issues.add(
                    place,
                    "Expected a string without NUL, of at most \(limits.labelValueCharactersMax) "
                        + "characters (limit labelValueCharacters).")
            }
        }
        return labels
    }
}
