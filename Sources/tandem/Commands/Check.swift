import ArgumentParser
import Foundation
import PostgresClient
import PostgresTransactions

/// The command `tandem check`.
struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks the state database and every participant; one line for each.",
        discussion: """
            It checks that each database is reachable, a primary, recent enough and durable, that \
            its clock is right, that the role has the rights it needs, and that no pooler shares \
            the sessions. In every participant it prepares an empty transaction and rolls it back. \
            If a journal of decisions is configured but missing, it prints the SQL that creates \
            it. It lists prepared transactions of this installation that no replica can finish, \
            with the SQL that does. It changes nothing.

            Exit status 0: no check failed; there may be warnings (!). 1: a check failed (-), and \
            its line says what to do.
            """)

    @OptionGroup var options: ConfigurationOption

    @Flag(help: "Print one line of JSON for programs instead.") var json = false

    private struct Report: Encodable {
        struct Database: Encodable {
            struct Item: Encodable {
                let name: String
                let status: String
                let detail: String
            }
            let name: String
            let purpose: String
            let status: String
            let summary: String?
            let checks: [Item]
        }
        let status: String
        let databases: [Database]
    }

    func run() async throws {
        let configuration = try Configuration.load(file: options.config)
        let fsyncOff = configuration.state.allowFsyncOff
        var found: [(name: String, purpose: Diagnostics.Purpose, diagnosis: Diagnosis)] = []
        let state = await Diagnostics.examine(
            configuration.state.connection, as: .state, allowsFsyncOff: fsyncOff,
            timeout: .milliseconds(configuration.state.timeoutMilliseconds))
        found.append(("state", .state, state))
        if !json { show("state", state) }
        let leftovers = await Diagnostics.leftovers(
            state: configuration.state.connection,
            participants: configuration.participants.map { ($0.name, $0.connection) },
            timeout: .milliseconds(configuration.state.timeoutMilliseconds))
        for participant in configuration.participants {
            let diagnosis = await Diagnostics.examine(
                participant.connection, as: .participant, allowsFsyncOff: fsyncOff,
                timeout: .milliseconds(participant.connectTimeoutMilliseconds),
                journal: participant.journal
            ).adding(leftovers: leftovers[participant.name] ?? [])
            found.append((participant.name, .participant, diagnosis))
            if !json { show("participant \(participant.name)", diagnosis) }
        }
        let isWell = found.allSatisfy { $0.diagnosis.verdict != .failing }
        if json { try print(line(found, isWell)) }
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

    private func line(
        _ found: [(name: String, purpose: Diagnostics.Purpose, diagnosis: Diagnosis)],
        _ isWell: Bool
    ) throws -> String {
        let report = Report(
            status: isWell ? "ok" : "failing",
            databases: found.map { item in
                Report.Database(
                    name: item.name, purpose: item.purpose == .state ? "state" : "participant",
                    status: item.diagnosis.verdict.rawValue, summary: item.diagnosis.summary,
                    checks: item.diagnosis.checks.map {
                        .init(name: $0.name, status: $0.verdict.rawValue, detail: $0.detail)
                    })
            })
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(report), as: UTF8.self)
    }
}
