import EventLoop
import HTTPTypes

/// One request and its answer, between libmicrohttpd's thread and a task.
///
/// The connection's thread alone touches the fields outside `progress`; `progress` is the
/// handshake. libmicrohttpd keeps a reference from the request line to NOTIFY_COMPLETED.
final class Exchange: @unchecked Sendable {
    enum Progress {
        /// The request is still arriving.
        case receiving
        /// The connection is suspended, and a task works on the answer.
        case running
        /// The answer is there, and the connection was resumed.
        case answered(ServerResponse)
        /// The answer is queued, or nobody is left to get it.
        case over
    }

    let target: String
    let progress = Lock(Progress.receiving)
    var hasBegun = false
    var body: [UInt8] = []
    var isDiscarding = false
    var discarded = 0
    var request: ServerRequest?
    var isCounted = false
    var connection: ConnectionHandle?

    init(target: String) {
        self.target = target
    }
}

/// A libmicrohttpd connection.
///
/// It is used on its own thread, or, while suspended, to resume it.
@safe struct ConnectionHandle: @unchecked Sendable {
    let pointer: OpaquePointer
}

/// A running libmicrohttpd daemon.
///
/// The functions that stop it may be called on any thread.
@safe struct DaemonHandle: @unchecked Sendable {
    let pointer: OpaquePointer
}
