/// What the gate found out about a statement that it lets pass.
package struct StatementFacts: Hashable, Sendable {
    /// Whether the statement can return rows.
    ///
    /// It errs on the side of true (`SELECT ... INTO` returns none), so that no limit on rows is missed.
    package let returnsRows: Bool

    /// The highest number of a placeholder, 0 if there is none: how many values the statement needs.
    ///
    /// Placeholders in the body of `CREATE FUNCTION` and `CREATE PROCEDURE` are the arguments of
    /// that routine, and are not counted.
    package let parameterCount: Int

    /// Whether it is a `NOTIFY`, which PostgreSQL refuses to prepare.
    package let isNotification: Bool

    /// Refuses values that do not fit the placeholders, or that no text of PostgreSQL can hold.
    ///
    /// - Throws: ``StatementRefusal`` with the reason `parameterCount` or `nulCharacter`.
    package func checkValues(_ values: [String?]) throws(StatementRefusal) {
        guard values.count == parameterCount else {
            throw StatementRefusal(
                .parameterCount,
                "Expected \(Self.counted(parameterCount)), as many as placeholders, got "
                    + "\(values.count).")
        }
        for (index, value) in values.enumerated() where value.map(Self.hasNUL) ?? false {
            throw StatementRefusal(
                .nulCharacter,
                "The value of $\(index + 1) has a NUL in it, which no text of PostgreSQL can hold.")
        }
    }

    /// Where its bytes lie in one piece, the compiler makes a loop of a few instructions of this.
    private static func hasNUL(_ text: String) -> Bool {
        text.utf8.withContiguousStorageIfAvailable { $0.contains(0) } ?? text.utf8.contains(0)
    }

    /// Refuses a statement that a branch cannot run if it is to be prepared.
    ///
    /// - Throws: ``StatementRefusal`` with the reason `cannotBePrepared`.
    package func checkIsPreparable() throws(StatementRefusal) {
        guard isNotification else { return }
        throw StatementRefusal(
            .cannotBePrepared,
            "PostgreSQL cannot prepare a transaction that ran NOTIFY, and this branch is "
                + "prepared. Notify in a branch that commits by itself: one that is read only, or the "
                + "only one that writes, in a request with `onePhase`.")
    }

    private static func counted(_ count: Int) -> String {
        count == 1 ? "1 value" : "\(count) values"
    }
}
