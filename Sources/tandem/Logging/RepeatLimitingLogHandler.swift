import EventLoop
import Logging

/// Leaves out repetitions: of one message about one subject, such as a participant, a branch and a
/// transaction, a line in each window.
///
/// The next line after the window says, as `leftOut`, how many were left out. Errors and worse are
/// never left out: each is about something else, or something new.
struct RepeatLimitingLogHandler: LogHandler {
    private var inner: any LogHandler
    private let window: Duration
    private let now: @Sendable () -> ContinuousClock.Instant
    private let memory = Lock(Memory())
    /// The members that say what a line is about.
    private let subject: [String]
    private let writesUnremembered: Bool
    /// Kinds of lines that are remembered.
    private static let kindsMax = 1024

    private struct Kind: Hashable {
        let message: String
        let subject: [String]
    }

    private struct Memory: Sendable {
        struct Entry: Sendable {
            var end: ContinuousClock.Instant
            var leftOut = 0
        }

        var entries: [Kind: Entry] = [:]
    }

    /// Makes a handler in front of another one; a window of zero leaves nothing out.
    ///
    /// - Parameters:
    ///   - subject: the members of the metadata that say what a line is about.
    ///   - writesUnremembered: whether a line is written that is of one kind more than can be remembered;
    ///     otherwise all of those count as one kind, so that nobody can fill the log.
    init(
        _ inner: any LogHandler, window: Duration,
        subject: [String] = ["participant", "transaction", "branch", "gid"],
        writesUnremembered: Bool = true,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.inner = inner
        self.window = window
        self.subject = subject
        self.writesUnremembered = writesUnremembered
        self.now = now
    }

    var metadata: Logger.Metadata {
        get { inner.metadata }
        set { inner.metadata = newValue }
    }

    var metadataProvider: Logger.MetadataProvider? {
        get { inner.metadataProvider }
        set { inner.metadataProvider = newValue }
    }

    var logLevel: Logger.Level {
        get { inner.logLevel }
        set { inner.logLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { inner[metadataKey: key] }
        set { inner[metadataKey: key] = newValue }
    }

    func log(event: LogEvent) {
        guard window > .zero, event.level < .error else { return inner.log(event: event) }
        guard let leftOut = admit(event) else { return }
        guard leftOut > 0 else { return inner.log(event: event) }
        var event = event
        event.metadata = (event.metadata ?? [:]).merging(["leftOut": "\(leftOut)"]) { $1 }
        inner.log(event: event)
    }

    /// How many lines of the kind were left out since the last one; nil if this one is left out as well.
    private func admit(_ event: LogEvent) -> Int? {
        var kind = Kind(
            message: event.message.description,
            subject: subject.map { event.metadata?[$0]?.description ?? "" })
        let time = now()
        return memory.withLock { memory in
            if memory.entries.count >= Self.kindsMax, memory.entries[kind] == nil {
                memory.entries = memory.entries.filter {
                    time < $0.value.end || $0.key.subject.isEmpty
                }
                if memory.entries.count >= Self.kindsMax, !writesUnremembered {
                    kind = Kind(message: kind.message, subject: [])
                }
            }
            if var known = memory.entries[kind], time < known.end {
                known.leftOut += 1
                memory.entries[kind] = known
                return nil
            }
            let leftOut = memory.entries[kind]?.leftOut ?? 0
            if memory.entries.count < Self.kindsMax || memory.entries[kind] != nil
                || kind.subject.isEmpty
            {
                memory.entries[kind] = Memory.Entry(end: time.advanced(by: window))
            }
            return leftOut
        }
    }
}
