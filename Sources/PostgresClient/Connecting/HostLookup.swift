import EventLoop

/// One question for the servers of a connection string, bounded in time.
@LoopActor
final class HostLookup {
    typealias Outcome = Result<[ConnectionOptions], PostgresError>

    private var completion: ((Outcome) -> Void)?
    private var timer: LoopTimer?

    /// Calls the completion exactly once; after the time, if nothing came of it until then.
    func start(
        _ options: ConnectionOptions, timeout: Duration, _ completion: @escaping (Outcome) -> Void
    ) {
        self.completion = completion
        timer = EventLoop.shared.schedule(after: timeout) {
            self.end(.failure(.unreachable("no address of \(options) within \(timeout)")))
        }
        BlockingCall.start {
            Result { () throws(PostgresError) in try HostResolution.servers(of: options) }
        } then: {
            // The time may have run out meanwhile; the late answer is of no use then.
            self.end($0)
        }
    }

    /// Gives the question up, unless it is answered.
    func end(_ outcome: Outcome) {
        guard let completion else { return }
        timer?.cancel()
        self.completion = nil
        completion(outcome)
    }
}
