import ArgumentParser
import CommitProtocol
import Foundation
import PostgresClient
import PostgresTransactions

/// The command `tandem logless`.
struct Logless: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Finds and ends what Swift programs without a decision log left prepared.",
        discussion: """
            A program that uses the library without a log ends its transactions itself, for as long \
            as it lives. If it dies in between, what it had prepared stays, with its locks; no \
            server touches it. Give every database that its transactions use: only then does a \
            missing branch mean something.
            """,
        subcommands: [LoglessList.self, LoglessResolve.self])
}

/// Where to look.
struct LoglessDatabases: ParsableArguments {
    @Option(
        name: .customLong("database"), parsing: .singleValue,
        help: ArgumentHelp(
            "A database, as libpq reads it; once for each.", valueName: "conninfo"))
    var databases: [String] = []

    func validate() throws {
        if databases.isEmpty { throw ValidationError("Give each database with --database.") }
    }

    func options() throws -> [ConnectionOptions] {
        try databases.map { try ConnectionOptions(conninfo: $0) }
    }

    /// Status 2 is for databases that could not be looked into, of which nothing follows; 1 is for what
    /// was found there.
    static func find(in options: [ConnectionOptions]) async throws -> LoglessTransactions {
        do {
            return try await LoglessTransactions.find(in: options, timeout: .seconds(10))
        } catch {
            FileHandle.standardError.write(
                Data("Error: the databases could not all be looked into: \(error)\n".utf8))
            throw ExitCode(2)
        }
    }
}

/// The command `tandem logless list`.
struct LoglessList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Lists what is prepared, by transaction.",
        discussion: """
            Exit status 0: nothing is left. 1: something is. 2: a database could not be asked.
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
            return "its program is alive and ends it: leave it alone"
        }
        guard !group.missing.isEmpty else {
            return "all branches are here: commit or rollback, either keeps them together; "
                + "rollback, if nobody was told that it was committed"
        }
        let missing = group.missing.map { "\($0)" }.joined(separator: ", ")
        return "not here: branch \(missing). It was committed, rolled back or never prepared: look "
            + "into its data, end the rest in the same way, and say --incomplete"
    }
}

/// The command `tandem logless resolve`.
struct LoglessResolve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resolve", abstract: "Ends every branch that is left of one transaction.")

    /// How to end it.
    enum Verb: String, ExpressibleByArgument, CaseIterable {
        case commit
        case rollback
    }

    @Argument(help: "The transaction, as `list` names it.") var transaction: String
    @Argument(help: "commit or rollback.") var verb: Verb
    @OptionGroup var place: LoglessDatabases
    @Flag(help: "End it although some branch is missing: you have looked how that one ended.")
    var incomplete = false

    func run() async throws {
        let options = try place.options()
        let found = try await LoglessDatabases.find(in: options)
        guard let group = found.groups.first(where: { $0.name == transaction }) else {
            throw ValidationError("Nothing named \(transaction) is prepared in these databases.")
        }
        guard !group.isCoordinatorAlive else {
            throw ValidationError("Its program is alive and ends it; stop the program first.")
        }
        guard incomplete || group.missing.isEmpty else {
            throw ValidationError(
                "Branch \(group.missing) is not prepared here. See how it ended, then say "
                    + "--incomplete.")
        }
        let answers = await LoglessTransactions.end(
            group, verb == .commit ? .commit : .abort, in: options, timeout: .seconds(10))
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
