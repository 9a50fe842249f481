public import CommitProtocol

/// What the gate learned about a statement that may be sent.
public struct InspectedStatement: Hashable, Sendable {
    /// Whether the statement can answer with rows.
    ///
    /// It errs on the side of yes (`SELECT ... INTO` answers with none), so that a limit on rows
    /// is never missed.
    public var returnsRows: Bool

    /// The highest number of a placeholder, 0 if there is none: how many values must be given.
    ///
    /// Placeholders in the body of `CREATE FUNCTION` and `CREATE PROCEDURE` are the arguments of
    /// what is created, and are not counted.
    public var parameterCount: Int

    /// Whether it is a `NOTIFY`, which a branch can run only if it is not prepared.
    public var isNotification = false

    /// Refuses what a branch that ends so cannot do.
    ///
    /// - Throws: ``StatementRefusal`` with the reason `cannotBePrepared`.
    public func check(_ commitMode: CommitMode) throws(StatementRefusal) {
        guard isNotification, commitMode == .twoPhase else { return }
        throw StatementRefusal(
            .cannotBePrepared,
            "PostgreSQL cannot prepare a transaction that ran NOTIFY, and this branch is to be "
                + "prepared. Notify in a branch that commits by itself: one that is read only, or the "
                + "only one that writes, in a request with `onePhase`.")
    }

    /// Refuses values that do not fit the placeholders, or that no text of PostgreSQL can hold.
    ///
    /// - Throws: ``StatementRefusal`` with the reason `parameterCount` or `nulCharacter`.
    public func check(_ parameters: [String?]) throws(StatementRefusal) {
        let given = parameters.count
        guard given == parameterCount else {
            throw StatementRefusal(
                .parameterCount,
                "The statement has placeholders for \(Self.values(parameterCount)), but "
                    + "\(Self.values(given)) \(given == 1 ? "is" : "are") given.")
        }
        for (index, parameter) in parameters.enumerated()
        where parameter?.utf8.contains(0) ?? false {
            throw StatementRefusal(
                .nulCharacter,
                "The value of $\(index + 1) has a NUL in it, which no text of PostgreSQL can hold.")
        }
    }

    private static func values(_ count: Int) -> String {
        count == 1 ? "1 value" : "\(count) values"
    }
}
