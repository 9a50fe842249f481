import ArgumentParser
import EventLoop
import PostgresClient
import PostgresTransactions

/// The command `tandem check`.
struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Examines the state database and every participant: a line each.",
        discussion: "Exit status 0: all is well. 1: something is not, and the line says what.")

    @OptionGroup var options: ConfigurationOption

    @LoopActor
    func run() async throws {
        let configuration = try Configuration.load(file: options.config)
        var isWell = await report(
            "state", configuration.state.connection, isParticipant: false, .seconds(5),
            allowsFsyncOff: configuration.state.allowFsyncOff)
        for participant in configuration.participants {
            let finding = await report(
                "participant \(participant.name)", participant.connection, isParticipant: true,
                .milliseconds(participant.connectTimeoutMilliseconds),
                allowsFsyncOff: configuration.state.allowFsyncOff)
            isWell = finding && isWell
        }
        if !isWell { throw ExitCode(1) }
    }

    @LoopActor
    private func report(
        _ name: String, _ options: ConnectionOptions, isParticipant: Bool, _ timeout: Duration,
        allowsFsyncOff: Bool
    ) async -> Bool {
        do {
            let connection = try await PostgresConnection.connect(options, timeout: timeout)
            defer { connection.close() }
            let findings = try await Doctor.examine(
                connection, isParticipant: isParticipant, allowsFsyncOff: allowsFsyncOff)
            print("\(findings.faults.isEmpty ? "ok  " : "FAIL") \(name): \(findings.summary)")
            for fault in findings.faults { print("     - \(fault)") }
            return findings.faults.isEmpty
        } catch {
            print("FAIL \(name): \(error)")
            return false
        }
    }
}
