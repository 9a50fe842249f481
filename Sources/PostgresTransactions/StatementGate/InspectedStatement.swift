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

    /// Refuses a list of values that does not fit the placeholders.
    ///
    /// - Throws: ``StatementRefusal`` with the reason `parameterCount`.
    public func check(givenParameterCount given: Int) throws(StatementRefusal) {
        if given == parameterCount { return }
        throw StatementRefusal(
            .parameterCount,
            "The statement has placeholders for \(Self.values(parameterCount)), but "
                + "\(Self.values(given)) \(given == 1 ? "is" : "are") given.")
    }

    private static func values(_ count: Int) -> String {
        count == 1 ? "1 value" : "\(count) values"
    }
}
