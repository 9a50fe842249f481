import CoordinatorAPI
import EventLoop
import Glibc
import Logging

/// Writes each event as one JSON object on a line of its own: `time`, `level`, `message`, and the
/// metadata beside them.
struct JSONLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .info
    var metadataProvider: Logger.MetadataProvider?
    private let write: @Sendable ([UInt8]) -> Void
    /// Microseconds since 1970.
    private let now: @Sendable () -> Int64

    /// Makes a handler that hands whole lines to `write`.
    init(
        write: @escaping @Sendable ([UInt8]) -> Void,
        now: @escaping @Sendable () -> Int64 = WallTime.microseconds
    ) {
        self.write = write
        self.now = now
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
        if let own = event.metadata { all.merge(own) { $1 } }
        var writer = JSONWriter()
        writer.object { writer in
            writer.name("time")
            writer.time(microseconds: now())
            writer.member("level", event.level.rawValue)
            writer.member("message", event.message.description)
            for (key, value) in all.sorted(by: { $0.key < $1.key }) {
                // A key that is in use would hide what the line itself says.
                writer.name(escaping: Self.reserved.contains(key) ? "metadata.\(key)" : key)
                Self.write(value, to: &writer)
            }
        }
        write(writer.bytes + [UInt8(ascii: "\n")])
    }

    private static let reserved: Set = ["time", "level", "message"]

    private static func write(_ value: Logger.MetadataValue, to writer: inout JSONWriter) {
        switch value {
        case .string(let text): writer.string(text)
        case .stringConvertible(let value): writer.string(value.description)
        case .array(let values): writer.array(values) { write($0, to: &$1) }
        case .dictionary(let values):
            writer.object { writer in
                for (key, value) in values.sorted(by: { $0.key < $1.key }) {
                    writer.name(escaping: key)
                    write(value, to: &writer)
                }
            }
        }
    }
}

/// The wall clock.
enum WallTime {
    /// Microseconds since 1970.
    static func microseconds() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000
    }
}

/// Standard error, whole lines at a time.
enum StandardErrorLine {
    /// Held while a line is written, so that lines of several threads do not mix.
    private static let turn = Lock(())

    /// Writes a line; what standard error does not take is lost.
    static func write(_ line: [UInt8]) {
        turn.withLock { _ in
            var rest = line[...]
            while !rest.isEmpty {
                let count = unsafe rest.withUnsafeBytes { bytes in
                    unsafe Glibc.write(STDERR_FILENO, bytes.baseAddress, bytes.count)
                }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
            }
        }
    }
}
