import TransactionEngine

extension ControlRule {
    /// Reads the body of `POST /dev/control-points`.
    ///
    /// - Throws: ``Problem`` of type `malformed-json` or, with all faults in it, `invalid-request`.
    init(decoding body: [UInt8], participants: [String]) throws(Problem) {
        let issues = RequestIssues()
        let object = try RequestObject.read(
            body, depthMax: WireLimits().depthMax,
            known: [
                "point", "action", "participant", "labels", "idempotencyKey", "transactions",
            ], issues: issues)
        let point: ControlRule.Point? = object.word(object.required("point"))
        let isPause = object.optional("action") == nil
        let action: ControlRule.Action? = isPause ? .pause : object.word(object.optional("action"))
        let key = object.optional("idempotencyKey")
        let digest = key?.value.string.flatMap { IdempotencyKey.read(query: $0)?.digest }
        if let key, digest == nil {
            issues.add(key.pointer, "Expected 1 to 255 printable ASCII characters.")
        }
        let name = object.optional("participant")
        if let name, !participants.contains(where: { $0 == name.value.string }) {
            let names = participants.map { "\"\($0)\"" }.joined(separator: ", ")
            issues.add(
                name.pointer,
                "Expected one of \(names), got "
                    + (name.value.string.map { "\"\($0.shortened)\"" } ?? name.value.described)
                    + ".")
        }
        let labels = object.optional("labels").map { Self.labels($0, issues) } ?? []
        let transactions = object.integer(object.optional("transactions"), in: 1...1_000_000)
        if let point, let action, action.needsPreparedBranches, !point.hasPreparedBranches,
            let member = object.optional("action")
        {
            let points = ControlRule.Point.allCases.filter(\.hasPreparedBranches)
            issues.add(
                member.pointer,
                "Expected one of the points "
                    + points.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
                    + " for the action \"\(action.rawValue)\", since no branch is prepared at \""
                    + "\(point.rawValue)\".")
        }
        try issues.throwIfAny()
        guard let point, let action else {
            preconditionFailure("a member that is missing or wrong is an issue")
        }
        self.init(at: point, action)
        participant = name?.value.string
        self.labels = labels
        keyDigest = digest
        transactionsMax = transactions
    }

    private static func labels(
        _ member: RequestObject.Member, _ issues: RequestIssues
    ) -> [TransactionRequest.Label] {
        guard case .object(let members) = member.value else {
            issues.add(member.pointer, "Expected an object, got \(member.value.described).")
            return []
        }
        return members.compactMap { one in
            if let value = one.value.string { return .init(name: one.name, value: value) }
            issues.add(
                member.pointer.member(one.name.shortened),
                "Expected a string, got \(one.value.described).")
            return nil
        }
    }
}
