import CMicrohttpd

/// Gives libmicrohttpd the pieces of a stream, on its thread.
final class StreamSource: Sendable {
    /// The most that one chunk holds.
    static let pieceBytes = 8192

    private let stream: ResponseStream
    private let connection: Handle
    private let socket: Int32
    private let server: Server

    init(_ stream: ResponseStream, connection: Handle, socket: Int32, server: Server) {
        self.stream = stream
        self.connection = connection
        self.socket = socket
        self.server = server
    }

    /// libmicrohttpd asks for a piece once the client has taken the one before.
    static let read: MHD_ContentReaderCallback = { context, _, bytes, size in
        guard let context = unsafe context, let bytes = unsafe bytes else {
            return endWithError
        }
        let source = unsafe Unmanaged<StreamSource>.fromOpaque(context).takeUnretainedValue()
        return unsafe source.read(
            into: UnsafeMutableRawBufferPointer(start: bytes, count: size))
    }

    static let free: MHD_ContentReaderFreeCallback = { context in
        if let context = unsafe context {
            unsafe Unmanaged<StreamSource>.fromOpaque(context).release()
        }
    }

    // The header has them as macros with a cast, which Swift does not import.
    private static let endOfStream = -1
    private static let endWithError = -2

    private func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let connection = connection
        let reading = unsafe stream.read(
            into: buffer, suspend: { unsafe MHD_suspend_connection(connection.pointer) },
            resume: { unsafe MHD_resume_connection(connection.pointer) })
        switch reading {
        case .bytes(let count):
            // The client has this long to take the piece.
            server.deadlines.set(socket, within: server.configuration.responseTimeout)
            return count
        case .nothing:
            server.deadlines.remove(socket)
            return 0
        case .end:
            server.deadlines.set(socket, within: server.configuration.responseTimeout)
            return Self.endOfStream
        }
    }
}
