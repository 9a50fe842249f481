import ArgumentParser
import CommitProtocol
import CoordinatorAPI

/// The command `tandem transactions`.
struct TransactionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "transactions",
        abstract: "Lists, shows, waits for, rolls back, retries and resolves transactions.",
        discussion: "They ask a running replica. " + CommandStatus.help,
        subcommands: [
            TransactionsList.self, TransactionsShow.self, TransactionsWait.self,
            TransactionsRollback.self, TransactionsRetry.self, TransactionsResolve.self,
        ],
        aliases: ["transaction", "tx"])
}

/// Whether a command prints for people or for programs.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print the JSON of the API, for programs.") var json = false
}

/// The transaction that a command is about.
struct TransactionArgument: ParsableArguments {
    @Argument(
        help: "The transaction's id, such as 4711-9f8a6c2b01d4e37a.",
        transform: { text throws in
            guard let id = GlobalTransactionID(text) else {
                throw ValidationError(
                    "Expected a transaction's id such as 4711-9f8a6c2b01d4e37a, got \"\(text)\".")
            }
            return id
        })
    var id: GlobalTransactionID

    var path: String { "/v1/transactions/\(id)" }
}

/// A state by its name in the API.
enum StateArgument: String, CaseIterable, ExpressibleByArgument {
    case active, preparing, committing, aborting, committed, aborted, needsOperator
}

/// The command `tandem transactions list`.
struct TransactionsList: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Lists transactions, newest first.",
        discussion: """
            All filters must match, and one of the states if there are several. With --json it \
            prints one page as the API gives it; with --json --all, every transaction on a line \
            of its own (JSON lines). \(CommandStatus.help)
            """)

    enum Queue: String, CaseIterable, ExpressibleByArgument {
        case running, retrying, inDoubt, needsOperator
    }

    enum Order: String, CaseIterable, ExpressibleByArgument {
        case newest, oldest
    }

    @Option(help: "Only unfinished transactions in this queue.") var queue: Queue?
    @Option(parsing: .singleValue, help: "Only this state; may be repeated.")
    var state: [StateArgument] = []
    @Option(help: "Only transactions with a branch in this participant.") var participant: String?
    @Option(
        parsing: .singleValue,
        help: ArgumentHelp("Only with this label; may be repeated.", valueName: "name:value"))
    var label: [String] = []
    @Option(
        help: ArgumentHelp(
            "Only transactions that were accepted at least so long ago, such as 5m.",
            valueName: "time"))
    var olderThan: DurationArgument?
    @Option(help: "Only the transaction with this Idempotency-Key.") var key: String?
    @Option(help: "The newest first, or the oldest.") var order: Order?
    @Option(help: "How many, 1 to 200.") var limit = 50
    @Option(help: "Where to go on: what an earlier list has printed.") var cursor: String?
    @Flag(help: "Fetch page after page until the last one.") var all = false
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func validate() throws {
        guard (1...200).contains(limit) else {
            throw ValidationError("Expected --limit from 1 to 200, got \(limit).")
        }
    }

    func run(with client: APIClient) async throws {
        var query = filters(at: .now)
        var table = TransactionText.table()
        var next: String?
        repeat {
            let answer = try await client.send(.init("/v1/transactions", query: query))
            let page = try answer.json()
            next = page["nextCursor"]?.string
            if output.json {
                print(page, answer)
            } else {
                for transaction in page["transactions"]?.elements ?? [] {
                    table.add(TransactionText.row(transaction, at: .now))
                }
            }
            query.removeAll { $0.name == "cursor" }
            query.append((name: "cursor", value: next ?? ""))
        } while all && next != nil
        guard !output.json else { return }
        guard !table.rows.isEmpty else {
            return Terminal.error.print("No transaction matches.")
        }
        for line in Screen.output.lines(of: table) { Terminal.output.print(line) }
        if let next { Terminal.error.print("There are more: use --all, or --cursor \(next).") }
    }

    private func print(_ page: JSONValue, _ answer: APIAnswer) {
        guard all else { return Terminal.output.print(answer.text) }
        for transaction in page["transactions"]?.elements ?? [] {
            var writer = JSONWriter()
            writer.value(transaction)
            Terminal.output.print(writer.text)
        }
    }

    /// The query of the first page.
    func filters(at moment: Moment) -> [(name: String, value: String)] {
        var query: [(name: String, value: String)] = []
        func add(_ name: String, _ value: String?) {
            if let value { query.append((name: name, value: value)) }
        }
        add("queue", queue?.rawValue)
        for state in state { add("state", state.rawValue) }
        add("participant", participant)
        for label in label { add("label", label) }
        add("acceptedBefore", olderThan.map { moment.before($0.duration) })
        add("idempotencyKey", key.map(IdempotencyKeyField.quoted))
        add("order", order?.rawValue)
        add("limit", "\(limit)")
        add("cursor", cursor)
        return query
    }
}

