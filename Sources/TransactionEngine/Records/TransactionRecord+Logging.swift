package import Logging

extension TransactionRecord {
    /// What a log line about it says first: its id, and the caller's trace if there is one.
    package func logged(with more: Logger.Metadata = [:]) -> Logger.Metadata {
        var metadata = more
        metadata["transaction"] = "\(id)"
        if let traceParent { metadata["trace"] = "\(traceParent.traceIDText)" }
        return metadata
    }
}
