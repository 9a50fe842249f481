import TransactionEngine

extension Resolution {
    /// Reads the body of `POST /v1/transactions/{id}/resolution`.
    ///
    /// - Throws: ``Problem`` of type `malformed-json` or, with all faults in it, `invalid-request`.
    init(decoding body: [UInt8]) throws(Problem) {
        let issues = RequestIssues()
        let object = try RequestObject.read(
            body, depthMax: WireLimits().depthMax,
            known: ["branch", "outcome", "actor", "reason", "force"], issues: issues)
        let branch = object.integer(object.required("branch"), in: 0...999)
        let action: Action? = object.word(object.required("outcome"))
        let actor = object.text("actor", charactersMax: 200)
        let reason = object.text("reason", charactersMax: 2000)
        let isForced = object.flag("force")
        try issues.throwIfAny()
        guard let branch, let action, let actor, let reason else {
            preconditionFailure("a member that is missing or wrong is an issue")
        }
        self.init(branch: branch, action: action, actor: actor, reason: reason, isForced: isForced)
    }
}
