import CommitProtocol
import TransactionEngine

/// The course of a transaction as JSON, and as lines of text.
enum TimelineRendering {
    static func json(_ events: [TimelineEvent], of id: GlobalTransactionID) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("transaction", id.description)
            writer.name("events")
            writer.array(events) { event, writer in
                writer.object { writer in
                    writer.time("at", event.at)
                    writer.member("event", event.moment.rawValue)
                    writer.nullable("branch", event.branch)
                    writer.member("source", event.source.rawValue)
                }
            }
        }
        return writer.bytes
    }

    /// A line for each event: time, event, branch and source, with tabs; `-` for the whole transaction.
    static func lines(_ events: [TimelineEvent]) -> [UInt8] {
        events.flatMap { event in
            let parts = [
                UTCTime(microseconds: event.at).text, event.moment.rawValue,
                event.branch.map { "\($0)" } ?? "-", event.source.rawValue,
            ]
            return Array((parts.joined(separator: "\t") + "\n").utf8)
        }
    }
}
