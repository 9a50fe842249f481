import EventLoop

/// The body of a response that goes on: a client gets each piece when it is sent.
///
/// Any thread may use it. It ends when the handler finishes it, when the client is gone, when the server
/// stops, or when the client reads so slowly that more than `bytesMax` wait to be read.
package final class ResponseStream: Sendable {
    private struct State {
        var waiting: [UInt8] = []
        /// Nothing more is taken; what waits is sent.
        var isFinished = false
        /// The response is over.
        var isEnded = false
        /// Resumes the connection; there while libmicrohttpd waits for the next piece.
        var resume: (@Sendable () -> Void)?
        var onEnd: (@Sendable () -> Void)?

        mutating func takeResume() -> (@Sendable () -> Void)? {
            defer { resume = nil }
            return resume
        }
    }

    private let state = Lock(State())
    private let bytesMax: Int

    /// Makes a stream of which so many bytes may wait for the client.
    package init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    /// Sends a piece; returns false if the stream takes no more.
    @discardableResult
    package func send(_ bytes: [UInt8]) -> Bool {
        let (isTaken, resume) = state.withLock { state in
            guard !state.isFinished else { return (false, state.takeResume()) }
            guard state.waiting.count + bytes.count <= bytesMax else {
                // The client would get a part of the piece only: so it gets nothing more.
                state.waiting = []
                state.isFinished = true
                return (false, state.takeResume())
            }
            state.waiting += bytes
            return (true, state.takeResume())
        }
        resume?()
        return isTaken
    }

    /// Ends the stream after what was sent.
    package func finish() {
        let resume = state.withLock { state in
            state.isFinished = true
            return state.takeResume()
        }
        resume?()
    }

    /// Calls this once the response is over, whatever ended it; at once if it is over already.
    package func onEnd(_ body: @escaping @Sendable () -> Void) {
        let isEnded = state.withLock { state in
            if !state.isEnded { state.onEnd = body }
            return state.isEnded
        }
        if isEnded { body() }
    }

    // MARK: The server's side

    /// Whether the connection is suspended until the next piece comes.
    var isAwaited: Bool { state.withLock { $0.resume != nil } }

    /// What to do when libmicrohttpd asks for a piece.
    enum Reading {
        /// It got so many bytes.
        case bytes(Int)
        /// There is nothing now: the connection is suspended.
        case nothing
        case end
    }

    /// Copies what waits, as far as it fits.
    ///
    /// If nothing waits, `suspend` is called, and `resume` once
    /// there is something.
    func read(
        into buffer: UnsafeMutableRawBufferPointer, suspend: () -> Void,
        resume: @escaping @Sendable () -> Void
    ) -> Reading {
        state.withLock { state in
            guard state.waiting.isEmpty else {
                let count = min(buffer.count, state.waiting.count)
                unsafe buffer.copyBytes(from: state.waiting[..<count])
                state.waiting.removeFirst(count)
                return .bytes(count)
            }
            if state.isFinished { return .end }
            // Under the lock: a piece that comes now finds the connection suspended, or is found here.
            suspend()
            state.resume = resume
            return .nothing
        }
    }

    /// What was sent and not been taken; for tests.
    package var waitingBytes: [UInt8] { state.withLock { $0.waiting } }

    /// The response is over.
    package func end() {
        let onEnd = state.withLock { state in
            state.isFinished = true
            state.isEnded = true
            state.waiting = []
            state.resume = nil
            defer { state.onEnd = nil }
            return state.onEnd
        }
        onEnd?()
    }
}
