import EventLoop
import PostgresClient
import Testing

/// The bound of whatever a test waits for that is to come: long, since a busy machine takes its time.
let patience = Duration.seconds(300)

extension Trait where Self == TimeLimitTrait {
    /// Ends a test that waits for ever; longer than the patience, whose end says what was waited for.
    static var patient: Self { .timeLimit(.minutes(10)) }
}

/// A connection to the shared cluster.
func connect(_ overrides: [String: String] = [:], statementsMax: Int = 256) async throws
    -> PostgresConnection
{
    let cluster = try await Cluster.shared.value
    return try await PostgresConnection.connect(
        try cluster.options(overrides), timeout: patience, statementsMax: statementsMax,
        loop: .shared)
}

extension SQLState {
    static let invalidAuthorization = SQLState(rawValue: "28000")
    static let invalidPassword = SQLState(rawValue: "28P01")
    static let invalidCatalogName = SQLState(rawValue: "3D000")
    static let undefinedTable = SQLState(rawValue: "42P01")
}

extension PostgresError {
    /// The server's message, if there is one.
    var serverMessage: ServerMessage? {
        switch self {
        case .refused(let message), .server(let message): message
        case .invalidConninfo, .unreachable, .connectionLost, .timedOut, .poolExhausted, .closed:
            nil
        }
    }
}

/// A name that no other test uses.
func uniqueName(_ prefix: String) -> String {
    "\(prefix)_\(UInt32.random(in: 0 ... .max))"
}

/// Waits for something the test expects to come true, without a fixed time.
@LoopActor
func eventually(
    _ what: Comment, sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: @LoopActor () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + patience
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            Issue.record(what, sourceLocation: sourceLocation)
            return
        }
        await pause(.milliseconds(2))
    }
}

/// Lets a time pass on the loop's own clock.
@LoopActor
func pause(_ duration: Duration) async {
    await withCheckedContinuation { done in
        _ = EventLoop.shared.schedule(after: duration) { done.resume() }
    }
}

/// What is thrown, as the client's own error.
@LoopActor
func failure(_ body: @LoopActor () async throws -> Void) async -> PostgresError? {
    do {
        try await body()
        Issue.record("nothing was thrown")
        return nil
    } catch {
        return error as? PostgresError
    }
}

extension CommandReply {
    /// "completed", "failed 23505" or "skipped".
    var summary: String {
        switch self {
        case .completed(let result): "completed \(result.tag)"
        case .failed(let message): "failed \(message.state)"
        case .exceeded: "exceeded"
        case .skipped: "skipped"
        }
    }
}
