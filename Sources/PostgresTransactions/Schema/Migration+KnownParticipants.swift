extension Migration {
    /// Which participants each replica knows, so that rows are left to those that can end them.
    static let knownParticipants = Migration(
        number: 5, name: "the participants that each replica knows",
        statements: [
            "ALTER TABLE tandem.replicas ADD COLUMN participants text[] NOT NULL DEFAULT '{}'"
        ])
}
