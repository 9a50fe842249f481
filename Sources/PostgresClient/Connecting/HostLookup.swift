import EventLoop

/// One lookup of the servers that a connection string names, bounded in time.
@LoopActor
final class HostLookup {
    typealias Outcome = Result<[ConnectionOptions], PostgresError>

    private let loop: EventLoop
    private var completion: ((Outcome) -> Void)?
    private var timer: LoopTimer?

    init(loop: EventLoop) { self.loop = loop }

    /// Calls the completion exactly once, at the latest when the time is up.
    func start(
        _ options: ConnectionOptions, timeout: Duration, _ completion: @escaping (Outcome) -> Void
    ) {
        self.completion = completion
        timer = loop.schedule(after: timeout) {
            self.end(.failure(.unreachable("no address of \(options) within \(timeout)")))
        }
        BlockingCall.start(for: loop) {
            Result { () throws(PostgresError) in try HostResolution.servers(of: options) }
        } then: {
            // Without effect if the time is up by now.
            self.end($0)
        }
    }

    /// Ends the lookup, unless it has ended.
    func end(_ outcome: Outcome) {
        guard let completion else { return }
        timer?.cancel()
        self.completion = nil
        completion(outcome)
    }
}
