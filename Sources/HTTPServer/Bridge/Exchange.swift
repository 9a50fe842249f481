import EventLoop
import HTTPTypes

/// One request and its response, between libmicrohttpd's thread and a task.
///
/// Only the connection's thread touches the fields outside `progress`; `progress` is the handshake.
/// libmicrohttpd keeps a reference from the request line to NOTIFY_COMPLETED.
final class Exchange: @unchecked Sendable {
    enum Progress {
        /// The request is still arriving.
        case receiving
        /// The connection is suspended, and a task works on the response.
        case running
        /// The response is there, and the connection was resumed.
        case answered(ServerResponse)
        /// The response is queued, or the client is gone.
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
    var connection: Handle?

    init(target: String) {
        self.target = target
    }
}

/// A connection or daemon of libmicrohttpd that other threads hold.
///
/// A connection is used on its own thread or, while it is suspended, to resume it; a daemon by the
/// one call that took it in order to stop it.
@safe struct Handle: @unchecked Sendable {
    let pointer: OpaquePointer
}
