import Crypto

extension TransactionBody {
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
        let value: JSONValue
        do {
            value = try JSONReader.read(body, depthMax: limits.depthMax)
        } catch {
            throw Problem(error)
        }
        var decoder = TransactionRequestDecoder(limits: limits)
        var request = decoder.transaction(value)
        try decoder.issues.throwIfAny()
        if isDigested {
            var writer = JSONWriter(capacity: body.count)
            writer.canonical(value)
            request.digest = Array(SHA256.hash(data: writer.bytes))
        }
        return request
    }
}

/// Walks over a body and notes all that is wrong.
///
/// What it gives back is whole only if no issue was noted.
private struct TransactionRequestDecoder {
    private static let members = [
        "branches", "commit", "timeoutMilliseconds", "isolation", "onePhase", "labels",
    ]

    let limits: WireLimits
    var issues = RequestIssues()

    mutating func transaction(_ value: JSONValue) -> TransactionBody {
        var request = TransactionBody(branches: [], labels: [:])
        guard let object = RequestObject(value, at: .root, known: Self.members, &issues)
        else { return request }
        if let (elements, pointer) = object.requiredArray(
            "branches", count: 1...limits.branchesMax, limit: "branches", &issues)
        {
            for (index, element) in elements.enumerated() {
                request.branches.append(branch(element, at: pointer.element(index)))
            }
        }
        checkCommit(object)
        request.timeoutMilliseconds = object.integer(
            "timeoutMilliseconds", in: 1...limits.timeoutMillisecondsMax, &issues)
        request.isolation = isolation(object)
        request.isOnePhase = object.flag("onePhase", &issues)
        request.labels = labels(object)
        return request
    }

    private mutating func branch(_ value: JSONValue, at pointer: JSONPointer) -> BranchRequest {
        var branch = BranchRequest(participant: "", statements: [])
        guard
            let object = RequestObject(
                value, at: pointer, known: ["participant", "readOnly", "statements"],
                &issues)
        else { return branch }
        if let (value, pointer) = object.required("participant", &issues) {
            if let name = value.string, NameRules.isParticipant(name) {
                branch.participant = name
            } else {
                issues.add(pointer, NameRules.participantRule)
            }
        }
        branch.isReadOnly = object.flag("readOnly", &issues)
        if let (elements, pointer) = object.requiredArray(
            "statements", count: 1...limits.statementsPerBranchMax, limit: "statementsPerBranch",
            &issues)
        {
            for (index, element) in elements.enumerated() {
                branch.statements.append(statement(element, at: pointer.element(index)))
            }
        }
        return branch
    }

    private mutating func statement(
        _ value: JSONValue, at pointer: JSONPointer
    ) -> StatementRequest {
        var statement = StatementRequest(sql: "", parameters: [])
        guard
            let object = RequestObject(
                value, at: pointer, known: ["sql", "parameters", "expectRows"], &issues)
        else { return statement }
        if let (value, pointer) = object.required("sql", &issues) {
            statement.sql = sql(value, at: pointer)
        }
        if let (elements, pointer) = object.optionalArray(
            "parameters", count: 0...limits.parametersPerStatementMax,
            limit: "parametersPerStatement", &issues)
        {
            statement.parameters.reserveCapacity(elements.count)
            for (index, element) in elements.enumerated() {
                if let text = element.string, text.containsNUL {
                    issues.add(pointer.element(index), NameRules.nulRule)
                }
                statement.parameters.append(ParameterValue(element))
            }
        }
        statement.expectRows = object.integer("expectRows", in: 0...2_147_483_647, &issues)
        return statement
    }

    private mutating func sql(_ value: JSONValue, at pointer: JSONPointer) -> String {
        guard let text = value.string else {
            issues.add(pointer, "A string is wanted here, not \(value.kind).")
            return ""
        }
        if text.isEmpty { issues.add(pointer, "The statement is empty.") }
        if text.containsNUL { issues.add(pointer, NameRules.nulRule) }
        if text.isLonger(than: limits.sqlCharactersMax) {
            issues.add(
                pointer,
                "The statement is too long; the limit sqlCharacters is \(limits.sqlCharactersMax).")
        }
        return text
    }

    private mutating func checkCommit(_ object: RequestObject) {
        guard let (value, pointer) = object.optional("commit"), value != .string("auto")
        else { return }
        issues.add(
            pointer,
            "Only \"auto\" is offered: a transaction is run and ended by the request that begins it."
        )
    }

    private mutating func isolation(_ object: RequestObject) -> BodyIsolation? {
        guard let (value, pointer) = object.optional("isolation") else { return nil }
        if let isolation = value.string.flatMap(BodyIsolation.init(rawValue:)) { return isolation }
        let names = BodyIsolation.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
        issues.add(pointer, "One of \(names) is wanted here.")
        return nil
    }

    private mutating func labels(_ object: RequestObject) -> [String: String] {
        guard let (value, pointer) = object.optional("labels") else { return [:] }
        guard case .object(let members) = value else {
            issues.add(pointer, "An object is wanted here, not \(value.kind).")
            return [:]
        }
        if members.count > limits.labelsMax {
            issues.add(
                pointer,
                "There are \(members.count) labels; the limit labels is \(limits.labelsMax).")
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
                    "A string without NUL is wanted here; the limit labelValueCharacters is "
                        + "\(limits.labelValueCharactersMax).")
            }
        }
        return labels
    }
}
