import Foundation
import TransactionEngine

extension Replica {
    /// The engine's ports: as they are, unless this is a rehearsal or failpoints are armed.
    static func gatedPorts(
        _ log: any DecisionLog, _ participants: any Participants, by points: ControlPointGate?
    ) throws -> (any DecisionLog, any Participants) {
        let ports = try withFailpoints(log, participants)
        guard let points else { return ports }
        points.use(participants)
        return points.around(ports.0, ports.1)
    }

    /// The ports, in a debug build with the failpoints that `TANDEM_FAILPOINTS` arms.
    private nonisolated static func withFailpoints(
        _ log: any DecisionLog, _ participants: any Participants
    ) throws -> (any DecisionLog, any Participants) {
        #if TANDEM_FAILPOINTS
        guard let text = ProcessInfo.processInfo.environment["TANDEM_FAILPOINTS"] else {
            return (log, participants)
        }
        guard let points = Failpoints(text) else { throw UnknownFailpoint(text: text) }
        return points.around(log, participants)
        #else
        return (log, participants)
        #endif
    }
}

#if TANDEM_FAILPOINTS
private struct UnknownFailpoint: Error, CustomStringConvertible {
    let text: String
    var description: String { "expected failpoints in TANDEM_FAILPOINTS, got \"\(text)\"" }
}
#endif
