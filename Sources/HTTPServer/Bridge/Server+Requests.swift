import CMicrohttpd
import HTTPTypes

extension Server {
    /// Called for the head, for each piece of the body, at its end, and again after a resume.
    func access(
        _ exchange: Exchange, _ connection: OpaquePointer, _ method: String, _ version: String,
        _ data: UnsafeRawBufferPointer, _ size: UnsafeMutablePointer<Int>
    ) -> MHD_Result {
        if !exchange.hasBegun {
            exchange.hasBegun = true
            return begin(exchange, connection, method, version)
        }
        if !data.isEmpty {
            size.pointee = 0
            return receive(exchange, connection, data)
        }
        let answer = exchange.progress.with { progress -> ServerResponse? in
            guard case .answered(let response) = progress else { return nil }
            progress = .over
            return response
        }
        if let answer { return queue(answer, connection) }
        if exchange.isDiscarding {
            return refuse(.bodyTooLarge(limit: configuration.bodyBytesMax), connection)
        }
        return run(exchange, connection)
    }

    private func begin(
        _ exchange: Exchange, _ connection: OpaquePointer, _ method: String, _ version: String
    ) -> MHD_Result {
        keeper.set(cmhd_socket(connection), within: configuration.bodyTimeout)
        let checked = Framing.check(
            method: method, target: exchange.target, version: version,
            fields: fields(connection), limits: configuration)
        switch checked {
        case .failure(let failure):
            return refuse(failure, connection)
        case .success(let head):
            let length = head.contentLength ?? 0
            if length > configuration.bodyBytesMax {
                if head.expectsContinue || length > configuration.discardBytesMax {
                    return refuse(.bodyTooLarge(limit: configuration.bodyBytesMax), connection)
                }
            } else {
                exchange.body.reserveCapacity(length)
            }
            let parts = exchange.target.split(
                separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
            guard let known = HTTPRequest.Method(method) else {
                return refuse(.badRequest("the method is not a token"), connection)
            }
            exchange.request = ServerRequest(
                method: known, path: String(parts[0]),
                query: parts.count > 1 ? String(parts[1]) : nil, headerFields: head.fields,
                body: [])
            return .YES
        }
    }

    private func fields(_ connection: OpaquePointer) -> [(name: String, value: String)] {
        var fields: [(name: String, value: String)] = []
        withUnsafeMutablePointer(to: &fields) { fields in
            _ = MHD_get_connection_values_n(
                connection, .HEADER_KIND,
                { context, _, name, nameCount, value, valueCount in
                    guard
                        let fields = context?.assumingMemoryBound(
                            to: [(name: String, value: String)].self)
                    else { return .NO }
                    let name = UnsafeRawBufferPointer(start: name, count: nameCount)
                    let value = UnsafeRawBufferPointer(start: value, count: valueCount)
                    fields.pointee.append(
                        (
                            String(decoding: name, as: UTF8.self),
                            String(decoding: value, as: UTF8.self)
                        ))
                    return .YES
                }, fields)
        }
        return fields
    }

    /// A body over the limit is thrown away as it comes, up to a cap, so that the client is still
    /// there for the answer.
    private func receive(
        _ exchange: Exchange, _ connection: OpaquePointer, _ data: UnsafeRawBufferPointer
    ) -> MHD_Result {
        if !exchange.isDiscarding,
            exchange.body.count + data.count <= configuration.bodyBytesMax
        {
            exchange.body.append(contentsOf: data)
            return .YES
        }
        exchange.isDiscarding = true
        exchange.discarded += exchange.body.count + data.count
        exchange.body = []
        return exchange.discarded <= configuration.discardBytesMax ? .YES : .NO
    }

    private func run(_ exchange: Exchange, _ connection: OpaquePointer) -> MHD_Result {
        guard var request = exchange.request else { return .NO }
        request.body = exchange.body
        exchange.body = []
        exchange.request = nil
        keeper.clear(cmhd_socket(connection))
        exchange.connection = ConnectionHandle(pointer: connection)
        traffic.with { $0.exchanges[ObjectIdentifier(exchange)] = exchange }
        exchange.isCounted = true
        // Suspended before the task can start: its answer may come at any moment after.
        exchange.progress.with { $0 = .running }
        MHD_suspend_connection(connection)
        let complete = request
        Task(executorPreference: executor) { [self] in
            finish(exchange, await handler(complete))
        }
        return .YES
    }

    private func refuse(_ failure: ProtocolFailure, _ connection: OpaquePointer) -> MHD_Result {
        queue(renderFailure(failure), connection, closing: true)
    }

    private func queue(
        _ answer: ServerResponse, _ connection: OpaquePointer, closing: Bool = false
    ) -> MHD_Result {
        keeper.set(cmhd_socket(connection), within: configuration.responseTimeout)
        let response = answer.body.withUnsafeBytes { body in
            MHD_create_response_from_buffer(
                body.count, UnsafeMutableRawPointer(mutating: body.baseAddress),
                .RESPMEM_MUST_COPY)
        }
        guard let response else { return .NO }
        defer { MHD_destroy_response(response) }
        for field in answer.headerFields {
            _ = MHD_add_response_header(response, field.name.rawName, field.value)
        }
        if closing || traffic.with({ $0.isDraining }) {
            _ = MHD_add_response_header(response, "Connection", "close")
        }
        return MHD_queue_response(connection, UInt32(answer.status.code), response)
    }

    func completed(_ exchange: Exchange, _ connection: OpaquePointer) {
        exchange.progress.with { $0 = .over }
        keeper.set(cmhd_socket(connection), within: configuration.headerTimeout)
        guard exchange.isCounted else { return }
        let isIdle = traffic.with { traffic in
            traffic.exchanges[ObjectIdentifier(exchange)] = nil
            return traffic.exchanges.isEmpty
        }
        if isIdle { wakeWaiters() }
    }
}
