import ArgumentParser
import CoordinatorAPI
import EventLoop
import PostgresClient
import PostgresTransactions

/// The command `tandem check`.
struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks the state database and every participant; one line for each.",
        discussion: """
            It checks that each database is reachable, a primary, recent enough and durable, that \
            its clock is right, that the role has the rights it needs and none that reach beyond \
            the database, that no pooler shares the sessions, and that no setting or job ends \
            prepared transactions. In every participant it prepares an empty transaction and rolls it back. \
            If a journal of decisions is configured but missing, it prints the SQL that creates \
            it. It lists prepared transactions of this installation that no replica can finish, \
            with the SQL that does. It changes nothing.

            Exit status 0: no check failed; there may be warnings (!). 1: a check failed (-), and \
            its line says what to do.
            """)

    @OptionGroup var options: ConfigurationOption

    @Flag(help: "Print one line of JSON for programs instead.") var json = false

    func run() async throws {
        let configuration = try Configuration.load(file: options.config)
        try await DatabaseChecks(configuration, printsJSON: json).run(.all)
    }
}

/// Examines configured databases and prints what it found.
struct DatabaseChecks {
    /// Which databases to examine.
    enum Selection {
        case all
        case participants([String])

        func includes(_ participant: String) -> Bool {
            switch self {
            case .all: true
            case .participants(let names): names.contains(participant)
            }
        }
    }

    private let configuration: Configuration
    private let json: Bool

    init(_ configuration: Configuration, printsJSON json: Bool) {
        self.configuration = configuration
        self.json = json
    }

    /// A database and what was found about it.
    private struct Examined {
        let name: String
        let purpose: Diagnostics.Purpose
        let diagnosis: Diagnosis
    }

    /// Exits with status 1 if a check failed.
    func run(_ selection: Selection) async throws {
        let state = configuration.state
        let stateTimeout = Duration.milliseconds(state.timeoutMilliseconds)
        var examined: [Examined] = []
        if case .all = selection {
            let diagnosis = await Diagnostics.examine(
                state.connection, as: .state, allowsFsyncOff: state.allowFsyncOff,
                timeout: stateTimeout, allowsPrivilegedRole: state.allowPrivilegedRole,
                loop: .shared)
            examined.append(Examined(name: "state", purpose: .state, diagnosis: diagnosis))
            if !json { show("state", diagnosis) }
        }
        let leftovers = await Diagnostics.leftovers(
            state: state.connection,
            participants: configuration.participants.map { ($0.name, $0.connection) },
            timeout: stateTimeout, loop: .shared)
        for participant in configuration.participants where selection.includes(participant.name) {
            let diagnosis = await Diagnostics.examine(
                participant.connection, as: .participant, allowsFsyncOff: state.allowFsyncOff,
                timeout: .milliseconds(participant.connectTimeoutMilliseconds),
                journal: participant.journal,
                allowsPrivilegedRole: participant.allowPrivilegedRole, loop: .shared
            ).adding(leftovers: leftovers[participant.name] ?? [])
            examined.append(
                Examined(name: participant.name, purpose: .participant, diagnosis: diagnosis))
            if !json { show("participant \(participant.name)", diagnosis) }
        }
        let isWell = examined.allSatisfy { $0.diagnosis.verdict != .failing }
        if json { print(Self.report(examined, isWell: isWell)) }
        if !isWell { throw ExitCode(1) }
    }

    private func show(_ name: String, _ diagnosis: Diagnosis) {
        let word = diagnosis.verdict == .failing ? "FAIL" : "ok  "
        print("\(word) \(name): \(diagnosis.summary ?? "not examined")")
        for check in diagnosis.checks {
            switch check.verdict {
            case .ok: break
            case .warning: print("     ! \(check.detail)")
            case .failing: print("     - \(check.detail)")
            }
        }
    }

    private static func report(_ examined: [Examined], isWell: Bool) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("status", isWell ? "ok" : "failing")
            writer.name("databases")
            writer.array(examined) { database, writer in
                writer.object { writer in
                    writer.member("name", database.name)
                    writer.member(
                        "purpose", database.purpose == .state ? "state" : "participant")
                    writer.member("status", database.diagnosis.verdict.rawValue)
                    writer.member("summary", database.diagnosis.summary)
                    writer.name("checks")
                    writer.array(database.diagnosis.checks) { check, writer in
                        writer.object { writer in
                            writer.member("name", check.name)
                            writer.member("status", check.verdict.rawValue)
                            writer.member("detail", check.detail)
                        }
                    }
                }
            }
        }
        return writer.text
    }
}