/// The command `tandem transactions show`.
struct TransactionsShow: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Shows a transaction: state, branches, evidence, what it waits for, what to do.",
        discussion: CommandStatus.help)

    @OptionGroup var transaction: TransactionArgument
    @Flag(help: "Show the rows that its statements returned, too.") var results = false
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run(with client: APIClient) async throws {
        let answer = try await client.send(.init(transaction.path))
        if output.json { return Terminal.output.print(answer.text) }
        let json = try answer.json()
        var lines = TransactionText.detail(json, on: .output)
        if results { lines += ResultText.lines(of: json, on: .output) }
        Terminal.output.print(lines.joined(separator: "\n"))
    }
}

/// The command `tandem transactions rollback`.
struct TransactionsRollback: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback",
        abstract: "Rolls a transaction back, as long as nothing is decided.",
        discussion: """
            Repeated, it gives the recorded outcome. Status 0: rolled back in every database; 3: \
            the abort is recorded, and a branch is still to be rolled back; 6: the decision is to \
            commit. \(CommandStatus.help)
            """)

    @OptionGroup var transaction: TransactionArgument
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run(with client: APIClient) async throws {
        let answer = try await client.send(.post(transaction.path + "/rollback"))
        try finish(answer, isFinished: answer.status != 202, output)
    }
}

/// The command `tandem transactions retry`.
struct TransactionsRetry: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry",
        abstract: "Tries the unfinished branches at once, and not at their next attempt.",
        discussion: """
            Status 0: they are being tried; 6: there is nothing to try. It never changes a \
            decision. \(CommandStatus.help)
            """)

    @OptionGroup var transaction: TransactionArgument
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run(with client: APIClient) async throws {
        let answer = try await client.send(.post(transaction.path + "/retry"))
        try finish(answer, isFinished: true, output)
    }
}

/// Prints the transaction that a request has changed.
private func finish(_ answer: APIAnswer, isFinished: Bool, _ output: OutputOptions) throws {
    if output.json {
        Terminal.output.print(answer.text)
    } else {
        let lines = TransactionText.detail(try answer.json(), on: .output)
        Terminal.output.print(lines.joined(separator: "\n"))
    }
    if !isFinished { throw ExitCode(CommandStatus.unfinished.rawValue) }
}

extension JSONValue {
    /// The elements of an array; none of anything else.
    var elements: [JSONValue] { if case .array(let elements) = self { elements } else { [] } }

    /// The members of an object; none of anything else.
    var members: [JSONMember] { if case .object(let members) = self { members } else { [] } }

    /// The value as a person reads it; nil for null.
    var plain: String? {
        switch self {
        case .null: return nil
        case .bool(let value): return value ? "true" : "false"
        case .number(let text), .string(let text): return text
        case .array, .object:
            var writer = JSONWriter()
            writer.value(self)
            return writer.text
        }
    }
}
