import CMicrohttpd
import EventLoop
import HTTPTypes

/// What libmicrohttpd's callbacks do with a request.
extension Server {
    /// Called for each piece of the body, at its end, and again after a resume.
    func access(
        _ exchange: Exchange, on connection: OpaquePointer, data: UnsafeRawBufferPointer,
        size: UnsafeMutablePointer<Int>
    ) -> MHD_Result {
        if unsafe !data.isEmpty {
            unsafe size.pointee = 0
            return unsafe receive(exchange, on: connection, data: data)
        }
        let (answer, isLast) = traffic.withLock { traffic -> (ServerResponse?, Bool) in
            guard case .answered(let response) = exchange.progress else { return (nil, false) }
            exchange.progress = .over
            exchange.stream = response.stream
            return (response, traffic.phase != .serving)
        }
        if let answer {
            // A stream's connection is resumed for each piece, and ends with it.
            if answer.stream == nil { unsafe setHandledBeforeRead(false, connection) }
            return unsafe queue(answer, to: exchange, on: connection, isLast: isLast)
        }
        if exchange.isDiscarding {
            return unsafe refuse(
                exchange, on: connection, .bodyTooLarge(limit: configuration.bodyBytesMax))
        }
        return unsafe run(exchange, on: connection)
    }

    /// Called once the head is there.
    func begin(
        _ exchange: Exchange, on connection: OpaquePointer, head: RequestHead
    ) -> MHD_Result {
        // Until the body is whole nothing else is sent on this connection, so the deadline may send.
        deadlines.set(
            exchange.socket, within: configuration.bodyTimeout, sendsTimeoutResponse: true)
        if head.bytes.count > configuration.headerBytesMax {
            // So large a head may leave no memory for the head of a response.
            let failure: ProtocolFailure =
                head.target.utf8.count > configuration.targetBytesMax
                ? .targetTooLong(limit: configuration.targetBytesMax)
                : .headTooLarge(limit: configuration.headerBytesMax)
            unsafe deadlines.close(
                exchange.socket, sending: RawResponse(renderFailure(failure)),
                over: cmhd_tls_session(connection))
            return .NO
        }
        switch Framing.check(head, limits: configuration) {
        case .failure(let failure):
            return unsafe refuse(exchange, on: connection, failure)
        case .success(let checked):
            let length = checked.contentLength ?? 0
            if length > configuration.bodyBytesMax {
                if checked.expectsContinue || length > configuration.discardBytesMax {
                    return unsafe refuse(
                        exchange, on: connection, .bodyTooLarge(limit: configuration.bodyBytesMax))
                }
            } else {
                exchange.body.reserveCapacity(length)
            }
            guard let known = HTTPRequest.Method(head.method) else {
                return unsafe refuse(
                    exchange, on: connection, .badRequest("expected a token as method"))
            }
            exchange.request = ServerRequest(
                method: known, path: checked.target.path, query: checked.target.query,
                headerFields: checked.fields, body: [])
            exchange.request?.peer = unsafe PeerAddress(cmhd_client_address(connection))
            return .YES
        }
    }

    /// Discards a body over the limit as it comes, up to a cap, so that the client still reads the
    /// response.
    private func receive(
        _ exchange: Exchange, on connection: OpaquePointer, data: UnsafeRawBufferPointer
    ) -> MHD_Result {
        if !exchange.isDiscarding,
            exchange.body.count + data.count <= configuration.bodyBytesMax
        {
            unsafe exchange.body.append(contentsOf: data)
            return .YES
        }
        exchange.isDiscarding = true
        exchange.discarded += exchange.body.count + data.count
        exchange.body = []
        return exchange.discarded <= configuration.discardBytesMax ? .YES : .NO
    }

    /// Makes libmicrohttpd call back for a connection that is resumed before it reads from it.
    ///
    /// After a resume libmicrohttpd reads first. If the client has half closed the connection by
    /// then, as it may once its request is sent, libmicrohttpd drops the connection and with it the
    /// response. Only connections whose limit of inactivity differs from the server's are handled
    /// before they are read from; so a connection has another limit while it is suspended.
    private func setHandledBeforeRead(_ isHandled: Bool, _ connection: OpaquePointer) {
        let seconds = inactivitySecondsMax + (isHandled ? 1 : 0)
        _ = unsafe cmhd_set_timeout(connection, UInt32(seconds))
    }

