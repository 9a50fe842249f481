/// The stream that a server and all its backends write their log to.
///
/// It tells two things as they happen, with no polling: that the server is ready, by its own word;
/// and that the postmaster *and every backend* is gone, by the end of the stream, since each of them
/// holds it open. A restart may begin only then: a backend that outlives its postmaster still holds
/// the shared memory, and the new postmaster refuses to start.
struct ServerOutput: Sendable {
    /// True once the server accepts connections; false when it ended before it did.
    let ready: Task<Bool, Never>
    /// Completes when no process of the cluster is left.
    let ended: Task<Void, Never>

    /// Copies the stream from `source` to the file `log` until it ends.
    init(reading source: Descriptor, log: Descriptor) throws {
        let (lines, found) = AsyncStream.makeStream(of: Void.self)
        let (ends, end) = AsyncStream.makeStream(of: Never.self)
        ready = Task {
            for await _ in lines { return true }
            return false
        }
        ended = Task { for await _ in ends {} }
        try startThread {
            var line: [UInt8] = []
            while true {
                let bytes = source.readSome()
                if bytes.isEmpty { break }
                // A full disk costs log lines, not the server's life.
                try? log.write(bytes)
                for byte in bytes {
                    if byte != UInt8(ascii: "\n") {
                        line.append(byte)
                        continue
                    }
                    if String(decoding: line, as: UTF8.self).contains(
                        "database system is ready to accept")
                    {
                        found.yield()
                    }
                    line.removeAll(keepingCapacity: true)
                }
            }
            found.finish()
            end.finish()
        }
    }
}
