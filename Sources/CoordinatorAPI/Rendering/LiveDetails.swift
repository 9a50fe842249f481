import Crypto
import TransactionEngine

/// What the branches of a transaction wait for at this moment, as only the coordinating replica knows.
struct LiveDetails {
    /// The locks that its branches wait for.
    var waits: [LockWaitReport] = []
    /// When its unfinished branches are tried next, by their numbers.
    var nextAttempts: [Int: Timestamp] = [:]

    /// A text that changes whenever what is shown of them does; empty without any.
    var version: String {
        if waits.isEmpty, nextAttempts.isEmpty { return "" }
        var shown = LockWaitRendering.json(waits)
        for (branch, time) in nextAttempts.sorted(by: { $0.key < $1.key }) {
            shown += "\(branch) \(time) ".utf8
        }
        let digest = Array(SHA256.hash(data: shown)).prefix(6)
        let digits = digest.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
        return "-w" + digits.joined()
    }

    /// Entity tags without what `version` added to them.
    static func removingVersions(from tags: String) -> String {
        tags.replacing(/-w[0-9a-f]{12}/, with: "")
    }
}
