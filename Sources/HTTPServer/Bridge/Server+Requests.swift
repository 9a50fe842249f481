import CMicrohttpd
import EventLoop
import HTTPTypes

extension Server {
    /// Called for each piece of the body, at its end, and again after a resume.
    func access(
        _ exchange: Exchange, _ connection: OpaquePointer, _ data: UnsafeRawBufferPointer,
        _ size: UnsafeMutablePointer<Int>
    ) -> MHD_Result {
        if unsafe !data.isEmpty {
            unsafe size.pointee = 0
            return unsafe receive(exchange, connection, data)
        }
        let answer = exchange.progress.withLock { progress -> ServerResponse? in
            guard case .answered(let response) = progress else { return nil }
            progress = .over
            return response
        }
        if let answer {
            unsafe comesFirst(connection, false)
            return unsafe queue(answer, connection)
        }
        if exchange.isDiscarding {
            return unsafe refuse(.bodyTooLarge(limit: configuration.bodyBytesMax), connection)
        }
        return unsafe run(exchange, connection)
    }

    /// Called once the head is there.
    func begin(
        _ exchange: Exchange, _ connection: OpaquePointer, _ head: RequestHead
    ) -> MHD_Result {
        // Until the body is whole nobody answers on this connection, so the keeper may.
        unsafe keeper.set(
            cmhd_socket(connection), within: configuration.bodyTimeout,
            timeoutResponse: timeoutAnswer)
        if head.size > configuration.headerBytesMax {
            // Beside so large a head there may be no memory left for that of an answer.
            let failure: ProtocolFailure =
                head.target.utf8.count > configuration.targetBytesMax
                ? .targetTooLong(limit: configuration.targetBytesMax)
                : .headTooLarge(limit: configuration.headerBytesMax)
            unsafe keeper.cut(
                cmhd_socket(connection), timeoutResponse: Farewell(renderFailure(failure)))
            return .NO
        }
        switch Framing.check(head, limits: configuration) {
        case .failure(let failure):
            return unsafe refuse(failure, connection)
        case .success(let checked):
            let length = checked.contentLength ?? 0
            if length > configuration.bodyBytesMax {
                if checked.expectsContinue || length > configuration.discardBytesMax {
                    return unsafe refuse(
                        .bodyTooLarge(limit: configuration.bodyBytesMax), connection)
                }
            } else {
                exchange.body.reserveCapacity(length)
            }
            guard let known = HTTPRequest.Method(head.method) else {
                return unsafe refuse(.badRequest("the method is not a token"), connection)
            }
            exchange.request = ServerRequest(
                method: known, path: checked.target.path, query: checked.target.query,
                headerFields: checked.fields, body: [])
            return .YES
        }
    }

    /// A body over the limit is thrown away as it comes, up to a cap, so that the client is still
    /// there for the answer.
    private func receive(
        _ exchange: Exchange, _ connection: OpaquePointer, _ data: UnsafeRawBufferPointer
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

    /// Has a connection that is resumed come here before it is read from.
    ///
    /// After a resume libmicrohttpd reads first, and where a client has half closed, which is all it
    /// can do once its request is sent, drops the connection and with it the answer. Only those whose
    /// limit of inactivity is not the server's are looked at before they are read from, in every
    /// round; so a connection has one of its own while it is suspended, and no longer.
    private func comesFirst(_ connection: OpaquePointer, _ isSo: Bool) {
        let seconds = inactivitySecondsMax + (isSo ? 1 : 0)
        _ = unsafe cmhd_set_timeout(connection, UInt32(seconds))
    }

    private func run(_ exchange: Exchange, _ connection: OpaquePointer) -> MHD_Result {
        guard var request = exchange.request else { return .NO }
        request.body = exchange.body
        exchange.body = []
        exchange.request = nil
        exchange.connection = unsafe ConnectionHandle(pointer: connection)
        let isTaken = traffic.withLock { traffic in
            guard traffic.phase != .stopping else { return false }
            unsafe comesFirst(connection, true)
            // Suspended before anybody can find it: an answer may come at any moment after, and a
            // drain that ends must find every suspended connection.
            unsafe MHD_suspend_connection(connection)
            exchange.progress.withLock { $0 = .running }
            traffic.exchanges[ObjectIdentifier(exchange)] = exchange
            return true
        }
        guard isTaken else { return unsafe refuse(.stopping, connection) }
        // A handler takes the time it takes.
        unsafe keeper.remove(cmhd_socket(connection))
        exchange.isCounted = true
        let complete = request
        Task(executorPreference: executor) { [self] in
            finish(exchange, await handler(complete))
        }
        return .YES
    }

    private func refuse(_ failure: ProtocolFailure, _ connection: OpaquePointer) -> MHD_Result {
        unsafe queue(renderFailure(failure), connection, closing: true)
    }

    private func queue(
        _ answer: ServerResponse, _ connection: OpaquePointer, closing: Bool = false
    ) -> MHD_Result {
        unsafe keeper.set(cmhd_socket(connection), within: configuration.responseTimeout)
        let response = unsafe answer.body.withUnsafeBytes { body in
            unsafe MHD_create_response_from_buffer(
                body.count, UnsafeMutableRawPointer(mutating: body.baseAddress),
                .RESPMEM_MUST_COPY)
        }
        guard let response = unsafe response else { return .NO }
        defer { unsafe MHD_destroy_response(response) }
        for field in answer.headerFields {
            _ = unsafe MHD_add_response_header(response, field.name.rawName, field.value)
        }
        if closing || traffic.withLock({ $0.phase != .serving }) {
            _ = unsafe MHD_add_response_header(response, "Connection", "close")
        }
        return unsafe MHD_queue_response(connection, UInt32(answer.status.code), response)
    }

    func completed(_ exchange: Exchange, _ connection: OpaquePointer) {
        exchange.progress.withLock { $0 = .over }
        unsafe keeper.set(cmhd_socket(connection), within: configuration.headerTimeout)
        guard exchange.isCounted else { return }
        let isIdle = traffic.withLock { traffic in
            traffic.exchanges[ObjectIdentifier(exchange)] = nil
            return traffic.exchanges.isEmpty
        }
        if isIdle { wakeWaiters() }
    }
}
