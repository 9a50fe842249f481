import ArgumentParser
import CoordinatorAPI
import EventLoop
import Foundation
import PostgresClient
import PostgresTransactions

/// The command `tandem check`.
struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks the state database and every participant; one line for each.",
        discussion: """
            It checks that the listener's certificate, if there is one, belongs to its key and has not \
            expired, that each database is reachable, a primary, recent enough and durable, that \
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
        try await DatabaseChecks(configuration, printsJSON: json).run(
            .all, listener: ListenerCheck(configuration.listen))
    }
}

/// What was found about the certificate that a replica would show.
struct ListenerCheck {
    /// The days before the end of a certificate from which on there is a warning.
    private static let daysOfWarning = 14
    let verdict: Diagnosis.Verdict
    let detail: String

    /// Reads the files of the listener's certificate; nil without TLS.
    init?(_ listen: Configuration.Listen, at now: Date = Date()) {
        guard let tls = listen.tls else { return nil }
        do {
            guard let end = try CertificateFiles(tls).expiration else {
                (verdict, detail) = (.warning, "it cannot be read when its certificate expires")
                return
            }
            let days = end.timeIntervalSince(now) / 86_400
            verdict = days < 0 ? .failing : days < Double(Self.daysOfWarning) ? .warning : .ok
            detail = "the certificate \(days < 0 ? "expired" : "is good until") \(end)"
        } catch {
            (verdict, detail) = (.failing, "\(error)")
        }
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
    func run(_ selection: Selection, listener: ListenerCheck? = nil) async throws {
        if let listener, !json {
            print(
                "\(listener.verdict == .failing ? "FAIL" : "ok  ") listen.tls: \(listener.detail)")
        }
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
        let isWell =
            listener?.verdict != .failing
            && examined.allSatisfy { $0.diagnosis.verdict != .failing }
        if json { print(Self.report(examined, listener, isWell: isWell)) }
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

    private static func report(
        _ examined: [Examined], _ listener: ListenerCheck?, isWell: Bool
    ) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("status", isWell ? "ok" : "failing")
            if let listener {
                writer.name("listener")
                writer.object { writer in
                    writer.member("status", listener.verdict.rawValue)
                    writer.member("detail", listener.detail)
                }
            }
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
