import ArgumentParser
import PostgresClient

/// The command `tandem break-glass`.
struct BreakGlass: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "break-glass",
        abstract: "Prints the SQL that finishes prepared transactions by hand, from the log alone.",
        discussion: """
            For the day when no replica can run: it reads a dump of the state database, or the \
            database itself, changes nothing, and prints SQL for psql. Decided commits come first, \
            then decided aborts. What is decided is final, however old the dump is. A transaction \
            without a decision may have got one after the dump: it is only listed, unless \
            --last-state says that the dump is the last state of the state database. Where a \
            participant holds the decision (a journal, a one-phase branch), it says what to ask \
            there. A dump of the state database: pg_dump --schema=tandem. An archive: pg_restore \
            -f - FILE | tandem break-glass --state-dump -.

            Exit status 0: every unfinished transaction has its statements, or there is none. 4: \
            some need to be asked about first. 64: the dump cannot be used, and nothing is printed. \
            1: the database cannot be read.
            """)

    @Option(
        help: ArgumentHelp("A plain dump of schema tandem; - is standard input.", valueName: "file")
    )
    var stateDump: String?
    @Option(
        help: ArgumentHelp(
            "The connection string of a state database that still runs.", valueName: "conninfo"))
    var state: String?
    @Flag(
        help: ArgumentHelp(
            "What is read is the last state: no replica has written since, and nothing was lost.",
            discussion: "Then undecided transactions are aborted, as tandem would do it."))
    var lastState = false
    @Option(
        help: ArgumentHelp(
            "Print the statements for this participant alone.", valueName: "participant"))
    var only: String?

    func validate() throws {
        guard (stateDump == nil) != (state == nil) else {
            throw ValidationError("Expected either --state-dump or --state.")
        }
    }

    func run() async throws {
        try await reportingFailures {
            let snapshot = try await read()
            if let only, !snapshot.participants.contains(only) {
                let names = snapshot.participants.sorted().joined(separator: ", ")
                throw CommandFailure(
                    .usage,
                    "Expected --only with one of the participants \(names), got \"\(only)\".")
            }
            let plan = BreakGlassPlan(snapshot, isLastState: lastState)
            let script = BreakGlassScript(snapshot, plan, only: only)
            Terminal.output.write(script.text)
            if !plan.open.isEmpty { throw ExitCode(CommandStatus.needsOperator.rawValue) }
        }
    }

    private func read() async throws -> StateSnapshot {
        if let stateDump { return try StateDump.read(stateDump) }
        let options: ConnectionOptions
        do {
            options = try ConnectionOptions(conninfo: state ?? "")
        } catch {
            throw CommandFailure(.usage, "--state: \(error)")
        }
        do {
            return try await LiveState.read(options)
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure(.failed, "The state database cannot be read: \(error)")
        }
    }
}
