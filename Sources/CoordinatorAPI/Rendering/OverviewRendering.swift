import CommitProtocol
import TransactionEngine

/// Queues, replicas and participants as JSON.
enum OverviewRendering {
    static func json(_ overview: Overview) -> [UInt8] {
        var writer = JSONWriter(capacity: 4096)
        writer.object { writer in
            writer.member("replica", overview.replica)
            writer.time("observedAt", overview.observedAt)
            writer.name("queues")
            writer.array(overview.queues) { $0.write(to: &$1) }
            writer.name("replicas")
            writer.array(overview.replicas) { $0.write(to: &$1) }
            writer.name("participants")
            writer.array(overview.participants) {
                $0.status.write(unresolved: $0.unresolved, to: &$1)
            }
        }
        return writer.bytes
    }

    static func json(_ replicas: [ReplicaReport]) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.name("replicas")
            writer.array(replicas) { $0.write(to: &$1) }
        }
        return writer.bytes
    }
}

extension QueueSummary {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("queue", queue.rawValue)
            writer.member("count", count)
            writer.member("countIsExact", isCountExact)
            writer.name("oldest")
            guard let oldest else { return writer.null() }
            writer.object { writer in
                writer.member("id", oldest.id.description)
                writer.time("acceptedAt", oldest.acceptedAt)
            }
        }
    }
}

extension ReplicaReport {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", name)
            writer.member("epoch", Int(epoch))
            writer.time("startedAt", startedAt)
            writer.time("lastHeartbeatAt", lastHeartbeatAt)
            writer.time("leaseExpiresAt", leaseExpiresAt)
            writer.member("state", state.rawValue)
            writer.name("participants")
            writer.array(participants) { $1.string($0) }
            writer.member("isThisReplica", isThisReplica)
        }
    }
}
