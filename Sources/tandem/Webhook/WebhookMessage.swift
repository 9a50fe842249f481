import CoordinatorAPI
import PostgresTransactions

/// What the receiver of the webhook gets.
struct WebhookMessage: Sendable {
    /// The same in every attempt, so that the receiver can drop a repeat.
    let id: String
    /// The body, as JSON.
    let body: [UInt8]

    /// - Parameters:
    ///   - installation: the UUID of the state database, which the ids of messages begin with.
    ///   - console: where people read the console's pages; nil for no links.
    init(
        _ message: AlertTable.Message, installation: String, replica: String, console: String?,
        at now: Int64
    ) {
        let status = message.resolvedAt == nil ? "opened" : "resolved"
        id = "\(installation)-\(message.number)-\(status)"
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("type", "\(message.kind.rawValue).\(status)")
            writer.name("timestamp")
            writer.time(microseconds: message.resolvedAt ?? now)
            writer.name("data")
            writer.object { writer in
                writer.member("kind", message.kind.rawValue)
                writer.member("status", status)
                writer.member("subject", message.subject)
                writer.name("since")
                writer.time(microseconds: message.since)
                writer.name("resolvedAt")
                if let at = message.resolvedAt {
                    writer.time(microseconds: at)
                } else {
                    writer.null()
                }
                writer.member("description", message.text)
                writer.member(
                    "advice",
                    message.resolvedAt == nil ? message.kind.advice : "Nothing is left to do.")
                writer.member("replica", replica)
                writer.name("link")
                if let console {
                    writer.string(console + message.kind.path(to: message.subject))
                } else {
                    writer.null()
                }
            }
        }
        body = writer.bytes
    }
}

extension AlertTable.Message {
    /// What happened, in a sentence.
    fileprivate var text: String {
        let isOver = resolvedAt != nil
        let text =
            switch kind {
            case .transactionNeedsOperator:
                isOver
                    ? "Transaction \(subject) needs no operator any more."
                    : "Transaction \(subject) needs an operator: tandem cannot say how it ended."
            case .transactionInDoubt:
                isOver
                    ? "Transaction \(subject) is in doubt no more."
                    : "Transaction \(subject) is undecided, and its deadline is over."
            case .preparedNeedsOperator:
                isOver
                    ? "The prepared transaction \(subject) is left to an operator no more."
                    : "The prepared transaction \(subject) is left to an operator."
            case .participantLost:
                isOver
                    ? "Participant \(subject) answers again."
                    : "Participant \(subject) does not answer."
            case .quarantined:
                isOver
                    ? "The quarantine of the state database is over."
                    : "The state database is in quarantine."
            }
        return isOver || detail.isEmpty ? text : "\(text) \(detail)"
    }
}

extension AlertTable.Kind {
    /// What the operator does first.
    fileprivate var advice: String {
        switch self {
        case .transactionNeedsOperator:
            "Read its page or \"tandem transactions show\": it says what each branch may be, and how "
                + "to resolve it."
        case .transactionInDoubt:
            "Read its page or \"tandem transactions show\": most likely the database that decides does "
                + "not answer; bring it back."
        case .preparedNeedsOperator:
            "Read \"tandem participants prepared\": it says whose it is and what to do about it."
        case .participantLost:
            "Bring the server back, or mend the way to it: its branches wait, and end by themselves then."
        case .quarantined:
            "Find out whether decisions were lost, then end it with \"tandem release\"."
        }
    }

    /// Where the console shows it.
    fileprivate func path(to subject: String) -> String {
        switch self {
        case .transactionNeedsOperator, .transactionInDoubt: "/transactions/\(subject)"
        case .preparedNeedsOperator, .participantLost:
            "/participants/\(subject.prefix { $0 != "/" })"
        case .quarantined: "/"
        }
    }
}
