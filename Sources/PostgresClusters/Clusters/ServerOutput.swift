/// The stream to which a server and all its backends write their log.
///
/// It shows without polling that the server is ready, by its log line, and that the postmaster *and every
/// backend* has ended, by the end of the stream. A restart must wait for that: a backend that outlives
/// its postmaster holds the shared memory, and the new postmaster refuses to start.
struct ServerOutput: Sendable {
    /// True once the server accepts connections; false if it ends before that.
    let ready: Task<Bool, Never>
    /// Completes when all processes of the cluster have ended.
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
                // A full disk loses log lines, but does not stop the server.
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
