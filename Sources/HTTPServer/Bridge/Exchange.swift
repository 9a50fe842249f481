/// One request and its response, between libmicrohttpd's thread and the loop.
///
/// `progress` is the handshake: it, `stream` and `place` are touched under the lock of the server's traffic
/// only. `connection` is written before `progress` says running, and read under that lock after it
/// does. All else is the connection's thread's. libmicrohttpd keeps a reference from the request line
/// to NOTIFY_COMPLETED.
final class Exchange: @unchecked Sendable {
    enum Progress {
        /// The request is still arriving.
        case receiving
        /// The connection is suspended, and a handler works on the response.
        case running
        /// The response is there, and the connection was resumed.
        case answered(ServerResponse)
        /// The response is queued, or the client is gone.
        case over
    }

    let target: String
    let socket: Int32
    var progress = Progress.receiving
    /// The body of the response, if it goes on.
    var stream: ResponseStream?
    /// Where it is among the server's exchanges.
    var place = 0
    var hasBegun = false
    var body: [UInt8] = []
    var isDiscarding = false
    var discarded = 0
    var request: ServerRequest?
    var isCounted = false
    var isHead = false
    var connection: Handle?

    init(target: String, socket: Int32) {
        self.target = target
        self.socket = socket
    }
}

/// A connection or daemon of libmicrohttpd that other threads hold.
///
/// A connection is used on its own thread or, while it is suspended, to resume it; a daemon by the
/// one call that took it in order to stop it.
@safe struct Handle: @unchecked Sendable {
    let pointer: OpaquePointer
}
