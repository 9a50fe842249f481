extension Migration {
    /// A rollback that was asked for elsewhere, of a transaction that its owner's register decides.
    static let wishes = Migration(
        number: 4, name: "rollbacks that the owner asks its register for",
        statements: [
            """
            ALTER TABLE tandem.transactions
                ADD COLUMN rollback_requested boolean NOT NULL DEFAULT false
            """
        ])
}

extension Migration {
    /// Which participants each replica knows, so that rows are left to those that can end them.
    static let acquaintance = Migration(
        number: 5, name: "the participants that each replica knows",
        statements: [
            "ALTER TABLE tandem.replicas ADD COLUMN participants text[] NOT NULL DEFAULT '{}'"
        ])
}
