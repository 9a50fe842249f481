import CLibpq
import EventLoop

/// Makes one connection on the loop, without ever blocking it.
@LoopActor
final class Connector {
    private let pointer: OpaquePointer
    private var watched: Int32 = -1
    private var reply: CheckedContinuation<Result<Void, PostgresError>, Never>?
    private var timer: LoopTimer?

    private init(_ pointer: OpaquePointer) {
        self.pointer = pointer
    }

    /// Answers an open `PGconn` in non-blocking mode.
    static func connect(
        _ options: ConnectionOptions, timeout: Duration
    ) async throws(PostgresError) -> OpaquePointer {
        let values = try await options.resolved()
        let pointer = withCStrings(values.map(\.0)) { keywords in
            withCStrings(values.map(\.1)) { values in
                PQconnectStartParams(keywords, values, 0)
            }
        }
        guard let pointer else { throw .unreachable("out of memory") }
        let connector = Connector(pointer)
        let result = await withCheckedContinuation { reply in
            connector.reply = reply
            connector.timer = EventLoop.shared.schedule(after: timeout) {
                connector.finish(.failure(.unreachable("no answer within \(timeout)")))
            }
            if PQstatus(pointer) == CONNECTION_BAD {
                connector.fail()
            } else {
                connector.wait(for: .write)
            }
        }
        do throws(PostgresError) {
            try result.get()
        } catch {
            PQfinish(pointer)
            throw error
        }
        guard PQsetnonblocking(pointer, 1) == 0, PQenterPipelineMode(pointer) == 1 else {
            PQfinish(pointer)
            throw .unreachable("the connection cannot be used without blocking")
        }
        return pointer
    }

    private func wait(for readiness: Readiness) {
        let socket = PQsocket(pointer)
        guard socket >= 0 else { return fail() }
        do throws(DescriptorError) {
            if watched == socket {
                try EventLoop.shared.change(socket, to: readiness)
            } else {
                // libpq goes on to another socket for the next address; the old one is closed.
                if watched >= 0 { EventLoop.shared.unwatch(watched) }
                try EventLoop.shared.watch(socket, for: readiness) { [self] _ in advance() }
                watched = socket
            }
        } catch {
            finish(.failure(.unreachable("\(error)")))
        }
    }

    private func advance() {
        guard reply != nil else { return }
        let before = PQsocket(pointer)
        let status = PQconnectPoll(pointer)
        if PQsocket(pointer) != before, watched >= 0 {
            EventLoop.shared.unwatch(watched)
            watched = -1
        }
        switch status {
        case PGRES_POLLING_READING: wait(for: .read)
        case PGRES_POLLING_WRITING: wait(for: .write)
        case PGRES_POLLING_OK: finish(.success(()))
        default: fail()
        }
    }

    private func fail() {
        let message = String(cString: PQerrorMessage(pointer))
        let line = message.split(separator: "\n").joined(separator: "; ")
        finish(.failure(.unreachable(line.isEmpty ? "refused" : line)))
    }

    private func finish(_ result: Result<Void, PostgresError>) {
        guard let reply else { return }
        self.reply = nil
        timer?.cancel()
        if watched >= 0 { EventLoop.shared.unwatch(watched) }
        watched = -1
        reply.resume(returning: result)
    }
}

/// Lends C strings, ended by a null pointer; nil elements become null pointers.
func withCStrings<Result>(
    _ texts: [String?], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result
) -> Result {
    var bytes: [CChar] = []
    var offsets: [Int?] = []
    bytes.reserveCapacity(texts.reduce(0) { $0 + ($1?.utf8.count ?? 0) + 1 })
    for text in texts {
        guard let text else {
            offsets.append(nil)
            continue
        }
        offsets.append(bytes.count)
        for byte in text.utf8 { bytes.append(CChar(bitPattern: byte)) }
        bytes.append(0)
    }
    return bytes.withUnsafeBufferPointer { buffer in
        var pointers = offsets.map { offset in
            offset.flatMap { offset in buffer.baseAddress.map { $0 + offset } }
        }
        pointers.append(nil)
        return pointers.withUnsafeBufferPointer { pointers in
            guard let base = pointers.baseAddress else {
                preconditionFailure("the list holds its end at least")
            }
            return body(base)
        }
    }
}
