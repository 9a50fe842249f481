import Foundation
import TransactionEngine

extension Replica {
    /// The engine's ports, in a debug build with the failpoints that `TANDEM_FAILPOINTS` arms.
    nonisolated static func withFailpoints(
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
