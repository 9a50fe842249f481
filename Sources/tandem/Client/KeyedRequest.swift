import CoordinatorAPI

/// A request for a transaction that is sent again, with its key, until its outcome is known.
struct KeyedRequest {
    private let client: APIClient
    private let request: APIClient.Request
    private let key: String
    private let deadline: ContinuousClock.Instant
    /// Whether an attempt may have been accepted: then a later refusal says nothing of the outcome.
    private var mayHaveArrived = false

    /// How long one attempt may take.
    ///
    /// A longer transaction goes on at the replica: the next attempt, with the same key, is answered
    /// 409 `idempotency-key-in-progress` until it is finished.
    private static let attemptMax = Duration.seconds(60)

    init(_ client: APIClient, body: [UInt8], key: String, timeout: Duration) {
        self.client = client
        self.key = key
        deadline = .now + timeout
        var request = APIClient.Request.post("/v1/transactions", body)
        request.fields["Idempotency-Key"] = IdempotencyKeyField.quoted(key)
        request.purpose = "running the transaction"
        self.request = request
    }

    /// What an answer says of the outcome.
    enum Verdict: Equatable {
        case known(CommandStatus)
        /// Decided to commit, and not finished everywhere.
        case committing
        /// Nothing; the same request finds out.
        case unknown
        /// This attempt was not accepted, and another one may be.
        case notAccepted

        init(_ answer: APIAnswer) {
            guard let problem = answer.problem else {
                switch answer.status {
                case 202: self = .committing
                // A proxy's page for logins, say, has 200, too.
                case 200..<300 where (try? answer.json())?["state"]?.string == "committed":
                    self = .known(.done)
                case 300..<500: self = .known(.refused)
                // A proxy's, perhaps: the replica may have the request.
                default: self = .unknown
                }
                return
            }
            switch (problem.name, problem.outcome) {
            case ("idempotency-key-in-progress", _), (_, "unknown"): self = .unknown
            case (_, "notAccepted") where problem.isRetryable, ("request-timeout", _):
                self = .notAccepted
            default: self = .known(problem.exitStatus)
            }
        }
    }

    /// What only the transaction itself can have led to.
    private static let outcomes: [CommandStatus] = [.done, .aborted, .needsOperator]

    /// The answer with the outcome.
    ///
    /// - Throws: `CommandFailure` if no replica was reached, the time is over, or an attempt is refused
    ///   after another one may have been accepted.
    mutating func outcome() async throws -> (APIAnswer, CommandStatus) {
        var pause = Duration.milliseconds(200)
        while true {
            let (answer, reason) = try await attempt()
            if let answer {
                switch Verdict(answer) {
                case .known(let status):
                    // What refuses this attempt says nothing about one before it.
                    guard !mayHaveArrived || Self.outcomes.contains(status) else {
                        throw notKnown(reason)
                    }
                    return (answer, status)
                case .committing: return try await finish(answer)
                case .unknown: mayHaveArrived = true
                case .notAccepted: break
                }
            }
            guard deadline > .now else { throw notKnown(reason) }
            Terminal.error.print("No outcome yet: \(reason). Trying again with the same key.")
            let wait = max(pause, answer?.retryAfter.map { .seconds($0) } ?? .zero)
            try await Task.sleep(for: min(wait, deadline - .now))
            pause = min(pause * 2, .seconds(5))
        }
    }

    /// Sends the request once; without an answer, the reason says why there is none.
    private mutating func attempt() async throws -> (answer: APIAnswer?, reason: String) {
        var request = request
        request.timeout = max(.seconds(1), min(deadline - .now, Self.attemptMax))
        do throws(APIClient.Unreachable) {
            let answer = try await client.answer(request)
            let name = answer.problem.map { "the answer is \($0.name)" }
            return (answer, name ?? "the answer has status \(answer.status)")
        } catch {
            mayHaveArrived = mayHaveArrived || error.mayHaveArrived
            // Nothing has arrived: the address is wrong, more likely than not.
            guard mayHaveArrived else {
                throw CommandFailure(.unreachable, client.sentence(error))
            }
            return (nil, error.reason)
        }
    }

    private func notKnown(_ reason: String) -> CommandFailure {
        guard mayHaveArrived else {
            return CommandFailure(.unreachable, "Not accepted in time: \(reason).")
        }
        return CommandFailure(
            .unfinished,
            "The outcome is not known: \(reason).\n  Remedy: run the same command with --key "
                + "\(Self.shellQuoted(key)), which executes nothing twice.")
    }

    /// A text as one word of a shell.
    private static func shellQuoted(_ text: String) -> String {
        "'" + text.replacing("'", with: "'\\''") + "'"
    }

    /// Waits until a commit is finished everywhere.
    private func finish(_ answer: APIAnswer) async throws -> (APIAnswer, CommandStatus) {
        guard let id = try answer.json()["id"]?.string else { return (answer, .unfinished) }
        var watch = TransactionWatch(client, timeout: deadline - .now, wasReached: true)
        let (last, status) = try await watch.untilFinished(id)
        return (last, status)
    }
}
