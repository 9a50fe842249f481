extension Migration {
    /// A rollback that was asked for elsewhere, of a transaction that its owner's register decides.
    static let rollbackRequests = Migration(
        number: 4, name: "rollbacks that the owner asks its register for",
        statements: [
            """
            ALTER TABLE tandem.transactions
                ADD COLUMN rollback_requested boolean NOT NULL DEFAULT false
            """
        ])
}
