import ArgumentParser
import PostgresClient
import PostgresTransactions

/// The command `tandem grants`.
struct Grants: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints the SQL that gives tandem's roles the rights they need, and no others.",
        discussion: """
            The roles and databases are those of the configuration. Nothing is connected to. First \
            run what it prints as an administrator, each part in the database that its first line \
            names (`--database` prints one). Then run `tandem migrate` as the owner of the state \
            database's schema, and what `tandem grants --after-migrate` prints as the owner as well; \
            the latter again after each update of tandem.

            The role that tandem works as may delete no row of a transaction, and no UPDATE of it \
            changes a decision. But a program that has its password can mark a transaction as finished \
            and have tandem.remove_finished remove it: protect the password as the decisions \
            themselves.
            """)

    @OptionGroup var options: ConfigurationOption

    @Option(help: "One database: state, or a participant's name.", completion: nil)
    var database: String?

    @Option(
        help: ArgumentHelp(
            "The role that owns the schema of the state database.",
            discussion: "Without this, the role of state.conninfo with _owner after it."))
    var owner: String?

    @Flag(help: "Print the rights on the schema of the state database instead.")
    var afterMigrate = false

    func run() throws {
        let configuration = try Configuration.load(file: options.config)
        let parts = try afterMigrate ? [rights(configuration)] : all(configuration)
        print(parts.joined(separator: "\n\n"))
    }

    private func rights(_ configuration: Configuration) throws -> String {
        let place = try Place("state", configuration.state.connection)
        let owner = owner ?? "\(place.role)_owner"
        return Self.part(
            "state: run as role \(owner) in database \(place.database), after `tandem migrate`",
            LeastRights.onSchema(role: place.role))
    }

    private func all(_ configuration: Configuration) throws -> [String] {
        var parts: [String] = []
        if database == nil || database == "state" {
            let place = try Place("state", configuration.state.connection)
            let owner = owner ?? "\(place.role)_owner"
            parts.append(
                Self.part(
                    "state: run as an administrator in database \(place.database)",
                    LeastRights.ofState(owner: owner, role: place.role, database: place.database),
                    remarks: [
                        "Give both roles passwords, for example with \\password in psql.",
                        "Next: `tandem migrate` with state.conninfo of role \(owner), and then "
                            + "`tandem grants --after-migrate`.",
                    ]))
        }
        for participant in configuration.participants
        where database == nil || database == participant.name {
            let place = try Place(participant.name, participant.connection)
            parts.append(
                Self.part(
                    "participant \(participant.name): run as an administrator in database "
                        + place.database,
                    LeastRights.ofParticipant(
                        role: place.role, database: place.database,
                        hasWitness: participant.witness, hasJournal: participant.journal),
                    remarks: [
                        "Give the role a password, and what callers' SQL needs, such as",
                        "GRANT SELECT, INSERT, UPDATE ON a_table TO \(place.role);",
                        "It needs nothing else; without pg_monitor, a running base backup counts as "
                            + "a standby.",
                    ]))
        }
        guard !parts.isEmpty else {
            let names = (["state"] + configuration.participants.map(\.name))
                .joined(separator: ", ")
            throw ValidationError(
                "Expected --database to be one of \(names), got \"\(database ?? "")\".")
        }
        return parts
    }

    /// The role and the database of a connection string.
    private struct Place {
        let role: String
        let database: String

        init(_ name: String, _ connection: ConnectionOptions) throws {
            guard let role = connection["user"], !role.isEmpty else {
                throw ValidationError(
                    "Expected a user in the conninfo of \(name), got none: add user=... to it.")
            }
            self.role = role
            database = connection["dbname"] ?? role
        }
    }

    private static func part(
        _ heading: String, _ statements: [String], remarks: [String] = []
    ) -> String {
        (["-- \(heading)"] + statements.map { $0 + ";" } + remarks.map { "-- \($0)" })
            .joined(separator: "\n")
    }
}