    private func run(_ exchange: Exchange, on connection: OpaquePointer) -> MHD_Result {
        guard var request = exchange.request else { return .NO }
        request.body = exchange.body
        exchange.body = []
        exchange.request = nil
        exchange.connection = unsafe Handle(pointer: connection)
        let isTaken = traffic.withLock { traffic in
            guard traffic.phase != .stopping else { return false }
            unsafe setHandledBeforeRead(true, connection)
            // Suspend it before it is in `exchanges`: a response may come at any moment after, and
            // the end of a drain must find every suspended connection there.
            unsafe MHD_suspend_connection(connection)
            exchange.progress = .running
            traffic.insert(exchange)
            return true
        }
        guard isTaken else { return unsafe refuse(exchange, on: connection, .stopping) }
        // A handler has no deadline here.
        deadlines.remove(exchange.socket)
        exchange.isCounted = true
        exchange.isHead = request.method == .head
        let complete = request
        loop.execute { [self] in
            handler(complete) { [self] response in finish(exchange, response) }
        }
        return .YES
    }

    private func refuse(
        _ exchange: Exchange, on connection: OpaquePointer, _ failure: ProtocolFailure
    ) -> MHD_Result {
        unsafe queue(renderFailure(failure), to: exchange, on: connection, isLast: true)
    }

    private func queue(
        _ answer: ServerResponse, to exchange: Exchange, on connection: OpaquePointer, isLast: Bool
    ) -> MHD_Result {
        deadlines.set(exchange.socket, within: configuration.responseTimeout)
        let made =
            if let stream = answer.stream {
                unsafe response(of: stream, to: exchange, on: connection, isOver: isLast)
            } else {
                unsafe response(of: answer.body)
            }
        guard let response = unsafe made else { return .NO }
        defer { unsafe MHD_destroy_response(response) }
        for field in answer.headerFields.fields {
            _ = unsafe MHD_add_response_header(response, field.name.text, field.value)
        }
        if isLast || answer.stream != nil {
            _ = unsafe MHD_add_response_header(response, "Connection", "close")
        }
        return unsafe MHD_queue_response(connection, UInt32(answer.status.code), response)
    }

    private func response(of body: [UInt8]) -> OpaquePointer? {
        unsafe body.withUnsafeBytes { body in
            unsafe MHD_create_response_from_buffer(
                body.count, UnsafeMutableRawPointer(mutating: body.baseAddress),
                .RESPMEM_MUST_COPY)
        }
    }

    /// Makes a response whose body libmicrohttpd asks for piece by piece.
    private func response(
        of stream: ResponseStream, to exchange: Exchange, on connection: OpaquePointer, isOver: Bool
    ) -> OpaquePointer? {
        // A drain that began after the handler's answer has not seen this stream, and HEAD takes none.
        if isOver || exchange.isHead { stream.finish() }
        let source = unsafe StreamSource(
            stream, connection: Handle(pointer: connection), socket: exchange.socket, server: self)
        let context = unsafe Unmanaged.passRetained(source)
        let response = unsafe MHD_create_response_from_callback(
            UInt64.max, StreamSource.pieceBytes, StreamSource.read, context.toOpaque(),
            StreamSource.free)
        if unsafe response == nil { unsafe context.release() }
        return unsafe response
    }

    /// Called once a request's target is there; its end is `completed`.
    func targetRead() {
        traffic.withLock { $0.openCount += 1 }
    }

    func completed(_ exchange: Exchange) {
        deadlines.set(exchange.socket, within: configuration.headerTimeout)
        let (isAwaited, stream) = traffic.withLock { traffic in
            var stream = exchange.stream
            // The client has left before its answer was begun.
            if case .answered(let response) = exchange.progress { stream = response.stream }
            exchange.progress = .over
            traffic.openCount -= 1
            if exchange.isCounted { traffic.remove(exchange) }
            return (!traffic.waiters.isEmpty, stream)
        }
        stream?.end()
        if isAwaited { wakeWaiters() }
    }
}
