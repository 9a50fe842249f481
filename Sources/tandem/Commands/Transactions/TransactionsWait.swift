import ArgumentParser
import CoordinatorAPI

/// The command `tandem transactions wait`.
struct TransactionsWait: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait",
        abstract: "Waits until a transaction is finished, or needs an operator.",
        discussion: """
            If tandem ran the request again, it waits for the last run. Once a replica has \
            answered, a lost connection is tried again until the time is over. \
            \(CommandStatus.help)
            """)

    @OptionGroup var transaction: TransactionArgument
    @Option(help: ArgumentHelp("How long at most; without it, for ever.", valueName: "time"))
    var timeout: DurationArgument?
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run(with client: APIClient) async throws {
        var watch = TransactionWatch(client, timeout: timeout?.duration)
        let (answer, status) = try await watch.untilFinished("\(transaction.id)")
        Terminal.output.print(
            try output.json
                ? answer.text
                : TransactionText.detail(answer.json(), on: .output).joined(separator: "\n"))
        if status != .done { throw ExitCode(status.rawValue) }
    }
}

/// Follows a transaction, over the runs of its request, to its finish.
struct TransactionWatch {
    private let client: APIClient
    private let deadline: ContinuousClock.Instant?
    private var wasReached = false

    /// How long one request waits at the replica; 60 seconds is the most that it allows.
    private static let sliceMax = Duration.seconds(30)

    init(_ client: APIClient, timeout: Duration?, wasReached: Bool = false) {
        self.client = client
        self.wasReached = wasReached
        deadline = timeout.map { ContinuousClock.now + $0 }
    }

    /// The last status, and what it means for the exit status.
    mutating func untilFinished(_ first: String) async throws -> (APIAnswer, CommandStatus) {
        var id = first
        var last: APIAnswer?
        var purpose = "waiting for \(id)"
        var pause = Duration.milliseconds(200)
        while true {
            let left = deadline.map { $0 - ContinuousClock.now }
            if let left, left <= .zero {
                guard let last else {
                    throw CommandFailure(
                        .unfinished, "Not known in time; ask again with a longer --timeout.")
                }
                return (last, .unfinished)
            }
            let slice = min(left ?? Self.sliceMax, Self.sliceMax)
            // Rounded up: with 0 the replica would not wait at all.
            let parts = slice.components
            let seconds = Int(parts.seconds) + (parts.attoseconds > 0 ? 1 : 0)
            var request = APIClient.Request(
                "/v1/transactions/\(id)", query: [(name: "waitSeconds", value: "\(seconds)")])
            request.timeout = slice + .seconds(10)
            request.purpose = purpose
            if let answer = try await self.answer(request) {
                pause = .milliseconds(200)
                let status = try answer.json()
                last = answer
                if let next = status["retriedAs"]?.string {
                    Terminal.error.print("\(id) ran again as \(next).")
                    id = next
                    continue
                }
                if let meaning = Self.meaning(of: status) { return (answer, meaning) }
                purpose =
                    "\(id) is \(status["state"]?.string ?? "unknown"), "
                    + "\(Self.progress(of: status))"
            } else {
                try await Task.sleep(for: min(pause, left ?? pause))
                pause = min(pause * 2, .seconds(5))
            }
        }
    }

    /// The status; nil if it is worth asking again.
    private mutating func answer(_ request: APIClient.Request) async throws -> APIAnswer? {
        let answer: APIAnswer
        do throws(APIClient.Unreachable) {
            answer = try await client.answer(request)
        } catch {
            guard wasReached else { throw CommandFailure(.unreachable, client.sentence(error)) }
            return nil
        }
        wasReached = true
        if answer.isSuccess { return answer }
        // 503: the outcome is not known yet, or no replica can read it now.
        if answer.status == 503 { return nil }
        throw answer.failure(from: client.address)
    }

    /// What a finished status means; nil while it is not finished.
    static func meaning(of status: JSONValue) -> CommandStatus? {
        switch status["state"]?.string {
        case "committed": .done
        case "aborted": .aborted
        case "needsOperator": .needsOperator
        default: nil
        }
    }

    private static func progress(of status: JSONValue) -> String {
        let branches = status["branches"]?.elements ?? []
        let finished = branches.count { $0["outcome"]?.string != nil }
        return "\(finished) of \(branches.count) branches are finished"
    }
}
