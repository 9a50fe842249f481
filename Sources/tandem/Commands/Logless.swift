import ArgumentParser
import CommitProtocol
import EventLoop
import Foundation
import PostgresClient
import PostgresTransactions

/// The command `tandem logless`.
struct Logless: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists and ends prepared transactions of Swift programs without a decision log.",
        discussion: """
            A program that uses the library without a log ends its transactions itself. If it \
            dies, what it had prepared stays, with its locks, and no server touches it. Name every \
            database that its transactions use: otherwise a branch seems to be missing that is \
            only in another database.
            """,
        subcommands: [LoglessList.self, LoglessResolve.self])
}

/// The databases that a command reads.
struct LoglessDatabases: ParsableArguments {
    @Option(
        name: .customLong("database"), parsing: .singleValue,
        help: ArgumentHelp(
            "The connection string of a database; give the option once for each.",
            valueName: "conninfo"))
    var databases: [String] = []

    func validate() throws {
        if databases.isEmpty { throw ValidationError("Expected each database with --database.") }
    }

    func options() throws -> [ConnectionOptions] {
        try databases.map { try ConnectionOptions(conninfo: $0) }
    }

    /// Exits with status 2 if a database cannot be read, since nothing follows from the others then;
    /// 1 is for what was found.
    static func find(in options: [ConnectionOptions]) async throws -> LoglessTransactions {
        do {
            return try await LoglessTransactions.find(
                in: options, timeout: .seconds(10), loop: .shared)
        } catch {
            FileHandle.standardError.write(
                Data("Error: cannot read all databases: \(error)\n".utf8))
            throw ExitCode(2)
        }
    }
}

/// The command `tandem logless list`.
struct LoglessList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Lists prepared branches by transaction.",
        discussion: """
            Exit status 0: nothing is left. 1: something is. 2: a database could not be read.
            """)

    @OptionGroup var place: LoglessDatabases

    func run() async throws {
        let options = try place.options()
        let found = try await LoglessDatabases.find(in: options)
        for group in found.groups {
            print("\(group.name): \(group.branches.count) of \(group.branchCount) prepared")
            for branch in group.branches {
                print(
                    "  branch \(branch.name.branch): prepared for \(branch.ageSeconds) s by "
                        + "\(branch.owner), \(options[branch.database])")
            }
            print("  \(Self.advice(group))")
        }
        if found.groups.isEmpty { print("nothing is left") } else { throw ExitCode(1) }
    }

    static func advice(_ group: LoglessTransactions.Group) -> String {
        if group.isCoordinatorAlive {
            return "its program is alive and will end it; do nothing"
        }
        guard !group.missing.isEmpty else {
            return
                "all branches are here, so either commit or rollback keeps them together; choose "
                + "rollback unless the program has reported a commit"
        }
        let missing = group.missing.map { "\($0)" }.joined(separator: ", ")
        return
            "branch \(missing) is missing: it was committed, rolled back or never prepared. Check "
            + "its data, then end the others in the same way with --incomplete"
    }
}

/// The command `tandem logless resolve`.
struct LoglessResolve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resolve",
        abstract: "Commits or rolls back the remaining branches of one transaction.")

    /// How to end it.
    enum Verb: String, ExpressibleByArgument, CaseIterable {
        case commit
        case rollback
    }

    @Argument(help: "The name that `list` prints.") var transaction: String
    @Argument(help: "commit or rollback.") var verb: Verb
    @OptionGroup var place: LoglessDatabases
    @Flag(help: "End it although a branch is missing; you have checked how that one ended.")
    var incomplete = false

    func run() async throws {
        let options = try place.options()
        let found = try await LoglessDatabases.find(in: options)
        guard let group = found.groups.first(where: { $0.name == transaction }) else {
            throw ValidationError("These databases have no prepared transaction \(transaction).")
        }
        guard !group.isCoordinatorAlive else {
            throw ValidationError("Its program is alive and will end it. Stop the program first.")
        }
        guard incomplete || group.missing.isEmpty else {
            throw ValidationError(
                "Branch \(group.missing.map { "\($0)" }.joined(separator: ", ")) is missing. Check how "
                    + "it ended, then use --incomplete.")
        }
        let answers = await LoglessTransactions.end(
            group, verb == .commit ? .commit : .abort, in: options, timeout: .seconds(10),
            loop: .shared)
        var isWell = true
        for (branch, answer) in answers {
            switch answer {
            case .success(let tag): print("branch \(branch.name.branch): \(tag)")
            case .failure(let error):
                isWell = false
                print("branch \(branch.name.branch): FAILED: \(error)")
            }
        }
        if !isWell { throw ExitCode(1) }
    }
}
